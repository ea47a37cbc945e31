"""Every command of the program, declared once; menus, toolbar, palette and shortcut sheet read it."""

from lapose_inspector.actions.analyse import analyse_commands
from lapose_inspector.actions.annotate import annotate_commands
from lapose_inspector.actions.command import MENUS, PANELS, Command
from lapose_inspector.actions.compare import compare_commands
from lapose_inspector.actions.export import export_commands
from lapose_inspector.actions.file import file_commands
from lapose_inspector.actions.help import help_commands
from lapose_inspector.actions.playback import playback_commands
from lapose_inspector.actions.select import select_commands
from lapose_inspector.actions.triage import triage_commands
from lapose_inspector.actions.view import view_commands

__all__ = ["MENUS", "PANELS", "Command", "commands"]


def commands() -> tuple[Command, ...]:
    """All commands, in menu order."""
    return (
        *file_commands(),
        *playback_commands(),
        *view_commands(),
        *select_commands(),
        *analyse_commands(),
        *compare_commands(),
        *annotate_commands(),
        *triage_commands(),
        *export_commands(),
        *help_commands(),
    )
