"""Frame-exact random access and sequential decode of a video file, on top of its `VideoIndex`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain, takewhile
from pathlib import Path
from typing import Any

import av.error
import numpy as np
from av.video.reformatter import VideoReformatter

from lapose_core.disposable import disposable_test, is_disposable
from lapose_core.drive import Image, LogError
from lapose_core.frames.budget import ByteBudget, Cache
from lapose_core.frames.keeper import FrameKeeper, frame_bytes
from lapose_core.frames.picture import GivenUp, Picture
from lapose_core.video_index import (
    Packet,
    VideoIndex,
    build_index,
    open_video,
    packets,
    reason,
    signature,
)

_CACHE_BYTES = 256 << 20
_POOL = 14
"""Pictures that an open decoder holds for itself: 41 MiB at 1920x1080 with four threads (H.264, B frames)."""
# Decoding a few packets too many is cheaper than a seek, which also empties the decoder's pipeline.
_WORTH_A_SEEK = 32
# A frame still absent when one this much later has left the decoder is missing, not late.
_REORDER_LIMIT = 32
# A frame that does not appear when decoding begins at its own key frame may need an older one (gradual
# refresh): how many packets further back to try before it is called damaged.
_FURTHER_BACK = (0, 64, 512, 4096)
# Frames kept before one that is jumped to: enough for the first steps back while those before are decoded. With all
# that are passed a jump was an eighth slower.
_BEFORE = 16
# Frames kept in the decoder's own memory: the eight that the store decodes ahead, and as many behind the cursor as
# after a jump. Copies took a seventh of playback's processor time, and a twentieth of a jump's.
_LENT = _BEFORE + 8
# Frames read one after the other after which those that are lent no longer are copied when there are more.
_PLAYING = 16
# Packets to look at after a seek for one that the index knows.
_RECOGNISE = 500


class VideoSource:
    """`FrameSource` of a video file: ``read(i)`` is frame i of a plain sequential decode, in any order.

    The last frames passed on the way to the one asked for are kept, and all of them once a request goes back within a
    group of pictures, so stepping back through it decodes it once more; up to ``cache_bytes``. They are kept as decoded
    (half the size of RGB), converted on demand. The decoder's memory stays as long as one of its frames does, so it
    lends only the last few, until ``settle`` or the next seek; the others are copies. Pictures on the way that no other
    refers to are not decoded at all.
    The display matrix is applied where it is of quarter turns, mirrored or not.

    Raises:
        LogError: where the file is not a readable video or holds no decodable frame.
    """

    def __init__(self, path: Path, index: VideoIndex | None = None, cache_bytes: int = _CACHE_BYTES) -> None:
        self.path = path
        self.index = build_index(path) if index is None else index
        self.give_up: Callable[[], bool] | None = None
        """Asked between packets whether the frame being decoded is still wanted."""
        self.threads = 1
        """That turn a frame into RGB; 0 for all cores, for the one source that is being watched."""
        self._budget = ByteBudget(cache_bytes)
        self._cache = self._own = self._budget.cache("frames")
        self._reformatter = VideoReformatter()
        self._keeper = FrameKeeper()
        self._read = -1  # the frame last asked for
        self._onward = 0  # how many in a row were the one after the one before
        self._lent: deque[int] = deque()  # frames kept in the decoder's memory
        self._most_lent = 0  # of this decoder, which keeps its memory for so many
        self._pending: deque[tuple[int, Any]] = deque()  # decoded, not yet passed
        self._packets: Iterator[tuple[int, Packet]] = iter(())
        self._fed = -1  # number of the last packet given to the decoder
        self._last = -1  # highest frame passed since the last seek
        self._left_out = -1  # highest frame since then that was not decoded, since nothing needed it
        self._visited = -1  # start of the group in which the last frame read lies
        self._gone_back = False  # whether a request has gone back in that group
        self._floor = -1  # presentation position before which decoded pictures are not to be trusted
        self._drained = False
        self._begun = 0  # packet at which the decoder was last set to work
        self._damaged = False  # whether the decoder has met damage: FFmpeg's then errs even past the next seek
        self._container, self._stream = open_video(path)
        self._disposable = disposable_test(self._stream.codec_context.name, self._stream.codec_context.extradata)
        self._begin(0, enumerate(packets(self._container, self._stream)))
        try:
            first = self._frame(0, keep_from=0)
        except LogError:
            self.close()
            raise
        self._coded_size = (first.width, first.height)
        self._mirrored, self._turns = _orientation(first)
        self.width, self.height = self._coded_size[::-1] if self._turns % 2 else self._coded_size

    def __len__(self) -> int:
        return len(self.index.packet)

    @property
    def description(self) -> str:
        """Container and codec, such as ``mov, h264``."""
        return f"{self._container.format.name.split(',')[0]}, {self._stream.codec_context.name}"

    def read(self, index: int) -> Image:
        """Frame ``index`` [H, W, 3] RGB uint8, exactly.

        Raises:
            LogError: where it cannot be decoded.
            IndexError: where there is no such frame.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        self._onward = self._onward + 1 if index == self._read + 1 else 0
        frame = self._frame(index, self._worth_keeping(index))
        self._read = index
        return self._image(index, frame)

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        """Frames start, start + step, ... before stop with their indices, in one pass that keeps none."""
        if start < 0 or step < 1:
            raise ValueError(f"iterate goes forward from 0 or later: start {start}, step {step}")
        for i in range(start, len(self) if stop is None else min(stop, len(self)), step):
            yield i, self._image(i, self._frame(i, keep_from=None))

    def pictures(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Picture]]:
        """Frames start, start + 1, ... before stop with their indices, not yet turned into RGB; none is kept."""
        for i in range(start, len(self) if stop is None else min(stop, len(self))):
            yield i, self._picture(i, self._frame(i, keep_from=None))

    @property
    def nbytes(self) -> int:
        """About what the decoder holds, and what is kept that no cache was given for."""
        width, height = self._coded_size
        return (_POOL + self._most_lent - len(self._lent)) * width * height * 3 // 2 + self._own.bytes

    def keep_at_most(self, cache_bytes: int) -> None:
        """Keep so many bytes of frames passed on the way, where no cache was given for them."""
        self._budget.limit = cache_bytes

    def share(self, cache: Cache) -> None:
        """Keep frames in ``cache`` from now on, which sources of the same file may share, also across threads."""
        self._cache = cache

    def prepare(self, index: int) -> None:
        """Decode frame ``index`` and keep it, with all those on the way to it.

        Raises:
            LogError: where it cannot be decoded.
        """
        self._frame(index, keep_from=0)

    def settle(self) -> None:
        """Copy the frames that the decoder lends, which stay so, until ``give_up`` says that there is no time: for when
        nobody waits for a frame."""
        while self._lent and not (self.give_up is not None and self.give_up()):
            self._copy(self._lent.popleft())

    def close(self) -> None:
        """Free the decoder, and the kept frames unless they are shared."""
        self._own.close()
        self._take_back()
        self._cache = self._own
        self._pending.clear()
        self._packets = iter(())  # it refers to this object, which would keep the decoder's memory alive
        self._container.close()

    def _worth_keeping(self, i: int) -> int:
        """The first frame to keep of those on the way to frame i: all where a hand goes to and fro in its group."""
        group = self.index.start_before(int(self.index.packet[i]))
        if group != self._visited:
            self._visited, self._gone_back = group, False
        elif i < self._read:
            self._gone_back = True
        return 0 if self._gone_back else max(0, i - _BEFORE)

    def _keep(self, number: int, frame: Any) -> None:
        # To one who goes to and fro, or decodes ahead of another, many frames matter; else mostly the last few.
        if self._gone_back or self._read < 0:
            self._cache.put(number, *self._keeper.keep(frame))
            return
        self._cache.put(number, frame, frame_bytes(frame))
        while self._lent and self._lent[0] not in self._cache:
            self._lent.popleft()
        self._lent.append(number)
        if len(self._lent) > _LENT:
            oldest = self._lent.popleft()
            if self._onward >= _PLAYING:
                self._cache.pop(oldest)
            else:
                self._copy(oldest)
        self._most_lent = max(self._most_lent, len(self._lent))

    def _copy(self, number: int) -> None:
        frame = self._cache.get(number)
        if frame is not None:
            self._cache.put(number, *self._keeper.keep(frame))

    def _take_back(self) -> None:
        """Keep no more of what was lent than the frame last read: a hand that moves on so soon seldom comes back."""
        for number in self._lent:
            if number == self._read:
                self._copy(number)
            else:
                self._cache.pop(number)
        self._lent.clear()

    def _frame(self, i: int, keep_from: int | None) -> Any:
        """Frame i; of those passed, the ones from ``keep_from`` on are kept, None for none of them."""
        kept = self._cache.get(i)
        if kept is not None:
            return kept
        start = self.index.start_before(int(self.index.packet[i]))
        needed = i if keep_from is None else keep_from
        frame = None
        if i > max(self._last, self._left_out) and start <= self._fed + _WORTH_A_SEEK:
            frame = self._decode_to(i, keep_from, needed)
        begins = (self.index.start_before(max(start - back, 0)) for back in _FURTHER_BACK)
        for begin in dict.fromkeys(begins):
            if frame is None:
                self._seek(begin)
                frame = self._decode_to(i, keep_from, needed)
            if frame is None and self._left_out >= 0:
                needed = 0
                self._seek(begin)
                frame = self._decode_to(i, keep_from, needed)
        if frame is None:
            raise LogError(f"{self.path}: frame {i} cannot be decoded; the file is damaged there")
        return frame

    def _decode_to(self, i: int, keep_from: int | None, needed: int) -> Any | None:
        """Frame i, or None where it does not come out; those before ``needed`` are decoded where others need them.

        None, too, where something was left out and the stream is damaged: what FFmpeg makes of damage depends on all
        that was decoded before.
        """
        while not (self._damaged and self._left_out >= 0):
            while self._pending:
                number, frame = self._pending.popleft()
                self._last = max(self._last, number)
                if keep_from is not None and number >= keep_from and number not in self._cache:
                    self._keep(number, frame)
                if number == i:
                    return frame
                if number > i + _REORDER_LIMIT:
                    return None
            if self._drained:
                return None
            if self.give_up is not None and self.give_up():
                raise GivenUp(i)
            self._decode_next(needed)
        return None

    def _decode_next(self, needed: int) -> None:
        number, packet = next(self._packets, (-1, None))
        if packet is None:
            self._drained = True
        else:
            self._fed = number
            packet.pts = number
            shown = int(self.index.frame[number])
            if 0 <= shown < needed and not self._damaged and is_disposable(self._disposable, packet):
                self._left_out = max(self._left_out, shown)
                return
        for frame in self._output(packet):
            # What comes after damage would depend on where decoding began: it begins anew at the next start.
            if self._damaged and self.index.start_before(frame.pts) > self._begun:
                self._drained = True
                return
            shown = int(self.index.frame[frame.pts])
            if shown >= 0:
                self._pending.append((shown, frame))

    def _output(self, packet: Packet | None) -> list[Any]:
        """Frames that can be trusted of those that leave the decoder when ``packet`` (None: the end) goes in."""
        try:
            frames = self._stream.codec_context.decode(packet)
        except (av.error.FFmpegError, ValueError):
            self._damaged = True
            return []
        # Pictures shown before the start may lack their references: they are not the true ones.
        frames = [f for f in frames if f.pts is not None and self.index.position[f.pts] >= self._floor]
        self._damaged |= any(frame.is_corrupt for frame in frames)
        return frames

    def _seek(self, start: int) -> None:
        """Make ``start`` the next packet: by the container's index if that proves right, else by counting."""
        self._take_back()
        if not self._drained:
            self._output(None)  # what is still inside the decoder may be damaged
        # A file is mostly damaged at its end, and with several threads a damaged frame is not always told as such.
        if self._damaged or self._fed >= len(self.index.frame) - 1:
            self._reopen()
        place = int(np.searchsorted(self.index.starts, start))
        if self._seek_by_index(self.index.start_stamps[place], self.index.start_offsets[place], start):
            return
        self._reopen()
        self._begin(start, enumerate(packets(self._container, self._stream)))

    def _reopen(self) -> None:
        self._container.close()
        self._container, self._stream = open_video(self.path)
        self._damaged = False
        self._most_lent = 0

    def _seek_by_index(self, stamp: int | None, offset: int | None, start: int) -> bool:
        try:
            if stamp is not None:
                self._container.seek(stamp, stream=self._stream)
            elif offset is not None:
                self._container.seek(offset, stream=self._stream, unsupported_byte_offset=True)
            else:
                return False
        except (av.error.FFmpegError, ValueError):
            return False
        following = packets(self._container, self._stream)
        for packet, _ in zip(following, range(_RECOGNISE), strict=False):
            number = self.index.start_of.get(signature(packet))
            if number is not None:
                self._begin(start, enumerate(chain([packet], following), number))
                return number <= start
        return False

    def _begin(self, start: int, numbered: Iterator[tuple[int, Packet]]) -> None:
        following = ((number, packet) for number, packet in numbered if number >= start)
        self._packets = takewhile(lambda item: item[0] < len(self.index.frame), following)
        self._pending.clear()
        self._begun = start
        self._fed = start - 1
        self._last = -1
        self._left_out = -1
        self._drained = False
        self._floor = int(self.index.position[start]) if start > 0 else -1

    def _picture(self, i: int, frame: Any) -> Picture:
        if (frame.width, frame.height) != self._coded_size:
            raise LogError(
                f"{self.path}: frame {i} is {frame.width}x{frame.height} but the video began as "
                f"{self._coded_size[0]}x{self._coded_size[1]}; split it where the size changes"
            )
        return Picture(frame, self._mirrored, self._turns)

    def _image(self, i: int, frame: Any) -> Image:
        try:
            return self._picture(i, frame).rgb(self._reformatter, self.threads)
        except (av.error.FFmpegError, ValueError) as error:
            raise LogError(f"{self.path}: frame {i} cannot be turned into RGB ({reason(error)})") from error


def _orientation(frame: Any) -> tuple[bool, int]:
    """Whether the picture is to be mirrored left to right, and its quarter turns to the left after that.

    The display matrix has rows (a b u), (c d v), (x y w) in 16.16 fixed point and takes a pixel (x, y), y down,
    to (ax + cy, bx + dy).
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, 0
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5] / 65536.0
    mirrored = a * d - b * c < 0
    right = (-a, -b) if mirrored else (a, b)  # where the picture's x axis, mirrored or not, comes to point
    return mirrored, round(np.degrees(np.arctan2(-right[1], right[0])) / 90) % 4
