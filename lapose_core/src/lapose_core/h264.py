"""The little of an H.264 stream (ITU-T H.264) that tells where decoding may begin and what it may leave out."""

from __future__ import annotations

from collections.abc import Iterator

_SLICE, _IDR = 1, 5  # nal_unit_type, table 7-1
_INTRA = (2, 4, 7, 9)  # slice_type of I and SI slices, table 7-6
_SAYS_NOTHING = (6, 9, 12)  # nal_unit_type of enhancement information, delimiters and filler
_HEADER = 16  # bytes of a slice that hold the two numbers looked at


def is_intra(data: bytes, length_size: int) -> bool:
    """Whether a picture is intra coded, so that it is whole without any picture before it.

    Containers mark a picture as a key frame also where the stream only promises that pictures some way after it
    will be right (a recovery point of gradual refresh). Its slices refer to older pictures. Of a picture in two
    fields the first is looked at: the second may refer to that.

    Args:
        data: a packet, one picture.
        length_size: bytes of the length before each unit (ISO 14496-15), 0 for start codes (annex B).
    """
    begun = False
    for unit in units(data, length_size):
        kind = unit[0] & 0x1F
        if kind == _IDR:
            return True
        if kind == _SLICE:
            first_block, slice_type = _first_two_numbers(unit[1:])
            if begun and first_block == 0:
                return True
            if slice_type not in _INTRA:
                return False
            begun = True
    return True


def is_disposable(data: bytes, length_size: int) -> bool:
    """Whether a packet holds nothing but a picture, or a field, that no other refers to (nal_ref_idc 0, 7.4.1).

    Numbers and order of the pictures that follow count from the last one that was referred to (7.4.3, 8.2.1), so they
    are decoded to the same bits without it.

    Args:
        data: a packet, one picture.
        length_size: as of `is_intra`.
    """
    slices = False
    for unit in units(data, length_size):
        kind = unit[0] & 0x1F
        if kind == _SLICE and not unit[0] & 0x60:
            slices = True
        elif kind not in _SAYS_NOTHING:
            return False
    return slices


def length_size(extradata: bytes | None) -> int:
    """Bytes of the length before each unit, by the decoder's configuration; 0 where units have start codes."""
    return (extradata[4] & 3) + 1 if extradata is not None and len(extradata) > 4 and extradata[0] == 1 else 0


def units(data: bytes, length_size: int) -> Iterator[bytes]:
    """The beginnings of the units of a packet of H.264 or HEVC, from their header byte on."""
    at = 0
    while True:
        if length_size == 0:
            at = data.find(b"\0\0\1", at) + 3
            if at < 3:
                return
            following = at
        else:
            following = at + length_size + int.from_bytes(data[at : at + length_size], "big")
            at += length_size
        if at >= len(data):
            return
        yield data[at : at + _HEADER]
        at = following


def _first_two_numbers(header: bytes) -> tuple[int, int]:
    """first_mb_in_slice and slice_type: Exp-Golomb codes (9.1) at the beginning of a slice's header."""
    bits = int.from_bytes(header, "big")
    left = 8 * len(header)
    values = []
    for _ in range(2):
        width = 2 * (left - bits.bit_length()) + 1
        if width > left:
            return -1, -1
        left -= width
        values.append((bits >> left) - 1)
        bits &= (1 << left) - 1
    return values[0], values[1]
