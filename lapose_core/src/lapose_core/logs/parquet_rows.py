"""Single rows of a big Parquet file, in memory that grows with the file's largest page only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from lapose_core.drive import LogError

_READ_AHEAD = 1 << 20
_ROWS_AT_ONCE = 4


def read_columns(
    path: Path, columns: Sequence[str], optional: Sequence[str] = (), present: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """All rows of some small columns; absent ``optional`` ones are left out, ``present`` ones must be there unread.

    Raises:
        LogError: where the file is missing, cut off or no Parquet, or naming the column that it lacks.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = set(file.schema_arrow.names)
            missing = [name for name in (*columns, *present) if name not in names]
            if missing:
                raise LogError(
                    f"{path}: there is no column {missing[0]!r}; get the file again, of version 2 of the data"
                )
            return file.read([*columns, *(name for name in optional if name in names)]).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LogError(f"{path}: cannot be read ({_one_line(error)}); get the file again") from error


class ParquetRows:
    """Rows of some columns by their number in the file. May be called from several threads.

    A row group is decoded from its beginning, so going forward is fast and a step back begins it anew.

    Raises:
        LogError: from every method, where the file cannot be read.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        self._columns = list(columns)
        self._lock = Lock()
        self._file: Any = None
        self._starts: list[int] = []  # number of the first row of each group, and of one past the last
        self._group = -1
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = None
        self._first = 0  # number of the first row in the batch

    def row(self, number: int) -> dict[str, Any]:
        """The columns of row ``number``: Arrow scalars, which keep numbers of a list together."""
        import pyarrow as pa

        with self._lock:
            try:
                batch, at = self._find(number)
            except (pa.ArrowException, OSError, ValueError, StopIteration) as error:
                self._forget()
                raise LogError(
                    f"{self._path}: row {number} cannot be read ({_one_line(error)}); get the file again"
                ) from error
            return {name: batch.column(i)[at] for i, name in enumerate(batch.schema.names)}

    def close(self) -> None:
        """Close the file; a later `row` opens it again."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._batch, self._batches, self._group = None, None, iter(()), -1

    def _find(self, number: int) -> tuple[Any, int]:
        import pyarrow.parquet as pq

        if self._file is None:
            # A buffer keeps Arrow from loading a whole column of a row group before its first row.
            self._file = pq.ParquetFile(self._path, buffer_size=_READ_AHEAD, pre_buffer=False)
            counts = [self._file.metadata.row_group(i).num_rows for i in range(self._file.metadata.num_row_groups)]
            self._starts = [sum(counts[:i]) for i in range(len(counts) + 1)]
        group = next((i for i in range(len(self._starts) - 1) if number < self._starts[i + 1]), None)
        if group is None or number < 0:
            raise ValueError("there is no such row")
        if group != self._group or number < self._first:
            self._batches = self._file.iter_batches(
                _ROWS_AT_ONCE, row_groups=[group], columns=self._columns, use_threads=False
            )
            self._group, self._first, self._batch = group, self._starts[group], next(self._batches)
        while number >= self._first + self._batch.num_rows:
            self._first += self._batch.num_rows
            self._batch = next(self._batches)
        return self._batch, number - self._first


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
