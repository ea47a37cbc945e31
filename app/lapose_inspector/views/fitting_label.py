"""A label with several wordings, of which it shows the longest that it has room for."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QFontMetricsF, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

PAD = 4.0


class FittingLabel(QLabel):
    """Takes whatever width it is given; a text cut off in the middle of a word says less than a shorter one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._wordings: tuple[str, ...] = ("",)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    @property
    def wordings(self) -> tuple[str, ...]:
        """What it can say, the fullest first."""
        return self._wordings

    def set_wordings(self, wordings: Sequence[str]) -> None:
        """Say one of these, the fullest first; the last where none fits."""
        self._wordings = tuple(wordings) or ("",)
        self._choose()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._choose()

    def _choose(self) -> None:
        self.ensurePolished()  # the style sheet sets its font
        metrics, room = QFontMetricsF(self.font()), self.width() - PAD
        fitting = (text for text in self._wordings if metrics.horizontalAdvance(text) <= room)
        text = next(fitting, self._wordings[-1])
        if text != self.text():
            self.setText(text)
