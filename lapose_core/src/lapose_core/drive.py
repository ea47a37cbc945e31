"""A driving log as the rest of the program sees it: an immutable description and a way to open its frames."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array, as_poses

if TYPE_CHECKING:
    from lapose_core.geodesy import GeodeticOrigin

Image = NDArray[np.uint8]  # [H, W, 3] RGB

DistortionModel = Literal["none", "brown-conrady", "kannala-brandt"]


class LogError(Exception):
    """A log cannot be read. The message names the file, the field and what to do."""


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole camera of images ``width`` x ``height``: focal lengths and principal point in pixels.

    Pixel i covers [i, i + 1): the image's border is at 0, the middle of the first pixel at 0.5, and scaling or cutting
    an image scales or shifts ``cx`` and ``cy`` alike. Calibrations that count from the middle of the first pixel, as
    OpenCV does, come in by `Intrinsics.opencv`.

    ``distortion`` holds the coefficients of ``model`` in OpenCV's order (k1 k2 p1 p2 k3, or k1..k4).
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    model: DistortionModel = "none"
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (np.isfinite([self.fx, self.fy, self.cx, self.cy]).all() and self.fx > 0 and self.fy > 0):
            raise ValueError(f"intrinsics: fx={self.fx}, fy={self.fy}, cx={self.cx}, cy={self.cy} are no camera")

    @classmethod
    def opencv(
        cls,
        fx: float,
        fy: float,
        cx: float,
        cy: float,
        width: int,
        height: int,
        model: DistortionModel = "none",
        distortion: tuple[float, ...] = (),
    ) -> Intrinsics:
        """The camera of a calibration by OpenCV or alike, which puts the middle of the first pixel at 0.

        Here it is at 0.5, so half a pixel is added to ``cx`` and ``cy``. Distortion acts on x / z and y / z, before
        the focal length, and stays as it is.
        """
        return cls(fx, fy, cx + 0.5, cy + 0.5, width, height, model, distortion)

    @property
    def fov_x(self) -> float:
        """Horizontal field of view in radians, of the undistorted pinhole."""
        return float(np.arctan2(self.cx, self.fx) + np.arctan2(self.width - self.cx, self.fx))

    def crop(self, left: float, top: float, width: int, height: int) -> Intrinsics:
        """The camera of the sub-image that begins at (left, top)."""
        return Intrinsics(self.fx, self.fy, self.cx - left, self.cy - top, width, height, self.model, self.distortion)

    def resize(self, width: int, height: int) -> Intrinsics:
        """The camera of the whole image scaled to width x height."""
        sx, sy = width / self.width, height / self.height
        return Intrinsics(
            self.fx * sx, self.fy * sy, self.cx * sx, self.cy * sy, width, height, self.model, self.distortion
        )


class FrameSource(Protocol):
    """Random access to a log's frames. Not thread-safe: each thread reopens its own from the Drive."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> Image:
        """Frame ``index`` [H, W, 3] RGB uint8, exactly. Raises LogError where it cannot be decoded."""
        ...

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        """Frames start, start + step, ... before stop, in order, with their indices; sequential decode."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Track:
    """A quantity of the vehicle over time, on its own clock: speed or steering angle from the CAN bus, say.

    Attributes:
        times: [K] seconds on the clock of the drive's timestamps, never decreasing, float64.
        values: [K] float64 in ``unit``; NaN where the log has none.
        unit: such as ``m/s`` or ``rad``.
        source: the file or topic it was read from, for people.
    """

    times: Array
    values: Array
    unit: str
    source: str

    def __post_init__(self) -> None:
        times, values = np.asarray(self.times, np.float64), np.asarray(self.values, np.float64)
        if times.ndim != 1 or times.shape != values.shape:
            raise LogError(f"{self.source}: {times.shape} times for {values.shape} values; each value needs its time")
        bad = ~np.isfinite(times)
        bad[1:] |= np.diff(times) < 0
        if bad.any():
            raise LogError(f"{self.source}: time {int(np.argmax(bad))} comes before the one before it, or is none")
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "values", values)


@dataclass(frozen=True)
class Drive:
    """One camera's view of one drive. The frame's integer index is the master clock.

    Attributes:
        name: shown to the user.
        path: what was opened.
        format: the reader's name, such as ``kitti-odometry``.
        width, height: of the frames, in pixels.
        timestamps: [N] seconds, strictly increasing, float64.
        open_frames: opens a new, independent frame source. Readers make it of functions and classes of modules, so
            that it can be pickled and used in another process.
        poses: [N, 4, 4] camera-to-world ground truth, or None. Rows where ``pose_valid`` is False are identity.
        pose_valid: [N] bool, or None when there are no poses.
        intrinsics: or None when the log does not know its camera.
        camera_height: of the camera over the road in metres, or None when the log does not tell.
        point_cloud: frame index -> points [P, 3] float32 in the camera's axes, or None for a frame without one. Where
            the log has it, a fourth column is the intensity, in the sensor's own scale.
        tracks: what else the vehicle recorded, name (``speed``, ``steering angle``) -> values over time.
        regimes: per-frame labels that the log itself carries (the synthetic world's), name -> [N].
        provenance: what is known of where each value came from, shown in the drive's information.
        notes: assumptions the reader made, each one sentence, shown to the user.
        geodetic_origin: where the world of ``poses`` lies on the Earth, or None when the log does not tell.
    """

    name: str
    path: Path
    format: str
    width: int
    height: int
    timestamps: Array
    open_frames: Callable[[], FrameSource]
    poses: Array | None = None
    pose_valid: NDArray[np.bool_] | None = None
    intrinsics: Intrinsics | None = None
    camera_height: float | None = None
    point_cloud: Callable[[int], NDArray[np.float32] | None] | None = None
    tracks: Mapping[str, Track] = field(default_factory=dict)
    regimes: Mapping[str, NDArray] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    geodetic_origin: GeodeticOrigin | None = None
    fingerprint: str = ""

    def __post_init__(self) -> None:
        times = np.asarray(self.timestamps, dtype=np.float64)
        if times.ndim != 1 or len(times) == 0:
            raise LogError(f"{self.path}: the log has no frames")
        if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            bad = (
                int(np.argmax(~np.isfinite(times)))
                if not np.isfinite(times).all()
                else int(np.argmax(np.diff(times) <= 0) + 1)
            )
            raise LogError(f"{self.path}: timestamp {bad} does not come after the one before it")
        object.__setattr__(self, "timestamps", times)
        if self.poses is not None:
            try:
                poses = as_poses(self.poses)
            except ValueError as error:
                raise LogError(f"{self.path}: {error}") from error
            if len(poses) != len(times):
                raise LogError(f"{self.path}: {len(poses)} poses for {len(times)} frames")
            object.__setattr__(self, "poses", poses)
            valid = np.ones(len(times), bool) if self.pose_valid is None else np.asarray(self.pose_valid, bool)
            object.__setattr__(self, "pose_valid", valid)
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", fingerprint(self.path, self.format, times, self.poses))

    def __len__(self) -> int:
        return len(self.timestamps)

    def bare(self) -> Drive:
        """The drive without point clouds, tracks and regimes: what a model looks at, which can be pickled."""
        return replace(self, point_cloud=None, tracks={}, regimes={})

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return float(self.timestamps[-1] - self.timestamps[0])

    @property
    def rate(self) -> float:
        """Frames per second, from the median step between timestamps; 0 for a single frame."""
        return float(1.0 / np.median(np.diff(self.timestamps))) if len(self) > 1 else 0.0

    def indices_at_rate(self, rate: float) -> NDArray[np.int64]:
        """Frame indices whose timestamps lie nearest to a regular grid of ``rate`` Hz from the first frame.

        A rate at or above the log's own gives every frame. Indices are unique and increasing.

        Raises:
            ValueError: where the rate is not positive.
        """
        return indices_at_rate(self.timestamps, rate)

    def even_rate(self, rate: float) -> float:
        """Of the log's own frame rate over 1, 2, 3 ..., the one nearest to ``rate`` Hz.

        Raises:
            ValueError: where the rate is not positive.
        """
        return even_rate(self.timestamps, rate)

    def even_indices(self, rate: float) -> NDArray[np.int64]:
        """Frame indices at ``even_rate(rate)``: every n-th frame of a log whose frames are evenly apart.

        The nearest frames to a grid whose step is no multiple of the log's lie now more, now less far apart, and what
        a model says of a step hangs on its length. After a gap in the log it goes on as before; both frames that bound
        the gap may be taken. Indices are unique and increasing.

        Raises:
            ValueError: where the rate is not positive.
        """
        return even_indices(self.timestamps, rate)


def indices_at_rate(times: Array, rate: float) -> NDArray[np.int64]:
    """Indices of the increasing ``times`` [N] nearest to a regular grid of ``rate`` Hz that begins at the first.

    Raises:
        ValueError: where the rate is not positive.
    """
    if not rate > 0:
        raise ValueError(f"rate must be positive, got {rate}")
    if len(times) < 2 or rate >= 0.999 / float(np.median(np.diff(times))):
        return np.arange(len(times))
    count = int(np.floor((times[-1] - times[0]) * rate + 1e-6)) + 1
    return _nearest(times, times[0] + np.arange(count) / rate)


def even_rate(times: Array, rate: float) -> float:
    """Of the frame rate of the increasing ``times`` [N] over 1, 2, 3 ..., the one nearest to ``rate`` Hz; ``rate``
    itself where there are no two.

    Raises:
        ValueError: where the rate is not positive.
    """
    if not rate > 0:
        raise ValueError(f"rate must be positive, got {rate}")
    if len(times) < 2:
        return rate
    own = 1 / _usual_step(times)
    every = max(1, int(own / rate))
    return min(own / every, own / (every + 1), key=lambda even: abs(even - rate))


def even_indices(times: Array, rate: float) -> NDArray[np.int64]:
    """Indices of the increasing ``times`` [N] at ``even_rate(times, rate)``; see ``Drive.even_indices``.

    Raises:
        ValueError: where the rate is not positive.
    """
    even = even_rate(times, rate)
    if len(times) < 2:
        return np.arange(len(times))
    step = _usual_step(times)
    grid = times[0] + step * np.arange(0, round((times[-1] - times[0]) / step) + 1, round(1 / (step * even)))
    return _nearest(times, grid)


def _usual_step(times: Array) -> float:
    """Seconds between neighbours of the increasing ``times`` [N], N >= 2. The mean, by which a grid keeps in step with
    a long log, of those that are no gaps."""
    steps = np.diff(times)
    median = float(np.median(steps))
    return float(steps[np.abs(steps - median) <= 0.5 * median].mean())


def _nearest(times: Array, grid: Array) -> NDArray[np.int64]:
    """Indices of the increasing ``times`` [N], N >= 2, that lie nearest to any of the increasing ``grid`` [M]."""
    hi = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
    nearer_low = grid - times[hi - 1] <= times[hi] - grid
    return np.unique(np.where(nearer_low, hi - 1, hi))


def fingerprint(path: Path, format: str, timestamps: Array, poses: Array | None) -> str:
    """A key for a log's content: sizes and modification times of its files, timestamps and poses; 16 hex digits.

    It reads no pictures, so opening a log of many gigabytes stays instant; touching a file makes a new key.
    """
    digest = hashlib.sha256(format.encode())
    found = [(path.name, path.stat())]
    if path.is_dir():
        with os.scandir(path) as entries:  # it stats each file once, and a folder may hold a hundred thousand
            found = sorted((e.name, e.stat()) for e in entries if _is_file(e))
    for name, stat in found:
        digest.update(f"{name}:{stat.st_size}:{stat.st_mtime_ns};".encode())
    digest.update(timestamps.tobytes())
    if poses is not None:
        digest.update(np.ascontiguousarray(poses).tobytes())
    return digest.hexdigest()[:16]


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False
