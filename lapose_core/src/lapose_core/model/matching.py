"""Patch matching between neighbouring frames, without parameters (a nano deviation, see ``config.py``).

For positions on a regular grid of frame t, the contrast-normalised grey patch around each is compared with the
patches of frame t-1 around the same place; the best match is refined below the grid by a soft-argmax over its
3 x 3 neighbours. What leaves is, per position: where the patch came from (columns, rows, in units of the search
range), the correlation of the match, and by how much it beats the average.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lapose_core.model.config import MatchingConfig

CHANNELS = 4


def descriptors(images: Tensor, config: MatchingConfig) -> Tensor:
    """Zero-mean, unit-norm grey patches of images [N, 3, H, W] -> [N, rows, columns, patch * patch].

    Patches with less contrast than the noise floor keep a small norm, so that flat sky matches nothing.
    """
    grey = (images.float() * images.new_tensor([0.299, 0.587, 0.114], dtype=torch.float32)[:, None, None]).sum(1)
    rows, columns = images.shape[-2] // config.stride, images.shape[-1] // config.stride
    pad = (config.patch - config.stride + 1) // 2
    after = config.patch - config.stride - pad
    padded = F.pad(grey[:, None], (pad, max(after, 0), pad, max(after, 0)), mode="reflect")
    patches = F.unfold(padded, config.patch, stride=config.stride)  # [N, P, rows * columns]
    patches = patches - patches.mean(1, keepdim=True)
    floor = 0.01 * config.patch
    patches = patches / (patches.square().sum(1, keepdim=True) + floor**2).sqrt()
    return patches.transpose(1, 2).reshape(len(images), rows, columns, -1)


def match(current: Tensor, previous: Tensor, config: MatchingConfig) -> Tensor:
    """Match descriptors [N, rows, columns, P] of frame t against those of t-1 -> [N, rows, columns, CHANNELS]."""
    n, rows, columns, _ = current.shape
    reach_r, reach_c = config.search_rows, config.search_columns
    padded = F.pad(previous, (0, 0, reach_c, reach_c, reach_r, reach_r))
    span = 2 * reach_c + 1
    heights = 2 * reach_r + 1
    full = current.new_empty(heights, n, rows, columns, columns + 2 * reach_c)
    for dy in range(heights):
        # One matrix product per row: every position of the row against every column of the displaced row.
        torch.matmul(current, padded[:, dy : dy + rows].transpose(-1, -2), out=full[dy])
    # Keep the band of columns within reach of each position, as a view: element (x, d) is full[x, x + d].
    d, *s, e = full.stride()
    band = full.as_strided((n, rows, columns, heights, span), (s[0], s[1], s[2] + e, d, e))
    flat = band.reshape(n, rows, columns, -1)
    best, index = flat.max(-1)
    average = flat.mean(-1)
    row, column = index // span, index % span
    # Neighbours of the peak; at the border of the search range the peak is its own neighbour.
    offsets = torch.arange(-1, 2, device=current.device)
    near_r = (row[..., None] + offsets).clamp(0, 2 * reach_r)
    near_c = (column[..., None] + offsets).clamp(0, span - 1)
    around = flat.gather(-1, (near_r[..., :, None] * span + near_c[..., None, :]).flatten(-2))
    weight = ((around - best[..., None]) / config.temperature).softmax(-1).unflatten(-1, (3, 3))
    v = (weight.sum(-1) * near_r).sum(-1) - reach_r
    u = (weight.sum(-2) * near_c).sum(-1) - reach_c
    return torch.stack([u / reach_c, v / reach_r, best, best - average], -1)


def match_clip(images: Tensor, config: MatchingConfig, previous: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Matches of each frame of images [B, T, 3, H, W] against the one before it.

    Returns:
        [B, T, rows, columns, CHANNELS], zero for a first frame without ``previous``; and the last frame's
        descriptors [B, rows, columns, P], which a stream passes back as ``previous``.
    """
    b, t = images.shape[:2]
    own = descriptors(images.flatten(0, 1), config).unflatten(0, (b, t))
    out = own.new_zeros(*own.shape[:-1], CHANNELS)
    if t > 1:
        out[:, 1:] = match(own[:, 1:].flatten(0, 1), own[:, :-1].flatten(0, 1), config).unflatten(0, (b, t - 1))
    if previous is not None:
        out[:, 0] = match(own[:, 0], previous, config)
    return out, own[:, -1]


def by_token(matches: Tensor, per_token: int) -> Tensor:
    """Group matches [B, T, rows, columns, C] by visual token -> [B, T, tokens, per_token**2 * C]."""
    b, t, rows, columns, c = matches.shape
    x = matches.reshape(b, t, rows // per_token, per_token, columns // per_token, per_token, c)
    return x.permute(0, 1, 2, 4, 3, 5, 6).reshape(b, t, -1, per_token * per_token * c)
