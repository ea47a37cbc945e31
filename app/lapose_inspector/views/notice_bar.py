"""A line over the panels that says what looks wrong with the log, until it is dismissed."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from lapose_inspector.models.session import Session


class NoticeBar(QFrame):
    """Shows the open log's ``problems``; hidden where there are none."""

    shown = Signal(bool)
    """Whether there is anything to say."""

    def __init__(self, session: Session, remedy: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setObjectName("notice")
        self.text = QLabel()
        self.text.setProperty("warning", True)
        # One that is longer than the window is cut off; the tooltip has all of it.
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.remedy, self.dismiss = QToolButton(), QToolButton()
        self.remedy.setDefaultAction(remedy)
        self.remedy.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.dismiss.setText("Dismiss")
        self.dismiss.setToolTip("Hide this notice; File > Drive information keeps it")
        self.dismiss.clicked.connect(lambda: self.shown.emit(False))
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 3, 8, 3)
        row.addWidget(self.text, 1)
        row.addWidget(self.remedy)
        row.addWidget(self.dismiss)
        session.drive_changed.connect(self.show_problems)

    def close_panel(self) -> None:
        """Let go of the session."""
        self._session.drive_changed.disconnect(self.show_problems)

    def show_problems(self) -> None:
        """Say what looks wrong with the open log."""
        log = self._session.log
        problems = () if log is None else log.problems
        self.text.setText(" ".join(problems))
        self.text.setToolTip("\n".join(problems))
        self.shown.emit(bool(problems))
