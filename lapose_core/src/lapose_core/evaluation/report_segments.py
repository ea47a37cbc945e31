"""The parts of a report that point at moments: the worst segments and the annotations, with pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from lapose_core.annotations import Annotation
from lapose_core.drive import Drive, FrameSource, LogError
from lapose_core.evaluation.numbers import number
from lapose_core.evaluation.segments import Segment, segment_drive
from lapose_core.inference.result import DriveAnalysis

SHOWN = 6
"""Segments a drive, and three times as many for a set."""


class Thumbnails:
    """Pictures of a drive shrunk to ``width`` pixels as `<img>`; '' where there is no log or a frame cannot be read."""

    def __init__(self, drive: Drive | None, width: int = 240) -> None:
        self._drive, self._width = drive, width
        self._source: FrameSource | None = None

    def __enter__(self) -> Thumbnails:
        return self

    def __exit__(self, *_: object) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

    def image(self, frame: int) -> str:
        """Frame ``frame`` inside the page."""
        from PIL import Image

        if self._drive is None or not 0 <= frame < len(self._drive):
            return ""
        try:
            self._source = self._source or self._drive.open_frames()
            picture = Image.fromarray(self._source.read(frame))
        except (LogError, OSError):
            return ""
        picture.thumbnail((self._width, self._width))
        buffer = io.BytesIO()
        picture.save(buffer, format="JPEG", quality=80)
        data = base64.b64encode(buffer.getvalue()).decode()
        return f'<img alt="frame {frame}" src="data:image/jpeg;base64,{data}">'


def worst_segments(analysis: DriveAnalysis, drive: Drive | None, count: int = SHOWN) -> list[Segment]:
    """The ``count`` segments with the lowest AUC@5, the costliest first among equals; without any truth those of the
    lowest confidence, and none where there is neither."""
    labels = drive.regimes if drive is not None else None
    found = segment_drive(analysis, labels, confidence=analysis.confidence)
    scored = [s for s in found if np.isfinite(s.auc5)]
    if scored:
        return sorted(scored, key=lambda s: (s.auc5, -np.nan_to_num(s.ate_cost)))[:count]
    return sorted((s for s in found if np.isfinite(s.confidence)), key=lambda s: s.confidence)[:count]


def worst_section(rows: Sequence[tuple[Segment, Thumbnails]], *, name_drives: bool = False) -> str:
    """A table of segments with a picture of each one's worst frame; '' for none."""
    if not rows:
        return ""
    pictured = [(segment, pictures.image(segment.worst_frame)) for segment, pictures in rows]
    some = any(image for _, image in pictured)
    lines = []
    for segment, image in pictured:
        cells = [
            f"{number(segment.auc5, 1)}",
            f"{number(segment.auc5_forward, 1)}",
            f"{number(segment.rotation, 2)}",
            f"{number(segment.direction, 1)}",
            f"{number(100 * segment.scale, 0)}",
            f"{number(segment.ate_cost, 2)}",
            f"{number(segment.confidence, 2)}",
        ]
        where = f"frames {segment.first_frame} to {segment.last_frame}, worst at {segment.worst_frame}"
        title = f"{escape(segment.drive)}: {where}" if name_drives else where
        words = f"{title}<br><span class=muted>{segment.begin:.1f} to {segment.end:.1f} s; "
        words += f"{escape(', '.join(sorted(segment.tags)) or 'no tags')}</span>"
        picture = f"<td class=words>{image}</td>" if some else ""
        lines.append(f"<tr>{picture}<td class=words>{words}</td>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>")
    head = "<th class=words>worst frame</th>" if some else ""
    return (
        "<h2>Worst segments</h2><div class='wide shots'><table><tr>"
        f"{head}<th class=words>where</th><th>AUC@5 signed</th><th>forward</th><th>rotation, °</th>"
        "<th>direction, °</th><th>scale, %</th><th>ATE cost, m</th><th>confidence</th></tr>"
        f"{''.join(lines)}</table></div><p class=muted>Segments of one kind of motion, up to 16 samples, the lowest "
        "AUC@5 first, or without truth the lowest confidence. ATE cost: by "
        "how much the trajectory's error would fall were the segment right.</p>"
    )


def notes_section(notes: Iterable[Annotation], drive: Drive | None, analysis: DriveAnalysis) -> str:
    """A table of the annotations with a picture of each one's first frame; '' for none."""
    notes = list(notes)
    if not notes:
        return ""
    lines = []
    with Thumbnails(drive) as pictures:
        images = [pictures.image(note.first_frame) for note in notes]
    for note, image in zip(notes, images):
        begin, end = _seconds(note, drive, analysis)
        where = f"{note.first_frame}" if note.frames == 1 else f"{note.first_frame} to {note.last_frame}"
        picture = f"<td class=words>{image}</td>" if any(images) else ""
        lines.append(
            f"<tr>{picture}<td>{where}</td><td>{begin:.1f} to {end:.1f}</td>"
            f"<td class=words>{escape(note.severity)}</td><td class=words>{escape(note.label) or '–'}</td>"
            f"<td class=words>{escape(note.text) or '–'}</td></tr>"
        )
    head = "<th class=words>first frame</th>" if any(images) else ""
    return (
        f"<h2>Annotations</h2><div class='wide shots'><table><tr>{head}<th>frames</th><th>time, s</th>"
        "<th class=words>severity</th><th class=words>label</th><th class=words>text</th></tr>"
        f"{''.join(lines)}</table></div>"
    )


def _seconds(note: Annotation, drive: Drive | None, analysis: DriveAnalysis) -> tuple[float, float]:
    """Seconds from the drive's first sample."""
    if drive is not None:
        last = len(drive) - 1
        times = drive.timestamps[[min(note.first_frame, last), min(note.last_frame, last)]]
    else:
        times = np.interp([note.first_frame, note.last_frame], analysis.frames, analysis.times)
    begin, end = (times - analysis.times[0]).tolist()
    return begin, end
