"""The part of the controller for the instruments: what is selected, and how the latent map is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QInputDialog

from lapose_inspector.models.map_state import MapState, Tool

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector


class Instruments(QObject):
    """Carries out the commands of the menu Select."""

    def __init__(self, app: Inspector) -> None:
        super().__init__(app)
        self._app = app
        self.map = MapState()

    def take(self, tool: Tool) -> None:
        """Take a tool of the latent map; it stays in hand."""
        self.map.tool = tool
        self._app.window.show_panel("map")

    def toggle_density(self) -> None:
        self.map.density = not self.map.density

    def select_all(self) -> None:
        """Select every transition on the map."""
        self._app.session.selection.add(self._app.window.latent_map.shown)

    def invert(self) -> None:
        """Swap selected and not among the transitions on the map."""
        self._app.session.selection.invert(self._app.window.latent_map.shown)

    def escape(self) -> None:
        """Let go of one thing: an outline being drawn, what is being opened, the selection, the analysis."""
        app = self._app
        gestures, selection = app.window.latent_map.gestures, app.session.selection
        if gestures.drawing:
            gestures.abandon()
        elif len(selection) and not app.opener.busy:
            selection.clear()
        else:
            app.cancel()

    def step(self, direction: int) -> None:
        """Move the cursor to the next (1) or previous (-1) selected transition of the open drive."""
        session = self._app.session
        if session.drive is None:
            return
        frames = session.series.frames
        chosen = session.selection.of(session.drive.fingerprint)
        chosen = frames[chosen[chosen < len(session.series)]]
        here = session.timeline.frame
        beyond = chosen[chosen > here] if direction > 0 else chosen[chosen < here]
        if len(beyond):
            session.timeline.pause()
            session.timeline.seek(int(beyond[0] if direction > 0 else beyond[-1]))

    def ask_keep(self) -> None:
        """Ask for a name and keep the selection under it."""
        selection = self._app.session.selection
        title, text = "Keep the selection", f"Name of the set of {len(selection):,} transitions:"
        name, good = QInputDialog.getText(self._app.window, title, text)
        if good and name.strip():
            selection.keep(name)

    def ask_recall(self) -> None:
        """Choose one of the named sets and select it."""
        selection = self._app.session.selection
        names = [s.name for s in selection.sets]
        texts = [f"{s.name}   ({len(s):,} transitions at {s.rate:g} Hz)" for s in selection.sets]
        title = "Select a named set"
        text, good = QInputDialog.getItem(self._app.window, title, "Set:", texts, 0, False)
        if good and text in texts:
            self.recall(names[texts.index(text)])

    def recall(self, name: str) -> None:
        """Select what a named set holds; a set of another rate is a message, not an error."""
        try:
            self._app.session.selection.recall(name)
        except ValueError as error:
            self._app.show_error("The set cannot be selected", str(error), "")

    def can_step(self) -> bool:
        """Whether the open drive has selected transitions."""
        drive = self._app.session.drive
        return drive is not None and bool(np.size(self._app.session.selection.of(drive.fingerprint)))
