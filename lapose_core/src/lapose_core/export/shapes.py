"""Camera frusta as line segments, and latent actions as points of a plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lapose_core.export.bundle import Exported
from lapose_core.geometry import Array

FRUSTA = 60
"""Frusta drawn of a path at the most."""
_EDGES = np.array([[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [2, 3], [3, 4], [4, 1]])


def frustum_samples(bundle: Exported, which: str) -> NDArray[np.int64]:
    """Samples whose frusta are drawn: evenly spaced ones, FRUSTA at the most."""
    rows = np.concatenate([*bundle.runs(which), np.zeros(0, np.int64)])
    return rows[:: max(1, -(-len(rows) // FRUSTA))]


def frusta(
    bundle: Exported, which: str, rows: NDArray[np.int64], depth: float = 1.0
) -> tuple[Array, NDArray[np.int64]]:
    """Points [5 K, 3] in the world and lines [8 K, 2] between them, of the cameras at ``rows`` [K].

    The first of a camera's five points is its centre, the others the corners of its picture ``depth`` metres ahead, by
    the log's camera, or without one by the model's field of view.
    """
    poses = (bundle.truth if which == "truth" else bundle.predicted)[rows]
    wide, high = _slopes(bundle)
    corners = depth * np.array([[0, 0, 0], [-wide, -high, 1], [wide, -high, 1], [wide, high, 1], [-wide, high, 1]])
    points = corners @ poses[:, :3, :3].transpose(0, 2, 1) + poses[:, None, :3, 3]
    lines = (_EDGES + 5 * np.arange(len(rows))[:, None, None]).reshape(-1, 2)
    return points.reshape(-1, 3), lines


def _slopes(bundle: Exported) -> tuple[float, float]:
    """Half the picture's width and height at a distance of one."""
    drive = bundle.drive
    if drive is not None and drive.intrinsics is not None:
        camera = drive.intrinsics
        return camera.width / 2 / camera.fx, camera.height / 2 / camera.fy
    fov = bundle["fov"]
    wide = float(np.tan(np.nanmedian(fov) / 2)) if np.isfinite(fov).any() else 0.6
    shape = 9 / 16 if drive is None else drive.height / drive.width
    return wide, wide * shape


def latent_plane(bundle: Exported) -> Array:
    """Latents on their first two principal components [M, 2], each divided by the first's deviation; NaN where none."""
    out = np.full((len(bundle), 2), np.nan)
    known = np.isfinite(bundle.latents).all(axis=1)
    if known.sum() < 3:
        return out
    latents = bundle.latents[known].astype(np.float64)
    latents -= latents.mean(axis=0)
    u, s, _ = np.linalg.svd(latents, full_matrices=False)
    plane = np.zeros((len(latents), 2))
    plane[:, : min(2, len(s))] = (u * s)[:, :2]
    out[known] = plane / max(float(plane[:, 0].std()), 1e-12)
    return out
