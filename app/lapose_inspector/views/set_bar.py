"""Which drives of a set the triage list lacks, and how analysing them gets on."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QToolButton, QWidget

from lapose_inspector.models.triage import Triage
from lapose_inspector.views.action_set import ActionSet

NAMED = 12
"""Drives that the tooltip names."""


class SetBar(QFrame):
    """Shown where the whole set is listed and drives of it have no results, or could not be analysed."""

    def __init__(self, triage: Triage, actions: ActionSet, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._triage = triage
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setFixedWidth(70)
        self.progress.setTextVisible(False)
        # Buttons of their own words: those of the commands are too long for a narrow panel.
        self.analyse = self._button("Analyse", actions["triage.analyse_set"])
        self.cancel = self._button("Cancel", actions["triage.cancel_set"])
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 2, 6, 4)
        row.addWidget(self.words, 1)
        for widget in (self.progress, self.analyse, self.cancel):
            row.addWidget(widget)
        triage.changed.connect(self._show)
        triage.progress_changed.connect(self._show)
        self._show()

    @staticmethod
    def _button(text: str, action: QAction) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setToolTip(action.toolTip())
        button.clicked.connect(action.trigger)
        return button

    def close_panel(self) -> None:
        """Let go of the model."""
        self._triage.changed.disconnect(self._show)
        self._triage.progress_changed.disconnect(self._show)

    def _show(self) -> None:
        triage, count = self._triage, len(self._triage.missing)
        runs = bool(triage.doing)
        text = f"{count} drive{'' if count == 1 else 's'} of the set without results" if count else ""
        if triage.problem:
            text = f"{text}. {triage.problem}" if text else triage.problem
        self.words.setText(f"{triage.doing}…" if runs else text)
        self.words.setProperty("warning", bool(triage.problem) and not runs)
        names = ", ".join(triage.missing[:NAMED]) + (f" and {count - NAMED} more" if count > NAMED else "")
        self.words.setToolTip(f"Not analysed to the end at this rate by this model: {names}" if count else "")
        self.progress.setValue(round(1000 * triage.share))
        self.progress.setVisible(runs)
        self.cancel.setVisible(runs)
        self.analyse.setVisible(bool(count) and not runs)
        self.setVisible(triage.whole_set and bool(runs or text))
