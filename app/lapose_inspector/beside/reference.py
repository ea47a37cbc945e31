"""A drive's motion by classical geometry: OpenCV and COLMAP bring threads and a hundred megabytes of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive
from lapose_core.evaluation.classical_reference import (
    Name,
    ReferenceCache,
    ReferenceCamera,
    ReferenceCancelled,
    classical_reference,
)
from lapose_core.evaluation.comparison import Trajectory
from lapose_inspector.beside.calls import Stale, Tell


def compute(
    drive: Drive,
    frames: NDArray[np.int64],
    name: Name,
    camera: ReferenceCamera,
    folder: Path,
    *,
    tell: Tell,
    stale: Stale,
) -> Trajectory | None:
    """The reference, which is kept in ``folder``; None where nobody wants it any more.

    Raises:
        ImportError, LogError, OSError: as ``classical_reference`` and ``ReferenceCache.save`` do.
    """
    cache = ReferenceCache(folder)
    try:
        made = classical_reference(drive, frames, name, camera, progress=tell, cancelled=stale)
    except ReferenceCancelled:
        return None
    cache.save(cache.path_of(drive, frames, name, camera), made)
    return made
