"""What stands over the four pictures of the forward dynamics, in as many words as there is room for."""

from __future__ import annotations

TITLES = ("Now", "Predicted next", "True next, as the VQ-VAE shows it", "Difference")
SHORT = ("Now", "Predicted next", "True next (VQ-VAE)", "Difference")
OVER_TRUTH = {
    "cross-entropy": ("Cross-entropy over the true next", "Cross-entropy", "CE"),
    "explained": ("What the action explains, over the true next", "Explained by the action", "Explained"),
}
"""What stands over the last picture where it is no difference; the fullest wording first."""
UNDER = ("Now", "Under the action", "Under the inferred action", "What it changes")
UNDER_SHORT = ("Now", "This action", "Inferred action", "Change")


def captions(frames: tuple[int, int] | None, heat: str, *, changed: bool) -> list[tuple[str, str, str]]:
    """Three wordings of each caption, the fullest first.

    Args:
        frames: of the transition that is shown; None where none is.
        heat: what the last picture shows, of ``forward_state.HEATS``.
        changed: whether the pictures show what another action changes.
    """
    titles, short = (UNDER, UNDER_SHORT) if changed else (TITLES, SHORT)
    out = []
    for i, (title, brief) in enumerate(zip(titles, short, strict=True)):
        frame = f" · frame {frames[0 if i == 0 else 1]}" if frames is not None and i < 3 else ""
        out.append((title + frame, brief + frame, brief))
    if not changed and heat in OVER_TRUTH:
        out[3] = OVER_TRUTH[heat]
    return out
