"""A panel over an OpenGL canvas that comes when there is first something to draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from PySide6.QtWidgets import QWidget

from lapose_inspector.models.session import Session
from lapose_inspector.models.turn_signal import Connectable
from lapose_inspector.views.canvas_overlay import CanvasOverlay

if TYPE_CHECKING:
    from lapose_inspector.visuals.canvas import SceneCanvas
    from lapose_inspector.visuals.lazy import Rehearsed

Link = tuple[Connectable, Callable[..., Any]]


class Scene(Protocol):
    """What a panel draws."""

    @property
    def parts(self) -> tuple[Rehearsed, ...]: ...


class Stage(Protocol):
    """What a panel draws on, and with."""

    @property
    def canvas(self) -> SceneCanvas: ...
    @property
    def scene(self) -> Scene: ...


S = TypeVar("S", bound=Stage)


class CanvasPanel(QWidget, Generic[S]):
    """Has its ``overlay`` from the beginning and its stage, of kind S, once `prepare` was called: with the first drive,
    or when something asks for the canvas. A canvas takes vispy and OpenGL, a tenth of a second for which no opening
    screen should wait.

    Args:
        session: what the panel shows.
        make: the canvas and what is on it. Nothing is drawn yet.
        begin: follows the models from then on, and draws what there is.
    """

    def __init__(
        self, session: Session, make: Callable[[], S], begin: Callable[[], object], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._make_stage, self._begin = session, make, begin
        self._made: S | None = None
        self._links: list[Link] = []
        self.overlay = CanvasOverlay(self)

    @property
    def drawn(self) -> bool:
        """Whether there is a canvas."""
        return self._made is not None

    @property
    def _stage(self) -> S:
        self.prepare()
        assert self._made is not None
        return self._made

    @property
    def canvas(self) -> SceneCanvas:
        return self._stage.canvas

    @property
    def nbytes(self) -> int:
        """About what the canvas keeps."""
        return 0 if self._made is None else self._made.canvas.nbytes

    def prepare(self) -> None:
        """Make the canvas, unless it is there, and draw what there is."""
        if self._made is None:
            self._made = self._make_stage()
            self.overlay.set_canvas(self._made.canvas.native)
            self._begin()

    def rehearse(self) -> bool:
        """Prepare one more part of the scene for being shown; False where all are. Call it once the canvas is made."""
        part = next((part for part in self._stage.scene.parts if not part.made), None)
        if part is not None:
            part.rehearse(self.canvas.rehearse)
        return part is not None

    def _follow(self, *links: Link) -> None:
        """Connect to models until the panel is closed."""
        for signal, slot in links:
            signal.connect(slot)
        self._links += links

    def close_panel(self) -> None:
        """Let go of the models and of the canvas. Call once, before the widget goes."""
        for signal, slot in self._links:
            signal.disconnect(slot)
        self._links = []
        del self._make_stage, self._begin  # methods of this panel, which would keep it alive
        if self._made is not None:
            self._made.canvas.close()
