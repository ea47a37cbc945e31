"""The part of the controller that keeps what is in memory, and the preview pictures on disk, within their limits."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from lapose_core.frames.budget import MIB, ByteBudget
from lapose_core.frames.heap import return_memory
from lapose_core.frames.proxies import ProxyFolder
from lapose_inspector.models.memory import MemoryUse
from lapose_inspector.visuals.image import ImageCanvas

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

LOOK = 500
"""Milliseconds between two looks at what is used."""
REST = (1500, 3000, 10_000, 30_000)
"""Milliseconds without anything going on after which the system gets back what the heap keeps; and again, for lists,
previews and threads of a drive before end later than what is seen."""


class Memory(QObject):
    """The one budget of all that is kept to be fast: frames, decoders, results, pictures on screen and in lists."""

    def __init__(self, app: Inspector, folder: Path) -> None:
        super().__init__(app)
        self._app = app
        self.budget = ByteBudget(app.settings.memory_mib * MIB)
        self.proxies = ProxyFolder(folder, app.settings.previews_mib * MIB)
        self._timer = QTimer(self, interval=LOOK)
        self._timer.timeout.connect(self.look)
        self._place: tuple[object, int] = (None, 0)
        self._tidied = 0
        self._rest = QTimer(self, singleShot=True)
        self._rest.timeout.connect(self._tidy)

    def start(self) -> None:
        """Show what is used from now on."""
        self._timer.start()
        self.look()

    @property
    def use(self) -> MemoryUse:
        """What is kept now."""
        return MemoryUse(self.budget.used, self.budget.limit, self.budget.uses(), self._app.frames.preview_state)

    @Slot()
    def look(self) -> None:
        """Count what others keep, and show the sum."""
        app = self._app
        analysis = app.session.analysis
        window = app.window
        lists = (app.triage.pictures, window.gallery.pictures, app.opener.dataset)
        held = {
            "latents": 0 if analysis is None else analysis.latents.nbytes,
            "series and path": app.session.nbytes,
            "pictures on screen": sum(canvas.nbytes for canvas in window.findChildren(ImageCanvas)),
            "3D and map": window.trajectory.nbytes + window.latent_map.nbytes,
            "latents to search": app.instruments.search.nbytes,
            "decoders": app.frames.decoder_bytes,
            "small pictures": sum(one.nbytes for one in lists) + window.latent_map.thumbnail_bytes,
            "the model's pictures": app.analysis.process.kept_bytes,
        }
        for name, size in held.items():
            self.budget.hold(name, size)
        window.status.show_memory(self.use)
        self._await_rest()

    def _await_rest(self) -> None:
        app = self._app
        place = app.session.analysis, app.timeline.frame
        busy = app.timeline.playing or app.analysis.running or app.analysis.checking or app.opener.busy
        busy |= app.window.latent_map.refining
        if busy or place != self._place:
            self._place, self._tidied = place, 0
            self._rest.stop()
        elif self._tidied < len(REST) and not self._rest.isActive():
            self._rest.start(REST[self._tidied])

    @Slot()
    def _tidy(self) -> None:
        """What pictures and results left behind goes back to the system. While something goes on the next ones take
        its place; giving it back takes some 50 ms, and as long finding what only refers to itself."""
        self._tidied += 1
        if self._tidied == 1 and gc.isenabled():  # not while the program starts
            gc.collect()
        return_memory()

    def ask(self) -> None:
        """Let the user choose the limits."""
        from lapose_inspector.views.memory_dialog import MemoryDialog

        MemoryDialog(self, self._app.window).open()

    def set_limits(self, memory_mib: int, previews_mib: int) -> None:
        """Keep within these from now on, and the next time."""
        settings = self._app.settings
        settings.memory_mib, settings.previews_mib = memory_mib, previews_mib
        self.budget.limit, self.proxies.limit = memory_mib * MIB, previews_mib * MIB
        self.look()

    def clear_previews(self) -> None:
        """Delete all preview pictures; those of the open drive are made again."""
        drive = self._app.session.drive
        self._app.frames.close()
        self.proxies.clear()
        if drive is not None:
            self._app.frames.open(drive)
            self._app.frames.request(self._app.timeline.frame)
        self.look()

    def close(self) -> None:
        """Look no more."""
        self._timer.stop()
        self._rest.stop()
