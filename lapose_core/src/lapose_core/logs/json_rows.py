"""The rows of a JSON table that is too big to keep: an array of objects, read one object at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from lapose_core.drive import LogError

_CHUNK = 1 << 22
_LONGEST_ROW = 1 << 24
_BETWEEN = re.compile(r"[\s,]*")


def iterate_rows(path: Path) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Byte offset, length in bytes and content of each row of the table ``path``, in the file's order.

    Memory is bounded by the longest row. Strings come undecoded (one character per byte), which leaves ASCII as
    it is; `read_row` gives the row's text.

    Raises:
        LogError: where the file cannot be read, is cut off or is no array of objects.
    """
    decode = json.JSONDecoder().raw_decode
    try:
        with path.open("rb") as file:
            text, base = file.read(_CHUNK).decode("latin-1"), 0
            at = _BETWEEN.match(text).end()  # type: ignore[union-attr]
            if text[at : at + 1] != "[":
                raise LogError(f"{path}: not a table; expected a JSON array of objects")
            at += 1
            while True:
                at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
                if text[at : at + 1] == "]":
                    return
                end = None
                if text[at : at + 1] == "{":
                    try:
                        row, end = decode(text, at)
                    except json.JSONDecodeError:
                        end = None
                elif at < len(text):
                    raise LogError(f"{path}: byte {base + at}: expected an object, found {text[at : at + 20]!r}")
                if end is not None:
                    yield base + at, end - at, row
                    at = end
                    continue
                more = file.read(_CHUNK)
                if not more or len(text) - at > _LONGEST_ROW:
                    raise LogError(f"{path}: byte {base + at}: the table is cut off or damaged; get the file again")
                text, base, at = text[at:] + more.decode("latin-1"), base + at, 0
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise LogError(f"{path}: not a table; its objects are nested too deeply") from error


def read_row(file: BinaryIO, offset: int, length: int) -> dict[str, Any]:
    """The row that `iterate_rows` found at ``offset``.

    Raises:
        ValueError: where no object is there any more.
    """
    file.seek(offset)
    row = json.loads(file.read(length))
    if not isinstance(row, dict):
        raise ValueError("no object")
    return row


def read_table(path: Path, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    """All rows of a table that is small enough to keep, each with all of ``fields``.

    Raises:
        LogError: naming the file, and the row and field where one is missing.
    """
    try:
        rows = json.loads(path.read_bytes())
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise LogError(f"{path}: the table is cut off or no JSON ({error}); get the file again") from error
    if not isinstance(rows, list):
        raise LogError(f"{path}: not a table; expected a JSON array of objects")
    for number, row in enumerate(rows):
        check_fields(path, number, row, fields)
    return rows


def check_fields(path: Path, number: int, row: object, fields: tuple[str, ...]) -> None:
    """Raises LogError where ``row`` is no object, lacks one of ``fields`` or has a token that is no text."""
    if not isinstance(row, dict):
        raise LogError(f"{path}: row {number}: expected an object, found a {type(row).__name__}")
    for field in fields:
        if field not in row:
            raise LogError(f"{path}: row {number} has no {field!r}; the table is of another version or damaged")
        if field.endswith("token") and not isinstance(row[field], str):
            raise LogError(f"{path}: row {number}: {field}: expected text, found {row[field]!r}")
