"""The colours that mean something, the same in every panel, export and report; safe for colour-blind eyes.

After Okabe and Ito (2008): bluish green and vermillion for the prediction and the truth, and others of the
same set for the motion regimes.
"""

from __future__ import annotations

PREDICTION = "#009E73"
TRUTH = "#D55E00"

#: Motion regimes of transitions, by the names of ``evaluation.regimes.TRANSITION_NAMES``.
REGIMES = {
    "standstill": "#56B4E9",
    "reverse": "#E69F00",
    "straight": "#CC79A7",
    "gentle": "#F0E442",
    "medium": "#0072B2",
    "sharp": "#999999",
}
