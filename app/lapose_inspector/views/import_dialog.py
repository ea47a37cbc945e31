"""A video or picture folder with a pose file: whose clock and whose axes the poses have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QWidget,
)

from lapose_core.logs.reader import LogOptions, PoseFrame
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.forms import column_of, form_rows, number_field, say, with_buttons, words
from lapose_inspector.workers.import_check import ImportCheck, ImportReport

PAUSE = 250
"""Milliseconds without a change after which the choice is checked."""
FRAMES: dict[PoseFrame, str] = {
    "camera": "Camera: x right, y down, z forward",
    "flu": "Vehicle FLU: x forward, y left, z up",
    "frd": "Vehicle FRD: x forward, y right, z down",
}
assert set(FRAMES) == set(get_args(PoseFrame))

Accept = Callable[[Path, str | None, LogOptions], object]


class ImportDialog(QDialog):
    """Log, pose file, time offset and axes, with a note of what will be assumed that follows every change."""

    def __init__(
        self, accept: Accept, path: Path | None, drive: str | None, options: LogOptions, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Import a log with poses")
        self._accept, self._base, self._given = accept, options, (path, drive)
        self.log, self.poses = QLineEdit(str(path or "")), QLineEdit(str(options.poses or ""))
        self.log.setPlaceholderText("a video, or a folder of pictures")
        self.poses.setPlaceholderText("TUM, KITTI or CSV; empty: what lies beside the log")
        self.offset = number_field(QDoubleSpinBox())
        # Clocks that count from 1970 differ by billions of seconds.
        self.offset.setRange(-1e10, 1e10)
        self.offset.setDecimals(3)
        self.offset.setSingleStep(0.01)
        self.offset.setSuffix(" s")
        self.offset.setValue(options.time_offset)
        self.offset.setToolTip("Added to the times of the pose file")
        self.frame = ComboBox()
        for key, text in FRAMES.items():
            self.frame.addItem(text, key)
        self.frame.setCurrentIndex(self.frame.findData(options.pose_frame))
        self.frame.setToolTip("Whose axes the poses in the file have")
        self.note, self.warning = words("muted"), words("warning")
        self._build()
        self._check = ImportCheck(self)
        self._check.reported.connect(self._on_report)
        self._pause = QTimer(self, singleShot=True, interval=PAUSE)
        self._pause.timeout.connect(self._ask)
        for changed in (self.log.textChanged, self.poses.textChanged, self.offset.valueChanged, self.frame.activated):
            changed.connect(self._on_change)
        self.finished.connect(self._check.close)
        self._on_change()

    def _build(self) -> None:
        form = form_rows()
        form.addRow("Log", with_buttons(self.log, ("File…", self._browse_log), ("Folder…", self._browse_folder)))
        if self._given[1] is not None:
            form.addRow("Drive", QLabel(self._given[1]))
        form.addRow("Pose file", with_buttons(self.poses, ("File…", self._browse_poses)))
        form.addRow("Time offset", self.offset)
        form.addRow("Pose axes", self.frame)
        self.buttons = QDialogButtonBox()
        self.open_button = self.buttons.addButton("Open", QDialogButtonBox.ButtonRole.AcceptRole)
        self.open_button.setDefault(True)
        self.buttons.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole).setAutoDefault(False)
        self.buttons.accepted.connect(self.submit)
        self.buttons.rejected.connect(self.reject)
        column = column_of(self)
        column.addLayout(form)
        column.addWidget(self.note)
        column.addWidget(self.warning)
        column.addStretch(1)
        column.addWidget(self.buttons)
        # Room for the longest report, so that the window does not jump while one types.
        self.resize(620, 400)

    @property
    def choice(self) -> tuple[Path, str | None, LogOptions] | None:
        """Log, drive and options as entered; None without a log."""
        if not self.log.text().strip():
            return None
        path = Path(self.log.text().strip()).expanduser().absolute()
        same = path == self._given[0]
        poses = self.poses.text().strip()
        options = LogOptions(
            self._base.camera if same else None,
            Path(poses).expanduser().absolute() if poses else None,
            self._base.pose_topic if same else None,
            self.offset.value(),
            self.frame.currentData(),
        )
        return path, self._given[1] if same else None, options

    def submit(self) -> None:
        """Open the log as chosen."""
        choice = self.choice
        if choice is not None:
            self._accept(*choice)
            self.accept()

    def _on_change(self, *_: object) -> None:
        self.open_button.setEnabled(False)
        if self.choice is None:
            self._pause.stop()
            self._say("Choose a log: a video, or a folder of pictures.")
        else:
            self._say("Reading…")
            self._pause.start()

    def _ask(self) -> None:
        choice = self.choice
        if choice is not None:
            self._check.check(*choice)

    @Slot(object)
    def _on_report(self, report: ImportReport) -> None:
        if self._pause.isActive():
            return  # something else has been entered by now
        self._say("\n".join(report.lines), report.problem or "\n".join(report.warnings))
        self.open_button.setEnabled(not report.problem)

    def _say(self, note: str, warning: str = "") -> None:
        say(self.note, note)
        say(self.warning, warning)

    def _folder(self) -> str:
        choice = self.choice
        return str(Path.home() if choice is None else choice[0].parent)

    def _browse_log(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "A video or log", self._folder())
        if name:
            self.log.setText(name)

    def _browse_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "A folder of pictures", self._folder())
        if name:
            self.log.setText(name)

    def _browse_poses(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Poses", self._folder(), "Poses (*.txt *.tum *.kitti *.csv);;All files (*)"
        )
        if name:
            self.poses.setText(name)
