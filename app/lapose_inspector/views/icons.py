"""Icons in a theme's colours."""

from __future__ import annotations

import qtawesome
from PySide6.QtGui import QIcon


def icon(
    name: str, colour: str, *, disabled: str | None = None, active: str | None = None, on: str | None = None
) -> QIcon:
    """An icon of qtawesome's, such as ``mdi6.play``.

    Args:
        colour: and of what is ``disabled``, under the mouse (``active``) and checked (``on``) where it is another.
    """
    others = {"color_disabled": disabled or colour, "color_active": active or colour, "color_on": on or colour}
    return qtawesome.icon(name, color=colour, **others)
