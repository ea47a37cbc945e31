"""Forward dynamics: from the frames up to t and the action of t, the codec's codes of frame t+1.

Of frame t+1 it learns nothing but through the action (``tests/core/test_model.py`` holds it to that).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lapose_core.model.config import LaPoseConfig
from lapose_core.model.st_transformer import Block, SpatioTemporalBlock, TimeEmbedding, rotary
from lapose_core.model.steps import Steps, finish
from lapose_core.model.tokenizer import cells, uncells


class Warp(nn.Module):
    """Reads frame t's codec features at displaced places (a nano deviation).

    The displacement of a cell is a field that is linear in the action, plus what the cell's own token adds (its depth
    decides how far it moves). It is a smooth way from an action to "this cell will show what is now over there", which
    a small attention network takes long to find. It starts at zero: at "nothing moves".
    """

    def __init__(self, config: LaPoseConfig) -> None:
        super().__init__()
        self.per_token = config.patch // config.vqvae.downsample
        self.offset = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, config.width),
            nn.GELU(),
            nn.Linear(config.width, 2 * self.per_token**2),
        )
        self.field = nn.Linear(config.width, config.tokens * 2 * self.per_token**2)
        for last in (self.offset[-1], self.field):
            assert isinstance(last, nn.Linear)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.project = nn.Linear(self.per_token**2 * config.vqvae.code_dim, config.width)
        self.gain = config.vqvae.code_dim**0.5

    def forward(self, tokens: Tensor, action: Tensor, features: Tensor) -> Tensor:
        """Visual tokens [B, T, S, D], actions [B, T, D] and features [B, T, C, h, w] -> what to add to the tokens."""
        b, t, _, h, w = features.shape
        both = self.offset(tokens) + self.field(action).unflatten(-1, (tokens.shape[2], -1))
        cell = both.new_tensor([2 / w, 2 / h], dtype=torch.float32)  # grid_sample's unit is half the image
        offset = uncells(both.float().unflatten(-1, (-1, 2)), h, w, self.per_token) * (4 * cell)
        rows = (torch.arange(h, device=features.device) + 0.5) * (2 / h) - 1
        columns = (torch.arange(w, device=features.device) + 0.5) * (2 / w) - 1
        base = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1)
        grid = (base + offset).flatten(0, 1)
        moved = F.grid_sample(features.flatten(0, 1).float(), grid, padding_mode="border", align_corners=False)
        return self.project(cells(moved.unflatten(0, (b, t)), self.per_token).flatten(-2) * self.gain)


class ForwardDynamics(nn.Module):
    def __init__(self, config: LaPoseConfig) -> None:
        super().__init__()
        width = config.width
        self.code_grid = config.code_grid
        self.per_token = config.patch // config.vqvae.downsample
        self.rotary_width = width // config.heads
        self.embed = nn.Linear(width, width)
        self.gap = TimeEmbedding(width)
        self.modulated = config.action_modulation
        self.blocks = nn.ModuleList(
            SpatioTemporalBlock(
                width,
                config.heads,
                config.mlp_ratio,
                condition=config.action_modulation,
                history=config.forward_history,
            )
            for _ in range(config.forward_depth)
        )
        self.warp = Warp(config) if config.forward_warp else None
        # The head: light blocks, narrower in their MLP, then every token is split into its code cells.
        self.head = nn.ModuleList(Block(width, config.heads, 2) for _ in range(config.forward_head_depth))
        self.norm = nn.LayerNorm(width)
        self.split = nn.Linear(width, self.per_token**2 * config.forward_head_width)
        self.classify = nn.Sequential(nn.GELU(), nn.Linear(config.forward_head_width, config.vqvae.codes))

    def forward(
        self,
        tokens: Tensor,  # [B, T, S, D] visual tokens of frames 0..T-1
        actions: Tensor,  # [B, T, D] expanded latent actions; entry t leads from frame t to frame t+1
        times: Tensor,  # [B, T + 1] seconds of frames 0..T
        features: Tensor | None,  # [B, T, C, h, w] codec features of frames 0..T-1, where the warp reads them
    ) -> Tensor:
        """Logits [B, T, h, w, K] over the codes of frames 1..T."""
        return finish(self.steps(tokens, actions, times, features))

    def steps(self, tokens: Tensor, actions: Tensor, times: Tensor, features: Tensor | None) -> Steps[Tensor]:
        """``forward``, a block a step."""
        action = actions + self.gap((times[:, 1:] - times[:, :-1]).float())
        x = torch.cat([self.embed(tokens), action[:, :, None]], 2)
        rotation = rotary(times[:, :-1], self.rotary_width, x.device)
        condition = action if self.modulated else None
        for i, block in enumerate(self.blocks):
            x = block(x, rotation, condition)
            if i == 0 and self.warp is not None:
                assert features is not None
                x = torch.cat([x[:, :, :-1] + self.warp(x[:, :, :-1], action, features), x[:, :, -1:]], 2)
            yield
        for block in self.head:
            x = block(x)
            yield
        cell = self.split(self.norm(x[:, :, :-1])).unflatten(-1, (self.per_token**2, -1))
        return uncells(self.classify(cell), *self.code_grid, self.per_token)
