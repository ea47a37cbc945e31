"""How a drive was looked at: what is kept beside its annotations, so that reopening it goes on there."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct

from lapose_inspector.models.comparison import Wish
from lapose_inspector.models.display import OVERLAYS, Alignment, CloudColour, CloudMode, ColourBy
from lapose_inspector.models.map_state import AXES, MapState, Method
from lapose_inspector.models.selection import Indices, NamedSet
from lapose_inspector.models.session import Session

Runs = tuple[tuple[int, int], ...]
"""Transitions as [start, stop) of neighbouring ones."""


class KeptSet(Struct, frozen=True):
    """A named set of transitions: by drive fingerprint."""

    name: str
    rate: Annotated[float, Meta(gt=0)]
    transitions: dict[str, Runs]


class SessionState(Struct, frozen=True, kw_only=True):
    """Version 1 of the session file. Unknown fields are ignored, so an older program reads a newer file."""

    version: Literal[1] = 1
    frame: Annotated[int, Meta(ge=0)] = 0
    rate: Annotated[float, Meta(gt=0)]
    colour_by: ColourBy = "speed"
    alignment: Alignment = "se3"
    cloud: CloudMode = "frame"
    cloud_colour: CloudColour = "height"
    map_method: Method = "t-sne"
    map_axes: tuple[str, str] = ("speed", "yaw rate")
    map_density: bool = False
    follow: bool = False
    overlays: dict[str, bool] = {}
    loop: tuple[int, int] | None = None
    loop_enabled: bool = False
    marks: tuple[int | None, int | None] = (None, None)
    selection: Runs = ()
    """Selected transitions of this drive at ``rate``."""
    sets: tuple[KeptSet, ...] = ()
    """The named sets that hold transitions of this drive."""
    compared: Wish | None = None
    """What the drive is compared with."""
    layout: tuple[str, str] = ("", "")
    """Geometry and dock state, base64."""


def capture(
    session: Session, map: MapState, layout: tuple[str, str], selection: Runs, sets: tuple[KeptSet, ...]
) -> SessionState:
    """The session as it is now; ``selection`` and ``sets`` are what ``kept_selection`` and ``kept_sets`` gave when
    they last changed."""
    timeline, display = session.timeline, session.display
    return SessionState(
        frame=timeline.frame,
        rate=session.rate,
        colour_by=display.colour_by,
        alignment=display.alignment,
        cloud=display.cloud,
        cloud_colour=display.cloud_colour,
        map_method=map.method,
        map_axes=map.axes,
        map_density=map.density,
        follow=display.follow,
        overlays={key: display.overlay(key) for key in OVERLAYS},
        loop=timeline.loop,
        loop_enabled=timeline.loop_enabled,
        marks=session.annotations.marks,
        selection=selection,
        sets=sets,
        compared=session.comparison.kept,
        layout=layout,
    )


def kept_selection(session: Session, fingerprint: str) -> Runs:
    """The selected transitions of a drive."""
    return tuple(session.selection.runs(fingerprint))


def kept_sets(session: Session, fingerprint: str) -> tuple[KeptSet, ...]:
    """The named sets that hold transitions of a drive."""
    return tuple(
        KeptSet(name=s.name, rate=s.rate, transitions={key: _runs(i) for key, i in s.transitions.items()})
        for s in session.selection.sets
        if len(s.transitions.get(fingerprint, ()))
    )


def restore_look(state: SessionState, session: Session, map: MapState) -> None:
    """Show drives with the colours, alignment, overlays and kind of map of ``state``."""
    display = session.display
    display.colour_by, display.alignment, display.cloud = state.colour_by, state.alignment, state.cloud
    display.cloud_colour = state.cloud_colour
    if all(axis in AXES for axis in state.map_axes):
        map.axes = state.map_axes
    map.method, map.density = state.map_method, state.map_density
    display.follow = state.follow
    for key in OVERLAYS:
        display.set_overlay(key, state.overlays.get(key, True))


def restore(state: SessionState, session: Session, fingerprint: str) -> None:
    """Put cursor, loop, marks and selection of the open drive where ``state`` has them; what does not fit it any more
    is left out.

    The cursor moves only where it is at the beginning: elsewhere somebody asked for a frame.
    """
    timeline, selection = session.timeline, session.selection
    if state.loop is not None and state.loop[1] < timeline.n_frames:
        timeline.set_loop(*state.loop)
    timeline.loop_enabled = state.loop_enabled
    session.annotations.set_marks(*state.marks)
    if state.rate == selection.rate:
        selection.add({fingerprint: _indices(state.selection)})
    known = {s.name for s in selection.sets}
    kept = [
        NamedSet(s.name, s.rate, {key: _indices(runs) for key, runs in s.transitions.items()})
        for s in state.sets
        if s.name not in known
    ]
    if kept:
        selection.restore((*selection.sets, *kept))
    if timeline.frame == 0:
        timeline.seek(state.frame)


def _runs(indices: Indices) -> Runs:
    cuts = np.flatnonzero(np.diff(indices) > 1) + 1
    return tuple((int(part[0]), int(part[-1]) + 1) for part in np.split(indices, cuts) if len(part))


def _indices(runs: Runs) -> Indices:
    parts = [np.arange(start, stop) for start, stop in runs if 0 <= start < stop]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
