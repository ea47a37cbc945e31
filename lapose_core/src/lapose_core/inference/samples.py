"""A drive's samples, decoded and brought to the model's size ahead of the model, in a thread of their own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from torch import Tensor

from lapose_core.drive import Drive, FrameSource, Image, LogError
from lapose_core.frames.picture import GivenUp, Picture, PictureSource
from lapose_core.inference.preprocess import Preprocessor
from lapose_core.priority import BEHIND_MODEL, stand_back

Tap = Callable[[int, Picture | Image], bool]
"""Is given frames that were decoded in passing, with their index; says whether it wants those between samples too."""
_NEAR = 64
"""Frames between two samples beyond which those in between are left out even where a tap wants them."""
_PATIENCE = 0.5
"""Seconds that ``close`` waits for the frame being decoded; its thread then ends by itself."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unreadable:
    """A sample that cannot be read, and why, in words for the user."""

    reason: str


class SampleQueue:
    """Reads the samples that were planned, in their order, and holds at most ``ahead`` that nobody took yet.

    The model's thread plans and takes while this one decodes and resizes: neither waits for the other while there is
    anything in between. FFmpeg's own threads are a third stage before both.

    Args:
        drive: its frame source is opened, used and closed in the thread.
        preprocessor: makes the model's image of a frame.
        frames: [M] drive frame of each sample.
        ahead: the bound, in samples.
        tap: is given every frame that the one pass over the drive decodes, so that nothing is decoded twice; a video
            decodes those between two samples anyway. Runs in the thread.
    """

    def __init__(
        self,
        drive: Drive,
        preprocessor: Preprocessor,
        frames: NDArray[np.int64],
        ahead: int,
        tap: Tap | None = None,
    ) -> None:
        self._drive, self._preprocessor, self._frames, self._ahead = drive, preprocessor, frames, ahead
        self._tap, self._tap_wants = tap, False
        self._reformatter = VideoReformatter()
        self._passed = 0  # the frame after the last one decoded
        self._reading = -1
        self._condition = threading.Condition()
        self._plan: list[int] = []
        self._ready: dict[int, Tensor | Unreadable] = {}
        self._broken: Exception | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="samples", daemon=True)
        self._thread.start()

    def plan(self, samples: Iterable[int]) -> None:
        """Read these next, in this order; what was planned before and is not among them is forgotten."""
        with self._condition:
            self._plan = list(samples)
            wanted = set(self._plan)
            self._ready = {s: r for s, r in self._ready.items() if s in wanted}
            self._condition.notify_all()

    def take(self, sample: int, patience: float) -> Tensor | Unreadable | None:
        """A planned sample [3, h, w], which leaves the queue; None where it did not come within ``patience`` seconds.

        Raises:
            LogError: where the log's frames cannot be opened at all.
        """
        with self._condition:
            self._condition.wait_for(lambda: sample in self._ready or self._broken is not None, patience)
            if self._broken is not None:
                raise self._broken
            result = self._ready.pop(sample, None)
            if result is not None:
                self._plan.remove(sample)
                self._condition.notify_all()
            return result

    def close(self) -> None:
        """End the thread and close its source, which a frame in the middle of its decoding may delay."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        # The model, where it is the slower, must not wait for a core behind a decoder that runs ahead of it.
        stand_back(BEHIND_MODEL)
        try:
            source = self._drive.open_frames()
        except Exception as error:
            with self._condition:
                self._broken = error
                self._condition.notify_all()
            return
        if isinstance(source, PictureSource) and hasattr(source, "give_up"):
            source.give_up = self._unwanted
        try:
            while (sample := self._next()) is not None:
                try:
                    result = self._read(source, sample)
                except GivenUp:
                    continue
                with self._condition:
                    if sample in self._plan:
                        self._ready[sample] = result
                        self._condition.notify_all()
        finally:
            source.close()

    def _next(self) -> int | None:
        """Wait for a sample to read; None at the end."""
        with self._condition:
            while not self._closing:
                if len(self._ready) < self._ahead:
                    for sample in self._plan:
                        if sample not in self._ready:
                            self._reading = sample
                            return sample
                self._condition.wait()
            return None

    def _unwanted(self) -> bool:
        """Whether nobody waits any more for the sample being decoded: half a group of pictures may lie before it."""
        return self._closing or self._reading not in self._plan

    def _read(self, source: FrameSource, sample: int) -> Tensor | Unreadable:
        frame = int(self._frames[sample])
        try:
            return self._preprocessor(self._image(source, frame))
        except GivenUp:
            raise
        except (LogError, OSError, ValueError) as error:
            return Unreadable(f"frame {frame}: {error}")
        except Exception as error:  # whatever a decoder raises costs its frame and no more
            return Unreadable(f"frame {frame}: {type(error).__name__}: {error}")

    def _image(self, source: FrameSource, frame: int) -> Image:
        if not isinstance(source, PictureSource):
            image = source.read(frame)
            self._offer(frame, image)
            return image
        between = self._tap_wants and 0 <= frame - self._passed <= _NEAR
        for index in range(self._passed if between else frame, frame):
            if not self._tap_wants:
                break
            try:
                for _, picture in source.pictures(index, index + 1):
                    self._offer(index, picture)
            except LogError:
                continue  # not a sample: whoever shows it will say so
        self._passed = frame + 1
        for _, picture in source.pictures(frame, frame + 1):
            self._offer(frame, picture)
            return picture.rgb(self._reformatter)
        raise LogError("the log ends before it")

    def _offer(self, index: int, picture: Picture | Image) -> None:
        if self._tap is None:
            return
        try:
            self._tap_wants = self._tap(index, picture)
        except Exception:
            _logger.exception("frame %d could not be passed on", index)
            self._tap = None
            self._tap_wants = False
