"""When the pictures of a topic were taken: the messages' own time stamps, read as cheaply as that goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lapose_core.logs.messages.decoders import PREFIX_BYTES, Decoder, message_stamp
from lapose_core.logs.messages.log import Entries, Ints, MessageLog, MessageReader, Topic, in_file_order
from lapose_core.logs.messages.ros import DecodeError

# Reading this much at opening stays well under a second.
_CHEAP_BYTES = 192 << 20
_SAMPLED = 15


@dataclass(frozen=True)
class Stamps:
    """Times [N] of a topic's messages in nanoseconds, and in words which times they are."""

    times: Ints
    source: str
    notes: tuple[str, ...] = ()


def message_times(
    log: MessageLog, topic: Topic, entries: Entries, reader: MessageReader, read_anyway: Sequence[Entries] = ()
) -> Stamps:
    """The messages' own stamps; where they have none, or getting them takes long, the log times.

    Stamps stand at the beginning of messages, but those in compressed chunks cost unpacking them. Beyond some
    hundred megabytes (not counting chunks that hold ``read_anyway``) a few are sampled instead, and the log times
    are shifted by the median of the difference.
    """
    decoder = topic.decoder
    assert decoder is not None
    if _stamp(reader, entries, 0, decoder) is None:
        return Stamps(entries.log_times, "log times (the messages have no stamps of their own)")
    extra = log.cost([*read_anyway, entries]) - log.cost(list(read_anyway))
    if decoder.stamp(reader.read(entries, 0, PREFIX_BYTES)) is None:
        # The whole message must be read to find its stamp.
        extra = max(extra, len(reader.read(entries, 0)) * len(entries))
    if extra > _CHEAP_BYTES:
        return _sampled(reader, entries, decoder)
    times = entries.log_times.copy()
    missing = 0
    for _, i in in_file_order([entries]):
        stamp = _stamp(reader, entries, i, decoder)
        missing += stamp is None
        times[i] = times[i] if stamp is None else stamp
    notes = (f"{missing} messages of {topic.name} have no stamp: their log time was taken.",) if missing else ()
    return Stamps(times, "the messages' own stamps", notes)


def _sampled(reader: MessageReader, entries: Entries, decoder: Decoder) -> Stamps:
    rows = np.unique(np.linspace(0, len(entries) - 1, _SAMPLED).astype(np.int64))
    found = [(i, _stamp(reader, entries, int(i), decoder)) for i in rows]
    late = np.array([stamp - int(entries.log_times[i]) for i, stamp in found if stamp is not None], np.int64)
    shift = int(np.median(late))
    spread = float(late.max() - late.min()) * 1e-6
    return Stamps(
        entries.log_times + shift,
        f"log times, shifted by {shift * 1e-6:.1f} ms to the stamps of {len(late)} messages (they agree to "
        f"{spread:.1f} ms)",
        ("The pictures' own time stamps would take long to read: log times near them were taken.",),
    )


def _stamp(reader: MessageReader, entries: Entries, i: int, decoder: Decoder) -> int | None:
    stamp = decoder.stamp(reader.read(entries, i, PREFIX_BYTES))
    if stamp is not None:
        return stamp
    try:
        return message_stamp(decoder.decode(reader.read(entries, i)))
    except DecodeError:
        return None
