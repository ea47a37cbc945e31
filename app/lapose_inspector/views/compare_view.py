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
from lapose_inspector.models.session import Session
from lapose_inspector.views.action_set import ActionSet
from lapose_inspector.views.annotation_dialog import swatch
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.plain_tree import plain_tree
from lapose_inspector.views.scrubber import clock_text
from lapose_inspector.views.tool_row import ToolRow

if TYPE_CHECKING:
    from lapose_core.evaluation.comparison import ClipPair, Row, Stretch

BUTTONS = ("compare.file", "compare.checkpoint", "compare.opencv", "compare.colmap", "compare.clear")
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


class CompareView(QWidget):
    """A click on a stretch goes there; a double click loops over it."""

    frame_chosen = Signal(int)
    stretch_opened = Signal(int, int)
    """First and last frame of a stretch to loop over."""

    def __init__(self, session: Session, actions: ActionSet, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._model = session, session.comparison
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
        self.part.setToolTip("Over which clips the figures are: all, those with selected transitions, or with notes")
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
        self.problem = QLabel()
        self.problem.setProperty("warning", True)
        self.problem.setWordWrap(True)
        self.problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
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
        self.stretches = plain_tree(("Better", "Frames", "By"), 0)
        self.stretches.itemClicked.connect(lambda item, _: self.frame_chosen.emit(item.data(0, FRAME)[0]))
        self.stretches.itemDoubleClicked.connect(lambda item, _: self.stretch_opened.emit(*item.data(0, FRAME)))
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.table, "Figures")
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
        for widget in (self.head, self.how, self.problem, self.busy):
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
        self.problem.setText(self._model.problem)
        self.problem.setVisible(bool(self._model.problem))

    def _fill(self, *_: object) -> None:
        other, result, session = self._model.other, self._model.result, self._session
        self._offer_parts()
        self.table.clear()
        self.stretches.clear()
        self.head.setVisible(other is not None)
        self.how.setVisible(other is not None)
        self._stack.setCurrentIndex(1 if result is None else 0)
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
        rows = () if result is None else result.rows
        lines = [] if other.metric else ["B has no metric scale: its lengths are not compared"]
        if result is None:
            self.note.setText("Waiting for the analysis to compare with.")
        elif result.errors_a is None:
            lines.append("No ground truth: the figures say how far the two are apart, not who is right")
        else:
            from lapose_core.evaluation.comparison import table

            clips = self._chosen(result.clips)
            rows = result.rows if len(clips) == len(result.clips) else table(clips, other.metric)
            count = f"{len(clips)} of " if len(clips) < len(result.clips) else ""
            lines.append(
                f"{count}{len(result.clips)} clips of 16 samples; intervals by a paired bootstrap over them"
                if result.clips
                else "No clip of 16 neighbouring samples has both trajectories and the truth: there is no table yet"
            )
        self.how.setText(". ".join(lines))
        told = "\n".join([other.how[:1].upper() + other.how[1:], *other.notes])
        for label in (self.head, self.how):
            label.setToolTip(told)
        if result is not None:
            truth = result.errors_a is not None
            self.tabs.setTabText(1, "Where each is better" if truth else "Where they are apart")
            for row in rows:
                self.table.addTopLevelItem(self._row(row))
            for stretch in result.stretches:
                self.stretches.addTopLevelItem(self._stretch(stretch, name, other.name))

    def _offer_parts(self) -> None:
        """All clips, and those in and outside of what is selected and of each label's notes."""
        chosen = self.part.currentText()
        labels = sorted({note.label for note in self._session.annotations.notes if note.label})
        names = ["All clips", "Selected", "Not selected"]
        names += [name for label in labels for name in (f"“{label}”", f"Not “{label}”")]
        self.part.clear()
        self.part.addItems(names)
        self.part.setCurrentIndex(max(0, self.part.findText(chosen)))
        result = self._model.result
        self.part.setVisible(result is not None and bool(result.clips))

    def _chosen(self, clips: Sequence[ClipPair]) -> list[ClipPair]:
        """The clips that the choice leaves."""
        name = self.part.currentText()
        if name == "All clips":
            return list(clips)
        ranges = self._session.selected_frames()
        if "“" in name:
            label = name[name.index("“") + 1 : -1]
            ranges = [(n.first_frame, n.last_frame) for n in self._session.annotations.notes if n.label == label]
        return [clip for clip in clips if clip.touches(ranges) != name.startswith("Not ")]

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
        for column in range(5):
            item.setToolTip(column, f"{tip}.{way}\n{row.clips} values")
        if row.verdict is not None:
            colour = QColor(PREDICTION if row.verdict == "a" else OTHER)
            item.setForeground(3, colour)
            item.setForeground(4, colour)
        return item

    def _stretch(self, stretch: Stretch, a: str, b: str) -> QTreeWidgetItem:
        winner = {"a": a, "b": b, "apart": "apart"}[stretch.winner]
        timeline = self._session.timeline
        time = f"{clock_text(timeline.time_of(stretch.first_frame), 2)} s"
        frames = f"{stretch.first_frame}–{stretch.last_frame}"
        item = QTreeWidgetItem([winner, frames, f"{stretch.degrees:.1f}°"])
        colour = {"a": PREDICTION, "b": OTHER, "apart": self._session.display.colours.muted}[stretch.winner]
        item.setIcon(0, swatch(colour))
        item.setData(0, FRAME, (stretch.first_frame, stretch.last_frame))
        for column in range(3):
            item.setToolTip(
                column,
                f"From {time} on: mean difference of the larger of rotation and signed direction error\n"
                "Click: go there · double click: loop over it",
            )
        return item


def _number(value: float, signed: bool = False) -> str:
    if not np.isfinite(value):
        return "–"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
