"""The commands of the menu Playback: the cursor and how playback moves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lapose_inspector.actions.command import Command, has_drive, of
from lapose_inspector.models.timeline import SPEEDS

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector


def _has_truth(app: Inspector) -> bool:
    return app.session.drive is not None and app.session.drive.pose_valid is not None


def playback_commands() -> list[Command]:
    def plain(
        id: str, text: str, run: Callable[[Inspector], object], keys: tuple[str, ...], icon: str, tip: str,
        section: str, checked: Callable[[Inspector], bool] | None = None,
    ) -> Command:  # fmt: skip
        return Command(
            f"play.{id}", text, run, "Playback", keys, icon, tip, checked, enabled=has_drive, section=section
        )

    return [
        plain("toggle", "Play / pause", lambda a: a.timeline.toggle_play(), ("Space",), "mdi6.play",
              "Play from the cursor, or stop.", "play", lambda a: a.timeline.playing),
        plain("backwards", "Play backwards", lambda a: a.player.shuttle(-1), ("J",), "mdi6.rewind",
              "Play backwards; again: faster. While K is held: one frame back.", "play"),
        plain("stop", "Stop", lambda a: a.timeline.pause(), ("K",), "mdi6.stop", "Stop playing.", "play"),
        plain("forwards", "Play forwards", lambda a: a.player.shuttle(1), ("L",), "mdi6.fast-forward",
              "Play forwards; again: faster. While K is held: one frame on.", "play"),
        plain("slower", "Slower", lambda a: a.timeline.slower(), ("-",), "mdi6.speedometer-slow",
              "Next slower playback speed, down to 0.1×.", "speed"),
        plain("faster", "Faster", lambda a: a.timeline.faster(), ("=", "+"), "mdi6.speedometer",
              "Next faster playback speed, up to 8×.", "speed"),
        plain("every_frame", "Every frame", lambda a: a.player.toggle_every_frame(), ("X, 0",),
              "mdi6.filmstrip", "Wait for each frame instead of leaving out those that come late.", "speed",
              lambda a: a.timeline.every_frame),
        plain("previous", "Previous frame", lambda a: a.timeline.step(-1), ("Left",), "mdi6.step-backward",
              "One frame back.", "step"),
        plain("next", "Next frame", lambda a: a.timeline.step(1), ("Right",), "mdi6.step-forward",
              "One frame on.", "step"),
        plain("second_back", "Back one second", lambda a: a.timeline.jump(-1.0), ("Shift+Left",),
              "mdi6.skip-backward-outline", "One second back.", "step"),
        plain("second_on", "On one second", lambda a: a.timeline.jump(1.0), ("Shift+Right",),
              "mdi6.skip-forward-outline", "One second on.", "step"),
        plain("event_back", "Previous event", lambda a: a.go_to_event(-1), ("Ctrl+Left",),
              "mdi6.ray-end-arrow", "The error peak, change of regime or note before the cursor.", "step"),
        plain("event_on", "Next event", lambda a: a.go_to_event(1), ("Ctrl+Right",), "mdi6.ray-start-arrow",
              "The error peak, change of regime or note after the cursor.", "step"),
        plain("error_back", "Previous error peak", lambda a: a.player.go_to_error(-1), ("Ctrl+Shift+Left",),
              "mdi6.arrow-left-bold-hexagon-outline", "The peak of an error before the cursor.", "step"),
        plain("error_on", "Next error peak", lambda a: a.player.go_to_error(1), ("Ctrl+Shift+Right",),
              "mdi6.arrow-right-bold-hexagon-outline", "The peak of an error after the cursor.", "step"),
        *(
            Command(
                f"play.truth_{id}", text, of(way, lambda a, w: a.player.go_to_truth(w)), "Playback", (key,), icon, tip,
                enabled=_has_truth, section="step",
            )
            for id, text, way, key, icon, tip in (
                ("back", "Previous true pose", -1, "Alt+Left", "mdi6.map-marker-left-outline",
                 "The frame with a true pose before the cursor."),
                ("on", "Next true pose", 1, "Alt+Right", "mdi6.map-marker-right-outline",
                 "The frame with a true pose after the cursor."),
            )
        ),
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
        Command(
            "play.loop_selection", "Loop the selection", lambda a: a.player.loop_selection(), "Playback",
            ("Ctrl+\\",), "mdi6.repeat-variant",
            "Repeat the selected stretch at the cursor, or the next one after it.",
            enabled=lambda a: a.instruments.can_step(), section="loop",
        ),
        plain("loop_clear", "Clear loop range", lambda a: a.timeline.clear_loop(), (), "mdi6.repeat-off",
              "Forget the loop range.", "loop"),
        *(
            Command(
                f"play.speed.{speed:g}", f"{speed:g}×", of(speed, lambda a, s: setattr(a.timeline, "speed", s)),
                "Playback/Speed", (f"X, {n}",), "mdi6.speedometer-medium", f"Play at {speed:g} times real time.",
                of(speed, lambda a, s: bool(a.timeline.speed == s)), group="speed", enabled=has_drive,
            )
            for n, speed in enumerate(SPEEDS, 1)
        ),
    ]  # fmt: skip
