"""Icons and the layout of chips."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QIcon
from PySide6.QtWidgets import QLabel, QWidget

from lapose_inspector.views.flow_layout import FlowLayout
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
    with pytest.raises(KeyError):
        icon("mdi6.no-such-icon", "#000000")


def test_words_flow_into_as_many_rows_as_the_width_needs(qtbot) -> None:
    box = QWidget()
    qtbot.addWidget(box)
    layout = FlowLayout(box)
    layout.setContentsMargins(5, 7, 5, 7)
    layout.setSpacing(3)
    words = [QLabel() for _ in range(5)]
    for word in words:
        word.setFixedSize(40, 10)
        layout.addWidget(word)
    box.resize(5 + 2 * 40 + 3 + 5, 200)
    box.show()
    qtbot.waitUntil(lambda: words[4].y() > 0)
    assert [(w.x(), w.y()) for w in words] == [(5, 7), (48, 7), (5, 20), (48, 20), (5, 33)]
    assert layout.heightForWidth(box.width()) == 7 + 3 * 10 + 2 * 3 + 7
    assert layout.heightForWidth(1000) == 7 + 10 + 7
    layout.removeWidget(words[0])
    assert layout.count() == 4
