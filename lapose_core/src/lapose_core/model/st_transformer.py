"""Spatio-temporal transformer blocks: attention inside a frame, then causal attention over time.

Time enters in two ways, and both depend on elapsed seconds only, never on a position in the window, so a stream
may go on for hours: each frame carries an embedding of the gap to the frame before it, and temporal attention
rotates queries and keys by elapsed time (rotary encoding), so that it sees differences of time.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def attention(
    query: Tensor,  # [..., Q, C]
    key: Tensor,  # [..., K, C]
    value: Tensor,  # [..., K, C]
    mask: Tensor | None = None,  # [Q, K], True where attention is allowed
) -> Tensor:
    """Scaled dot-product attention.

    On CPU written out: at about 100 tokens that was 1.6 to 1.9 times as fast as the fused CPU kernel.
    """
    if query.device.type != "cpu":
        return fused_attention(query, key, value, mask)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ value


def fused_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """``attention`` by PyTorch's kernels. The fast ones of a graphics card take four axes and no more: with five, a
    profile showed the written-out one at work."""
    if query.ndim <= 4:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    q, k, v = (x.flatten(0, -4) for x in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).unflatten(0, query.shape[:-3])


def rotary_frequencies(width: int) -> Tensor:
    """Radians a second [width / 2], float64; their periods run geometrically from 0.25 s to 64 s."""
    return 2 * math.pi / torch.logspace(math.log10(0.25), math.log10(64.0), width // 2, dtype=torch.float64)


def rotary(times: Tensor, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines [..., width / 2] that rotate a vector by elapsed seconds.

    Angles are formed in float64, for after an hour of stream a float32 angle would be off by milliradians. MPS has no
    float64: ``times`` are on the CPU, the result on ``device``.
    """
    angle = times.double()[..., None] * rotary_frequencies(width).to(times.device)
    return angle.cos().float().to(device), angle.sin().float().to(device)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the pairs (first half, second half) of x [..., C]."""
    cos, sin = rotation
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1).to(x.dtype)


class TimeEmbedding(nn.Module):
    """Sinusoids of a time gap in seconds, projected to the token width: [...] -> [..., width]."""

    def __init__(self, width: int, frequencies: int = 32) -> None:
        super().__init__()
        # Periods from 0.05 s (a 20 Hz gap turns once) to 16 s.
        periods = torch.logspace(math.log10(0.05), math.log10(16.0), frequencies)
        self.register_buffer("angular", 2 * math.pi / periods, persistent=False)
        self.project = nn.Linear(2 * frequencies, width)

    angular: Tensor

    def sinusoids(self, gap: Tensor) -> Tensor:
        """[...] -> [..., 2 * frequencies]: the same for every embedding of as many frequencies."""
        angle = gap.float().to(self.angular.device)[..., None] * self.angular
        return torch.cat([angle.sin(), angle.cos()], -1)

    def forward(self, gap: Tensor) -> Tensor:
        return self.project(self.sinusoids(gap))


def gaps(times: Tensor) -> Tensor:
    """Seconds since the frame before, 0 for the first: [B, T] -> [B, T] float32."""
    return F.pad(times[:, 1:] - times[:, :-1], (1, 0)).float()


class Mlp(nn.Sequential):
    def __init__(self, width: int, ratio: int) -> None:
        super().__init__(nn.Linear(width, width * ratio), nn.GELU(), nn.Linear(width * ratio, width))


class SelfAttention(nn.Module):
    """Multi-head self-attention over the second-last axis of x [..., N, D]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each [..., H, N, C]."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        return q.transpose(-2, -3), k.transpose(-2, -3), v.transpose(-2, -3)

    def join(self, x: Tensor) -> Tensor:
        """[..., H, N, C] -> [..., N, D]."""
        return self.out(x.transpose(-2, -3).flatten(-2))

    def forward(self, x: Tensor, *, last: bool = False) -> Tensor:
        """[..., N, D]; with ``last`` only what the last of the N reads [..., 1, D]."""
        if not last:
            return self.join(attention(*self.split(x)))
        width = x.shape[-1]
        weight, bias = self.qkv.weight, self.qkv.bias
        q = F.linear(x[..., -1:, :], weight[:width], bias[:width]).unflatten(-1, (self.heads, -1))
        k, v = F.linear(x, weight[width:], bias[width:]).unflatten(-1, (2, self.heads, -1)).unbind(-3)
        return self.join(attention(q.transpose(-2, -3), k.transpose(-2, -3), v.transpose(-2, -3)))


class Block(nn.Module):
    """Pre-norm transformer block over x [..., N, D]."""

    def __init__(self, width: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = Mlp(width, ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm_attention(x))
        return x + self.mlp(self.norm_mlp(x))


class SpatioTemporalBlock(nn.Module):
    """Attention among the tokens of a frame, causal attention of each token over time, MLP.

    With ``condition`` each of the three is scaled and shifted by a condition vector per frame (initially zero, so
    that a fresh block does not depend on it).
    """

    def __init__(
        self, width: int, heads: int, ratio: int, *, condition: bool = False, history: int | None = None
    ) -> None:
        super().__init__()
        self.history = history
        self.norm_spatial = nn.LayerNorm(width)
        self.spatial = SelfAttention(width, heads)
        self.norm_temporal = nn.LayerNorm(width)
        self.temporal = SelfAttention(width, heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = Mlp(width, ratio)
        self.modulation: nn.Linear | None = None
        if condition:
            self.modulation = nn.Linear(width, 6 * width)
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(
        self,
        x: Tensor,  # [B, T, S, D]
        rotation: tuple[Tensor, Tensor],  # cos, sin [B, T, C / 2]
        condition: Tensor | None = None,  # [B, T, D]
        last: bool = False,
    ) -> Tensor:
        """[B, T, S, D]; with ``last`` only the last token of each frame [B, T, 1, D], at a fraction of the cost."""
        normed = [self.norm_spatial, self.norm_temporal, self.norm_mlp]
        if self.modulation is not None and condition is not None:
            scale, shift = self.modulation(F.silu(condition))[:, :, None].chunk(2, -1)
            scales, shifts = scale.chunk(3, -1), shift.chunk(3, -1)
        else:
            scales = shifts = (None, None, None)

        def norm(i: int, y: Tensor) -> Tensor:
            y = normed[i](y)
            s, b = scales[i], shifts[i]
            return y if s is None or b is None else y * (1 + s) + b

        x = (x[:, :, -1:] if last else x) + self.spatial(norm(0, x), last=last)
        x = x + self._over_time(norm(1, x), rotation)
        return x + self.mlp(norm(2, x))

    def _over_time(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        frames = x.shape[1]
        if self.history == 1:
            # A frame that attends to itself alone gets its own value back.
            value = self.temporal.qkv(x).chunk(3, -1)[2]
            return self.temporal.out(value)
        q, k, v = self.temporal.split(x.transpose(1, 2))  # [B, S, H, T, C]
        cos, sin = (r[:, None, None] for r in rotation)
        q, k = rotate(torch.stack([q, k]), (cos, sin))
        step = torch.arange(frames, device=x.device)
        age = step[:, None] - step[None]
        mask = age >= 0
        if self.history is not None:
            mask &= age < self.history
        return self.temporal.join(attention(q, k, v, mask)).transpose(1, 2)
