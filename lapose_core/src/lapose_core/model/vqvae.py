"""The image codec: a convolutional VQ-VAE whose codes of frame t+1 the forward dynamics predicts.

The codebook lies on the unit sphere and is matched by cosine, kept by exponential moving averages; codes that
nothing uses any more are replaced by features of the current batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lapose_core.model.config import VqVaeConfig


class Residual(nn.Module):
    """x plus what normalised, convolved x says."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(), nn.Conv2d(width, width, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class VqVae(nn.Module):
    """Images [..., 3, H, W] in 0..1 <-> codes [..., H / downsample, W / downsample]."""

    def __init__(self, config: VqVaeConfig) -> None:
        super().__init__()
        self.config = config
        levels = int(math.log2(config.downsample))
        if 2**levels != config.downsample or levels < 1:
            raise ValueError(f"vqvae.downsample={config.downsample} is not a power of two")
        widths = [max(config.width >> (levels - 1 - i), min(32, config.width)) for i in range(levels)]
        down: list[nn.Module] = []
        before = 3
        for width in widths:
            down += [nn.Conv2d(before, width, 4, stride=2, padding=1), nn.SiLU()]
            before = width
        residuals = [Residual(config.width) for _ in range(config.residual_blocks)]
        self.encoder = nn.Sequential(*down, *residuals, nn.Conv2d(config.width, config.code_dim, 1))
        residuals = [Residual(config.width) for _ in range(config.residual_blocks)]
        up: list[nn.Module] = [nn.Conv2d(config.code_dim, config.width, 3, padding=1), *residuals]
        before = config.width
        for width in [*widths[-2::-1], 3]:
            up += [nn.SiLU(), nn.ConvTranspose2d(before, width, 4, stride=2, padding=1)]
            before = width
        self.decoder = nn.Sequential(*up)
        codebook = F.normalize(torch.randn(config.codes, config.code_dim), dim=-1)
        self.register_buffer("codebook", codebook)  # [K, C], unit rows
        self.register_buffer("usage", torch.ones(config.codes))  # moving average of how often each is taken

    codebook: Tensor
    usage: Tensor

    def features(self, images: Tensor) -> Tensor:
        """Unit-norm encoder features [..., C, h, w] of images [..., 3, H, W], before quantisation."""
        flat = images.reshape(-1, *images.shape[-3:])
        out = F.normalize(self.encoder(flat * 2 - 1), dim=1)
        return out.reshape(*images.shape[:-3], *out.shape[1:])

    def quantise(self, features: Tensor) -> Tensor:
        """Index [..., h, w] of the nearest code (largest cosine) of features [..., C, h, w]."""
        return torch.einsum("...chw,kc->...hwk", features.float(), self.codebook).argmax(-1)

    def encode(self, images: Tensor) -> Tensor:
        """Codes [..., h, w] int64 of images [..., 3, H, W]."""
        return self.quantise(self.features(images))

    def decode(self, codes: Tensor) -> Tensor:
        """Images [..., 3, H, W] in 0..1 of codes [..., h, w]."""
        flat = codes.reshape(-1, *codes.shape[-2:])
        out = self._pixels(self.codebook[flat].permute(0, 3, 1, 2)).clamp(0, 1)
        return out.reshape(*codes.shape[:-2], *out.shape[1:])

    def _pixels(self, vectors: Tensor) -> Tensor:
        return self.decoder(vectors) * 0.5 + 0.5

    def training_step(self, images: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Loss of images [B, 3, H, W] and figures; moves the codebook towards the batch.

        Straight-through quantisation with a commitment term (van den Oord et al. 2017), L1 on pixels and on
        horizontal and vertical differences, so that edges keep their place.
        """
        features = self.features(images).float()
        codes = self.quantise(features.detach())
        vectors = self.codebook[codes].permute(0, 3, 1, 2)
        decoded = self._pixels(features + (vectors - features).detach()).float()
        pixel = (decoded - images).abs().mean()
        edges = sum((torch.diff(decoded, dim=d) - torch.diff(images, dim=d)).abs().mean() for d in (-1, -2))
        commitment = (1 - (features * vectors).sum(1)).mean()
        self._move_codebook(features.detach(), codes)
        perplexity = float(torch.exp(-(p := self.usage / self.usage.sum()) @ torch.log(p + 1e-10)))
        return pixel + edges + 0.05 * commitment, {
            "l1": float(pixel.detach()), "commitment": float(commitment.detach()), "perplexity": perplexity
        }  # fmt: skip

    @torch.no_grad()
    def _move_codebook(self, features: Tensor, codes: Tensor, decay: float = 0.98) -> None:
        flat = features.permute(0, 2, 3, 1).reshape(-1, self.config.code_dim)
        index = codes.reshape(-1)
        count = torch.bincount(index, minlength=self.config.codes).float()
        total = torch.zeros_like(self.codebook).index_add_(0, index, flat)
        seen = count > 0
        mean = F.normalize(total[seen], dim=-1)
        self.codebook[seen] = F.normalize(decay * self.codebook[seen] + (1 - decay) * mean, dim=-1)
        self.usage.mul_(decay).add_(count, alpha=1 - decay)
        dead = (self.usage < 0.1 * self.usage.mean()).nonzero()[:, 0]
        if len(dead):
            pick = torch.randint(len(flat), (len(dead),), device=flat.device)
            self.codebook[dead] = flat[pick]
            self.usage[dead] = self.usage.mean()
