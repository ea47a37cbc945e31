"""Four pictures of one transition with a line over each, four in a row or two by two."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QVBoxLayout, QWidget

from lapose_core.drive import Image
from lapose_inspector.models.colours import ThemeColours
from lapose_inspector.views.fitting_label import FittingLabel
from lapose_inspector.visuals.image import ImageCanvas

HEAD, MARGIN, GAP = 16, 6, 6
"""Height of the line over a picture; room around and between the pictures."""


class PictureGrid(QWidget):
    """All four of one size, whatever is in them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.canvases = [ImageCanvas(interactive=False) for _ in range(4)]
        self.captions = [FittingLabel() for _ in range(4)]
        self._columns = 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(MARGIN, 2, MARGIN, 2)
        self._grid.setHorizontalSpacing(GAP)
        self._grid.setVerticalSpacing(2)
        self._cells = []
        for caption, canvas in zip(self.captions, self.canvases, strict=True):
            caption.setAlignment(Qt.AlignmentFlag.AlignCenter)  # as the picture under it
            caption.setFixedHeight(HEAD)
            cell = QWidget()
            cell.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
            box = QVBoxLayout(cell)
            box.setContentsMargins(0, 0, 0, 0)
            box.setSpacing(1)
            box.addWidget(caption)
            box.addWidget(canvas, 1)
            self._cells.append(cell)

    @property
    def columns(self) -> int:
        """4 where the room is wide and low, else 2."""
        return self._columns

    def arrange(self, width: int, height: int) -> None:
        """Lay out for the room that there will be, so that the pictures are as large as they can be."""

        def picture(columns: int) -> float:
            rows = 4 // columns
            wide = (width - 2 * MARGIN - GAP * (columns - 1)) / columns
            return min(wide, ((height - 2 * (rows - 1)) / rows - HEAD - 1) * 15 / 7)

        columns = 4 if picture(4) > picture(2) else 2
        if columns == self._columns:
            return
        self._columns = columns
        for i, cell in enumerate(self._cells):
            self._grid.addWidget(cell, i // columns, i % columns)
        for i in range(4):
            self._grid.setColumnStretch(i, 1 if i < columns else 0)
            self._grid.setRowStretch(i, 1 if i < 4 // columns else 0)

    def set_pictures(self, pictures: Sequence[Image | None]) -> None:
        """Show four pictures [H, W, 3]; None leaves a place empty."""
        for canvas, picture in zip(self.canvases, pictures, strict=True):
            canvas.set_image(picture)

    def set_captions(self, wordings: Sequence[Sequence[str]]) -> None:
        """What stands over each, the fullest wording first; the tooltip has that one."""
        for caption, words in zip(self.captions, wordings, strict=True):
            caption.set_wordings(words)
            caption.setToolTip(words[0])

    def set_colours(self, colours: ThemeColours) -> None:
        for canvas in self.canvases:
            canvas.set_colours(colours.panel, colours.muted)
        for caption in self.captions:
            caption.setStyleSheet(f"color: {colours.muted}; font-size: 11px")
