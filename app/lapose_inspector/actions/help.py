"""The commands of the menu Help: finding commands and keys."""

from __future__ import annotations

from lapose_core.resources import sample_drive
from lapose_inspector.actions.command import Command


def help_commands() -> list[Command]:
    sample = sample_drive()
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
            "help.tour", "Tour", lambda a: a.tour.start(), "Help", (), "mdi6.map-marker-path",
            "Five steps through the window, on the sample drive where no log is open.", section="learn",
        ),
        Command(
            "help.sample", "Open the sample drive", lambda a: a.tour.open_sample(), "Help", (), "mdi6.car-outline",
            "Open the drive that comes with the program.", enabled=lambda a: sample is not None,
            section="learn",
        ),
        Command(
            "help.about", "About LA-Pose Inspector", lambda a: a.show_about(), "Help", (),
            "mdi6.information-variant", "Version, model and licence.", section="about",
        ),
    ]  # fmt: skip
