"""Both paths, their cameras and the drive's lidar sweeps in 3D: PLY and PCD by open3d, GLB for every viewer.

PLY holds coordinates of the log's world in float64. PCD and GLB hold float32, so their coordinates count from the
first camera (`Exported.centre`), which the file tells; GLB has y up, as its standard says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lapose_core.export.bundle import Exported
from lapose_core.export.colours import path_colours, rgb
from lapose_core.export.files import Progress, no_progress, replacing
from lapose_core.export.shapes import frusta, frustum_samples
from lapose_core.geometry import Array
from lapose_core.palette import PREDICTION, TRUTH
from lapose_core.point_clouds import lay_sweeps, thin

if TYPE_CHECKING:
    from lapose_core.export.formats import Options

CLOUD_POINTS, CLOUD_VOXEL = 500_000, 0.2
"""Points of the laid sweeps at the most, and metres of their voxels, which grow where there would be more."""
_GREY = (0.6, 0.6, 0.6)


@dataclass(frozen=True)
class Lines:
    """Line segments [L, 2] between points [P, 3], with a colour [L, 3] in 0..1 each, and what they are."""

    name: str
    points: Array
    segments: NDArray[np.int64]
    colours: Array


def drawn_lines(bundle: Exported) -> Iterator[Lines]:
    """The paths, the predicted one coloured by its position error, and the frusta of their cameras, in the world."""
    for which, colour in (("truth", TRUTH), ("predicted", PREDICTION)):
        poses = bundle.truth if which == "truth" else bundle.predicted
        runs = bundle.runs(which)
        if not runs:
            continue
        rows = np.concatenate(runs)
        starts = np.concatenate([run[:-1] for run in runs])
        number = np.searchsorted(rows, starts)
        colours = path_colours(bundle, which)[starts]
        yield Lines(f"{which} path", poses[rows, :3, 3], np.stack([number, number + 1], -1), colours)
        points, segments = frusta(bundle, which, frustum_samples(bundle, which))
        yield Lines(f"{which} cameras", points, segments, np.tile(rgb(colour), (len(segments), 1)))


def laid_cloud(bundle: Exported, options: Options, progress: Progress) -> Array:
    """World points [P, 3] of the log's sweeps laid along one of the paths; none without sweeps or where not wanted."""
    points = np.zeros((0, 3))
    if bundle.drive is None or options.cloud == "none":
        return points
    poses = bundle.truth if options.cloud == "truth" else bundle.predicted
    rows = np.concatenate([*bundle.runs(options.cloud), np.zeros(0, np.int64)])
    voxel, waiting = CLOUD_VOXEL, []
    for share, sweep in lay_sweeps(bundle.drive, bundle.frames[rows], poses[rows], CLOUD_VOXEL):
        progress(0.9 * share)
        waiting.append(sweep)
        if sum(map(len, waiting)) > CLOUD_POINTS:
            points, voxel, waiting = *_within(np.concatenate([points, *waiting]), voxel), []
    return _within(np.concatenate([points, *waiting]), voxel)[0]


def _within(points: Array, voxel: float) -> tuple[Array, float]:
    thinned = thin(points, voxel)
    while len(thinned) > CLOUD_POINTS:
        # Walls and roads are surfaces: their points fall with the square of the voxel.
        voxel *= max(1.1, float(np.sqrt(len(thinned) / CLOUD_POINTS)))
        thinned = thin(thinned, voxel)
    return thinned, voxel


def write_ply(bundle: Exported, path: Path, options: Options, progress: Progress = no_progress) -> None:
    """Write vertices and coloured edges of paths and frusta, and the laid sweeps as vertices without edges.

    Raises:
        ValueError: where there is no such folder, or open3d is not installed.
    """
    o3d = _open3d()
    points, segments, colours, count = [], [], [], 0
    for lines in drawn_lines(bundle):
        points.append(lines.points)
        segments.append(lines.segments + count)
        colours.append(lines.colours)
        count += len(lines.points)
    points.append(laid_cloud(bundle, options, progress))
    drawn = o3d.geometry.LineSet(
        o3d.utility.Vector3dVector(np.concatenate(points)), o3d.utility.Vector2iVector(np.concatenate(segments))
    )
    drawn.colors = o3d.utility.Vector3dVector(np.concatenate(colours))
    with replacing(path) as part:
        _require(o3d.io.write_line_set(str(part), drawn), path)
        _insert(part, b"comment Created by Open3D\n", _comments(bundle, b"comment "))


def write_pcd(bundle: Exported, path: Path, options: Options, progress: Progress = no_progress) -> None:
    """Write coloured points: the camera centres of both paths, and the laid sweeps in grey.

    Raises:
        ValueError: where there is no such folder, or open3d is not installed.
    """
    o3d = _open3d()
    points, colours = [], []
    for which, poses in (("truth", bundle.truth), ("predicted", bundle.predicted)):
        rows = np.concatenate([*bundle.runs(which), np.zeros(0, np.int64)])
        points.append(poses[rows, :3, 3])
        colours.append(path_colours(bundle, which)[rows])
    cloud = laid_cloud(bundle, options, progress)
    points.append(cloud)
    colours.append(np.tile(_GREY, (len(cloud), 1)))
    drawn = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(np.concatenate(points) - bundle.centre))
    drawn.colors = o3d.utility.Vector3dVector(np.concatenate(colours))
    with replacing(path) as part:
        _require(o3d.io.write_point_cloud(str(part), drawn), path)
        _insert(part, b"# .PCD v0.7 - Point Cloud Data file format\n", _comments(bundle, b"# ", centred=True))


def write_glb(bundle: Exported, path: Path, options: Options, progress: Progress = no_progress) -> None:
    """Write thin boxes along paths and frusta as meshes with vertex colours, and the laid sweeps as points.

    Raises:
        ValueError: where there is no such folder.
    """
    from lapose_core.export.glb import Part, boxes, glb_bytes

    parts = []
    for lines in drawn_lines(bundle):
        width = 0.12 if lines.name.endswith("path") else 0.03
        parts.append(boxes(lines.name, lines.points - bundle.centre, lines.segments, lines.colours, width))
    cloud = laid_cloud(bundle, options, progress) - bundle.centre
    if len(cloud):
        parts.append(Part("lidar", cloud, np.tile(_GREY, (len(cloud), 1))))
    # From z up to y up, as the standard has it.
    upright = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]) @ bundle.upright
    extras = {**bundle.description(), "world_of_origin_m": bundle.centre.tolist()}
    with replacing(path) as part:
        part.write_bytes(glb_bytes(parts, upright, extras))


def _open3d():  # type: ignore[no-untyped-def]
    try:
        # Torch first: each brings an OpenMP runtime, and the one that is loaded first is used.
        import open3d
        import torch  # noqa: F401
    except (ImportError, OSError) as error:
        raise ValueError(
            f"open3d cannot be imported ({error}); pip install 'lapose-core[mesh]' and, on Debian, libusb-1.0-0"
        ) from error
    return open3d


def _require(written: bool, path: Path) -> None:
    if not written:
        raise OSError(f"{path}: open3d could not write it; is there space left?")


def _comments(bundle: Exported, prefix: bytes, *, centred: bool = False) -> bytes:
    about = bundle.description()
    if centred:
        about["origin_in_world_m"] = " ".join(repr(float(v)) for v in bundle.centre)
    return b"".join(prefix + f"{key}: {' '.join(text.split())}\n".encode() for key, text in about.items())


def _insert(path: Path, after: bytes, text: bytes) -> None:
    """Put comment lines into a header that open3d has written."""
    data = path.read_bytes()
    at = data.index(after) + len(after)
    path.write_bytes(data[:at] + text + data[at:])
