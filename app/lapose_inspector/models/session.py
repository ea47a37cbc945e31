"""The open drive and what the model says about it: the one object every panel gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from lapose_core.drive import Drive
from lapose_core.geometry import Array
from lapose_inspector.models.annotations import Annotations
from lapose_inspector.models.comparison import Compared
from lapose_inspector.models.derived import Derived, derive
from lapose_inspector.models.display import ALIGNMENT_NAMES, Display
from lapose_inspector.models.history import History
from lapose_inspector.models.log import OpenLog
from lapose_inspector.models.paths import PathSegment, PredictedPath, predicted_path
from lapose_inspector.models.selection import Selection
from lapose_inspector.models.series import SeriesSet, build_series
from lapose_inspector.models.timeline import Timeline
from lapose_inspector.models.turn_signal import TurnSignal
from lapose_inspector.models.usual import Usual

if TYPE_CHECKING:
    from lapose_core.inference.errors import TransitionErrors
    from lapose_core.inference.findings import Crop
    from lapose_core.inference.result import DriveAnalysis

RATES = (1.0, 2.0, 4.0, 5.0, 10.0)
"""Analysis rates offered, in Hz; the paper's model is trained at 1 to 4 Hz."""


DEFAULT_RATE = 5.0
"""Hz: divides the 10, 25 and 30 frames a second of most logs, so that samples are evenly spaced as in training."""


Device = Literal["auto", "cuda", "mps", "cpu"]
"""Where the model may be asked to run; auto is the fastest there is."""
DEVICE_NAMES: dict[Device, str] = {"auto": "Automatic", "cuda": "CUDA", "mps": "MPS", "cpu": "CPU"}


@dataclass(frozen=True)
class ModelInfo:
    """The loaded checkpoint, as the window tells it.

    Attributes:
        device: where it runs, such as cuda:0.
        devices: the kinds of device that there are on this machine.
        device_note: why it does not run where it was asked to; empty where it does.
    """

    name: str
    checkpoint_hash: str
    device: str
    parameters: int
    window: int
    image_size: tuple[int, int]
    """(width, height) in pixels of the model's input."""
    devices: tuple[str, ...] = ("cpu",)
    device_note: str = ""


class Session:
    """The open drive, its analysis and everything derived from the two.

    The analysis given to ``set_analysis`` is a snapshot that nobody changes afterwards.
    """

    drive_changed = Signal()
    """Another drive (or none); the analysis is None at that moment."""
    model_changed = Signal()
    rate_changed = Signal(float)
    status_changed = Signal(str)

    def __init__(self, timeline: Timeline | None = None, display: Display | None = None) -> None:
        self.analysis_changed = TurnSignal()
        """Results grew or were replaced; ``series``, ``errors`` and the predicted path are new."""
        self.timeline = timeline or Timeline()
        self.display = display or Display()
        self.drive: Drive | None = None
        self.log: OpenLog | None = None
        """Where the drive came from; None without a drive, or for one made in memory."""
        self.analysis: DriveAnalysis | None = None
        self.errors: TransitionErrors | None = None
        self.usual: Usual | None = None
        """What is usual in the drive, of all that is looked at beside the prediction; None without an analysis."""
        self.crop: Crop | None = None
        """The part of the picture that the model sees; None until the analysis has begun, whose first
        snapshot announces it."""
        self.series = SeriesSet()
        self.model_info: ModelInfo | None = None
        self._rate = DEFAULT_RATE
        self._use_camera = True
        self.selection = Selection(self._rate)
        self.history = History()
        self.annotations = Annotations(self.history)
        self.comparison = Compared()
        """The selected transitions; they stay selected when another drive is opened."""
        self._status = ""
        self._path: PredictedPath | None = None

    @property
    def rate(self) -> float:
        """Analysis rate in Hz; changing it drops the analysis."""
        return self._rate

    @rate.setter
    def rate(self, value: float) -> None:
        if not value > 0:
            raise ValueError(f"the analysis rate must be positive, got {value}")
        if value != self._rate:
            self._rate = float(value)
            self.selection.set_rate(self._rate)
            self.rate_changed.emit(self._rate)
            self.set_analysis(None)

    @property
    def use_camera(self) -> bool:
        """Whether the model is told what the log knows of the camera; changing it drops the analysis."""
        return self._use_camera

    @use_camera.setter
    def use_camera(self, value: bool) -> None:
        if value != self._use_camera:
            self._use_camera = value
            self.set_analysis(None)

    @property
    def status(self) -> str:
        """What the program is doing, in a few words; empty when idle."""
        return self._status

    @status.setter
    def status(self, value: str) -> None:
        if value != self._status:
            self._status = value
            self.status_changed.emit(value)

    def open(self, drive: Drive | None, frame: int = 0, log: OpenLog | None = None) -> None:
        """Show another drive with the cursor on ``frame``; its analysis comes later."""
        self.drive, self.log = drive, log
        self.crop = None
        self._take(None)
        self.timeline.reset(np.zeros(0) if drive is None else drive.timestamps, frame)
        self.drive_changed.emit()
        self.analysis_changed.emit()

    def set_model(self, info: ModelInfo | None) -> None:
        self.model_info = info
        self.model_changed.emit()

    def has_device(self, device: Device) -> bool:
        """Whether the model can be asked to run there; what there is beside the processor only a loaded one tells."""
        known = ("cpu",) if self.model_info is None else self.model_info.devices
        return device == "auto" or device in known

    def set_analysis(self, analysis: DriveAnalysis | None) -> None:
        """Take a snapshot of the results so far."""
        drive = self.drive
        known = (
            None if analysis is None or drive is None else derive(drive, self._rate, analysis, self.display.alignment)
        )
        self.take(known)

    def take(self, derived: Derived | None) -> None:
        """The same with what follows from the snapshot of this drive at this rate, made in another thread."""
        self._take(derived)
        self.analysis_changed.emit()

    def grow(self, derived: Derived) -> None:
        """The same for a snapshot that has the samples of what is shown, whose listeners are then told one at a time:
        until they are, a panel shows what it knew before."""
        same = self.analysis is None or self.analysis.key == derived.analysis.key
        if not same or not np.array_equal(self.series.frames, derived.series.frames):
            self.take(derived)
            return
        self._take(derived)
        self.analysis_changed.spread()

    def _take(self, derived: Derived | None) -> None:
        if derived is not None:
            self.analysis, self.errors = derived.analysis, derived.errors
            self.series, self._path, self.usual = derived.series, derived.path, derived.usual
            return
        self.analysis, self.errors, self._path, self.usual = None, None, None, None
        self.series = SeriesSet() if self.drive is None else build_series(self.drive, self._rate, None, None)

    @property
    def nbytes(self) -> int:
        """What the analysis and what follows from it take, latents aside."""
        kept = [a for s in self.series.series.values() for a in vars(s).values() if isinstance(a, np.ndarray)]
        if self._path is not None:
            kept += [a for s in self._path.segments for a in vars(s).values() if isinstance(a, np.ndarray)]
        if self.analysis is not None:
            kept += [a for a in vars(self.analysis).values() if isinstance(a, np.ndarray)]
            kept = [a for a in kept if a is not self.analysis.latents]
        # Series of one unit share their arrays.
        return sum(a.nbytes for a in {id(a): a for a in kept}.values())

    @property
    def transition(self) -> int | None:
        """The transition at the cursor, or None."""
        return self.series.transition_at(self.timeline.frame)

    def selected_transitions(self) -> NDArray[np.bool_]:
        """Which transitions [T] of the open drive are selected."""
        out = np.zeros(len(self.series), bool)
        if self.drive is not None:
            chosen = self.selection.of(self.drive.fingerprint)
            out[chosen[chosen < len(out)]] = True
        return out

    def selected_frames(self) -> NDArray[np.int64]:
        """First and last drive frame [n, 2] of each run of selected transitions of the open drive."""
        return self.series.frames[_runs(self.selected_transitions())]

    def doubtful_frames(self) -> NDArray[np.int64]:
        """First and last drive frame [n, 2] of each run of transitions that the model gives reason to doubt."""
        return self.series.frames[_runs(self.series.doubtful)]

    @property
    def origin(self) -> Array:
        """World point [3] to subtract before float32: the first true camera centre, or zero without truth."""
        segments = self.true_segments()
        return segments[0].poses[0, :3, 3].copy() if segments else np.zeros(3)

    def true_segments(self) -> list[PathSegment]:
        """The ground-truth path, split where poses are missing; empty without truth."""
        if self.drive is None or self.drive.poses is None or self.drive.pose_valid is None:
            return []
        return [
            PathSegment(np.arange(start, stop), self.drive.poses[start:stop], start)
            for start, stop in _runs(self.drive.pose_valid).tolist()
        ]

    @property
    def predicted_path(self) -> PredictedPath | None:
        """The predicted path, laid on the truth as ``display.alignment`` says; None without an analysis."""
        path, analysis, drive = self._path, self.analysis, self.drive
        if path is not None and path.alignment != self.display.alignment and analysis is not None and drive is not None:
            path = self._path = predicted_path(analysis, drive, self.display.alignment, self.series.last_frame)
        return path

    def predicted_segments(self) -> list[PathSegment]:
        """The stretches of the predicted path; empty without an analysis."""
        path = self.predicted_path
        return [] if path is None else path.segments

    @property
    def alignment_text(self) -> str:
        """How the predicted path was laid on the true one, such as
        ``SE(3) aligned, scale 1.00, 145/240 frames matched``; stretches that were aligned one by one are
        counted, since what lies between them is not known."""
        if self.drive is None or self.analysis is None:
            return ""
        segments = self.predicted_segments()
        if self.drive.poses is None:
            text = "not aligned: this drive has no ground truth"
            if len(segments) > 1:
                text += f"; {len(segments)} separate stretches, each from its own origin"
            return text
        matched, total = sum(s.matched for s in segments), len(self.analysis.frames)
        scales = sorted({f"{s.scale:.2f}" for s in segments if s.matched}) or ["1.00"]
        scale = scales[0] if len(scales) == 1 else f"{scales[0]}–{scales[-1]}"
        name = ALIGNMENT_NAMES[self.display.alignment]
        how = "first pose on the truth" if self.display.alignment == "raw" else f"{name} aligned"
        pieces = f", {len(segments)} stretches each by itself" if len(segments) > 1 else ""
        return f"{how}, scale {scale}, {matched}/{total} frames matched{pieces}"


def _runs(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[start, stop) [n, 2] of each run of True in ``flags`` [N]."""
    return np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8))).reshape(-1, 2)
