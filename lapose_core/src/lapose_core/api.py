"""The package for notebooks and scripts: analyse a drive, look at the result, take it away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapose_core.annotations import Annotation
from lapose_core.drive import Drive
from lapose_core.evaluation.metrics import Alignment
from lapose_core.export.bundle import Choice, Exported, export_bundle
from lapose_core.export.formats import FORMATS, Options, write_export
from lapose_core.geometry import Array
from lapose_core.inference.errors import TransitionErrors, transition_errors
from lapose_core.inference.result import DriveAnalysis

if TYPE_CHECKING:
    from lapose_core.evaluation.evaluate import Evaluation


def analyze(
    drive: Drive | Path | str,
    checkpoint: Path | str | None = None,
    *,
    rate: float = 2.0,
    device: str = "auto",
    batch: int | None = None,
    progress: Callable[[float], object] | None = None,
) -> Result:
    """Run a model over a drive.

    Args:
        drive: a log's path (docs/logs.md), or what `open_log` made of one.
        checkpoint: folder of a trained model; by default LAPOSE_CHECKPOINT, else the bundled one.
        rate: frames per second to sample the log at (``Drive.even_rate`` of it); the model is trained on 1 to 10.
        device: auto, cpu, cuda, cuda:1 ...
        batch: windows per step of the model; by default 1 on a CPU and 8 elsewhere.
        progress: told the share of the windows that is done, 0 to 1.

    Raises:
        LogError: where the log cannot be opened.
        CheckpointError: where the checkpoint cannot be loaded.
        ValueError: where nothing of the drive could be analysed, saying why.
    """
    import contextlib

    from lapose_core.device import choose_device
    from lapose_core.inference.analysis import DriveAnalyzer
    from lapose_core.resources import default_checkpoint
    from lapose_core.training.checkpoints import checkpoint_hash, load_checkpoint

    drive = _opened(drive)
    folder = default_checkpoint() if checkpoint is None else Path(checkpoint)
    chosen = choose_device(device)
    analyzer = DriveAnalyzer(
        load_checkpoint(folder, device=chosen),
        drive,
        rate,
        checkpoint_hash=checkpoint_hash(folder),
        checkpoint_name=folder.resolve().name,
        batch=batch or (1 if chosen.type == "cpu" else 8),
    )
    with contextlib.closing(analyzer.run()) as windows:
        for _ in windows:
            if progress is not None:
                progress(analyzer.analysis.progress)
    analysis = analyzer.analysis
    if not analysis.done.any():
        reason = next(iter(analysis.failed_windows.values()), "the model has seen no window")
        raise ValueError(f"{drive.path}: no window could be analysed: {reason}")
    return Result(analysis.snapshot(), drive)


def load(folder: Path | str, log: Drive | Path | str | None = None) -> Result:
    """A result that `lapose analyze` or `Result.save` wrote; ``log`` brings pictures, and truth where it has none.

    Raises:
        StoreError: where it cannot be read.
        LogError: where ``log`` cannot be opened, or is not the one that was analysed.
    """
    from lapose_core.evaluation.aligned import require_same_samples, with_truth
    from lapose_core.inference.store import read_result

    analysis = read_result(folder)
    drive = None if log is None else _opened(log)
    if drive is not None:
        require_same_samples(analysis, drive)
        if drive.poses is not None:
            analysis = with_truth(analysis, drive)
    return Result(analysis, drive)


def _opened(drive: Drive | Path | str) -> Drive:
    if isinstance(drive, Drive):
        return drive
    from lapose_core.logs import open_log

    return open_log(Path(drive))


@dataclass(frozen=True)
class Result:
    """An analysed drive of M samples. Nothing changes it; `aligned`, `part` and `annotated` give others.

    Attributes:
        analysis: what the model said, transition by transition.
        drive: the log, where it is at hand.
        choice: which part is looked at, and how the prediction is laid on the truth.
        annotations: notes that leave with exports.
    """

    analysis: DriveAnalysis = field(repr=False)
    drive: Drive | None = None
    choice: Choice = field(default_factory=Choice)
    annotations: tuple[Annotation, ...] = ()

    @cached_property
    def bundle(self) -> Exported:
        """Everything of the part that is looked at, sample by sample, as exports have it."""
        return export_bundle(self.analysis, self.choice, drive=self.drive, annotations=self.annotations)

    @property
    def frames(self) -> np.ndarray:
        """[M] frames of the drive."""
        return self.bundle.frames

    @property
    def times(self) -> Array:
        """[M] seconds on the drive's clock."""
        return self.bundle.times

    @property
    def trajectory(self) -> Array:
        """[M, 4, 4] predicted camera-to-world poses, aligned; NaN where there is none.

        Camera axes x right, y down, z forward; metres. Without truth each analysed piece begins at the identity.
        """
        bundle = self.bundle
        return np.where(bundle.predicted_valid[:, None, None], bundle.predicted, np.nan)

    @property
    def truth(self) -> Array:
        """[M, 4, 4] true poses in the same world; NaN where not known."""
        return np.where(self.bundle.truth_valid[:, None, None], self.bundle.truth, np.nan)

    @property
    def latents(self) -> Array:
        """[M, A] latent action of the transition that begins at each sample; NaN where there is none."""
        return self.bundle.latents.astype(np.float64)

    @property
    def errors(self) -> TransitionErrors:
        """Rotation, direction and scale error of all the analysis' transitions; they need no alignment."""
        return transition_errors(self.analysis)

    @property
    def alignment(self) -> str:
        """How the prediction lies on the truth, in words."""
        return self.bundle.alignment

    def aligned(self, alignment: Alignment) -> Result:
        """The same laid on the truth as ``raw`` (first pose on first pose), ``se3`` or ``sim3``."""
        return replace(self, choice=replace(self.choice, alignment=alignment))

    def part(self, first: int = 0, last: int | None = None, rate: float | None = None) -> Result:
        """Frames ``first`` to ``last`` of the drive, both included, at most ``rate`` samples a second."""
        return replace(self, choice=replace(self.choice, first=first, last=last, rate=rate))

    def annotated(self, notes: Iterable[Annotation]) -> Result:
        """The same with these annotations."""
        return replace(self, annotations=tuple(notes))

    def evaluate(self) -> Evaluation | None:
        """Pose accuracy of the whole analysis beside constant-forward, by regime; None without truth."""
        from lapose_core.evaluation.aligned import analysis_clips
        from lapose_core.evaluation.evaluate import evaluate_clips

        clips = analysis_clips(self.analysis, self.analysis.window)
        return evaluate_clips(clips) if clips else None

    def to_pandas(self) -> Any:
        """A DataFrame with a row a sample; its ``attrs`` say units, axes and alignment.

        Raises:
            ImportError: where pandas is not installed.
        """
        from lapose_core.export.tables import arrow_table

        table = arrow_table(self.bundle)
        frame = table.to_pandas()
        units = {f.name: f.metadata[b"unit"].decode() for f in table.schema if f.metadata and f.metadata[b"unit"]}
        frame.attrs = {**self.bundle.description(), "units": units}
        return frame

    def export(self, path: Path | str, form: str | None = None, options: Options | None = None) -> list[Path]:
        """Write a file (docs/export.md), by default in the format of its suffix; returns what was written.

        Raises:
            ValueError: where no format has this suffix, or the result lacks what the format needs.
        """
        path = Path(path)
        by_suffix = {known.suffix: key for key, known in FORMATS.items()}
        form = form or by_suffix.get(path.suffix.lower())
        if form is None or form not in FORMATS:
            raise ValueError(f"{path}: no format has this suffix; name one of {', '.join(FORMATS)}")
        return write_export(self.bundle, form, path, options)

    def save(self, folder: Path | str) -> None:
        """Write the whole analysis as `lapose analyze` does; `load` reads it."""
        from lapose_core.inference.store import write_result

        write_result(self.analysis, Path(folder))

    def _repr_html_(self) -> str:
        known = int(self.bundle.predicted_valid.sum())
        return (
            f"<b>{self.analysis.drive_name}</b>: {known} of {len(self.bundle)} samples predicted by "
            f"{self.bundle.model} at {self.analysis.rate:g} Hz; {self.alignment}"
        )
