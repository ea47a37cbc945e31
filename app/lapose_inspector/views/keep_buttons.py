"""The last row of a dialog that changes something: Keep, which Enter presses, and Cancel."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QPushButton


def keep_buttons(dialog: QDialog, keep: Callable[[], None]) -> tuple[QDialogButtonBox, QPushButton]:
    """The row, and its button Keep."""
    row = QDialogButtonBox()
    button = row.addButton("Keep", QDialogButtonBox.ButtonRole.AcceptRole)
    button.setDefault(True)
    row.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole).setAutoDefault(False)
    row.accepted.connect(keep)
    row.rejected.connect(dialog.reject)
    return row, button
