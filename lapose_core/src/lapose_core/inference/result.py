"""What the model found in a drive: one value per transition, blended from overlapping windows.

A drive is sampled at a rate; sample m is the drive's frame ``frames[m]``, transition t leads from sample t to
sample t + 1. The model sees windows of samples that overlap by half, so most transitions are estimated twice
or more, and the estimates are blended with weights that favour the middle of a window.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive
from lapose_core.geometry import (
    Array,
    accumulate,
    make_poses,
    matrix_from_quaternion,
    quaternion_from_matrix,
)
from lapose_core.inference.known_camera import UNKNOWN, KnownCamera

if TYPE_CHECKING:
    from lapose_core.inference.checks import Checks


@dataclass(frozen=True)
class ResultKey:
    """What a result depends on: results of one key are the same numbers.

    Attributes:
        fingerprint: of the log.
        view: of what the model sees of a frame (`Preprocessor.view`), and of what it is told of the camera
            (`KnownCamera.key`): the same log with another camera or crop has another. Empty for results of a program
            that did not keep it.
        checkpoint_hash: of the model.
        rate: samples per second asked for.
    """

    fingerprint: str
    view: str
    checkpoint_hash: str
    rate: float


@dataclass(frozen=True)
class WindowResult:
    """The model's estimate for one window of T samples.

    Attributes:
        index: of the window in the drive's plan.
        start: the window's first sample.
        latents: [T-1, A] float32, the latent action of each transition.
        relative: [T-1, 4, 4] metric relative poses T_t^-1 T_{t+1}.
        fov: [T-1] horizontal field of view of the model's image in radians.
        scale: metres per transition, the model's metric scale of this window.
        cross_entropy: [T-1] nats per code, of the forward model's prediction of the next frame's codes.
    """

    index: int
    start: int
    latents: NDArray[np.float32]
    relative: Array
    fov: Array
    scale: float
    cross_entropy: Array


@dataclass(frozen=True)
class Changes:
    """What became of a result since the last time somebody asked (`DriveAnalysis.take_changes`).

    Attributes:
        steps: methods of the result by name, with their arguments, in order.
        revision: of the result after them.
    """

    steps: tuple[tuple[str, tuple[Any, ...]], ...]
    revision: int


@dataclass(frozen=True)
class FailedWindow:
    """A window that has no result, and why, in words for the user."""

    index: int
    start: int
    reason: str


def plan_windows(n_samples: int, window: int) -> list[int]:
    """First samples of the windows over a drive: steps of half a window, the last flush with the end.

    A drive shorter than ``window`` is one shorter window.

    Raises:
        ValueError: where there are fewer than two samples, between which there is no motion.
    """
    if n_samples < 2:
        raise ValueError(
            f"the log gives {n_samples} sample at this rate, and motion needs two: choose a higher rate or a longer log"
        )
    if n_samples <= window:
        return [0]
    last = n_samples - window
    starts = list(range(0, last, max(1, window // 2)))
    return [*starts, last]


def centrality(n_transitions: int) -> Array:
    """Triangular weights [n] in (0, 1] of a window's transitions: highest in its middle, never zero."""
    middle = (n_transitions - 1) / 2
    return 1.0 - np.abs(np.arange(n_transitions) - middle) / (middle + 1.0)


class DriveAnalysis:
    """The model's result for M samples of a drive, M-1 transitions; grows as windows are merged.

    ``merge`` may run in another thread than the readers: take a ``snapshot`` where several fields must agree. One in
    another process follows by ``take_changes`` and ``apply``, and is the same to the last bit.

    Attributes:
        drive_name, drive_path, fingerprint: the log.
        view: what the model saw of its frames, as in `ResultKey`.
        camera: what the pose head was told of the camera.
        checkpoint_name, checkpoint_hash: the model.
        rate: samples per second asked for.
        window: samples in a window.
        frames: [M] int64 drive frame indices.
        times: [M] seconds.
        truth: [M, 4, 4] true camera-to-world poses, or None. Identity where ``truth_valid`` [M] is False.
        done: [M-1] bool.
        relative: [M-1, 4, 4] metric relative poses; identity where not done.
        latents: [M-1, A] float32; NaN where not done.
        fov: [M-1] radians; NaN where not done.
        scale: [M-1] the metric scale of the windows about it, metres per transition; NaN where not done.
        cross_entropy: [M-1] nats per code of the forward model's prediction; NaN where not done or only previewed.
        translation_spread: [M-1] metres, weighted standard deviation between the overlapping windows'
            estimates (zero but for rounding where one window alone saw the transition); NaN where not done.
        rotation_spread: [M-1] radians, likewise.
        checks: what further looks at the same pictures say, or None where nobody has looked yet.
        confidence: [M-1] probability 0..1 that a transition is none of the worst (``inference/confidence.py``); NaN
            where not known, and everywhere until the checks are done or where the checkpoint is not calibrated.
        windows_done: indices of the merged windows.
        failed_windows: index -> why this window has no result.
        revision: grows with every change.
    """

    def __init__(
        self,
        *,
        drive_name: str,
        drive_path: str,
        fingerprint: str,
        checkpoint_name: str,
        checkpoint_hash: str,
        rate: float,
        window: int,
        latent_dim: int,
        frames: NDArray[np.int64],
        times: Array,
        truth: Array | None = None,
        truth_valid: NDArray[np.bool_] | None = None,
        view: str = "",
        camera: KnownCamera = UNKNOWN,
    ) -> None:
        self.window_starts = plan_windows(len(frames), window)
        self.drive_name, self.drive_path, self.fingerprint, self.view = drive_name, drive_path, fingerprint, view
        self.camera = camera
        self.checkpoint_name, self.checkpoint_hash = checkpoint_name, checkpoint_hash
        self.rate, self.window, self.latent_dim = float(rate), int(window), int(latent_dim)
        self.frames = np.asarray(frames, np.int64)
        self.times = np.asarray(times, np.float64)
        self.truth, self.truth_valid = truth, truth_valid
        if truth is not None and truth_valid is None:
            self.truth_valid = np.ones(len(frames), bool)
        count = len(self.frames) - 1
        self.done = np.zeros(count, bool)
        self.relative = np.tile(np.eye(4), (count, 1, 1))
        self.latents = np.full((count, latent_dim), np.nan, np.float32)
        self.fov = np.full(count, np.nan)
        self.scale = np.full(count, np.nan)
        self.cross_entropy = np.full(count, np.nan)
        self.translation_spread = np.full(count, np.nan)
        self.rotation_spread = np.full(count, np.nan)
        self.checks: Checks | None = None
        self.confidence = np.full(count, np.nan)
        self.windows_done: set[int] = set()
        self.failed_windows: dict[int, str] = {}
        self._sums = BlendSums.zeros(count, latent_dim)
        self._previewed = slice(0, 0)
        self.revision = 0
        self._journal: list[tuple[str, tuple[Any, ...]]] | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {name: value for name, value in vars(self).items() if name not in ("_lock", "_journal")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock(), _journal=None)

    @classmethod
    def for_drive(
        cls,
        drive: Drive,
        rate: float,
        *,
        window: int,
        latent_dim: int,
        checkpoint_hash: str,
        checkpoint_name: str,
        view: str = "",
        camera: KnownCamera = UNKNOWN,
    ) -> DriveAnalysis:
        """An empty result for ``drive`` sampled evenly at about ``rate`` Hz (``Drive.even_indices``).

        Raises:
            ValueError: where the rate is not positive or leaves fewer than two samples.
        """
        frames = drive.even_indices(rate)
        return cls(
            drive_name=drive.name,
            drive_path=str(drive.path),
            fingerprint=drive.fingerprint,
            checkpoint_name=checkpoint_name,
            checkpoint_hash=checkpoint_hash,
            rate=rate,
            window=window,
            latent_dim=latent_dim,
            frames=frames,
            times=drive.timestamps[frames],
            truth=None if drive.poses is None else drive.poses[frames],
            truth_valid=None if drive.pose_valid is None else drive.pose_valid[frames],
            view=view,
            camera=camera,
        )

    def __len__(self) -> int:
        """Number of samples M."""
        return len(self.frames)

    @property
    def key(self) -> ResultKey:
        """What this result depends on."""
        return ResultKey(self.fingerprint, self.view, self.checkpoint_hash, self.rate)

    @property
    def n_windows(self) -> int:
        return len(self.window_starts)

    @property
    def window_length(self) -> int:
        """Samples in each window: ``window``, or all samples of a shorter drive."""
        return min(self.window, len(self.frames))

    @property
    def progress(self) -> float:
        """Share of the windows that were tried, 0..1."""
        return (len(self.windows_done) + len(self.failed_windows)) / self.n_windows

    @property
    def complete(self) -> bool:
        """Every window was tried. Transitions that only failed windows hold stay undone."""
        return len(self.windows_done) + len(self.failed_windows) == self.n_windows

    def pending(self) -> list[int]:
        """Indices of the windows not yet tried, in the order of the drive."""
        with self._lock:
            tried = self.windows_done | set(self.failed_windows)
            return [i for i in range(self.n_windows) if i not in tried]

    def merge(self, window: WindowResult) -> None:
        """Blend one window into the result. A window that is already in it changes nothing.

        Raises:
            ValueError: where the window does not fit the plan or holds a value that is not finite.
        """
        self.merge_all([window])

    def merge_all(self, windows: Iterable[WindowResult]) -> None:
        """``merge`` for several windows."""
        with self._lock:
            for window in windows:
                if window.index in self.windows_done:
                    continue
                count = self.window_length - 1
                self._check(window, count)
                self._sums.add(window, centrality(count))
                self.windows_done.add(window.index)
                self.failed_windows.pop(window.index, None)
                self._refresh(slice(window.start, window.start + count))
                self._changed("merge", window)

    def preview(self, start: int, window: WindowResult) -> None:
        """Show the transitions from ``start`` that no window has covered yet, until one does or ``withdraw``.

        They count as done, without cross-entropy and spread (NaN); they are not part of what is stored.
        """
        with self._lock:
            part = slice(start, start + len(window.relative))
            new = np.flatnonzero(self._sums.weight[part] == 0)
            at = start + new
            self.done[at] = True
            self.relative[at], self.latents[at] = window.relative[new], window.latents[new]
            self.fov[at], self.scale[at] = window.fov[new], window.scale
            self._previewed = part
            self._changed("preview", start, window)

    def withdraw(self) -> None:
        """Take back a preview whose window has not come."""
        with self._lock:
            part, self._previewed = self._previewed, slice(0, 0)
            if part.stop > part.start:
                self._refresh(part)
                self._changed("withdraw")

    def fail(self, window: int, reason: str) -> None:
        """Record that a window has no result, and why."""
        with self._lock:
            if window not in self.windows_done:
                self.failed_windows[window] = reason
                self._changed("fail", window, reason)

    def record(self) -> None:
        """Keep what changes from now on for ``take_changes``."""
        with self._lock:
            self._journal = []

    def take_changes(self) -> Changes:
        """What changed since the last time, or since ``record``. Of what the checks found only the last counts."""
        with self._lock:
            journal, self._journal = self._journal or [], []
            last = max((k for k, (name, _) in enumerate(journal) if name == "assess"), default=-1)
            steps = tuple(step for k, step in enumerate(journal) if step[0] != "assess" or k == last)
            return Changes(steps, self.revision)

    def apply(self, changes: Changes) -> None:
        """Do what was done to the result that this one is a copy of."""
        for name, arguments in changes.steps:
            getattr(self, name)(*arguments)
        self.revision = changes.revision

    def _changed(self, name: str, *arguments: Any) -> None:
        self.revision += 1
        if self._journal is not None:
            self._journal.append((name, arguments))

    def _check(self, window: WindowResult, count: int) -> None:
        if not 0 <= window.index < self.n_windows or self.window_starts[window.index] != window.start:
            raise ValueError(f"window {window.index} at sample {window.start} is not in this drive's plan")
        values = (window.latents, window.relative, window.fov, window.cross_entropy)
        shapes = tuple(np.shape(v) for v in values)
        if shapes != ((count, self.latent_dim), (count, 4, 4), (count,), (count,)):
            raise ValueError(f"window {window.index}: shapes {shapes} are not those of {count} transitions")
        if not (all(np.isfinite(v).all() for v in values) and np.isfinite(window.scale)):
            raise ValueError(f"window {window.index} holds a value that is not finite")

    def _refresh(self, part: slice) -> None:
        """Recompute the blended values of some transitions from the sums."""
        blend = self._sums.blend(part)
        self.done[part] = blend.done
        self.relative[part] = blend.relative
        self.latents[part] = blend.latents
        self.fov[part] = blend.fov
        self.scale[part] = blend.scale
        self.cross_entropy[part] = blend.cross_entropy
        self.translation_spread[part] = blend.translation_spread
        self.rotation_spread[part] = blend.rotation_spread

    def found_at(self, drive: Drive) -> bool:
        """Take the name and place of the drive as it lies now; whether they are others than before."""
        before = self.drive_name, self.drive_path
        self.drive_name, self.drive_path = drive.name, str(drive.path)
        return before != (self.drive_name, self.drive_path)

    def assess(self, checks: Checks, confidence: Array | None) -> None:
        """Take what the checks found, and the confidence [M-1] where the checkpoint is calibrated.

        Raises:
            ValueError: where they are not of this many samples.
        """
        if len(checks.luminance) != len(self) or (confidence is not None and confidence.shape != self.done.shape):
            raise ValueError(f"the checks are of {len(checks.luminance)} samples, the result of {len(self)}")
        with self._lock:
            self.checks = checks
            self.confidence = np.full(len(self.done), np.nan) if confidence is None else confidence
            self._changed("assess", checks, confidence)

    def sums(self) -> BlendSums:
        """A copy of the weighted sums behind the blended values, which is what the store keeps."""
        with self._lock:
            return self._sums.copy()

    def restore(self, sums: BlendSums, windows_done: Iterable[int], failed: dict[int, str]) -> None:
        """Continue from stored sums.

        Raises:
            ValueError: where they do not fit this drive's samples and windows.
        """
        done = set(windows_done)
        if not (done | set(failed)) <= set(range(self.n_windows)):
            raise ValueError(f"windows outside 0..{self.n_windows - 1}")
        if sums.weight.shape != self.done.shape or sums.latents.shape != self.latents.shape:
            raise ValueError(f"{sums.latents.shape} stored latents, expected {self.latents.shape}")
        expected = np.zeros(len(self.done))
        weights = centrality(self.window_length - 1)
        for index in sorted(done):
            start = self.window_starts[index]
            expected[start : start + len(weights)] += weights
        if not np.allclose(expected, sums.weight, atol=1e-9):
            raise ValueError("the stored weights are not those of the windows said to be done")
        with self._lock:
            self._sums = sums.copy()
            self.windows_done, self.failed_windows = done, dict(failed)
            self._refresh(slice(0, len(self.done)))

    def snapshot(self) -> DriveAnalysis:
        """An independent copy in which all fields agree, whatever another thread is merging."""
        copy = DriveAnalysis(
            drive_name=self.drive_name,
            drive_path=self.drive_path,
            fingerprint=self.fingerprint,
            checkpoint_name=self.checkpoint_name,
            checkpoint_hash=self.checkpoint_hash,
            rate=self.rate,
            window=self.window,
            latent_dim=self.latent_dim,
            frames=self.frames,
            times=self.times,
            truth=self.truth,
            truth_valid=self.truth_valid,
            view=self.view,
            camera=self.camera,
        )
        with self._lock:
            copy._sums = self._sums.copy()
            copy.revision = self.revision
            copy.checks, copy.confidence = self.checks, self.confidence
            copy.windows_done, copy.failed_windows = set(self.windows_done), dict(self.failed_windows)
            for name in (
                "done", "relative", "latents", "fov", "scale", "cross_entropy",
                "translation_spread", "rotation_spread",
            ):  # fmt: skip
                setattr(copy, name, getattr(self, name).copy())
        return copy

    def segments(self) -> list[tuple[int, int]]:
        """[start, stop) sample ranges over which every transition is done, in the order of the drive."""
        edges = np.flatnonzero(np.diff(np.concatenate(([False], self.done, [False])).astype(np.int8)))
        return [(int(a), int(b) + 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]

    def trajectory(self, start: int, stop: int) -> Array:
        """Predicted poses [stop - start, 4, 4] of a segment's samples, chained from identity at ``start``.

        Raises:
            ValueError: where a transition between them is not done.
        """
        if not 0 <= start < stop <= len(self.frames) or not self.done[start : stop - 1].all():
            raise ValueError(f"samples {start} to {stop} are not one analysed segment")
        return accumulate(self.relative[start : stop - 1])

    def transition_at(self, frame: int) -> int | None:
        """The transition t whose frames [frames[t], frames[t + 1]) hold the drive's ``frame``, or None."""
        t = int(np.searchsorted(self.frames, frame, side="right")) - 1
        return t if 0 <= t < len(self.done) else None


@dataclass(frozen=True)
class Blend:
    """Blended values of n transitions; the fields of DriveAnalysis of the same names."""

    done: NDArray[np.bool_]
    relative: Array
    latents: NDArray[np.float32]
    fov: Array
    scale: Array
    cross_entropy: Array
    translation_spread: Array
    rotation_spread: Array


@dataclass
class BlendSums:
    """Weighted sums over windows, from which the blend follows: order does not matter, and adding may resume.

    Rotations are averaged after Markley et al. (Averaging Quaternions, 2007): the mean is the eigenvector of
    the largest eigenvalue of sum w q q^T. It takes q and -q for the same rotation, so no sign has to be
    chosen, and 1 - (that eigenvalue / sum w) is the weighted mean of sin^2 of half the angle to the mean,
    which gives the spread.
    """

    weight: Array  # [n]
    translation: Array  # [n, 3] metres
    translation_squared: Array  # [n] m^2
    quaternion_outer: Array  # [n, 4, 4]
    latents: Array  # [n, A]
    fov: Array  # [n]
    scale: Array  # [n]
    cross_entropy: Array  # [n]

    @classmethod
    def zeros(cls, count: int, latent_dim: int) -> BlendSums:
        return cls(
            np.zeros(count),
            np.zeros((count, 3)),
            np.zeros(count),
            np.zeros((count, 4, 4)),
            np.zeros((count, latent_dim)),
            np.zeros(count),
            np.zeros(count),
            np.zeros(count),
        )

    def copy(self) -> BlendSums:
        return BlendSums(**{name: value.copy() for name, value in vars(self).items()})

    def add(self, window: WindowResult, weights: Array) -> None:
        """Add a window's transitions with ``weights`` [T-1]."""
        part = slice(window.start, window.start + len(weights))
        translation = window.relative[:, :3, 3]
        quaternion = quaternion_from_matrix(window.relative[:, :3, :3])
        self.weight[part] += weights
        self.translation[part] += weights[:, None] * translation
        self.translation_squared[part] += weights * (translation**2).sum(1)
        outer = quaternion[:, :, None] * quaternion[:, None, :]
        self.quaternion_outer[part] += weights[:, None, None] * outer
        self.latents[part] += weights[:, None] * window.latents.astype(np.float64)
        self.fov[part] += weights * window.fov
        self.scale[part] += weights * window.scale
        self.cross_entropy[part] += weights * window.cross_entropy

    def blend(self, part: slice) -> Blend:
        """The weighted means of some transitions, with what DriveAnalysis promises where there is none."""
        weight = self.weight[part]
        done = weight > 0
        divisor = np.where(done, weight, np.nan)
        translation = self.translation[part] / divisor[:, None]
        values, vectors = np.linalg.eigh(self.quaternion_outer[part])
        relative = np.tile(np.eye(4), (len(weight), 1, 1))
        relative[done] = make_poses(matrix_from_quaternion(vectors[done, :, -1]), translation[done])
        variance = self.translation_squared[part] / divisor - (translation**2).sum(1)
        sine = np.sqrt(np.clip(1.0 - values[:, -1] / divisor, 0.0, 1.0))
        return Blend(
            done=done,
            relative=relative,
            latents=(self.latents[part] / divisor[:, None]).astype(np.float32),
            fov=self.fov[part] / divisor,
            scale=self.scale[part] / divisor,
            cross_entropy=self.cross_entropy[part] / divisor,
            translation_spread=np.sqrt(np.maximum(variance, 0.0)),
            rotation_spread=2.0 * np.arcsin(sine),
        )
