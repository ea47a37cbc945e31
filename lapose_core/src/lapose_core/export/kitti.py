"""Trajectories as KITTI odometry pose files: one pose a line, the 3 x 4 camera-to-world matrix row by row.

Geiger et al., CVPR 2012. The format has neither times nor comments: line n is frame n of whatever was
exported.
"""

from __future__ import annotations

from pathlib import Path

from lapose_core.export.files import write_text
from lapose_core.geometry import Array, as_poses


def write_kitti(path: Path, poses: Array) -> None:
    """Write camera-to-world poses [N, 4, 4], atomically; every number reads back as the same float64.

    Raises:
        ValueError: where a pose is not finite or not a rigid motion, or there is no such folder.
    """
    rows = as_poses(poses)[:, :3, :].reshape(-1, 12)
    write_text(path, "".join(" ".join(repr(float(v)) for v in row) + "\n" for row in rows))
