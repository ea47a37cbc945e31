"""The part of the controller that brings in, once the opening screen stands, what it did without."""

from __future__ import annotations

import importlib
import threading
import weakref
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

LOOK = 20
"""Milliseconds between two looks at whether the time has come."""
DRAWN = ("lapose_inspector.visuals.drive_scene", "lapose_inspector.visuals.map_scene")
"""What takes longest of the canvases' imports: a tenth of a second."""
FITS = "lapose_core.area_mean"
ASKED_FOR = (
    FITS,
    "lapose_inspector.views.command_palette",
    "lapose_inspector.views.dialogs",
    "lapose_inspector.views.chooser",
    "lapose_inspector.views.export_dialog",
    "lapose_core.export.bundle",
    "lapose_inspector.exporter",
    "lapose_inspector.figures",
    "lapose_inspector.reporter",
    "lapose_inspector.manifests",
)
"""What the first command that asks for it would wait for, some 10 to 20 ms each; and what is compiled."""


def one_thread_for_products() -> None:
    """Have NumPy multiply matrices in the thread that asks: with a hundred thousand rows it would use others, for which
    that thread, be it the window's, waits as long as they get no core: 80 to 280 ms beside an analysis."""
    import threadpoolctl

    threadpoolctl.threadpool_limits(1, user_api="blas")


class Afterwards(QObject):
    """Makes the canvases of the 3D view and of the map, one in a turn, where no drive has asked for them before. Once
    the first picture is there, what may be drawn on them is rehearsed, one part in a turn. Imports, in a thread, what
    is on them and, in the end, what commands ask for. Before a long drive can be drawn, matrix products are left to the
    thread that asks."""

    def __init__(self, app: Inspector) -> None:
        super().__init__(app)
        self._app = app
        self._imports: threading.Thread | None = None
        self._timer = QTimer(self, interval=LOOK)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def close(self) -> None:
        """Bring nothing more in."""
        self._timer.stop()

    @Slot()
    def _look(self) -> None:
        handle = self._app.window.windowHandle()
        if handle is None or not handle.isExposed():
            return
        if self._imports is None:
            self._bring_in(DRAWN)
        elif not self._imports.is_alive():
            views = (self._app.window.trajectory, self._app.window.latent_map)
            waiting = [view for view in views if not view.drawn]
            if waiting:
                waiting[0].prepare()
            elif self._app.on_screen and not any(view.rehearse() for view in views):
                self._bring_in(ASKED_FOR)
                self._timer.stop()

    def _bring_in(self, modules: tuple[str, ...]) -> None:
        frames = weakref.ref(self._app.frames)  # the thread may outlive the window

        def run() -> None:
            if modules is DRAWN:
                one_thread_for_products()
            for module in modules:
                brought = importlib.import_module(module)
                if module == FITS and (loader := frames()) is not None:
                    loader.fit_in_thread(brought.screen_pixels)

        self._imports = threading.Thread(target=run, name="imports", daemon=True)
        self._imports.start()
