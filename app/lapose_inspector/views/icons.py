"""Icons: glyphs of the Material Design font that comes with qtawesome, drawn when they are shown.

qtawesome itself is not imported: that loads every class of Qt and, with the first icon, twelve fonts, which took a
tenth of the time to the opening screen.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QIconEngine, QPainter, QPixmap

PREFIX = "mdi6."
FONT = "materialdesignicons6-webfont"
SHARE = 0.875
"""Of an icon's height: the font's size, which leaves room for what a glyph has round it."""


def icon(
    name: str, colour: str, *, disabled: str | None = None, active: str | None = None, on: str | None = None
) -> QIcon:
    """An icon in a theme's colours.

    Args:
        name: as qtawesome has it, such as ``mdi6.play``.
        colour: and of what is ``disabled``, under the mouse (``active``) and checked (``on``) where it is another.

    Raises:
        KeyError: where there is none of that name.
    """
    by_mode = {QIcon.Mode.Disabled: disabled, QIcon.Mode.Active: active}
    return QIcon(_Glyph(chr(int(_codes()[name.removeprefix(PREFIX)], 16)), colour, on, by_mode))


class _Glyph(QIconEngine):
    def __init__(self, character: str, colour: str, on: str | None, by_mode: dict[QIcon.Mode, str | None]) -> None:
        super().__init__()
        self._character, self._colour, self._on, self._by_mode = character, colour, on, by_mode

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        on = self._on if state == QIcon.State.On else None
        font = QFont(_family())
        font.setPixelSize(max(1, round(SHARE * rect.height())))
        painter.save()
        painter.setFont(font)
        painter.setPen(QColor(self._by_mode.get(mode) or on or self._colour))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, self._character)
        painter.restore()

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        picture = QPixmap(size)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        self.paint(painter, QRect(QPoint(), size), mode, state)
        painter.end()
        return picture

    def clone(self) -> QIconEngine:
        return _Glyph(self._character, self._colour, self._on, self._by_mode)


def _file(pattern: str) -> Path:
    spec = find_spec("qtawesome")
    folders = [] if spec is None else spec.submodule_search_locations or []
    found = [path for folder in folders for path in sorted(Path(folder, "fonts").glob(pattern))]
    if not found:
        raise RuntimeError(f"qtawesome brings no fonts/{pattern}: install qtawesome 1.3 or a later 1")
    return found[-1]


@cache
def _family() -> str:
    font = QFontDatabase.addApplicationFont(str(_file(f"{FONT}-[0-9]*.ttf")))
    return QFontDatabase.applicationFontFamilies(font)[0]


@cache
def _codes() -> dict[str, str]:
    """Name -> code point, hexadecimal."""
    return dict(json.loads(_file(f"{FONT}-charmap-*.json").read_bytes()))
