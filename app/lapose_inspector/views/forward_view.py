"""What the forward dynamics expected to see next, beside what its codec can show of what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from cmap import Colormap
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Slot
from PySide6.QtGui import QColor, QFontMetricsF, QHideEvent, QPainter, QPaintEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from lapose_core.drive import Image
from lapose_inspector.models.prediction_words import action_share, verdict
from lapose_inspector.models.session import Session
from lapose_inspector.visuals.image import ImageCanvas
from lapose_inspector.visuals.overlay import draw_badge

if TYPE_CHECKING:
    from lapose_core.inference.reconstruction import Reconstruction
    from lapose_core.inference.result import ResultKey
    from lapose_inspector.workers.reconstruction import ReconstructionWorker

TITLES = ("Now", "Predicted next", "True next, as the VQ-VAE shows it", "Difference")
SHORT = ("Now", "Predicted next", "True next (VQ-VAE)", "Difference")
HEAD, WORDS, MARGIN, GAP = 16, 38, 6, 6
"""Heights of the line over a picture and of the words below; room around and between the pictures."""
LATE = 150
"""Milliseconds after which a reconstruction still being computed is announced."""
WORST_PIXEL = 0.4
"""Difference (of 0..1) at the top of the map; fixed, so that two transitions can be compared by eye."""
MAP = Colormap("magma")


class Legend(QWidget):
    """A colour bar with its two ends written beside it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.low, self.high, self.muted = "0", "", "#888888"
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        metrics = QFontMetricsF(self.font())
        text = metrics.horizontalAdvance(self.low) + metrics.horizontalAdvance(self.high)
        return QSize(int(text) + 60, int(metrics.height()) + 2)

    def set_ends(self, low: str, high: str) -> None:
        self.low, self.high = low, high
        self.updateGeometry()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, metrics = QPainter(self), QFontMetricsF(self.font())
        left, right = metrics.horizontalAdvance(self.low) + 5, metrics.horizontalAdvance(self.high) + 7
        bar = QRectF(left, self.height() / 2 - 4, self.width() - left - right, 8)
        painter.setPen(QColor(self.muted))
        middle = Qt.AlignmentFlag.AlignVCenter
        box = QRectF(self.rect()).adjusted(0, 0, -2, 0)
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | middle, self.low)
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | middle, self.high)
        table = (np.asarray(MAP(np.linspace(0, 1, 64)))[None, :, :3] * 255).astype(np.uint8)
        for i, (red, green, blue) in enumerate(table[0].tolist()):
            left, wide = bar.left() + i * bar.width() / 64, bar.width() / 64 + 0.6
            painter.fillRect(QRectF(left, bar.top(), wide, bar.height()), QColor(red, green, blue))
        painter.end()


class ForwardView(QWidget):
    """The transition at the cursor. While it is computed the one before stays, with its own frame numbers."""

    def __init__(
        self, session: Session, reconstruction_worker: ReconstructionWorker, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._worker = session, reconstruction_worker
        self._shown: tuple[int, Reconstruction] | None = None
        self._frames = (0, 0)  # of the shown transition
        self._wanted: int | None = None
        self._failure = ""
        self._run: ResultKey | None = None
        self._plain = ""
        self._columns = 0
        self._late = QTimer(self, singleShot=True, interval=LATE)
        self._late.timeout.connect(self._update_words)
        self.canvases = [ImageCanvas(interactive=False) for _ in TITLES]
        self._captions = [QLabel() for _ in TITLES]
        self._legend = Legend()
        self._mode = QToolButton()
        self._mode.setCheckable(True)
        self._mode.setAutoRaise(True)
        self._mode.setText("per code")
        self._mode.setToolTip("Show each code cell's cross-entropy instead of the pixels' difference")
        self._mode.toggled.connect(self._update_pictures)
        self._words = QLabel()
        self._words.setWordWrap(True)
        self._words.setTextFormat(Qt.TextFormat.RichText)
        self._words.setContentsMargins(8, 2, 8, 4)
        self._words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.canvases[0].layers = [self._paint_wait]
        self._build()
        reconstruction_worker.ready.connect(self._on_ready)
        reconstruction_worker.failed.connect(self._on_failed)
        session.drive_changed.connect(self._on_drive)
        session.analysis_changed.connect(self._on_analysis)
        session.timeline.frame_changed.connect(self._on_cursor)
        session.display.theme_changed.connect(self._on_theme)
        self._on_theme()
        self._on_drive()

    def close_panel(self) -> None:
        """Let go of session and worker."""
        session = self._session
        self._late.stop()
        self._worker.ready.disconnect(self._on_ready)
        self._worker.failed.disconnect(self._on_failed)
        session.drive_changed.disconnect(self._on_drive)
        session.analysis_changed.disconnect(self._on_analysis)
        session.timeline.frame_changed.disconnect(self._on_cursor)
        session.display.theme_changed.disconnect(self._on_theme)
        self.canvases[0].layers = []

    @property
    def shown_transition(self) -> int | None:
        """The transition in the pictures, which may not yet be the one at the cursor."""
        return None if self._shown is None else self._shown[0]

    @property
    def words(self) -> str:
        """What the panel says about the shown transition, as plain text."""
        return self._plain

    @property
    def columns(self) -> int:
        """4 when the panel is wide and low, else 2."""
        return self._columns

    @property
    def captions(self) -> list[str]:
        """What stands over the four pictures."""
        return [caption.text() for caption in self._captions]

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._grid = QGridLayout()
        self._grid.setContentsMargins(MARGIN, 2, MARGIN, 2)
        self._grid.setHorizontalSpacing(GAP)
        self._grid.setVerticalSpacing(2)
        self._cells = []
        for caption, canvas in zip(self._captions, self.canvases, strict=True):
            caption.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            caption.setAlignment(Qt.AlignmentFlag.AlignCenter)  # as the picture under it
            caption.setFixedHeight(HEAD)
            cell = QWidget()
            cell.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)  # all four the same
            box = QVBoxLayout(cell)
            box.setContentsMargins(0, 0, 0, 0)
            box.setSpacing(1)
            box.addWidget(caption)
            box.addWidget(canvas, 1)
            self._cells.append(cell)
        self.tools = QWidget()
        tools = QHBoxLayout(self.tools)
        tools.setContentsMargins(12, 0, 6, 0)
        tools.addStretch(1)
        tools.addWidget(self._legend)
        tools.addWidget(self._mode)
        column.addWidget(self.tools)
        self._pictures = QWidget()
        self._pictures.setLayout(self._grid)
        column.addWidget(self._pictures, 1)
        column.addWidget(self._words)
        self._arrange()

    def _arrange(self) -> None:
        """Four in a row or two by two, whichever makes the pictures larger."""
        own = self.tools.sizeHint().height() if self.tools.parent() is self else 0
        height = self.height() - WORDS - own - 4

        def picture(columns: int) -> float:
            rows = 4 // columns
            return min(self._cell_width(columns), ((height - 2 * (rows - 1)) / rows - HEAD - 1) * 15 / 7)

        columns = 4 if picture(4) > picture(2) else 2
        if columns == self._columns:
            return
        self._columns = columns
        for i, cell in enumerate(self._cells):
            self._grid.addWidget(cell, i // columns, i % columns)
        for i in range(4):
            self._grid.setColumnStretch(i, 1 if i < columns else 0)
            self._grid.setRowStretch(i, 1 if i < 4 // columns else 0)

    def _cell_width(self, columns: int) -> float:
        # Not the cells' own width: on a resize the layout gives them theirs later.
        return (self.width() - 2 * MARGIN - GAP * (columns - 1)) / columns

    def _on_drive(self) -> None:
        self._run, self._shown, self._wanted, self._failure = None, None, None, ""
        self._update_pictures()
        self._on_analysis()

    def _on_analysis(self) -> None:
        """Results grew; or they begin anew, with other samples or another model, and the pictures are old."""
        analysis = self._session.analysis
        run = None if analysis is None else analysis.key
        if run != self._run:
            self._run, self._shown, self._wanted, self._failure = run, None, None, ""
            self._update_pictures()
        waiting = self._wanted is not None and self._wanted != self.shown_transition and not self._failure
        if waiting and not self._late.isActive():
            self._worker.request(self._wanted)  # an analysis that starts again forgets what was asked before
        self._request()
        self._update_words()

    def _on_cursor(self, _: int) -> None:
        self._request()

    def _on_theme(self, _: str = "") -> None:
        colours = self._session.display.colours
        for canvas in self.canvases:
            canvas.set_colours(colours.panel, colours.muted)
        self._legend.muted = colours.muted
        for caption in self._captions:
            caption.setStyleSheet(f"color: {colours.muted}; font-size: 11px")
        self._legend.setStyleSheet("font-size: 11px")
        self._mode.setStyleSheet("font-size: 11px; padding: 1px 5px")
        self._update_words()

    def _request(self) -> None:
        """Asks for the transition at the cursor, unless nobody is looking: it costs model time."""
        session = self._session
        at = session.transition if session.analysis is not None and self.isVisible() else None
        if at == self._wanted:
            return
        self._wanted, self._failure = at, ""
        self._worker.request(at)
        if at is None or at == self.shown_transition:
            self._late.stop()
        elif not self._late.isActive():
            self._late.start()
        self._update_words()

    @Slot(int, object)
    def _on_ready(self, transition: int, result: Reconstruction) -> None:
        if transition != self._wanted:
            return
        frames = self._session.series.frames
        self._shown, self._failure = (transition, result), ""
        self._frames = int(frames[transition]), int(frames[transition + 1])
        self._late.stop()
        self._update_pictures()
        self._update_words()

    @Slot(int, str)
    def _on_failed(self, transition: int, reason: str) -> None:
        if transition == self._wanted:
            self._late.stop()
            self._failure = reason
            self._update_words()

    def _update_pictures(self) -> None:
        result = None if self._shown is None else self._shown[1]
        pictures: list[Image | None] = [None] * 4
        if result is not None:
            pictures = [result.current, result.predicted, result.target, self._difference(result)]
        for canvas, picture in zip(self.canvases, pictures, strict=True):
            canvas.set_image(picture)
        self._update_captions()

    def _difference(self, result: Reconstruction) -> Image:
        if self._mode.isChecked():
            top = max(float(np.ceil(result.cell_cross_entropy.max())), 1.0)
            self._legend.set_ends("cross-entropy 0", f"{top:.0f} nats")
            shares = np.asarray(result.cell_cross_entropy / top)
        else:
            self._legend.set_ends("difference 0", f"{100 * WORST_PIXEL:.0f} %")
            shares = result.difference.astype(np.float64) / WORST_PIXEL
        return (np.asarray(MAP(np.clip(shares, 0, 1)))[..., :3] * 255).round().astype(np.uint8)

    def _update_captions(self) -> None:
        known = self._shown is not None
        room = self._cell_width(max(self._columns, 1)) - 8
        for i, caption in enumerate(self._captions):
            caption.ensurePolished()  # the style sheet sets its font
            metrics = QFontMetricsF(caption.font())
            frame = f" · frame {self._frames[0 if i == 0 else 1]}" if known and i < 3 else ""
            candidates = (TITLES[i] + frame, SHORT[i] + frame, SHORT[i])
            if i == 3 and self._mode.isChecked():
                candidates = ("Cross-entropy of each code", "Cross-entropy", "CE")
            fitting = (text for text in candidates if metrics.horizontalAdvance(text) < room)
            caption.setText(next(fitting, candidates[-1]))
            caption.setToolTip(candidates[0])
        self._legend.setVisible(known)
        self._mode.setVisible(known)

    def _update_words(self) -> None:
        session, colours = self._session, self._session.display.colours
        wait = ""
        if session.drive is None:
            wait = "Open a driving log to see what the model expects next, from this frame and the action."
        elif session.analysis is None:
            wait = "Waiting for the model: this drive is not being analysed yet."
        elif session.transition is None:
            wait = "The cursor lies beyond the analysed samples: there is no next frame to predict."
        elif self._failure:
            wait = f"Transition {self._wanted} cannot be reconstructed: {self._failure}"
        elif self._shown is None:
            wait = "Waiting for the model to reconstruct the transition at the cursor…"
        # Without pictures the words are all there is, and stand in the middle.
        empty = self._shown is None
        self._pictures.setVisible(not empty)
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter if empty else Qt.AlignmentFlag.AlignLeft)
        if wait:
            self._plain = wait
            self._words.setText(f"<span style='color:{colours.muted}'>{wait}</span>")
        elif self._shown is not None and session.analysis is not None:
            result = self._shown[1]
            said = verdict(result.cross_entropy, session.analysis.cross_entropy)
            share = action_share(result.cross_entropy, result.cross_entropy_without_action)
            number = f"{result.cross_entropy:.2f} nats per code"
            self._plain = f"{number}: {said}. {share}"
            muted = f"<span style='color:{colours.muted}'>{share}</span>"
            self._words.setText(f"<b>{number}</b>: {said}. {muted}")
        self._fit_words()
        self.canvases[0].update()

    def _fit_words(self) -> None:
        """As high as the words need at this width, or all of the panel where they are all there is."""
        self._words.ensurePolished()
        needed = self._words.heightForWidth(self.width())
        self._words.setMinimumHeight(0 if self._shown is None else needed)
        self._words.setMaximumHeight(16_777_215 if self._shown is None else needed)

    def _paint_wait(self, painter: QPainter, canvas: ImageCanvas) -> None:
        if self._shown is None or self._wanted is None or self._wanted == self._shown[0]:
            return
        if self._late.isActive() or self._failure:
            return
        frame = int(self._session.series.frames[self._wanted])
        draw_badge(painter, QPointF(6, 6), f"computing frame {frame}", colour="#ffc14d")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()
        self._update_captions()
        self._fit_words()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._request()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._request()
