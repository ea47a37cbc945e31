"""Which action the forward dynamics panel predicts under, and how far on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from lapose_core.drive import Image
from lapose_core.inference.findings import Rollout
from lapose_inspector.models.map_state import AXES

Kind = Literal["inferred", "zero", "mirrored", "chosen"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KIND_NAMES: dict[str, str] = {
    "inferred": "Inferred",
    "zero": "Zero",
    "mirrored": "Mirrored",
    "chosen": "Chosen",
}
Heat = Literal["difference", "cross-entropy", "explained"]
HEATS: dict[str, str] = {
    "difference": "Difference",
    "cross-entropy": "Cross-entropy",
    "explained": "Explained by action",
}
"""What the last picture shows: key -> name."""
STEPS = 6
"""Frames of a rollout."""
REACH = 3.0
"""Standard deviations of a direction's coordinate to either end of its slider."""


@dataclass(frozen=True)
class ForwardRequest:
    """A prediction under another action.

    Attributes:
        transition: from whose first frame it begins.
        kind: which action, before ``offset`` [A] is added.
        chosen: [A] the action of kind ``chosen``.
        name: what the action is called, for the words beside its prediction.
        steps: 0 for one step beside the plain prediction, else how many frames are rolled out.
    """

    transition: int
    kind: Kind
    chosen: NDArray[np.float32] | None
    offset: NDArray[np.float32] | None
    name: str = ""
    steps: int = 0


@dataclass(frozen=True)
class Film:
    """A rollout beside what came.

    Attributes:
        start: frame t as the model saw it.
        truth: the true frames as the model would have seen them, as many as the drive has.
        frames: the drive frames of these times.
    """

    rollout: Rollout
    start: Image
    truth: tuple[Image, ...]
    frames: tuple[int, ...]


class ForwardState:
    """Choices of the forward dynamics panel. ``changed`` says that another prediction is wanted, ``heat_changed`` that
    the same is to be shown otherwise."""

    changed = Signal()
    heat_changed = Signal(str)

    def __init__(self) -> None:
        self._kind: Kind = "inferred"
        self._direction = "speed"
        self._amount = 0.0
        self._film = False
        self._heat: Heat = "difference"
        self.chosen: NDArray[np.float32] | None = None
        """The latent [A] of the moment whose action was chosen."""
        self.chosen_name = ""
        """What that moment is called."""

    @property
    def plain(self) -> bool:
        """Whether the model predicts under the action that it inferred, one step on."""
        return self._kind == "inferred" and self._amount == 0.0

    @property
    def kind(self) -> Kind:
        """Which action the sweep begins from."""
        return self._kind

    @kind.setter
    def kind(self, value: Kind) -> None:
        if value not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {value!r}")
        if value == "chosen" and self.chosen is None:
            raise ValueError("no action is chosen: drag a point of the latent map onto a picture")
        if value != self._kind:
            self._kind = value
            self.changed.emit()

    def choose(self, latent: NDArray[np.float32], name: str) -> None:
        """Predict under the action ``latent`` [A] of another moment."""
        self.chosen, self.chosen_name, self._kind = np.asarray(latent, np.float32).copy(), name, "chosen"
        self.changed.emit()

    @property
    def direction(self) -> str:
        """A key of AXES: along which the slider moves the action."""
        return self._direction

    @direction.setter
    def direction(self, value: str) -> None:
        if value not in AXES:
            raise ValueError(f"direction must be one of {', '.join(AXES)}, got {value!r}")
        if value != self._direction:
            self._direction, self._amount = value, 0.0
            self.changed.emit()

    @property
    def amount(self) -> float:
        """How far along the direction, in its standard deviations."""
        return self._amount

    @amount.setter
    def amount(self, value: float) -> None:
        value = min(max(float(value), -REACH), REACH)
        if value != self._amount:
            self._amount = value
            self.changed.emit()

    @property
    def film(self) -> bool:
        """Whether the model goes on from its own predictions."""
        return self._film

    @film.setter
    def film(self, value: bool) -> None:
        if bool(value) != self._film:
            self._film = bool(value)
            self.changed.emit()

    @property
    def heat(self) -> Heat:
        """What the last picture shows."""
        return self._heat

    @heat.setter
    def heat(self, value: Heat) -> None:
        if value not in HEATS:
            raise ValueError(f"heat must be one of {', '.join(HEATS)}, got {value!r}")
        if value != self._heat:
            self._heat = value
            self.heat_changed.emit(value)

    def reset(self) -> None:
        """Back to the inferred action; the chosen one is forgotten, since another model's would not fit."""
        changed = not self.plain
        self._kind, self._amount, self.chosen, self.chosen_name = "inferred", 0.0, None, ""
        if changed:
            self.changed.emit()
