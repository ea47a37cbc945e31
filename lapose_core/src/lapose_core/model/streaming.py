"""Streaming inference: one new frame gives one new action and pose, at the cost of one frame.

What ``LaPose.estimate`` computes of a clip is computed here of a single frame, whose past is kept: what codec, matching
and tokenizer make of a frame is made once, temporal keys and values lie in a ring, and of an action that the pose head
reads again and again its first layers are run once. One frame is hundreds of small products, and what surrounds them
would cost as much as they do. So each class below is the module of its name written out in few operations, on that
module's own parameters, by the layers of ``stream_layers``.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from lapose_core.model.camera import FOV, MIDDLE, unknown_camera
from lapose_core.model.inverse_dynamics import InverseDynamics
from lapose_core.model.lapose import LaPose, WindowEstimate
from lapose_core.model.matching import Prepared, by_token, descriptors, match
from lapose_core.model.motion import VelocityReadout
from lapose_core.model.pose_head import MINIMUM_SCALE
from lapose_core.model.st_transformer import rotary_frequencies
from lapose_core.model.stream_kernels import metric_poses, rotation_at
from lapose_core.model.stream_layers import (
    Block,
    Codec,
    Linear,
    LinearTo,
    Norm,
    OfVector,
    Rows,
    SpatioTemporalBlock,
    each,
    gelu,
    has_kernels,
    joined,
    weights,
)
from lapose_core.model.tokenizer import Tokenizer, matching_width, pixel_rows
from lapose_core.model.vqvae import VqVae


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
        x = Rows(model.inverse_dynamics.query.new_empty(model.config.tokens + 1, model.config.width))
        self._tokens = _Tokens(model.tokenizer, model.vqvae, Rows(x.tensor[:-1]))
        self._action = _Action(model.inverse_dynamics, x, model.config.window)
        self._poses = _Poses(model, camera)
        self._angular = model.tokenizer.time.angular
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
        angle = self._angular * gap
        sinusoids = torch.cat([angle.sin(), angle.cos()])
        self._tokens(image, sinusoids)
        latent = self._action(matches, float(time), gap)
        first = not self._times
        self._times = [*self._times, float(time)][-c.window :]
        if first:
            return None
        self._latents = torch.cat([self._latents, latent[None]])[1 - c.window :]
        return self._poses(self._latents, sinusoids, gap)

    def _matches(self, image: Tensor) -> Tensor | None:
        """Of an image [3, H, W] against the one before it [S, F]: zero for the first."""
        c = self.model.config
        if not c.matching:
            return None
        before, self._previous = self._previous, descriptors(image[None], c.matching)
        if before is None:
            return image.new_zeros(c.tokens, matching_width(c))
        return by_token(match(self._previous, before, c.matching)[None], c.patch // c.matching.cell)[0, 0]


class _Tokens:
    """``Tokenizer`` on an image [3, H, W] and the sinusoids of its gap, to the rows ``out`` [S, D]."""

    def __init__(self, module: Tokenizer, codec: VqVae, out: Rows) -> None:
        self.per_token, self.patch, self.gain = module.per_token, module.patch, module.gain
        self.codec = Codec(codec) if module.source == "codec" else None
        self.embed, bias = weights(module.embed)
        self.place, self.time = module.position + bias, OfVector(module.time.project)
        self.x = Rows(torch.empty_like(self.place))
        self.blocks = [Block(block, len(self.place)) for block in each(module.blocks)]
        self.norm = Norm(module.norm, out)

    def __call__(self, image: Tensor, sinusoids: Tensor) -> None:
        if self.codec is None:
            rows = pixel_rows(image, self.patch)
        else:
            cells, p = self.codec(image), self.per_token
            h, w, c = cells.shape
            rows = cells.view(h // p, p, w // p, p, c).transpose(1, 2).reshape(-1, p * p * c)
        torch.add(self.place, self.time(sinusoids), out=self.x.tensor).addmm_(rows, self.embed, alpha=self.gain)
        for block in self.blocks:
            block(self.x)
        self.norm(self.x)


class _Velocity:
    """``VelocityReadout`` of the matches [S, F] that took ``gap`` seconds -> [D]."""

    def __init__(self, module: VelocityReadout) -> None:
        first, _, second = each(module.weigh)
        self.first, bias = weights(first)
        self.place = torch.addmm(bias, module.place, self.first)
        self.wide, self.second = Rows(torch.empty_like(self.place)), LinearTo(second, len(self.place))
        self.gather, self.gap = OfVector(module.gather), OfVector(module.gap)
        self.seconds, self.nothing = np.empty(2, np.float32), torch.zeros_like(module.gather.bias)

    def __call__(self, matches: Tensor, gap: float) -> Tensor:
        if not gap:
            return self.nothing
        torch.addmm(self.place, matches, self.first, out=self.wide.tensor)
        weighed = self.second(gelu(self.wide)).tensor
        self.seconds[:] = gap, math.log(gap)
        seconds = torch.from_numpy(self.seconds).to(matches.device)
        return torch.add(self.gap(seconds), self.gather(weighed.flatten()), alpha=1 / gap)


class _Action:
    """``InverseDynamics`` on a new frame's matches [S, F] and x [S + 1, D] -> its action [A].

    The first of x are the frame's visual tokens; the last is the query's place.
    """

    def __init__(self, module: InverseDynamics, x: Rows, window: int) -> None:
        self.x, self.tokens, self.query = x, Rows(x.tensor[:-1]), module.query
        self.motion = Linear(module.motion, len(x.tensor) - 1) if module.motion is not None else None
        self.readout = module.readout
        self.velocity: _Velocity | None = None
        if module.velocity is not None:
            self.velocity = _Velocity(module.velocity)
            self.tell, self.straight, self.bent = map(OfVector, (module.tell, module.straight, module.bent))
        self.angular = rotary_frequencies(module.rotary_width).numpy()
        self.turned = np.empty(len(self.angular), np.complex64)
        *before, last = each(module.blocks)
        self.blocks = [SpatioTemporalBlock(block, len(x.tensor), window, last=False) for block in before]
        self.blocks.append(SpatioTemporalBlock(last, len(x.tensor), window, last=True))
        self.norm, self.compress = OfVector(module.norm), OfVector(module.compress)
        self.mean, self.spread = module.action_mean, module.action_spread

    @property
    def rings(self) -> list[Tensor]:
        return [past for block in self.blocks for past in (block.temporal.keys, block.temporal.values)]

    def __call__(self, matches: Tensor | None, time: float, gap: float) -> Tensor:
        x = self.x
        query: Tensor = self.query
        around: Tensor | None = None
        if self.motion is not None:
            assert matches is not None
            self.motion.onto(self.tokens, Rows(matches))
            if self.readout is not None:
                query = query + self.readout(matches)
            elif self.velocity is not None:
                velocity = self.velocity(matches, gap)
                query = query + self.tell(velocity)
                around = self.straight(velocity) + self.bent(velocity)
        x.tensor[-1] = query
        rotation_at(time, self.angular, self.turned)
        rotation = torch.from_numpy(self.turned).to(x.tensor.device)
        for block in self.blocks:
            block(x, rotation)
        action = self.compress(self.norm(x.tensor[-1]))
        if around is not None:
            action = action + around
        return (action - self.mean) / self.spread


class _Poses:
    """``LaPose.pose`` of the last ``window - 1`` actions [N, A], of which one is new."""

    def __init__(self, model: LaPose, camera: Tensor | None) -> None:
        self.model, module = model, model.pose_head
        self.module, self.most, device = module, len(module.position), module.position.device
        self.camera = unknown_camera(1, device) if camera is None else camera.to(device)
        told = module.camera(self.camera) if module.camera is not None else 0.0
        self.position, self.scale_token = module.position + told, module.scale_token + told
        # What the first layer makes of an action, and its linear maps: of a new one, and of all of them.
        self.say = OfVector(joined(module.embed, module.linear) if module.ranks else module.embed)
        self.said = (self.position[:0], self.position.new_empty(0, module.ranks, 6))
        self.time = OfVector(module.gap.project)
        self.x = Rows(module.position.new_zeros(self.most + 1, module.position.shape[1]))  # the scale token and actions
        self.blocks = [Block(block, self.most + 1, few=True) for block in each(module.blocks)]
        self.norm = Norm(module.norm, self.most + 1)
        # What is read of a row: its motion, the gates of its linear maps and, of the scale token, the scale.
        read = [module.motion, module.scale, *([module.gates] if module.ranks else [])]
        self.read = LinearTo(joined(*read), self.most + 1)
        self.has_kernels = has_kernels(self.x.tensor)
        self.given_fov, self.middle_fov = math.nan, 0.0
        if module.camera is not None and self.has_kernels:
            self.given_fov, self.middle_fov = float(self.camera[0, FOV]), MIDDLE[FOV]

    def __call__(self, latents: Tensor, sinusoids: Tensor, gap: float) -> WindowEstimate:
        module = self.module
        action = (latents[-1] - module.latent_mean) / module.latent_scale
        row, new = self.say(action).split((len(module.scale_token), 6 * module.ranks))
        rows, maps = self.said
        rows = torch.cat([rows, (row + self.time(sinusoids))[None]])[-self.most :]
        maps = torch.cat([maps, (new * gap).view(1, module.ranks, 6)])[-self.most :]
        self.said = rows, maps
        filled = 1 + len(rows)
        self.x.tensor[0] = self.scale_token
        torch.add(rows, self.position[: len(rows)], out=self.x.tensor[1:filled])
        for block in self.blocks:
            block(self.x, filled)
        return self._estimate(latents[None], self.read(self.norm(self.x)).tensor[:filled], maps)

    def _estimate(self, latents: Tensor, read: Tensor, maps: Tensor) -> WindowEstimate:
        """Of what was read of the scale token and the actions [1 + N, 9 + R], and the actions' linear maps."""
        module = self.module
        if not self.has_kernels:
            moved = torch.bmm(read[1:, None, 9:], maps).transpose(0, 1) if module.ranks else None
            output = module.output(read[None, 1:, :8], moved, read[:1, 8], self.camera)
            return self.model.estimate_of(latents, output)
        count = len(maps)
        translation, quaternion = read.new_empty(1, count, 3), read.new_empty(1, count, 4)
        fov, scale = read.new_empty(1, count), read.new_empty(1)
        arrays = [x.numpy() for x in (translation[0], quaternion[0], fov[0], scale)]
        metric_poses(read.numpy(), maps.numpy(), MINIMUM_SCALE, self.given_fov, self.middle_fov, *arrays)
        return WindowEstimate(latents, translation, quaternion, fov, scale)
