"""The configuration of the whole model, and its presets.

Where the paper speaks, ``paper()`` follows it. Every field whose comment begins with "nano:" is a deviation that the
small model needs and the paper's does not; it is off in ``paper()``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal


class ConfigError(ValueError):
    """A model configuration that cannot be built."""


@dataclass(frozen=True)
class VqVaeConfig:
    """The frozen image codec whose codes the forward dynamics predicts."""

    downsample: int = 8  # pixels per code cell, a power of two
    codes: int = 512
    code_dim: int = 48
    width: int = 64  # channels of the convolutions at full depth
    residual_blocks: int = 2


@dataclass(frozen=True)
class MatchingConfig:
    """Parameter-free patch matching between neighbouring frames (see ``matching.py``)."""

    stride: int = 4  # pixels between patches, and between the displacements that are tried
    samples: int = 4  # per side of a patch, two pixels apart
    cell: int = 8  # pixels per match that leaves
    search_rows: int = 4  # +- strides
    search_columns: int = 20  # +- strides


@dataclass(frozen=True)
class LaPoseConfig:
    name: str = "custom"
    image_width: int = 240
    image_height: int = 112
    window: int = 16
    patch: int = 16  # pixels per visual token
    width: int = 128  # of a token
    heads: int = 4
    mlp_ratio: int = 4
    tokenizer_depth: int = 2
    inverse_depth: int = 3
    bottleneck: int | None = 32  # None: the action is the uncompressed token
    forward_depth: int = 3
    forward_head_depth: int = 4  # "light" blocks in place of the usual MLP head
    forward_head_width: int = 96
    head_width: int = 128
    head_depth: int = 4
    head_heads: int = 4
    vqvae: VqVaeConfig = field(default_factory=VqVaeConfig)

    # nano: a small ViT learns no correspondence from pixels in minutes; the frozen codec's features do not move.
    token_source: Literal["pixels", "codec"] = "pixels"
    # nano: rotation of a degree is a fraction of a code cell; matches carry it to the action query at once.
    matching: MatchingConfig | None = None
    # nano: the action scales and shifts every block of the forward model besides being a token, so that it is heard.
    action_modulation: bool = False
    # nano: the forward model may read frame t at places displaced by what the action says.
    forward_warp: bool = False
    # nano: frames that the forward model sees. With history it extrapolates motion and needs the action less.
    forward_history: int | None = None

    # nano: an action says how fast, not how far: matches are divided by the time that they took, and the forward model
    # and the pose head multiply it back. One motion then has one action at every frame rate.
    action_rate: bool = False
    # nano: a linear read-out of the action must say where the content of every cell came from (``training.pretrain``).
    # Codes of 8-px cells hardly change by the half cell that a degree of rotation is.
    motion_decoder: bool = False

    # nano: linear maps from action to motion that the pose head mixes and adds to what its transformer says, for the
    # transformer's norms blunt magnitudes. 0: none.
    head_ranks: int = 0

    # nano: the pose head takes the camera's field of view and its height over the road where a log tells them, and does
    # without where it does not. One small model learns few worlds' worth of what a picture tells of its camera.
    camera_input: bool = False

    def __post_init__(self) -> None:
        for size, name in ((self.image_width, "image_width"), (self.image_height, "image_height")):
            if size % self.patch:
                raise ConfigError(f"{name}={size} is not a multiple of patch={self.patch}")
        if self.patch % self.vqvae.downsample:
            raise ConfigError(f"patch={self.patch} is not a multiple of vqvae.downsample={self.vqvae.downsample}")
        if self.width % self.heads or self.head_width % self.head_heads:
            raise ConfigError("a width is not a multiple of its number of heads")
        if (self.width // self.heads) % 2:
            raise ConfigError("rotary time encoding needs an even width per head")
        if (m := self.matching) and (self.patch % m.cell or m.cell % m.stride):
            raise ConfigError(f"patch={self.patch}, matching.cell={m.cell} and .stride={m.stride} do not divide")
        if (self.action_rate or self.motion_decoder) and not self.matching:
            raise ConfigError("action_rate and motion_decoder need matching")
        if self.window < 2:
            raise ConfigError("a window holds two frames at the least")

    @property
    def token_grid(self) -> tuple[int, int]:
        """Rows and columns of visual tokens."""
        return self.image_height // self.patch, self.image_width // self.patch

    @property
    def tokens(self) -> int:
        rows, columns = self.token_grid
        return rows * columns

    @property
    def code_grid(self) -> tuple[int, int]:
        """Rows and columns of VQ-VAE codes."""
        return self.image_height // self.vqvae.downsample, self.image_width // self.vqvae.downsample

    @property
    def latent_dim(self) -> int:
        """Width of a latent action as the pose head and the map see it."""
        return self.bottleneck or self.width

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> LaPoseConfig:
        """Rebuild a configuration from ``to_dict``.

        Raises:
            ConfigError: on an unknown field or a value that cannot be built.
        """
        values = dict(values)
        try:
            if isinstance(values.get("vqvae"), dict):
                values["vqvae"] = VqVaeConfig(**values["vqvae"])
            if isinstance(values.get("matching"), dict):
                values["matching"] = MatchingConfig(**values["matching"])
            return LaPoseConfig(**values)
        except TypeError as error:
            raise ConfigError(f"model configuration: {error}") from error


def paper(bottleneck: int | None = 50) -> LaPoseConfig:
    """The paper's model: 960x448, 16 frames, 15 x 7 tokens of 1536-d, a 50-d bottleneck or (``None``) none.

    The paper gives the tokenizer's depth (12), widths, the bottleneck, the four light blocks of the forward head
    and the grid. It is silent on the depth of the two dynamics transformers (12 here, as the tokenizer), on the
    pose head (8 blocks of 768) and on the codec (16-px cells, 4096 codes of 64-d: 60 x 28 codes a frame).

    Shapes for a clip of 16 frames: visual tokens [B, 16, 105, 1536]; actions [B, 15, 50]; forward logits
    [B, 15, 28, 60, 4096]. Parameters with the 50-d bottleneck: 1,424,925,499 apart from the codec.
    """
    return LaPoseConfig(
        name="paper" if bottleneck else "paper-wide",
        image_width=960,
        image_height=448,
        patch=64,
        width=1536,
        heads=24,
        tokenizer_depth=12,
        inverse_depth=12,
        bottleneck=bottleneck,
        forward_depth=12,
        forward_head_depth=4,
        forward_head_width=512,
        head_width=768,
        head_depth=8,
        head_heads=12,
        vqvae=VqVaeConfig(downsample=16, codes=4096, code_dim=64, width=256, residual_blocks=2),
    )


def nano() -> LaPoseConfig:
    """The model that two CPU cores train: 240x112, 15 x 7 tokens of 128-d, with the nano deviations on."""
    return LaPoseConfig(
        name="nano",
        mlp_ratio=3,
        bottleneck=50,
        forward_head_depth=2,
        token_source="codec",
        matching=MatchingConfig(),
        action_modulation=True,
        forward_warp=True,
        forward_history=1,
        action_rate=True,
        motion_decoder=True,
        head_ranks=8,
        camera_input=True,
    )


def tiny() -> LaPoseConfig:
    """Seconds-fast model with every part of nano in it, for tests: 120x56, 15 x 7 tokens of 32-d."""
    return LaPoseConfig(
        name="tiny",
        image_width=120,
        image_height=56,
        patch=8,
        width=32,
        heads=2,
        mlp_ratio=2,
        tokenizer_depth=1,
        inverse_depth=2,
        bottleneck=8,
        forward_depth=2,
        forward_head_depth=1,
        forward_head_width=16,
        head_width=32,
        head_depth=1,
        head_heads=2,
        vqvae=VqVaeConfig(downsample=4, codes=32, code_dim=8, width=16, residual_blocks=1),
        token_source="codec",
        matching=MatchingConfig(stride=4, samples=3, cell=8, search_rows=2, search_columns=4),
        action_modulation=True,
        forward_warp=True,
        forward_history=1,
        action_rate=True,
        motion_decoder=True,
        head_ranks=8,
        camera_input=True,
    )
