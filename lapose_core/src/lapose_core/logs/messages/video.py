"""Frames of a topic of compressed video, one picture a message: exact random access from key frame to key frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lapose_core.drive import Image, LogError
from lapose_core.frames.budget import ByteBudget, Cache
from lapose_core.frames.keeper import FrameKeeper
from lapose_core.frames.picture import GivenUp, Picture
from lapose_core.logs.messages.decoders import Decoder, Message, payload
from lapose_core.logs.messages.key_frames import CODECS, is_key
from lapose_core.logs.messages.log import Entries, Ints, MessageLog, MessageReader, Topic, first_readable
from lapose_core.logs.messages.ros import DecodeError

VIDEO = ("foxglove/CompressedVideo", "ffmpeg_image_transport_msgs/FFMPEGPacket")
# FFmpeg's own decoder of that name needs a graphics card.
_DECODERS = {"av1": "libdav1d"}
_CACHE_BYTES = 256 << 20
# A picture still absent when this many more packets went in is damaged, not late.
_REORDER_LIMIT = 32
# A recording that begins between two key frames has one within this many messages.
_FIRST_KEY_WITHIN = 2000


def video_codec(message: Message) -> str:
    """FFmpeg's name of the codec of a message.

    Raises:
        DecodeError: where it is not known.
    """
    name = str(message.get("format", message.get("encoding", ""))).strip().lower()
    # FFMPEGPacket may add pixel formats after semicolons.
    codec = CODECS.get(name.split(";")[0])
    if codec is None:
        raise DecodeError(f"video in the format {name!r} is not read; known are {', '.join(sorted(set(CODECS)))}")
    return codec


class Packets:
    """The bitstream of a topic message by message, and which messages are key frames, found out as they are asked.

    Raises:
        LogError: where the first message is no video that can be read.
    """

    def __init__(self, log: MessageLog, topic: Topic, entries: Entries, reader: MessageReader) -> None:
        assert topic.decoder is not None
        self._decoder: Decoder = topic.decoder
        self.where = f"{log.path}: {topic.name}"
        self._reader = reader
        self._entries = entries
        self._key = np.full(len(entries), -1, np.int8)
        self.codec = first_readable(reader, topic, entries, self.where, video_codec)

    def __len__(self) -> int:
        return len(self._entries)

    def data(self, n: int) -> memoryview:
        """The bitstream in message ``n``; empty where the message is damaged."""
        try:
            data = payload(self._decoder.decode(self._reader.read(self._entries, n)))
        except (DecodeError, LogError):
            return memoryview(b"")
        self._key[n] = is_key(self.codec, data)
        return data

    def is_key(self, n: int) -> bool:
        """Whether decoding can begin at message ``n``."""
        if self._key[n] < 0:
            self.data(n)
        return self._key[n] == 1

    def first_key(self) -> int:
        """The first key frame.

        Raises:
            LogError: where there is none near the beginning.
        """
        for n in range(min(len(self), _FIRST_KEY_WITHIN)):
            if self.is_key(n):
                return n
        raise LogError(
            f"{self.where}: no key frame ({self.codec}) in the first {min(len(self), _FIRST_KEY_WITHIN)} messages"
        )


class StreamSource:
    """`FrameSource` of a video topic; ``rows`` [N] is the message that holds each frame, in presentation order.

    Frames passed on the way to the one asked for are kept, up to ``cache_bytes``.
    """

    def __init__(
        self, log: MessageLog, topic: Topic, entries: Entries, rows: Ints, cache_bytes: int = _CACHE_BYTES
    ) -> None:
        self._reader = log.open()
        self._packets = Packets(log, topic, entries, self._reader)
        self._rows = rows
        # Presentation order of each message; those that are no frame stand where they are in the file.
        self._position = np.arange(len(entries), dtype=np.float64)
        self._position[rows] = np.sort(rows)
        self._index = np.full(len(entries), -1, np.int64)  # frame in each message
        self._index[rows] = np.arange(len(rows))
        self.give_up: Callable[[], bool] | None = None
        """Asked between messages whether the frame being decoded is still wanted."""
        self.threads = 1
        """That turn a frame into RGB; 0 for all cores."""
        self._cache = self._own = ByteBudget(cache_bytes).cache("frames")
        self._keeper = FrameKeeper()
        self._next = 0  # message that the decoder gets next
        self._inside: set[int] = set()  # messages whose picture has not come out yet
        self._context: Any = None
        self._size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first frame."""
        if self._size is None:
            first = self._frame(0)
            self._size = (first.width, first.height)
        return self._size

    def read(self, index: int) -> Image:
        """Frame ``index`` [H, W, 3] RGB uint8, exactly as in a decode from the beginning.

        Raises:
            LogError: where it cannot be decoded.
            IndexError: where there is no such frame.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        return self._picture(index).rgb(threads=self.threads)

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        """Frames start, start + step, ... before stop with their indices."""
        if start < 0 or step < 1:
            raise ValueError(f"iterate goes forward from 0 or later: start {start}, step {step}")
        for i in range(start, len(self) if stop is None else min(stop, len(self)), step):
            yield i, self.read(i)

    def pictures(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Picture]]:
        """Frames start, start + 1, ... before stop with their indices, not yet turned into RGB."""
        for i in range(start, len(self) if stop is None else min(stop, len(self))):
            yield i, self._picture(i)

    def share(self, cache: Cache) -> None:
        """Keep frames in ``cache`` from now on, which sources of the same topic may share, also across threads."""
        self._cache = cache

    def prepare(self, index: int) -> None:
        """Decode frame ``index`` and keep it, with those on the way to it.

        Raises:
            LogError: where it cannot be decoded.
        """
        self._frame(index)

    def close(self) -> None:
        """Close the recording, free the decoder, and the kept frames unless they are shared."""
        self._own.close()
        self._cache = self._own
        self._context = None
        self._reader.close()

    def _picture(self, index: int) -> Picture:
        frame = self._frame(index)
        if (frame.width, frame.height) != self.size:
            raise LogError(
                f"{self._packets.where}: frame {index} is {frame.width}x{frame.height} but the video began as "
                f"{self.size[0]}x{self.size[1]}; a log's pictures must have one size"
            )
        return Picture(frame)

    def _frame(self, index: int) -> Any:
        kept = self._cache.get(index)
        if kept is not None:
            return kept
        n = int(self._rows[index])
        start = self._start_before(n)
        # Packets between the decoder's place and a later key frame would be decoded for nothing.
        reachable = self._context is not None and (n in self._inside or start <= self._next <= n)
        frame = self._decode_to(n) if reachable else None
        if frame is None:
            self._begin(start)
            frame = self._decode_to(n)
        if frame is None:
            raise LogError(f"{self._packets.where}: frame {index} cannot be decoded; the recording is damaged there")
        return frame

    def _start_before(self, n: int) -> int:
        """The last key frame from which message ``n`` decodes: one that is not shown after it."""
        for k in range(n, -1, -1):
            if self._packets.is_key(k) and self._position[k] <= self._position[n]:
                return k
        return 0

    def _begin(self, start: int) -> None:
        import av

        self._context = av.CodecContext.create(_DECODERS.get(self._packets.codec, self._packets.codec), "r")
        # Packets are Python's memory: a decoder's worker that frees one waits for the interpreter's lock, which the
        # thread holds that closes the decoder and waits for its workers. One thread has no workers (seen with dav1d).
        self._context.thread_count = 1
        self._next = start
        self._inside = set()

    def _decode_to(self, n: int) -> Any | None:
        """Feed the decoder until the picture of message ``n`` comes out; None where it does not."""
        while self._context is not None and self._next <= n + _REORDER_LIMIT:
            if self.give_up is not None and self.give_up():
                raise GivenUp(int(self._index[n]))
            found = None
            for frame in self._feed():
                self._inside.discard(int(frame.pts))
                self._keep(int(frame.pts), frame)
                found = frame if frame.pts == n else found
            if found is not None:
                return found
        return None

    def _feed(self) -> list[Any]:
        """Give the decoder the next message, or at the end of the recording drain it; what comes out."""
        import av
        import av.error

        context, packet = self._context, None
        if self._next < len(self._packets):
            data = self._packets.data(self._next)
            if len(data):
                packet = av.Packet(bytes(data))
                packet.pts = packet.dts = self._next
                self._inside.add(self._next)
            self._next += 1
            if packet is None:
                return []
        else:
            self._context = None  # a drained decoder takes no more
        try:
            return [frame for frame in context.decode(packet) if frame.pts is not None]
        except (av.error.FFmpegError, ValueError):
            return []

    def _keep(self, number: int, frame: Any) -> None:
        index = int(self._index[number])
        if index >= 0 and self._cache.get(index) is None:
            self._cache.put(index, *self._keeper.keep(frame))
