"""Every command of the program, declared once; menus, toolbar, palette and shortcut sheet read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lapose_inspector.models.display import ALIGNMENT_NAMES, CLOUD_NAMES, COLOUR_BY, OVERLAYS
from lapose_inspector.models.session import RATES

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

MENUS = ("File", "Playback", "View", "Analyse", "Export", "Help")
PANELS = {
    "drives": "Drives",
    "video": "Video",
    "trajectory": "3D trajectory",
    "map": "Latent map",
    "forward": "Forward dynamics",
    "tracks": "Tracks",
}
"""The dockable panels: key -> title."""


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        id: stable name, ``menu.what``.
        text: as in the menu, without an ellipsis of its own where it opens a dialog ("Open file…" has it).
        run: what it does to the program.
        menu: one of MENUS, optionally "View/Colour by" for a submenu.
        shortcuts: key sequences, the first of which is shown.
        icon: a qtawesome name.
        tip: one sentence, for the status bar, the tooltip and the palette.
        checked: whether it is on; None for a plain command.
        group: commands of one group are alternatives, one of which is on.
        enabled: whether it makes sense now.
        section: commands of a menu with different sections are divided by a line.
    """

    id: str
    text: str
    run: Callable[[Inspector], object]
    menu: str
    shortcuts: tuple[str, ...] = ()
    icon: str = ""
    tip: str = ""
    checked: Callable[[Inspector], bool] | None = None
    group: str = ""
    enabled: Callable[[Inspector], bool] | None = None
    section: str = ""


def commands() -> tuple[Command, ...]:
    """All commands, in menu order."""
    return (*_file(), *_playback(), *_view(), *_analyse(), *_export(), *_help())


def _of(key: Any, does: Callable[[Inspector, Any], Any]) -> Callable[[Inspector], Any]:
    """``does`` for this ``key``: one command of a family."""
    return lambda app: does(app, key)


def _has_drive(app: Inspector) -> bool:
    return app.session.drive is not None


def _has_truth(app: Inspector) -> bool:
    return app.session.drive is not None and app.session.drive.poses is not None


def _has_prediction(app: Inspector) -> bool:
    return app.session.analysis is not None and bool(app.session.analysis.done.any())


def _file() -> list[Command]:
    return [
        Command(
            "file.open", "Open file…", lambda a: a.opener.choose_file(), "File", ("Ctrl+O",),
            "mdi6.movie-open-outline", "Open a video or a log file.", section="open",
        ),
        Command(
            "file.open_folder", "Open folder…", lambda a: a.opener.choose_folder(), "File", ("Ctrl+Shift+O",),
            "mdi6.folder-open-outline", "Open a log that is a folder, or list the drives of a data set.",
            section="open",
        ),
        Command(
            "file.import", "Import with poses…", lambda a: a.opener.ask_import(current=False), "File",
            ("Ctrl+Shift+I",), "mdi6.import",
            "Open a video or a folder of pictures with a pose file, its time offset and its axes.", section="open",
        ),
        Command(
            "file.poses", "Poses of this drive…", lambda a: a.opener.ask_import(), "File", (),
            "mdi6.map-marker-path", "Choose this drive's pose file, its time offset and whose axes it has.",
            enabled=_has_drive, section="open",
        ),
        *_drive(),
        Command(
            "file.information", "Drive information", lambda a: a.show_information(), "File", ("Ctrl+I",),
            "mdi6.information-outline", "Format, calibration, where values come from, and what was assumed.",
            enabled=_has_drive, section="drive",
        ),
        Command(
            "file.close", "Close drive", lambda a: a.close_drive(), "File", ("Ctrl+W",), "mdi6.close",
            "Close the drive; its results stay in the cache.", enabled=_has_drive, section="drive",
        ),
        Command(
            "file.quit", "Quit", lambda a: a.quit(), "File", ("Ctrl+Q",), "mdi6.exit-to-app",
            "Save the layout and end the program.", section="quit",
        ),
    ]  # fmt: skip


def _drive() -> list[Command]:
    """Other drives of the data set, other cameras of the drive."""

    def several_drives(app: Inspector) -> bool:
        return len(app.opener.dataset.listings) > 1

    def several_cameras(app: Inspector) -> bool:
        return app.session.log is not None and len(app.session.log.listing.cameras) > 1

    def several_topics(app: Inspector) -> bool:
        return app.session.log is not None and len(app.session.log.listing.pose_topics) > 1

    menu = "File/Drive and camera"
    return [
        Command(
            "drive.choose", "Choose a drive…", lambda a: a.window.choose_drive(), menu, ("Ctrl+D",),
            "mdi6.folder-multiple-outline", "Show the data set's drives and filter them by typing.", section="set",
        ),
        Command(
            "drive.next", "Next drive", lambda a: a.opener.step_drive(1), menu, ("Ctrl+PgDown",),
            "mdi6.skip-next-outline", "Open the data set's next drive.", enabled=several_drives, section="set",
        ),
        Command(
            "drive.previous", "Previous drive", lambda a: a.opener.step_drive(-1), menu, ("Ctrl+PgUp",),
            "mdi6.skip-previous-outline", "Open the data set's previous drive.", enabled=several_drives,
            section="set",
        ),
        Command(
            "drive.camera_next", "Next camera", lambda a: a.opener.step_camera(1), menu, ("C",),
            "mdi6.camera-switch-outline", "Show this moment through the drive's next camera or image topic.",
            enabled=several_cameras, section="camera",
        ),
        Command(
            "drive.camera_previous", "Previous camera", lambda a: a.opener.step_camera(-1), menu, ("Shift+C",),
            "mdi6.camera-switch", "Show this moment through the drive's previous camera or image topic.",
            enabled=several_cameras, section="camera",
        ),
        Command(
            "drive.pose_topic", "Next pose topic", lambda a: a.opener.step_pose_topic(), menu, (),
            "mdi6.map-marker-path", "Take the poses from the log's next topic of poses.",
            enabled=several_topics, section="camera",
        ),
    ]  # fmt: skip


def _playback() -> list[Command]:
    def plain(
        id: str, text: str, run: Callable[[Inspector], object], keys: tuple[str, ...], icon: str, tip: str,
        section: str, checked: Callable[[Inspector], bool] | None = None,
    ) -> Command:  # fmt: skip
        return Command(
            f"play.{id}", text, run, "Playback", keys, icon, tip, checked, enabled=_has_drive, section=section
        )

    return [
        plain("toggle", "Play / pause", lambda a: a.timeline.toggle_play(), ("Space",), "mdi6.play",
              "Play in real time from the cursor, or stop.", "play", lambda a: a.timeline.playing),
        plain("backwards", "Play backwards", lambda a: a.timeline.shuttle(-1), ("J",), "mdi6.rewind",
              "Play backwards; again: faster.", "play"),
        plain("stop", "Stop", lambda a: a.timeline.pause(), ("K",), "mdi6.stop", "Stop playing.", "play"),
        plain("forwards", "Play forwards", lambda a: a.timeline.shuttle(1), ("L",), "mdi6.fast-forward",
              "Play forwards; again: faster.", "play"),
        plain("slower", "Slower", lambda a: a.timeline.slower(), ("-",), "mdi6.speedometer-slow",
              "Next slower playback speed, down to 0.1×.", "speed"),
        plain("faster", "Faster", lambda a: a.timeline.faster(), ("=", "+"), "mdi6.speedometer",
              "Next faster playback speed, up to 8×.", "speed"),
        plain("previous", "Previous frame", lambda a: a.timeline.step(-1), ("Left",), "mdi6.step-backward",
              "One frame back.", "step"),
        plain("next", "Next frame", lambda a: a.timeline.step(1), ("Right",), "mdi6.step-forward",
              "One frame on.", "step"),
        plain("second_back", "Back one second", lambda a: a.timeline.jump(-1.0), ("Shift+Left",),
              "mdi6.skip-backward-outline", "One second back.", "step"),
        plain("second_on", "On one second", lambda a: a.timeline.jump(1.0), ("Shift+Right",),
              "mdi6.skip-forward-outline", "One second on.", "step"),
        plain("event_back", "Previous event", lambda a: a.go_to_event(-1), ("Ctrl+Left",),
              "mdi6.ray-end-arrow", "The error peak or change of regime before the cursor.", "step"),
        plain("event_on", "Next event", lambda a: a.go_to_event(1), ("Ctrl+Right",), "mdi6.ray-start-arrow",
              "The error peak or change of regime after the cursor.", "step"),
        plain("home", "First frame", lambda a: a.timeline.home(), ("Home",), "mdi6.page-first",
              "To the beginning of the drive.", "ends"),
        plain("end", "Last frame", lambda a: a.timeline.end(), ("End",), "mdi6.page-last",
              "To the end of the drive.", "ends"),
        plain("go_to", "Go to frame or time…", lambda a: a.ask_go_to(), ("G",), "mdi6.target",
              "Enter a frame number, or a time such as 12.5 s or 1:02.5.", "ends"),
        plain("loop_start", "Loop from here", lambda a: a.timeline.set_loop_start(), ("[",),
              "mdi6.code-brackets", "The loop begins at the cursor.", "loop"),
        plain("loop_end", "Loop to here", lambda a: a.timeline.set_loop_end(), ("]",),
              "mdi6.code-brackets", "The loop ends at the cursor.", "loop"),
        plain("loop", "Loop", lambda a: a.toggle_loop(), ("\\",), "mdi6.repeat",
              "Repeat the loop range; without one, the whole drive.", "loop",
              lambda a: a.timeline.loop_enabled),
        plain("loop_clear", "Clear loop range", lambda a: a.timeline.clear_loop(), (), "mdi6.repeat-off",
              "Forget the loop range.", "loop"),
    ]  # fmt: skip


def _view() -> list[Command]:
    out = [
        Command(
            f"view.panel.{key}", title, _of(key, lambda a, k: a.window.toggle_panel(k)), "View/Panels", (),
            "mdi6.dock-window", f"Show or hide the panel {title}.",
            _of(key, lambda a, k: a.window.panel_shown(k)), section="panels",
        )
        for key, title in PANELS.items()
    ]  # fmt: skip
    out += [
        Command(
            f"view.colour.{key.replace(' ', '_')}", key.capitalize(),
            _of(key, lambda a, k: a.set_colour_by(k)), "View/Colour by",
            (str(i + 1),) if i < 6 else (), "mdi6.palette-outline", f"Colour the map and the path by {key}.",
            _of(key, lambda a, k: bool(a.display.colour_by == k)), group="colour",
        )
        for i, key in enumerate(COLOUR_BY)
    ]  # fmt: skip
    out += [
        Command(
            f"view.align.{key}", name, _of(key, lambda a, k: a.set_alignment(k)), "View/Alignment",
            (), "mdi6.vector-polyline", tip,
            _of(key, lambda a, k: bool(a.display.alignment == k)), group="alignment",
        )
        for key, name, tip in (
            ("se3", ALIGNMENT_NAMES["se3"], "Lay the prediction on the truth by rotation and translation."),
            ("sim3", ALIGNMENT_NAMES["sim3"], "Lay the prediction on the truth, scaling it as well."),
            ("raw", ALIGNMENT_NAMES["raw"], "Only put the first predicted pose on the true one."),
        )
    ]  # fmt: skip
    out += [
        Command(
            f"view.lidar.{key}", CLOUD_NAMES[key], _of(key, lambda a, k: a.set_cloud(k)), "View/Lidar", keys,
            "mdi6.dots-hexagon", tip, _of(key, lambda a, k: bool(a.display.cloud == k)), group="lidar",
            enabled=lambda a: a.session.drive is not None and a.session.drive.point_cloud is not None,
        )
        for key, keys, tip in (
            ("off", (), "Show no lidar points in 3D."),
            ("frame", (), "Show the lidar points of the frame at the cursor."),
            ("truth", (), "Lay the drive's sweeps along the true path: walls are sharp where it is right."),
            ("prediction", (), "Lay the drive's sweeps along the predicted path: drift shows as smeared walls."),
        )
    ]  # fmt: skip
    out += [
        Command(
            "view.lidar.next", "Switch lidar", lambda a: a.step_cloud(), "View/Lidar", ("Shift+L",),
            "mdi6.dots-hexagon", "From no lidar to the cursor's sweep, to all along the truth, the prediction.",
            enabled=lambda a: a.session.drive is not None and a.session.drive.point_cloud is not None,
        )
    ]  # fmt: skip
    out += [
        Command(
            f"view.overlay.{key}", name,
            _of(key, lambda a, k: a.display.set_overlay(k, not a.display.overlay(k))),
            "View/Overlays", (), "mdi6.layers-outline", f"Show or hide: {name.lower()}.",
            _of(key, lambda a, k: a.display.overlay(k)),
        )
        for key, name in OVERLAYS.items()
    ]  # fmt: skip
    out += [
        Command(
            "view.follow", "Follow camera", lambda a: a.toggle_follow(), "View", ("F",), "mdi6.video-3d",
            "The 3D view follows the car.", lambda a: a.display.follow, section="3d",
        ),
        Command(
            "view.top", "Top view", lambda a: a.display.view_requested.emit("top"), "View", ("T",),
            "mdi6.map-outline", "Look at the paths from above.", section="3d",
        ),
        Command(
            "view.reset", "Reset 3D view", lambda a: a.display.view_requested.emit("reset"), "View", ("R",),
            "mdi6.axis-arrow", "Show the whole drive in 3D.", section="3d",
        ),
        Command(
            "view.theme", "Light theme", lambda a: a.toggle_theme(), "View", ("Ctrl+T",),
            "mdi6.theme-light-dark", "Switch between the dark and the light theme.",
            lambda a: a.display.theme == "light", section="window",
        ),
        Command(
            "view.full_screen", "Full screen", lambda a: a.window.toggle_full_screen(), "View", ("F11",),
            "mdi6.fullscreen", "Fill the screen, or go back.", lambda a: a.window.isFullScreen(),
            section="window",
        ),
        Command(
            "view.reset_layout", "Reset layout", lambda a: a.window.reset_layout(), "View", (),
            "mdi6.view-dashboard-outline", "Put every panel back where it was at first.", section="window",
        ),
    ]  # fmt: skip
    return out


def _analyse() -> list[Command]:
    out = [
        Command(
            "analyse.toggle", "Analyse / pause", lambda a: a.toggle_analysis(), "Analyse", ("F5",),
            "mdi6.brain", "Run the model over the drive from the cursor on, or pause it.",
            lambda a: a.analysis.running, enabled=lambda a: a.session.drive is not None and a.has_model,
            section="run",
        ),
        Command(
            "analyse.cancel", "Cancel", lambda a: a.cancel(), "Analyse", ("Esc",),
            "mdi6.stop-circle-outline",
            "Give up opening a log, or stop the analysis within one window; what is done is kept.",
            enabled=lambda a: a.analysis.running or a.opener.busy, section="run",
        ),
        Command(
            "analyse.checkpoint", "Checkpoint…", lambda a: a.choose_checkpoint(), "Analyse", (),
            "mdi6.database-outline", "Choose the folder of another trained model.", section="model",
        ),
    ]  # fmt: skip
    out += [
        Command(
            f"analyse.rate.{rate:g}", f"{rate:g} Hz", _of(rate, lambda a, r: a.set_rate(r)),
            "Analyse/Rate", (),
            "mdi6.sine-wave", f"Analyse {rate:g} frames per second of the drive.",
            _of(rate, lambda a, r: bool(a.session.rate == r)), group="rate",
        )
        for rate in RATES
    ]  # fmt: skip
    return out


def _export() -> list[Command]:
    rows = (
        ("predicted", "tum", "Predicted path as TUM…", ("Ctrl+E",), _has_prediction),
        ("predicted", "kitti", "Predicted path as KITTI…", ("Ctrl+Shift+E",), _has_prediction),
        ("truth", "tum", "True path as TUM…", (), _has_truth),
        ("truth", "kitti", "True path as KITTI…", (), _has_truth),
    )
    return [
        Command(
            f"export.{what}.{form}", text, _of((what, form), lambda a, k: a.choose_export(*k)),
            "Export", keys,
            "mdi6.export-variant", f"Write the {what.replace('truth', 'true')} trajectory to a text file.",
            enabled=enabled, section=what,
        )
        for what, form, text, keys, enabled in rows
    ]  # fmt: skip


def _help() -> list[Command]:
    return [
        Command(
            "help.palette", "Command palette", lambda a: a.show_palette(), "Help", ("Ctrl+P",),
            "mdi6.magnify", "Find any command by typing a part of it.", section="find",
        ),
        Command(
            "help.shortcuts", "Keyboard shortcuts", lambda a: a.show_shortcuts(), "Help", ("?", "F1"),
            "mdi6.keyboard-outline", "Every key and what it does.", section="find",
        ),
        Command(
            "help.about", "About LA-Pose Inspector", lambda a: a.show_about(), "Help", (),
            "mdi6.information-variant", "Version, model and licence.", section="about",
        ),
    ]  # fmt: skip
