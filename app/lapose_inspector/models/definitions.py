"""What each quantity over a drive's transitions means, in one sentence with its unit, for tooltips."""

from __future__ import annotations

DEFINITIONS: dict[str, str] = {
    "speed": "Length of a transition's translation over its time, in m/s",
    "yaw rate": "Change of heading over time in °/s, positive to the right",
    "rotation error": "Angle in ° between the predicted and the true relative rotation of a transition",
    "direction error": "Angle in °, 0 to 180, between the predicted and the true translation as vectors: driving "
    "backwards taken for forwards is 180. None below a true step of 0.1 m",
    "scale error": "Predicted over true step length, less one, in %. None below a true step of 0.1 m",
    "time": "Seconds from the drive's first frame to the middle of a transition",
    "regime": "Kind of driving by the true poses: standstill below 0.1 m a step, reverse, then by curvature straight "
    "(below 0.001 1/m), gentle (to 0.01), medium (to 0.1), sharp",
    "cross-entropy": "How badly the forward model predicts the next frame's codes from this one and the action, in "
    "nats/code",
    "explained by action": "Cross-entropy of the next frame under a zero action less that under the inferred one, in "
    "nats/code: what the action tells the forward model. Below zero it misleads",
    "translation spread": "Standard deviation in m between the overlapping windows' estimates of a transition",
    "rotation spread": "Standard deviation in ° between the overlapping windows' estimates of a transition",
    "field of view": "Horizontal field of view in ° of the model's picture, as it predicts it",
    "annotation": "Label of the note that a transition lies in, by the labels' colours; none outside of notes",
    "confidence": "0 to 1: how likely a transition is not among the worst, by what the model alone sees, without truth",
    "rotation apart": "Angle in ° between the compared trajectory's relative rotation and the predicted one",
    "direction apart": "Angle in ° between the compared trajectory's translation and the predicted one, as vectors",
}
"""By series key, or by a track's label in lower case."""
