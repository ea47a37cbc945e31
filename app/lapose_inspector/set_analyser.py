"""The part of the controller that analyses the drives of a set that have no results yet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from lapose_inspector.beside.calls import run_politely
from lapose_inspector.beside.set_analysis import Analyst, analyse_set
from lapose_inspector.workers.latest import LatestWorker, Stale

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector


class SetAnalyser(QObject):
    """Goes through the missing drives in the background; the open drive's own analysis goes first.

    Args:
        results: the folder where results are kept.
    """

    _reached = Signal(int, str, float)

    def __init__(self, app: Inspector, results: Path) -> None:
        super().__init__(app)
        self._app, self._model, self._results = app, app.triage.model, results
        self._count = self._number = 0
        self._worker = LatestWorker("set analysis", self)
        self._worker.done.connect(self._on_done)
        self._worker.failed.connect(self._on_failed)
        self._reached.connect(self._on_reached)
        self._path: Path | None = None
        """Of the set whose drives are being analysed."""
        for signal in self._causes():
            signal.connect(self.cancel)
        app.opener.dataset.changed.connect(self._on_set)

    def _causes(self) -> tuple:
        """What makes other results be wanted than those that are being made."""
        session = self._app.session
        return session.model_changed, session.rate_changed, self._model.scope_changed

    def close(self) -> None:
        """End the thread; what is done is kept."""
        for signal in self._causes():
            signal.disconnect(self.cancel)
        self._app.opener.dataset.changed.disconnect(self._on_set)
        self._worker.stop()

    def _on_set(self) -> None:
        if self._model.doing and self._app.opener.dataset.path != self._path:
            self.cancel()

    def start(self) -> None:
        """Analyse every drive of the set that has no complete result at this rate by this model."""
        drives, checkpoint, session = self._app.opener.set_drives(), self._app.model.checkpoint, self._app.session
        missing = tuple(e for e in (drives.listings if drives else ()) if e.key in self._model.missing)
        if checkpoint is None or drives is None or not missing:
            return
        drives = replace(drives, listings=missing)
        analysis, reached = self._app.analysis, self._reached
        analyst = Analyst(checkpoint, session.rate, self._results, ignore_camera=not session.use_camera)

        def job(stale: Stale) -> object:
            return run_politely(
                "the set's analysis", analyse_set, drives, analyst, tell=lambda place: reached.emit(*place),
                stale=stale, wait=lambda: analysis.running or analysis.checking,
            )  # fmt: skip

        self._path, self._count, self._number = drives.path, len(missing), 0
        self._model.say(f"Analysing {missing[0].name}")
        self._worker.submit(job)

    def cancel(self, *_: object) -> None:
        """Stop; what is done is kept."""
        self._worker.cancel()
        if self._model.doing:
            self._model.say()
            self._app.triage.refresh()

    @Slot(int, str, float)
    def _on_reached(self, number: int, name: str, share: float) -> None:
        if not self._model.doing:
            return
        if number != self._number:
            self._number = number
            self._app.triage.refresh()
        words = f"Analysing {name} ({number + 1} of {self._count})"
        self._model.say(words, (number + share) / self._count)

    @Slot(object)
    def _on_done(self, problems: list[str]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        self._model.say(problem=f"{problems[0]}{more}" if problems else "")
        self._app.triage.refresh()

    @Slot(str)
    def _on_failed(self, reason: str) -> None:
        self._model.say(problem=reason.split(": ", 1)[-1])
