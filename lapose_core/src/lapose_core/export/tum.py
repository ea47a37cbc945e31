"""Trajectories as TUM files: one pose a line, ``timestamp tx ty tz qx qy qz qw``, ``#`` begins a comment.

The format of the TUM RGB-D benchmark (Sturm et al., IROS 2012): seconds, metres, camera-to-world, Hamilton
quaternions with the scalar last.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lapose_core.export.files import write_text
from lapose_core.geometry import Array, as_poses, quaternion_from_matrix


def write_tum(path: Path, times: Array, poses: Array, comments: Sequence[str] = ()) -> None:
    """Write camera-to-world poses [N, 4, 4] at ``times`` [N] seconds, atomically.

    Every number has the shortest decimal form that reads back as the same float64, so that timestamps of a
    Unix clock and positions at UTM magnitude lose nothing. ``comments`` become ``#`` lines at the top.

    Raises:
        ValueError: where the lengths differ, a time or a pose is not finite, or there is no such folder.
    """
    poses = as_poses(poses)
    times = np.asarray(times, dtype=np.float64)
    if times.shape != (len(poses),) or not np.isfinite(times).all():
        raise ValueError(f"write_tum: {len(poses)} poses need as many finite times, got shape {list(times.shape)}")
    rows = np.column_stack([times, poses[:, :3, 3], quaternion_from_matrix(poses[:, :3, :3])])
    lines = [f"# {' '.join(comment.split())}" for comment in comments]
    lines.append("# timestamp tx ty tz qx qy qz qw")
    lines += [" ".join(repr(float(v)) for v in row) for row in rows]
    write_text(path, "\n".join(lines) + "\n")
