"""Where the rows of a nuScenes scene lie in its two big tables, sample_data.json and ego_pose.json.

Together they hold some two gigabytes for trainval, of which one scene and sensor needs a few hundred rows. One
pass over both finds every row's place; the places are kept in the user's cache folder until a table changes.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import LogError
from lapose_core.logs.index import cache_folder
from lapose_core.logs.json_rows import check_fields, iterate_rows

CACHED_ABOVE = 32 << 20
"""Bytes of tables that are indexed faster than a user notices."""

_VERSION = 1
_TOKENS = ("sample_token", "ego_pose_token", "calibrated_sensor_token")
_ENTRY = np.dtype(
    [
        ("scene", "<u4"),
        ("channel", "<u2"),
        ("timestamp", "<i8"),  # microseconds
        ("row", "<i8"),  # byte offset in sample_data.json
        ("row_length", "<u4"),
        ("pose", "<i8"),  # byte offset in ego_pose.json, -1 where it has no such row
        ("pose_length", "<u4"),
    ]
)

Entries = NDArray[np.void]  # [K] of _ENTRY


class RowIndex:
    """The rows of each scene and channel. Scenes and channels are numbered as the caller numbered them."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._scenes = np.asarray(entries["scene"])

    def rows(self, scene: int, channel: int) -> Entries:
        """The entries of one sensor in one scene [K], in order of time."""
        first, last = np.searchsorted(self._scenes, [scene, scene + 1])
        part = np.asarray(self._entries[first:last])
        return part[part["channel"] == channel]


def load_index(
    tables: Path,
    scene_of_sample: Mapping[str, int],
    channel_of_calibration: Mapping[str, int],
    *,
    cached_above: int = CACHED_ABOVE,
) -> RowIndex:
    """The index of the tables in the folder ``tables``: remembered where they have not changed, else built.

    Args:
        tables: folder of sample_data.json and ego_pose.json.
        scene_of_sample: sample token -> number of its scene.
        channel_of_calibration: calibrated_sensor token -> number of its channel; rows of others are left out.
        cached_above: bytes of tables from which on the index is kept in the cache folder.

    Raises:
        LogError: where a table cannot be read, is cut off or lacks a field.
    """
    state, size = _state(tables)
    file = cache_folder() / "nuscenes" / f"{state}.npy"
    if size <= cached_above:
        return RowIndex(_build(tables, scene_of_sample, channel_of_calibration))
    kept = _read(file)
    if kept is None:
        kept = _build(tables, scene_of_sample, channel_of_calibration)
        _write(file, kept)
    return RowIndex(kept)


def _build(
    tables: Path, scene_of_sample: Mapping[str, int], channel_of_calibration: Mapping[str, int]
) -> NDArray[np.void]:
    scene, channel, time = array("I"), array("H"), array("q")
    row, row_length, key = array("q"), array("I"), array("q")
    path = tables / "sample_data.json"
    for number, (offset, length, values) in enumerate(iterate_rows(path)):
        try:
            of_channel = channel_of_calibration.get(values["calibrated_sensor_token"])
            of_scene = scene_of_sample.get(values["sample_token"])
            if of_channel is None or of_scene is None:
                continue
            _, pose_hash = values["filename"], hash(values["ego_pose_token"])
            moment = values["timestamp"]
        except (KeyError, TypeError):
            check_fields(path, number, values, (*_TOKENS, "filename", "timestamp"))
            raise
        if not isinstance(moment, int) or not 0 <= moment < 1 << 62:
            raise LogError(f"{path}: row {number}: timestamp: expected microseconds, found {moment!r}")
        scene.append(of_scene)
        channel.append(of_channel)
        time.append(moment)
        row.append(offset)
        row_length.append(length)
        key.append(pose_hash)

    # Tokens are compared by their 64-bit hash here; the rows themselves are compared when a scene is opened.
    pose_key, pose, pose_length = array("q"), array("q"), array("I")
    path = tables / "ego_pose.json"
    for number, (offset, length, values) in enumerate(iterate_rows(path)):
        try:
            pose_key.append(hash(values["token"]))
        except (KeyError, TypeError):
            check_fields(path, number, values, ("token",))
            raise
        pose.append(offset)
        pose_length.append(length)

    entries = np.empty(len(scene), _ENTRY)
    entries["scene"], entries["channel"], entries["timestamp"] = scene, channel, time
    entries["row"], entries["row_length"] = row, row_length
    entries["pose"], entries["pose_length"] = -1, 0
    if len(pose_key) and len(key):
        known, wanted = np.array(pose_key), np.array(key)
        order = np.argsort(known, kind="stable")
        place = order[np.minimum(np.searchsorted(known, wanted, sorter=order), len(order) - 1)]
        found = known[place] == wanted
        entries["pose"][found] = np.array(pose)[place[found]]
        entries["pose_length"][found] = np.array(pose_length)[place[found]]
    return entries[np.lexsort((entries["timestamp"], entries["channel"], entries["scene"]))]


def _state(tables: Path) -> tuple[str, int]:
    """A digest of the tables' places, sizes and times, and the bytes of the two big ones."""
    digest = hashlib.sha256(f"{_VERSION}:{tables.resolve()}".encode())
    size = 0
    for name in ("scene", "sample", "sensor", "calibrated_sensor", "sample_data", "ego_pose"):
        file = tables / f"{name}.json"
        if file.is_file():
            stat = file.stat()
            digest.update(f"{name}:{stat.st_size}:{stat.st_mtime_ns};".encode())
            size += stat.st_size
    return digest.hexdigest()[:32], size


def _read(file: Path) -> Entries | None:
    try:
        entries = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None  # not there, or damaged: it is built anew and written again
    return entries if entries.dtype == _ENTRY and entries.ndim == 1 else None


def _write(file: Path, entries: Entries) -> None:
    part = file.with_suffix(f".{os.getpid()}.npy")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(part, entries, allow_pickle=False)
        os.replace(part, file)
    except OSError:  # no room or no right to write: the next opening is as slow as this one
        part.unlink(missing_ok=True)
