"""The layers of a stream: each class is the module of its name, on that module's own parameters, for tensors without
batch and time, [tokens, width]. What a CPU does better by loops of its own is in ``stream_kernels``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lapose_core.model import stream_kernels as kernels
from lapose_core.model.st_transformer import Block as BlockModule
from lapose_core.model.st_transformer import Mlp as MlpModule
from lapose_core.model.st_transformer import SelfAttention, attention
from lapose_core.model.st_transformer import SpatioTemporalBlock as SpatioTemporalBlockModule
from lapose_core.model.vqvae import Residual, VqVae

Step = Callable[[Tensor], Tensor]


def has_kernels(x: Tensor) -> bool:
    """Whether ``stream_kernels`` serves tensors like this one."""
    return x.device.type == "cpu" and x.dtype == torch.float32


class Linear:
    """``nn.Linear``, or a convolution of single pixels, on rows [N, K].

    On a CPU, where weights are read anew for every frame, small ones are copied to [K, M], in which order they are read
    in a fifth to a third less time; but for a single row, which is multiplied by a loop of its own. Products with more
    than ``WIDE`` outputs are made in parts, at 84 thousand million operations a second instead of 75.
    """

    SMALL, WIDE = 1 << 20, 1536

    def __init__(self, layer: nn.Linear | nn.Conv2d, outputs: slice = slice(None), *, rows: int | None = None) -> None:
        """``outputs``: which of them; ``rows``: their number, where it is known to be one."""
        assert layer.bias is not None
        weight, self.bias = layer.weight.detach().flatten(1)[outputs], layer.bias.detach()[outputs]
        self.weight = weight.t()
        self.parts: list[slice] = []
        self.arrays: tuple[kernels.Rows, kernels.Rows] | None = None
        if rows == 1 and has_kernels(weight):
            self.arrays = weight.numpy(), self.bias.numpy()
        elif weight.device.type == "cpu":
            if weight.nelement() <= self.SMALL:
                self.weight = self.weight.contiguous()
            elif len(weight) > self.WIDE:
                self.parts = [slice(i, i + self.WIDE) for i in range(0, len(weight), self.WIDE)]

    def __call__(self, rows: Tensor) -> Tensor:
        if self.arrays is not None:
            out = rows.new_empty(1, len(self.bias))
            kernels.linear(rows.numpy(), *self.arrays, out.numpy(), False)
            return out
        if not self.parts:
            return torch.addmm(self.bias, rows, self.weight)
        out = rows.new_empty(len(rows), len(self.bias))
        for part in self.parts:
            torch.addmm(self.bias[part], rows, self.weight[:, part], out=out[:, part])
        return out

    def onto(self, x: Tensor, rows: Tensor) -> Tensor:
        """Add to x, in place, what it makes of ``rows``."""
        if self.arrays is not None:
            kernels.linear(rows.numpy(), *self.arrays, x.numpy(), True)
            return x
        return x.add_(self.bias).addmm_(rows, self.weight)


def each(layers: nn.Module) -> list[Any]:
    """The layers of a sequence or list, which PyTorch types as modules of any kind."""
    return list(layers.children())


def norm(layer: nn.LayerNorm) -> Step:
    """``nn.LayerNorm`` of rows."""
    shape, eps = layer.normalized_shape, layer.eps
    weight, bias = layer.weight.detach(), layer.bias.detach()
    if not has_kernels(weight):
        return lambda x: torch.layer_norm(x, shape, weight, bias, eps)
    arrays = weight.numpy(), bias.numpy(), eps

    def run(x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        kernels.norm(x.numpy(), *arrays, out.numpy())
        return out

    return run


def gelu(x: Tensor) -> Tensor:
    """Of rows, whose memory it may use."""
    if not has_kernels(x):
        return F.gelu(x)
    kernels.gelu(x.numpy())
    return x


def of_vector(layers: nn.Module) -> Step:
    """A linear layer, a norm, GELU or a sequence of them, on a vector [K]."""
    steps = [_of_row(layer) for layer in layers.modules() if not isinstance(layer, nn.Sequential | nn.Identity)]

    def run(x: Tensor) -> Tensor:
        x = x[None]
        for step in steps:
            x = step(x)
        return x[0]

    return run


def _of_row(layer: nn.Module) -> Step:
    if isinstance(layer, nn.LayerNorm):
        return norm(layer)
    if isinstance(layer, nn.GELU):
        return lambda x: gelu(x.clone())
    assert isinstance(layer, nn.Linear)
    return Linear(layer, rows=1)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """``attention`` of [H, Q, C], [H, K, C] and [H, K, C]."""
    if query.device.type != "cpu":
        return attention(query, key, value)
    scores = query.new_empty(*query.shape[:2], key.shape[1])
    scores.baddbmm_(query, key.transpose(1, 2), beta=0, alpha=query.shape[-1] ** -0.5)
    return torch.bmm(scores.softmax(-1), value)


class Attention:
    """``SelfAttention`` among rows [N, D]."""

    def __init__(self, module: SelfAttention) -> None:
        self.heads, self.qkv, self.out = module.heads, Linear(module.qkv), Linear(module.out)

    def onto(self, x: Tensor, rows: Tensor) -> Tensor:
        """Add to x [N, D], in place, what the rows read."""
        q, k, v = self.qkv(rows).view(len(rows), 3, self.heads, -1).permute(1, 2, 0, 3)
        return self.out.onto(x, attend(q, k, v).transpose(0, 1).reshape(x.shape))


class AttentionOfFew:
    """``SelfAttention`` among the first of a fixed number of rows [N, D]; of the others only finiteness is asked."""

    def __init__(self, module: SelfAttention, rows: int) -> None:
        self.heads, self.qkv, self.out = module.heads, Linear(module.qkv), Linear(module.out)
        self.kernel: Callable[..., None] | None = None
        if has_kernels(module.out.weight):
            self.kernel = kernels.attention_among(self.heads, len(module.out.weight) // self.heads, rows)

    def onto(self, x: Tensor, rows: Tensor, filled: int) -> Tensor:
        """Add to the first of x [N, D], in place, what they read of each other."""
        qkv = self.qkv(rows)
        if self.kernel is not None:
            read = torch.empty_like(x)
            self.kernel(qkv.numpy(), filled, read.numpy())
        else:
            q, k, v = qkv.view(len(rows), 3, self.heads, -1).permute(1, 2, 0, 3)
            read = attend(q, k[:, :filled], v[:, :filled]).transpose(0, 1).reshape(x.shape)
        return self.out.onto(x, read)


class AttentionOfLast:
    """What the last of rows [N, D] reads by ``SelfAttention``."""

    def __init__(self, module: SelfAttention) -> None:
        width = len(module.out.weight)
        self.heads, self.out = module.heads, Linear(module.out, rows=1)
        self.query, self.keys_values = Linear(module.qkv, slice(width), rows=1), Linear(module.qkv, slice(width, None))

    def onto(self, x: Tensor, rows: Tensor) -> Tensor:
        """Add it to x [1, D], in place."""
        query, keys_values = self.query(rows[-1:]), self.keys_values(rows)
        if has_kernels(x):
            read, scores = torch.empty_like(x), x.new_empty(len(rows))
            channels = x.shape[1] // self.heads
            kernels.attend_one(query[0].numpy(), keys_values.numpy(), channels, scores.numpy(), read[0].numpy())
        else:
            k, v = keys_values.view(len(rows), 2, self.heads, -1).permute(1, 2, 0, 3)
            read = attend(query.view(self.heads, 1, -1), k, v).view(x.shape)
        return self.out.onto(x, read)


class Mlp:
    """``Mlp`` of rows [N, D]."""

    def __init__(self, module: MlpModule, rows: int | None = None) -> None:
        widen, _, narrow = each(module)
        self.widen, self.narrow = Linear(widen, rows=rows), Linear(narrow, rows=rows)

    def onto(self, x: Tensor, rows: Tensor) -> Tensor:
        return self.narrow.onto(x, gelu(self.widen(rows)))


class Block:
    """``Block`` on x [N, D], in place."""

    def __init__(self, module: BlockModule) -> None:
        self.norm_attention, self.attention = norm(module.norm_attention), Attention(module.attention)
        self.norm_mlp, self.mlp = norm(module.norm_mlp), Mlp(module.mlp)

    def __call__(self, x: Tensor) -> Tensor:
        x = self.attention.onto(x, self.norm_attention(x))
        return self.mlp.onto(x, self.norm_mlp(x))


class BlockOfFew:
    """``Block`` on the first of a fixed number of rows, in place."""

    def __init__(self, module: BlockModule, rows: int) -> None:
        self.norm_attention, self.attention = norm(module.norm_attention), AttentionOfFew(module.attention, rows)
        self.norm_mlp, self.mlp = norm(module.norm_mlp), Mlp(module.mlp)

    def __call__(self, x: Tensor, filled: int) -> Tensor:
        x = self.attention.onto(x, self.norm_attention(x), filled)
        return self.mlp.onto(x, self.norm_mlp(x))


class OverTime:
    """Causal ``SelfAttention`` of each of ``count`` tokens over the last ``capacity`` frames.

    Keys and values lie in a ring. Their order there carries no meaning: rotary keys hold their own time.
    """

    def __init__(self, module: SelfAttention, count: int, capacity: int) -> None:
        self.qkv, self.out = Linear(module.qkv, rows=count), Linear(module.out, rows=count)
        width = len(module.out.weight)
        self.heads, self.channels, self.capacity = module.heads, width // module.heads, capacity
        self.kernel: Callable[..., None] | None = None
        shape = (count, self.heads, capacity, self.channels)
        self.values = self.qkv.bias.new_zeros(shape)
        if has_kernels(self.values):
            self.kernel = kernels.attention_over_time(self.heads, self.channels, capacity)
            shape = (count, self.heads, self.channels, capacity)
        self.keys = self.qkv.bias.new_zeros(shape)
        self.seen = 0

    def onto(self, x: Tensor, rows: Tensor, rotation: Tensor) -> Tensor:
        """Add to x, in place, what these rows of a new frame read of the past; ``rotation`` is complex [C / 2]."""
        qkv, slot, filled = self.qkv(rows), self.seen % self.capacity, min(self.seen + 1, self.capacity)
        self.seen += 1
        if self.kernel is not None:
            read = torch.empty_like(x)
            self.kernel(
                qkv.numpy(), rotation.numpy(), self.keys.numpy(), self.values.numpy(), slot, filled, read.numpy()
            )
            return self.out.onto(x, read)
        q, k, v = qkv.view(len(x), 3, self.heads, -1).unbind(1)
        self.keys[:, :, slot], self.values[:, :, slot] = _rotated(k, rotation), v
        keys, values = (past[:, :, :filled].flatten(0, 1) for past in (self.keys, self.values))
        query = _rotated(q, rotation).view(-1, 1, self.channels)
        return self.out.onto(x, attend(query, keys, values).view(x.shape))


def _rotated(x: Tensor, rotation: Tensor) -> Tensor:
    """``rotate`` by a complex rotation."""
    turned = torch.complex(*x.chunk(2, -1)) * rotation
    return torch.cat([turned.real, turned.imag], -1)


class SpatioTemporalBlock:
    """``SpatioTemporalBlock`` on the tokens x [N, D] of a new frame, in place; ``last``: only its last token."""

    def __init__(self, module: SpatioTemporalBlockModule, count: int, window: int, *, last: bool) -> None:
        self.last = last
        self.norm_spatial = norm(module.norm_spatial)
        self.spatial = AttentionOfLast(module.spatial) if last else Attention(module.spatial)
        self.norm_temporal = norm(module.norm_temporal)
        rows = 1 if last else count
        self.temporal = OverTime(module.temporal, rows, window)
        self.norm_mlp, self.mlp = norm(module.norm_mlp), Mlp(module.mlp, rows)

    def __call__(self, x: Tensor, rotation: Tensor) -> Tensor:
        x = self.spatial.onto(x[-1:] if self.last else x, self.norm_spatial(x))
        x = self.temporal.onto(x, self.norm_temporal(x), rotation)
        return self.mlp.onto(x, self.norm_mlp(x))


class Codec:
    """``VqVae.features`` of an image [3, H, W] -> [h, w, C]. Channels come last, with which one frame is fastest."""

    def __init__(self, module: VqVae) -> None:
        *layers, last = each(module.encoder)
        self.down = [_channels_last(layer) for layer in layers if isinstance(layer, nn.Conv2d)]
        self.residuals = []
        for residual in (layer for layer in layers if isinstance(layer, Residual)):
            norm, _, conv, _, mix = each(residual.body)
            self.residuals.append((norm, _channels_last(conv), Linear(mix)))
        self.last = Linear(last)

    def __call__(self, image: Tensor) -> Tensor:
        x = (image * 2).sub_(1)[None].contiguous(memory_format=torch.channels_last)
        for weight, bias in self.down:
            x = F.silu(F.conv2d(x, weight, bias, stride=2, padding=1), inplace=True)
        rows = x.permute(0, 2, 3, 1).flatten(0, 2)
        x = rows.view(1, *x.shape[2:], -1).permute(0, 3, 1, 2)  # over the same memory, wherever the rows are
        for norm, (weight, bias), mix in self.residuals:
            y = F.silu(F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps), inplace=True)
            y = F.silu(F.conv2d(y, weight, bias, padding=1), inplace=True)
            mix.onto(rows, y.permute(0, 2, 3, 1).flatten(0, 2))
        return F.normalize(self.last(rows), dim=-1).view(*x.shape[2:], -1)


def _channels_last(conv: nn.Conv2d) -> tuple[Tensor, Tensor | None]:
    return conv.weight.contiguous(memory_format=torch.channels_last), conv.bias
