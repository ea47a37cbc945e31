"""Changes to video files that no muxer here makes: edit lists, mirrored display, missing and repeated times."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av

_TS_PACKET = 188
_ONE = 1 << 16  # in 16.16 fixed point
Change = Callable[[bytes, bytes], bytes]


def edit_list(path: Path, entries: Sequence[tuple[int, int | None]]) -> Path:
    """Give the one track of an mp4 an edit list: (milliseconds shown, media milliseconds or None for nothing)."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        scale: Fraction = 1 / stream.time_base
        # The muxer's own edit list lets the first picture stand at 0; media time begins at its decoding time.
        begin = -min(packet.dts for packet in container.demux(stream) if packet.dts is not None)
    rows = [(length, -1 if at is None else begin + round(at * scale / 1000)) for length, at in entries]
    table = struct.pack(">II", 0, len(rows)) + b"".join(struct.pack(">IiHH", *row, 1, 0) for row in rows)
    edits = _box(b"edts", _box(b"elst", table))

    def change(kind: bytes, box: bytes) -> bytes:
        return b"" if kind == b"edts" else box + edits if kind == b"tkhd" else box

    path.write_bytes(_rebuilt(path.read_bytes(), change))
    return path


def display_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Have the one track of an mp4 shown with pixel (x, y) at (ax + cy, bx + dy) (ISO 14496-12, 8.3.2)."""
    rows = (a * _ONE, b * _ONE, 0, c * _ONE, d * _ONE, 0, 0, 0, 1 << 30)
    matrix = struct.pack(">9i", *rows)

    def change(kind: bytes, box: bytes) -> bytes:
        return box[:48] + matrix + box[84:] if kind == b"tkhd" else box

    path.write_bytes(_rebuilt(path.read_bytes(), change))
    return path


def without_times(path: Path, every: int) -> Path:
    """Take the time stamps from every ``every``-th picture of a transport stream (ISO 13818-1, 2.4.3.7)."""
    data = bytearray(path.read_bytes())
    count = 0
    for at in range(0, len(data), _TS_PACKET):
        start = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
        if not data[at + 1] & 0x40 or data[start : start + 3] != b"\0\0\1" or data[start + 3] >> 4 != 0xE:
            continue
        count += 1
        if count % every == 0:
            data[start + 7] &= 0x3F
            length = data[start + 8]
            data[start + 9 : start + 9 + length] = b"\xff" * length
    path.write_bytes(data)
    return path


def repeated_times(source: Path, path: Path, every: int) -> Path:
    """Copy ``source``, which has no B-frames, giving every ``every``-th picture the time of the one before."""
    with av.open(str(source)) as given, av.open(str(path), "w") as out:
        stream = given.streams.video[0]
        copy = out.add_stream_from_template(stream)
        before = None
        for number, packet in enumerate(given.demux(stream)):
            if packet.dts is None:
                continue
            own = packet.pts
            if before is not None and number % every == 0:
                packet.pts, packet.dts = before, before
            before = own
            packet.stream = copy
            out.mux(packet)
    return path


def joined(path: Path, *parts: Path) -> Path:
    """The parts end to end, as a dash camera's recordings are often put together."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def _rebuilt(data: bytes, change: Change) -> bytes:
    """The boxes of an mp4 whose moov stands last, so that nothing before it moves."""
    assert data.index(b"mdat") < data.index(b"moov")
    out = b""
    for kind, box in _boxes(data):
        out += _box(kind, _rebuilt_inside(box[8:], change)) if kind == b"moov" else box
    return out


def _rebuilt_inside(data: bytes, change: Change) -> bytes:
    out = b""
    for kind, box in _boxes(data):
        out += _box(kind, _rebuilt_inside(box[8:], change)) if kind == b"trak" else change(kind, box)
    return out


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        yield data[at + 4 : at + 8], data[at : at + length]
        at += length
