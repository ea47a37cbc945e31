"""Which device torch runs on, and how it is used there."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor


def choose_device(name: str = "auto") -> torch.device:
    """The named device, or with ``auto`` the best there is: cuda, mps, cpu.

    Raises:
        ValueError: where the named device does not exist here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {name!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


def precision(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """bfloat16 autocast on CUDA; full precision elsewhere, where it is what the tests compare."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()


class Upload:
    """Takes images [3, H, W] from the CPU to ``device``, as one batch [N, 3, H, W].

    To CUDA they go through two pinned buffers in turn and a stream of their own: while the model works on one batch
    the next is on its way, and neither waits for the other.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._buffers: list[Tensor | None] = [None, None]
        self._turn = 0
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)
            self._sent = [torch.cuda.Event(), torch.cuda.Event()]

    def __call__(self, images: list[Tensor]) -> Tensor:
        if self.device.type != "cuda":
            return torch.stack(images).to(self.device)
        self._turn = 1 - self._turn
        buffer, sent = self._buffers[self._turn], self._sent[self._turn]
        sent.synchronize()  # what this buffer held before has left it
        if buffer is None or len(buffer) < len(images):
            buffer = torch.empty(len(images), *images[0].shape, pin_memory=True)
            self._buffers[self._turn] = buffer
        part = torch.stack(images, out=buffer[: len(images)])
        with torch.cuda.stream(self._stream):
            out = part.to(self.device, non_blocking=True)
        sent.record(self._stream)
        model = torch.cuda.current_stream(self.device)
        model.wait_stream(self._stream)
        out.record_stream(model)
        return out
