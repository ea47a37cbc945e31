"""Training manifests: which stretches of which logs the next training is to see.

A manifest is a JSON file that the inspector writes from a selection, a triage filter or notes, and that
``lapose shards --manifest`` cuts clips from. Paths in it may be relative to its folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np

from lapose_core.export.files import write_text
from lapose_core.logs.reader import LogOptions, PoseFrame

FORMAT, VERSION = "lapose-manifest", 1


class ManifestError(ValueError):
    """A manifest cannot be used. The message names the file, the field and what to do."""


@dataclass(frozen=True)
class Entry:
    """Stretches of one camera's view of one drive.

    Attributes:
        log: what to open.
        drive: key of the drive where ``log`` holds several.
        options: camera, poses and their clock and axes.
        ranges: (first, last) drive frames, both inclusive.
        rate: Hz at which clips are to be cut.
        fingerprint: of the drive that the frames were seen in; empty where nobody knows.
        why: for people.
    """

    log: Path
    ranges: tuple[tuple[int, int], ...]
    rate: float
    drive: str | None = None
    options: LogOptions = field(default_factory=LogOptions)
    fingerprint: str = ""
    why: str = ""


def write_manifest(path: Path, entries: Sequence[Entry]) -> None:
    """Write entries, atomically.

    Raises:
        ValueError: where there are none, or the folder does not exist.
        OSError: where the disk refuses.
    """
    if not entries:
        raise ValueError(f"{path}: there is nothing to write: no stretch was chosen")
    rows = [
        {
            "log": str(entry.log),
            "drive": entry.drive,
            "camera": entry.options.camera,
            "poses": None if entry.options.poses is None else str(entry.options.poses),
            "pose_topic": entry.options.pose_topic,
            "time_offset": entry.options.time_offset,
            "pose_frame": entry.options.pose_frame,
            "fingerprint": entry.fingerprint,
            "rate": entry.rate,
            "frames": [list(r) for r in entry.ranges],
            "why": entry.why,
        }
        for entry in entries
    ]
    text = json.dumps({"format": FORMAT, "version": VERSION, "entries": rows}, indent=2, ensure_ascii=False)
    write_text(path, text + "\n")


def read_manifest(path: Path) -> list[Entry]:
    """The entries of a manifest.

    Raises:
        ManifestError: naming the file and the field.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path}: is no JSON ({error})") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ManifestError(f"{path}: format: expected {FORMAT!r}; this is no training manifest")
    if data.get("version") != VERSION:
        raise ManifestError(f"{path}: version: this program reads {VERSION}, the file has {data.get('version')!r}")
    rows = data.get("entries")
    if not isinstance(rows, list) or not rows:
        raise ManifestError(f"{path}: entries: expected a list of at least one entry")
    entries = []
    for number, row in enumerate(rows):
        try:
            entries.append(_entry(row, path.parent))
        except ValueError as error:
            raise ManifestError(f"{path}: entries[{number}]: {error}") from error
    return entries


def _entry(row: Any, folder: Path) -> Entry:
    """Raises ValueError naming the field."""
    if not isinstance(row, dict):
        raise ValueError(f"expected an object, found a {type(row).__name__}")

    def text(name: str) -> str | None:
        value = row.get(name)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{name}: expected text, found {value!r}")
        return value

    def number(name: str, default: float) -> float:
        value = row.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise ValueError(f"{name}: expected a number, found {value!r}")
        return float(value)

    log = text("log")
    if not log:
        raise ValueError("log: is missing")
    rate = number("rate", float("nan"))
    if rate <= 0:
        raise ValueError(f"rate: must be positive, found {rate:g}")
    ranges = row.get("frames")
    if not isinstance(ranges, list) or not ranges:
        raise ValueError("frames: expected a list of [first, last]")
    for pair in ranges:
        good = isinstance(pair, list) and len(pair) == 2 and all(type(v) is int for v in pair)
        if not good or not 0 <= pair[0] <= pair[1]:
            raise ValueError(f"frames: expected [first, last] with 0 <= first <= last, found {pair!r}")
    frame = text("pose_frame") or "camera"
    if frame not in get_args(PoseFrame):
        raise ValueError(f"pose_frame: must be one of {', '.join(get_args(PoseFrame))}, found {frame!r}")
    poses = text("poses")
    options = LogOptions(
        text("camera"), None if poses is None else folder / poses, text("pose_topic"), number("time_offset", 0.0),
        frame,  # type: ignore[arg-type]
    )  # fmt: skip
    return Entry(
        folder / log, tuple((a, b) for a, b in ranges), rate, text("drive"), options,
        text("fingerprint") or "", text("why") or "",
    )  # fmt: skip
