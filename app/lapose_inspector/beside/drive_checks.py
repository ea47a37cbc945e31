"""What the model finds when it looks at an analysed drive again, once nothing else waits."""

from __future__ import annotations

import logging
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lapose_core.drive import LogError
from lapose_core.geometry import Array

if TYPE_CHECKING:
    from lapose_core.inference.analysis import DriveAnalyzer
    from lapose_core.inference.checking import DriveChecker, Look
    from lapose_core.inference.confidence import ConfidenceModel
    from lapose_core.inference.latent_reference import LatentReference

log = logging.getLogger(__name__)


class DriveChecks:
    """Fills an analysis with checks and, where the checkpoint is calibrated, confidence. Every ``step`` is short.

    Args:
        analyzer: of a drive whose analysis is complete.
        folder: of the checkpoint, where its calibration lies.
    """

    def __init__(self, analyzer: DriveAnalyzer, folder: Path) -> None:
        self._analyzer, self._folder = analyzer, folder
        self._model: ConfidenceModel | None = None
        self._begun = False
        self.reference: LatentReference | None = None
        """Latents of the checkpoint's training clips, once ``begin`` has found them."""
        self._checker: DriveChecker | None = None
        self._run: Generator[Look | None, None, None] | None = None

    @property
    def running(self) -> bool:
        return self._run is not None

    def begin(self) -> bool:
        """Look at the drive, at what is left of it; whether the analysis has new values already."""
        from lapose_core.inference.checking import DriveChecker
        from lapose_core.inference.confidence import load_confidence
        from lapose_core.inference.latent_reference import load_reference

        analysis = self._analyzer.analysis
        try:
            self._model = load_confidence(self._folder, analysis.checkpoint_hash)
        except ValueError as error:
            log.warning("%s", error)
        self.reference = load_reference(self._folder, analysis.checkpoint_hash)
        self._begun = True
        checker = DriveChecker(self._analyzer.model, self._analyzer.drive, analysis)
        if checker.pending():
            self._checker, self._run = checker, checker.steps()
        if analysis.checks is None:
            return False
        before = analysis.confidence
        self._assess()  # the calibration may be newer than the checks
        return not np.array_equal(before, analysis.confidence, equal_nan=True)

    def step(self) -> bool:
        """Do a little; whether the analysis has new values, which is also so at the end."""
        if self._run is None:
            return False
        try:
            if next(self._run) is None:
                return False
        except StopIteration:
            self.stop()
        except Exception as error:  # a check that fails costs the confidence, not the thread that serves everything
            if isinstance(error, LogError | OSError):
                log.warning("the confidence of %s: %s", self._analyzer.drive.name, error)
            else:
                log.exception("the confidence of %s", self._analyzer.drive.name)
            self.stop()
        self._assess()
        return True

    @property
    def calibrated(self) -> bool | None:
        """Whether the checkpoint has a confidence; None before ``begin`` has looked for it."""
        return self._model is not None if self._begun else None

    def contributions(self) -> dict[str, Array]:
        """What each part of the confidence adds to the log-odds of being bad, [M - 1] by part; empty without one."""
        from lapose_core.inference.confidence import signs

        analysis = self._analyzer.analysis
        if self._model is None or analysis.checks is None:
            return {}
        parts = self._model.contributions(signs(analysis, analysis.checks, self.reference))
        return {name: np.where(analysis.done, values, np.nan) for name, values in parts.items()}

    def stop(self) -> None:
        """Look no further."""
        if self._run is not None:
            self._run.close()
            self._run = None

    def _assess(self) -> None:
        from lapose_core.inference.confidence import signs

        analysis = self._analyzer.analysis
        checks = analysis.checks if self._checker is None else self._checker.checks.copy()
        if checks is None:
            return
        confidence = None
        if self._model is not None:
            known = analysis.done & checks.seen
            confidence = self._model.confidence(signs(analysis, checks, self.reference), known)
        analysis.assess(checks, confidence)
