"""Dense matching between neighbouring frames, without parameters (a nano deviation, see ``config.py``).

1. Small contrast-normalised grey patches on a regular grid of frame t are correlated with those of frame t-1 at every
   displacement of a search range (in steps of the grid).
2. Correlations of neighbouring positions are averaged at equal displacement: a single patch is ambiguous, a
   neighbourhood seldom is. The best displacement is taken per cell.
3. It is refined below a pixel by one Gauss-Newton step of Lucas and Kanade (1981) on the grey values around the cell.

What leaves, per cell: where its content was in frame t-1 (columns and rows, in units of the search range), the
correlation of the match, and how much horizontal and vertical structure it stands on (an edge fixes one direction).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lapose_core.model.config import MatchingConfig

CHANNELS = 5
CPU_ROWS = 7  # of correlations at a time: those of a whole frame leave the processor's cache
Prepared = tuple[Tensor, Tensor]  # descriptors [N, rows, columns, P] and smoothed grey [N, H, W] of frames


def descriptors(images: Tensor, config: MatchingConfig) -> Prepared:
    """Zero-mean, unit-norm grey patches and the smoothed grey of images [N, 3, H, W].

    The grey is smoothed to the spacing of the grid, or content that falls between two grid places would match
    neither. Patches with less contrast than the noise floor keep a small norm, so that flat sky matches nothing.
    """
    rows, columns = images.shape[-2] // config.stride, images.shape[-1] // config.stride
    # Smoothed as it is, every second pixel tells all; the patch spans 2 * samples - 1 pixels about its grid place.
    spare = 2 * config.samples - 1 - config.stride
    before, after = (spare + 1) // 2, max(spare // 2, 0)
    floor = 0.005 * config.samples
    if images.device.type == "cpu" and images.dtype == torch.float32:
        from lapose_core.model.matching_kernels import describing  # brings a compiler: for those who wait for it

        grey = images.new_empty(len(images), *images.shape[-2:])
        patches = images.new_empty(len(images), rows, columns, config.samples**2)
        describe = describing(config.stride, config.samples, before, floor)
        for image, *out in zip(images.contiguous().numpy(), grey.numpy(), patches.numpy()):
            describe(image, *out)
        return patches, grey
    weights = images.new_tensor([0.299, 0.587, 0.114], dtype=torch.float32)
    grey = torch.einsum("nchw,c->nhw", images.float(), weights)[:, None]
    grey = _smoothed(_smoothed(grey))
    patches = F.unfold(
        F.pad(grey, (before, after, before, after), mode="reflect"),
        config.samples,
        dilation=2,
        stride=config.stride,
    )
    patches = patches - patches.mean(1, keepdim=True)
    patches = patches / (patches.square().sum(1, keepdim=True) + floor**2).sqrt()
    return patches.transpose(1, 2).reshape(len(images), rows, columns, -1), grey[:, 0]


def _smoothed(grey: Tensor) -> Tensor:
    """Means of 3 x 3 pixels [N, 1, H, W]. Written out: with one channel ``avg_pool2d`` took 2.5 times as long."""
    height, width = grey.shape[-2:]
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    first, *others = (padded[..., y : y + height, x : x + width] for y in range(3) for x in range(3))
    total = first.clone()
    for other in others:
        total += other
    return total.div_(9)


def correlation(current: Tensor, previous: Tensor, config: MatchingConfig, margin: tuple[int, int] = (0, 0)) -> Tensor:
    """Correlations of descriptors with those of the frame before, displaced.

    Returns:
        [N, rows, columns, (2R+1) * (2C+1)], before and after whose rows and columns the outermost are repeated
        ``margin`` times.
    """
    n, rows, columns, p = current.shape
    reach_r, reach_c = config.search_rows, config.search_columns
    padded = F.pad(previous, (0, 0, reach_c, reach_c, reach_r, reach_r)).contiguous()
    heights, span, wide = 2 * reach_r + 1, 2 * reach_c + 1, columns + 2 * reach_c
    places = heights * wide
    before, after = margin
    volume = current.new_empty(n, before + rows + after, before + columns + after, heights * span)
    inside = volume[:, before : before + rows, before : before + columns].unflatten(-1, (heights, span))
    together = CPU_ROWS if current.device.type == "cpu" else rows
    full = current.new_empty(min(together, rows), columns, places)
    for one, other, out in zip(current, padded, inside):
        # The rows within reach of a row lie one after the other: one matrix, which the next row's overlaps.
        near = other.as_strided((rows, p, places), (wide * p, 1, p))
        for first in range(0, rows, together):
            part = slice(first, first + together)
            found = full[: min(together, rows - first)]
            torch.bmm(one[part], near[part], out=found)
            # Of it the band of columns within reach of each position: element (x, dy, d) is found[x, dy, x + d].
            strides = (columns * places, places + 1, wide, 1)
            out[part] = found.as_strided((len(found), columns, heights, span), strides)
    last = before + rows - 1, before + columns - 1
    volume[:, :before] = volume[:, before : before + 1]
    volume[:, last[0] + 1 :] = volume[:, last[0] : last[0] + 1]
    volume[:, :, :before] = volume[:, :, before : before + 1]
    volume[:, :, last[1] + 1 :] = volume[:, :, last[1] : last[1] + 1]
    return volume


def match(current: Prepared, previous: Prepared, config: MatchingConfig) -> Tensor:
    """Match frames t against frames t-1 -> [N, cell rows, cell columns, CHANNELS]."""
    if len(current[0]) > 1 and current[0].device.type == "cpu":
        # One at a time: the correlation volumes of four frames leave the processor's cache, at a third more time.
        pairs = zip(*(x.split(1) for x in (*current, *previous)), strict=True)
        return torch.cat([match((p, g), (q, h), config) for p, g, q, h in pairs])
    reach_r, reach_c, span = config.search_rows, config.search_columns, 2 * config.search_columns + 1
    # Positions per cell, and a neighbourhood a little wider than the cell.
    per_cell = config.cell // config.stride
    pool = per_cell + 3
    pad = (pool - per_cell + 1) // 2
    volume = correlation(current[0], previous[0], config, (pad, pool - per_cell - pad))
    flat = F.avg_pool2d(volume.permute(0, 3, 1, 2), pool, stride=per_cell)
    best, index = flat.max(1)  # [N, cell rows, cell columns]
    dy = (index // span - reach_r) * config.stride
    dx = (index % span - reach_c) * config.stride
    refine_x, refine_y, structure_x, structure_y = _refine(current[1], previous[1], dx, dy, config)
    return torch.stack(
        [
            (dx + refine_x) / (reach_c * config.stride),
            (dy + refine_y) / (reach_r * config.stride),
            best,
            structure_x,
            structure_y,
        ],
        -1,
    )


def _refine(
    current: Tensor, previous: Tensor, dx: Tensor, dy: Tensor, config: MatchingConfig
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One Gauss-Newton step per cell from displacement (dx, dy), at most a grid step long; and log structure."""
    n, height, width = current.shape
    side = config.cell + 8
    reach_x = config.search_columns * config.stride + side
    reach_y = config.search_rows * config.stride + side
    rows, columns = dx.shape[1:]
    padded = F.pad(previous[:, None], (reach_x, reach_x, reach_y, reach_y), mode="replicate")[:, 0]
    own = F.pad(current[:, None], (side, side, side, side), mode="replicate")[:, 0]
    window = torch.arange(side, device=dx.device) - (side - config.cell) // 2
    top = torch.arange(rows, device=dx.device)[:, None] * config.cell
    left = torch.arange(columns, device=dx.device) * config.cell

    def windows(image: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """[N, rows, columns, side, side] of image [N, H, W] from (y, x) [N, rows, columns]."""
        stride = image.shape[-1]
        corner = y * stride + x
        index = corner[..., None, None] + window[:, None] * stride + window
        return image.flatten(1).gather(1, index.flatten(1)).view(index.shape)

    zero = torch.zeros_like(dx)
    now = windows(own, zero + top + side, zero + left + side)
    then = windows(padded, dy + top + reach_y, dx + left + reach_x)
    # Exposure changes between frames: compare what is left after mean and contrast.
    now, then = (_normalised(w) for w in (now, then))
    both = 0.5 * (now + then)
    gx = 0.5 * (both[..., 1:-1, 2:] - both[..., 1:-1, :-2])
    gy = 0.5 * (both[..., 2:, 1:-1] - both[..., :-2, 1:-1])
    rest = (now - then)[..., 1:-1, 1:-1]
    xx, xy, yy = (gx * gx).mean((-1, -2)), (gx * gy).mean((-1, -2)), (gy * gy).mean((-1, -2))
    bx, by = (gx * rest).mean((-1, -2)), (gy * rest).mean((-1, -2))
    damping = 1e-3
    determinant = (xx + damping) * (yy + damping) - xy * xy
    step_x = ((yy + damping) * bx - xy * by) / determinant
    step_y = ((xx + damping) * by - xy * bx) / determinant
    limit = float(config.stride)
    return (
        step_x.clamp(-limit, limit),
        step_y.clamp(-limit, limit),
        (xx + 1e-4).log() / 5,
        (yy + 1e-4).log() / 5,
    )


def _normalised(windows: Tensor) -> Tensor:
    """Windows [..., side, side] with zero mean and, but for the noise floor, unit spread."""
    centred = windows - windows.mean((-1, -2), keepdim=True)
    # Written out: with Tensor.std over the last two axes this took 2.5 times as long on a CPU, and matching half more.
    count = windows.shape[-1] * windows.shape[-2] - 1
    return centred / ((centred.square().sum((-1, -2), keepdim=True) / count).sqrt() + 0.02)


def match_clip(images: Tensor, config: MatchingConfig) -> Tensor:
    """Matches of each frame of images [B, T, 3, H, W] against the one before it [B, T, cell rows, cell columns,
    CHANNELS], zero for the first."""
    b, t = images.shape[:2]
    patches, grey = (x.unflatten(0, (b, t)) for x in descriptors(images.flatten(0, 1), config))
    height, width = images.shape[-2] // config.cell, images.shape[-1] // config.cell
    out = grey.new_zeros(b, t, height, width, CHANNELS)
    if t > 1:
        now = (patches[:, 1:].flatten(0, 1), grey[:, 1:].flatten(0, 1))
        then = (patches[:, :-1].flatten(0, 1), grey[:, :-1].flatten(0, 1))
        out[:, 1:] = match(now, then, config).unflatten(0, (b, t - 1))
    return out


def by_token(matches: Tensor, per_token: int) -> Tensor:
    """Group matches [B, T, rows, columns, C] by visual token -> [B, T, tokens, per_token**2 * C]."""
    b, t, rows, columns, c = matches.shape
    x = matches.reshape(b, t, rows // per_token, per_token, columns // per_token, per_token, c)
    return x.permute(0, 1, 2, 4, 3, 5, 6).reshape(b, t, -1, per_token * per_token * c)


def mirror(matches: Tensor, columns: int) -> Tensor:
    """Matches [..., tokens, F] (``by_token``) of the same frames seen in a mirror; ``columns`` of tokens."""
    *lead, tokens, width = matches.shape
    per = int((width // CHANNELS) ** 0.5)
    grid = matches.reshape(*lead, tokens // columns, columns, per, per, CHANNELS)
    sign = matches.new_tensor([-1.0] + [1.0] * (CHANNELS - 1))
    return (grid.flip((-4, -2)) * sign).reshape(matches.shape)
