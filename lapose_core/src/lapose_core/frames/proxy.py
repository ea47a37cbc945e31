"""A drive's frames once more, small and each by itself, on disk: any of them is one read and one decode.

A proxy is a folder:

* ``proxy.json``: of what it is;
* ``*.jpegs``: pictures one after the other, and beside each such file
* ``*.rows``: where they are, one row of `_ROW` a picture.

Both files only ever grow, the picture before its row, so that a crash costs the last picture and nothing else. Each
writer has files of its own: two processes that have the same drive open do not meet, and each finds the other's
pictures when it looks again. Every row and every picture
carries a checksum; what does not agree with its own counts as missing and is made again.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import tempfile
import threading
import time
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from lapose_core.drive import Drive, Image
from lapose_core.frames.jpeg import Encoder, JpegError, decode, small_size
from lapose_core.frames.picture import Picture

VERSION = 1
KEEP_FREE = 1 << 30
"""Bytes of the disk that a proxy never takes."""
_ROW = np.dtype([("frame", "<u4"), ("length", "<u4"), ("offset", "<u8"), ("crc", "<u4"), ("check", "<u4")])
# Space is asked for once in so many pictures.
_LOOK_AT_DISK = 64
# Mean difference in grey levels of two JPEGs of one frame, at most; half of it was seen on noise.
_SAME = 12.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProxyState:
    """How far a proxy is.

    Attributes:
        done, frames: pictures there, and those of the drive.
        bytes: on disk.
        stopped: why no more are made, or "".
    """

    done: int
    frames: int
    bytes: int
    stopped: str = ""


class Proxy:
    """Small pictures of ``drive``'s frames in ``folder``; usable while partial. May be used from any thread.

    A folder that is of something else, or damaged, is emptied and begun anew.

    Args:
        limit: bytes on disk beyond which no more pictures are taken.

    Raises:
        OSError: where the folder cannot be made.
    """

    def __init__(self, folder: Path, drive: Drive, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self.size = small_size(drive.width, drive.height)
        self._count = len(drive)
        self._source_size = (drive.width, drive.height)
        self._files: list[Path] = []
        self._seen: dict[str, int] = {}  # files of rows that others write or wrote -> bytes of them that were read
        self._file = np.full(self._count, -1, np.int32)  # of each frame, -1: missing
        self._rows = np.zeros(self._count, _ROW)
        self._bytes = 0
        self._stopped = ""
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._out: tuple[BinaryIO, BinaryIO] | None = None
        self._own = -1  # number of that file
        self._in: dict[int, BinaryIO] = {}
        self._encoder = Encoder()
        self._since_look = 0
        self._closed = False
        self._fed_at = -float("inf")
        self._open()

    def __len__(self) -> int:
        return self._count

    def __contains__(self, index: int) -> bool:
        return bool(self._file[index] >= 0)

    @property
    def state(self) -> ProxyState:
        return ProxyState(int((self._file >= 0).sum()), self._count, self._bytes, self._stopped)

    @property
    def missing(self) -> NDArray[np.int64]:
        """Frames without a picture, ascending."""
        return np.flatnonzero(self._file < 0)

    @property
    def fed_for(self) -> float:
        """Seconds since somebody who passes through the drive anyway gave a frame; infinite where nobody did."""
        return time.monotonic() - self._fed_at

    def take(self, index: int, frame: Picture | Image, *, in_passing: bool = True) -> bool:
        """Make frame ``index`` part of the proxy, unless it is; whether the proxy wants more.

        Args:
            frame: as decoded, or upright RGB uint8 [H, W, 3].
            in_passing: whether it was decoded for another purpose; the background pass waits while such frames come.
        """
        if in_passing:
            self._fed_at = time.monotonic()
        if self._stopped or self._closed or index in self:
            return not (self._stopped or self._closed)
        if isinstance(frame, np.ndarray):
            frame = Picture(VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"))
        if frame.size != self._source_size:
            return True  # a source that breaks its own promise; its read says so
        with self._writing:
            if not self._closed and index not in self:
                self._append(index, self._encoder.encode(frame))
        return not self._stopped

    def read(self, index: int) -> Image | None:
        """The small picture [h, w, 3] RGB uint8 of frame ``index``; None where it is missing or damaged."""
        with self._reading:
            place = int(self._file[index])
            if place < 0 or self._closed:
                return None
            row = self._rows[index].copy()
            try:
                file = self._in.get(place)
                if file is None:
                    file = self._in[place] = self._files[place].open("rb", buffering=0)
                file.seek(int(row["offset"]))
                data = file.read(int(row["length"]))
                if zlib.crc32(data) != row["crc"]:
                    raise JpegError("checksum")
                image = decode(data)
                if image.shape[1::-1] != self.size:
                    raise JpegError("size")
            except (OSError, JpegError) as error:
                log.warning("%s: the picture of frame %d is damaged (%s) and made again", self.folder, index, error)
                self._file[index] = -1
                return None
        return image

    def agrees(self, index: int, image: Image) -> bool | None:
        """Whether frame ``index``'s picture is one of ``image`` (upright RGB [H, W, 3]); None where there is none."""
        small = self.read(index)
        if small is None:
            return None
        other = Encoder().encode(Picture(VideoFrame.from_ndarray(image, format="rgb24")))
        apart = np.abs(decode(other).astype(np.int16) - small).mean()
        return bool(apart < _SAME)

    def look_again(self) -> None:
        """Take over the pictures that others, which pass through the drive, made since the last time."""
        with self._writing, self._reading:
            if self._closed:
                return
            mine = self._out[1].name if self._out is not None else ""
            before = self._bytes
            for rows in sorted(self.folder.glob("*.rows")):
                if str(rows) != str(mine):
                    self._load(rows)
            if self._bytes > before:
                self._fed_at = time.monotonic()

    def clear(self) -> None:
        """Forget all pictures, also on disk."""
        with self._writing, self._reading:
            self._close_files()
            self._begin()

    def close(self) -> None:
        """Close the files; nothing is read or taken any more."""
        with self._writing, self._reading:
            self._closed = True
            self._close_files()

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            same = json.loads((self.folder / "proxy.json").read_text()) == self._identity()
        except (OSError, ValueError):
            same = False
        if not same:
            self._begin()
            return
        os.utime(self.folder / "proxy.json")  # the least recently used proxy goes first
        for rows in sorted(self.folder.glob("*.rows")):
            self._load(rows)

    def _identity(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "frames": self._count,
            "source_size": list(self._source_size),
            "size": list(self.size),
        }

    def _begin(self) -> None:
        for path in self.folder.iterdir():
            if path.suffix in (".jpegs", ".rows"):
                path.unlink(missing_ok=True)
        self._forget()
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".proxy")
        with os.fdopen(handle, "w") as stream:
            json.dump(self._identity(), stream)
        os.replace(name, self.folder / "proxy.json")

    def _forget(self) -> None:
        self._files, self._bytes, self._stopped = [], 0, ""
        self._seen.clear()
        self._file[:] = -1

    def _load(self, rows_path: Path) -> None:
        """Take over what another writer left, or added; rows that are torn or point nowhere are passed over."""
        data_path, seen = rows_path.with_suffix(".jpegs"), self._seen.get(rows_path.name, 0)
        try:
            with rows_path.open("rb") as file:
                file.seek(seen)
                raw = file.read()
            size = data_path.stat().st_size
        except OSError:
            return
        raw = raw[: len(raw) // _ROW.itemsize * _ROW.itemsize]
        if not raw and seen:
            return
        rows = np.frombuffer(raw, _ROW)
        good = rows[
            (_check(rows) == rows["check"]) & (rows["frame"] < self._count) & (rows["offset"] + rows["length"] <= size)
        ]
        if data_path not in self._files:
            self._files.append(data_path)
        self._rows[good["frame"]] = good
        self._file[good["frame"]] = self._files.index(data_path)
        self._bytes += int(good["length"].sum(dtype=np.int64)) + len(raw)
        self._seen[rows_path.name] = seen + len(raw)

    def _append(self, index: int, data: bytes) -> None:
        try:
            if self._out is not None and os.fstat(self._out[1].fileno()).st_nlink == 0:
                # Somebody cleared the proxy; what is written from now on is of the new one.
                self._close_files()
                self._forget()
                self._open()
            self._require_room(len(data))
            pictures, rows = self._out = self._out or self._create()
            row = np.zeros((), _ROW)
            row["frame"], row["length"], row["offset"] = index, len(data), pictures.tell()
            row["crc"] = zlib.crc32(data)
            row["check"] = _check(row)[0]
            _write(pictures, data)
            _write(rows, row.tobytes())
        except OSError as error:
            # A picture without a row, or half a row, is passed over by whoever opens the proxy next.
            self._stopped = str(error.strerror or error)
            log.warning("%s: no more preview pictures are made: %s", self.folder, self._stopped)
            return
        self._rows[index] = row
        self._file[index] = self._own
        self._bytes += len(data) + _ROW.itemsize

    def _require_room(self, size: int) -> None:
        if self._bytes + size > self.limit:
            raise OSError(errno.EDQUOT, f"the limit of {self.limit >> 20} MiB for preview pictures is reached")
        if self._since_look % _LOOK_AT_DISK == 0 and shutil.disk_usage(self.folder).free < KEEP_FREE:
            raise OSError(errno.ENOSPC, "the disk is nearly full")
        self._since_look += 1

    def _create(self) -> tuple[BinaryIO, BinaryIO]:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{uuid.uuid4().hex}.jpegs"
        out = (path.open("xb", buffering=0), path.with_suffix(".rows").open("xb", buffering=0))
        self._own = len(self._files)
        self._files.append(path)
        return out

    def _close_files(self) -> None:
        for file in (*self._in.values(), *(self._out or ())):
            file.close()
        self._in, self._out = {}, None


def _check(rows: NDArray[Any]) -> NDArray[np.uint32]:
    """Checksums [n] of rows [n], which tell rows from bytes that are none."""
    total = np.atleast_1d(rows["frame"]).astype(np.uint64) + np.uint64(1)
    for name in ("length", "offset", "crc"):
        total = (total * np.uint64(0x9E3779B97F4A7C15)) ^ rows[name]
    return (total * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)).astype(np.uint32)


def _write(file: BinaryIO, data: bytes) -> None:
    """All of ``data``: an unbuffered write may take a part, and on a full disk does."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
