"""ROS messages to named values: message definitions, and the two wire formats (CDR of ROS 2, ROS 1).

A definition is interpreted, never turned into code: it comes with the log, which is not trusted. Formats: ROS message
definitions (`.msg`), concatenated as in bag files; OMG CDR (XCDR1, and plain XCDR2 with its 4-byte alignment), where
alignment counts from the end of the 4-byte encapsulation header; ROS 1 serialisation, which is the same without
alignment, header and terminating zeros.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Wire = Literal["cdr", "ros1"]

# name -> (struct letter, bytes)
_PRIMITIVES: Mapping[str, tuple[str, int]] = {
    "bool": ("?", 1),
    "byte": ("B", 1),
    "char": ("B", 1),
    "int8": ("b", 1),
    "uint8": ("B", 1),
    "int16": ("h", 2),
    "uint16": ("H", 2),
    "int32": ("i", 4),
    "uint32": ("I", 4),
    "int64": ("q", 8),
    "uint64": ("Q", 8),
    "float32": ("f", 4),
    "float64": ("d", 8),
}
_SEPARATOR = re.compile(r"^={40,}\s*$", re.MULTILINE)
_FIELD = re.compile(
    r"^(?P<type>[A-Za-z][\w/]*)(?:<=\d+)?(?P<array>\[(?P<bound><=)?(?P<count>\d*)\])?\s+(?P<name>[A-Za-z]\w*)\s*(?P<rest>.*)$"
)
# ROS 1 has no package for these; ROS 2 names them in full.
_SHORT = {"Header": "std_msgs/Header"}
_TIME = {"time": ("uint32", "uint32"), "duration": ("int32", "int32")}
# More than any published message has; nested types that multiply would otherwise take for ever.
_MOST_VALUES = 1 << 20


class DecodeError(ValueError):
    """A message does not fit its definition, or a definition is none."""


@dataclass(frozen=True)
class Field:
    """One field: ``count`` is None for a single value, -1 for a sequence, else the length of a fixed array."""

    name: str
    type: str
    count: int | None = None


Definitions = Mapping[str, tuple[Field, ...]]


def normal_name(name: str) -> str:
    """``package/Name`` of a ROS type, however its generation writes it (``package/msg/Name``, ``package.Name``)."""
    parts = [part for part in re.split(r"[/.]|::", name) if part and part != "msg"]
    return "/".join(parts[-2:])


def parse_definitions(name: str, text: str) -> dict[str, tuple[Field, ...]]:
    """The fields of message ``name`` and of the messages in it, from a concatenated definition.

    Raises:
        DecodeError: naming the line that is no field and no constant, or a type that is nowhere defined.
    """
    sections = _SEPARATOR.split(text)
    definitions: dict[str, tuple[Field, ...]] = {}
    own = normal_name(name)
    definitions[own] = _parse_fields(own, sections[0])
    for section in sections[1:]:
        head, _, body = section.strip().partition("\n")
        if not head.startswith("MSG:"):
            raise DecodeError(f"{own}: expected 'MSG: package/Name', found {head[:40]!r}")
        nested = normal_name(head[4:].strip())
        definitions[nested] = _parse_fields(nested, body)
    definitions.setdefault("builtin_interfaces/Time", (Field("sec", "int32"), Field("nanosec", "uint32")))
    definitions.setdefault("builtin_interfaces/Duration", (Field("sec", "int32"), Field("nanosec", "uint32")))
    _check(own, definitions, {})
    return definitions


def _parse_fields(owner: str, text: str) -> tuple[Field, ...]:
    fields = []
    for line in text.splitlines():
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        match = _FIELD.match(line)
        if match is None:
            raise DecodeError(f"{owner}: {line[:40]!r} is no field")
        # A constant has no place on the wire; the name is followed by "=".
        if match["rest"].startswith("="):
            continue
        count = None if match["array"] is None else int(match["count"]) if match["count"] else -1
        if match["bound"]:
            count = -1
        fields.append(Field(match["name"], _resolve(match["type"], owner), count))
    return tuple(fields)


def _resolve(type_name: str, owner: str) -> str:
    if type_name in _PRIMITIVES or type_name in _TIME or type_name in ("string", "wstring"):
        return type_name
    if type_name in _SHORT:
        return _SHORT[type_name]
    return normal_name(type_name) if "/" in type_name else f"{owner.split('/')[0]}/{type_name}"


def _check(name: str, definitions: Definitions, sizes: dict[str, int]) -> int:
    """How many values a message has at least; ``sizes`` remembers those of the types met, 0 for one being looked at."""
    if name not in definitions:
        raise DecodeError(f"the definition of {name} is missing")
    if sizes.get(name) == 0:
        raise DecodeError(f"{name} contains itself")
    if name not in sizes:
        sizes[name] = 0
        total = 1
        for field in definitions[name]:
            each = _check(field.type, definitions, sizes) if "/" in field.type else 1
            total += each * (1 if field.count is None or field.count < 0 else field.count)
        if total > _MOST_VALUES:
            raise DecodeError(f"{name} would have more than {_MOST_VALUES} values")
        sizes[name] = total
    return sizes[name]


class RosDecoder:
    """Messages of type ``name`` as nested dicts; arrays of numbers as numpy views of the message's bytes.

    Raises (on a call):
        DecodeError: where the bytes do not hold such a message.
    """

    def __init__(self, name: str, definitions: Definitions, wire: Wire) -> None:
        self._fields = definitions[normal_name(name)]
        self._definitions = definitions
        self._wire: Wire = wire

    def __call__(self, data: bytes | memoryview) -> dict[str, Any]:
        view = memoryview(data)
        cursor = _Cdr(view) if self._wire == "cdr" else _Cursor(view)
        try:
            return self._message(self._fields, cursor)
        except (struct.error, UnicodeDecodeError) as error:
            raise DecodeError(f"the message does not fit its definition ({error})") from error

    @property
    def stamp_offset(self) -> int | None:
        """Byte at which the seconds of the leading header's stamp begin; None for a message without a header."""
        if not self._fields or self._fields[0].count is not None:
            return None
        first = self._fields[0].type
        header = self._definitions.get(first, ())
        encapsulation = 4 if self._wire == "cdr" else 0
        if first == "builtin_interfaces/Time" or first == "time":
            return encapsulation
        if first != "std_msgs/Header" or not header:
            return None
        return encapsulation + (4 if header[0].name == "seq" else 0)

    def _message(self, fields: tuple[Field, ...], cursor: _Cursor) -> dict[str, Any]:
        if not fields and self._wire == "cdr":
            cursor.number("B", 1)  # an empty structure has one byte, by the mapping to IDL
        return {field.name: self._value(field, cursor) for field in fields}

    def _value(self, field: Field, cursor: _Cursor) -> Any:
        primitive = _PRIMITIVES.get(field.type)
        if field.count is None:
            return cursor.number(*primitive) if primitive else self._single(field.type, cursor)
        count = cursor.number("I", 4) if field.count < 0 else field.count
        if primitive:
            return cursor.numbers(*primitive, count)
        # Every element takes a byte at least, so a length that is damage is found before memory is taken.
        if count > cursor.left:
            raise DecodeError(f"{field.name}: {count} elements in the {cursor.left} bytes that are left")
        return [self._single(field.type, cursor) for _ in range(count)]

    def _single(self, type_name: str, cursor: _Cursor) -> Any:
        if type_name == "string":
            return cursor.text()
        if type_name in _TIME:
            seconds, nanoseconds = (cursor.number(*_PRIMITIVES[part]) for part in _TIME[type_name])
            return {"sec": seconds, "nanosec": nanoseconds}
        if type_name == "wstring":
            raise DecodeError("texts of wide characters are not read")
        return self._message(self._definitions[type_name], cursor)


class _Cursor:
    """Reads ROS 1 values one after the other, little-endian and unaligned."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._at = 0
        self._order = "<"

    @property
    def left(self) -> int:
        return len(self._view) - self._at

    def align(self, size: int) -> None:
        pass

    def number(self, letter: str, size: int) -> Any:
        self.align(size)
        (value,) = struct.unpack_from(self._order + letter, self._view, self._at)
        self._at += size
        return value

    def numbers(self, letter: str, size: int, count: int) -> np.ndarray:
        if count:
            self.align(size)
        end = self._at + count * size
        if count < 0 or end > len(self._view):
            raise DecodeError(f"an array of {count} values in the {self.left} bytes that are left")
        values = np.frombuffer(self._view[self._at : end], np.dtype(self._order + letter))
        self._at = end
        return values

    def text(self) -> str:
        return self._bytes(self.number("I", 4)).decode("utf-8", "replace")

    def _bytes(self, count: int) -> bytes:
        if count > self.left:
            raise DecodeError(f"a text of {count} bytes in the {self.left} that are left")
        value = bytes(self._view[self._at : self._at + count])
        self._at += count
        return value


class _Cdr(_Cursor):
    """Reads CDR: either byte order, values aligned to their size, texts that end with a zero."""

    def __init__(self, view: memoryview) -> None:
        if len(view) < 4:
            raise DecodeError(f"a CDR message of {len(view)} bytes has no header")
        kind = view[1]
        # Plain CDR, or plain XCDR2 for final types; the others carry member ids that ROS does not use.
        if view[0] != 0 or kind not in (0, 1, 6, 7):
            raise DecodeError(f"CDR of kind {view[0]:02x}{kind:02x} is not read")
        super().__init__(view[4:])
        self._order = "<" if kind & 1 else ">"
        self._widest = 8 if kind < 6 else 4

    def align(self, size: int) -> None:
        size = min(size, self._widest)
        self._at += -self._at % size

    def text(self) -> str:
        raw = self._bytes(self.number("I", 4))
        return raw.removesuffix(b"\0").decode("utf-8", "replace")
