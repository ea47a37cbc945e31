"""What a note says: its frames, label, severity, text, and whether it is linked to the selection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QColor, QIcon, QKeyEvent, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from lapose_core.annotations import SEVERITIES, Severity
from lapose_inspector.models.labels import LabelPalette
from lapose_inspector.models.timeline import Timeline
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.forms import number_field
from lapose_inspector.views.keep_buttons import keep_buttons


@dataclass(frozen=True)
class Draft:
    """What the user chose; frames are inclusive."""

    first_frame: int
    last_frame: int
    label: str = ""
    severity: Severity = "note"
    text: str = ""


Accept = Callable[[Draft, bool], object]
"""Called with the draft and whether it is to be linked."""


def swatch(colour: str, size: int = 12) -> QIcon:
    """A square of one colour."""
    pixmap = QPixmap(size, size)
    pixmap.fill(QColor(colour))
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)  # else Qt tints it in a selected row
    return icon


class AnnotationDialog(QDialog):
    """Enter keeps the note, Shift+Enter begins a line, Escape gives it up."""

    palette_wanted = Signal()

    def __init__(
        self,
        title: str,
        draft: Draft,
        palette: LabelPalette,
        timeline: Timeline,
        links: int,
        linked: bool,
        accept: Accept,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self._accept, self._palette, self._timeline = accept, palette, timeline
        self.first, self.last = number_field(QSpinBox()), number_field(QSpinBox())
        for box, value, tip in (
            (self.first, draft.first_frame, "First frame that the note is about"),
            (self.last, draft.last_frame, "Last frame that the note is about, inclusive"),
        ):
            box.setRange(0, max(0, timeline.n_frames - 1))
            box.setValue(value)
            box.setFixedWidth(72)
            box.setToolTip(tip)
            box.valueChanged.connect(self._on_frames)
        self.span = QLabel()
        self.span.setProperty("muted", True)
        self.label, self.severity = ComboBox(), ComboBox()
        self._fill_labels(draft.label)
        self.severity.addItems([name.capitalize() for name in SEVERITIES])
        self.severity.setCurrentIndex(SEVERITIES.index(draft.severity))
        self.severity.setToolTip("From a mere remark to what must not happen")
        self.text = QPlainTextEdit(draft.text)
        self.text.setPlaceholderText("What is seen here, and why it matters")
        self.text.setTabChangesFocus(True)
        self.text.installEventFilter(self)
        self.link = QCheckBox(f"Link to the {links} selected transitions" if links != 1 else "Link to the transition")
        self.link.setChecked(linked)
        self.link.setVisible(links > 0)
        self.link.setToolTip("The note remembers them: Annotate › Select linked transitions selects them again")
        self._build()
        palette.changed.connect(self._on_palette)
        self.finished.connect(lambda _: palette.changed.disconnect(self._on_palette))
        self._on_frames()
        self.text.setFocus()

    def _build(self) -> None:
        edit = QPushButton("Labels…")
        edit.setAutoDefault(False)
        edit.setToolTip("Edit the labels on offer and their colours")
        edit.clicked.connect(self.palette_wanted)
        label, frames = QHBoxLayout(), QHBoxLayout()
        for row in (label, frames):
            row.setSpacing(8)
        label.addWidget(self.label, 1)
        label.addWidget(edit)
        for widget in (self.first, QLabel("to"), self.last, self.span):
            frames.addWidget(widget)
        frames.addStretch(1)
        form = QFormLayout()
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight)
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(8)
        form.addRow("Label", label)
        form.addRow("Severity", self.severity)
        form.addRow("Frames", frames)
        form.addRow("Note", self.text)
        form.addRow("", self.link)
        buttons, self.keep = keep_buttons(self, self.submit)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 14)
        column.setSpacing(12)
        column.addLayout(form)
        column.addWidget(buttons)
        self.resize(460, 300)

    @property
    def draft(self) -> Draft:
        """The note as it is entered."""
        first, last = sorted((self.first.value(), self.last.value()))
        severity = SEVERITIES[self.severity.currentIndex()]
        return Draft(first, last, self.label.currentText(), severity, self.text.toPlainText().strip())

    @Slot()
    def submit(self) -> None:
        """Keep the note."""
        draft, linked = self.draft, self.link.isChecked() and not self.link.isHidden()
        self.accept()
        self._accept(draft, linked)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
            and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        ):
            self.submit()
            return True
        return super().eventFilter(watched, event)

    def _fill_labels(self, chosen: str) -> None:
        self.label.clear()
        for label in self._palette.labels:
            self.label.addItem(swatch(label.colour), label.name)
        if self.label.findText(chosen) < 0:
            self.label.addItem(swatch(self._palette.colour_of(chosen)), chosen)
        self.label.setCurrentText(chosen)

    def _on_palette(self) -> None:
        self._fill_labels(self.label.currentText())

    @Slot()
    def _on_frames(self) -> None:
        draft = self.draft
        seconds = self._timeline.time_of(draft.last_frame) - self._timeline.time_of(draft.first_frame)
        count = draft.last_frame - draft.first_frame + 1
        self.span.setText(f"{count} frame{'' if count == 1 else 's'}, {seconds:.2f} s")
