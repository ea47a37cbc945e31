"""Combo boxes under the program's style sheet."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QMainWindow

from lapose_inspector import theme
from lapose_inspector.models.colours import DARK, LIGHT, ThemeColours, rgba
from lapose_inspector.views.combo_box import INSET, ComboBox


@pytest.mark.parametrize("colours", [DARK, LIGHT])
def test_the_arrow_is_seen_in_both_themes(qtbot, colours: ThemeColours) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    box = ComboBox()
    box.addItem("SE(3)")
    window.setCentralWidget(box)
    window.setPalette(theme.qt_palette(colours))
    window.setStyleSheet(theme.style_sheet(colours))
    window.resize(140, 40)
    window.show()
    qtbot.waitExposed(window)
    image = box.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)[:, : 3 * image.width()]
    pixels = pixels.reshape(image.height(), image.width(), 3).astype(float)
    x, y = round(box.width() - INSET), box.height() // 2
    arrow = pixels[y - 5 : y + 6, x - 6 : x + 6].reshape(-1, 3)
    text, ground = rgba(colours.text)[:3] * 255, rgba(colours.raised)[:3] * 255
    contrast = np.abs(arrow - ground).sum(1) / np.abs(text - ground).sum()
    assert 8 <= (contrast > 0.5).sum() <= 40
