"""What stands beside the latent map's points, as HTML."""

from __future__ import annotations

from html import escape

from lapose_inspector.beside.projecting import Projection
from lapose_inspector.models.map_data import MapData
from lapose_inspector.models.session import Session
from lapose_inspector.models.thinning import SOFTWARE_POINTS


def invitation(session: Session) -> str:
    """What would bring points; nothing where there are some, or soon will be."""
    if session.drive is None:
        return "Open a driving log: each analysed transition<br>becomes a point here"
    if session.analysis is None or not session.analysis.done.any():
        return "Each analysed transition becomes a point here.<br>Waiting for the model"
    return ""


def axes_text(projection: Projection) -> str:
    """What lies to the right and what above."""
    return f"&rarr; {projection.axes[0]}<br>&uarr; {projection.axes[1]}"


def map_text(
    data: MapData, projection: Projection, selected: tuple[int, str], doing: str, *, thinned: bool, plain: bool
) -> str:
    """How many of the transitions are there, selected and drawn, what goes on, and which sign is whose.

    Args:
        selected: how many points are, and the colour of that.
        doing: what is under way, or what went wrong.
        thinned: whether not all points are drawn.
        plain: whether they are plain dots.
    """
    total = sum(len(source.series) for source in data.sources)
    parts = [f"{len(projection.transitions):,} of {total:,} transitions"]
    if selected[0]:
        parts.append(f'<span style="color:{selected[1]}">{selected[0]:,} selected</span>')
    if thinned:
        parts.append(f"{SOFTWARE_POINTS:,} drawn (no graphics card)")
    if doing:
        parts.append(escape(doing))
    lines = [" · ".join(parts)]
    if projection.note:
        lines.append(escape(projection.note))
    if len(data.sources) > 1:
        names = [escape(source.name) for source in data.sources]
        lines.append(f"&#9679; {names[0]} &nbsp; {'&#9675;' if plain else '&#9650;'} {names[1]}")
        if data.sources[1].note:
            lines.append(escape(data.sources[1].note))
    return "<br>".join(lines)
