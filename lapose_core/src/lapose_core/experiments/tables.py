"""Markdown tables of records' rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Row = dict[str, Any]

#: The method of rows in which the model is told the camera, beside the paper's protocol in which it is not.
INFORMED = "model, camera known"

# Heading, figure, factor, digits
FIGURES = (
    ("AUC@30", "auc30_signed", 1.0, 1),
    ("ATE-S ×10⁻²", "ate_s", 100.0, 2),
    ("ATE-M m", "ate_m", 1.0, 2),
    ("scale error %", "scale_error", 100.0, 1),
    ("FoV error °", "fov_error", 1.0, 1),
)


def text(value: float | None, digits: int) -> str:
    """A figure for people; a dash for what does not exist."""
    return "–" if value is None else f"{value:.{digits}f}"


def with_interval(value: float | None, bounds: Sequence[float | None] | None, digits: int) -> str:
    """A figure and its interval in brackets, where it has one."""
    if value is None or not bounds or bounds[0] is None:
        return text(value, digits)
    return f"{text(value, digits)} [{text(bounds[0], digits)}, {text(bounds[1], digits)}]"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is words and whose others are figures."""
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    lines += ["| " + " | ".join(cells) + " |" for cells in rows]
    return "\n".join(lines) + "\n"


def pose_table(first: Sequence[str], rows: Iterable[tuple[Sequence[str], Row]]) -> str:
    """Rows of pose figures after their own ``first`` columns."""
    header = [*first, "clips", "AUC@5", "forward", "skill", *(heading for heading, *_ in FIGURES)]
    return table(header, ([*labels, *pose_cells(row)] for labels, row in rows))


def pose_cells(row: Row) -> list[str]:
    """Clips, AUC@5, constant-forward's, skill and FIGURES of a row."""
    figures, intervals = row["figures"], row["intervals"]
    return [
        str(row["clips"]),
        with_interval(figures["auc5_signed"], intervals.get("auc5_signed"), 1),
        text(row["forward"]["auc5_signed"], 1),
        with_interval(row["skill"], intervals.get("skill_auc5_signed"), 2),
        *(_scaled(figures.get(name), factor, digits) for _, name, factor, digits in FIGURES),
    ]


def _scaled(value: float | None, factor: float, digits: int) -> str:
    return text(None if value is None else factor * value, digits)


def pick(rows: Iterable[Row], **wanted: Any) -> Row | None:
    """The first row with these labels."""
    return next((row for row in rows if all(row.get(k) == v for k, v in wanted.items())), None)
