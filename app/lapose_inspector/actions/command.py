"""What a command is, which menus and panels there are, and when commands make sense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

MENUS = ("File", "Playback", "View", "Select", "Analyse", "Annotate", "Export", "Help")
PANELS = {
    "drives": "Drives",
    "triage": "Triage",
    "video": "Video",
    "trajectory": "3D trajectory",
    "map": "Latent map",
    "forward": "Forward dynamics",
    "tracks": "Tracks",
    "notes": "Annotations",
    "gallery": "Gallery",
    "compare": "Compare",
    "why": "Why",
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


def of(key: Any, does: Callable[[Inspector, Any], Any]) -> Callable[[Inspector], Any]:
    """``does`` for this ``key``: one command of a family."""
    return lambda app: does(app, key)


def has_drive(app: Inspector) -> bool:
    return app.session.drive is not None


def has_prediction(app: Inspector) -> bool:
    return app.session.analysis is not None and bool(app.session.analysis.done.any())
