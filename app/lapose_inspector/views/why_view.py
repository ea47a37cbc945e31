"""Why the model says what it says at the cursor: error, regime, confidence and its parts, attention, neighbours."""

from __future__ import annotations

import re
from functools import partial
from html import escape

import numpy as np
from PySide6.QtCore import QSize, Qt, QTimer, Slot
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from lapose_inspector.models.session import Session
from lapose_inspector.models.why_words import check_signs, error_words, motion_words, predicted_motion
from lapose_inspector.views.panel import in_sight
from lapose_inspector.views.why_plots import AttentionPair, SensitivityBars
from lapose_inspector.workers.explanation import Explanation, ExplanationWorker

DOUBTFUL_DRIVE = 0.85
"""Median confidence below which a whole drive is in doubt: calibration drives have about 0.95."""
SETTLED = 200
"""Milliseconds without a move of the cursor after which the model is asked: it costs a fraction of a second."""


class WhyView(QWidget):
    """The words follow the cursor at once; what needs the model comes when the cursor rests."""

    def __init__(self, session: Session, worker: ExplanationWorker, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._worker = session, worker
        self._shown: Explanation | None = None
        self._failure = ""
        self._run: object = None
        self._soon = QTimer(self, singleShot=True, interval=SETTLED)
        self._soon.timeout.connect(self._ask)
        self._build()
        worker.ready.connect(self._on_ready)
        worker.failed.connect(self._on_failed)
        session.drive_changed.connect(self._on_analysis)
        session.analysis_changed.connect(self._on_analysis, partial(in_sight, self))
        session.timeline.followed.connect(self._on_cursor)
        session.display.theme_changed.connect(self._on_theme)
        self._on_theme()

    def _build(self) -> None:
        self.top, self.bottom = self._label(), self._label()
        self.attention = AttentionPair()
        self.bars = SensitivityBars()
        inside = QWidget()
        inside.setObjectName("panelBody")
        column = QVBoxLayout(inside)
        column.setContentsMargins(8, 6, 8, 8)
        column.setSpacing(6)
        for widget in (self.top, self.attention, self.bars, self.bottom):
            column.addWidget(widget)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)

    @staticmethod
    def _label() -> QLabel:
        label = QLabel()
        label.setWordWrap(True)
        label.setTextFormat(Qt.TextFormat.RichText)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        return label

    def sizeHint(self) -> QSize:
        return QSize(420, 300)

    def close_panel(self) -> None:
        """Let go of session and worker."""
        session = self._session
        self._soon.stop()
        self._worker.ready.disconnect(self._on_ready)
        self._worker.failed.disconnect(self._on_failed)
        session.drive_changed.disconnect(self._on_analysis)
        session.analysis_changed.disconnect(self._on_analysis)
        session.timeline.followed.disconnect(self._on_cursor)
        session.display.theme_changed.disconnect(self._on_theme)

    @property
    def explanation(self) -> Explanation | None:
        """What the model said last, of whatever transition."""
        return self._shown

    @property
    def shown_transition(self) -> int | None:
        """The transition that the model has explained, which may not yet be the one at the cursor."""
        return None if self._shown is None else self._shown.transition

    # -- what to explain

    def _at(self) -> int | None:
        session = self._session
        at = session.transition
        if at is None or session.analysis is None or not session.series.done[at]:
            return None
        return at

    def _on_cursor(self) -> None:
        if in_sight(self):
            self._say()
            self._soon.start()

    def _on_analysis(self) -> None:
        analysis = self._session.analysis
        run = None if analysis is None else analysis.key
        if run != self._run:
            self._run, self._shown, self._failure = run, None, ""
        if in_sight(self):
            self._say()
            self._soon.start()

    def _on_theme(self, _: str = "") -> None:
        for plot in (self.attention, self.bars):
            plot.set_colours(self._session.display.colours)
        self._say()

    def _ask(self) -> None:
        at = self._at()
        if at is not None and at == self.shown_transition and self._explains_confidence():
            return
        self._worker.request(at if in_sight(self) else None)

    def _explains_confidence(self) -> bool:
        """Whether the shown explanation knows all that is known by now."""
        assert self._shown is not None
        analysis = self._session.analysis
        checked = analysis is not None and bool(np.isfinite(analysis.confidence[self._shown.transition]))
        return self._shown.calibrated is not None and (bool(self._shown.parts) or not checked)

    @Slot(object)
    def _on_ready(self, explanation: Explanation) -> None:
        self._shown, self._failure = explanation, ""
        self._say()

    @Slot(str)
    def _on_failed(self, reason: str) -> None:
        self._failure = reason
        self._say()

    # -- what is said

    def _say(self) -> None:
        session, at = self._session, self._at()
        colours = session.display.colours
        shown = self._shown if at is not None and at == self.shown_transition else None
        self.attention.setVisible(shown is not None)
        self.bars.setVisible(shown is not None)
        self.bottom.setVisible(at is not None)
        if at is None:
            words = "The cursor lies beyond the analysed samples."
            if session.drive is None:
                words = "Open a driving log: here it is said why the model errs at the cursor, and how far to trust it."
            elif session.analysis is None:
                words = "Waiting for the model: this drive is not being analysed yet."
            elif session.transition is not None:
                words = "Waiting for the analysis to come here."
            self.top.setText(f"<span style='color:{colours.muted}'>{words}</span>")
            return
        frames = session.series.frames
        lines = [f"<b>Frames {frames[at]} → {frames[at + 1]}</b> · {escape(motion_words(session, at))}"]
        lines += [escape(line) for line in error_words(session, at)]
        lines.append(self._confidence_words(at, shown))
        if self._failure and shown is None:
            lines.append(f"<span style='color:{colours.warning}'>{escape(self._failure)}</span>")
        self.top.setText(_with_minus("<br>".join(lines).replace(" °:", "°:")))
        if shown is not None:
            first = (int(frames[at]), int(frames[at + 1]))
            self.attention.show_attention(shown.attention, first)
            self.bars.show_sensitivity(shown.sensitivity)
        self.bottom.setText(self._tables(at, shown))

    def _confidence_words(self, at: int, shown: Explanation | None) -> str:
        session = self._session
        assert session.analysis is not None
        confidence, muted = session.analysis.confidence, session.display.colours.muted
        if not np.isfinite(confidence[at]):
            why = "not known yet: the drive is checked once its analysis is complete"
            if shown is not None and shown.calibrated is False:
                why = "not calibrated for this checkpoint (lapose confidence calibrates it)"
            return f"Confidence <span style='color:{muted}'>{why}</span>"
        usual = session.usual.confidence if session.usual is not None else float("nan")
        text = f"Confidence <b>{confidence[at]:.2f}</b>, usual for this drive {usual:.2f}"
        if shown is not None and shown.parts:
            here = _causes({name: here - usual for name, (here, usual) in shown.parts.items()})
            always = _causes({name: usual for name, (_, usual) in shown.parts.items()})
            if here:
                text += f". Doubt comes from {here}"
            elif always and usual < DOUBTFUL_DRIVE:
                text += f". As in all of this drive, doubt comes from {always}"
            else:
                text += ". No part of it stands out"
        return text

    def _tables(self, at: int, shown: Explanation | None) -> str:
        colours = self._session.display.colours
        head = f"<span style='color:{colours.muted}'>"
        out = ""
        if shown is not None and shown.parts:
            rows = [
                (name, f"{here:+.2f}", f"{usual:+.2f}", here - usual > 0.5)
                for name, (here, usual) in shown.parts.items()
            ]
            out += _table(("What adds to the doubt (log-odds)", "here", "usual"), rows, head, colours.warning)
        signs = check_signs(self._session, at)
        if signs:
            rows = [(s.name, s.here, s.usual, s.notable) for s in signs]
            out += _table(("What the model sees", "here", "usual"), rows, head, colours.warning)
        else:
            out += f"<p>{head}Time reversal, other frame rate and the like are looked at after the analysis.</span></p>"
        if shown is not None and shown.neighbours:
            speed, turn = predicted_motion(self._session, at)
            rows = [("predicted here", f"{speed:.1f} m/s", f"{np.degrees(turn):+.1f} °/s", False)]
            rows += [
                (f"{n.distance:.2f} apart, clip {n.clip}, {1 / n.seconds:.3g} Hz", f"{n.speed:.1f} m/s",
                 f"{np.degrees(n.yaw_rate):+.1f} °/s", False)
                for n in shown.neighbours
            ]  # fmt: skip
            out += _table(("Nearest training transitions", "speed", "yaw rate"), rows, head, colours.warning)
        return _with_minus(out)

    def look(self) -> None:
        """Explain while somebody sees it: that costs model time."""
        if in_sight(self):
            self._say()
            self._soon.start()
        else:
            self._soon.stop()
            self._worker.request(None)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.look()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.look()


def _table(titles: tuple[str, str, str], rows: list[tuple[str, str, str, bool]], head: str, notable: str) -> str:
    """Three columns, the last two to the right; notable rows in colour."""
    lines = [f"<tr><td>{head}{titles[0]}</span></td>{''.join(_right(f'{head}{t}</span>') for t in titles[1:])}</tr>"]
    for name, here, usual, stands_out in rows:
        cells = [escape(name), escape(here), escape(usual)]
        if stands_out:
            cells = [f"<font color='{notable}'>{c}</font>" for c in cells[:2]] + cells[2:]
        lines.append(f"<tr><td>{cells[0]}</td>{_right(cells[1])}{_right(cells[2])}</tr>")
    return f"<table width='100%' cellspacing='0' cellpadding='1'>{''.join(lines)}</table><br>"


def _with_minus(text: str) -> str:
    """A true minus before numbers; hyphens in words stay."""
    return re.sub(r"(?<![\w#-])-(?=\d)", "−", text)


def _causes(parts: dict[str, float]) -> str:
    """The two largest of the parts that add noticeably to the doubt, with what they add to the log-odds."""
    largest = sorted(parts.items(), key=lambda pair: -pair[1])[:2]
    return escape(", ".join(f"{name} ({gain:+.1f})" for name, gain in largest if gain > 0.3))


def _right(cell: str) -> str:
    return f"<td align='right'>&nbsp;{cell}</td>"
