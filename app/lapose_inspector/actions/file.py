"""The commands of the menu File: opening and closing drives, and what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapose_inspector.actions.command import Command, has_drive

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector


def file_commands() -> list[Command]:
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
            enabled=has_drive, section="open",
        ),
        *_drive(),
        Command(
            "file.information", "Drive information", lambda a: a.show_information(), "File", ("Ctrl+I",),
            "mdi6.information-outline", "Format, calibration, where values come from, and what was assumed.",
            enabled=has_drive, section="drive",
        ),
        Command(
            "file.close", "Close drive", lambda a: a.close_drive(), "File", ("Ctrl+W",), "mdi6.close",
            "Close the drive; its results stay in the cache.", enabled=has_drive, section="drive",
        ),
        Command(
            "file.memory", "Memory and previews…", lambda a: a.memory.ask(), "File", (), "mdi6.memory",
            "How much memory and disk the program may take to be fast.", section="settings",
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
