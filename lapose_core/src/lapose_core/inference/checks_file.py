"""The file of a result that keeps its checks."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lapose_core.geometry import Array
from lapose_core.inference.checks import PER_SAMPLE, Checks
from lapose_core.inference.columns import read_table, values_of

CHECKS = "checks.parquet"


def write_checks(checks: Checks, confidence: Array | None, path: Path) -> None:
    """Write checks as a table with a row a sample; the last one has no transition.

    Raises:
        OSError: where the disk refuses.
    """
    columns = {f.name: getattr(checks, f.name) for f in fields(checks)}
    columns["confidence"] = np.full(len(checks.luminance) - 1, np.nan) if confidence is None else confidence
    samples = len(checks.luminance)
    padded = {name: np.concatenate([v, np.full(samples - len(v), np.nan)]) for name, v in columns.items()}
    pq.write_table(pa.table(padded), path)


def read_checks(path: Path, samples: int) -> tuple[Checks, Array] | None:
    """Checks and confidence of a drive of M samples; None where there are none, or they are damaged: they are then
    computed anew."""
    try:
        table = read_table(path)
        if len(table) != samples:
            return None
        columns = {name: values_of(table.column(name)).astype(np.float64) for name in table.column_names}
        found = {f.name: columns[f.name][: samples - (f.name not in PER_SAMPLE)].copy() for f in fields(Checks)}
        return Checks(**found), columns["confidence"][:-1].copy()
    except (OSError, KeyError, ValueError, TypeError, pa.ArrowException):
        return None
