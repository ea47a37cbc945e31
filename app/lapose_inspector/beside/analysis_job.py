"""One drive under analysis: its windows, its reconstructions, its stored result."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lapose_core.drive import Drive, FrameSource
from lapose_core.frames.reader import bytes_of, few_frames
from lapose_inspector.beside.drive_checks import DriveChecks

if TYPE_CHECKING:
    from torch import Tensor

    from lapose_core.inference.analysis import DriveAnalyzer
    from lapose_core.inference.findings import Intervention, Reconstruction
    from lapose_core.inference.moment import Moment
    from lapose_core.inference.result import DriveAnalysis, FailedWindow, WindowResult
    from lapose_core.inference.samples import Tap
    from lapose_core.inference.store import ResultStore
    from lapose_core.model.lapose import LaPose
    from lapose_inspector.models.forward_state import Film, ForwardRequest

log = logging.getLogger(__name__)

SAVE_INTERVAL = 15.0
"""Seconds between two saves of a growing result: what a crash can lose."""
IMAGES_KEPT = 128
"""Preprocessed images kept for reconstructions; the next transition needs one new one."""


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint in memory. Touched by one thread alone."""

    model: LaPose
    name: str
    checkpoint_hash: str
    folder: Path

    @property
    def device(self) -> str:
        """Where it is, which an analysis may change."""
        return str(next(self.model.parameters()).device)


def windows_at_once(device: str) -> int:
    """Windows per step of the model: single ones keep live panels moving where a CPU runs it."""
    return 8 if device.startswith("cuda") else 1


class AnalysisJob:
    """Every method is one short step, so that requests come in between. For one thread.

    Raises:
        ValueError: where the drive has fewer than two samples at this rate.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        drive: Drive,
        rate: float,
        store: ResultStore,
        earlier: AnalysisJob | None,
        *,
        ignore_camera: bool = False,
        notice: Callable[[str], None],
        tap: Tap | None = None,
    ) -> None:
        from lapose_core.inference.analysis import DriveAnalyzer

        self.drive, self.rate, self.loaded = drive, rate, loaded
        self._store = store
        self._run: Generator[WindowResult | FailedWindow | None, None, None] | None = None
        self._source: FrameSource | None = None
        self._images: OrderedDict[int, Tensor] = OrderedDict()
        self._moments: dict[int, Moment] = {}
        self._saved_at = time.monotonic()
        stored: DriveAnalysis | None
        key = DriveAnalyzer.key(loaded.model, drive, rate, loaded.checkpoint_hash, ignore_camera=ignore_camera)
        if earlier is not None and earlier.analyzer.analysis.key == key:
            stored = earlier.analyzer.analysis
        else:
            stored = store.load(key, drive.even_indices(rate))

        self.analyzer: DriveAnalyzer = DriveAnalyzer(
            loaded.model,
            drive,
            rate,
            checkpoint_hash=loaded.checkpoint_hash,
            checkpoint_name=loaded.name,
            analysis=stored,
            batch=windows_at_once(loaded.device),
            ignore_camera=ignore_camera,
            notice=notice,
            tap=tap,
        )
        self.checks = DriveChecks(self.analyzer, loaded.folder)
        if self.analyzer.analysis.found_at(drive):
            self.save()

    @property
    def nbytes(self) -> int:
        """What is kept to answer about single transitions soon."""
        return sum(image.nbytes for image in tuple(self._images.values())) + bytes_of(self._source)

    @property
    def running(self) -> bool:
        return self._run is not None

    def begin(self, frame: int) -> None:
        """Go on from ``frame``; what is done already is not done again."""
        self.stop_checks()
        self._run = None if self.analyzer.analysis.complete else self.analyzer.steps(frame)

    def step(self) -> bool:
        """Do a short part of a window's work, and save now and then; whether a window (or the drive) is over.

        Raises:
            LogError: where the log's frames cannot be opened at all.
        """
        if self._run is None:
            return True
        try:
            outcome = next(self._run)
        except StopIteration:
            self.pause()
            return True
        if outcome is not None and time.monotonic() - self._saved_at > SAVE_INTERVAL:
            self.save()
        return outcome is not None

    def pause(self) -> None:
        """Stop and keep what there is."""
        if self._run is not None:
            self._run.close()
            self._run = None
            self.save()

    def check(self) -> bool:
        """Do a little of the checks, and save now and then; whether the result has new values."""
        grown = self.checks.step()
        if not self.checks.running or (grown and time.monotonic() - self._saved_at > SAVE_INTERVAL):
            self.save()
        return grown

    def stop_checks(self) -> None:
        """Look no further, and keep what was found."""
        if self.checks.running:
            self.checks.stop()
            self.save()

    def save(self) -> None:
        """Store the result so far; a full disk costs the cache, not the analysis."""
        self._saved_at = time.monotonic()
        try:
            self._store.save(self.analyzer.analysis)
        except OSError as error:
            log.warning("the result of %s cannot be stored: %s", self.drive.name, error)

    def reconstruct(self, transition: int) -> Reconstruction:
        """The forward model's view of ``transition``.

        Raises:
            LogError: where one of its frames cannot be read.
            ValueError: where there is no such transition, or the model's output is not finite.
        """
        from lapose_core.inference.reconstruction import context, reconstruct

        analysis = self.analyzer.analysis
        if not 0 <= transition < len(analysis) - 1:
            raise ValueError(f"there is no transition {transition} among {len(analysis)} samples")
        samples = context(transition, analysis.window)
        images, times = self.look(samples)
        return reconstruct(self.loaded.model, images, times, len(samples) - 2)

    def predict(self, request: ForwardRequest) -> Intervention | Film:
        """The forward model's prediction under another action, or a film of several.

        Raises:
            LogError: where one of the frames cannot be read.
            ValueError: where the transition or the action does not fit, or the model's output is not finite.
        """
        from lapose_inspector.beside.prediction import film, intervention

        run = film if request.steps else intervention
        return run(request, self.loaded.model, self.analyzer.analysis, self._image, self._moments)

    def look(self, samples: range) -> tuple[Tensor, Tensor]:
        """The model's images [n, 3, h, w] of ``samples``, and their times [n] in seconds.

        Raises:
            LogError: where one of the frames cannot be read.
        """
        import torch

        analysis = self.analyzer.analysis
        images = torch.stack([self._image(int(analysis.frames[s])) for s in samples])
        return images, torch.from_numpy(analysis.times[samples.start : samples.stop])

    def _image(self, frame: int) -> Tensor:
        image = self._images.pop(frame, None)
        if image is None:
            # Not the analyzer's source: that one decodes forward, and a request elsewhere would make it seek.
            self._source = self._source or few_frames(self.drive)
            image = self.analyzer.preprocessor(self._source.read(frame))
            while len(self._images) >= IMAGES_KEPT:
                self._images.popitem(last=False)
        self._images[frame] = image
        return image

    def close(self) -> None:
        self.stop_checks()
        self.pause()
        if self._source is not None:
            with contextlib.suppress(OSError):
                self._source.close()
            self._source = None
