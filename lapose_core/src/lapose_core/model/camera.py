"""What a log tells of the camera, as an optional input of the pose head (a nano deviation, see ``config.py``).

A camera is a row of two values: the horizontal field of view of the model's image in radians, and the camera's height
over the road in metres. NaN stands for what is not known.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FOV, HEIGHT = 0, 1
FIELDS = 2

# Middle and spread of what the network reads: tan(fov / 2), the inverse of the focal length in half images, and metres.
MIDDLE, SPREAD = (0.57, 1.6), (0.15, 0.25)


def unknown_camera(clips: int, device: torch.device | str = "cpu") -> Tensor:
    """Cameras [B, 2] of which nothing is known."""
    return torch.full((clips, FIELDS), float("nan"), device=device)


class CameraEmbedding(nn.Module):
    """Cameras [B, 2] -> [B, D]: the known values, and which are known."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * FIELDS, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, camera: Tensor) -> Tensor:
        camera = camera.float()
        known = torch.isfinite(camera)
        values = torch.stack([torch.tan(camera[:, FOV] / 2), camera[:, HEIGHT]], -1)
        standard = (values - values.new_tensor(MIDDLE)) / values.new_tensor(SPREAD)
        return self.layers(torch.cat([torch.where(known, standard, 0.0), known.float()], -1))
