"""The columns of a pandas table that was pickled, read without unpickling it.

A pickle is a program: loading it calls whatever functions it names, with pickle's own loader and with numpy's and
pandas' loaders too. Here its instructions only build a tree that says which name would be called with what. No
name is ever looked up, so nothing is called and nothing imported; a name outside the few of a plain table ends the
reading, and a plain table's numbers are taken from the tree. Understood are the tables that pandas 0.25 to 3
writes with pickle protocols 2 to 5, as long as their columns are numbers.
"""

from __future__ import annotations

import gzip
import pickletools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import LogError

# Several times a sweep: a file that unpacks to more is none.
_LARGEST = 64 << 20
# A table of numbers takes a few hundred, however long it is.
_MOST_INSTRUCTIONS = 20_000

_FRAME, _MANAGER, _BLOCK, _INDEX, _ARRAY, _BUFFER, _DTYPE, _BYTES, _SLICE, _TEXTS, _KIND = range(11)
_NAMES = {
    "pandas.core.frame.DataFrame": _FRAME,
    "pandas.DataFrame": _FRAME,
    "pandas.core.internals.managers.BlockManager": _MANAGER,
    "pandas._libs.internals.BlockManager": _MANAGER,
    "pandas._libs.internals._unpickle_block": _BLOCK,
    "pandas.core.indexes.base._new_Index": _INDEX,
    "numpy.core.multiarray._reconstruct": _ARRAY,
    "numpy._core.multiarray._reconstruct": _ARRAY,
    "numpy.core.numeric._frombuffer": _BUFFER,
    "numpy._core.numeric._frombuffer": _BUFFER,
    "numpy.dtype": _DTYPE,
    "_codecs.encode": _BYTES,
    "builtins.slice": _SLICE,
    "__builtin__.slice": _SLICE,
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked": _TEXTS,
    # What an object is made of; they are only named, as an argument of the above.
    "numpy.ndarray": _KIND,
    "pandas.core.indexes.base.Index": _KIND,
    "pandas.Index": _KIND,
    "pandas.core.indexes.range.RangeIndex": _KIND,
    "pandas.RangeIndex": _KIND,
    "pandas.core.indexes.numeric.Int64Index": _KIND,
    "pandas.core.indexes.numeric.UInt64Index": _KIND,
    "pandas.core.indexes.numeric.Float64Index": _KIND,
    "pandas.arrays.StringArray": _KIND,
    "pandas.StringDtype": _KIND,
}
_NUMBERS = frozenset(["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1"])
_REMEDY = (
    "in a place where its origin is trusted, load it with pandas and save it again with to_pickle(path, protocol=4)"
)


class _Refused(Exception):
    """Why a pickle is not taken for a table; the file's name is put before it."""


@dataclass
class _Object:
    """What the pickle would make by calling ``kind`` with ``arguments`` and then setting ``state``."""

    kind: int
    arguments: tuple[Any, ...]
    state: Any = None


@dataclass(frozen=True)
class _Name:
    kind: int


_MARK = object()


def read_pickled_columns(path: Path) -> dict[str, NDArray[Any]]:
    """The columns [P] of a pickled pandas table by name, of a .pkl file, gzipped or not.

    Raises:
        LogError: where the file is cut off, holds something else than a table of numbers, or names anything that
            such a table does not need.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise LogError(f"{path}: cannot be read ({error}); get the file again") from error
    if len(data) > _LARGEST:
        raise LogError(f"{path}: unpacks to more than {_LARGEST >> 20} MB, which no sweep holds; get the file again")
    try:
        return _columns(_tree(data))
    except _Refused as refused:
        raise LogError(f"{path}: {refused}") from refused
    # The instructions of a damaged or made-up pickle fit nothing: what is taken from the tree then is missing.
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise LogError(f"{path}: damaged, or not a table of numbers; get the file again, or {_REMEDY}") from error


def _tree(data: bytes) -> Any:
    """What the pickle describes, with every call left undone."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def popped() -> list[Any]:
        """The items above the last mark, which are taken off with it."""
        for i in range(len(stack) - 1, -1, -1):
            if stack[i] is _MARK:
                items = stack[i + 1 :]
                del stack[i:]
                return items
        raise ValueError("no mark")

    for name, argument in _instructions(data):
        if name == "STOP":
            return stack.pop()
        if name in ("PROTO", "FRAME"):
            continue
        if name == "MARK":
            stack.append(_MARK)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            stack.append(argument)
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "TUPLE":
            stack.append(tuple(popped()))
        elif name in _TUPLES:
            count = _TUPLES[name]
            if len(stack) < count:
                raise IndexError
            stack[-count:] = [tuple(stack[-count:])]
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else popped()
            _plain(stack[-1], list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else popped()
            # Only texts are hashed: of nested tuples that share their parts it could take for ever.
            keys = [_plain(key, str) for key in items[::2]]
            _plain(stack[-1], dict).update(zip(keys, items[1::2], strict=True))
        elif name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            module, _, attribute = argument.partition(" ") if name == "GLOBAL" else (stack.pop(-2), "", stack.pop())
            stack.append(_name(module, attribute))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments = _plain(stack.pop(), tuple)
            stack.append(_Object(_plain(stack.pop(), _Name).kind, arguments))
        elif name == "BUILD":
            state = stack.pop()
            _plain(stack[-1], _Object).state = state
        else:
            raise _Refused(f"uses the instruction {name}, which no table of numbers needs; not read")
    raise ValueError("no end")


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_LITERALS = frozenset(
    [
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "BINFLOAT",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "SHORT_BINBYTES",
        "BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
    ]
)


def _instructions(data: bytes) -> Iterator[tuple[str, Any]]:
    for count, (code, argument, _) in enumerate(pickletools.genops(data)):
        if count > _MOST_INSTRUCTIONS:
            raise _Refused(f"holds other things than numbers; {_REMEDY}, numbers only")
        yield code.name, argument


def _name(module: Any, attribute: Any) -> _Name:
    called = f"{_plain(module, str)}.{_plain(attribute, str)}"
    if called not in _NAMES:
        raise _Refused(f"names {called[:80]!r}, which no table of numbers needs, so it is not read; get the file again")
    return _Name(_NAMES[called])


def _plain(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"expected a {kind.__name__}")
    return value


def _columns(frame: Any) -> dict[str, NDArray[Any]]:
    if _plain(frame, _Object).kind != _FRAME:
        raise TypeError("not a DataFrame")
    state = _plain(frame.state, dict)
    manager = _plain(state["_mgr"] if "_mgr" in state else state["_data"], _Object)
    if manager.kind != _MANAGER:
        raise TypeError("not the contents of a DataFrame")
    if manager.arguments:  # pandas 1.3 and later
        blocks, axes = manager.arguments
        parts = [(_of_kind(b, _BLOCK).arguments[0], _of_kind(b, _BLOCK).arguments[1]) for b in blocks]
    else:
        contents = manager.state[3]["0.14.1"]
        axes, parts = contents["axes"], [(b["values"], b["mgr_locs"]) for b in contents["blocks"]]
    names = _texts(_of_kind(axes[0], _INDEX).arguments[1]["data"])
    columns: dict[str, NDArray[Any]] = {}
    for values, place in parts:
        rows = _array(values)
        for row, column in zip(rows, _places(place, len(names)), strict=True):
            if row.ndim != 1:
                raise ValueError("a column is no row of numbers")
            columns[names[column]] = row
    if len(columns) != len(names) or len({len(column) for column in columns.values()}) > 1:
        raise ValueError("columns are missing or of different lengths")
    return columns


def _of_kind(value: Any, kind: int) -> _Object:
    if _plain(value, _Object).kind != kind:
        raise TypeError("another object than expected")
    return value


def _places(place: Any, count: int) -> list[int]:
    """The columns that a block's rows are."""
    if isinstance(place, _Object) and place.kind == _SLICE:
        return list(range(count))[slice(*(_plain(v, int) for v in place.arguments))]
    return [int(i) for i in _array(place)]


def _texts(value: Any) -> list[str]:
    """The column names: an array of objects, which pandas 3 wraps in an array of texts."""
    if isinstance(value, _Object) and value.kind == _TEXTS:
        value = value.state[1]
    shape, _, dtype, raw = _parts(value)
    if dtype != "O" or type(raw) is not list or len(shape) != 1:
        raise ValueError("the columns have no names")
    return [_plain(name, str) for name in raw]


def _array(value: Any) -> NDArray[Any]:
    shape, order, dtype, raw = _parts(value)
    if dtype == "O":
        raise _Refused(f"has columns that are no numbers; {_REMEDY}, numbers only")
    if isinstance(raw, _Object) and raw.kind == _BYTES:  # protocols before 3 have no bytes
        raw = _plain(raw.arguments[0], str).encode("latin-1")
    if type(raw) not in (bytes, bytearray):
        raise TypeError("an array without its bytes")
    return np.frombuffer(raw, dtype=dtype).reshape(shape, order=order)


def _parts(value: Any) -> tuple[tuple[int, ...], Literal["C", "F"], str, Any]:
    """Shape, order, type and contents of an array, in either form that numpy pickles."""
    if _plain(value, _Object).kind == _ARRAY:
        _, shape, dtype, fortran, raw = _plain(value.state, tuple)
        order: Literal["C", "F"] = "F" if fortran is True else "C"
    elif value.kind == _BUFFER:
        raw, dtype, shape, order_ = value.arguments
        order = "F" if order_ == "F" else "C"
    else:
        raise TypeError("no array")
    shape = tuple(_plain(n, int) for n in _plain(shape, tuple))
    if any(n < 0 for n in shape):
        raise ValueError("a negative length")
    code = _plain(_of_kind(dtype, _DTYPE).arguments[0], str)
    if code in ("O8", "O"):
        return shape, order, "O", raw
    byte_order = _plain(_plain(dtype.state, tuple)[1], str)
    if code not in _NUMBERS or byte_order not in ("<", ">", "|"):
        raise _Refused(f"has columns of another type than numbers; {_REMEDY}, numbers only")
    return shape, order, byte_order + code, raw
