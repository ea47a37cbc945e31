"""Streaming inference: one new frame gives one new action and pose, at the cost of one frame.

What ``LaPose.estimate`` computes of a clip is computed here of a single frame, whose past is kept: what codec, matching
and tokenizer make of a frame is made once, temporal keys and values lie in a ring, and of an action that the pose head
reads again and again its first layers are run once. One frame is hundreds of small products, and what surrounds them
costs as much as they do. So tensors have neither batch nor time, [tokens, width] or [width], and each class below is
the module of its name written out in few operations, on that module's own parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lapose_core.model.camera import unknown_camera
from lapose_core.model.inverse_dynamics import InverseDynamics
from lapose_core.model.matching import Prepared, by_token, descriptors, match
from lapose_core.model.motion import VelocityReadout
from lapose_core.model.pose_head import PoseHead, PoseOutput
from lapose_core.model.st_transformer import (
    Block,
    Mlp,
    SelfAttention,
    SpatioTemporalBlock,
    attention,
    rotary_frequencies,
)
from lapose_core.model.tokenizer import Tokenizer, matching_width, pixel_rows
from lapose_core.model.vqvae import Residual, VqVae

if TYPE_CHECKING:
    from lapose_core.model.lapose import LaPose, WindowEstimate

Step = Callable[[Tensor], Tensor]


class StreamSession:
    """Streaming inference with a model whose weights stay as they are meanwhile.

    Over the first ``window`` frames it gives what ``LaPose.estimate`` gives on the same clip. Later an action's
    temporal attention still spans the last ``window`` frames, and the pose head reads the last ``window - 1``
    actions; memory does not grow.
    """

    @torch.inference_mode()
    def __init__(self, model: LaPose, camera: Tensor | None = None) -> None:
        """``camera`` [1, 2] is what is known of the camera (``lapose_core.model.camera``)."""
        self.model = model
        self._tokens = _Tokens(model.tokenizer, model.vqvae)
        self._action = _Action(model.inverse_dynamics, model.config.tokens, model.config.window)
        self._poses = _Poses(model.pose_head, camera)
        self._previous: Prepared | None = None
        self._latents = model.pose_head.position.new_empty(0, model.config.latent_dim)
        self._times: list[float] = []

    @property
    def nbytes(self) -> int:
        """Bytes kept of the past."""
        return sum(x.nbytes for x in (*self._action.rings, *self._poses.said, self._latents, *(self._previous or ())))

    @torch.inference_mode()
    def push(self, image: Tensor, time: float) -> WindowEstimate | None:
        """Add a frame [3, H, W] at ``time`` seconds; the estimate over the frames kept, or None for the first.

        Raises:
            ValueError: where time does not move forward or the image has the wrong shape.
        """
        c = self.model.config
        if tuple(image.shape) != (3, c.image_height, c.image_width):
            raise ValueError(f"image {list(image.shape)} is not [3, {c.image_height}, {c.image_width}]")
        if self._times and not time > self._times[-1]:
            raise ValueError(f"time {time} s does not come after {self._times[-1]} s")
        gap = float(time - self._times[-1]) if self._times else 0.0
        matches = self._matches(image)
        sinusoids = self.model.tokenizer.time.sinusoids(torch.tensor(gap))
        latent = self._action(self._tokens(image, sinusoids), matches, float(time), gap)
        first = not self._times
        self._times = [*self._times, float(time)][-c.window :]
        if first:
            return None
        self._latents = torch.cat([self._latents, latent[None]])[1 - c.window :]
        return self.model.estimate_of(self._latents[None], self._poses(latent, sinusoids, gap))

    def _matches(self, image: Tensor) -> Tensor | None:
        """Of an image [3, H, W] against the one before it [S, F]: zero for the first."""
        c = self.model.config
        if not c.matching:
            return None
        before, self._previous = self._previous, descriptors(image[None], c.matching)
        if before is None:
            return image.new_zeros(c.tokens, matching_width(c))
        return by_token(match(self._previous, before, c.matching)[None], c.patch // c.matching.cell)[0, 0]


class _Linear:
    """``nn.Linear``, or a convolution of single pixels, on rows [N, K].

    On a CPU, where weights are read anew for every frame, small ones are copied to [K, N], in which order they are read
    in a fifth to a third less time; products with more than ``WIDE`` outputs are made in parts, at 84 thousand million
    operations a second instead of 75.
    """

    SMALL, WIDE = 1 << 20, 1536

    def __init__(self, layer: nn.Linear | nn.Conv2d, order: Tensor | None = None) -> None:
        """``order``: of the outputs."""
        assert layer.bias is not None
        weight, self.bias = layer.weight.flatten(1), layer.bias
        if order is not None:
            weight, self.bias = weight[order], self.bias[order]
        self.weight = weight.t()
        self.parts: list[slice] = []
        if weight.device.type == "cpu":
            if weight.nelement() <= self.SMALL:
                self.weight = self.weight.contiguous()
            elif len(weight) > self.WIDE:
                self.parts = [slice(i, i + self.WIDE) for i in range(0, len(weight), self.WIDE)]

    def __call__(self, rows: Tensor) -> Tensor:
        if not self.parts:
            return torch.addmm(self.bias, rows, self.weight)
        out = rows.new_empty(len(rows), len(self.bias))
        for part in self.parts:
            torch.addmm(self.bias[part], rows, self.weight[:, part], out=out[:, part])
        return out

    def onto(self, x: Tensor, rows: Tensor) -> Tensor:
        """Add what it makes of ``rows`` to x, in place."""
        return x.add_(self.bias).addmm_(rows, self.weight)


def _each(layers: nn.Module) -> list[Any]:
    """The layers of a sequence or list, which PyTorch types as modules of any kind."""
    return list(layers.children())


def _norm(layer: nn.LayerNorm) -> Step:
    shape, weight, bias, eps = layer.normalized_shape, layer.weight, layer.bias, layer.eps
    return lambda x: torch.layer_norm(x, shape, weight, bias, eps)


def _of_vector(layers: nn.Module) -> Step:
    """A linear layer, a norm, an activation or a sequence of them, on a vector [K]."""
    if isinstance(layers, nn.Linear):
        weight, bias = layers.weight, layers.bias
        return lambda x: torch.addmv(bias, weight, x)
    if isinstance(layers, nn.LayerNorm):
        return _norm(layers)
    if not isinstance(layers, nn.Sequential):
        return layers
    steps = [_of_vector(layer) for layer in _each(layers)]

    def run(x: Tensor) -> Tensor:
        for step in steps:
            x = step(x)
        return x

    return run


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """``attention`` of [H, Q, C], [H, K, C] and [H, K, C]."""
    if query.device.type != "cpu":
        return attention(query, key, value)
    scores = query.new_empty(*query.shape[:2], key.shape[1])
    scores.baddbmm_(query, key.transpose(1, 2), beta=0, alpha=query.shape[-1] ** -0.5)
    return torch.bmm(scores.softmax(-1), value)


class _Attention:
    """``SelfAttention`` among rows [N, D]."""

    def __init__(self, module: SelfAttention) -> None:
        self.heads, self.qkv, self.out = module.heads, _Linear(module.qkv), _Linear(module.out)

    def onto(self, x: Tensor, rows: Tensor) -> Tensor:
        """Add to x [N, D], in place, what the rows read."""
        q, k, v = self.qkv(rows).view(len(rows), 3, self.heads, -1).permute(1, 2, 0, 3)
        return self.out.onto(x, _attend(q, k, v).transpose(0, 1).reshape(x.shape))

    def last_onto(self, x: Tensor, rows: Tensor) -> Tensor:
        """Add to x [1, D], in place, what the last of the rows reads."""
        width = len(self.out.bias)
        weight, bias = self.qkv.weight, self.qkv.bias
        q = torch.addmm(bias[:width], rows[-1:], weight[:, :width]).view(self.heads, 1, -1)
        k, v = torch.addmm(bias[width:], rows, weight[:, width:]).view(len(rows), 2, self.heads, -1).permute(1, 2, 0, 3)
        return self.out.onto(x, _attend(q, k, v).view(x.shape))


class _Mlp:
    """``Mlp`` of rows [N, D]."""

    def __init__(self, module: Mlp) -> None:
        widen, _, narrow = _each(module)
        self.widen, self.narrow = _Linear(widen), _Linear(narrow)

    def onto(self, x: Tensor, rows: Tensor) -> Tensor:
        return self.narrow.onto(x, F.gelu(self.widen(rows)))


class _Block:
    """``Block`` on x [N, D], in place."""

    def __init__(self, module: Block) -> None:
        self.norm_attention, self.attention = _norm(module.norm_attention), _Attention(module.attention)
        self.norm_mlp, self.mlp = _norm(module.norm_mlp), _Mlp(module.mlp)

    def __call__(self, x: Tensor) -> Tensor:
        x = self.attention.onto(x, self.norm_attention(x))
        return self.mlp.onto(x, self.norm_mlp(x))


class _OverTime:
    """Causal ``SelfAttention`` of each of ``count`` tokens over the last ``capacity`` frames.

    Keys and values lie in a ring. Their order there carries no meaning: rotary keys hold their own time.
    """

    def __init__(self, module: SelfAttention, count: int, capacity: int) -> None:
        width, heads = len(module.out.weight), module.heads
        self.shape, self.out = (count, 3, heads, width // heads), _Linear(module.out)
        # Queries and keys are rotated as complex numbers, so the halves that ``rotate`` pairs are laid side by side:
        # another order of a head's channels, the same for both, which leaves their products what they were.
        order = torch.arange(2 * width).view(-1, 2, width // heads // 2).transpose(1, 2).flatten()
        order = torch.cat([order, torch.arange(2 * width, 3 * width)]).to(module.out.weight.device)
        self.qkv = _Linear(module.qkv, order)
        self.ring = self.qkv.bias.new_zeros(2, count * heads, capacity, width // heads)
        keys, values = self.ring.view(2, count, heads, capacity, -1).unbind()
        self.slots = list(zip(_complex(keys).unbind(2), values.unbind(2)))
        self.filled = [tuple(self.ring[:, :, :n].unbind()) for n in range(1, capacity + 1)]
        self.seen = 0

    def onto(self, x: Tensor, rows: Tensor, rotation: Tensor) -> Tensor:
        """Add to x, in place, what these rows of a new frame read of the past; ``rotation`` is complex [C / 2]."""
        q, k, v = self.qkv(rows).view(self.shape).unbind(1)
        key, value = self.slots[self.seen % len(self.slots)]
        torch.mul(_complex(k), rotation, out=key)
        value.copy_(v)
        query = torch.view_as_real(_complex(q) * rotation).view(-1, 1, v.shape[-1])
        keys, values = self.filled[min(self.seen, len(self.slots) - 1)]
        self.seen += 1
        return self.out.onto(x, _attend(query, keys, values).view(x.shape))


def _complex(x: Tensor) -> Tensor:
    """[..., C] as complex [..., C / 2]: a view."""
    return torch.view_as_complex(x.view(*x.shape[:-1], -1, 2))


class _SpatioTemporalBlock:
    """``SpatioTemporalBlock`` on the tokens x [N, D] of a new frame, in place; ``last``: only its last token."""

    def __init__(self, module: SpatioTemporalBlock, count: int, window: int, *, last: bool) -> None:
        self.last = last
        self.norm_spatial, self.spatial = _norm(module.norm_spatial), _Attention(module.spatial)
        self.norm_temporal = _norm(module.norm_temporal)
        self.temporal = _OverTime(module.temporal, 1 if last else count, window)
        self.norm_mlp, self.mlp = _norm(module.norm_mlp), _Mlp(module.mlp)

    def __call__(self, x: Tensor, rotation: Tensor) -> Tensor:
        rows = self.norm_spatial(x)
        x = self.spatial.last_onto(x[-1:], rows) if self.last else self.spatial.onto(x, rows)
        x = self.temporal.onto(x, self.norm_temporal(x), rotation)
        return self.mlp.onto(x, self.norm_mlp(x))


class _Codec:
    """``VqVae.features`` of an image [3, H, W] -> [h, w, C]. Channels come last, with which one frame is fastest."""

    def __init__(self, module: VqVae) -> None:
        *layers, last = _each(module.encoder)
        self.down = [_channels_last(layer) for layer in layers if isinstance(layer, nn.Conv2d)]
        self.residuals = []
        for residual in (layer for layer in layers if isinstance(layer, Residual)):
            norm, _, conv, _, mix = _each(residual.body)
            self.residuals.append((norm, _channels_last(conv), _Linear(mix)))
        self.last = _Linear(last)

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


class _Tokens:
    """``Tokenizer`` on an image [3, H, W] and the sinusoids of its gap -> [S, D]."""

    def __init__(self, module: Tokenizer, codec: VqVae) -> None:
        self.per_token, self.patch, self.gain = module.per_token, module.patch, module.gain
        self.codec = _Codec(codec) if module.source == "codec" else None
        self.place, self.embed = module.position + module.embed.bias, _Linear(module.embed).weight
        self.time = _of_vector(module.time.project)
        self.blocks = [_Block(block) for block in _each(module.blocks)]
        self.norm = _norm(module.norm)

    def __call__(self, image: Tensor, sinusoids: Tensor) -> Tensor:
        if self.codec is None:
            rows = pixel_rows(image, self.patch)
        else:
            cells, p = self.codec(image), self.per_token
            h, w, c = cells.shape
            rows = cells.view(h // p, p, w // p, p, c).transpose(1, 2).reshape(-1, p * p * c)
        x = torch.add(self.place, self.time(sinusoids)).addmm_(rows, self.embed, alpha=self.gain)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class _Velocity:
    """``VelocityReadout`` of the matches [S, F] that took ``gap`` seconds -> [D]."""

    def __init__(self, module: VelocityReadout) -> None:
        first, _, second = _each(module.weigh)
        self.place, self.first = torch.addmm(first.bias, module.place, first.weight.t()), first.weight.t()
        self.second = _Linear(second)
        self.gather, self.gap = _of_vector(module.gather), _of_vector(module.gap)
        self.nothing = torch.zeros_like(module.gather.bias)

    def __call__(self, matches: Tensor, gap: float) -> Tensor:
        if not gap:
            return self.nothing
        weighed = self.second(F.gelu(torch.addmm(self.place, matches, self.first)))
        seconds = matches.new_tensor([gap, math.log(gap)])
        return torch.add(self.gap(seconds), self.gather(weighed.flatten()), alpha=1 / gap)


class _Action:
    """``InverseDynamics`` on the visual tokens [S, D] and matches [S, F] of a new frame -> its action [A]."""

    def __init__(self, module: InverseDynamics, tokens: int, window: int) -> None:
        self.query = module.query
        self.motion = _Linear(module.motion) if module.motion is not None else None
        self.readout = module.readout
        self.velocity: _Velocity | None = None
        if module.velocity is not None:
            self.velocity = _Velocity(module.velocity)
            self.tell, self.straight, self.bent = map(_of_vector, (module.tell, module.straight, module.bent))
        self.angular = rotary_frequencies(module.rotary_width)
        self.radius = torch.ones_like(self.angular)
        *before, last = _each(module.blocks)
        self.blocks = [_SpatioTemporalBlock(block, tokens + 1, window, last=False) for block in before]
        self.blocks.append(_SpatioTemporalBlock(last, tokens + 1, window, last=True))
        self.norm, self.compress = _norm(module.norm), _of_vector(module.compress)
        self.mean, self.spread = module.action_mean, module.action_spread

    @property
    def rings(self) -> list[Tensor]:
        return [block.temporal.ring for block in self.blocks]

    def __call__(self, tokens: Tensor, matches: Tensor | None, time: float, gap: float) -> Tensor:
        query: Tensor = self.query
        around: Tensor | None = None
        if self.motion is not None:
            assert matches is not None
            tokens = self.motion.onto(tokens, matches)
            if self.readout is not None:
                query = query + self.readout(matches)
            elif self.velocity is not None:
                velocity = self.velocity(matches, gap)
                query = query + self.tell(velocity)
                around = self.straight(velocity) + self.bent(velocity)
        x = torch.cat([tokens, query[None]])
        # As in ``rotary``, angles are formed in float64, on the CPU.
        rotation = torch.polar(self.radius, self.angular * time).to(x.device, torch.complex64)
        for block in self.blocks:
            x = block(x, rotation)
        action = self.compress(self.norm(x[-1]))
        if around is not None:
            action = action + around
        return (action - self.mean) / self.spread


class _Poses:
    """``PoseHead`` over the last ``window - 1`` actions, of which one is new."""

    def __init__(self, module: PoseHead, camera: Tensor | None) -> None:
        self.module, self.most, device = module, len(module.position), module.position.device
        self.camera = unknown_camera(1, device) if camera is None else camera.to(device)
        told = module.camera(self.camera) if module.camera is not None else 0.0
        self.position, self.scale_token = module.position + told, module.scale_token[None] + told
        self.embed, self.time = _of_vector(module.embed), _of_vector(module.gap.project)
        self.blocks = [_Block(block) for block in _each(module.blocks)]
        self.norm = _norm(module.norm)
        # What is read of a row: its motion, the gates of its linear maps and, of the last one, the scale.
        read = [module.motion, module.scale, *([module.gates] if module.ranks else [])]
        self.weight, self.bias = torch.cat([x.weight for x in read]).t(), torch.cat([x.bias for x in read])
        # Of each action: what the first layer makes of it, and its linear maps.
        self.said = (self.weight.new_empty(0, len(self.weight)), self.weight.new_empty(0, module.ranks, 6))

    def __call__(self, latent: Tensor, sinusoids: Tensor, gap: float) -> PoseOutput:
        module = self.module
        action = (latent - module.latent_mean) / module.latent_scale
        rows, maps = self.said
        rows = torch.cat([rows, (self.embed(action) + self.time(sinusoids))[None]])[-self.most :]
        if module.ranks:
            new = torch.mv(module.linear.weight, action).mul_(gap)
            maps = torch.cat([maps, new.view(1, module.ranks, 6)])[-self.most :]
        self.said = rows, maps
        x = torch.cat([rows + self.position[: len(rows)], self.scale_token])
        for block in self.blocks:
            x = block(x)
        read = torch.addmm(self.bias, self.norm(x), self.weight)
        motion, log_scale, gates = read[None, :-1, :8], read[-1:, 8], read[:-1, None, 9:]
        moved = torch.bmm(gates, maps).transpose(0, 1) if module.ranks else None
        return module.output(motion, moved, log_scale, self.camera)
