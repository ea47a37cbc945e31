"""What comparing two trajectories gives: a table of figures, and where one is better than the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QStackedLayout,
    QTabWidget,
    QToolButton,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from lapose_inspector.models.colours import OTHER, PREDICTION
from lapose_inspector.models.comparison import parts
from lapose_inspector.models.session import Session
from lapose_inspector.views.action_set import ActionSet
from lapose_inspector.views.annotation_dialog import swatch
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.plain_tree import plain_tree
from lapose_inspector.views.pose_file_row import PoseFileRow
from lapose_inspector.views.scrubber import clock_text
from lapose_inspector.views.tool_row import ToolRow

if TYPE_CHECKING:
    from lapose_core.evaluation.comparison import ClipPair, Row, Stretch
    from lapose_core.evaluation.set_comparison import DriveComparison

BUTTONS = (
    "compare.file", "compare.checkpoint", "compare.opencv", "compare.colmap", "compare.set", "compare.manifest",
    "compare.clear",
)  # fmt: skip
TIPS = {
    "AUC@5 signed": "Area under the accuracy curve up to 5°, of the larger of rotation and signed direction error over "
    "all pairs of frames of a clip",
    "AUC@5": "The same with unsigned directions: driving backwards predicted as forwards counts as right",
    "AUC@30 signed": "Area under the accuracy curve up to 30°, signed",
    "Rotation within 5°": "Share of frame pairs whose relative rotation is within 5°",
    "Direction within 5°, signed": "Share of frame pairs whose translation direction is within 5°, as vectors",
    "ATE-S": "Root mean square distance of the camera centres, both paths divided by their mean distance from the "
    "first frame, after SE(3) alignment; no unit",
    "ATE-M": "Root mean square distance of the camera centres in metres after SE(3) alignment",
    "Scale error": "|mean predicted step / mean true step − 1|",
    "RPE translation": "Relative pose error over one second, translation",
    "RPE rotation": "Relative pose error over one second, rotation",
}
FRAME = Qt.ItemDataRole.UserRole
MOST = 200
"""Stretches of a whole set that are listed."""


class CompareView(QWidget):
    """A click on a stretch goes there; a double click loops over it."""

    frame_chosen = Signal(int)
    drive_chosen = Signal(str, int)
    """Key of another drive of the set, and the frame to go to."""
    file_changed = Signal(object)
    """The PoseFile to read, after its clock or axes were set otherwise."""
    stretch_opened = Signal(int, int)
    """First and last frame of a stretch to loop over."""

    def __init__(self, session: Session, actions: ActionSet, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._model = session, session.comparison
        self._parts: dict[str, list[ClipPair]] = {}
        self._build(actions)
        for signal in self._signals():
            signal.connect(self._fill)
        self._model.progress_changed.connect(self._show_progress)
        self._fill()
        self._show_progress()

    def close_panel(self) -> None:
        """Let go of the models."""
        for signal in self._signals():
            signal.disconnect(self._fill)
        self._model.progress_changed.disconnect(self._show_progress)

    def _signals(self) -> tuple:
        session = self._session
        return (
            self._model.changed, session.drive_changed, session.model_changed, session.selection.changed,
            session.annotations.changed,
        )  # fmt: skip

    def _build(self, actions: ActionSet) -> None:
        self.tools = ToolRow(self)
        self.part = ComboBox()
        self.part.setToolTip(
            "Over which clips the figures are: all, those selected, with notes, of a manifest, of a kind of motion"
        )
        self.part.activated.connect(self._fill)
        self.tools.add(self.part)
        self.tools.layout_.addStretch(1)
        for id in BUTTONS:
            self.tools.add_action(actions[id])
        self.head, self.how = QLabel(), QLabel()
        self.head.setTextFormat(Qt.TextFormat.RichText)
        self.how.setTextFormat(Qt.TextFormat.PlainText)
        self.how.setProperty("muted", True)
        self.how.setWordWrap(True)
        self.file_row = PoseFileRow()
        self.file_row.changed.connect(self.file_changed)
        self.warning, self.problem = QLabel(), QLabel()
        for label in (self.warning, self.problem):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setProperty("warning", True)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.busy = QFrame()
        busy = QHBoxLayout(self.busy)
        busy.setContentsMargins(0, 0, 0, 0)
        self.doing, self.progress = QLabel(), QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setFixedWidth(140)
        busy.addWidget(self.doing, 1)
        busy.addWidget(self.progress)
        cancel = QToolButton()
        cancel.setDefaultAction(actions["compare.cancel"])
        cancel.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        busy.addWidget(cancel)
        self.table = plain_tree(("Figure", "A", "B", "B − A", "95 % interval"), 0)
        self.gains = plain_tree(("Clips", "n", "A", "B", "B − A", "95 % interval"), 0)
        self.gains.itemClicked.connect(self._on_gain)
        self.stretches = plain_tree(("Better", "Frames", "By"), 0)
        self.stretches.itemClicked.connect(self._on_stretch)
        self.stretches.itemDoubleClicked.connect(self._on_stretch_opened)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.table, "Figures")
        self.tabs.addTab(self.gains, "Gained and lost")
        self.tabs.setTabToolTip(1, "The first figure of each kind of clips. Click: all figures of them")
        self.tabs.currentChanged.connect(self._fill_gains)
        self.tabs.addTab(self.stretches, "Where each is better")
        self.note = QLabel()
        self.note.setProperty("muted", True)
        self.note.setWordWrap(True)
        self.note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.note.setContentsMargins(16, 8, 16, 8)
        self._stack = QStackedLayout()
        self._stack.addWidget(self.tabs)
        self._stack.addWidget(self.note)
        top = QVBoxLayout()
        top.setContentsMargins(10, 6, 10, 0)
        top.setSpacing(3)
        for widget in (self.head, self.how, self.warning, self.file_row, self.problem, self.busy):
            top.addWidget(widget)
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(4)
        body.addLayout(top)
        body.addLayout(self._stack, 1)

    def sizeHint(self) -> QSize:
        return QSize(480, 320)

    def _show_progress(self) -> None:
        self.busy.setVisible(bool(self._model.doing))
        self.doing.setText(f"{self._model.doing}…")
        self.progress.setValue(round(1000 * self._model.share))
        self.file_row.show_file(self._model.file)
        self.problem.setText(self._model.problem)
        self.problem.setVisible(bool(self._model.problem))

    def _fill(self, *_: object) -> None:
        other, result, session = self._model.other, self._model.result, self._session
        self._offer_parts()
        self.table.clear()
        self.stretches.clear()
        self.head.setVisible(other is not None)
        self.how.setVisible(other is not None)
        self.warning.setText("" if other is None else " ".join(other.warnings))
        self.warning.setVisible(bool(self.warning.text()))
        self._stack.setCurrentIndex(1 if result is None and self._model.whole_set is None else 0)
        if other is None:
            self.note.setText(
                "Open a driving log to compare its prediction with another trajectory."
                if session.drive is None
                else "Compare the prediction with a trajectory file (TUM, KITTI, CSV), with another checkpoint, or "
                "with a classical reference by OpenCV or COLMAP: the buttons above, or Analyse › Compare."
            )
            return
        name = "the prediction" if session.model_info is None else session.model_info.name
        self.head.setText(
            f'<span style="color:{PREDICTION}">■</span> A: {_plain(name)} &nbsp; '
            f'<span style="color:{OTHER}">■</span> B: {_plain(other.name)}'
        )
        if other.kind == "reference":
            self.head.setText(f"{self.head.text()} (a classical reference, not ground truth)")
        lines = [] if other.metric else ["B has no metric scale: its lengths are not compared"]
        rows: Sequence[Row] = ()
        whole = self._model.whole_set
        if result is None and whole is None:
            self.note.setText("Waiting for the analysis to compare with.")
        elif result is not None and result.errors_a is None and whole is None:
            rows = result.rows
            lines.append("No ground truth: the figures say how far the two are apart, not who is right")
        else:
            from lapose_core.evaluation.comparison import table

            clips = self._parts[self.part.currentText()]
            rows = table(clips, other.metric)
            lines.append(self._clips_words(len(clips)))
        if whole is None:
            lines += [note.rstrip(".") for note in other.notes]
        self.how.setText(". ".join(lines))
        left_out = () if whole is None else whole.left_out
        told = "\n".join([other.how[:1].upper() + other.how[1:], *other.notes, *left_out])
        for label in (self.head, self.how):
            label.setToolTip(told)
        truth = whole is not None or (result is not None and result.errors_a is not None)
        self.tabs.setTabText(2, "Where each is better" if truth else "Where they are apart")
        self.tabs.setTabVisible(1, truth)
        for row in rows:
            self.table.addTopLevelItem(self._row(row))
        if whole is not None:
            for drive, stretch in whole.stretches[:MOST]:
                self.stretches.addTopLevelItem(self._stretch(stretch, name, other.name, drive))
        elif result is not None:
            for stretch in result.stretches:
                self.stretches.addTopLevelItem(self._stretch(stretch, name, other.name))
        self._say_nowhere("better" if truth else "apart")
        self._fill_gains()

    def _say_nowhere(self, what: str) -> None:
        """An empty list says what would fill it."""
        self.stretches.setHeaderLabels((what.capitalize(), "Frames", "By"))
        if not self.stretches.topLevelItemCount() and (self._model.result or self._model.whole_set):
            from lapose_core.evaluation.comparison import LEAST_GAIN, LEAST_LENGTH

            words = f"Nowhere {what} by {LEAST_GAIN:g}° or more over {LEAST_LENGTH} transitions"
            item = QTreeWidgetItem([words])
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.stretches.addTopLevelItem(item)
            item.setFirstColumnSpanned(True)

    def _clips_words(self, chosen: int) -> str:
        """Of which clips the figures are, and how their intervals come about."""
        clips, whole = self._model.clips, self._model.whole_set
        if not clips:
            return "No clip of 16 neighbouring samples has both trajectories and the truth: there is no table yet"
        count = f"{chosen} of {len(clips)}" if chosen < len(clips) else f"{chosen}"
        if whole is None:
            return f"{count} clips of 16 samples; intervals by a paired bootstrap over them"
        missing = f", {len(whole.left_out)} left out" if whole.left_out else ""
        return (
            f"{count} clips of 16 samples of {len(whole.drives)} drives{missing}; intervals by a paired bootstrap "
            "over drives"
        )

    def _fill_gains(self, _: int = 0) -> None:
        """One figure of every part; made when it is looked at."""
        self.gains.clear()
        if self.tabs.currentWidget() is not self.gains or not self._model.clips:
            return
        from lapose_core.evaluation.comparison import FIGURES, row_of

        for name, clips in self._parts.items():
            row = row_of(FIGURES[0], clips)
            figure = self._row(row)
            item = QTreeWidgetItem([name, str(row.clips), *(figure.text(column) for column in range(1, 5))])
            for column in range(1, 6):
                item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            for column in (4, 5):
                item.setForeground(column, figure.foreground(column - 1))
            for column in range(6):
                item.setToolTip(column, f"{row.name} of {row.clips} clips that move. Click: all figures of them")
            self.gains.addTopLevelItem(item)

    def _on_gain(self, item: QTreeWidgetItem) -> None:
        self.part.setCurrentText(item.text(0))
        self.tabs.setCurrentWidget(self.table)
        self._fill()

    def _on_stretch(self, item: QTreeWidgetItem) -> None:
        if not item.flags() & Qt.ItemFlag.ItemIsEnabled:
            return
        key, first, _ = item.data(0, FRAME)
        if key:
            self.drive_chosen.emit(key, first)
        else:
            self.frame_chosen.emit(first)

    def _on_stretch_opened(self, item: QTreeWidgetItem) -> None:
        if not item.flags() & Qt.ItemFlag.ItemIsEnabled:
            return
        key, first, last = item.data(0, FRAME)
        if not key:
            self.stretch_opened.emit(first, last)

    def _drive_key(self) -> str | None:
        """Of the open drive in its set."""
        return None if self._session.log is None else self._session.log.drive

    def _offer_parts(self) -> None:
        """What figures can be asked of, the choice staying where it is still there."""
        chosen = self.part.currentText()
        self._parts = {} if self._model.result is None and self._model.whole_set is None else parts(self._session)
        self.part.clear()
        self.part.addItems(list(self._parts))
        self.part.setCurrentIndex(max(0, self.part.findText(chosen)))
        self.part.setVisible(bool(self._model.clips))

    def _row(self, row: Row) -> QTreeWidgetItem:
        low, high = _number(row.low, True), _number(row.high, True)
        interval = "–" if "–" in (low, high) else f"{low} to {high}"
        better = "" if row.higher_is_better is None else " ↑" if row.higher_is_better else " ↓"
        unit = f" [{row.unit}]" if row.unit else ""
        item = QTreeWidgetItem(
            [
                f"{row.name}{unit}{better}",
                _number(row.a),
                _number(row.b),
                _number(row.difference, row.a == row.a),
                interval,
            ]
        )
        for column in range(1, 5):
            item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        tip = TIPS.get(row.name, "Over all transitions that both have")
        way = "" if row.higher_is_better is None else f"\n{'Higher' if row.higher_is_better else 'Lower'} is better"
        from lapose_core.evaluation.comparison import FEWEST

        few = f"; fewer than {FEWEST} clips or drives have no interval" if row.a == row.a and row.low != row.low else ""
        for column in range(5):
            item.setToolTip(column, f"{tip}.{way}\n{row.clips} values{few}")
        if row.verdict is not None:
            colour = QColor(PREDICTION if row.verdict == "a" else OTHER)
            item.setForeground(3, colour)
            item.setForeground(4, colour)
        return item

    def _stretch(self, stretch: Stretch, a: str, b: str, of: DriveComparison | None = None) -> QTreeWidgetItem:
        """A row; ``of`` names the drive where it is one of several."""
        winner = {"a": a, "b": b, "apart": "apart"}[stretch.winner]
        timeline = self._session.timeline
        frames = f"{stretch.first_frame}–{stretch.last_frame}"
        if of is None:
            begin = f"From {clock_text(timeline.time_of(stretch.first_frame), 2)} s on"
        else:
            begin, frames = f"In {of.name}", f"{of.name}  {frames}"
        item = QTreeWidgetItem([winner, frames, f"{stretch.degrees:.1f}°"])
        colour = {"a": PREDICTION, "b": OTHER, "apart": self._session.display.colours.muted}[stretch.winner]
        item.setIcon(0, swatch(colour))
        elsewhere = of is not None and of.key != self._drive_key()
        item.setData(0, FRAME, (of.key if of and elsewhere else "", stretch.first_frame, stretch.last_frame))
        for column in range(3):
            item.setToolTip(
                column,
                f"{begin}: mean difference of the larger of rotation and signed direction error\n"
                + ("Click: open that drive there" if elsewhere else "Click: go there · double click: loop over it"),
            )
        return item


def _number(value: float, signed: bool = False) -> str:
    if not np.isfinite(value):
        return "–"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
