"""A dialog that stays open while the file it asks for is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFileDialog, QLineEdit, QProgressBar, QVBoxLayout, QWidget

from lapose_inspector.views.forms import column_of, form_rows, say, with_buttons, words


class WriteDialog(QDialog):
    """Rows of choices and a destination, a note that follows them, what went wrong, progress, Export and Close.

    A dialog of this kind fills ``rows``, ends with ``finish``, and says what it asks for, when it can be asked, which
    words belong to it and what it is called where the user looks for a place.
    """

    wanted = Signal(object)
    """The ``request``."""
    given_up = Signal()

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self._running, self._own_name = False, ""
        self.column: QVBoxLayout = column_of(self)
        self.rows = form_rows()
        self.destination = QLineEdit()
        self.note, self.problem = words("muted"), words("warning")
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.buttons = QDialogButtonBox()
        self.export_button = self.buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        self.export_button.setDefault(True)
        self.close_button = self.buttons.addButton("Close", QDialogButtonBox.ButtonRole.RejectRole)
        self.close_button.setAutoDefault(False)
        self.buttons.accepted.connect(self.submit)
        self.buttons.rejected.connect(self._on_reject)
        self.destination.textChanged.connect(self.refresh)

    def finish(self, *, stretch: bool = True) -> None:
        """Add the destination to the rows, and all below them to the column."""
        self.rows.addRow("Write to", with_buttons(self.destination, ("Browse…", self._browse)))
        self.column.addLayout(self.rows)
        self.column.addWidget(self.note)
        self.column.addWidget(self.problem)
        if stretch:
            self.column.addStretch(1)
        self.column.addWidget(self.bar)
        self.column.addWidget(self.buttons)

    # What each of these dialogs says for itself

    @property
    def request(self) -> Any:
        """What is chosen now."""
        raise NotImplementedError

    @property
    def path(self) -> Path:
        """Where the file is to go."""
        return Path(self.destination.text().strip()).expanduser()

    def choices(self) -> Sequence[QWidget]:
        """What is locked while the file is written."""
        raise NotImplementedError

    def hindrance(self) -> str:
        """Why nothing can be written as it is chosen now, or ""."""
        raise NotImplementedError

    def describe(self) -> str:
        """The note where nothing is in the way."""
        raise NotImplementedError

    def own_name(self) -> str:
        """The file's name as long as the user has given none."""
        raise NotImplementedError

    def kind(self) -> tuple[str, str]:
        """Title and filter of the search for a place."""
        raise NotImplementedError

    # What is shown

    def submit(self) -> None:
        """Ask for the file."""
        if self.export_button.isEnabled():
            self.show_problem("")
            self.wanted.emit(self.request)

    def show_running(self, running: bool) -> None:
        """Lock the choices while the file is written."""
        self._running = running
        self.bar.setValue(0)
        self.close_button.setText("Cancel" if running else "Close")
        self.refresh()

    def show_progress(self, share: float) -> None:
        """The share that is done, 0 to 1."""
        if self._running:
            self.bar.setValue(round(1000 * share))

    def show_problem(self, problem: str) -> None:
        """Say what went wrong, and let it be tried again."""
        self.show_running(False)
        say(self.problem, problem)

    def refresh(self, *_: Any) -> None:
        """Follow what is chosen."""
        self._name()
        hindrance = self.hindrance()
        if not hindrance and not self.destination.text().strip():
            hindrance = "Name a file to write to."
        self.export_button.setEnabled(not hindrance and not self._running)
        self.bar.setVisible(self._running)
        for widget in (*self.choices(), self.destination):
            widget.setEnabled(not self._running)
        replaced = " The file there will be replaced." if not hindrance and self.path.is_file() else ""
        say(self.note, "Writing…" if self._running else hindrance or self.describe() + replaced)
        say(self.problem, self.problem.text())

    def _name(self) -> None:
        """Keep the file's name in step with the choices, until the user names it."""
        current = self.destination.text().strip()
        if current != self._own_name:
            return
        self._own_name = self.own_name()
        if current != self._own_name:
            self.destination.setText(self._own_name)

    def _browse(self) -> None:
        title, pattern = self.kind()
        name, _ = QFileDialog.getSaveFileName(self, title, self.destination.text(), pattern)
        if name:
            self.destination.setText(name)

    def _on_reject(self) -> None:
        if self._running:
            self.given_up.emit()
        else:
            self.reject()
