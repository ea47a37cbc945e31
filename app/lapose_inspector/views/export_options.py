"""The rows of the export dialog that only some formats have."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QCheckBox, QFormLayout, QHBoxLayout, QWidget

from lapose_core.export.formats import Format, Options
from lapose_inspector.views.combo_box import ComboBox

PICTURES = (
    ("As they are", (True, None)),
    ("960 pixels at the most", (True, 960)),
    ("480 pixels at the most", (True, 480)),
    ("Left out", (False, None)),
)
CLOUDS = (("Along the prediction", "predicted"), ("Along the truth", "truth"), ("Left out", "none"))
SUBTITLES = (("A track that players switch", "track"), ("Drawn into the pictures", "burnt"), ("Left out", "none"))
FIGURES = (
    ("Trajectory from above", "trajectory"),
    ("Tracks", "tracks"),
    ("Latent map", "map"),
    ("Video at the cursor (PNG)", "video"),
    ("3D at the cursor (PNG)", "3d"),
)
DENSITIES = (("300 pixels per inch", 300), ("150 pixels per inch", 150), ("600 pixels per inch", 600))
PANELS = (
    ("Video", "video"),
    ("Path on the road", "path"),
    ("3D", "trajectory"),
    ("Tracks", "tracks"),
    ("Latent map", "map"),
)


class ExportOptions(QObject):
    """Adds its rows to a form and shows those that a format looks at."""

    changed = Signal()

    def __init__(self, rows: QFormLayout, *, has_lidar: bool, frame: int) -> None:
        super().__init__()
        self._rows, self._has_lidar, self._frame = rows, has_lidar, frame
        self.which = self._choice("Path", (("Predicted", "predicted"), ("True", "truth")))
        self.panel = self._choice("Panel", FIGURES)
        self.dpi = self._choice("Density", DENSITIES)
        self.pictures = self._choice("Pictures", PICTURES)
        self.cloud = self._choice("Lidar", CLOUDS)
        self.panels = {key: QCheckBox(text) for text, key in PANELS}
        self._boxes = QWidget()
        line = QHBoxLayout(self._boxes)
        line.setContentsMargins(0, 0, 0, 0)
        for box in self.panels.values():
            box.setChecked(True)
            box.toggled.connect(self.changed)
            line.addWidget(box)
        line.addStretch(1)
        rows.addRow("Panels", self._boxes)
        self.subtitles = self._choice("Notes as", SUBTITLES)

    def _choice(self, label: str, choices: tuple[tuple[str, object], ...]) -> ComboBox:
        box = ComboBox()
        for text, data in choices:
            box.addItem(text, data)
        box.currentIndexChanged.connect(self.changed)
        self._rows.addRow(label, box)
        return box

    def show_for(self, form: Format) -> None:
        """Show what the format looks at."""
        rows = {
            "which": self.which, "panel": self.panel, "dpi": self.dpi, "pictures": self.pictures,
            "panels": self._boxes, "subtitles": self.subtitles,
        }  # fmt: skip
        for name, widget in rows.items():
            self._rows.setRowVisible(widget, name in form.options)
        self._rows.setRowVisible(self.cloud, "cloud" in form.options and self._has_lidar)

    def set_enabled(self, enabled: bool) -> None:
        """Lock the rows while a file is written."""
        for widget in (self.which, self.panel, self.dpi, self.pictures, self.cloud, self._boxes, self.subtitles):
            widget.setEnabled(enabled)

    @property
    def value(self) -> Options:
        """What is chosen."""
        pictures, longest = self.pictures.currentData()
        return Options(
            which=self.which.currentData(),
            pictures=pictures,
            longest=longest,
            cloud=self.cloud.currentData(),
            panels=tuple(key for key, box in self.panels.items() if box.isChecked()),
            subtitles=self.subtitles.currentData(),
            panel=self.panel.currentData(),
            frame=self._frame,
            dpi=self.dpi.currentData(),
        )
