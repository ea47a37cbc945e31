"""The two frames of a transition beside the mouse, with what the model says about them."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QWidget

from lapose_core.drive import Image
from lapose_inspector.models.colours import ThemeColours

WIDTH = 160
"""Of each picture in pixels."""


class PairPopup(QFrame):
    """Shown at once with its text; the pictures follow when they are read."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("pair")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._pair: tuple[int, int] | None = None
        self.pictures = (QLabel(self), QLabel(self))
        self._captions = (QLabel(self), QLabel(self))
        self._text = QLabel(self)
        layout = QGridLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(4)
        for column, (picture, caption) in enumerate(zip(self.pictures, self._captions)):
            picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(picture, 0, column)
            layout.addWidget(caption, 1, column)
        layout.addWidget(self._text, 2, 0, 1, 2)
        self.hide()

    @property
    def pair(self) -> tuple[int, int] | None:
        """The frames that are described."""
        return self._pair

    @property
    def text(self) -> str:
        return self._text.text()

    @property
    def has_pictures(self) -> bool:
        """Whether the pictures of this pair are in."""
        return all(not label.pixmap().isNull() for label in self.pictures)

    def describe(
        self, pair: tuple[int, int], captions: tuple[str, str], text: str, aspect: float, *, pictures: bool = True
    ) -> None:
        """Take another pair of frames; their pictures are ``aspect`` times as wide as high. Without ``pictures``
        none will come: the frames are another drive's."""
        for label in self.pictures:
            label.setVisible(pictures)
        if not pictures:
            self._pair = None
        elif pair != self._pair:
            self._pair = pair
            for label in self.pictures:
                label.clear()
                label.setText("…")
                label.setFixedSize(WIDTH, max(16, round(WIDTH / aspect)))
        for label, caption in zip(self._captions, captions):
            label.setText(caption)
        self._text.setText(text)

    def forget(self) -> None:
        """Hide, and keep no picture: another drive has other pictures under the same frame numbers."""
        self._pair = None
        for label in self.pictures:
            label.clear()
        self.hide()

    def set_pictures(self, pair: tuple[int, int], pictures: tuple[Image, Image]) -> None:
        """Pictures [h, w, 3] of a pair; those of another pair than the described one are late: dropped."""
        if pair != self._pair:
            return
        for label, picture in zip(self.pictures, pictures):
            pixels = np.ascontiguousarray(picture)
            height, width = pixels.shape[:2]
            image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
            keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            label.setPixmap(QPixmap.fromImage(image).scaled(label.size(), keep, smooth))

    def set_failed(self, pair: tuple[int, int] | None, reason: str) -> None:
        """Say that the frames cannot be read."""
        if pair == self._pair:
            for label in self.pictures:
                label.setText("cannot be read")
                label.setToolTip(reason)

    def set_theme(self, colours: ThemeColours) -> None:
        self.setStyleSheet(
            f"QFrame#pair {{ background: {colours.raised}; border: 1px solid {colours.border};"
            f" border-radius: 6px; }}"
            f"QLabel {{ color: {colours.text}; background: transparent; }}"
        )
