"""Stored tables and their columns as arrays, without what pyarrow's own way would leave in the process: pandas, where
it is installed, with some hundred modules and two threads; and a pool of threads as nice as the first that reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file, or some of its columns, read in the caller's thread.

    Raises:
        OSError, ValueError, pa.ArrowException: where it is missing or damaged.
    """
    # Not pq.read_table, which would add columns from folders that are named like key=value.
    with pq.ParquetFile(path) as file:
        return file.read(columns=columns, use_threads=False)


def values_of(column: pa.Array | pa.ChunkedArray) -> NDArray:
    """The numbers or truth values [n] of a column, which must not be changed.

    Raises:
        ValueError: where one is missing, or the column holds something else.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = array.type
    truth = pa.types.is_boolean(kind)
    if array.null_count or not (truth or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise ValueError(f"holds {kind}, {array.null_count} of {len(array)} missing; expected numbers everywhere")
    values = np.from_dlpack(array.cast(pa.uint8()) if truth else array)
    return values.view(np.bool_) if truth else values
