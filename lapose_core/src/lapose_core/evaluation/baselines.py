"""What a score is worth nothing without: the estimate that never looks at a picture."""

from __future__ import annotations

import numpy as np

from lapose_core.geometry import Array


def constant_forward(n: int, step: float = 1.0) -> Array:
    """A camera that keeps its heading and drives ``step`` metres forward at each transition: poses [n, 4, 4].

    Directions and rotations of a road that hardly bends come out right by themselves: AUC@5 is 100 on a
    straight one. The step is not fitted to anything; with the default its metric figures (ATE-M, scale) say
    what one metre a transition scores and no more.

    Raises:
        ValueError: where n is not positive.
    """
    if n < 1:
        raise ValueError(f"constant_forward: a trajectory needs at least one pose, got n={n}")
    poses = np.tile(np.eye(4), (n, 1, 1))
    poses[:, 2, 3] = step * np.arange(n)
    return poses
