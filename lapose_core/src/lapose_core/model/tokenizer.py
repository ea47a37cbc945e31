"""The image tokenizer: a ViT per frame, with the time since the frame before projected and added to every token."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lapose_core.model.config import LaPoseConfig
from lapose_core.model.matching import CHANNELS, by_token, match_clip
from lapose_core.model.st_transformer import Block, TimeEmbedding
from lapose_core.model.vqvae import VqVae


@dataclass
class FrameInputs:
    """What the trainable network reads of a clip: computed once, without gradients, from the images.

    Attributes:
        pixels: [B, T, S, 3 * patch * patch], or None where tokens come from the codec.
        features: [B, T, C, h, w] unit-norm codec features, or None where nothing reads them.
        matches: [B, T, S, F] patch matches against the frame before (zero for the first), or None.
    """

    pixels: Tensor | None
    features: Tensor | None
    matches: Tensor | None


def cells(features: Tensor, per_token: int) -> Tensor:
    """Group codec cells [..., C, h, w] by visual token -> [..., tokens, per_token**2, C]."""
    *lead, c, h, w = features.shape
    x = features.reshape(*lead, c, h // per_token, per_token, w // per_token, per_token)
    n = len(lead)
    x = x.permute(*range(n), n + 1, n + 3, n + 2, n + 4, n)
    return x.reshape(*lead, (h // per_token) * (w // per_token), per_token * per_token, c)


def uncells(values: Tensor, rows: int, columns: int, per_token: int) -> Tensor:
    """Inverse layout of ``cells``: [..., tokens, per_token**2, C] -> [..., rows, columns, C] of code cells."""
    *lead, _, _, c = values.shape
    x = values.reshape(*lead, rows // per_token, columns // per_token, per_token, per_token, c)
    n = len(lead)
    return x.permute(*range(n), n, n + 2, n + 1, n + 3, n + 4).reshape(*lead, rows, columns, c)


def pixel_rows(images: Tensor, patch: int) -> Tensor:
    """Pixels of images [..., 3, H, W] in 0..1, about 0, by visual token -> [..., S, 3 * patch * patch]."""
    *lead, _, h, w = images.shape
    x = (images - 0.5).reshape(*lead, 3, h // patch, patch, w // patch, patch)
    return x.movedim((-4, -2), (-5, -4)).reshape(*lead, -1, 3 * patch * patch)


def frame_inputs(config: LaPoseConfig, codec: VqVae, images: Tensor) -> FrameInputs:
    """What images [B, T, 3, H, W] say one by one: all of their inputs but the matches."""
    with torch.no_grad():
        features = pixels = None
        if config.token_source == "codec" or config.forward_warp:
            features = codec.features(images)
        if config.token_source == "pixels":
            pixels = pixel_rows(images, config.patch)
    return FrameInputs(pixels, features, None)


def prepare(config: LaPoseConfig, codec: VqVae, images: Tensor) -> FrameInputs:
    """Inputs of images [B, T, 3, H, W]."""
    inputs = frame_inputs(config, codec, images)
    if not config.matching:
        return inputs
    with torch.no_grad():
        matches = by_token(match_clip(images, config.matching), config.patch // config.matching.cell)
    return FrameInputs(inputs.pixels, inputs.features, matches)


class Tokenizer(nn.Module):
    """Visual tokens [B, T, S, D] of a clip's inputs. No frame sees another."""

    def __init__(self, config: LaPoseConfig) -> None:
        super().__init__()
        self.patch, self.per_token = config.patch, config.patch // config.vqvae.downsample
        self.source = config.token_source
        if self.source == "pixels":
            width = 3 * config.patch**2
        else:
            width = self.per_token**2 * config.vqvae.code_dim
        self.embed = nn.Linear(width, config.width)
        self.position = nn.Parameter(torch.randn(config.tokens, config.width) * 0.02)
        self.time = TimeEmbedding(config.width)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.mlp_ratio) for _ in range(config.tokenizer_depth)
        )
        self.norm = nn.LayerNorm(config.width)
        # Unit-norm features over a token have an rms of 1 / sqrt(C); brought to about 1 for the linear layer.
        self.gain = config.vqvae.code_dim**0.5 if self.source == "codec" else 2.0

    def forward(self, inputs: FrameInputs, gap: Tensor) -> Tensor:
        """``gap`` [B, T]: seconds since the frame before, 0 where there is none."""
        if self.source == "pixels":
            assert inputs.pixels is not None
            x = inputs.pixels
        else:
            assert inputs.features is not None
            x = cells(inputs.features, self.per_token).flatten(-2)
        x = self.embed(x.float() * self.gain) + self.position + self.time(gap)[:, :, None]
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def matching_width(config: LaPoseConfig) -> int:
    """Channels of ``FrameInputs.matches``."""
    assert config.matching is not None
    return (config.patch // config.matching.cell) ** 2 * CHANNELS
