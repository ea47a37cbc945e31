"""A node of a scene that is made when it is first shown: each takes some 5 ms, and the window opens with none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from vispy import scene

N = TypeVar("N", bound=scene.Node)


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
    def visible(self) -> bool:
        return self._node is not None and bool(self._node.visible)

    @visible.setter
    def visible(self, visible: bool) -> None:
        if visible or self._node is not None:
            self.node.visible = visible


def blended(node: N) -> N:
    """The node, drawn over what is behind it and smooth at its edges."""
    node.set_gl_state("translucent", depth_test=False)
    return node
