"""The layers of a stream: each class is the module of its name, on that module's own parameters, for rows [N, D]
without batch and time.

Each layer writes to memory of its own, which stays where it is: that memory is in the processor's caches, and views of
it are made once. So what a layer gives holds until its next run. What a CPU does better by loops of its own is in
``stream_kernels``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lapose_core.model import st_transformer as modules
from lapose_core.model import stream_kernels as kernels
from lapose_core.model.vqvae import Residual, VqVae

SMALL, WIDE = 1 << 20, 1536  # weights, and outputs, of a linear layer on a CPU


def has_kernels(x: Tensor) -> bool:
    """Whether ``stream_kernels`` serves tensors like this one."""
    return x.device.type == "cpu" and x.dtype == torch.float32


class Rows:
    """A tensor [N, D] that stays in its place, and the same memory as an ``array`` where there are kernels for it."""

    __slots__ = ("array", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.array: Any = tensor.numpy() if has_kernels(tensor) else None


def each(layers: nn.Module) -> list[Any]:
    """The layers of a sequence or list, which PyTorch types as modules of any kind."""
    return list(layers.children())


def weights(layer: nn.Linear | nn.Conv2d, outputs: slice = slice(None)) -> tuple[Tensor, Tensor]:
    """Weights [K, M] and bias [M] of a linear layer, or of a convolution of single pixels.

    On a CPU, where weights are read anew for every frame, small ones are laid in the order of this shape, in which they
    are read in a fifth to a third less time.
    """
    assert layer.bias is not None
    weight, bias = layer.weight.detach().flatten(1)[outputs].t(), layer.bias.detach()[outputs]
    small = weight.device.type == "cpu" and weight.nelement() <= SMALL
    return (weight.contiguous() if small else weight), bias


def joined(*layers: nn.Linear) -> nn.Linear:
    """The layers side by side: the outputs of one after those of the other."""
    out = nn.Linear(layers[0].in_features, sum(x.out_features for x in layers), device="meta")
    out.weight = nn.Parameter(torch.cat([x.weight for x in layers]))
    biases = (x.weight.new_zeros(x.out_features) if x.bias is None else x.bias for x in layers)
    out.bias = nn.Parameter(torch.cat(list(biases)))
    return out


class Linear:
    """``nn.Linear`` of ``count`` rows. A CPU has a loop of its own for a single one."""

    def __init__(self, layer: nn.Linear, count: int, outputs: slice = slice(None)) -> None:
        """``outputs``: which of them."""
        self.of_one: tuple[kernels.Array, kernels.Array] | None = None
        if count == 1 and has_kernels(layer.weight):
            self.weight, self.bias = layer.weight.detach()[outputs], layer.bias.detach()[outputs]
            self.of_one = self.weight.numpy(), self.bias.numpy()
        else:
            self.weight, self.bias = weights(layer, outputs)

    def onto(self, x: Rows, rows: Rows) -> None:
        """Add to x what it makes of ``rows``."""
        if self.of_one is not None:
            kernels.linear(rows.array[0], *self.of_one, x.array[0], True)
        else:
            x.tensor.add_(self.bias).addmm_(rows.tensor, self.weight)


class LinearTo(Linear):
    """``Linear`` with rows ``out`` of its own.

    On a CPU products with more than ``WIDE`` outputs are made in parts, at 84 thousand million operations a second
    instead of 75.
    """

    def __init__(self, layer: nn.Linear, count: int, outputs: slice = slice(None)) -> None:
        super().__init__(layer, count, outputs)
        width = len(self.bias)
        self.out = Rows(self.bias.new_empty(count, width))
        step = WIDE if self.bias.device.type == "cpu" else width
        columns = [slice(i, i + step) for i in range(0, width, step)] if self.of_one is None else []
        self.parts = [(self.bias[part], self.weight[:, part], self.out.tensor[:, part]) for part in columns]

    def __call__(self, rows: Rows) -> Rows:
        if self.of_one is not None:
            kernels.linear(rows.array[0], *self.of_one, self.out.array[0], False)
        else:
            for bias, weight, out in self.parts:
                torch.addmm(bias, rows.tensor, weight, out=out)
        return self.out


class Norm:
    """``nn.LayerNorm`` of rows, to the rows ``out``."""

    def __init__(self, layer: nn.LayerNorm, out: Rows | int) -> None:
        """``out`` may be their number: then they are its own."""
        self.shape, self.eps = layer.normalized_shape, layer.eps
        self.weight, self.bias = layer.weight.detach(), layer.bias.detach()
        self.out = Rows(self.weight.new_empty(out, *self.shape)) if isinstance(out, int) else out
        self.arrays = (self.weight.numpy(), self.bias.numpy(), self.eps) if has_kernels(self.weight) else None

    def __call__(self, x: Rows) -> Rows:
        if self.arrays is not None:
            kernels.norm(x.array, *self.arrays, self.out.array)
        else:
            self.out.tensor.copy_(torch.layer_norm(x.tensor, self.shape, self.weight, self.bias, self.eps))
        return self.out


def gelu(x: Rows) -> Rows:
    """In place."""
    if x.array is not None:
        kernels.gelu(x.array)
    else:
        x.tensor.copy_(F.gelu(x.tensor))
    return x


class OfVector:
    """A linear layer, a norm, GELU or a sequence of them, on a vector [K]."""

    def __init__(self, layers: nn.Module) -> None:
        kept = (layer for layer in layers.modules() if not isinstance(layer, nn.Sequential | nn.Identity))
        self.steps = [_of_row(layer) for layer in kept]

    def __call__(self, x: Tensor) -> Tensor:
        rows = Rows(x[None])
        for step in self.steps:
            rows = step(rows)
        return rows.tensor[0]


def _of_row(layer: nn.Module) -> Callable[[Rows], Rows]:
    if isinstance(layer, nn.LayerNorm):
        return Norm(layer, 1)
    if isinstance(layer, nn.GELU):
        return lambda x: gelu(Rows(x.tensor.clone()))
    assert isinstance(layer, nn.Linear)
    return LinearTo(layer, 1)


class Attention:
    """``SelfAttention`` among ``count`` rows; of ``few`` all read only the first, of which they are told how many."""

    def __init__(self, module: modules.SelfAttention, count: int, *, few: bool = False) -> None:
        self.qkv, self.out = LinearTo(module.qkv, count), Linear(module.out, count)
        shape = (count, 3, module.heads, -1)
        self.query, self.key, self.value = self.qkv.out.tensor.view(shape).permute(1, 2, 0, 3)  # each [H, N, C]
        self.scores = self.query.new_empty(module.heads, count, count)
        self.read = Rows(self.query.new_empty(count, len(self.out.bias)))
        self.read_by_head = self.read.tensor.view(count, module.heads, -1).transpose(0, 1)
        self.kernel: Callable[..., None] | None = None
        if few and self.read.array is not None:
            self.kernel = kernels.attention_among(module.heads, self.query.shape[-1], count)

    def onto(self, x: Rows, rows: Rows, filled: int | None = None) -> None:
        """Add to x what the rows read of the first ``filled`` of them. The others have to be finite."""
        qkv = self.qkv(rows)
        if self.kernel is not None:
            self.kernel(qkv.array, filled, self.read.array)
        else:
            key, value, scores = self.key, self.value, self.scores
            if filled is not None:
                key, value, scores = key[:, :filled], value[:, :filled], scores[..., :filled]
            self.read_by_head.copy_(attend(self.query, key, value, scores))
        self.out.onto(x, self.read)


def attend(query: Tensor, key: Tensor, value: Tensor, scores: Tensor) -> Tensor:
    """``attention`` of [H, Q, C], [H, K, C] and [H, K, C]; ``scores`` [H, Q, K] is memory that it may use."""
    if query.device.type != "cpu":
        return modules.attention(query, key, value)
    scores.baddbmm_(query, key.transpose(1, 2), beta=0, alpha=query.shape[-1] ** -0.5)
    return torch.bmm(scores.softmax(-1), value)


class AttentionOfLast:
    """What the last of ``count`` rows reads by ``SelfAttention``."""

    def __init__(self, module: modules.SelfAttention, count: int) -> None:
        self.width, self.heads = len(module.out.weight), module.heads
        self.query, self.out = LinearTo(module.qkv, 1, slice(self.width)), Linear(module.out, 1)
        self.read = Rows(self.out.bias.new_empty(1, self.width))
        if self.read.array is not None:
            _, key, value = module.qkv.weight.detach().chunk(3)
            self.arrays = key.numpy(), value.numpy(), module.qkv.bias.detach()[-self.width :].numpy()
        else:
            self.keys_values = LinearTo(module.qkv, count, slice(self.width, None))

    def onto(self, x: Rows, rows: Rows) -> None:
        """Add it to x [1, D]."""
        query = self.query(Rows(rows.tensor[-1:]))
        if self.read.array is not None:
            channels = self.width // self.heads
            kernels.attention_of_one(query.array[0], rows.array, channels, *self.arrays, self.read.array[0])
        else:
            k, v = self.keys_values(rows).tensor.view(len(rows.tensor), 2, self.heads, -1).permute(1, 2, 0, 3)
            q = query.tensor.view(self.heads, 1, -1)
            self.read.tensor.copy_(attend(q, k, v, q.new_empty(self.heads, 1, k.shape[1])).view(1, -1))
        self.out.onto(x, self.read)


class Mlp:
    """``Mlp`` of ``count`` rows."""

    def __init__(self, module: modules.Mlp, count: int) -> None:
        widen, _, narrow = each(module)
        self.widen, self.narrow = LinearTo(widen, count), Linear(narrow, count)

    def onto(self, x: Rows, rows: Rows) -> None:
        self.narrow.onto(x, gelu(self.widen(rows)))


class Block:
    """``Block`` on ``count`` rows, in place; ``few`` as in ``Attention``."""

    def __init__(self, module: modules.Block, count: int, *, few: bool = False) -> None:
        self.norm_attention, self.norm_mlp = Norm(module.norm_attention, count), Norm(module.norm_mlp, count)
        self.attention, self.mlp = Attention(module.attention, count, few=few), Mlp(module.mlp, count)

    def __call__(self, x: Rows, filled: int | None = None) -> None:
        self.attention.onto(x, self.norm_attention(x), filled)
        self.mlp.onto(x, self.norm_mlp(x))


class OverTime:
    """Causal ``SelfAttention`` of each of ``count`` tokens over the last ``capacity`` frames.

    Keys and values lie in a ring. Their order there carries no meaning: rotary keys hold their own time.
    """

    def __init__(self, module: modules.SelfAttention, count: int, capacity: int) -> None:
        self.qkv, self.out = LinearTo(module.qkv, count), Linear(module.out, count)
        heads, channels = module.heads, len(self.out.bias) // module.heads
        self.read = Rows(self.out.bias.new_empty(count, len(self.out.bias)))
        self.query, self.key, self.value = self.qkv.out.tensor.view(count, 3, heads, channels).unbind(1)
        self.values = self.value.new_zeros(count, heads, capacity, channels)
        self.kernel: Callable[..., None] | None = None
        if self.read.array is not None:
            self.kernel = kernels.attention_over_time(heads, channels, capacity)
            self.keys = self.values.new_zeros(count, heads, channels, capacity)
            self.arrays = self.keys.numpy(), self.values.numpy()
        else:
            self.keys = torch.zeros_like(self.values)
        self.seen = 0

    def onto(self, x: Rows, rows: Rows, rotation: Tensor) -> None:
        """Add to x what these rows of a new frame read of the past; ``rotation`` is complex [C / 2]."""
        qkv, capacity = self.qkv(rows), self.values.shape[2]
        slot, filled = self.seen % capacity, min(self.seen + 1, capacity)
        self.seen += 1
        if self.kernel is not None:
            self.kernel(qkv.array, rotation.numpy(), *self.arrays, slot, filled, self.read.array)
        else:
            self.keys[:, :, slot], self.values[:, :, slot] = _rotated(self.key, rotation), self.value
            keys, values = (past[:, :, :filled].flatten(0, 1) for past in (self.keys, self.values))
            query = _rotated(self.query, rotation).flatten(0, 1)[:, None]
            scores = query.new_empty(len(query), 1, filled)
            self.read.tensor.copy_(attend(query, keys, values, scores).view(self.read.tensor.shape))
        self.out.onto(x, self.read)


def _rotated(x: Tensor, rotation: Tensor) -> Tensor:
    """``rotate`` by a complex rotation."""
    turned = torch.complex(*x.chunk(2, -1)) * rotation
    return torch.cat([turned.real, turned.imag], -1)


class SpatioTemporalBlock:
    """``SpatioTemporalBlock`` on the ``count`` tokens of a new frame, in place; ``last``: only on its last token."""

    def __init__(self, module: modules.SpatioTemporalBlock, count: int, window: int, *, last: bool) -> None:
        self.last, self.norm_spatial = last, Norm(module.norm_spatial, count)
        self.spatial = AttentionOfLast(module.spatial, count) if last else Attention(module.spatial, count)
        count = 1 if last else count
        self.norm_temporal, self.norm_mlp = Norm(module.norm_temporal, count), Norm(module.norm_mlp, count)
        self.temporal, self.mlp = OverTime(module.temporal, count, window), Mlp(module.mlp, count)

    def __call__(self, x: Rows, rotation: Tensor) -> None:
        rows = self.norm_spatial(x)
        x = Rows(x.tensor[-1:]) if self.last else x
        self.spatial.onto(x, rows)
        self.temporal.onto(x, self.norm_temporal(x), rotation)
        self.mlp.onto(x, self.norm_mlp(x))


class Codec:
    """``VqVae.features`` of an image [3, H, W] -> [h, w, C]. Channels come last, with which one frame is fastest."""

    def __init__(self, module: VqVae) -> None:
        *layers, last = each(module.encoder)
        self.down = [_channels_last(layer) for layer in layers if isinstance(layer, nn.Conv2d)]
        self.residuals = []
        for residual in (layer for layer in layers if isinstance(layer, Residual)):
            norm, _, conv, _, mix = each(residual.body)
            self.residuals.append((norm, _channels_last(conv), weights(mix)))
        self.last = weights(last)

    def __call__(self, image: Tensor) -> Tensor:
        x = (image * 2).sub_(1)[None].contiguous(memory_format=torch.channels_last)
        for weight, bias in self.down:
            x = F.silu(F.conv2d(x, weight, bias, stride=2, padding=1), inplace=True)
        rows = x.permute(0, 2, 3, 1).flatten(0, 2)
        x = rows.view(1, *x.shape[2:], -1).permute(0, 3, 1, 2)  # over the same memory, wherever the rows are
        for norm, (weight, bias), (mix, shift) in self.residuals:
            y = F.silu(F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps), inplace=True)
            y = F.silu(F.conv2d(y, weight, bias, padding=1), inplace=True)
            rows.add_(shift).addmm_(y.permute(0, 2, 3, 1).flatten(0, 2), mix)
        weight, bias = self.last
        return F.normalize(torch.addmm(bias, rows, weight), dim=-1).view(*x.shape[2:], -1)


def _channels_last(conv: nn.Conv2d) -> tuple[Tensor, Tensor | None]:
    return conv.weight.contiguous(memory_format=torch.channels_last), conv.bias
