"""The model's transformer blocks compiled by ``torch.compile``: an option that a graphics card, or a long drive, may
pay for. It is off unless asked for. A stream has steps of its own (``model.streaming``), which are not compiled."""

from __future__ import annotations

import torch

from lapose_core.inference.analysis import estimate_windows
from lapose_core.model.lapose import LaPose
from lapose_core.model.st_transformer import Block, SpatioTemporalBlock


def compile_blocks(model: LaPose, batch: int = 1, backend: str = "inductor") -> str:
    """Compile every block of ``model`` in place, and run it once on a whole window so that no analysis waits for it.

    Weights, their names and what the model computes stay as they are, but for rounding. Takes up to minutes: not for
    the thread of a window.

    Args:
        batch: windows at a time that the analysis will run.
        backend: of ``torch.compile``.

    Returns:
        why it could not be done here (no C++ compiler, say, or one that fails), in which case the model runs as before;
        or "".
    """
    config = model.config
    images = torch.zeros(batch, config.window, 3, config.image_height, config.image_width)
    times = torch.arange(config.window).double()[None].expand(batch, -1) * 0.2
    try:
        # Graphs are kept by code, not by model, and only a few of each: another model's would be in the way.
        torch._dynamo.reset()
        for block in _blocks(model):
            block.compile(backend=backend)
        # Twice: a second shape makes what follows independent of the number of frames.
        estimate_windows(model, images, times)
        estimate_windows(model, images[:, : config.window // 2], times[:, : config.window // 2])
    except Exception as error:  # whatever a compiler raises, the model itself is sound
        torch._dynamo.reset()
        for block in _blocks(model):
            block._compiled_call_impl = None
        return _words(error)
    return ""


def _words(error: Exception) -> str:
    """One line; of a C++ compiler that fails, what it printed is of no use to who has no headers for it."""
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return "the C++ compiler does not work here" if "CalledProcessError" in said else said


def _blocks(model: LaPose) -> list[torch.nn.Module]:
    return [module for module in model.modules() if isinstance(module, Block | SpatioTemporalBlock)]
