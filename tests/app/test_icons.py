"""Icons in the colours of what their buttons are."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QIcon

from lapose_inspector.views.icons import icon

SIZE = QSize(24, 24)


def colours(picture: QIcon, mode: QIcon.Mode, state: QIcon.State) -> set[str]:
    """Of the pixels that are drawn in full."""
    image = picture.pixmap(SIZE, mode, state).toImage()
    pixels = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
    return {QColor(p.rgb()).name() for p in pixels if p.alpha() == 255}


@pytest.mark.usefixtures("qapp")
def test_an_icon_has_the_colour_of_what_its_button_is() -> None:
    made = icon("mdi6.stop", "#112233", disabled="#445566", active="#778899", on="#aabbcc")
    off, on = QIcon.State.Off, QIcon.State.On
    assert colours(made, QIcon.Mode.Normal, off) == {"#112233"}
    assert colours(made, QIcon.Mode.Normal, on) == {"#aabbcc"}
    assert colours(made, QIcon.Mode.Disabled, off) == {"#445566"}
    assert colours(made, QIcon.Mode.Active, off) == {"#778899"}
    plain = icon("mdi6.stop", "#112233")
    assert colours(plain, QIcon.Mode.Disabled, on) == {"#112233"}


@pytest.mark.usefixtures("qapp")
def test_different_names_are_different_pictures() -> None:
    images = [icon(f"mdi6.{name}", "#000000").pixmap(SIZE).toImage() for name in ("play", "pause", "stop")]
    assert images[0] != images[1] != images[2] != images[0]
