"""The part of the controller for the model: which checkpoint, and on which device it runs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QElapsedTimer, QObject, QTimer, Slot
from PySide6.QtWidgets import QFileDialog

from lapose_core.resources import default_checkpoint
from lapose_inspector.models.session import Device, ModelInfo

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

log = logging.getLogger(__name__)

LOADING = "loading the model"
LOOK = 25
"""Milliseconds between two looks whether the window has what it needs to be seen."""
PATIENCE = 1500
"""Milliseconds after which the model is loaded beside whatever else goes on."""


class ModelLoader(QObject):
    """Has a checkpoint loaded in the background, and the open drive analysed with it.

    Args:
        app: the inspector, with its analysis worker.
        device: instead of the remembered one.
    """

    def __init__(self, app: Inspector, device: Device | None) -> None:
        super().__init__(app)
        self._app, self._session, self._settings = app, app.session, app.settings
        self.device: Device = device or app.settings.device
        """What was chosen; ``session.model_info`` has what it runs on."""
        self.loaded = False
        self.idle_status = ""
        """What the status bar says when nothing goes on; not empty where there is no model to be had."""
        self._checkpoint: Path | None = None
        self._first = QTimer(self, interval=LOOK)
        self._first.timeout.connect(self._look)
        self._since = QElapsedTimer()
        app.analysis.model_ready.connect(self._on_model)
        app.analysis.model_moved.connect(self._session.set_model)
        app.analysis.model_failed.connect(self._on_failed)

    @property
    def checkpoint(self) -> Path | None:
        """Folder of the model in use; None without one."""
        return self._checkpoint if self.loaded else None

    def load(self, path: Path | None) -> None:
        """Load a checkpoint folder; None is the one that commands use too when none is named."""
        if self._choose(path):
            self._begin()

    def load_first(self, path: Path | None) -> None:
        """The same as the program starts: once the window is there, and the picture of the log that it was given.
        Importing torch takes Python's lock and a core from both."""
        if self._choose(path):
            self._since.start()
            self._first.start()

    def close(self) -> None:
        """Load nothing more."""
        self._first.stop()

    @Slot()
    def _look(self) -> None:
        if self._since.hasExpired(PATIENCE) or self._app.on_screen:
            self._begin()

    def _choose(self, path: Path | None) -> bool:
        self.loaded = False
        self._first.stop()
        try:
            path = path or default_checkpoint()
        except ValueError as error:
            log.warning("%s", error)
            self._go_without()
            return False
        self._checkpoint = path
        self._app.window.show_running(False)
        self._session.status = LOADING
        return True

    def _begin(self) -> None:
        self._first.stop()
        assert self._checkpoint is not None
        self._app.analysis.load(self._checkpoint, self.device, compiled=self._settings.compiled)

    def choose_checkpoint(self) -> None:
        """Ask for a checkpoint folder and use it from now on."""
        start = str(self._checkpoint or Path.home())
        name = QFileDialog.getExistingDirectory(self._app.window, "Choose a checkpoint folder", start)
        if name:
            self._settings.checkpoint = Path(name)
            self._session.set_analysis(None)
            self.load(Path(name))

    def choose_device(self, device: Device) -> None:
        """Run the model there from now on; what is analysed stays, for a result does not say where it was made."""
        if device != self.device:
            self.device = self._settings.device = device
            self.load(self._checkpoint)

    def set_compiled(self, compiled: bool) -> None:
        """Load the model anew, compiled or as it is."""
        self._settings.compiled = compiled
        self._session.set_analysis(None)
        self.load(self._checkpoint)

    def _go_without(self) -> None:
        self._session.status = self.idle_status = "no model: choose one with Analyse > Checkpoint"
        self._session.set_model(None)

    @Slot(object)
    def _on_model(self, info: ModelInfo) -> None:
        self.loaded, self.idle_status = True, ""
        if self._session.status == LOADING:
            self._session.status = ""
        self._session.set_model(info)
        self._app.analyse_opened()

    @Slot(str, str)
    def _on_failed(self, message: str, details: str) -> None:
        self._go_without()
        if self._settings.checkpoint == self._checkpoint:
            self._settings.checkpoint = None  # the next start takes the bundled model instead of failing again
        self._app.show_error("The model cannot be loaded", message, details)
