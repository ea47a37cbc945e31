"""The two colours of the whole program, safe for colour-blind eyes (Okabe and Ito, 2008, bluish green and
vermillion).
"""

from __future__ import annotations

PREDICTION = "#009E73"
TRUTH = "#D55E00"
