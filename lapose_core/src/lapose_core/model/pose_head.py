"""The camera-pose head over a clip's latent actions, with its metric scale apart from its shape.

A non-causal transformer reads the latent actions and one learned metric-scale token. With s the mean length of
the clip's translations in metres, it learns t_i / max(s, 1 m) and, from the scale token, log s.

What is known of the camera may be told to it (a nano deviation): it is then added to every token, and a field of view
that is given is the one that comes out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lapose_core.model.camera import FOV, MIDDLE, CameraEmbedding, unknown_camera
from lapose_core.model.config import LaPoseConfig
from lapose_core.model.st_transformer import Block, TimeEmbedding

MINIMUM_SCALE = 1.0  # metres: below it translations are not divided
SMALLEST_SCALE = 0.01  # metres: log s of a clip that stands still
NARROWEST, WIDEST = 0.5, 2.0  # fields of view, radians: far beyond any camera; the tangent has its pole at pi


@dataclass
class PoseOutput:
    """What the head says of a clip, as the loss compares it.

    Attributes:
        translation: [B, T - 1, 3] translations divided by max(s, 1 m).
        quaternion: [B, T - 1, 4] xyzw, not normalised.
        fov: [B, T - 1] horizontal field of view in radians.
        log_scale: [B] logarithm of s in metres.
    """

    translation: Tensor
    quaternion: Tensor
    fov: Tensor
    log_scale: Tensor


def decouple(translation: Tensor) -> tuple[Tensor, Tensor]:
    """Metric translations [B, N, 3] -> normalised ones [B, N, 3] and log s [B]."""
    scale = translation.norm(dim=-1).mean(-1)
    return translation / scale.clamp_min(MINIMUM_SCALE)[:, None, None], scale.clamp_min(SMALLEST_SCALE).log()


def recouple(translation: Tensor, log_scale: Tensor) -> Tensor:
    """Inverse of ``decouple``: metric translations [B, N, 3]."""
    return translation * log_scale.exp().clamp_min(MINIMUM_SCALE)[:, None, None]


class PoseHead(nn.Module):
    def __init__(self, config: LaPoseConfig) -> None:
        super().__init__()
        width = config.head_width
        self.embed = nn.Linear(config.latent_dim, width)
        # The latents' own mean and spread, measured before the head is trained on a frozen backbone.
        self.register_buffer("latent_mean", torch.zeros(config.latent_dim))
        self.register_buffer("latent_scale", torch.ones(config.latent_dim))
        self.gap = TimeEmbedding(width)
        self.position = nn.Parameter(torch.randn(config.window - 1, width) * 0.02)
        self.scale_token = nn.Parameter(torch.randn(width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, config.head_heads, config.mlp_ratio) for _ in range(config.head_depth))
        self.norm = nn.LayerNorm(width)
        self.motion = nn.Linear(width, 8)
        self.scale = nn.Linear(width, 1)
        # Start at "one unit forward, no turn": from a free start the quaternion can settle at its antipode.
        nn.init.normal_(self.motion.weight, std=1e-3)
        nn.init.normal_(self.scale.weight, std=1e-3)
        with torch.no_grad():
            self.motion.bias.copy_(torch.tensor([0.0, 0, 1, 0, 0, 0, 1, 1.2]))
            self.scale.bias.fill_(1.0)
        self.camera = CameraEmbedding(width) if config.camera_input else None
        self.ranks = config.head_ranks
        if self.ranks:
            self.linear = nn.Linear(config.latent_dim, self.ranks * 6, bias=False)
            self.gates = nn.Linear(width, self.ranks)
            nn.init.normal_(self.linear.weight, std=1e-2)
            nn.init.normal_(self.gates.weight, std=2e-2)
            nn.init.ones_(self.gates.bias)

    latent_mean: Tensor
    latent_scale: Tensor

    def forward(self, latents: Tensor, times: Tensor, camera: Tensor | None = None) -> PoseOutput:
        """``latents`` [B, T - 1, A] and frame ``times`` [B, T] in seconds; ``camera`` [B, 2] as in
        ``lapose_core.model.camera``, NaN or None where it is not known. A head without that input does not read it."""
        action = (latents.float() - self.latent_mean) / self.latent_scale
        gap = (times[:, 1:] - times[:, :-1]).float()
        x = self.embed(action) + self.gap(gap) + self.position[: gap.shape[1]]
        x = torch.cat([x, self.scale_token.expand(len(x), 1, -1)], 1)
        if self.camera is not None:
            camera = unknown_camera(len(x), x.device) if camera is None else camera.to(x.device)
            x = x + self.camera(camera)[:, None]
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        moved = self._moved(action, x[:, :-1].float(), gap.to(x.device)) if self.ranks else None
        return self.output(self.motion(x[:, :-1]), moved, self.scale(x[:, -1])[:, 0], camera)

    def output(self, motion: Tensor, moved: Tensor | None, log_scale: Tensor, camera: Tensor | None) -> PoseOutput:
        """What the last layers say [B, T - 1, 8], what the linear maps add to it [B, T - 1, 6] and log s [B]."""
        said, w, fov = motion.float().split((6, 1, 1), -1)
        if moved is not None:
            said = said + moved
        translation, vector = said.chunk(2, -1)
        fov = fov[..., 0]
        if self.camera is not None and camera is not None:
            given = camera[:, FOV, None].float()
            fov = torch.where(torch.isfinite(given), given, fov)
            vector = vector * _angle_per_pixel(fov)
        quaternion = torch.cat([vector, w], -1)
        return PoseOutput(translation, quaternion, fov, log_scale.float())

    def _moved(self, action: Tensor, x: Tensor, gap: Tensor) -> Tensor:
        """Translation and vector part of the quaternion [B, T - 1, 6], linear in the action and in the time that it
        acted; what the transformer has made of the clip (its camera, above all) chooses among the linear maps."""
        with torch.autocast(x.device.type, enabled=False):
            maps = self.linear(action).unflatten(-1, (self.ranks, 6))
            return (maps * self.gates(x)[..., None]).sum(-2) * gap[..., None]


def _angle_per_pixel(fov: Tensor) -> Tensor:
    """The angle that a pixel in the middle of the image spans, over that of the middle camera: [B, N] -> [B, 1, 1].
    What a turn displaces is known in pixels, so the camera, told or guessed, makes it an angle."""
    whole = fov.mean(1, keepdim=True)[..., None].clamp(NARROWEST, WIDEST)
    return torch.tan(whole / 2) / MIDDLE[FOV]


def unit_quaternion(quaternion: Tensor) -> Tensor:
    """Normalised xyzw [..., 4] with w >= 0."""
    unit = F.normalize(quaternion, dim=-1)
    return torch.where(unit[..., 3:] < 0, -unit, unit)
