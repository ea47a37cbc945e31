"""A transform that is told often where it already is: vispy would tell every node below it each time."""

from __future__ import annotations

import numpy as np
from vispy.visuals.transforms import MatrixTransform

from lapose_core.geometry import Array


class SteadyMatrix(MatrixTransform):
    """As its base, but for a matrix that is the same nothing happens."""

    @property
    def matrix(self) -> Array:
        return self._matrix

    @matrix.setter
    def matrix(self, matrix: Array) -> None:
        if not np.array_equal(getattr(self, "_matrix", None), matrix):  # type: ignore[arg-type]
            MatrixTransform.matrix.fset(self, matrix)
