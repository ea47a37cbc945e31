"""What a log tells of the camera behind the model's image, and where the field of view of a result comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from lapose_core.drive import Drive
    from lapose_core.inference.preprocess import Preprocessor
    from lapose_core.model.config import LaPoseConfig

# Cameras beyond these bounds (radians, metres) are unlike any that a pose head was trained on, and not told to it.
_NARROWEST, _WIDEST = np.radians(40.0), np.radians(90.0)
_LOWEST, _HIGHEST = 1.0, 2.4


@dataclass(frozen=True)
class KnownCamera:
    """What the pose head is told: horizontal field of view in radians of the model's image, the camera's height over
    the road in metres; None where the model must do without."""

    fov: float | None = None
    height: float | None = None

    @classmethod
    def of(cls, drive: Drive, prepare: Preprocessor, config: LaPoseConfig, *, ignore: bool = False) -> KnownCamera:
        """From the log's calibration, after the crop to the model's image and without the lens's distortion.

        An unknown camera where the model takes none, or where the log's is to be left out (``ignore``).
        """
        if ignore or not config.camera_input:
            return cls()
        pinhole, height = prepare.intrinsics, drive.camera_height
        fov = None if pinhole is None else pinhole.fov_x
        return cls(
            fov if fov is not None and _NARROWEST <= fov <= _WIDEST else None,
            height if height is not None and _LOWEST <= height <= _HIGHEST else None,
        )

    @classmethod
    def from_json(cls, value: Any) -> KnownCamera:
        """Inverse of ``to_json``; None (a result from before cameras were told) is an unknown camera.

        Raises:
            ValueError: where it is neither.
        """
        if value is None:
            return cls()
        if not isinstance(value, dict) or not set(value) <= {"fov", "height"}:
            raise ValueError(f"camera: {value!r} is no camera")
        for name, number in value.items():
            if number is not None and not (isinstance(number, (int, float)) and 0 < number < 100):
                raise ValueError(f"camera: {name} is {number!r}")
        return cls(value.get("fov"), value.get("height"))

    def to_json(self) -> dict[str, float | None]:
        return {"fov": self.fov, "height": self.height}

    def tensor(self, clips: int = 1) -> Tensor:
        """The same camera for each of ``clips`` clips, as ``LaPose.pose`` takes it: [B, 2], NaN where not known."""
        import torch

        row = [float("nan") if value is None else value for value in (self.fov, self.height)]
        return torch.tensor([row] * clips, dtype=torch.float32)

    @property
    def known(self) -> float:
        """How many of the two the head is told."""
        return float((self.fov is not None) + (self.height is not None))

    def describe(self) -> str:
        """Where the field of view and the height come from, in one short text."""
        told = []
        if self.fov is not None:
            told.append(f"field of view {np.degrees(self.fov):.1f}°")
        if self.height is not None:
            told.append(f"camera height {self.height:.2f} m")
        parts = [] if self.fov is not None else ["field of view predicted"]
        return ", ".join([*parts, f"{' and '.join(told)} from the log"] if told else parts)

    @property
    def fov_source(self) -> str:
        """Where the field of view comes from, for a line that has little room."""
        return "FoV predicted" if self.fov is None else "FoV known (log)"

    def key(self) -> str:
        """Letters and digits that tell results with different cameras apart; empty for an unknown one."""
        fov = "" if self.fov is None else f"-fov{1e6 * self.fov:.0f}"
        return fov if self.height is None else f"{fov}-h{1e3 * self.height:.0f}"


UNKNOWN = KnownCamera()
