"""``lapose analyze``: the model over a whole drive, into a folder that people and programs read."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from lapose_core.commands.log_choice import LogChoice

if TYPE_CHECKING:
    from lapose_core.drive import Drive
    from lapose_core.inference.analysis import DriveAnalyzer
    from lapose_core.inference.result import DriveAnalysis

_SAVE_EVERY = 15.0  # seconds


@dataclass(frozen=True)
class Analyze(LogChoice):
    """Run the model over a drive: relative pose, latent action and forward cross-entropy of each transition.

    Ctrl-C keeps what is done, and the same command goes on from there.
    """

    log: tyro.conf.Positional[Path]
    """Video, folder of pictures, or drive of a data set (docs/logs.md)."""

    out: Path
    """Folder for result.json, transitions.parquet, samples.parquet, predicted.tum and truth.tum."""

    checkpoint: Path | None = None
    """Checkpoint folder; by default LAPOSE_CHECKPOINT, else the bundled nano checkpoint."""

    rate: float = 2.0
    """Frames per second to sample the log at, the model is trained on 1 to 10; of the log's own over 1, 2, 3 ..., the
    nearest is taken."""

    device: str = "auto"
    """Where the model runs: auto, cpu, cuda, cuda:1 ..."""

    batch: int | None = None
    """Windows per step of the model; by default 1 on a CPU and 8 elsewhere."""

    compile: bool = False
    """Compile the model's blocks first (torch.compile): minutes, for a long drive on a graphics card."""

    ignore_camera: bool = False
    """Let the model guess the camera even where the log knows it, as the paper's protocol has it."""

    confidence: bool = False
    """Look at the pictures again for signs of trouble and say how far to trust each transition; takes about as long
    as the analysis."""

    fresh: bool = False
    """Start anew even where the folder holds results."""

    def run(self) -> int:
        from tqdm import tqdm

        from lapose_core.device import choose_device
        from lapose_core.inference.analysis import DriveAnalyzer
        from lapose_core.inference.compiled import compile_blocks
        from lapose_core.inference.store import RESULT, read_result, require_same, write_result
        from lapose_core.resources import default_checkpoint
        from lapose_core.training.checkpoints import checkpoint_hash, load_checkpoint

        drive = self.open(self.log)
        checkpoint = self.checkpoint or default_checkpoint()
        digest = checkpoint_hash(checkpoint)
        device = choose_device(self.device)
        model = load_checkpoint(checkpoint, device=device)
        batch = self.batch or (1 if device.type == "cpu" else 8)
        if self.compile and (problem := compile_blocks(model, batch)):
            print(f"note: the model is not compiled, it runs as it is: {problem}")
        earlier = None
        if (self.out / RESULT).exists() and not self.fresh:
            try:
                earlier = read_result(self.out)
                key = DriveAnalyzer.key(model, drive, self.rate, digest, ignore_camera=self.ignore_camera)
                require_same(earlier, self.out, key, drive.even_indices(self.rate))
            except ValueError as error:
                raise ValueError(f"{error}; choose another --out, or --fresh to replace it") from error
        for note in drive.notes:
            print(f"note: {note}")
        analyzer = DriveAnalyzer(
            model,
            drive,
            self.rate,
            checkpoint_hash=digest,
            checkpoint_name=checkpoint.resolve().name,
            analysis=earlier,
            batch=batch,
            ignore_camera=self.ignore_camera,
        )
        analysis = analyzer.analysis
        before = int(analysis.done.sum())
        if before:
            print(f"going on with {self.out}: {before} of {len(analysis.done)} transitions are done")

        began = saved = time.monotonic()
        with (
            _stop_between_windows() as stopped,
            tqdm(total=analysis.n_windows, initial=_tried(analysis), unit="window", disable=None) as bar,
            contextlib.closing(analyzer.run()) as windows,
        ):
            for number, _ in enumerate(windows):
                bar.update(_tried(analysis) - bar.n)
                if number == 0 or time.monotonic() - saved > _SAVE_EVERY:
                    write_result(analysis, self.out)
                    saved = time.monotonic()
                if stopped.is_set():
                    break
            bar.update(_tried(analysis) - bar.n)
        elapsed = time.monotonic() - began
        write_result(analysis, self.out)
        if stopped.is_set() and not analysis.complete:
            kept = f"{_tried(analysis)} of {analysis.n_windows} windows are kept in {self.out}"
            print(f"lapose: interrupted; {kept}, the same command goes on from there", file=sys.stderr)
            return 130
        if not analysis.done.any():
            reason = next(iter(analysis.failed_windows.values()))
            raise ValueError(f"{drive.path}: no window could be analysed: {reason}")
        if self.confidence and (analysis.checks is None or not analysis.checks.seen.all()):
            _assess(analyzer, checkpoint)
            write_result(analysis, self.out)
        _write_trajectories(analysis, self.out)
        print(_summary(analyzer, drive, elapsed, before))
        print(f"result: {self.out}")
        return 0


def _assess(analyzer: DriveAnalyzer, checkpoint: Path) -> None:
    """Give an analysed drive its checks and, where the checkpoint is calibrated, its confidence."""
    from tqdm import tqdm

    from lapose_core.inference.checking import DriveChecker
    from lapose_core.inference.confidence import load_confidence, signs
    from lapose_core.inference.latent_reference import load_reference

    analysis = analyzer.analysis
    model = load_confidence(checkpoint, analysis.checkpoint_hash)
    checker = DriveChecker(analyzer.model, analyzer.drive, analysis)
    left = sum(len(block) - 1 for block in checker.pending())
    with tqdm(total=left, unit="transition", desc="check", disable=None) as bar:
        for look in checker.steps():
            if look is not None:
                bar.update(len(look.blind))
    confidence = None
    if model is None:
        print(
            "note: this checkpoint is not calibrated, so that there is no confidence; 'lapose confidence' calibrates it"
        )
    else:
        reference = load_reference(checkpoint, analysis.checkpoint_hash)
        known = analysis.done & checker.checks.seen
        confidence = model.confidence(signs(analysis, checker.checks, reference), known)
    analysis.assess(checker.checks, confidence)


def _tried(analysis: DriveAnalysis) -> int:
    return len(analysis.windows_done) + len(analysis.failed_windows)


@contextlib.contextmanager
def _stop_between_windows() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a flag, so that no window is half merged; a second one stops at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def handle(*_: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, previous)


def _write_trajectories(analysis: DriveAnalysis, folder: Path) -> None:
    from lapose_core.evaluation.aligned import aligned_segment
    from lapose_core.export.tum import write_tum

    start, stop = max(analysis.segments(), key=lambda s: s[1] - s[0])
    piece = aligned_segment(analysis, start, stop, "raw")
    comments = [
        f"predicted trajectory of {analysis.drive_name}",
        f"model {analysis.checkpoint_name} ({analysis.checkpoint_hash}), {analysis.rate:g} Hz",
        f"frames {analysis.frames[start]} to {analysis.frames[stop - 1]}, alignment {piece.alignment}",
    ]
    write_tum(folder / "predicted.tum", analysis.times[start:stop], piece.poses, comments)
    if analysis.truth is not None and analysis.truth_valid is not None and analysis.truth_valid.any():
        known = analysis.truth_valid
        comments = [f"true trajectory of {analysis.drive_name}"]
        write_tum(folder / "truth.tum", analysis.times[known], analysis.truth[known], comments)


def _summary(analyzer: DriveAnalyzer, drive: Drive, elapsed: float, before: int) -> str:
    import numpy as np

    from lapose_core.inference.errors import transition_errors

    analysis = analyzer.analysis
    done = analysis.done
    lines = [
        f"{drive.name}: {len(drive)} frames, sampled at {drive.even_rate(analysis.rate):.3g} Hz: "
        f"{len(analysis)} samples, {analysis.n_windows} window{'s' * (analysis.n_windows > 1)}",
        analysis.camera.describe(),
    ]
    new = int(done.sum()) - before
    if new and elapsed > 0:
        lines.append(f"{new} transitions in {elapsed:.1f} s: {new / elapsed:.1f} frames/s")
    if analysis.failed_windows:
        first = next(iter(analysis.failed_windows.values()))
        missing, failed = int((~done).sum()), len(analysis.failed_windows)
        lines.append(f"{failed} windows failed, {missing} transitions have no result; the first: {first}")
    segments = analysis.segments()
    if len(segments) > 1:
        start, stop = max(segments, key=lambda s: s[1] - s[0])
        lines.append(
            f"the path is in {len(segments)} pieces; predicted.tum holds the longest, frames "
            f"{analysis.frames[start]} to {analysis.frames[stop - 1]} (the others: lapose export --segment)"
        )
    length = np.linalg.norm(analysis.relative[done, :3, 3], axis=1).sum()
    lines.append(f"predicted path {length:.1f} m, forward model {analysis.cross_entropy[done].mean():.3f} nats/code")
    errors = transition_errors(analysis)
    moving = np.isfinite(errors.direction)
    if errors.valid.any():
        rotation = np.degrees(errors.rotation[errors.valid])
        lines.append(f"rotation error   {_spread(rotation)} deg per transition, {errors.valid.sum()} of them")
    if moving.any():
        direction = np.degrees(errors.direction[moving])
        lines.append(f"direction error  {_spread(direction)} deg (signed), {moving.sum()} moving transitions")
        ratio = errors.scale_ratio[moving]
        lines.append(f"step length      median {np.median(ratio):.3f} of the true one")
    trusted = analysis.confidence[np.isfinite(analysis.confidence)]
    if len(trusted):
        lines.append(f"confidence       median {np.median(trusted):.2f}, {np.mean(trusted < 0.7):.0%} below 0.7")
    return "\n".join(lines)


def _spread(values) -> str:
    import numpy as np

    return f"median {np.median(values):.2f}, 95 % below {np.percentile(values, 95):.2f}"
