"""Analyses of drives that are not the open one: taken from what is stored, or made with a model of their own, in a
process beside the window."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lapose_core.drive import Drive, LogError
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_inspector.beside.calls import Stale
from lapose_inspector.beside.drive_checks import DriveChecks

if TYPE_CHECKING:
    from lapose_core.evaluation.comparison import Trajectory
    from lapose_core.evaluation.set_comparison import SetComparison
    from lapose_core.inference.result import DriveAnalysis
    from lapose_core.model.lapose import LaPose

Told = Callable[[float], None]
SAVE_INTERVAL = 15.0
"""Seconds between two saves of a growing result: what a crash can lose."""


@dataclass(frozen=True)
class SetDrives:
    """Drives of a data set, and how each is opened: ``options`` by key, where they are not the reader's own."""

    path: Path
    reader: Reader
    listings: tuple[Listing, ...]
    options: Mapping[str, LogOptions] = field(default_factory=dict)

    def open(self, listing: Listing) -> Drive:
        """Raises LogError where it cannot be read."""
        return self.reader.open(self.path, listing.key, self.options.get(listing.key, LogOptions()))


class Analyst:
    """Analyses drives with one checkpoint, one after another. The model is loaded when it is needed: before, it can be
    pickled.

    Args:
        checkpoint: its folder.
        rate: samples per second of a drive.
        results: where results are kept; a partial one is gone on with.
        ignore_camera: tell the model nothing of the logs' cameras.
    """

    def __init__(
        self,
        checkpoint: Path,
        rate: float,
        results: Path,
        *,
        ignore_camera: bool = False,
    ) -> None:
        self.checkpoint, self.rate, self.ignore_camera = checkpoint, rate, ignore_camera
        self._results = results
        self._loaded: tuple[LaPose, str] | None = None

    @property
    def checkpoint_hash(self) -> str:
        """Of the checkpoint.

        Raises:
            CheckpointError: where the folder holds none.
        """
        return self._load()[1]

    def analysis(self, drive: Drive, stale: Stale, tell: Told, *, check: bool = False) -> DriveAnalysis | None:
        """The whole analysis of a drive, stored or made now; None once ``stale`` says so, what is done being stored.

        Args:
            tell: hears the share done, 0 to 1.
            check: also look at the drive for its confidence, where the checkpoint is calibrated.

        Raises:
            CheckpointError: where the checkpoint cannot be loaded.
            LogError: where the drive's frames cannot be opened.
            ValueError: where the drive is too short, or no part of it could be analysed.
        """
        from lapose_core.inference.analysis import DriveAnalyzer
        from lapose_core.inference.store import ResultStore

        model, digest = self._load()
        store = ResultStore(self._results)
        key = DriveAnalyzer.key(model, drive, self.rate, digest, ignore_camera=self.ignore_camera)
        analyzer = DriveAnalyzer(
            model, drive, self.rate, checkpoint_hash=digest, checkpoint_name=self.checkpoint.name,
            analysis=store.load(key, drive.even_indices(self.rate)), ignore_camera=self.ignore_camera,
        )  # fmt: skip
        analysis, saved = analyzer.analysis, time.monotonic()
        if not analysis.complete:
            steps = analyzer.steps()
            try:
                for _ in steps:
                    if stale():
                        break
                    tell(analysis.progress)
                    if time.monotonic() - saved > SAVE_INTERVAL:
                        store.save(analysis)
                        saved = time.monotonic()
            finally:
                steps.close()
                store.save(analysis)
        if analysis.found_at(drive):
            store.save(analysis)
        if stale():
            return None
        if not analysis.done.any():
            raise ValueError(f"{self.checkpoint.name} could not analyse any part of {drive.name}")
        if check and self._look(analyzer, stale):
            store.save(analysis)
        return None if stale() else analysis

    def _look(self, analyzer: object, stale: Stale) -> bool:
        """Fill in the confidence, where the checkpoint is calibrated; whether there are new values."""
        checks = DriveChecks(analyzer, self.checkpoint)  # type: ignore[arg-type]
        grown = checks.begin()
        try:
            while checks.calibrated and checks.running and not stale():
                grown |= checks.step()
        finally:
            checks.stop()
        return grown

    def _load(self) -> tuple[LaPose, str]:
        if self._loaded is None:
            import torch

            from lapose_core.training.checkpoints import checkpoint_hash, load_checkpoint

            # One core stays free for the window.
            torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
            self._loaded = load_checkpoint(self.checkpoint), checkpoint_hash(self.checkpoint)
        return self._loaded


def analyse_set(
    drives: SetDrives, analyst: Analyst, *, tell: Callable[[tuple[int, str, float]], None], stale: Stale
) -> list[str]:
    """Have every drive analysed and checked, in order.

    Args:
        tell: hears the number of the drive, its name and the share of it done.

    Returns:
        one sentence for each drive that could not be analysed.
    """

    def told(number: int, name: str, share: float) -> None:
        tell((number, name, share))

    problems = []
    for number, listing in enumerate(drives.listings):
        if stale():
            break
        told(number, listing.name, 0.0)
        try:
            analyst.analysis(drives.open(listing), stale, partial(told, number, listing.name), check=True)
        except (LogError, OSError, ValueError) as error:
            problems.append(f"{listing.name}: {error}")
    return problems


def compare_set(drives: SetDrives, a: Analyst, b: Analyst, *, tell: Told, stale: Stale) -> SetComparison | None:
    """Both checkpoints on every drive of the set, stored or analysed now; None once ``stale`` says so."""
    from lapose_core.evaluation.comparison import compare, trajectory_of_analysis
    from lapose_core.evaluation.set_comparison import DriveComparison, SetComparison

    found, left_out = [], []

    def told(number: float, share: float) -> None:
        tell((number + 0.5 * share) / len(drives.listings))

    for number, listing in enumerate(drives.listings):
        try:
            drive = drives.open(listing)
            one = a.analysis(drive, stale, partial(told, number))
            two = None if one is None else b.analysis(drive, stale, partial(told, number + 0.5))
        except (LogError, OSError, ValueError) as error:
            left_out.append(f"{listing.name}: {error}")
            continue
        if one is None or two is None:
            return None
        if drive.poses is None:
            left_out.append(f"{listing.name}: has no ground truth")
        else:
            found.append(DriveComparison(listing.key, listing.name, compare(one, trajectory_of_analysis(two), drive)))
    return SetComparison(tuple(found), tuple(left_out))


def run_checkpoint(
    drive: Drive, analyst: Analyst, open_hash: str | None, *, tell: Told, stale: Stale
) -> Trajectory | None:
    """Another checkpoint's analysis of a drive; None once ``stale`` says so.

    Raises:
        ValueError: where it is the one with this hash, and as ``Analyst.analysis`` does.
    """
    from lapose_core.evaluation.comparison import trajectory_of_analysis

    if analyst.checkpoint_hash == open_hash:
        raise ValueError(f"{analyst.checkpoint.name} is the checkpoint that is open already: choose another")
    analysis = analyst.analysis(drive, stale, tell)
    return None if analysis is None else trajectory_of_analysis(analysis)
