"""The colours that mean something, the same in every panel, export and report; safe for colour-blind eyes.

After Okabe and Ito (2008): bluish green and vermillion for the prediction and the truth.
"""

from __future__ import annotations

PREDICTION = "#009E73"
TRUTH = "#D55E00"
#: A second trajectory, compared with the prediction: blue, which no kind of colour blindness takes for the two above.
OTHER = "#4C8DF6"

#: Motion regimes of transitions, by the names of ``evaluation.regimes.TRANSITION_NAMES``: standstill grey, reverse
#: violet, then from straight to sharp; none is near those of truth and prediction.
REGIMES = {
    "standstill": "#8D96A6",
    "reverse": "#B58CF0",
    "straight": "#A8CFE6",
    "gentle": "#56B4E9",
    "medium": "#E6A817",
    "sharp": "#CC79A7",
}
