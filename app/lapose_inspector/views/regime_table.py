"""Figures per regime beside constant-forward; a click on a cell lists the regime's segments by that figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QBrush, QColor
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from lapose_core.evaluation.numbers import number
from lapose_core.palette import REGIMES
from lapose_inspector.models.colours import ThemeColours
from lapose_inspector.models.triage import SortKey

if TYPE_CHECKING:
    from lapose_core.evaluation.evaluate import Evaluation, Summary

COLUMNS: tuple[tuple[str, str, SortKey], ...] = (
    ("Regime", "What the segments are tagged with; a segment counts in each of its regimes", "time"),
    ("n", "Segments; in brackets those that move enough for AUC", "time"),
    ("AUC@5 [95 %]", "AUC@5 with the signed direction, mean over segments, and its bootstrap interval", "AUC@5"),
    ("Forward", "The same of constant-forward: straight ahead, one metre a transition", "AUC@5"),
    ("Skill", "(AUC − forward) / (100 − forward): 1 is perfect, 0 no better than straight ahead", "AUC@5"),
    ("RRA@5 %", "Frame pairs with a rotation error below 5°", "rotation"),
    ("RTA@5 %", "Frame pairs with a signed direction error below 5°", "direction"),
    ("ATE m", "RMSE of each segment after SE(3) alignment, mean", "ATE cost"),
    ("Scale %", "Median of |predicted / true mean step − 1|", "scale"),
)


class RegimeTable(QTableWidget):
    """Read only. ``chosen`` carries a regime's name ("" for all) and by which figure to sort."""

    chosen = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(COLUMNS), parent)
        for column, (name, tip, _) in enumerate(COLUMNS):
            heading = QTableWidgetItem(name)
            heading.setToolTip(tip)
            self.setHorizontalHeaderItem(column, heading)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(24)
        self.setShowGrid(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        self.setAccessibleName("Regimes")
        self.cellClicked.connect(self._on_cell)
        self._names: list[str] = []

    def show_figures(self, evaluation: Evaluation | None, colours: ThemeColours) -> None:
        """Show a table of regimes, or nothing."""
        rows = [] if evaluation is None else [("all", evaluation.overall), *evaluation.regimes.items()]
        self._names = [name for name, _ in rows]
        self.setRowCount(len(rows))
        for row, (name, summary) in enumerate(rows):
            for column, text in enumerate(_cells(name, summary)):
                item = QTableWidgetItem(text)
                if column == 0 and name in REGIMES:
                    item.setForeground(QBrush(QColor(REGIMES[name])))
                elif column == 3:
                    item.setForeground(QBrush(QColor(colours.muted)))
                item.setToolTip(f"Click: list these {summary.clips} segments")
                self.setItem(row, column, item)

    def _on_cell(self, row: int, column: int) -> None:
        self.chosen.emit("" if row == 0 else self._names[row], COLUMNS[column][2])


def _cells(name: str, s: Summary) -> list[str]:
    low, high = s.intervals["auc5_signed"]
    span = f" [{number(low, 0)}, {number(high, 0)}]" if low == low else ""
    count = str(s.clips) if s.counted == s.clips else f"{s.clips} ({s.counted})"
    return [
        name,
        count,
        f"{number(s.model['auc5_signed'], 1)}{span}",
        number(s.forward["auc5_signed"], 1),
        number(s.skill_auc5_signed, 2),
        number(s.model["rra5"], 0),
        number(s.model["rta5_signed"], 0),
        number(s.model["ate_m"], 2),
        number(100 * s.model["scale_error"], 0),
    ]
