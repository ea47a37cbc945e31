"""Poses as a log's tables store them: rows that hold none are marked, so that one bad row costs one frame."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array, make_poses, matrix_from_quaternion

# How far a stored rotation may be from one: single precision passes, a wrong column does not.
_OFF = 1e-3


def number_rows(values: Iterable[object], count: int) -> Array:
    """Rows of ``count`` numbers [N, count] from values of a JSON or Arrow table; NaN where a value is no such list."""
    rows = [_numbers(value, count) for value in values]
    return np.array(rows, dtype=np.float64).reshape(len(rows), count)


def poses_from_quaternions(
    wxyz: Array,  # [N, 4]
    centres: Array,  # [N, 3] metres
) -> tuple[Array, NDArray[np.bool_]]:
    """Poses [N, 4, 4] and which of them are valid [N]; identity where a row is not finite or no unit quaternion."""
    with np.errstate(invalid="ignore", over="ignore"):
        norm = np.sqrt((wxyz**2).sum(axis=1))
        unit = np.abs(norm - 1) < 0.01
        valid = np.isfinite(wxyz).all(axis=1) & np.isfinite(centres).all(axis=1) & unit
    poses = np.repeat(np.eye(4)[None], len(wxyz), axis=0)
    poses[valid] = make_poses(matrix_from_quaternion(wxyz[valid][:, [1, 2, 3, 0]]), centres[valid])
    return poses, valid


def poses_from_matrices(matrices: Array) -> tuple[Array, NDArray[np.bool_]]:
    """``matrices`` [N, 4, 4] and which of them are poses [N]; identity where one is not finite or not rigid."""
    finite = np.asarray(np.isfinite(matrices).all(axis=(1, 2)))
    poses = np.where(finite[:, None, None], matrices, np.eye(4))
    rotation = poses[:, :3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        off = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2), initial=0.0)
        rigid = (off < _OFF) & (np.linalg.det(rotation) > 0) & (poses[:, 3] == np.array([0, 0, 0, 1])).all(axis=1)
    valid = np.asarray(finite & rigid, dtype=np.bool_)
    poses[~valid] = np.eye(4)
    return poses, valid


def _numbers(value: object, count: int) -> list[float]:
    try:
        if isinstance(value, list | tuple) and len(value) == count and not any(isinstance(v, str) for v in value):
            return [float(v) for v in value]
    except (TypeError, OverflowError):
        pass
    return [np.nan] * count
