"""An MP4 that shows every frame once, at its time, with the panels that are wanted; annotations as subtitles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from PIL import Image, ImageDraw

from lapose_core.export.bundle import Exported
from lapose_core.export.figures import SCREEN
from lapose_core.export.files import Progress, no_progress, replacing
from lapose_core.export.pictures import drive_of, picture_frames, pictures
from lapose_core.export.tables import annotation_words
from lapose_core.export.video_panels import MapPanel, ScenePanel, TracksPanel, VideoPanel, caption, font
from lapose_core.palette import PREDICTION, TRUTH

if TYPE_CHECKING:
    from lapose_core.export.formats import Options

PANELS = ("video", "path", "trajectory", "tracks", "map")
"""Panels of the video; ``path`` is drawn on ``video``."""
WIDTH = 1280
_STRIP = 30
_GAP = 4
_CLOCK = Fraction(1, 90_000)
_STYLES = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, "
    "SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, "
    "BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\nStyle: Default,Arial,16,&Hffffff,"
    "&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0\n\n[Events]\nFormat: Layer, Start, End, Style, Name, "
    "MarginL, MarginR, MarginV, Effect, Text\n"
)


@dataclass(frozen=True)
class Cue:
    """Annotations of the frames from ``first`` to ``last`` of the video, both included."""

    first: int
    last: int
    text: str


@dataclass(frozen=True)
class _Cell:
    left: int
    top: int
    draw: Callable[[int, np.ndarray], Image.Image]


def write_mp4(bundle: Exported, path: Path, options: Options, progress: Progress = no_progress) -> None:
    """Write H.264 (yuv420p) of every frame of the range, each shown at its own time.

    Annotations are a subtitle track (mov_text) that players can switch, or drawn into the pictures.

    Raises:
        ValueError: where the log is not at hand, no panel is wanted or one is unknown, or there is no such folder.
        LogError: naming a frame that cannot be decoded.
    """
    drive, frames = drive_of(bundle), picture_frames(bundle)
    size, cells = _layout(bundle, options.panels)
    found = cues(bundle)
    times = drive.timestamps[frames] - drive.timestamps[frames[0]]
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    with replacing(path) as part, av.open(str(part), "w", options={"movflags": "faststart"}) as out:
        out.metadata.update({"title": bundle.drive_name, "comment": _about(bundle)})
        video: Any = out.add_stream("libx264", rate=max(1, round(drive.rate)))
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.time_base = _CLOCK
        video.options = {"crf": "20", "preset": "veryfast", "bf": "0"}
        words = _subtitles(out) if options.subtitles == "track" and found else None
        for number, (frame, _, picture) in enumerate(pictures(bundle, progress)):
            sheet = _sheet(bundle, size, cells, frame, picture)
            if options.subtitles == "burnt":
                _burn(sheet, [c.text for c in found if c.first <= frame <= c.last])
            shown = av.VideoFrame.from_image(sheet)
            shown.pts, shown.time_base = round(float(times[number]) / _CLOCK), _CLOCK
            out.mux(video.encode(shown))
        out.mux(video.encode(None))
        if words is not None:
            for cue in found:
                begin = times[max(cue.first - frames[0], 0)]
                last = min(cue.last - frames[0], len(times) - 1)
                end = times[last + 1] if last + 1 < len(times) else times[last] + step
                out.mux(_packet(words, cue.text, float(begin), float(end)))


def cues(bundle: Exported) -> list[Cue]:
    """Annotations as stretches that do not overlap, each with the words of all that cover it, in order."""
    first, last = bundle.first_frame, bundle.last_frame
    notes = [(max(a.first_frame, first), min(a.last_frame, last), annotation_words(a)) for a in bundle.annotations]
    edges = sorted({first for first, _, _ in notes} | {last + 1 for _, last, _ in notes})
    out = []
    for begin, end in pairwise(edges):
        words = [text for a, b, text in notes if a <= begin and b >= end - 1]
        if words:
            out.append(Cue(begin, end - 1, "\n".join(words)))
    return out


def _layout(bundle: Exported, wanted: tuple[str, ...]) -> tuple[tuple[int, int], list[_Cell]]:
    """Size of the video and its cells: video and 3D above, tracks and map below; a missing one leaves its room."""
    unknown = set(wanted) - set(PANELS)
    if unknown or not wanted:
        raise ValueError(f"panels: choose some of {', '.join(PANELS)}, not {', '.join(sorted(unknown)) or 'none'}")
    drive = drive_of(bundle)
    cells: list[_Cell] = []
    top = 0
    above = [key for key in ("video", "trajectory") if key in wanted or (key == "video" and "path" in wanted)]
    widths = _widths(len(above))
    height = min(round(widths[0] * drive.height / drive.width), 720) if above and above[0] == "video" else 400
    left = 0
    for key, width in zip(above, widths):
        if key == "video":
            shown = (min(width, round(height * drive.width / drive.height)), height)
            cells.append(_Cell(left + (width - shown[0]) // 2, 0, VideoPanel(bundle, shown, "path" in wanted).draw))
        else:
            cells.append(_Cell(left, 0, ScenePanel(bundle, (width, height)).draw))
        left += width + _GAP
    top = height + _GAP if above else 0
    kinds: dict[str, type[TracksPanel | MapPanel]] = {"tracks": TracksPanel, "map": MapPanel}
    below = [kind for key, kind in kinds.items() if key in wanted]
    left = 0
    for kind, width in zip(below, _widths(len(below))):
        panel = kind(bundle, (width, 380))
        cells.append(_Cell(left, top, panel.draw))
        left += width + _GAP
    top += 380 if below else -_GAP
    return (WIDTH, (top + _STRIP + 1) // 2 * 2), cells


def _widths(count: int) -> tuple[int, ...]:
    wide = (WIDTH - _GAP) * 5 // 8
    return (wide, WIDTH - _GAP - wide) if count > 1 else (WIDTH,)


def _sheet(bundle: Exported, size: tuple[int, int], cells: list[_Cell], frame: int, picture: np.ndarray) -> Image.Image:
    sheet = Image.new("RGB", size, SCREEN.ground)
    for cell in cells:
        sheet.paste(cell.draw(frame, picture), (cell.left, cell.top))
    draw, middle = ImageDraw.Draw(sheet), size[1] - _STRIP / 2
    draw.text((12, middle), caption(bundle, drive_of(bundle), frame), SCREEN.text, font(13), anchor="lm")
    right = float(size[0] - 12)
    for name, colour in (("truth", TRUTH), ("prediction", PREDICTION)):
        draw.text((right, middle), name, colour, font(13), anchor="rm")
        right -= draw.textlength(name, font(13)) + 14
    return sheet


def _burn(sheet: Image.Image, words: list[str]) -> None:
    """Write annotations at the lower edge, above the caption."""
    if not words:
        return
    text = "\n".join(words)
    draw, at = ImageDraw.Draw(sheet, "RGBA"), (sheet.width / 2, sheet.height - _STRIP - 10)
    box = draw.multiline_textbbox(at, text, font(18), anchor="md", align="center")
    draw.rounded_rectangle([box[0] - 10, box[1] - 6, box[2] + 10, box[3] + 6], 6, (0, 0, 0, 190))
    draw.multiline_text(at, text, SCREEN.note, font(18), anchor="md", align="center")


def _subtitles(out: Any) -> Any:
    stream = out.add_stream("mov_text")
    # The encoder makes the track's sample description of it; text is muxed as it is.
    stream.codec_context.subtitle_header = _STYLES.encode()
    stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
    stream.codec_context.open()
    return stream


def _packet(stream: Any, text: str, begin: float, end: float) -> Any:
    data = text.encode()[:65_535]
    packet = av.Packet(len(data).to_bytes(2, "big") + data)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = round(1000 * begin)
    packet.duration = max(1, round(1000 * end) - packet.pts)
    return packet


def _about(bundle: Exported) -> str:
    return "; ".join(f"{key}: {text}" for key, text in bundle.description().items())
