"""A figure of a panel for print: how large on paper, how fine, and with how large a text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lapose_inspector.models.session import Session

Form = Literal["png", "svg"]

INCH = 25.4
POINT = INCH / 72
TEXT = 12.0
"""Pixels of the window's text, which a figure's text size stands for."""
MOST_PIXELS = 150e6
"""Of a picture: more than a poster has, and no more than memory holds twice."""


@dataclass(frozen=True)
class FigureRequest:
    """What is wanted of which panel.

    Attributes:
        panel: a key of PANELS.
        path: the file to write.
        form: pixels or, for everything but photographs and 3D, lines.
        width: millimetres on paper.
        height: the same; None keeps the panel's height on the screen, in lines of text.
        dpi: pixels per inch; of SVG, those of the pictures in it.
        text: points of the text, from which follows how much room the panel has on paper.
        whole: whether the figure grows until nothing in the panel needs scrolling.
    """

    panel: str
    path: Path
    form: Form = "png"
    width: float = 160.0
    height: float | None = None
    dpi: int = 300
    text: float = 8.0
    whole: bool = False

    @property
    def per_millimetre(self) -> float:
        """The panel's own pixels on a millimetre of paper."""
        return TEXT / (self.text * POINT)

    def room(self, shown_height: int) -> tuple[int, int]:
        """Width and height that the panel has for the figure, in its own pixels; on the screen it is as high as
        ``shown_height``."""
        height = shown_height if self.height is None else round(self.height * self.per_millimetre)
        return max(1, round(self.width * self.per_millimetre)), max(1, height)

    def scale(self, width: int) -> float:
        """Pixels of the picture for each pixel of a panel that is ``width`` pixels wide."""
        return self.width / INCH * self.dpi / width


def about(session: Session, title: str) -> str:
    """What a figure of the panel ``title`` shows, for its metadata."""
    drive, model = session.drive, session.model_info
    parts = {
        "panel": title,
        "drive": "" if drive is None else drive.name,
        "frame": "" if drive is None else str(session.timeline.frame),
        "model": "" if model is None else f"{model.name} ({model.checkpoint_hash})",
        "alignment": session.alignment_text,
        "software": "LA-Pose Inspector",
    }
    return "; ".join(f"{key}: {text}" for key, text in parts.items() if text)
