"""Inverse dynamics: which action turned frame t into frame t+1?

A learned query stands among the visual tokens of frame t+1. Spatial attention lets it read that frame, causal
temporal attention lets every token know its past; so the query's answer may depend on frames up to t+1 and on
nothing after.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lapose_core.model.config import LaPoseConfig
from lapose_core.model.motion import MotionReadout, VelocityReadout
from lapose_core.model.st_transformer import SpatioTemporalBlock, rotary
from lapose_core.model.tokenizer import FrameInputs, matching_width


def three_layer_mlp(before: int, hidden: int, after: int) -> nn.Sequential:
    """Initialised to keep the spread of its input (He et al. 2015): what distinguishes one action from another is small
    at first, and three default layers would shrink it a hundredfold."""
    layers = (nn.Linear(before, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, after))
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.GELU(), layers[1], nn.GELU(), layers[2])


class InverseDynamics(nn.Module):
    """Visual tokens [B, T, S, D] -> latent actions [B, T - 1, A], A the bottleneck's width (or D without one)."""

    def __init__(self, config: LaPoseConfig) -> None:
        super().__init__()
        width = config.width
        self.rotary_width = width // config.heads
        self.query = nn.Parameter(torch.randn(width) * 0.02)
        self.motion: nn.Linear | None = None
        self.readout: MotionReadout | None = None
        self.velocity: VelocityReadout | None = None
        if config.matching:
            self.motion = nn.Linear(matching_width(config), width)
            if config.action_rate:
                wide = 2 * width
                self.velocity = VelocityReadout(config.tokens, matching_width(config), wide)
                self.tell = nn.Sequential(nn.LayerNorm(wide), nn.Linear(wide, width))
                self.straight = nn.Linear(wide, config.latent_dim)
                self.bent = nn.Sequential(nn.GELU(), three_layer_mlp(wide, wide, config.latent_dim))
            else:
                self.readout = MotionReadout(config.tokens, matching_width(config), width)
        self.blocks = nn.ModuleList(
            SpatioTemporalBlock(width, config.heads, config.mlp_ratio) for _ in range(config.inverse_depth)
        )
        self.norm = nn.LayerNorm(width)
        self.compress: nn.Module = nn.Identity()
        self.expand: nn.Module = nn.Identity()
        if config.bottleneck:
            compress = three_layer_mlp(width, width, config.bottleneck)
            if self.velocity is not None:  # training begins at what the matches say
                nn.init.zeros_(compress[-1].weight)  # type: ignore[arg-type]
            self.compress = compress
            self.expand = three_layer_mlp(config.bottleneck, width, width)
        # Set once, from the data, before training: actions begin with mean 0 and spread 1, so they can be heard.
        self.register_buffer("action_mean", torch.zeros(config.latent_dim))
        self.register_buffer("action_spread", torch.ones(config.latent_dim))

    action_mean: Tensor
    action_spread: Tensor

    def calibrate(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Make latents [N, A], which the model gives now, the unit of what it gives from now on.

        Returns:
            mean and spread [A]: what was a is now (a - mean) / spread.
        """
        mean, spread = latents.mean(0), latents.std(0).clamp_min(1e-4)
        self.action_mean.add_(mean * self.action_spread)
        self.action_spread.mul_(spread)
        return mean, spread

    def from_motion(self, matches: Tensor, gap: Tensor) -> Tensor:
        """What the matches [B, T, S, F] alone say of the actions [B, T, A]; the blocks add to it what they see."""
        assert self.velocity is not None
        return (self._straight(self.velocity(matches, gap)) - self.action_mean) / self.action_spread

    def _straight(self, velocity: Tensor) -> Tensor:
        """Around the norms of the blocks, which would take a velocity's magnitude away."""
        return self.straight(velocity) + self.bent(velocity)

    def forward(
        self,
        tokens: Tensor,  # [B, T, S, D]
        inputs: FrameInputs,
        times: Tensor,  # [B, T] seconds
        gap: Tensor,  # [B, T] seconds since the frame before, 0 where there is none
    ) -> Tensor:
        """Latent action of every frame's query [B, T, A]; entry t belongs to the transition t-1 -> t, so the first
        of a clip means nothing."""
        query = self.query.expand(*tokens.shape[:2], -1)
        around: Tensor | None = None
        if self.motion is not None:
            assert inputs.matches is not None
            matches = inputs.matches.float()
            tokens = tokens + self.motion(matches)
            if self.readout is not None:
                query = query + self.readout(matches)
            elif self.velocity is not None:
                velocity = self.velocity(matches, gap.to(matches.device))
                query = query + self.tell(velocity)
                around = self._straight(velocity)
        x = torch.cat([tokens, query[:, :, None].to(tokens.dtype)], 2)
        rotation = rotary(times, self.rotary_width, x.device)
        for i, block in enumerate(self.blocks):
            # Of the last block nothing but the query is read.
            last = i == len(self.blocks) - 1
            x = block(x, rotation, last=last)
        action = self.compress(self.norm(x[:, :, -1]))
        if around is not None:
            action = action + around
        return (action - self.action_mean) / self.action_spread
