"""What the model says when it looks at a drive's pictures again in other ways: signs of trouble that need no truth.

* Backwards: the motion of the reversed clip must undo that of the clip, T(t -> t+1) T(t+1 -> t) = 1.
* At half the rate: the motion over two transitions must be that of the two after one another.
* Without the action: how much worse the forward model predicts the next frame under a zero action.
* The pictures themselves: how dark, and how much structure.

They are computed after the analysis, in a pass of their own over the same samples (``checking.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lapose_core.evaluation.segments import Pictures
from lapose_core.geometry import Array

PER_SAMPLE = ("luminance", "texture")
"""The fields with a value a sample; the others have one a transition."""


@dataclass
class Checks:
    """M samples, hence M - 1 transitions; NaN where not known.

    Attributes:
        reversal_rotation: [M - 1] radians, how far T(t -> t+1) T(t+1 -> t) is from no rotation.
        reversal_translation: [M - 1] metres, likewise from no motion.
        rate_rotation: [M - 1] radians between the rotation over two transitions and that of the two one after the
            other; the same for both.
        rate_translation: [M - 1] metres, likewise.
        blind_cross_entropy: [M - 1] nats per code of the forward model's prediction under a zero action.
        luminance: [M] mean of the model's image, 0..1.
        texture: [M] mean length of its luminance's gradient, per pixel.
    """

    reversal_rotation: Array
    reversal_translation: Array
    rate_rotation: Array
    rate_translation: Array
    blind_cross_entropy: Array
    luminance: Array
    texture: Array

    @classmethod
    def unknown(cls, samples: int) -> Checks:
        """Of a drive of M samples that was not looked at yet."""
        return cls(**{f.name: np.full(samples - (f.name not in PER_SAMPLE), np.nan) for f in fields(cls)})

    def copy(self) -> Checks:
        return Checks(**{f.name: getattr(self, f.name).copy() for f in fields(self)})

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which transitions [M - 1] were looked at."""
        return np.isfinite(self.reversal_rotation)

    @property
    def pictures(self) -> Pictures:
        """What the pictures are like."""
        return Pictures(self.luminance, self.texture)
