"""What the forward panel says while it has no pictures, or not yet those that are asked for."""

from __future__ import annotations

from lapose_inspector.models.forward_state import KIND_NAMES, ForwardRequest, ForwardState
from lapose_inspector.models.map_state import AXES
from lapose_inspector.models.session import Session


def waiting(session: Session, wanted: int | None, failure: str, *, shown: bool) -> str:
    """What is missing, and for what the panel waits; empty where nothing is.

    Args:
        wanted: the transition that is asked for, and in ``failure`` why it cannot be had.
        shown: whether there are pictures of another one meanwhile.
    """
    if session.drive is None:
        return "Open a driving log to see what the model expects next, from this frame and the action."
    if session.analysis is None:
        return "Waiting for the model: this drive is not being analysed yet."
    if session.transition is None:
        return "The cursor lies beyond the analysed samples: there is no next frame to predict."
    if failure:
        return f"Transition {wanted} cannot be reconstructed: {failure}"
    return "" if shown else "Waiting for the model to reconstruct the transition at the cursor…"


def dreaming(asked: ForwardRequest) -> str:
    """Which film is awaited, for it takes seconds; empty where a single picture is."""
    if not asked.steps:
        return ""
    name = asked.name[0].lower() + asked.name[1:]
    return f"Dreaming under {name}…" if asked.kind == "chosen" else f"Dreaming under the {name}…"


def action_name(state: ForwardState, moved: str) -> str:
    """What the action is called; ``moved`` says how far it is swept."""
    name = f"The action of {state.chosen_name}" if state.kind == "chosen" else f"{KIND_NAMES[state.kind]} action"
    if state.amount:
        name += f", {AXES[state.direction].removesuffix(' probe').lower()} {moved}"
    return name
