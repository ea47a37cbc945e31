"""Inverse dynamics: which action turned frame t into frame t+1?

A learned query stands among the visual tokens of frame t+1. Spatial attention lets it read that frame, causal
temporal attention lets every token know its past; so the query's answer may depend on frames up to t+1 and on
nothing after.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lapose_core.model.config import LaPoseConfig
from lapose_core.model.st_transformer import SpatioTemporalBlock, TemporalCache, rotary
from lapose_core.model.tokenizer import FrameInputs, matching_width


def three_layer_mlp(before: int, hidden: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(before, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, after)
    )


class InverseDynamics(nn.Module):
    """Visual tokens [B, T, S, D] -> latent actions [B, T - 1, A], A the bottleneck's width (or D without one)."""

    def __init__(self, config: LaPoseConfig) -> None:
        super().__init__()
        width = config.width
        self.rotary_width = width // config.heads
        self.query = nn.Parameter(torch.randn(width) * 0.02)
        self.motion = nn.Linear(matching_width(config), width) if config.matching else None
        self.blocks = nn.ModuleList(
            SpatioTemporalBlock(width, config.heads, config.mlp_ratio) for _ in range(config.inverse_depth)
        )
        self.norm = nn.LayerNorm(width)
        self.compress: nn.Module = nn.Identity()
        self.expand: nn.Module = nn.Identity()
        if config.bottleneck:
            self.compress = three_layer_mlp(width, width, config.bottleneck)
            self.expand = three_layer_mlp(config.bottleneck, width, width)

    def forward(
        self,
        tokens: Tensor,  # [B, T, S, D]
        inputs: FrameInputs,
        times: Tensor,  # [B, T] seconds
        caches: list[TemporalCache] | None = None,
    ) -> Tensor:
        """Latent action of every frame's query [B, T, A]; entry t belongs to the transition t-1 -> t, so the first
        of a clip means nothing."""
        if self.motion is not None:
            assert inputs.matches is not None
            tokens = tokens + self.motion(inputs.matches.float())
        query = self.query.to(tokens.dtype).expand(*tokens.shape[:2], 1, -1)
        x = torch.cat([tokens, query], 2)
        rotation = rotary(times, self.rotary_width)
        for i, block in enumerate(self.blocks):
            x = block(x, rotation, cache=caches[i] if caches else None)
        return self.compress(self.norm(x[:, :, -1]))
