"""The commands of the menu View: what is shown, and how."""

from __future__ import annotations

from lapose_inspector.actions.command import PANELS, Command, of
from lapose_inspector.models.display import ALIGNMENT_NAMES, CLOUD_NAMES, COLOUR_BY, OVERLAYS


def view_commands() -> list[Command]:
    out = [
        Command(
            f"view.panel.{key}", title, of(key, lambda a, k: a.window.toggle_panel(k)), "View/Panels", (),
            "mdi6.dock-window", f"Show or hide the panel {title}.",
            of(key, lambda a, k: a.window.panel_shown(k)), section="panels",
        )
        for key, title in PANELS.items()
    ]  # fmt: skip
    out += [
        Command(
            f"view.colour.{key.replace(' ', '_')}", key.capitalize(),
            of(key, lambda a, k: a.set_colour_by(k)), "View/Colour by",
            (str(i + 1),) if i < 6 else (), "mdi6.palette-outline", f"Colour the map and the path by {key}.",
            of(key, lambda a, k: bool(a.display.colour_by == k)), group="colour",
        )
        for i, key in enumerate(COLOUR_BY)
    ]  # fmt: skip
    out += [
        Command(
            f"view.align.{key}", name, of(key, lambda a, k: a.set_alignment(k)), "View/Alignment",
            (), "mdi6.vector-polyline", tip,
            of(key, lambda a, k: bool(a.display.alignment == k)), group="alignment",
        )
        for key, name, tip in (
            ("se3", ALIGNMENT_NAMES["se3"], "Lay the prediction on the truth by rotation and translation."),
            ("sim3", ALIGNMENT_NAMES["sim3"], "Lay the prediction on the truth, scaling it as well."),
            ("raw", ALIGNMENT_NAMES["raw"], "Only put the first predicted pose on the true one."),
        )
    ]  # fmt: skip
    out += [
        Command(
            f"view.lidar.{key}", CLOUD_NAMES[key], of(key, lambda a, k: a.set_cloud(k)), "View/Lidar", keys,
            "mdi6.dots-hexagon", tip, of(key, lambda a, k: bool(a.display.cloud == k)), group="lidar",
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
            f"view.lidar.by_{key}", f"Lidar by {key}", of(key, lambda a, k: a.set_cloud_colour(k)), "View/Lidar", (),
            "mdi6.palette-outline", tip, of(key, lambda a, k: bool(a.display.cloud_colour == k)), group="lidar colour",
            enabled=lambda a: a.session.drive is not None and a.session.drive.point_cloud is not None,
        )
        for key, tip in (
            ("height", "Colour lidar points by their height over the road."),
            ("intensity", "Colour lidar points by the intensity of the echo, where the log has it."),
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
            of(key, lambda a, k: a.display.set_overlay(k, not a.display.overlay(k))),
            "View/Overlays", (), "mdi6.layers-outline", f"Show or hide: {name.lower()}.",
            of(key, lambda a, k: a.display.overlay(k)),
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
