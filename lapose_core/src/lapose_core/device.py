"""Which device torch runs on."""

from __future__ import annotations

import torch


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
