"""The 3D panel's row of controls: alignment, what colours the path, lidar, and where the camera looks from."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QToolButton, QWidget

from lapose_inspector.models.colours import ThemeColours
from lapose_inspector.models.definitions import DEFINITIONS
from lapose_inspector.models.display import ALIGNMENT_NAMES, ALIGNMENTS, COLOUR_BY
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.icons import icon
from lapose_inspector.views.tool_row import ToolRow

PLAIN = "prediction colour"


class TrajectoryTools(ToolRow):
    """The widgets alone; the panel fills and reads them. ``lidar_box`` says which lidar points are shown."""

    def __init__(self, lidar_box: QWidget, parent: QWidget) -> None:
        super().__init__(parent)
        self.alignment_box = ComboBox(self)
        for key in ALIGNMENTS:
            self.alignment_box.addItem(ALIGNMENT_NAMES[key], key)
        self.alignment_box.setToolTip(
            "How the prediction is laid on the truth:\nSE(3) rotates and moves it, Sim(3) scales it too, "
            "Raw puts only its first pose on the truth"
        )
        self.colour_box = ComboBox(self)
        self.colour_box.addItem(PLAIN.capitalize(), PLAIN)
        for quantity in COLOUR_BY:
            self.colour_box.addItem(quantity.capitalize(), quantity)
            tip = DEFINITIONS.get(quantity, "")
            self.colour_box.setItemData(self.colour_box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.colour_box.setToolTip("What colours the predicted path")
        self.add_choice("Align", self.alignment_box)
        self.add_choice("Path", self.colour_box)
        self.add(lidar_box)
        self._icons: dict[QToolButton, str] = {}
        self.intensity_button = self._add("mdi6.flare", "Colour lidar by intensity instead of height", checkable=True)
        self.layout_.addStretch(1)
        self.follow_button = self._add("mdi6.car-back", "Follow the car (F)", checkable=True)
        self.top_button = self._add("mdi6.arrow-collapse-down", "View from above (T)")
        self.fit_button = self._add("mdi6.fit-to-page-outline", "Show the whole path (R)")

    def _add(self, icon: str, tip: str, *, checkable: bool = False) -> QToolButton:
        button = self.add_button(tip, checkable=checkable)
        self._icons[button] = icon
        return button

    def set_theme(self, colours: ThemeColours) -> None:
        for button, name in self._icons.items():
            button.setIcon(icon(name, colours.text, disabled=colours.muted, active=colours.accent, on=colours.accent))
