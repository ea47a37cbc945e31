"""A path through camera centres, in pieces where the estimate has gaps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from vispy import scene

from lapose_inspector.visuals.ribbon import Ribbon

Points = NDArray[np.float32]  # [N, 3] scene metres
Colours = NDArray[np.float32]  # [4] or [N, 4]


class Path:
    """A line in the path's own colour, or, when coloured by a quantity, that colouring over a casing of it:
    the path stays recognisable, and the dark end of a colour map visible.
    """

    def __init__(self, parent: scene.Node, colour: NDArray[np.float32], *, width: float, order: int) -> None:
        self._casing = Ribbon(width + 4.0, parent=parent)
        self._line = Ribbon(width, parent=parent)
        self._own = colour
        self._colours: Colours = colour
        self._first = np.zeros(0, np.int64)
        self._count = 0
        self.uploads = 0
        """How often positions went to the GPU; moving the cursor must not raise it."""
        self._casing.order, self._line.order = order, order
        self._line.visible = self._casing.visible = False

    @property
    def visible(self) -> bool:
        return bool(self._line.visible)

    @property
    def coloured(self) -> bool:
        """Whether the points have colours of their own."""
        return self._colours.ndim == 2

    def set_points(self, pieces: Sequence[Points]) -> None:
        """Draw each of the pieces [n_i, 3] as its own strip."""
        ends = np.cumsum([0, *(len(piece) for piece in pieces)])
        self._count = int(ends[-1])
        self._first = np.concatenate([np.zeros(0, np.int64), *(np.arange(a, b - 1) for a, b in pairwise(ends))])
        self._line.visible = len(self._first) > 0
        if self._line.visible:
            points = np.concatenate(pieces)
            segments = np.stack([points[self._first], points[self._first + 1]], 1)
            self._line.set_segments(segments, self._own)
            self._casing.set_segments(segments, self._own)
            self.uploads += 1
        self.set_colours(self._colours)

    def set_colours(self, colours: Colours) -> None:
        """One colour [4], or one for each point [N, 4] of all pieces."""
        # A colouring made for other points is out of date, and its successor under way.
        self._colours = colours if colours.ndim == 1 or len(colours) == self._count else self._own
        self._casing.visible = self.visible and self.coloured
        if self.visible:
            each = self._colours
            if each.ndim == 2:
                each = np.stack([each[self._first], each[self._first + 1]], 1)
            self._line.set_colours(each)
