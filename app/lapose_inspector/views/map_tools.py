"""The latent map's row of controls: which map, its colour, the tool in hand; and its axes where they are chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psygnal import SignalInstance
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QToolButton, QWidget

from lapose_inspector.models.colours import ThemeColours
from lapose_inspector.models.definitions import DEFINITIONS
from lapose_inspector.models.display import COLOUR_BY, Display
from lapose_inspector.models.map_state import AXES, METHOD_NAMES, TOOLS, MapState, Tool
from lapose_inspector.views.combo_box import ComboBox
from lapose_inspector.views.icons import icon
from lapose_inspector.views.tool_row import ToolRow

SOURCE = "source"
"""The colour box's entry that tells compared results apart."""
TOOL_LOOKS: dict[Tool, tuple[str, str]] = {
    "move": ("mdi6.cursor-move", "Drag moves the map (V)"),
    "lasso": ("mdi6.lasso", "Drag draws a lasso round points (S)\nShift adds to the selection, Alt takes away"),
    "box": ("mdi6.selection-drag", "Drag draws a box round points (B)\nShift adds to the selection, Alt takes away"),
}


class MapTools(ToolRow):
    """Follows the map's state and the display; what is chosen goes straight to them."""

    fit_wanted = Signal()

    def __init__(self, state: MapState, display: Display, parent: QWidget) -> None:
        super().__init__(parent)
        self._state, self._display = state, display
        self.method_box = ComboBox(self)
        for key, name in METHOD_NAMES.items():
            self.method_box.addItem(name, key)
        self.method_box.setToolTip(
            "t-SNE: neighbours stay neighbours, distances between groups mean little\n"
            "PCA: the two directions of the largest variance, exact and quick\n"
            "Axes: directions of your choice, such as how fast the car drives and how it turns"
        )
        self.method_box.activated.connect(self._choose_method)
        self.colour_box = ComboBox(self)
        for key in COLOUR_BY:
            self.colour_box.addItem(key.capitalize(), key)
            tip = DEFINITIONS.get(key, "")
            self.colour_box.setItemData(self.colour_box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.colour_box.activated.connect(self._choose_colour)
        self.add_choice("Map", self.method_box)
        self.add_choice("Colour", self.colour_box)
        self.layout_.addStretch(1)
        self.tool_buttons: dict[Tool, QToolButton] = {}
        for tool in TOOLS:
            button = self.add_button(TOOL_LOOKS[tool][1], checkable=True)
            button.clicked.connect(lambda _=False, t=tool: self._take(t))
            self.tool_buttons[tool] = button
        self.density_button = self.add_button("Show how many transitions lie where (D)", checkable=True)
        self.density_button.clicked.connect(self._choose_density)
        self.fit_button = self.add_button("Show all points")
        self.fit_button.clicked.connect(self.fit_wanted)
        self.axes_row = AxesRow(state, parent)
        self._links: list[tuple[SignalInstance, Callable[..., Any]]] = [
            (state.tool_changed, self._show),
            (state.method_changed, self._show),
            (state.density_changed, self._show),
            (state.by_source_changed, self._show),
            (state.compared_changed, self._show),
            (display.colour_by_changed, self._show),
        ]
        for signal, slot in self._links:
            signal.connect(slot)
        self._show()

    def close_panel(self) -> None:
        """Let go of the models."""
        for signal, slot in self._links:
            signal.disconnect(slot)
        self._links = []
        self.axes_row.close_panel()

    def _show(self, *_: object) -> None:
        state, box = self._state, self.colour_box
        self.method_box.setCurrentIndex(self.method_box.findData(state.method))
        self.axes_row.setVisible(state.method == "directions")
        at = box.findData(SOURCE)
        if state.compared is not None and at < 0:
            box.addItem("Source", SOURCE)
        elif state.compared is None and at >= 0:
            box.removeItem(at)
        key = SOURCE if state.by_source else self._display.colour_by
        box.setCurrentIndex(box.findData(key))
        box.setToolTip("What colours the points. " + DEFINITIONS.get(key, "Which result each is of"))
        for tool, button in self.tool_buttons.items():
            button.setChecked(tool == state.tool)
        self.density_button.setChecked(state.density)

    def _choose_method(self, index: int) -> None:
        self._state.method = self.method_box.itemData(index)

    def _choose_colour(self, index: int) -> None:
        key = self.colour_box.itemData(index)
        self._state.by_source = key == SOURCE
        if key != SOURCE:
            self._display.colour_by = key

    def _choose_density(self, on: bool) -> None:
        self._state.density = on

    def _take(self, tool: Tool) -> None:
        self._state.tool = tool
        self._show()

    def set_theme(self, colours: ThemeColours) -> None:
        looks = {self.tool_buttons[tool]: name for tool, (name, _) in TOOL_LOOKS.items()}
        looks |= {self.density_button: "mdi6.blur", self.fit_button: "mdi6.fit-to-page-outline"}
        for button, name in looks.items():
            button.setIcon(icon(name, colours.text, disabled=colours.muted, active=colours.accent, on=colours.accent))


class AxesRow(ToolRow):
    """Two boxes that name the axes of a map of directions."""

    def __init__(self, state: MapState, parent: QWidget) -> None:
        super().__init__(parent)
        self._state = state
        self.layout_.setContentsMargins(12, 2, 6, 2)
        self.boxes = (ComboBox(self), ComboBox(self))
        for text, box in zip(("Across", "Up"), self.boxes):
            for key, name in AXES.items():
                box.addItem(name, key)
            box.setToolTip(
                f"{text}. A probe is a ridge regression from the latent action to the quantity, fitted to this drive;\n"
                "its held-out R² under the map says how much of the quantity the latent knows"
            )
            box.activated.connect(self._choose)
            self.add_choice(text, box)
        self.layout_.addStretch(1)
        state.axes_changed.connect(self._show)
        self._show()

    def close_panel(self) -> None:
        """Let go of the state."""
        self._state.axes_changed.disconnect(self._show)

    def _show(self, *_: object) -> None:
        for box, key in zip(self.boxes, self._state.axes):
            box.setCurrentIndex(box.findData(key))

    def _choose(self, _: int) -> None:
        self._state.axes = (self.boxes[0].currentData(), self.boxes[1].currentData())
