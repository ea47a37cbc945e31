"""The controller: it knows the models, the workers and the window, and carries out every command."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import Signal, Slot

from lapose_core.drive import Drive
from lapose_inspector.afterwards import Afterwards
from lapose_inspector.annotator import Annotator
from lapose_inspector.asked_for import AskedFor
from lapose_inspector.comparer import Comparer
from lapose_inspector.first_picture import FirstPicture
from lapose_inspector.following import Following
from lapose_inspector.growth import Growth
from lapose_inspector.instruments import Instruments
from lapose_inspector.keeper import SessionKeeper
from lapose_inspector.memory import Memory
from lapose_inspector.model_loader import ModelLoader
from lapose_inspector.models.display import CLOUDS, Alignment, CloudColour, CloudMode, ColourBy, Display
from lapose_inspector.models.events import next_event
from lapose_inspector.models.log import OpenLog
from lapose_inspector.models.session import Device, Session
from lapose_inspector.models.settings import Folders, Settings, SettingsFile
from lapose_inspector.models.timeline import Timeline
from lapose_inspector.opener import Opener
from lapose_inspector.player import Player
from lapose_inspector.set_analyser import SetAnalyser
from lapose_inspector.triage import TriageController
from lapose_inspector.views.main_window import MainWindow
from lapose_inspector.workers.explanation import ExplanationWorker
from lapose_inspector.workers.frames import FrameLoader
from lapose_inspector.workers.inference import AnalysisWorker
from lapose_inspector.workers.reconstruction import ReconstructionWorker

log = logging.getLogger(__name__)


class Inspector(AskedFor):
    """One running program. ``close`` ends its threads; afterwards nothing of it is alive.

    Args:
        folders: where settings and results live.
        checkpoint: the model to load, instead of the remembered or the bundled one.
        rate: analysis rate in Hz, instead of the remembered one.
        device: where the model runs, instead of the remembered one.
        theme: instead of the remembered one.
        analyse: whether opening a drive starts its analysis.
        remember: whether layout and logs are restored and saved.
    """

    unexpected = Signal(str, str)
    """An exception nobody caught, from any thread: one line, and details."""
    error_shown = Signal(str)
    """The message of an error that the user is told."""

    def __init__(
        self,
        folders: Folders,
        *,
        checkpoint: Path | None = None,
        rate: float | None = None,
        device: Device | None = None,
        theme: str | None = None,
        analyse: bool = True,
        remember: bool = True,
    ) -> None:
        super().__init__()
        self._folders = folders
        self._settings_file = SettingsFile(folders.config_dir)
        self.settings: Settings = self._settings_file.load() if remember else Settings()
        self._remember, self._analyse_on_open = remember, analyse
        self.display = Display("light" if (theme or self.settings.theme) == "light" else "dark")
        self.display.alignment = self.settings.alignment
        self.timeline = Timeline()
        self.session = Session(self.timeline, self.display)
        self.session.rate = rate or self.settings.rate
        self._closed = False

        self.memory = Memory(self, folders.cache_dir / "previews")
        self.frames = FrameLoader(self, self.memory.budget, self.memory.proxies)
        self.player = Player(self)
        self.opener = Opener(self)
        self.instruments = Instruments(self, folders.cache_dir)
        self.annotator = Annotator(self)
        self.comparer = Comparer(self, folders.cache_dir)
        self.analysis = AnalysisWorker(
            folders.cache_dir / "results",
            self,
            self.memory.proxies,
            self.frames.look_again,
            lambda: self.display.alignment,
        )
        self.model = ModelLoader(self, device)
        self.reconstruction = ReconstructionWorker(self.analysis, self)
        self.instruments.serve(self.analysis)
        self.explanation = ExplanationWorker(self.analysis, self)
        self._first_picture = FirstPicture(self.frames, self._start_analysis, self)
        self.triage = TriageController(self, folders.cache_dir / "results")
        self.set_analyser = SetAnalyser(self, folders.cache_dir / "results")
        self.window = MainWindow(self)
        self.growth = Growth(self)
        self.following = Following(self)
        self.afterwards = Afterwards(self)
        self.window.show_state()
        self.player.watch(self.window)
        self.memory.start()
        if remember:
            self.window.restore_layout(self.settings.geometry, self.settings.state)
        self.keeper = SessionKeeper(self, folders.data_dir, remember=remember, rate_given=rate is not None)

        self._wire()
        self.model.load_first(checkpoint or self.settings.checkpoint)

    def _wire(self) -> None:
        self.analysis.prepared.connect(self._on_prepared)
        self.analysis.finished.connect(self._on_finished)
        self.analysis.failed.connect(self._on_analysis_failed)
        self.analysis.noted.connect(self._on_noted)
        self.analysis.checking_changed.connect(self.window.show_checking)
        self.unexpected.connect(self._on_unexpected)
        self.window.dropped.connect(self.opener.take_dropped)
        self.window.closing.connect(self.close)
        self.timeline.frame_changed.connect(self._on_frame)

    # Opening

    def open(
        self,
        path: Path,
        poses: Path | None = None,
        frame: int = 0,
        *,
        drive: str | None = None,
        camera: str | None = None,
    ) -> None:
        """Open a log, or list a data set, in the background; until it is there, what was open stays.

        What is not given is as it was when the log was open before.
        """
        options = self.settings.chosen(path.expanduser().absolute(), drive)
        options = replace(options, poses=poses or options.poses, camera=camera or options.camera)
        self.opener.open(path, drive, options, frame)

    def restore_last(self) -> None:
        """Reopen the log of the last time, if it still exists."""
        last = self.settings.last_log
        if last is not None and last.path.exists():
            self.opener.open_again(last, self.settings.last_frame)

    def show_drive(self, drive: Drive, frame: int, log: OpenLog) -> None:
        """Show a drive that was opened, and analyse it."""
        self.keeper.save(now=True)
        self.session.status = self.model.idle_status
        self.analysis.forget()
        self.frames.open(drive)
        self.session.open(drive, frame, log)
        if len(drive) < 2:
            self.session.status = "one frame holds no motion to analyse"
        elif self._analyse_on_open:
            self._first_picture.expect()

    def close_drive(self) -> None:
        """Close the drive; its results stay in the cache."""
        self._first_picture.drop()
        self.analysis.forget()
        self.frames.open(None)
        self.session.open(None)
        self.opener.drive_closed()
        self.window.show_running(False)

    @property
    def on_screen(self) -> bool:
        """Whether the window is on the screen, with the first picture of what is being opened."""
        handle = self.window.windowHandle()
        shown = handle is not None and handle.isExposed()
        return shown and not self.opener.busy and not self._first_picture.expected

    # Analysis

    def analyse_opened(self) -> None:
        """Analyse the open drive, now that there is a model, as one that is opened is analysed."""
        drive = self.session.drive
        if drive is not None and len(drive) > 1 and self._analyse_on_open and not self._first_picture.expected:
            self._start_analysis()

    def set_rate(self, rate: float) -> None:
        """Analyse ``rate`` frames per second from now on."""
        self._analyse_with("rate", rate)

    def set_use_camera(self, use: bool) -> None:
        """Tell the model the log's camera from now on, or let it guess."""
        self._analyse_with("use_camera", use)

    def _analyse_with(self, setting: str, value: object) -> None:
        """Change a setting of the session that the analysis depends on, and analyse anew where there was one."""
        if value == getattr(self.session, setting):
            return
        was_running = self.analysis.running or self.session.analysis is not None
        self.analysis.forget()
        setattr(self.session, setting, value)
        self.window.show_running(False)
        if was_running:
            self._start_analysis()

    def toggle_analysis(self) -> None:
        if self.analysis.running:
            self.analysis.cancel()
        else:
            self._start_analysis()

    def cancel(self) -> None:
        """Give up what is being opened; else stop the analysis."""
        if self.opener.busy:
            self.opener.cancel()
        elif self.analysis.running or self.analysis.checking:
            self.analysis.cancel()

    def _start_analysis(self) -> None:
        self._first_picture.drop()
        session = self.session
        if session.drive is not None and self.model.loaded:
            self.analysis.start(session.drive, session.rate, self.timeline.frame, ignore_camera=not session.use_camera)
            self.window.show_running(True)

    @Slot(object)
    def _on_prepared(self, crop: object) -> None:
        self.session.crop = crop  # type: ignore[assignment]

    @Slot(bool)
    def _on_finished(self, complete: bool) -> None:
        self.window.show_running(False)

    @Slot(str, str)
    def _on_analysis_failed(self, message: str, details: str) -> None:
        self.window.show_running(False)
        self.show_error("The analysis stopped", message, details)

    @Slot(str)
    def _on_noted(self, message: str) -> None:
        self.window.status.showMessage(message, 10_000)

    # Playback

    def _on_frame(self, frame: int) -> None:
        transition = self.session.transition
        if self.analysis.running and transition is not None and not self.session.series.done[transition]:
            self.analysis.seek(frame)

    def toggle_loop(self) -> None:
        self.timeline.loop_enabled = not self.timeline.loop_enabled

    def go_to_event(self, direction: int) -> None:
        """Move to the next error peak, change of regime or note before (-1) or after (+1) the cursor."""
        notes = [note.first_frame for note in self.session.annotations.notes]
        frame = next_event(self.session.series, self.timeline.frame, direction, notes)
        if frame is not None:
            self.timeline.pause()
            self.timeline.seek(frame)

    def ask_go_to(self) -> None:
        from lapose_inspector.views.dialogs import GoToDialog

        if self.timeline.n_frames:
            GoToDialog(self.timeline.n_frames, self._go_to, self.window).open()

    def _go_to(self, kind: str, value: float) -> None:
        self.timeline.pause()
        self.timeline.seek(int(value) if kind == "frame" else self.timeline.frame_at(value))

    # Windows and dialogs, which are imported when they are asked for: the opening screen shows none

    def toggle_follow(self) -> None:
        self.display.follow = not self.display.follow

    def set_colour_by(self, key: ColourBy) -> None:
        self.display.colour_by = key

    def set_alignment(self, mode: Alignment) -> None:
        self.display.alignment = mode

    def set_cloud(self, mode: CloudMode) -> None:
        self.display.cloud = mode

    def set_cloud_colour(self, key: CloudColour) -> None:
        self.display.cloud_colour = key

    def step_cloud(self) -> None:
        self.display.cloud = CLOUDS[(CLOUDS.index(self.display.cloud) + 1) % len(CLOUDS)]

    def toggle_theme(self) -> None:
        self.display.theme = "light" if self.display.theme == "dark" else "dark"

    def show_information(self) -> None:
        from lapose_inspector.information import drive_information
        from lapose_inspector.views.dialogs import TableDialog

        if self.session.drive is not None:
            sections = drive_information(self.session)
            TableDialog("Drive information", sections, self.display.colours.muted, self.window).open()

    def show_palette(self) -> None:
        from lapose_inspector.views.command_palette import CommandPalette, Entry

        actions = self.window.actions_
        entries = [
            Entry(
                f"{c.menu.replace('/', ' > ')}: {c.text}",
                c.shortcuts[0] if c.shortcuts else "",
                actions[c.id].trigger,
                actions[c.id].icon(),
            )
            for c in actions.commands
            if actions[c.id].isEnabled() and c.id != "help.palette"
        ]
        entries += [
            Entry(f"Open recent: {r.name}", str(r.path.parent), partial(self.opener.open_again, r))
            for r in self.settings.recent
        ]
        CommandPalette(entries, self.window).show()

    def show_shortcuts(self) -> None:
        from lapose_inspector.views.dialogs import ShortcutsDialog

        ShortcutsDialog(self.window.actions_.commands, self.display.colours.muted, self.window).open()

    def show_about(self) -> None:
        from lapose_inspector.views.dialogs import AboutDialog

        AboutDialog(self.session.model_info, self.window).open()

    def show_error(self, title: str, message: str, details: str) -> None:
        """Tell the user what went wrong, with details to copy."""
        log.info("%s: %s", title, message)
        if not self._closed:
            from lapose_inspector.views.dialogs import ErrorDialog

            ErrorDialog(title, message, details, self.window).open()
        self.error_shown.emit(message)

    @Slot(str, str)
    def _on_unexpected(self, message: str, details: str) -> None:
        self.show_error("Something went wrong in the program", message, details)

    def quit(self) -> None:
        self.window.close()

    @Slot()
    def close(self) -> None:
        """Save what is remembered, end the threads and let go of the panels. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self.timeline.pause()
        self._first_picture.drop()
        if self._remember:
            self._save_settings()
        self.keeper.close()
        # The window goes at once; the threads end when their current step does.
        self.window.hide()
        with contextlib.ExitStack() as ending:
            # One that fails must not keep the others, whose threads would abort the process.
            parts = (
                self.annotator, self.afterwards, self.comparer, self.analysis, self.memory, self.frames, self.opener,
                self.growth, self.following, self.model, self.set_analyser, self.triage, self.instruments,
                *self._asked_for(),
            )  # fmt: skip
            for part in parts:
                ending.callback(part.close)
            ending.callback(self.window.close_panels)
            self.timeline.frame_changed.disconnect(self._on_frame)

    def _save_settings(self) -> None:
        settings = self.settings
        settings.theme, settings.alignment = self.display.theme, self.display.alignment
        settings.rate, settings.last_frame = self.session.rate, self.timeline.frame
        settings.geometry, settings.state = self.window.save_layout()
        if self.session.drive is None:
            settings.last_log = None
        self._settings_file.save(settings)
