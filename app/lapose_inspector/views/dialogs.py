"""Dialogs: errors with copyable details, the drive's information, keys, about, go to."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from html import escape

from PySide6.QtCore import Qt, qVersion
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from lapose_inspector import __version__
from lapose_inspector.actions import MENUS, Command
from lapose_inspector.models.session import ModelInfo

Sections = Sequence[tuple[str, Sequence[tuple[str, str]]]]
"""Headings, and under each the rows of a name and a value."""


class Dialog(QDialog):
    """A window-modal dialog that deletes itself; shown with ``open``, which does not block."""

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.box = QVBoxLayout(self)
        self.box.setContentsMargins(18, 16, 18, 14)
        self.box.setSpacing(12)
        self.buttons = QDialogButtonBox()
        # Not the standard button: that brings an icon of the style's own, which no theme colours.
        self.buttons.addButton("Close", QDialogButtonBox.ButtonRole.RejectRole).setDefault(True)
        self.buttons.rejected.connect(self.reject)

    def add_copy_button(self, text: str) -> QPushButton:
        """A button that puts ``text`` on the clipboard and says so."""
        button = self.buttons.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
        button.setAutoDefault(False)

        def copy() -> None:
            QGuiApplication.clipboard().setText(text)
            button.setText("Copied")

        button.clicked.connect(copy)
        return button


class ErrorDialog(Dialog):
    """What went wrong in one sentence. Details for a report are there to copy, and shown when they are asked for."""

    def __init__(self, title: str, message: str, details: str, parent: QWidget) -> None:
        super().__init__(title, parent)
        heading = QLabel(title)
        heading.setStyleSheet("font-size: 15px; font-weight: 600;")
        self.message = QLabel(message)
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        report = (
            f"LA-Pose Inspector {__version__}, Python {platform.python_version()}, Qt {qVersion()}, "
            f"{platform.system()} {platform.machine()}\n\n{message}\n\n{details.strip()}\n"
        )
        self.details = QPlainTextEdit(report)
        self.details.setReadOnly(True)
        self.details.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.details.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.details.setMinimumSize(600, 200)
        self.details.hide()
        self.details_button = QPushButton("Details")
        self.details_button.setCheckable(True)
        self.details_button.setAutoDefault(False)
        self.details_button.toggled.connect(self._show_details)
        self.buttons.addButton(self.details_button, QDialogButtonBox.ButtonRole.HelpRole)
        self.copy_button = self.add_copy_button(report)
        for widget in (heading, self.message, self.details, self.buttons):
            self.box.addWidget(widget)
        self.message.setMinimumWidth(520)

    def _show_details(self, shown: bool) -> None:
        self.details.setVisible(shown)
        self.adjustSize()


class TableDialog(Dialog):
    """Rows of a name, in the colour ``muted``, and a value under headings, as one can read and copy."""

    def __init__(
        self, title: str, sections: Sequence[tuple[str, Sequence[tuple[str, str]]]], muted: str, parent: QWidget
    ) -> None:
        super().__init__(title, parent)
        # One text, for a label in each of a hundred rows would take some 70 ms to be styled and laid out.
        lines: list[str] = []
        rows_shown: list[str] = []
        for heading, rows in sections:
            if not rows:
                continue
            rows_shown.append(f"<tr><td colspan=2 style='padding-top: 8px'><b>{escape(heading)}</b></td></tr>")
            lines.append(f"[{heading}]")
            for name, value in rows:
                shown = escape(name).replace(" ", "&nbsp;")
                rows_shown.append(
                    f"<tr><td style='padding-right: 18px'><span style='color: {muted}'>{shown}</span></td>"
                    f"<td>{escape(value)}</td></tr>"
                )
                lines.append(f"{name}: {value}" if name else value)
        table = QTextBrowser()
        table.setHtml(f"<table cellspacing=0 cellpadding=2>{''.join(rows_shown)}</table>")
        self.text = "\n".join(lines)
        self.add_copy_button(self.text)
        self.box.addWidget(table)
        self.box.addWidget(self.buttons)
        self.resize(600, 560)


class ShortcutsDialog(TableDialog):
    """The keys of every command, by menu."""

    def __init__(self, commands: Sequence[Command], muted: str, parent: QWidget) -> None:
        sections = []
        for menu in MENUS:
            rows = [
                ("   ".join(c.shortcuts), f"{c.text.rstrip('…')}: {c.tip}" if c.tip else c.text)
                for c in commands
                if c.shortcuts and c.menu.split("/")[0] == menu
            ]
            sections.append((menu, rows))
        super().__init__("Keyboard shortcuts", sections, muted, parent)
        self.resize(660, 640)


class AboutDialog(Dialog):
    """Version, model and licence."""

    def __init__(self, info: ModelInfo | None, parent: QWidget) -> None:
        super().__init__("About LA-Pose Inspector", parent)
        model = "No model is loaded."
        if info is not None:
            model = (
                f"Model <b>{info.name}</b>: {info.parameters / 1e6:.1f} million parameters, windows "
                f"of {info.window} frames of {info.image_size[0]}×{info.image_size[1]} pixels, "
                f"on {info.device}; checkpoint {info.checkpoint_hash}."
            )
        text = QLabel(
            f"<h3>LA-Pose Inspector {__version__}</h3>"
            "<p>Watch a camera-pose model that learned motion from unlabelled driving video, and see where "
            f"and why it leaves the truth.</p><p>{model}</p>"
            f"<p>Python {platform.python_version()}, Qt {qVersion()}. Licensed under Apache-2.0.</p>"
        )
        text.setWordWrap(True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.box.addWidget(text)
        self.box.addWidget(self.buttons)
        self.setMinimumWidth(440)


def parse_position(text: str, n_frames: int) -> tuple[str, float]:
    """What the user means: ("frame", index) or ("time", seconds).

    A whole number is a frame; a number with a decimal point, with "s", or minutes:seconds is a time.

    Raises:
        ValueError: where it is neither, or the frame does not exist.
    """
    stripped = text.strip().lower()
    if stripped.isdecimal():
        frame = int(stripped)
        if frame >= n_frames:
            raise ValueError(f"the last frame is {n_frames - 1}")
        return "frame", frame
    seconds = 0.0
    try:
        for part in stripped.removesuffix("s").strip().split(":"):
            seconds = seconds * 60 + float(part)
    except ValueError:
        raise ValueError("enter a frame such as 412, or a time such as 12.5 s or 1:02.5") from None
    if not 0 <= seconds < float("inf"):
        raise ValueError("a time cannot be negative")
    return "time", seconds


class GoToDialog(Dialog):
    """Ask for a frame or a time."""

    def __init__(self, n_frames: int, go: Callable[[str, float], object], parent: QWidget) -> None:
        super().__init__("Go to", parent)
        self._n_frames, self._go = n_frames, go
        self.entry, self.problem = QLineEdit(), QLabel()
        self.entry.setPlaceholderText(f"frame 0 to {n_frames - 1}, or a time: 12.5 s, 1:02.5")
        self.entry.returnPressed.connect(self.submit)
        self.problem.setProperty("warning", True)
        ok = QPushButton("Go")
        ok.setDefault(True)
        ok.clicked.connect(self.submit)
        row = QHBoxLayout()
        row.addWidget(self.entry, 1)
        row.addWidget(ok)
        self.box.addLayout(row)
        self.box.addWidget(self.problem)
        self.setMinimumWidth(380)

    def submit(self) -> None:
        """Go there, or say what is wrong."""
        try:
            kind, value = parse_position(self.entry.text(), self._n_frames)
        except ValueError as error:
            self.problem.setText(str(error))
            return
        self._go(kind, value)
        self.accept()
