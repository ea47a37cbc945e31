"""Which packets of a video hold pictures that nothing refers to, so that the others are the same without them.

With B frames that is often every second picture. Only streams are judged whose headers say it of each picture: a
picture of VP9 or AV1 that is not referred to still changes the probabilities with which later ones are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lapose_core import h264

Test = Callable[[bytes], bool]
_HEVC_SAYS_NOTHING = (35, 38, 39, 40)  # nal_unit_type of delimiters, filler and enhancement information


def disposable_test(codec: str, extradata: bytes | None) -> Test | None:
    """A function that tells of a packet's data whether its picture is such a one; None where no packet can tell.

    Args:
        codec: FFmpeg's name.
        extradata: the decoder's configuration, as the container has it.
    """
    if codec == "h264":
        size = h264.length_size(extradata)
        return lambda data: h264.is_disposable(data, size)
    # ISO 14496-15, 8.3.3.1. A picture that those of its own temporal layer do without may serve a higher one.
    if codec == "hevc" and extradata is not None and len(extradata) > 22 and extradata[0] == 1:
        size, layers = (extradata[21] & 3) + 1, extradata[21] >> 3 & 7
        return (lambda data: _is_disposable_hevc(data, size)) if layers == 1 else None
    return None


def _is_disposable_hevc(data: bytes, length_size: int) -> bool:
    """Whether a packet holds nothing but a sub-layer non-reference picture (ITU-T H.265, table 7-1)."""
    slices = False
    for unit in h264.units(data, length_size):
        kind = unit[0] >> 1 & 0x3F
        if kind < 16 and kind % 2 == 0:
            slices = True
        elif kind not in _HEVC_SAYS_NOTHING:
            return False
    return slices


def is_disposable(test: Test | None, packet: Any) -> bool:
    """Whether a PyAV ``packet`` may be left out: where it brings a new configuration or begins anew, it may not."""
    if test is None or packet.is_keyframe or not test(bytes(packet)):
        return False
    return not packet.has_sidedata("new_extradata")
