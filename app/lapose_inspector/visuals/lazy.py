"""A node of a scene that is made when it is first shown: each takes some 5 ms, and the window opens with none.

Once the window stands they are rehearsed: made, and recorded as if they were drawn, which takes some 5 to 10 ms more
for each, in which vispy puts its shaders together. Whoever shows them then finds them ready.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import numpy as np
from vispy import scene

N = TypeVar("N", bound=scene.Node)


class Rehearsed(Protocol):
    """What is not there before it is shown, or rehearsed."""

    @property
    def made(self) -> bool:
        """Whether it is there."""
        ...

    def rehearse(self, record: Callable[[], None]) -> None:
        """Be made, and be visible while ``record`` records the scene."""
        ...


class Lazy(Generic[N]):
    """Hidden until ``visible`` is set; ``make`` is called when the node is first asked for.

    Args:
        order: among its siblings.
    """

    def __init__(self, make: Callable[[], N], *, order: int) -> None:
        self._make, self._order = make, order
        self._node: N | None = None

    @property
    def node(self) -> N:
        if self._node is None:
            self._node = self._make()
            self._node.order = self._order
            self._node.visible = False
        return self._node

    @property
    def made(self) -> bool:
        """Whether there is a node."""
        return self._node is not None

    def rehearse(self, record: Callable[[], None]) -> None:
        """Make the node and have it recorded. Only before it is first shown."""
        self.node.visible = True
        try:
            record()
        finally:
            self.node.visible = False

    @property
    def visible(self) -> bool:
        return self._node is not None and bool(self._node.visible)

    @visible.setter
    def visible(self, visible: bool) -> None:
        if visible != self.visible:  # else vispy would go through the whole scene for nothing
            self.node.visible = visible


def blended(node: N) -> N:
    """The node, drawn over what is behind it and smooth at its edges."""
    node.set_gl_state("translucent", depth_test=False)
    return node


def markers(parent: scene.Node) -> scene.Markers:
    """Markers, of which one that nobody sees stands there until they are set."""
    node = blended(scene.Markers(parent=parent))
    node.set_data(np.zeros((1, 2), np.float32), face_color="transparent", edge_color="transparent", symbol="disc")
    return node
