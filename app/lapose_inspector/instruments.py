"""The part of the controller for the instruments: what is selected, and how the latent map is looked at."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QInputDialog

from lapose_core.drive import Drive
from lapose_inspector.models.forward_state import ForwardState
from lapose_inspector.models.gallery import Found, Gallery, Item
from lapose_inspector.models.known_drives import KnownDrives
from lapose_inspector.models.map_data import MapSource
from lapose_inspector.models.map_state import MapState, Tool
from lapose_inspector.models.selection import TransitionId
from lapose_inspector.models.settings import RecentLog
from lapose_inspector.workers.forward import ForwardWorker
from lapose_inspector.workers.latent_search import LatentSearch
from lapose_inspector.workers.map_comparison import MapComparison, comparable

if TYPE_CHECKING:
    from lapose_core.inference.library import StoredResult
    from lapose_core.inference.result import DriveAnalysis
    from lapose_inspector.inspector import Inspector
    from lapose_inspector.workers.inference import AnalysisWorker


class Instruments(QObject):
    """Carries out the commands of the menu Select.

    Args:
        cache: the folder where results are kept.
    """

    def __init__(self, app: Inspector, cache: Path) -> None:
        super().__init__(app)
        self._app = app
        self.map = MapState()
        self.forward = ForwardState()
        self.forward_worker: ForwardWorker
        self.gallery = Gallery(app.session)
        self.known = KnownDrives(cache / "drives.json")
        self._results = cache / "results"
        self.search = LatentSearch(self._results, self)
        self.search.found.connect(self._on_found)
        self.search.failed.connect(self._on_search_failed)
        self.comparison = MapComparison(self)
        self.comparison.ready.connect(self._on_compared)
        self.comparison.failed.connect(self._on_comparison_failed)
        app.session.drive_changed.connect(self._on_drive)
        app.session.analysis_changed.connect(self._on_analysis)

    def serve(self, analysis: AnalysisWorker) -> None:
        """Predict on the thread of ``analysis``. Called once, before the window is built."""
        self.forward_worker = ForwardWorker(analysis, self)

    def close(self) -> None:
        """End the threads."""
        self._app.session.drive_changed.disconnect(self._on_drive)
        self._app.session.analysis_changed.disconnect(self._on_analysis)
        self.comparison.stop()
        self.gallery.close()
        self.search.stop()

    def _on_drive(self) -> None:
        drive, log = self._app.session.drive, self._app.session.log
        if drive is not None and log is not None:
            self.known.remember(drive.fingerprint, RecentLog.of(log.path, log.drive, log.options))

    def open_drive(self, fingerprint: str) -> Drive:
        """The drive of a fingerprint: the open one, or one that was open before. Called in other threads too.

        Raises:
            LogError: where it cannot be found or opened.
        """
        drive = self._app.session.drive
        if drive is not None and drive.fingerprint == fingerprint:
            return drive
        return self.known.open(fingerprint)

    # Two results on one map

    def ask_compare(self) -> None:
        """Choose a stored result to lie on the map beside the open drive's."""
        from lapose_inspector.views.chooser import Chooser
        from lapose_inspector.views.result_rows import RESULT_COLUMNS, result_cells

        analysis = self._app.session.analysis
        if analysis is None:
            return
        choices = comparable(self._results, analysis)
        title = "Compare on the latent map"
        if not choices:
            text = "Nothing to compare with yet: analyse another drive with this model, or this drive with another."
            self._app.show_error(title, text, "")
            return
        rows = [result_cells(result) for result in choices]
        Chooser(title, RESULT_COLUMNS, rows, lambda place: self.compare(choices[place]), self._app.window).open()

    def compare(self, result: StoredResult) -> None:
        """Lay a stored result on the map beside the open drive's, in the background."""
        analysis = self._app.session.analysis
        if analysis is not None:
            self.comparison.request(result, analysis)
            self._app.window.show_panel("map")

    def stop_comparing(self) -> None:
        """Show the open drive's result alone."""
        self.comparison.cancel()
        self.map.compared = None

    @Slot(object)
    def _on_compared(self, source: MapSource) -> None:
        self.map.compared = source

    @Slot(str)
    def _on_comparison_failed(self, reason: str) -> None:
        self._app.show_error("The results cannot be compared", reason, "")

    def _on_analysis(self) -> None:
        """Drop a comparison that was laid on another result, or that is the open drive's own."""
        analysis, other = self._app.session.analysis, self.map.compared
        if other is None or analysis is None:
            return
        if (
            other.key == analysis.key
            or (other.note and other.key.fingerprint != analysis.fingerprint)
            or (not other.note and other.key.checkpoint_hash != analysis.checkpoint_hash)
        ):
            self.stop_comparing()

    @Slot(object)
    def go_to(self, item: Item) -> None:
        """Put the cursor on a transition, opening its drive where that is another."""
        session, frame = self._app.session, item.frames[0]
        if session.drive is not None and session.drive.fingerprint == item.id.drive:
            session.timeline.pause()
            session.timeline.seek(frame)
            return
        entry = self.known.find(item.id.drive)
        if entry is None:
            self._app.show_error(
                "The drive cannot be opened",
                f"{item.title}: open its log once with File > Open, so that it is known",
                "",
            )
        else:
            self._app.opener.open_again(entry, max(frame, 0))

    def find_similar(self) -> None:
        """Look for transitions like the one at the cursor, among all results of this model and rate."""
        session = self._app.session
        at, analysis, drive = session.transition, session.analysis, session.drive
        if at is None or analysis is None or drive is None:
            return
        self._app.window.status.showMessage("searching…")
        self.search.request(analysis, drive.name, at)

    def can_search(self) -> bool:
        """Whether the transition at the cursor is analysed."""
        session = self._app.session
        at, analysis = session.transition, session.analysis
        return at is not None and analysis is not None and bool(analysis.done[at])

    @Slot(object)
    def _on_found(self, found: Found) -> None:
        self.gallery.show_found(found)
        self._app.window.show_panel("gallery")
        text = f"{len(found.hits)} of {found.searched:,} transitions in {found.milliseconds:.0f} ms"
        self._app.window.status.showMessage(text, 6000)

    @Slot(str)
    def _on_search_failed(self, reason: str) -> None:
        self._app.window.status.clearMessage()
        self._app.show_error("The search stopped", reason, "")

    @Slot(object)
    def use_action(self, id: TransitionId) -> None:
        """Predict under the action of another moment, of this drive or of another that is analysed."""
        latent = self._latent(id)
        clock = self.gallery.clock(id.drive)
        if latent is None or clock is None:
            self._app.show_error(
                "The action cannot be used", "Its transition is not analysed by this model at this rate.", ""
            )
            return
        here = self._app.session.drive is not None and self._app.session.drive.fingerprint == id.drive
        name = f"frame {int(clock.frames[id.transition])}" + ("" if here else f" of {clock.name}")
        self.forward.choose(latent, name)
        self._app.window.show_panel("forward")

    def toggle_film(self) -> None:
        """Show one step, or what the model dreams on."""
        self.forward.film = not self.forward.film
        self._app.window.show_panel("forward")

    def hold_action(self) -> None:
        """Predict under the action at the cursor from now on, wherever the cursor goes."""
        session = self._app.session
        if session.drive is not None and session.transition is not None:
            self.use_action(TransitionId(session.drive.fingerprint, session.transition))

    def use_selected(self) -> None:
        """Predict under the action of the selected transition: of several, the first."""
        first = next(iter(self._app.session.selection), None)
        if first is not None:
            self.use_action(first)

    def _latent(self, id: TransitionId) -> NDArray[np.float32] | None:
        analysis = self._app.session.analysis
        if analysis is None:
            return None
        latents = analysis.latents if analysis.fingerprint == id.drive else None
        if latents is None:
            latents = self._stored_latents(id.drive, analysis)
        if latents is None or id.transition >= len(latents) or not np.isfinite(latents[id.transition]).all():
            return None
        return latents[id.transition]

    def _stored_latents(self, drive: str, analysis: DriveAnalysis) -> NDArray[np.float32] | None:
        # Not at the top: pyarrow would keep the opening screen waiting.
        from lapose_core.inference.library import read_latents, stored_results
        from lapose_core.inference.store import StoreError

        for result in stored_results(self._results):
            key = result.key
            if (key.fingerprint, key.checkpoint_hash, key.rate) == (drive, analysis.checkpoint_hash, analysis.rate):
                with contextlib.suppress(StoreError):
                    return read_latents(result).latents
        return None

    def select_found(self) -> None:
        """Select what the newest search found."""
        found = self.gallery.found
        if found is not None:
            chosen: dict[str, list[int]] = {}
            for hit in found.hits:
                chosen.setdefault(hit.id.drive, []).append(hit.id.transition)
            self._app.session.selection.replace(chosen)

    def take(self, tool: Tool) -> None:
        """Take a tool of the latent map; it stays in hand."""
        self.map.tool = tool
        self._app.window.show_panel("map")

    def toggle_density(self) -> None:
        self.map.density = not self.map.density

    def select_all(self) -> None:
        """Select every transition on the map."""
        self._app.session.selection.add(self._app.window.latent_map.shown)

    def invert(self) -> None:
        """Swap selected and not among the transitions on the map."""
        self._app.session.selection.invert(self._app.window.latent_map.shown)

    def escape(self) -> None:
        """Let go of one thing: an outline being drawn, what is being opened, the selection, the analysis."""
        app = self._app
        gestures, selection = app.window.latent_map.gestures, app.session.selection
        if gestures.drawing:
            gestures.abandon()
        elif len(selection) and not app.opener.busy:
            selection.clear()
        else:
            app.cancel()

    def step(self, direction: int) -> None:
        """Move the cursor to the next (1) or previous (-1) selected transition of the open drive."""
        session = self._app.session
        if session.drive is None:
            return
        frames = session.series.frames
        chosen = session.selection.of(session.drive.fingerprint)
        chosen = frames[chosen[chosen < len(session.series)]]
        here = session.timeline.frame
        beyond = chosen[chosen > here] if direction > 0 else chosen[chosen < here]
        if len(beyond):
            session.timeline.pause()
            session.timeline.seek(int(beyond[0] if direction > 0 else beyond[-1]))

    def ask_keep(self) -> None:
        """Ask for a name and keep the selection under it."""
        selection = self._app.session.selection
        title, text = "Keep the selection", f"Name of the set of {len(selection):,} transitions:"
        name, good = QInputDialog.getText(self._app.window, title, text)
        if good and name.strip():
            selection.keep(name)

    def ask_recall(self) -> None:
        """Choose one of the named sets and select it."""
        from lapose_inspector.views.chooser import Cell, Chooser

        sets = self._app.session.selection.sets
        rows = [
            (
                Cell(kept.name),
                Cell(f"{len(kept):,}", len(kept)),
                Cell(f"{len(kept.transitions)}", len(kept.transitions)),
                Cell(f"{kept.rate:g} Hz", kept.rate),
            )
            for kept in sets
        ]
        columns = ("Set", "Transitions", "Drives", "Rate")
        Chooser(
            "Select a named set", columns, rows, lambda place: self.recall(sets[place].name), self._app.window
        ).open()

    def recall(self, name: str) -> None:
        """Select what a named set holds; a set of another rate is a message, not an error."""
        try:
            self._app.session.selection.recall(name)
        except ValueError as error:
            self._app.show_error("The set cannot be selected", str(error), "")

    def can_step(self) -> bool:
        """Whether the open drive has selected transitions."""
        drive = self._app.session.drive
        return drive is not None and bool(np.size(self._app.session.selection.of(drive.fingerprint)))
