"""A path through camera centres, in pieces where the estimate has gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from vispy import scene

from lapose_inspector.visuals.lazy import Lazy, Rehearsed
from lapose_inspector.visuals.ribbon import Ribbon

Points = NDArray[np.float32]  # [N, 3] scene metres
Colours = NDArray[np.float32]  # [4] or [N, 4]


LIMIT = 6000
"""Points drawn of a longer path: every n-th of it, and more of those near where the camera looks. A processor that
draws in place of a graphics card takes seconds for the rectangles of 100,000."""


class Path:
    """A line in the path's own colour, or, when coloured by a quantity, that colouring over a casing of it:
    the path stays recognisable, and the dark end of a colour map visible.
    """

    def __init__(self, parent: scene.Node, colour: NDArray[np.float32], *, width: float, order: int) -> None:
        self._casing = Lazy(lambda: Ribbon(width + 4.0, parent=parent), order=order)
        self._line = Lazy(lambda: Ribbon(width, parent=parent), order=order)
        self.parts: tuple[Rehearsed, ...] = (self._line, self._casing)
        self._own = colour
        self._colours: Colours = colour
        self._points: Points = np.zeros((0, 3), np.float32)
        self._ends = np.zeros(1, np.int64)  # of the pieces, in points
        self._segments = np.zeros((0, 2), np.int64)  # the points that each drawn segment joins
        self._view: tuple[Points, float] | None = None  # centre and radius that the detail was chosen for
        self._casing_made = False  # for these points
        self.uploads = 0
        """How often positions went to the GPU; moving the cursor must not raise it."""

    @property
    def visible(self) -> bool:
        return self._line.visible

    @property
    def coloured(self) -> bool:
        """Whether the points have colours of their own."""
        return self._colours.ndim == 2

    def set_points(self, pieces: Sequence[Points]) -> None:
        """Draw each of the pieces [n_i, 3] as its own strip."""
        self._ends = np.cumsum([0, *(len(piece) for piece in pieces)])
        self._points = np.concatenate([np.zeros((0, 3), np.float32), *pieces])
        self._draw()

    def look_at(self, centre: Points, radius: float) -> None:
        """Show a long path in detail within ``radius`` metres of ``centre`` [3]; small moves change nothing."""
        if self._view is not None:
            before, reach = self._view
            if 0.7 < radius / reach < 1.4 and float(np.linalg.norm(centre - before)) < 0.3 * radius:
                return
        self._view = centre.copy(), max(radius, 1e-6)
        if len(self._points) > LIMIT:
            self._draw()

    def _draw(self) -> None:
        kept = self._kept()
        self._segments = np.stack([kept[:-1], kept[1:]], 1)
        piece = np.searchsorted(self._ends, kept, side="right")
        self._segments = self._segments[piece[:-1] == piece[1:]]
        self._line.visible = len(self._segments) > 0
        if self._line.visible:
            segments = self._points[self._segments]
            self._line.node.set_segments(segments, self._own)
            self._casing_made = False
            self.uploads += 1
        self.set_colours(self._colours)

    def _kept(self) -> NDArray[np.int64]:
        """Points that are drawn, ascending: all of a short path."""
        count = len(self._points)
        if count <= LIMIT:
            return np.arange(count)
        kept = np.zeros(count, bool)
        kept[:: -(-2 * count // LIMIT)] = True
        kept[self._ends[:-1][self._ends[:-1] < count]] = kept[self._ends[1:] - 1] = True
        if self._view is not None:
            centre, radius = self._view
            near = np.flatnonzero(((self._points - centre) ** 2).sum(1) < radius**2)
            kept[near[:: max(1, -(-2 * len(near) // LIMIT))]] = True
        return np.flatnonzero(kept)

    def set_colours(self, colours: Colours) -> None:
        """One colour [4], or one for each point [N, 4] of all pieces."""
        # A colouring made for other points is out of date, and its successor under way.
        self._colours = colours if colours.ndim == 1 or len(colours) == len(self._points) else self._own
        self._casing.visible = self.visible and self.coloured
        if self._casing.visible and not self._casing_made:
            self._casing.node.set_segments(self._points[self._segments], self._own)
            self._casing_made = True
        if self.visible:
            each = self._colours
            self._line.node.set_colours(each[self._segments] if each.ndim == 2 else each)
