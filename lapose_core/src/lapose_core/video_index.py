"""Where every frame of a video file is: demuxed once, then a frame is named by the number of its packet.

Containers promise little: presentation times may be missing, repeated or cut by an edit list, and some
packets are never shown. Numbering packets in file order is the one name that always holds. A packet is given
its number as presentation time before it is decoded; decoders carry that through their reordering, which
identifies each decoded frame exactly whatever the file says about time.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.stream import Discard
from numpy.typing import NDArray

from lapose_core import h264
from lapose_core.drive import LogError
from lapose_core.geometry import Array

# Only demuxers that keep to the one file: a playlist (hls, concat, dash, sdp) would open what its text names.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,vvc,av1,obu,ivf,flv,asf,"
    "ogg,nut,mjpeg,mxf,gif,dv,rm,wtv,yuv4mpegpipe,dhav"
)
_USUAL_RATE = 25.0
_FASTEST = 240.0  # a rate beyond this is a time base, not a camera
# Fewer presentation times than this share of the frames are no clock.
_ENOUGH_TIMES = 0.1
# FFmpeg chooses no more than 16 threads.
_MANY_CORES = 15
# Pictures decoded to see whether presentation times tell their order, where that is in doubt.
_LOOKED_AT = 64
# PyAV objects are untyped here: its classes are compiled and mypy does not follow them.
Packet = Any
Signature = tuple[int | None, int | None, int]


@dataclass(frozen=True)
class VideoIndex:
    """The frames of a video in presentation order; P packets in the file, N of them shown.

    Attributes:
        packet: [N] number of the packet that holds frame i.
        frame: [P] frame held by each packet, -1 where it is never shown.
        position: [P] place in presentation order of each packet, comparable between packets only.
        starts: [K] packets at which decoding can begin, ascending; the first packet is always one.
        start_stamps: [K] the container's own time stamp to seek to, or None where it has none.
        start_offsets: [K] the byte of the file to seek to where there is no stamp, or None.
        start_of: `signature` of a start -> its number, for those whose signature is unique.
        timestamps: [N] seconds from the first frame, strictly increasing.
        notes: what had to be assumed about this file, one sentence each.
        time_notes: those of the notes that are about ``timestamps``, for logs that bring better times.
    """

    packet: NDArray[np.int64]
    frame: NDArray[np.int64]
    position: NDArray[np.int64]
    starts: NDArray[np.int64]
    start_stamps: tuple[int | None, ...]
    start_offsets: tuple[int | None, ...]
    start_of: dict[Signature, int]
    timestamps: Array
    notes: tuple[str, ...] = ()
    time_notes: tuple[str, ...] = ()

    def start_before(self, packet: int) -> int:
        """The last place to begin decoding from which ``packet`` is reached: a key frame not shown after it.

        Pictures that follow a key frame in the file but are shown before it (open GOP) need the one before.
        """
        j = int(np.searchsorted(self.starts, packet, side="right")) - 1
        while j > 0 and self.position[self.starts[j]] > self.position[packet]:
            j -= 1
        return int(self.starts[j])


def open_video(path: Path) -> tuple[Any, Any]:
    """The PyAV container and video stream of ``path``, set up so that frames carry the packet's number.

    Raises:
        LogError: where it is no video that can be decoded.
    """
    try:
        options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
        container: Any = av.open(str(path), options=options, metadata_errors="replace")
    except av.error.ArgumentError as error:
        raise LogError(f"{path}: not a video that can be read (of no container known here)") from error
    except (av.error.FFmpegError, ValueError) as error:
        raise LogError(f"{path}: not a video that can be read ({reason(error)})") from error
    stream = container.streams.best("video")
    if stream is None or stream.codec_context is None:
        container.close()
        raise LogError(f"{path}: the file has no video stream that can be decoded")
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    stream.codec_context.thread_type = "AUTO"
    cores = os.cpu_count() or 1
    if 1 < cores < _MANY_CORES:
        # A picture waits for rows of the one before: FFmpeg's own choice, one more than there are cores, leaves cores
        # without work. On two of them 200 pictures at 1080p came in 0.78 to 0.93 of the time.
        stream.codec_context.thread_count = cores + 2
    return container, stream


def packets(container: Any, stream: Any) -> Iterator[Packet]:
    """The stream's packets in file order; ends quietly where the file is cut."""
    demuxer = container.demux(stream)
    while True:
        try:
            packet = next(demuxer, None)
        except (av.error.FFmpegError, ValueError):
            return
        except IndexError:
            # At the end PyAV also flushes streams that turned up on the way (a transport stream's tables may change, or
            # be damaged), which it does not know.
            return
        if packet is None:
            return
        # PyAV ends with an empty packet without times that means "flush"; the decoder is drained by its user.
        if packet.size > 0:
            yield packet


def decode(context: Any, packet: Packet | None) -> list[Any]:
    """Frames that leave the decoder when ``packet`` (None: the end) goes in; none for a damaged packet."""
    try:
        return context.decode(packet)
    except (av.error.FFmpegError, ValueError):
        return []


def signature(packet: Packet) -> Signature:
    """What tells a packet from the others of its file again after a seek."""
    return packet.pts, packet.pos, packet.size


def reason(error: Exception) -> str:
    """FFmpeg's own words without the path, which our message names already."""
    return str(getattr(error, "strerror", None) or error)


@dataclass
class _Table:
    """One row per packet, in file order."""

    pts: list[int | None] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    signatures: list[Signature] = field(default_factory=list)
    key: list[bool] = field(default_factory=list)
    shown: list[bool] = field(default_factory=list)
    time_base: float = 0.0
    rate: float = 0.0
    cut: bool = False
    # Packets of this stream do not map to frames one to one, so only decoding tells what is shown.
    opaque: bool = False
    # Whether the decoder, by the stream's header, may show pictures in another order than the file's.
    reorders: bool = False
    # The stream's header promises that it does not.
    in_order: bool = False


def build_index(path: Path) -> VideoIndex:
    """Demux ``path`` once and find every frame that a plain sequential decode gives.

    Of an ordinary file only the first pictures are decoded. Where presentation times are missing or repeated,
    and the stream's header does not promise that pictures are shown in the order of the file, the order is
    taken from one decode of the whole file, which takes correspondingly long.

    Raises:
        LogError: where the file is not a readable video or holds no frame that can be decoded.
    """
    table = _demux(path)
    count = len(table.pts)
    shown = np.flatnonzero(table.shown)
    timed = _tells_order(path, table)
    if table.opaque or not (timed or table.in_order):
        position, frames = _order_by_decoding(path, count)
    else:
        order = np.argsort(np.array(table.pts, np.int64), kind="stable") if timed else np.arange(count)
        position, frames = _order_known(path, table, order.astype(np.int64))
    if len(frames) == 0:
        raise LogError(f"{path}: no frame of this video can be decoded; it is damaged or cut short")
    notes = []
    if len(frames) < len(shown):
        notes.append(f"{len(shown) - len(frames)} pictures in the file cannot be decoded and are left out.")
    if table.cut:
        notes.append("The file is cut short: the frames before the cut are there.")
    frame = np.full(count, -1, np.int64)
    frame[frames] = np.arange(len(frames))
    starts = np.union1d(np.flatnonzero(table.key), [0]).astype(np.int64)
    seen = Counter(table.signatures[n] for n in starts)
    time_notes: list[str] = []
    timestamps = _timestamps(frames, table, time_notes)
    return VideoIndex(
        packet=frames,
        frame=frame,
        position=position,
        starts=starts,
        start_stamps=tuple(table.pts[n] if table.dts[n] is None else table.dts[n] for n in starts),
        start_offsets=tuple(table.signatures[n][1] for n in starts),
        start_of={table.signatures[n]: int(n) for n in starts if seen[table.signatures[n]] == 1},
        timestamps=timestamps,
        notes=(*notes, *time_notes),
        time_notes=tuple(time_notes),
    )


def _demux(path: Path) -> _Table:
    container, stream = open_video(path)
    try:
        codec = stream.codec_context.name
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        table = _Table(time_base=float(stream.time_base or 0), rate=rate if rate <= _FASTEST else 0.0)
        unit_length = h264.length_size(stream.codec_context.extradata)
        table.reorders = bool(stream.codec_context.has_b_frames)
        # Only HEVC must say so; the flag of other codecs may be a guess from the first pictures.
        table.in_order = codec == "hevc" and stream.codec_context.width > 0 and not table.reorders
        for packet in packets(container, stream):
            table.pts.append(packet.pts)
            table.dts.append(packet.dts)
            table.signatures.append(signature(packet))
            table.key.append(packet.is_keyframe and (codec != "h264" or h264.is_intra(bytes(packet), unit_length)))
            # A VP8 header says in bit 4 whether the picture is shown or only referred to.
            hidden = packet.is_discard or (codec == "vp8" and not bytes(packet)[0] & 0x10)
            table.shown.append(not hidden)
            table.cut = packet.is_corrupt
            # "Not coded" MPEG-4 pictures are a few bytes long: they show one packed elsewhere, or nothing.
            table.opaque |= codec == "mpeg4" and packet.size < 20
    finally:
        container.close()
    if table.cut:
        # Half a picture at the end of a cut file: feeding it would also cost the whole pictures before it.
        for column in (table.pts, table.dts, table.signatures, table.key, table.shown):
            column.pop()
    return table


def _tells_order(path: Path, table: _Table) -> bool:
    """Whether the presentation times are those of the file's frames in order; of no use otherwise."""
    if None in table.pts:
        return False
    stamps = [table.pts[n] for n in np.flatnonzero(table.shown)]
    # Recordings joined end to end start their clocks anew: sorted by time their pictures would be mixed.
    if len(set(stamps)) < len(stamps) or not _increase([d for d in table.dts if d is not None]):
        return False
    # Some containers (MXF) pass off decoding times as presentation times; the first pictures tell.
    if table.reorders and _increase(_numbers(table.pts)):
        first = _emitted(path, min(_LOOKED_AT, len(table.pts)))
        if not _increase(first):
            table.pts = [None] * len(table.pts)
            return False
    return True


def _increase(values: Sequence[float] | Array) -> bool:
    """Whether values [N] are finite and increase strictly."""
    return bool(np.isfinite(values).all() and (np.diff(values) > 0).all())


def _order_known(path: Path, table: _Table, order: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Presentation positions [P] and the shown packets in order [N], from the packets ``order``ed [P]."""
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    frames = order[np.array(table.shown, dtype=bool)[order]]
    # A recording cut out of a stream begins with pictures whose references are missing.
    first = _emitted(path, len(order), limit=1)
    frames = frames[position[frames] >= position[first[0]]] if first else frames[:0]
    return position, frames


def _order_by_decoding(path: Path, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Presentation positions [P] and the shown packets in order [N], as the decoder gives them."""
    frames = np.array(list(dict.fromkeys(_emitted(path, count))), np.int64)
    # A key frame that never comes out is no place to begin: it stands after everything.
    position = np.full(count, count, np.int64)
    position[frames] = np.arange(len(frames))
    return position, frames


def _emitted(path: Path, count: int, limit: int | None = None) -> list[int]:
    """Numbers of the first ``count`` packets in the order in which a sequential decode gives their frames."""
    container, stream = open_video(path)
    out: list[int] = []
    try:
        for number, packet in enumerate(islice(packets(container, stream), count)):
            packet.pts = number
            out += [frame.pts for frame in decode(stream.codec_context, packet) if frame.pts is not None]
            if limit is not None and len(out) >= limit:
                return out[:limit]
        out += [frame.pts for frame in decode(stream.codec_context, None) if frame.pts is not None]
    finally:
        container.close()
    return out[:limit]


def _timestamps(frames: NDArray[np.int64], table: _Table, notes: list[str]) -> Array:
    """Seconds from the first frame [N], strictly increasing; what had to be made up goes to ``notes``."""
    pts = _numbers(table.pts)[frames]
    if _increase(pts):
        return (pts - pts[0]) * table.time_base
    # Decoding times are presentation times in another order, so sorted they serve as well, but for a shift.
    if np.isnan(pts).any() and _increase(_numbers(table.dts)):
        dts = np.sort(_numbers(table.dts)[frames])
        return (dts - dts[0]) * table.time_base
    rate = table.rate or _USUAL_RATE
    known = np.flatnonzero(np.isfinite(pts))
    if len(known) < max(2, _ENOUGH_TIMES * len(pts)):
        notes.append(f"The file gives no times for its frames: {rate:g} frames per second are assumed.")
        return np.arange(len(pts)) / rate
    if len(known) < len(pts):
        notes.append(f"{len(pts) - len(known)} frames have no time of their own; they are spread evenly.")
    step = np.diff(pts[known]) * table.time_base
    gap = np.diff(known)
    usual = float(np.median((step / gap)[step > 0])) if (step > 0).any() else 1 / rate
    if (step < 0).any():
        notes.append(f"The file's clock goes back {int((step < 0).sum())} times; there the usual step is taken.")
        step = np.where(step < 0, usual * gap, step)
    distinct = np.append(0, np.flatnonzero(step > 0) + 1)
    if len(distinct) < len(known):
        notes.append(f"{len(known) - len(distinct)} frames repeat the time of the one before; they are spread evenly.")
    return _spread(len(pts), known[distinct], np.append(0.0, np.cumsum(step))[distinct], usual)


def _numbers(stamps: Sequence[int | None]) -> Array:
    return np.array([np.nan if stamp is None else stamp for stamp in stamps], np.float64)


def _spread(count: int, rows: NDArray[np.int64], times: Array, step: float) -> Array:
    """Times [count] from 0, linear between the increasing ``times`` [K] of the ``rows`` [K], ``step`` apart outside."""
    out = np.interp(np.arange(count), rows, times)
    out[: rows[0]] -= step * np.arange(rows[0], 0, -1)
    out[rows[-1] + 1 :] += step * np.arange(1, count - rows[-1])
    return out - out[0]
