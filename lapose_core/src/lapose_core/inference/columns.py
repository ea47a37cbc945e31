"""Columns of stored tables as arrays, without pandas: pyarrow's own way imports it where it is installed, and with it
some hundred modules and two threads."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


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
