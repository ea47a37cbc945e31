"""Structure from motion as COLMAP gives it: a clip's frames mapped incrementally, the camera fixed to the true one."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from lapose_core.drive import Intrinsics
from lapose_core.evaluation.classical import (
    NO_HEIGHT,
    NO_ROAD,
    ClassicalTrajectory,
    Images,
    Mask,
    Watch,
    check_clip,
    fill_frames,
    unwatched,
)
from lapose_core.evaluation.opencv_odometry import require_opencv
from lapose_core.evaluation.road_scale import road_lengths
from lapose_core.geometry import Array, accumulate, invert, relative

METHOD = "COLMAP incremental mapping (pycolmap), true intrinsics held fixed"

_MODELS = {"none": "PINHOLE", "brown-conrady": "FULL_OPENCV", "kannala-brandt": "OPENCV_FISHEYE"}
# At COLMAP's own 4 pixels and 1.5 degrees a forward motion is not told from a turn, and whole clips go astray.
_TOLERANCE = 1.0  # pixels
_LEAST_ANGLE = 0.5  # degrees, of triangulation
_EXTRACTED, _MATCHED = 0.4, 0.8  # shares of the time
_LOOK = 0.5  # seconds between two looks at how far COLMAP is
_THREADS = 2  # the order in which threads finish is part of COLMAP's result; few threads keep it nearly the same


T = TypeVar("T")


def require_pycolmap() -> Any:
    """The pycolmap module.

    Raises:
        ImportError: where it is absent, naming the extra.
    """
    try:
        import pycolmap
    except ImportError as error:
        raise ImportError('pycolmap is not installed: pip install "lapose-core[classical]"') from error
    return pycolmap


def colmap_trajectory(
    images: Images, intrinsics: Intrinsics, *, camera_height: float | None = None, watch: Watch | None = None
) -> ClassicalTrajectory:
    """Camera motion through frames [N, H, W, 3] RGB, evenly spaced in time, of a camera that is known.

    COLMAP's defaults refuse to start on a drive, where all motion is forward, so the thresholds of its first
    pair are lowered, and its pixel tolerances tightened to what so little parallax needs. Of several models the
    one with most frames is kept; the frames that it lacks are filled with constant velocity. One scale for the
    clip comes from the road, where ``camera_height`` in metres over it is given.

    Raises:
        ImportError: where pycolmap is absent.
        ValueError: where the frames are not those of the camera.
    """
    pycolmap = require_pycolmap()
    check_clip(images, intrinsics)
    with tempfile.TemporaryDirectory(prefix="lapose-colmap-") as folder, _quiet(pycolmap):
        model = _largest_model(pycolmap, images, intrinsics, Path(folder), watch or unwatched)
    poses, registered = np.tile(np.eye(4), (len(images), 1, 1)), np.zeros(len(images), bool)
    notes = []
    scale = None
    if model is not None:
        for frame, image in _registered(model):
            world_to_camera = np.vstack([image.cam_from_world().matrix(), [0.0, 0.0, 0.0, 1.0]])
            poses[frame], registered[frame] = invert(world_to_camera), True
        if camera_height is not None:
            scale = _road_scale(images, intrinsics, poses, registered, camera_height)
    steps = fill_frames(poses, registered)
    if scale is not None:
        steps[:, :3, 3] *= scale
    elif registered.sum() > 1:
        steps[:, :3, 3] /= max(float(np.linalg.norm(steps[:, :3, 3], axis=1).mean()), 1e-12)
        notes.append(NO_HEIGHT if camera_height is None else NO_ROAD)
    if not registered.all():
        notes.append(f"{int((~registered).sum())} of {len(registered)} frames are not registered and are filled.")
    return ClassicalTrajectory(accumulate(steps), registered, scale is not None, METHOD, tuple(notes))


@contextmanager
def _quiet(pycolmap: Any) -> Iterator[None]:
    """COLMAP reports every frame on stderr; a caller's progress bar is enough."""
    before = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = pycolmap.logging.FATAL.value
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = before


def _largest_model(pycolmap: Any, images: Images, camera: Intrinsics, folder: Path, watch: Watch) -> Any | None:
    pictures, database, models = folder / "images", folder / "database.db", folder / "models"
    pictures.mkdir()
    models.mkdir()
    names = [f"{i:04d}.png" for i in range(len(images))]
    for name, image in zip(names, images):
        Image.fromarray(image).save(pictures / name, compress_level=1)

    reading = pycolmap.ImageReaderOptions(camera_model=_MODELS[camera.model], camera_params=_parameters(camera))
    extraction = pycolmap.FeatureExtractionOptions()
    matching = pycolmap.FeatureMatchingOptions()
    mapping = pycolmap.IncrementalPipelineOptions()
    extraction.use_gpu = matching.use_gpu = False
    extraction.num_threads = matching.num_threads = mapping.num_threads = _THREADS
    mapping.min_model_size = 3
    mapping.ba_refine_focal_length = mapping.ba_refine_principal_point = mapping.ba_refine_extra_params = False
    mapping.mapper.abs_pose_refine_focal_length = mapping.mapper.abs_pose_refine_extra_params = False
    mapping.mapper.init_max_forward_motion = 1.0
    mapping.mapper.init_min_tri_angle = 2.0
    mapping.mapper.init_min_num_inliers = 50
    mapping.mapper.init_max_error = _TOLERANCE
    mapping.mapper.abs_pose_max_error = 4 * _TOLERANCE
    mapping.mapper.filter_max_reproj_error = 2 * _TOLERANCE
    mapping.mapper.filter_min_tri_angle = mapping.triangulation.min_angle = _LEAST_ANGLE
    mapping.mapper.ba_local_min_tri_angle = 2 * _LEAST_ANGLE
    mapping.triangulation.ignore_two_view_tracks = False
    mapping.extract_colors = False
    mapping.random_seed = mapping.mapper.random_seed = mapping.triangulation.random_seed = 0
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = 0
    verification.ransac.max_error = _TOLERANCE

    # A picture at a time, so that one who waits sees it go on and can break it off.
    for done, name in enumerate(names):
        watch(_EXTRACTED * done / len(names))
        pycolmap.extract_features(
            database,
            pictures,
            image_names=[name],
            camera_mode=pycolmap.CameraMode.SINGLE,
            reader_options=reading,
            extraction_options=extraction,
        )
        reading.existing_camera_id = 1
    token, registered = pycolmap.CancellationToken(), 0
    pairs = len(names) * (len(names) - 1) // 2

    def count() -> None:
        nonlocal registered
        registered += 1

    def matched() -> float:
        return _EXTRACTED + (_MATCHED - _EXTRACTED) * _pairs_matched(database) / pairs

    def mapped() -> float:  # a model that is given up begins anew
        return _MATCHED + (1 - _MATCHED) * min(registered / len(names), 0.99)

    # Both in one thread: COLMAP's random numbers are a thread's own.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(pycolmap.set_random_seed, 0)
        matching_done = thread.submit(
            pycolmap.match_exhaustive,
            database,
            matching_options=matching,
            verification_options=verification,
            cancellation_token=token,
        )
        _await(matching_done, matched, watch, token)
        mapping_done = thread.submit(
            pycolmap.incremental_mapping,
            database,
            pictures,
            models,
            options=mapping,
            initial_image_pair_callback=count,
            next_image_callback=count,
            cancellation_token=token,
        )
        found = _await(mapping_done, mapped, watch, token)
    return max(found.values(), key=lambda model: model.num_reg_images(), default=None)


def _await(step: Future[T], share: Callable[[], float], watch: Watch, token: Any) -> T:
    """What a step of COLMAP gives, which takes minutes; ``watch`` sees it go on, and what it raises breaks it off."""
    try:
        while not wait([step], _LOOK).done:
            watch(share())
    except BaseException:
        token.cancel()
        raise
    return step.result()


def _pairs_matched(database: Path) -> int:
    """Pairs of pictures that COLMAP has written so far."""
    try:
        connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=0.0)
    except sqlite3.Error:
        return 0
    try:
        return int(connection.execute("SELECT COUNT(*) FROM two_view_geometries").fetchone()[0])
    except sqlite3.Error:  # it is being written
        return 0
    finally:
        connection.close()


def _parameters(camera: Intrinsics) -> str:
    """COLMAP's parameters: fx, fy, cx, cy and its distortion; both put the middle of the first pixel at 0.5."""
    coefficients = list(camera.distortion)
    if camera.model == "brown-conrady":
        coefficients = (coefficients + [0.0] * 8)[:8]
    elif camera.model == "kannala-brandt":
        coefficients = (coefficients + [0.0] * 4)[:4]
    else:
        coefficients = []
    return ",".join(repr(float(v)) for v in (camera.fx, camera.fy, camera.cx, camera.cy, *coefficients))


def _registered(model: Any) -> list[tuple[int, Any]]:
    """(frame, COLMAP image) of the frames that have a pose, in order."""
    found = [(int(Path(image.name).stem), image) for image in model.images.values() if image.has_pose]
    return sorted(found, key=lambda pair: pair[0])


def _road_scale(
    images: Images, intrinsics: Intrinsics, poses: Array, registered: Mask, camera_height: float
) -> float | None:
    """Metres per unit of the model, the median over the steps that the road tells; None where it tells none."""
    steps = relative(poses)
    lengths = np.linalg.norm(steps[:, :3, 3], axis=1)
    moving = registered[:-1] & registered[1:] & (lengths > 0.05 * np.median(lengths))
    begins = np.flatnonzero(moving).tolist()
    if not begins:
        return None
    told = road_lengths(require_opencv(), images, begins, steps[begins], lengths[begins], intrinsics, camera_height)
    factors = [length[0] - np.log(lengths[k]) for k, length in zip(begins, told) if length is not None]
    return float(np.exp(np.median(factors))) if factors else None
