"""The palette of labels for annotations: names and colours that the user edits, kept in a file of their own."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Literal

from msgspec import Struct
from psygnal import Signal

from lapose_core.export.files import write_text
from lapose_inspector.models.stored import read_or_set_aside, to_json

log = logging.getLogger(__name__)

UNKNOWN = "#8D96A6"
"""Colour of labels that are not in the palette."""


class Label(Struct, frozen=True):
    """A label's name and its colour as #rrggbb.

    Raises:
        ValueError: where it is nameless, or the colour none.
    """

    name: str
    colour: str

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a label needs a name")
        if not re.fullmatch("#[0-9A-Fa-f]{6}", self.colour):
            raise ValueError(f"{self.name}: {self.colour!r} is no colour such as #E6A817")


DEFAULTS: tuple[Label, ...] = (
    Label(name="wrong direction", colour="#CC79A7"),
    Label(name="wrong speed", colour="#E6A817"),
    Label(name="wrong turn", colour="#56B4E9"),
    Label(name="bad picture", colour="#8D96A6"),
    Label(name="good example", colour="#F0E442"),
)
"""Apart for colour-blind eyes, and none near those of truth and prediction."""


class _Content(Struct):
    version: Literal[1] = 1
    labels: tuple[Label, ...] = DEFAULTS

    def __post_init__(self) -> None:
        if len({label.name for label in self.labels}) != len(self.labels):
            raise ValueError("a name occurs twice")


class LabelPalette:
    """The labels on offer, in the user's order; until ``open`` names a file, nothing is kept."""

    changed = Signal()

    def __init__(self) -> None:
        self._path: Path | None = None
        self._labels: tuple[Label, ...] = DEFAULTS

    def open(self, path: Path) -> None:
        """Offer the labels of a file, and keep every change there."""
        stored = read_or_set_aside(path, _Content)
        self._path, self._labels = path, DEFAULTS if stored is None else stored.labels
        self.changed.emit()

    @property
    def labels(self) -> tuple[Label, ...]:
        return self._labels

    def set_labels(self, labels: tuple[Label, ...]) -> None:
        """Offer these, and keep them; a folder that cannot be written is logged, not raised.

        Raises:
            ValueError: where a name occurs twice.
        """
        content = _Content(labels=labels)
        if content.labels == self._labels:
            return
        self._labels = content.labels
        self.changed.emit()
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_text(self._path, to_json(content, indent=2))
            except OSError as error:
                log.warning("%s cannot be written: %s", self._path, error)

    def colour_of(self, name: str) -> str:
        """The colour of a label, #rrggbb; UNKNOWN for one that is not offered."""
        return next((label.colour for label in self._labels if label.name == name), UNKNOWN)
