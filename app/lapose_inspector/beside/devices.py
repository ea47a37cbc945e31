"""A checkpoint's model on the device that was asked for, or on the best there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lapose_inspector.models.session import Device

if TYPE_CHECKING:
    from lapose_core.model.lapose import LaPose


@dataclass(frozen=True)
class Placed:
    """A model where it runs.

    Attributes:
        kinds: of the devices that there are, the processor included.
        note: why it is not where it was asked to be; empty where it is.
    """

    model: LaPose
    kinds: tuple[str, ...] = ("cpu",)
    note: str = ""


Place = Callable[[Path, Device], Placed]
"""Loads a checkpoint folder onto a device."""


def place(checkpoint: Path, wanted: Device) -> Placed:
    """Load a checkpoint onto the device of that name; where it is not to be had, onto the best there is.

    Raises:
        CheckpointError: where the checkpoint cannot be loaded.
    """
    import torch

    from lapose_core.device import choose_device
    from lapose_core.training.checkpoints import load_checkpoint

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kinds = tuple(kind for kind, is_there in there.items() if is_there)
    try:
        device, note = choose_device(wanted), ""
    except ValueError as error:
        device, note = choose_device(), str(error)
    return Placed(load_checkpoint(checkpoint, device), kinds, note)
