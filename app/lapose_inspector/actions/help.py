"""The commands of the menu Help: finding commands and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapose_inspector.actions.command import Command

if TYPE_CHECKING:
    pass


def help_commands() -> list[Command]:
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
