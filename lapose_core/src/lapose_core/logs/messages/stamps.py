"""When the pictures of a topic were taken: the messages' own time stamps, read as cheaply as that goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lapose_core.drive import LogError
from lapose_core.logs.messages.decoders import PREFIX_BYTES, Decoder, message_stamp
from lapose_core.logs.messages.log import Entries, Ints, MessageLog, MessageReader, Topic
from lapose_core.logs.messages.ros import DecodeError

# Reading this much at opening stays well under a second.
_CHEAP_BYTES = 192 << 20
_SAMPLED = 15
# A topic whose first messages have no stamp, or cannot be read, has none.
_TRIED = 20


@dataclass(frozen=True)
class Stamps:
    """Times [N] of a topic's messages in nanoseconds, and in words which times they are."""

    times: Ints
    source: str
    notes: tuple[str, ...] = ()


class OwnStamps:
    """Collects the stamps of a topic's messages; where one has none its log time stands.

    Args:
        topic: whose messages they are.
        entries: where they are.
        reader: of the recording.
    """

    def __init__(self, topic: Topic, entries: Entries, reader: MessageReader) -> None:
        assert topic.decoder is not None
        self.entries = entries
        self._topic = topic
        self._decoder: Decoder = topic.decoder
        self._reader = reader
        self._times = entries.log_times.copy()
        self._missing = 0

    def add(self, i: int) -> None:
        """Read the stamp of message ``i``."""
        stamp = _stamp(self._reader, self.entries, i, self._decoder)
        if stamp is None:
            self._missing += 1
        else:
            self._times[i] = stamp

    def result(self) -> Stamps:
        """The times, once every message was added."""
        note = f"{self._missing} messages of {self._topic.name} have no stamp: their log time was taken."
        return Stamps(self._times, "the messages' own stamps", (note,) if self._missing else ())


def cheap_stamps(
    log: MessageLog, topic: Topic, entries: Entries, reader: MessageReader, read_anyway: Sequence[Entries]
) -> Stamps | None:
    """Times of a topic's messages without reading all of them, or None where all can be read, with `OwnStamps`.

    Stamps stand at the beginning of messages, but those in compressed chunks cost unpacking them. Beyond some
    hundred megabytes (not counting chunks that hold ``read_anyway``) a few are sampled instead, and the log times
    are shifted by the median of the difference.
    """
    decoder = topic.decoder
    assert decoder is not None
    tried = range(min(len(entries), _TRIED))
    first = next((i for i in tried if _stamp(reader, entries, i, decoder) is not None), None)
    if first is None:
        return Stamps(entries.log_times, "log times (the messages have no stamps of their own)")
    extra = log.cost([*read_anyway, entries]) - log.cost(list(read_anyway))
    if decoder.stamp(reader.read(entries, first, PREFIX_BYTES)) is None:
        # The whole message must be read to find its stamp.
        extra = max(extra, len(reader.read(entries, first)) * len(entries))
    return _sampled(reader, entries, decoder) if extra > _CHEAP_BYTES else None


def _sampled(reader: MessageReader, entries: Entries, decoder: Decoder) -> Stamps:
    """Log times, shifted to the stamps of some messages."""
    rows = np.unique(np.linspace(0, len(entries) - 1, _SAMPLED).astype(np.int64))
    found = [(i, _stamp(reader, entries, int(i), decoder)) for i in rows]
    late = np.array([stamp - int(entries.log_times[i]) for i, stamp in found if stamp is not None] or [0], np.int64)
    shift = int(np.median(late))
    spread = float(late.max() - late.min()) * 1e-6
    return Stamps(
        entries.log_times + shift,
        f"log times, shifted by {shift * 1e-6:.1f} ms to the stamps of {len(late)} messages (they agree to "
        f"{spread:.1f} ms)",
        ("The messages' own time stamps would take long to read: log times near them were taken.",),
    )


def _stamp(reader: MessageReader, entries: Entries, i: int, decoder: Decoder) -> int | None:
    try:
        stamp = decoder.stamp(reader.read(entries, i, PREFIX_BYTES))
        return message_stamp(decoder.decode(reader.read(entries, i))) if stamp is None else stamp
    except (DecodeError, LogError):
        return None  # an error when the message is looked at, not before
