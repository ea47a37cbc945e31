"""The model run over a whole drive, window by window, from wherever the user is looking."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from lapose_core.device import Upload, precision
from lapose_core.drive import Drive
from lapose_core.geometry import Array, make_poses, matrix_from_quaternion
from lapose_core.inference.encoding import CPU_CHUNK, EncodedWindows, FrameEncoder
from lapose_core.inference.known_camera import UNKNOWN, KnownCamera
from lapose_core.inference.preprocess import Preprocessor
from lapose_core.inference.result import DriveAnalysis, FailedWindow, ResultKey, WindowResult
from lapose_core.inference.samples import SampleQueue, Tap, Unreadable
from lapose_core.model.lapose import LaPose, WindowEstimate
from lapose_core.model.st_transformer import gaps
from lapose_core.model.steps import Steps, finish
from lapose_core.model.tokenizer import FrameInputs

_LOOK_AROUND = 0.02
"""Seconds between two looks around while frames are awaited."""
_logger = logging.getLogger(__name__)


class DriveAnalyzer:
    """Fills a DriveAnalysis from the cursor forward to the end of the drive, then from its beginning.

    Args:
        model: in eval mode; it is moved to ``device`` where one is given.
        drive, rate: what to analyse, and how many samples per second of it.
        checkpoint_hash, checkpoint_name: kept with the result.
        analysis: a stored result to go on with; it must be of the same drive, view, rate and checkpoint.
        batch: windows per step of the model. One keeps live panels moving on a CPU; a GPU wants 8 or more.
        device: where the model runs; by default wherever it is. Where its memory does not suffice, batches become
            smaller, and at last the model moves to the CPU.
        ignore_camera: tell the pose head nothing of the log's camera, which it is told where both allow it.
        notice: told, in one sentence, when that happens; logs a warning by default.
        tap: is given the frames that the analysis decodes, in its decoding thread (see ``SampleQueue``).

    Raises:
        ValueError: where the drive has fewer than two samples at this rate, or ``analysis`` is of another
            drive, view, rate or checkpoint.
    """

    def __init__(
        self,
        model: LaPose,
        drive: Drive,
        rate: float,
        *,
        checkpoint_hash: str,
        checkpoint_name: str,
        analysis: DriveAnalysis | None = None,
        batch: int = 1,
        device: str | torch.device | None = None,
        ignore_camera: bool = False,
        notice: Callable[[str], None] | None = None,
        tap: Tap | None = None,
    ) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        if device is not None:
            model.to(device)
        config = model.config
        self.model, self.drive, self.batch = model, drive, batch
        self.preprocessor = Preprocessor.for_drive(drive, (config.image_width, config.image_height))
        camera = KnownCamera.of(drive, self.preprocessor, config, ignore=ignore_camera)
        view = self.preprocessor.view + camera.key()
        key = ResultKey(drive.fingerprint, view, checkpoint_hash, float(rate))
        if analysis is None:
            analysis = DriveAnalysis.for_drive(
                drive,
                rate,
                window=config.window,
                latent_dim=config.latent_dim,
                checkpoint_hash=checkpoint_hash,
                checkpoint_name=checkpoint_name,
                view=view,
                camera=camera,
            )
        elif analysis.key != key or (analysis.window, analysis.latent_dim) != (config.window, config.latent_dim):
            raise ValueError(f"{drive.name}: the earlier result is of another drive, view, rate or checkpoint")
        self.analysis = analysis
        self.notice, self._tap = notice or _logger.warning, tap
        self._problems: dict[int, str] = {}  # sample -> why it cannot be read
        self._lock = threading.RLock()
        self._cursor = 0
        self._queue: SampleQueue | None = None  # while it runs
        self._working: list[int] = []  # windows that the model is at
        self._elsewhere = False  # whether the user has jumped away from them

    @staticmethod
    def key(
        model: LaPose, drive: Drive, rate: float, checkpoint_hash: str, *, ignore_camera: bool = False
    ) -> ResultKey:
        """What the result of such an analysis depends on, to look for a stored one."""
        config = model.config
        prepare = Preprocessor.for_drive(drive, (config.image_width, config.image_height))
        view = prepare.view + KnownCamera.of(drive, prepare, config, ignore=ignore_camera).key()
        return ResultKey(drive.fingerprint, view, checkpoint_hash, float(rate))

    def seek(self, frame: int) -> None:
        """Go on from the window that holds the drive's ``frame``. May be called from any thread.

        Frames of there are decoded from now on; the model follows when its step is over.
        """
        sample = int(np.searchsorted(self.analysis.frames, frame, side="right")) - 1
        starts = np.asarray(self.analysis.window_starts)
        with self._lock:
            self._cursor = max(0, int(np.searchsorted(starts, sample, side="right")) - 1)
            target = self._upcoming(self.batch + 1)
            if self._queue is None or not target or not self._is_away(target[0]):
                return
            self._elsewhere = True
            self._queue.plan(dict.fromkeys(s for w in target for s in self._samples_of(w)))

    def run(self, start_frame: int = 0) -> Generator[WindowResult | FailedWindow, None, None]:
        """Yield each window's result or failure, already part of ``analysis``, until every window was tried.

        The frame source is opened when the iteration begins and closed when the generator ends or is closed, so
        stopping the iteration is how to cancel. A window with a frame that cannot be read, or with output that is not
        finite, is recorded in ``analysis.failed_windows`` and the others go on.

        Raises:
            LogError: where the log's frames cannot be opened at all.
        """
        steps = self.steps(start_frame)
        with contextlib.closing(steps):
            for outcome in steps:
                if outcome is not None:
                    yield outcome

    def steps(self, start_frame: int = 0) -> Generator[WindowResult | FailedWindow | None, None, None]:
        """``run`` in short steps: None where a part of a window is done, or its frames are still awaited.

        Between two steps the caller may do something else with the model, or stop; ``seek`` is heard there.
        """
        self.seek(start_frame)
        ahead = self.analysis.window_length * (self.batch + 1)
        self._queue = queue = SampleQueue(self.drive, self.preprocessor, self.analysis.frames, ahead, self._tap)
        encoder = FrameEncoder(self.model, self.analysis.times, ahead)
        upload = Upload(next(self.model.parameters()).device)
        try:
            while windows := self._next_windows():
                try:
                    yield from self._try(windows, queue, encoder, upload)
                except torch.OutOfMemoryError as error:
                    self._lighten(error)
                    encoder.clear()
                    upload = Upload(next(self.model.parameters()).device)
                self.analysis.withdraw()
        finally:
            self._queue = None
            self.analysis.withdraw()
            queue.close()

    def _try(
        self, windows: list[int], queue: SampleQueue, encoder: FrameEncoder, upload: Upload
    ) -> Generator[WindowResult | FailedWindow | None, None, None]:
        """These windows, unless the user goes elsewhere meanwhile."""
        samples = [s for w in windows for s in self._samples_of(w)]
        missing = encoder.missing(samples)
        queue.plan([*missing, *self._following(windows, set(samples))])
        size = CPU_CHUNK if upload.device.type == "cpu" else len(samples)
        fresh = len(windows) == 1 and not self.analysis.done[self._transitions_of(windows[0])].any()
        while missing := [s for s in missing if not self._hopeless(s, windows)]:
            chunk, missing = missing[:size], missing[size:]
            images = []
            for sample in chunk:
                while (image := queue.take(sample, _LOOK_AROUND)) is None:
                    yield None
                    if self._elsewhere:
                        return
                if isinstance(image, Unreadable):
                    self._problems[sample] = image.reason
                else:
                    images.append((sample, image))
            if images:
                encoder.add([sample for sample, _ in images], upload([image for _, image in images]))
                if fresh and missing:
                    yield None
                    if self._elsewhere:
                        return
                    self._preview(encoder, windows[0], images[-1][0])
            yield None
            if self._elsewhere:
                return
        for window in [w for w in windows if self._problem(w) is not None]:
            yield self._fail(window, self._problem(window) or "")
        if whole := [w for w in windows if self._problem(w) is None]:
            yield from self._estimate(whole, encoder.windows([self._samples_of(w) for w in whole]))

    def _samples_of(self, window: int) -> range:
        start = self.analysis.window_starts[window]
        return range(start, start + self.analysis.window_length)

    def _transitions_of(self, window: int) -> slice:
        start = self.analysis.window_starts[window]
        return slice(start, start + self.analysis.window_length - 1)

    def _problem(self, window: int) -> str | None:
        return next((self._problems[s] for s in self._samples_of(window) if s in self._problems), None)

    def _hopeless(self, sample: int, windows: list[int]) -> bool:
        """Whether no window that could still have a result needs this sample."""
        return not any(sample in self._samples_of(w) and self._problem(w) is None for w in windows)

    def _following(self, windows: list[int], known: set[int]) -> list[int]:
        """Samples of the windows that come after these, to be read meanwhile."""
        order = [w for w in self._upcoming(len(windows) + self.batch + 1) if w not in windows]
        return [s for s in dict.fromkeys(s for w in order for s in self._samples_of(w)) if s not in known]

    def _upcoming(self, count: int) -> list[int]:
        pending = self.analysis.pending()
        with self._lock:
            ahead = [i for i in pending if i >= self._cursor]
            return (ahead or pending)[:count]

    def _next_windows(self) -> list[int]:
        with self._lock:
            self._elsewhere = False
            self._working = self._upcoming(self.batch)
            return self._working

    def _is_away(self, window: int) -> bool:
        """Whether who wants ``window`` has jumped away from those being worked at. One that plays on has not: a model
        slower than the playback would never finish a window."""
        at = self._working
        return bool(at) and not at[0] - 1 <= window <= at[-1] + 2

    def _estimate(
        self, windows: list[int], encoded: EncodedWindows
    ) -> Generator[WindowResult | FailedWindow | None, None, None]:
        actions = infer_actions(self.model, encoded)
        yield None
        if self._elsewhere:
            return
        steps = estimate_in_steps(self.model, encoded, actions, self.analysis.camera)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                estimates: BatchEstimate = end.value
                break
            yield None
            if self._elsewhere:
                return
        for row, index in enumerate(windows):
            result = estimates.window(row, index, self.analysis.window_starts[index])
            values = (result.latents, result.relative, result.fov, result.cross_entropy, result.scale)
            if all(np.isfinite(v).all() for v in values):
                self.analysis.merge(result)
                yield result
            else:
                frames = self.analysis.frames[list(self._samples_of(index))]
                yield self._fail(index, f"frames {frames[0]} to {frames[-1]}: the model's output is not finite")

    def _preview(self, encoder: FrameEncoder, window: int, last: int) -> None:
        """Show what the frames of a window up to ``last`` say already: where the user just jumped to, something is
        seen before the whole window is decoded. Its actions are the final ones, since they are causal."""
        samples = range(self.analysis.window_starts[window], last + 1)
        if len(samples) < 2 or any(s in self._problems for s in samples):
            return
        encoded = encoder.windows([samples])
        camera = self.analysis.camera.tensor()
        estimate = _numbers(self.model.pose(infer_actions(self.model, encoded), encoded.times, camera))
        if np.isfinite(estimate.relative).all() and np.isfinite(estimate.latents).all():
            self.analysis.preview(samples.start, estimate.window(0, window, samples.start))

    def _lighten(self, error: torch.OutOfMemoryError) -> None:
        """Go on with smaller batches, and when they are single windows on the CPU.

        Raises:
            torch.OutOfMemoryError: where neither is left.
        """
        device = next(self.model.parameters()).device
        if self.batch > 1:
            self.batch //= 2
            self.notice(f"{device} has too little memory: the analysis goes on with {self.batch} windows at a time")
        elif device.type != "cpu":
            self.model.to("cpu")
            self.notice(f"{device} has too little memory for one window: the analysis goes on, slower, on the CPU")
        else:
            raise error
        if device.type == "cuda":
            torch.cuda.empty_cache()

    def _fail(self, window: int, reason: str) -> FailedWindow:
        self.analysis.fail(window, reason)
        return FailedWindow(window, self.analysis.window_starts[window], reason)


@dataclass(frozen=True)
class BatchEstimate:
    """Estimates of B windows of T frames, in numpy; fields as in WindowResult with a leading axis [B]."""

    latents: NDArray[np.float32]
    relative: Array
    fov: Array
    scale: Array
    cross_entropy: Array

    def window(self, row: int, index: int, start: int) -> WindowResult:
        return WindowResult(
            index,
            start,
            self.latents[row],
            self.relative[row],
            self.fov[row],
            float(self.scale[row]),
            self.cross_entropy[row],
        )


def estimate_windows(model: LaPose, images: Tensor, times: Tensor, camera: KnownCamera = UNKNOWN) -> BatchEstimate:
    """Poses, latents and forward cross-entropy of images [B, T, 3, H, W] in 0..1 taken at times [B, T] s by ``camera``.

    Runs where the model is; on CUDA its transformers in bfloat16. The plain way: ``DriveAnalyzer`` gives the same
    numbers from frames that it encodes once (``encoding.py``).
    """
    device = next(model.parameters()).device
    images = images.to(device)
    with torch.inference_mode():
        inputs = model.inputs(images)
        with precision(device):
            tokens = model.tokenizer(inputs, gaps(times))
        encoded = EncodedWindows(tokens, inputs, true_codes(model, images, inputs), times)
    return estimate_encoded(model, encoded, infer_actions(model, encoded), camera)


@torch.inference_mode()
def infer_actions(model: LaPose, encoded: EncodedWindows) -> Tensor:
    """Latent actions [B, T - 1, A] of windows."""
    with precision(encoded.tokens.device):
        latents = model.inverse_dynamics(encoded.tokens, encoded.inputs, encoded.times, gaps(encoded.times))
    return latents[:, 1:]


def estimate_encoded(
    model: LaPose, encoded: EncodedWindows, actions: Tensor, camera: KnownCamera = UNKNOWN
) -> BatchEstimate:
    """Poses and forward cross-entropy of windows of ``camera`` under their ``actions`` [B, T - 1, A]."""
    return finish(estimate_in_steps(model, encoded, actions, camera))


@torch.inference_mode()
def estimate_in_steps(
    model: LaPose, encoded: EncodedWindows, actions: Tensor, camera: KnownCamera = UNKNOWN
) -> Steps[BatchEstimate]:
    """``estimate_encoded``, a block of the forward model a step."""
    predicting = model.next_codes_in_steps(encoded.tokens, encoded.inputs, encoded.times, actions)
    while True:
        try:
            with precision(encoded.tokens.device):
                next(predicting)
        except StopIteration as end:
            logits: Tensor = end.value
            break
        yield
    loss = code_cross_entropy(logits, encoded.codes[:, 1:]).mean(dim=(-1, -2))
    # The head is small and its quaternions lose a tenth of a degree in bfloat16.
    return _numbers(model.pose(actions.float(), encoded.times, camera.tensor(len(actions))), loss)


@torch.inference_mode()
def _numbers(estimate: WindowEstimate, loss: Tensor | None = None) -> BatchEstimate:
    rotation = _rotations(estimate.quaternion.double().cpu().numpy())
    translation = estimate.translation.double().cpu().numpy()
    fov = estimate.fov.double().cpu().numpy()
    return BatchEstimate(
        latents=estimate.latents.float().cpu().numpy(),
        relative=make_poses(rotation, translation),
        fov=fov,
        scale=estimate.scale.double().cpu().numpy(),
        cross_entropy=np.full(fov.shape, np.nan) if loss is None else loss.double().cpu().numpy(),
    )


def true_codes(model: LaPose, images: Tensor, inputs: FrameInputs) -> Tensor:
    """Codes [B, T, rows, cols] of images, from the codec features in ``inputs`` where it has them."""
    if inputs.features is None:
        return model.vqvae.encode(images)
    return model.vqvae.quantise(inputs.features)


def code_cross_entropy(logits: Tensor, codes: Tensor) -> Tensor:
    """Nats per code [...] of logits [..., K] against codes [...]."""
    loss = cross_entropy(logits.float().flatten(0, -2), codes.flatten(), reduction="none")
    return loss.view(codes.shape)


def _rotations(quaternion: Array) -> Array:
    # A broken output must reach the caller as NaN, to fail its own window and not the batch.
    usable = np.linalg.norm(quaternion, axis=-1, keepdims=True) > 1e-12
    rotation = matrix_from_quaternion(np.where(usable, quaternion, [0.0, 0.0, 0.0, 1.0]))
    return np.where(usable[..., None], rotation, np.nan)
