"""Whether a piece of compressed video is a place where decoding can begin, from its own headers."""

from __future__ import annotations

from collections.abc import Iterator

# Names that recordings use -> FFmpeg's name of the codec.
CODECS = {
    "h264": "h264",
    "avc": "h264",
    "libx264": "h264",
    "h264_nvenc": "h264",
    "h264_vaapi": "h264",
    "h265": "hevc",
    "hevc": "hevc",
    "libx265": "hevc",
    "hevc_nvenc": "hevc",
    "hevc_vaapi": "hevc",
    "av1": "av1",
    "libsvtav1": "av1",
    "vp9": "vp9",
    "vp8": "vp8",
    "mjpeg": "mjpeg",
}


def is_key(codec: str, data: memoryview) -> bool:
    """Whether ``data``, the bitstream of one picture, begins a sequence that decodes without what came before.

    H.264 (ITU-T H.264, table 7-1): an IDR slice. H.265 (table 7-1): an IRAP picture. AV1 (5.3.1, 7.5): a temporal
    unit with a sequence header. VP9 (6.2), VP8 (RFC 6386, 9.1): the frame type in the first byte.
    """
    if len(data) == 0:
        return False
    if codec == "h264":
        return any(head & 0x1F == 5 for head in _nal_heads(data))
    if codec == "hevc":
        return any(16 <= (head >> 1) & 0x3F <= 21 for head in _nal_heads(data))
    if codec == "av1":
        return 1 in _obu_types(data)
    if codec == "vp9":
        return data[0] >> 4 & 3 != 3 and not data[0] & 0x0C
    if codec == "vp8":
        return not data[0] & 1
    return True


def _nal_heads(data: memoryview) -> Iterator[int]:
    """First byte of each network abstraction layer unit of an Annex B byte stream."""
    raw = bytes(data)
    at = raw.find(b"\0\0\1")
    while at >= 0 and at + 3 < len(raw):
        yield raw[at + 3]
        at = raw.find(b"\0\0\1", at + 3)


def _obu_types(data: memoryview) -> Iterator[int]:
    """Types of the open bitstream units of a temporal unit in the low-overhead format."""
    at = 0
    while at < len(data):
        head = data[at]
        yield head >> 3 & 15
        at += 2 if head & 4 else 1
        if not head & 2:
            return
        size = shift = 0
        while at < len(data) and shift < 56:
            size |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not data[at - 1] & 0x80:
                break
        at += size
