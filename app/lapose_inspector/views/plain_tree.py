"""A table without frame or branches, as wide as its panel."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QFrame, QHeaderView, QTreeWidget


def plain_tree(columns: Sequence[str], stretched: int) -> QTreeWidget:
    """A tree of rows with these columns, of which one takes what the others leave."""
    tree = QTreeWidget()
    tree.setRootIsDecorated(False)
    tree.setUniformRowHeights(True)
    tree.setFrameShape(QFrame.Shape.NoFrame)
    tree.setHeaderLabels(list(columns))
    header = tree.header()
    header.setStretchLastSection(False)
    for column in range(len(columns)):
        mode = QHeaderView.ResizeMode.Stretch if column == stretched else QHeaderView.ResizeMode.ResizeToContents
        header.setSectionResizeMode(column, mode)
    return tree
