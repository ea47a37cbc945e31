"""A label whose text changes often, and which stays as large as it is as long as the text fits."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize
from PySide6.QtWidgets import QLabel, QWidget

SPARE = 0.75
"""The share of the letters that it was made large for with which another kind of text has come: the label shrinks."""


class SteadyLabel(QLabel):
    """Set its text with ``show_text``. A plain label tells its layout of every new text, and at the end of that the
    whole window is laid out anew, in a millisecond; one of fixed size tells nobody.

    Args:
        widest: a text for which there is always room.
    """

    def __init__(self, widest: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._widest = widest
        self._letters = 0
        """Of the text that it was made so large for."""

    def show_text(self, text: str, widest: str | None = None) -> None:
        """Show ``text``, as wide as before where that is wide enough; where ``widest`` is given and another one than
        before, as wide as the two need."""
        anew = widest is not None and widest != self._widest
        self._widest = self._widest if widest is None else widest
        if anew or text != self.text():
            self.setText(text)
            self._fit(anew=anew)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit(anew=True)

    def _fit(self, *, anew: bool = False) -> None:
        letters = len(self.text())
        if anew or letters < SPARE * self._letters:
            self.setMinimumSize(0, 0)  # else Qt's hint would not be smaller
        hint = self.sizeHint()
        needed = QSize(max(hint.width(), self.fontMetrics().horizontalAdvance(self._widest)), hint.height())
        if needed != self.minimumSize():
            self._letters = letters
            self.setFixedSize(needed)
