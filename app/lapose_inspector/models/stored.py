"""What the program stores for the user, as JSON: a file that cannot be read back never stops it."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec

log = logging.getLogger(__name__)

Kind = TypeVar("Kind", bound=msgspec.Struct)


def to_plain(value: object) -> Any:
    """A stored struct, or a collection of them, as what JSON knows."""
    return msgspec.to_builtins(value, enc_hook=_path_out, str_keys=True)


def to_json(value: msgspec.Struct, indent: int) -> str:
    """The text of a file that ``read_or_set_aside`` reads."""
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=_path_out), indent=indent).decode()


def from_plain(value: object, kind: type[Kind]) -> Kind:
    """What ``to_plain`` gave, checked.

    Raises:
        ValueError: where it is no ``kind``; the message names the field.
    """
    try:
        return msgspec.convert(value, kind, dec_hook=_path_in)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def read_or_set_aside(path: Path, kind: type[Kind]) -> Kind | None:
    """The JSON file ``path`` as a ``kind``; None where there is none.

    One that cannot be read, or is no ``kind``, is renamed to ``NAME.bad`` and logged, and counts as none.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind, dec_hook=_path_in)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, msgspec.DecodeError) as error:
        aside = path.with_name(path.name + ".bad")
        log.warning("%s cannot be read and is set aside as %s: %s", path, aside.name, error)
        with contextlib.suppress(OSError):
            os.replace(path, aside)
        return None


def _path_out(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} is not stored")


def _path_in(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"expected {kind.__name__}, got {value!r}")
