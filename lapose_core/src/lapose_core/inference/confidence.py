"""How far to trust each transition, from what the model sees alone.

The answer is the probability that the transition's pose error is *not* among the worst tenth of the calibration
drives. It comes from an additive logistic model over a few signs of trouble: each adds to the log-odds by a
piecewise-linear curve of its own, so that a doubt can be told in parts. Its coefficients lie beside the checkpoint as
JSON and belong to that checkpoint alone; any other one is "not calibrated", which is no confidence and not a low one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array, relative, rotation_angle, yaw
from lapose_core.inference.checks import Checks
from lapose_core.inference.latent_reference import LatentReference
from lapose_core.inference.result import DriveAnalysis

CONFIDENCE = "confidence.json"
FORMAT, VERSION = "lapose-confidence", 1
WORST_SHARE = 0.1
"""Share of the calibration transitions that count as bad."""
STANDING = 0.1
"""Metres: a shorter true step has no direction; predicted as longer than twice this it is a miss."""

PARTS: dict[str, tuple[str, ...]] = {
    "overlapping windows": ("window rotation", "window translation"),
    "time reversal": ("reversal rotation", "reversal translation"),
    "other frame rate": ("rate rotation", "rate translation"),
    "forward prediction": ("cross-entropy", "surprise"),
    "what the action explains": ("explained",),
    "distance to training": ("training distance",),
    "motion and picture": ("speed", "step", "turn", "seconds", "luminance", "texture"),
    "known camera": ("camera",),
}
"""The parts that a doubt may be told in, and the signs of each; a calibration leaves out what carries nothing."""
SIGNS = tuple(name for names in PARTS.values() for name in names)

_SHORT = 0.1  # metres added to a step before something is divided by it


def signs(analysis: DriveAnalysis, checks: Checks, reference: LatentReference | None) -> dict[str, Array]:
    """The signs of trouble [M - 1] by name; NaN where not known. Disagreements are logarithms: they span decades."""
    step = np.linalg.norm(analysis.relative[:, :3, 3], axis=1)
    seconds = np.diff(analysis.times)
    turn = np.degrees(np.abs(yaw(analysis.relative[:, :3, :3])))

    def rotation(radians: Array) -> Array:
        return np.log(np.degrees(radians) + 0.02)

    def length(metres: Array) -> Array:
        return np.log(metres / (step + _SHORT) + 0.005)

    # Where one window alone saw a transition there is nothing to disagree with.
    alone = analysis.translation_spread < 1e-9
    distance = np.full(len(step), np.nan) if reference is None else reference.nearest(analysis.latents)[0][:, 0]
    known = {
        "window rotation": np.where(alone, np.nan, rotation(analysis.rotation_spread)),
        "window translation": np.where(alone, np.nan, length(analysis.translation_spread)),
        "reversal rotation": rotation(checks.reversal_rotation),
        "reversal translation": length(checks.reversal_translation),
        "rate rotation": rotation(checks.rate_rotation),
        "rate translation": length(checks.rate_translation),
        "cross-entropy": analysis.cross_entropy,
        "surprise": analysis.cross_entropy,  # less what is expected, which the calibration knows
        "explained": checks.blind_cross_entropy - analysis.cross_entropy,
        "training distance": np.log(distance + 0.01),
        "speed": np.log(step / seconds + 0.2),
        "step": np.log(step + _SHORT),
        "turn": np.log(turn + 0.05),
        "seconds": np.log(seconds),
        "luminance": (checks.luminance[1:] + checks.luminance[:-1]) / 2,
        "texture": np.log((checks.texture[1:] + checks.texture[:-1]) / 2 + 1e-3),
        "camera": np.full(len(step), analysis.camera.known),
    }
    return {name: np.where(analysis.done, values, np.nan) for name, values in known.items()}


def pose_errors(analysis: DriveAnalysis) -> Array:
    """The error [M - 1] in degrees that confidence is about; NaN without truth.

    The larger of rotation and signed direction error. A transition that stands (true step below 0.1 m) has no
    direction: predicted to move by more than 0.2 m it counts as missed (180), else its rotation error alone counts.
    """
    nothing = np.full(len(analysis.done), np.nan)
    if analysis.truth is None or analysis.truth_valid is None:
        return nothing
    true = relative(analysis.truth)
    predicted = analysis.relative
    t, p = true[:, :3, 3], predicted[:, :3, 3]
    rotation = rotation_angle(np.swapaxes(true[:, :3, :3], -1, -2) @ predicted[:, :3, :3])
    direction = np.arctan2(np.linalg.norm(np.cross(t, p), axis=1), (t * p).sum(1))
    stands = np.linalg.norm(t, axis=1) < STANDING
    missed = np.where(np.linalg.norm(p, axis=1) > 2 * STANDING, np.pi, 0.0)
    error = np.degrees(np.maximum(rotation, np.where(stands, missed, direction)))
    known = analysis.done & analysis.truth_valid[:-1] & analysis.truth_valid[1:]
    return np.where(known, error, nothing)


@dataclass(frozen=True)
class ConfidenceModel:
    """The calibrated answer for one checkpoint.

    Attributes:
        checkpoint_hash: of the model that it was calibrated for.
        worst_degrees: pose error in degrees above which a transition counts as bad.
        bias: log-odds of being bad of a transition whose signs are all usual.
        usual: sign -> its median over the calibration, which stands in where it is not known.
        spread: sign -> its standard deviation there.
        knots: sign -> where its curve bends, in spreads from the median.
        weights: sign -> slope, and change of slope at each knot.
        expectation: coefficients of the expected cross-entropy: a constant, then of speed, turn, seconds, luminance
            and texture.
    """

    checkpoint_hash: str
    worst_degrees: float
    bias: float
    usual: Mapping[str, float]
    spread: Mapping[str, float]
    knots: Mapping[str, tuple[float, ...]]
    weights: Mapping[str, tuple[float, ...]]
    expectation: tuple[float, ...]

    def contributions(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """What each part of PARTS adds to the log-odds of being bad, [M - 1] by part; 0 is usual."""
        values = with_surprise(values, self.expectation)
        curves = {name: self._curve(name, values[name]) for name in self.weights}
        return {
            part: np.sum([curves[name] for name in names if name in curves], axis=0)
            for part, names in PARTS.items()
            if any(name in curves for name in names)
        }

    def confidence(self, values: Mapping[str, Array], known: NDArray[np.bool_]) -> Array:
        """Probability [M - 1] that a transition is not bad; NaN where not ``known``."""
        odds = self.bias + np.sum(list(self.contributions(values).values()), axis=0)
        return np.where(known, 1.0 / (1.0 + np.exp(np.clip(odds, -30, 30))), np.nan)

    def _curve(self, name: str, values: Array) -> Array:
        return hinges(values, self.usual[name], self.spread[name], self.knots[name]) @ np.asarray(self.weights[name])

    def save(self, path: Path, record: Mapping[str, Any]) -> None:
        """Write as JSON, with a ``record`` of how it came to be."""
        document = {"format": FORMAT, "version": VERSION, **asdict(self), "record": dict(record)}
        path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def load_confidence(folder: Path, checkpoint_hash: str) -> ConfidenceModel | None:
    """The calibration beside a checkpoint; None where there is none, or it is of another model: not calibrated.

    Raises:
        ValueError: where the file is none of ours; the message names it and the field.
    """
    path = folder / CONFIDENCE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT or record.get("version") != VERSION:
        raise ValueError(f"{path}: format: this is no {FORMAT} of version {VERSION}; run 'lapose confidence' again")
    if record.get("checkpoint_hash") != checkpoint_hash:
        return None
    try:
        return ConfidenceModel(
            checkpoint_hash=checkpoint_hash,
            worst_degrees=float(record["worst_degrees"]),
            bias=float(record["bias"]),
            usual={str(k): float(v) for k, v in record["usual"].items()},
            spread={str(k): float(v) for k, v in record["spread"].items()},
            knots={str(k): tuple(float(x) for x in v) for k, v in record["knots"].items()},
            weights={str(k): tuple(float(x) for x in v) for k, v in record["weights"].items()},
            expectation=tuple(float(x) for x in record["expectation"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: {error}; run 'lapose confidence' again") from error


def hinges(values: Array, usual: float, spread: float, knots: tuple[float, ...]) -> Array:
    """Basis [n, 1 + knots] of a piecewise-linear curve of values [n], 0 at what is usual; NaN counts as usual."""
    z = np.clip(np.where(np.isfinite(values), (values - usual) / spread, 0.0), -6.0, 6.0)
    columns = [z] + [np.maximum(z - k, 0.0) - max(-k, 0.0) for k in knots]
    return np.stack(columns, axis=1)


def with_surprise(values: Mapping[str, Array], expectation: tuple[float, ...]) -> dict[str, Array]:
    """The signs with ``surprise`` less the cross-entropy that such a motion and such pictures lead to expect."""
    expected = expectation_terms(values) @ np.asarray(expectation)
    return {**values, "surprise": values["cross-entropy"] - expected}


def expectation_terms(values: Mapping[str, Array]) -> Array:
    """[n, 6]: a constant and what the expected cross-entropy depends on."""
    names = ("speed", "turn", "seconds", "luminance", "texture")
    return np.stack([np.ones(len(values["speed"])), *(values[name] for name in names)], axis=1)
