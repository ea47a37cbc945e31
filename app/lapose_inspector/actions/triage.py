"""The commands of the menu Analyse that go through the triage list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapose_inspector.actions.command import Command

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector


def triage_commands() -> list[Command]:
    def listed(app: Inspector) -> bool:
        return bool(app.triage.model.items)

    menu = "Analyse/Triage"
    return [
        Command(
            "triage.next", "Next segment", lambda a: a.triage.step(1), menu, ("N",), "mdi6.arrow-down-bold-outline",
            "Go to the worst frame of the triage list's next segment.", enabled=listed, section="step",
        ),
        Command(
            "triage.previous", "Previous segment", lambda a: a.triage.step(-1), menu, ("P",),
            "mdi6.arrow-up-bold-outline", "Go to the worst frame of the triage list's previous segment.",
            enabled=listed, section="step",
        ),
        Command(
            "triage.select", "Select segment", lambda a: a.triage.select_current(), menu, (), "mdi6.selection",
            "Select the transitions of the segment that was gone to.",
            enabled=lambda a: a.triage.model.current is not None, section="select",
        ),
        Command(
            "triage.select_all", "Select listed segments", lambda a: a.triage.select_listed(), menu, (),
            "mdi6.selection-multiple", "Select the transitions of every segment that the triage list shows.",
            enabled=listed, section="select",
        ),
        Command(
            "triage.analyse_set", "Analyse the set's other drives", lambda a: a.set_analyser.start(), menu, (),
            "mdi6.folder-play-outline",
            "Analyse the drives of the set that have no results at this rate by this model, in the background.",
            enabled=lambda a: bool(a.triage.model.missing) and a.model.loaded and not a.triage.model.doing,
            section="set",
        ),
        Command(
            "triage.cancel_set", "Stop analysing the set", lambda a: a.set_analyser.cancel(), menu, (),
            "mdi6.stop-circle-outline", "Stop analysing other drives of the set; what is done is kept.",
            enabled=lambda a: bool(a.triage.model.doing), section="set",
        ),
        Command(
            "triage.show", "Triage list", lambda a: a.triage.show_list(), menu, ("Ctrl+Shift+T",),
            "mdi6.format-list-numbered", "Show the segments of the drive, the worst first, and filter them by typing.",
            section="show",
        ),
        Command(
            "triage.why", "Why here", lambda a: a.window.show_panel("why"), menu, ("W",), "mdi6.help-circle-outline",
            "Show the error, the confidence and its parts, and what the model looked at, for the cursor's transition.",
            section="show",
        ),
        Command(
            "triage.regimes", "Regime table", lambda a: a.triage.show_regimes(), menu, ("Ctrl+Shift+R",),
            "mdi6.table", "Show the figures of each motion regime beside constant-forward.", section="show",
        ),
    ]  # fmt: skip
