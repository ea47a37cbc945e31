"""An SVG drawing made ready for print: its size in millimetres, its clips, and a font that others have too."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from lapose_inspector.visuals.printing import CLIP, END

_MARK = re.compile(
    rf"<g [^>]*>\s*<text [^>]*>(?:{CLIP} (?P<area>[-\d. ]+)|{END})</text>\s*</g>",
)
_EMPTY = re.compile(r"<g [^>]*>\s*</g>\s*")


def finished(drawing: str, width_mm: float, height_mm: float, title: str, about: str, family: str) -> str:
    """Qt's ``drawing`` with what it cannot say: exact size, title and description, and clips where ``clipped`` was
    used. ``family`` is the font that Qt's name for it stands for."""
    parts: list[str] = []
    at = 0
    for number, found in enumerate(_MARK.finditer(drawing)):
        parts.append(drawing[at : found.start()])
        at = found.end()
        if found["area"] is None:
            parts.append("</g>")
            continue
        x, y, width, height = found["area"].split()
        parts.append(
            f'<clipPath id="clip{number}"><rect x="{x}" y="{y}" width="{width}" height="{height}"/></clipPath>\n'
            f'<g clip-path="url(#clip{number})">'
        )
    parts.append(drawing[at:])
    out = _EMPTY.sub("", "".join(parts))
    out = re.sub(
        r'width="[\d.]+mm" height="[\d.]+mm"', f'width="{width_mm:g}mm" height="{height_mm:g}mm"', out, count=1
    )
    out = out.replace('version="1.2" baseProfile="tiny"', 'version="1.1"', 1)
    out = re.sub(r"<title>.*?</title>", lambda _: f"<title>{escape(title)}</title>", out, count=1)
    out = re.sub(r"<desc>.*?</desc>", lambda _: f"<desc>{escape(about)}</desc>", out, count=1)
    quoted = escape(family, {'"': "&quot;"})
    return re.sub(r'font-family="[^"]*"', f'font-family="{quoted}, sans-serif"', out)
