"""LA-Pose: latent actions learned from unlabelled driving video, repurposed for camera pose.

    import lapose_core as lp

    result = lp.analyze("drive.mp4")
    result.trajectory, result.latents, result.errors, result.to_pandas()

docs/python_api.md is a tour. Importing this package imports neither torch nor anything else that takes time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lapose_core.api import Result, analyze, load
    from lapose_core.logs import list_drives, open_log

__version__ = "0.1.0"
__all__ = ["Result", "__version__", "analyze", "list_drives", "load", "open_log"]

_HOMES = {
    "Result": "lapose_core.api",
    "analyze": "lapose_core.api",
    "load": "lapose_core.api",
    "list_drives": "lapose_core.logs",
    "open_log": "lapose_core.logs",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
