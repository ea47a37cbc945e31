"""Where the checkpoint is that commands and the inspector use when none is named, and the sample drive."""

from __future__ import annotations

import os
from pathlib import Path

ENVIRONMENT = "LAPOSE_CHECKPOINT"


def default_checkpoint() -> Path:
    """The folder named by ``LAPOSE_CHECKPOINT``, else the nano checkpoint of the repository this runs from.

    Raises:
        ValueError: where neither is a checkpoint folder.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        folder = Path(named)
        if not (folder / "config.json").is_file():
            raise ValueError(f"{ENVIRONMENT}={named} is not a checkpoint folder: it holds no config.json")
        return folder
    bundled = Path(__file__).resolve().parents[3] / "resources" / "nano"
    if (bundled / "config.json").is_file():
        return bundled
    raise ValueError(
        f"no checkpoint: give --checkpoint FOLDER or set {ENVIRONMENT} "
        "(the nano checkpoint lies in resources/nano of the repository)"
    )


def sample_drive() -> Path | None:
    """The sample drive of the repository this runs from; None where there is none."""
    bundled = Path(__file__).resolve().parents[3] / "resources" / "sample_drive"
    return bundled if bundled.is_dir() else None
