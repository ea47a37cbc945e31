"""Columns of stored tables come as numpy has them, and without pandas."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapose_core.inference.columns import values_of

READ = """
import sys
from lapose_core.inference.columns import read_table, values_of
table = read_table(sys.argv[1], ["a", "b"])
print(*(values_of(table.column(name)).sum() for name in table.column_names), "pandas" in sys.modules)
"""


@pytest.mark.parametrize("dtype", [np.bool_, np.int64, np.float32, np.float64])
def test_values_are_the_same_also_in_chunks_in_part_and_without_any(dtype: type) -> None:
    values = np.arange(11).astype(dtype)
    column = pa.chunked_array([values[:4], values[4:]])
    for made, expected in ((column, values), (column.combine_chunks()[3:9], values[3:9]), (column[:0], values[:0])):
        found = values_of(made)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("column", [pa.array([1.0, None]), pa.array([True, None]), pa.array(["a"]), pa.array([[1.0]])])
def test_what_is_no_number_is_refused(column: pa.Array) -> None:
    with pytest.raises(ValueError, match="expected numbers everywhere"):
        values_of(column)


def test_reading_imports_no_pandas(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": np.arange(5), "b": np.ones(5) > 0}), tmp_path / "t.parquet")
    command = [sys.executable, "-c", READ, str(tmp_path / "t.parquet")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["10", "5", "False"]
