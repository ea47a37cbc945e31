"""Frames of the open drive for the window: the core's frame store, answering on the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QSize, Signal, Slot
from PySide6.QtGui import QImage

from lapose_core.drive import Drive, Image
from lapose_core.frames.budget import MIB, ByteBudget
from lapose_inspector.visuals.image import PIXELS_VISIBLE

if TYPE_CHECKING:
    from lapose_core.area_mean import Pixels
    from lapose_core.frames.proxies import ProxyFolder
    from lapose_core.frames.proxy import ProxyState
    from lapose_core.frames.store import FrameStore

DEFAULT_BUDGET = 256 * MIB


class FrameLoader(QObject):
    """Frames of one drive, decoded in threads of their own.

    ``request`` from the GUI thread; ``frame_ready``, ``preview_ready`` or ``failed`` comes back on the GUI thread.
    Of requests that a newer one overtook, only frames on the way from the last one announced to the one wanted are
    announced: in playback of a log that decodes slower than it plays, no frame is still wanted when it is ready, and
    the picture would freeze.

    Args:
        budget: what decoded frames are kept in.
        proxies: where the small pictures are that answer while a frame is decoded; None goes without.
    """

    frame_ready = Signal(int, object, object)
    """Index, image uint8 [H, W, 3] and the same as a QImage of the size ``room``; None where nobody made it."""
    preview_ready = Signal(int, object, object)
    """Likewise, image uint8 [h, w, 3] smaller than the drive's frames; the frame itself follows at rest."""
    failed = Signal(int, str)
    _came = Signal(int, int, object, object, bool)
    _broke = Signal(int, int, str)

    def __init__(
        self, parent: QObject | None = None, budget: ByteBudget | None = None, proxies: ProxyFolder | None = None
    ) -> None:
        super().__init__(parent)
        self.budget = budget or ByteBudget(DEFAULT_BUDGET)
        self._proxies = proxies
        self.room: QSize | None = None
        """Of the screen, in pixels, that a whole frame takes; None where it is not shown whole."""
        self._fit: Callable[[Image, int, int], Pixels] | None = None
        self._generation = 0
        self._wanted: int | None = None
        self._announced: int | None = None
        self._store: FrameStore | None = None
        self._ending: list[FrameStore] = []
        self._came.connect(self._on_came)
        self._broke.connect(self._on_broke)

    def fit_in_thread(self, fit: Callable[[Image, int, int], Pixels]) -> None:
        """From now on make frames as large as ``room`` in the thread that decodes them. Not from the beginning: what
        compiles ``fit`` would keep the opening screen waiting."""
        self._fit = fit

    def open(self, drive: Drive | None) -> None:
        """Serve frames of ``drive`` from now on; what was asked of another one is forgotten."""
        self._generation += 1
        self._wanted = self._announced = None
        if self._store is not None:
            self._store.close(wait=False)
            self._ending = [*(store for store in self._ending if store.alive), self._store]
        self._store = None
        if drive is not None:
            # Not at the top: PyAV would keep the opening screen waiting; who opened the drive has imported it.
            from lapose_core.frames.store import FrameStore

            self._store = FrameStore(
                drive,
                self.budget,
                partial(self._proxies.open, drive) if self._proxies is not None else None,
                shown=partial(self._bring, self._generation),
                failed=partial(self._broke.emit, self._generation),
            )

    def request(self, index: int) -> None:
        """Ask for frame ``index`` of the open drive; replaces an earlier request that is still waiting."""
        self._wanted = index
        if self._store is not None:
            self._store.request(index)

    def look_again(self, fingerprint: str) -> None:
        """Take over preview pictures that the analysis of the drive with this fingerprint made in passing; from any
        thread but the GUI's, which does not wait for the disk."""
        store = self._store
        if store is not None and store.drive.fingerprint == fingerprint:
            store.look_again()

    @property
    def preview_state(self) -> ProxyState | None:
        """How far the open drive's preview pictures are; None where it has none."""
        proxy = self._store.proxy if self._store is not None else None
        return None if proxy is None else proxy.state

    @property
    def decoder_bytes(self) -> int:
        """About what the open drive's decoders hold for themselves."""
        return 0 if self._store is None else self._store.decoder_bytes

    def close(self) -> None:
        """End the threads; a frame being decoded is finished first."""
        self.open(None)
        for store in self._ending:
            store.close()
        self._ending = []

    def _bring(self, generation: int, index: int, image: Image, preview: bool) -> None:
        """Called in the store's threads."""
        room, fit, fitted = self.room, self._fit, None
        # Larger ones are drawn as squares.
        if room is not None and fit is not None and 0 < room.width() < PIXELS_VISIBLE * image.shape[1]:
            fitted = QImage(room, QImage.Format.Format_RGB32)
            pixels = np.frombuffer(fitted.bits(), np.uint32).reshape(room.height(), room.width())
            pixels[:] = fit(image, room.width(), room.height())
        self._came.emit(generation, index, image, fitted, preview)

    @Slot(int, int, object, object, bool)
    def _on_came(self, generation: int, index: int, image: Image, fitted: QImage | None, preview: bool) -> None:
        if generation == self._generation and self._is_on_the_way(index):
            self._announced = index
            (self.preview_ready if preview else self.frame_ready).emit(index, image, fitted)

    def _is_on_the_way(self, index: int) -> bool:
        if self._wanted is None or self._announced is None:
            return index == self._wanted
        low, high = sorted((self._announced, self._wanted))
        return index == self._wanted or low < index < high

    @Slot(int, int, str)
    def _on_broke(self, generation: int, index: int, message: str) -> None:
        if generation == self._generation and index == self._wanted:
            self.failed.emit(index, message)
