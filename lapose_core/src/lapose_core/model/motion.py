"""From the field of patch matches to the action query, and from an action back to the field (nano deviations).

Attention alone begins by averaging over the image, where opposite sides of a turn or an approach cancel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MotionReadout(nn.Module):
    """Gives the action query the whole field of matches at once [B, T, S, F] -> [B, T, D]."""

    def __init__(self, tokens: int, before: int, width: int, per_token: int = 16) -> None:
        super().__init__()
        self.weigh = nn.Sequential(nn.Linear(before, 2 * per_token), nn.GELU(), nn.Linear(2 * per_token, per_token))
        self.gather = nn.Linear(tokens * per_token, width)

    def forward(self, matches: Tensor) -> Tensor:
        return self.gather(self.weigh(matches).flatten(-2))


class VelocityReadout(nn.Module):
    """The field of matches divided by the time it took, gathered: one motion reads the same at every frame rate.

    ``weigh`` sees each token's matches with their quality and place, so it can leave out those that it distrusts;
    all that follows up to the division is linear, so that twice the displacement is twice the reading.
    """

    def __init__(self, tokens: int, before: int, width: int, per_token: int = 32) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(tokens, before))
        self.weigh = nn.Sequential(nn.Linear(before, 2 * per_token), nn.GELU(), nn.Linear(2 * per_token, per_token))
        self.gather = nn.Linear(tokens * per_token, width)
        self.gap = nn.Linear(2, width)

    def forward(self, matches: Tensor, gap: Tensor) -> Tensor:
        """``matches`` [B, T, S, F] against the frame before, ``gap`` [B, T] seconds to it (0: none) -> [B, T, D]."""
        known = (gap > 0)[..., None]
        seconds = torch.where(known, gap[..., None], 1.0)
        field = self.gather(self.weigh(matches + self.place).flatten(-2)) / seconds
        return torch.where(known, field + self.gap(torch.cat([seconds, seconds.log()], -1)), 0.0)


class MotionDecoder(nn.Module):
    """Says from an action alone where the content of every cell came from: [B, N, A] -> [B, N, S, cells, 2].

    It is linear, so what the field needs lies open in the action. Displacements are in pixels.
    """

    UNIT = 16.0  # pixels: the order of a displacement

    def __init__(self, tokens: int, cells: int, actions: int) -> None:
        super().__init__()
        self.cells = cells
        self.field = nn.Linear(actions, tokens * cells * 2)

    def forward(self, actions: Tensor, gap: Tensor) -> Tensor:
        """``gap`` [B, N]: seconds that the action acted."""
        return self.field(actions).unflatten(-1, (-1, self.cells, 2)).float() * (self.UNIT * gap[..., None, None, None])

    def follow(self, mean: Tensor, spread: Tensor) -> None:
        """Keep saying the same once actions a have become (a - mean) / spread."""
        with torch.no_grad():
            self.field.bias.add_(self.field.weight @ mean)
            self.field.weight.mul_(spread)
