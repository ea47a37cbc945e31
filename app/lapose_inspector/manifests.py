"""The part of the controller that turns what was found into what the next training is to see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QFileDialog

from lapose_core.drive import LogError
from lapose_core.logs.reader import LogOptions
from lapose_core.training.manifest import Entry, write_manifest
from lapose_inspector.models.triage import Row
from lapose_inspector.workers.latest import LatestWorker, Stale

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

Source = Literal["selection", "notes", "triage"]
NAMES: dict[str, str] = {
    "selection": "the selected transitions",
    "notes": "the notes that the list shows",
    "triage": "the segments that the triage list shows",
}


@dataclass(frozen=True)
class Written:
    """A manifest: how many drives and stretches it holds, and one sentence for each drive that it lacks."""

    path: Path
    drives: int
    stretches: int
    left_out: tuple[str, ...]


class Manifests(QObject):
    """Writes training manifests. Logs of other drives are opened in the background, to know their frames."""

    def __init__(self, app: Inspector) -> None:
        super().__init__(app)
        self._app = app
        self._worker = LatestWorker("manifest", self)
        self._worker.done.connect(self._on_done)
        self._worker.failed.connect(self._on_failed)

    def close(self) -> None:
        """End the thread."""
        self._worker.stop()

    def choose(self, source: Source) -> None:
        """Ask where to write a manifest of ``source``."""
        name, _ = QFileDialog.getSaveFileName(
            self._app.window, f"Training manifest of {NAMES[source]}",
            str(Path(self._app.opener.last_folder()) / f"{source}.manifest.json"), "Training manifest (*.json)",
        )  # fmt: skip
        if name:
            self.write(Path(name), source)

    def write(self, path: Path, source: Source) -> None:
        """Write a manifest; how it went is told in the status bar, a problem in a dialog."""
        entries, selection = self.entries(source), self._app.session.selection
        others = self._other_drives() if source == "selection" else {}
        known, rate = self._app.instruments.known, selection.rate

        def job(stale: Stale) -> Written:
            made, left_out = list(entries), []
            for fingerprint, runs in others.items():
                if stale():
                    break
                try:
                    drive = known.open(fingerprint)
                except (LogError, OSError) as error:
                    left_out.append(str(error))
                    continue
                log = known.find(fingerprint)
                assert log is not None
                ranges = _frame_ranges(drive.even_indices(rate), runs)
                made.append(Entry(log.path, ranges, rate, log.drive, log.options, fingerprint, "selected"))
            if not made and left_out:
                raise LogError(left_out[0])
            write_manifest(path, made)
            return Written(path, len(made), sum(len(entry.ranges) for entry in made), tuple(left_out))

        self._worker.submit(job)

    def entries(self, source: Source) -> list[Entry]:
        """What ``source`` holds of the open drive and, for the triage list, of the other drives of its set."""
        session = self._app.session
        drive, log = session.drive, session.log
        if source == "triage":
            rows = [item for item in self._app.triage.model.items if isinstance(item, Row)]
            return list(filter(None, (self._segment_entry(key, rows) for key in dict.fromkeys(r.key for r in rows))))
        if drive is None or log is None:
            return []
        if source == "notes":
            shown = self._app.window.notes.shown
            ranges = tuple((note.first_frame, note.last_frame) for note in shown)
            why = ", ".join(sorted({note.label for note in shown if note.label}))
        else:
            ranges = tuple((first, last) for first, last in session.selected_frames().tolist())
            why = "selected"
        if not ranges:
            return []
        return [Entry(log.path, ranges, session.rate, log.drive, log.options, drive.fingerprint, why)]

    def _segment_entry(self, key: str | None, rows: list[Row]) -> Entry | None:
        """The listed segments of one drive."""
        session, dataset = self._app.session, self._app.opener.dataset
        mine = [row for row in rows if row.key == key]
        drive, log = session.drive, session.log
        ranges = tuple(sorted((row.segment.first_frame, row.segment.last_frame) for row in mine))
        triage = self._app.triage.model
        tags = ", ".join([*sorted(triage.tags), *triage.text.split()]) or "triage list"
        if drive is not None and log is not None and mine[0].drive.fingerprint == drive.fingerprint:
            return Entry(log.path, ranges, session.rate, log.drive, log.options, drive.fingerprint, tags)
        if dataset.path is None:
            return None
        listing = dataset.find(key)
        options = LogOptions() if listing is None else self._app.opener.options_of(listing)
        return Entry(dataset.path, ranges, session.rate, key, options, mine[0].drive.fingerprint, tags)

    def _other_drives(self) -> dict[str, list[tuple[int, int]]]:
        """The selected transitions of the drives that are not open, by fingerprint."""
        session = self._app.session
        here = None if session.drive is None else session.drive.fingerprint
        return {key: session.selection.runs(key) for key in session.selection.drives if key != here}

    @Slot(object)
    def _on_done(self, written: Written) -> None:
        path, drives = written.path, written.drives
        self._app.window.status.showMessage(
            f"{written.stretches} stretches of {drives} drive{'' if drives == 1 else 's'} written to {path}: "
            f"lapose shards --manifest {path.name} cuts clips of them",
            12_000,
        )
        if written.left_out:
            count = len(written.left_out)
            lacking = f"{count} selected drive{'' if count == 1 else 's'}"
            self._app.show_error(
                "The manifest is not whole",
                f"{path.name} lacks {lacking} that could not be found: {written.left_out[0]}",
                "\n".join(written.left_out),
            )

    @Slot(str)
    def _on_failed(self, reason: str) -> None:
        self._app.show_error("The manifest cannot be written", reason.split(": ", 1)[-1], reason)


def _frame_ranges(frames: np.ndarray, runs: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """First and last drive frames of runs of transitions [start, stop) between samples at ``frames`` [M]."""
    last = len(frames) - 1
    return tuple((int(frames[a]), int(frames[min(b, last)])) for a, b in runs if a < last)
