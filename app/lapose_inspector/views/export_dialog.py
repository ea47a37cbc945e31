"""The one dialog of all exports: format, part of the drive, alignment, annotations, destination, progress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSpinBox, QWidget

from lapose_core.annotations import SEVERITIES
from lapose_core.export.bundle import Choice
from lapose_core.export.formats import FORMATS, default_name, sidecar_path
from lapose_inspector.models.display import ALIGNMENT_NAMES, ALIGNMENTS
from lapose_inspector.models.export import RATES, ExportRequest, missing
from lapose_inspector.models.session import Session
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.export_options import ExportOptions
from lapose_inspector.views.forms import number_field, say
from lapose_inspector.views.write_dialog import WriteDialog


class ExportDialog(WriteDialog):
    """Everything that can be chosen of an export; it asks for an ExportRequest."""

    def __init__(self, session: Session, folder: Path, parent: QWidget) -> None:
        super().__init__("Export", parent)
        assert session.drive is not None
        self._session, self._annotations, self._folder = session, tuple(session.annotations.notes), folder
        self.form, self.rate, self.alignment, self.notes = (ComboBox() for _ in range(4))
        for key, known in FORMATS.items():
            self.form.addItem(f"{known.title}  ({known.suffix})", key)
        for rate in RATES:
            self.rate.addItem("Every sample" if rate is None else f"{rate:g} a second at the most", rate)
        for key in ALIGNMENTS:
            self.alignment.addItem(ALIGNMENT_NAMES[key], key)
        self.alignment.setCurrentIndex(self.alignment.findData(session.display.alignment))
        self._fill_notes()
        last = len(session.drive) - 1
        self.first, self.last = number_field(QSpinBox()), number_field(QSpinBox())
        for box, value in ((self.first, 0), (self.last, last)):
            box.setRange(0, last)
            box.setValue(value)
        self._build()
        self.form.currentIndexChanged.connect(self._on_form)
        for changed in (
            self.notes.currentIndexChanged, self.options.changed, self.first.valueChanged, self.last.valueChanged
        ):  # fmt: skip
            changed.connect(self.refresh)
        self._use_loop()

    def _fill_notes(self) -> None:
        if not self._annotations:
            self.notes.addItem("There are none", (None, "note", False))
            self.notes.setEnabled(False)
            return
        self.notes.addItem("All", (None, "note", True))
        for severity in SEVERITIES[1:]:
            self.notes.addItem(f"{severity.capitalize()} or graver", (None, severity, True))
        for label in sorted({note.label for note in self._annotations if note.label}):
            self.notes.addItem(f"Label {label}", (frozenset({label}), "note", True))
        self.notes.addItem("None", (None, "note", False))

    def _build(self) -> None:
        assert self._session.drive is not None
        self.rows.addRow("Format", self.form)
        self.options = ExportOptions(
            self.rows, has_lidar=self._session.drive.point_cloud is not None, frame=self._session.timeline.frame
        )
        frames = QHBoxLayout()
        frames.setSpacing(6)
        self.loop_button, whole = QPushButton("Loop range"), QPushButton("Whole drive")
        frames.addWidget(self.first)
        frames.addWidget(QLabel("to"))
        frames.addWidget(self.last)
        for button, run in ((self.loop_button, self._use_loop), (whole, self._use_all)):
            button.setAutoDefault(False)
            button.clicked.connect(run)
            frames.addWidget(button)
        frames.addStretch(1)
        self.loop_button.setEnabled(self._session.timeline.loop is not None)
        self.rows.addRow("Frames", frames)
        self.rows.addRow("Samples", self.rate)
        self.rows.addRow("Alignment", self.alignment)
        self.rows.addRow("Annotations", self.notes)
        self.finish()
        self.resize(640, 460)

    def choose(self, form: str) -> None:
        """Choose a format."""
        self.form.setCurrentIndex(self.form.findData(form))
        self._on_form()

    @property
    def request(self) -> ExportRequest:
        """What is chosen now."""
        labels, severity, wanted = self.notes.currentData()
        choice = Choice(
            self.first.value(), self.last.value(), self.rate.currentData(), self.alignment.currentData(),
            annotations=wanted, labels=labels, severity=severity,
        )  # fmt: skip
        return ExportRequest(self.form.currentData(), self.path, choice, self.options.value)

    def _on_form(self, *_: Any) -> None:
        known = FORMATS[self.form.currentData()]
        self.options.show_for(known)
        say(self.problem, "")
        self.refresh()

    def choices(self) -> Sequence[QWidget]:
        return self.form, self.first, self.last, self.rate, self.alignment

    def refresh(self, *_: Any) -> None:
        super().refresh()
        self.options.set_enabled(not self._running)
        self.notes.setEnabled(not self._running and bool(self._annotations))

    def hindrance(self) -> str:
        form = self.form.currentData()
        if self.first.value() > self.last.value():
            return "The first frame comes after the last."
        if "panels" in FORMATS[form].options and not self.options.value.panels:
            return "Choose at least one panel of the video."
        return missing(self._session, form)

    def describe(self) -> str:
        known, choice = FORMATS[self.form.currentData()], self.request.choice
        words = known.tip
        notes = sum(choice.takes(a) for a in self._annotations if a.last_frame >= choice.first)
        if notes and known.annotations:
            words += f" It carries the {notes} annotations in full."
        elif notes:
            beside = sidecar_path(self.request.path).name
            words += f" The annotations go beside it in full, into {beside}."
        return words

    def own_name(self) -> str:
        assert self._session.drive is not None
        name = default_name(self._session.drive.name, self.form.currentData(), self.options.value.which)
        return str(self._folder / name)

    def kind(self) -> tuple[str, str]:
        known = FORMATS[self.form.currentData()]
        return "Export to", f"{known.title} (*{known.suffix});;All files (*)"

    def _use_loop(self) -> None:
        loop = self._session.timeline.loop
        if loop is not None:
            self.first.setValue(loop[0])
            self.last.setValue(loop[1])

    def _use_all(self) -> None:
        self.first.setValue(0)
        self.last.setValue(self.last.maximum())
