"""Stored results as rows to choose from."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from lapose_inspector.views.chooser import Cell

if TYPE_CHECKING:
    from lapose_core.inference.library import StoredResult

RESULT_COLUMNS = ("Drive", "Analysed", "Checkpoint", "Rate", "Samples", "")


def result_cells(result: StoredResult) -> tuple[Cell, ...]:
    """One cell a column of RESULT_COLUMNS."""
    written = result.written
    when = "–" if written is None else datetime.fromtimestamp(written).strftime("%Y-%m-%d %H:%M")
    return (
        Cell(result.drive_name),
        Cell(when, written or 0.0),
        Cell(f"{result.checkpoint_name} ({result.key.checkpoint_hash[:6]})"),
        Cell(f"{result.key.rate:g} Hz", result.key.rate),
        Cell(f"{result.samples:,}", result.samples),
        Cell("" if result.complete else "in part"),
    )
