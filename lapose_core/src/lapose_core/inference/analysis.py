"""The model run over a whole drive, window by window, from wherever the user is looking."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from lapose_core.drive import Drive, FrameSource, LogError
from lapose_core.geometry import Array, make_poses, matrix_from_quaternion
from lapose_core.inference.preprocess import Preprocessor
from lapose_core.inference.result import DriveAnalysis, FailedWindow, ResultKey, WindowResult
from lapose_core.model.lapose import LaPose
from lapose_core.model.tokenizer import FrameInputs


class DriveAnalyzer:
    """Fills a DriveAnalysis from the cursor forward to the end of the drive, then from its beginning.

    Args:
        model: in eval mode; it is moved to ``device`` where one is given.
        drive, rate: what to analyse, and how many samples per second of it.
        checkpoint_hash, checkpoint_name: kept with the result.
        analysis: a stored result to go on with; it must be of the same drive, view, rate and checkpoint.
        batch: windows per step of the model. One keeps live panels moving on a CPU; a GPU wants 8 or more.
        device: where the model runs; by default wherever it is.

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
    ) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        if device is not None:
            model.to(device)
        config = model.config
        self.model, self.drive, self.batch = model, drive, batch
        self.preprocessor = Preprocessor.for_drive(drive, (config.image_width, config.image_height))
        key = ResultKey(drive.fingerprint, self.preprocessor.view, checkpoint_hash, float(rate))
        if analysis is None:
            analysis = DriveAnalysis.for_drive(
                drive,
                rate,
                window=config.window,
                latent_dim=config.latent_dim,
                checkpoint_hash=checkpoint_hash,
                checkpoint_name=checkpoint_name,
                view=key.view,
            )
        elif analysis.key != key or (analysis.window, analysis.latent_dim) != (config.window, config.latent_dim):
            raise ValueError(f"{drive.name}: the earlier result is of another drive, view, rate or checkpoint")
        self.analysis = analysis
        self._lock = threading.Lock()
        self._cursor = 0

    @staticmethod
    def key(model: LaPose, drive: Drive, rate: float, checkpoint_hash: str) -> ResultKey:
        """What the result of such an analysis depends on, to look for a stored one."""
        size = (model.config.image_width, model.config.image_height)
        view = Preprocessor.for_drive(drive, size).view
        return ResultKey(drive.fingerprint, view, checkpoint_hash, float(rate))

    def seek(self, frame: int) -> None:
        """Go on from the window that holds the drive's ``frame``. May be called from any thread."""
        sample = int(np.searchsorted(self.analysis.frames, frame, side="right")) - 1
        starts = np.asarray(self.analysis.window_starts)
        with self._lock:
            self._cursor = max(0, int(np.searchsorted(starts, sample, side="right")) - 1)

    def run(self, start_frame: int = 0) -> Generator[WindowResult | FailedWindow, None, None]:
        """Yield each window's result or failure, already part of ``analysis``, until every window was tried.

        The frame source is opened in the thread that iterates and closed when the generator ends or is
        closed, so stopping the iteration is how to cancel. A window with a frame that cannot be read, or with
        output that is not finite, is recorded in ``analysis.failed_windows`` and the others go on.

        Raises:
            LogError: where the log's frames cannot be opened at all.
        """
        self.seek(start_frame)
        source = self.drive.open_frames()
        samples = _SampleReader(source, self.preprocessor, self.analysis.frames, self._cache_size())
        try:
            while indices := self._next_windows():
                readable = []
                for index in indices:
                    problem = samples.load(self._samples_of(index))
                    if problem is None:
                        readable.append(index)
                    else:
                        yield self._fail(index, problem)
                if not readable:
                    continue
                images = torch.stack([samples.stack(self._samples_of(i)) for i in readable])
                yield from self._estimate(readable, images)
        finally:
            source.close()

    def _cache_size(self) -> int:
        # The samples of one batch, and of the window before it that the next one shares half with.
        return self.analysis.window_length * (self.batch + 1)

    def _samples_of(self, window: int) -> range:
        start = self.analysis.window_starts[window]
        return range(start, start + self.analysis.window_length)

    def _next_windows(self) -> list[int]:
        pending = self.analysis.pending()
        with self._lock:
            ahead = [i for i in pending if i >= self._cursor]
        return (ahead or pending)[: self.batch]

    def _estimate(self, windows: list[int], images: Tensor) -> Iterator[WindowResult | FailedWindow]:
        times = torch.from_numpy(np.stack([self.analysis.times[list(self._samples_of(i))] for i in windows]))
        estimates = estimate_windows(self.model, images, times)
        for row, index in enumerate(windows):
            result = estimates.window(row, index, self.analysis.window_starts[index])
            values = (result.latents, result.relative, result.fov, result.cross_entropy, result.scale)
            if all(np.isfinite(v).all() for v in values):
                self.analysis.merge(result)
                yield result
            else:
                frames = self.analysis.frames[list(self._samples_of(index))]
                yield self._fail(index, f"frames {frames[0]} to {frames[-1]}: the model's output is not finite")

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


def estimate_windows(model: LaPose, images: Tensor, times: Tensor) -> BatchEstimate:
    """Poses, latents and forward cross-entropy of images [B, T, 3, H, W] in 0..1 taken at times [B, T] s.

    Runs where the model is; on CUDA its transformers in bfloat16. Frames
    are encoded once for poses and prediction,
    which ``LaPose.estimate`` and ``LaPose.predict_next`` one after the other would do twice.
    """
    device = next(model.parameters()).device
    images = images.to(device)
    with torch.inference_mode():
        inputs = model.inputs(images)
        with precision(device):
            tokens, latents = model.actions(inputs, times)
            logits = model.next_codes(tokens, inputs, times, latents)
        # The head is small and its quaternions lose a tenth of a degree in bfloat16.
        estimate = model.pose(latents.float(), times)
        loss = code_cross_entropy(logits, true_codes(model, images, inputs)[:, 1:]).mean(dim=(-1, -2))
    rotation = _rotations(estimate.quaternion.double().cpu().numpy())
    translation = estimate.translation.double().cpu().numpy()
    return BatchEstimate(
        latents=estimate.latents.float().cpu().numpy(),
        relative=make_poses(rotation, translation),
        fov=estimate.fov.double().cpu().numpy(),
        scale=estimate.scale.double().cpu().numpy(),
        cross_entropy=loss.double().cpu().numpy(),
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


def precision(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """bfloat16 autocast on CUDA; full precision elsewhere, where it is what the tests compare."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()


def _rotations(quaternion: Array) -> Array:
    # A broken output must reach the caller as NaN, to fail its own window and not the batch.
    usable = np.linalg.norm(quaternion, axis=-1, keepdims=True) > 1e-12
    rotation = matrix_from_quaternion(np.where(usable, quaternion, [0.0, 0.0, 0.0, 1.0]))
    return np.where(usable[..., None], rotation, np.nan)


class _SampleReader:
    """Preprocessed images of samples, each decoded once while it is in a bounded cache.

    Windows of a batch are loaded in the order of the drive, so the source decodes forward without seeking.
    The cache forgets the least recently used sample, so it never drops one just loaded for this batch.
    """

    def __init__(
        self, source: FrameSource, preprocessor: Preprocessor, frames: NDArray[np.int64], capacity: int
    ) -> None:
        self._source, self._preprocessor, self._frames = source, preprocessor, frames
        self._capacity = capacity
        self._images: dict[int, Tensor] = {}
        self._problems: dict[int, str] = {}

    def load(self, samples: Iterable[int]) -> str | None:
        """Read what is missing of ``samples``; the first problem in words, or None."""
        for sample in samples:
            if sample in self._problems:
                return self._problems[sample]
            if sample in self._images:
                self._images[sample] = self._images.pop(sample)
            else:
                frame = int(self._frames[sample])
                try:
                    self._images[sample] = self._preprocessor(self._source.read(frame))
                except (LogError, OSError, ValueError) as error:
                    self._problems[sample] = f"frame {frame}: {error}"
                    return self._problems[sample]
                while len(self._images) > self._capacity:
                    del self._images[next(iter(self._images))]
        return None

    def stack(self, samples: Iterable[int]) -> Tensor:
        """Loaded images [T, 3, h, w]."""
        return torch.stack([self._images[s] for s in samples])
