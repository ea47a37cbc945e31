"""The settings of each training stage. Apart from the loops, so that the command line knows them without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class VqVaeTraining:
    steps: int = 2000
    batch: int = 24
    rate: float = 1e-3
    weight_decay: float = 1e-4
    evaluate_every: int = 250
    seed: int = 0


@dataclass(frozen=True)
class Pretraining:
    steps: int = 4200
    batch_frames: int = 64  # frames per step: clips times their length
    lengths: tuple[int, ...] = (
        4,
        8,
        16,
    )  # frames per clip, one length a step; short ones are varied, long ones remember
    rate: float = 1e-3
    weight_decay: float = 0.02
    motion_weight: float = 5.0  # of the motion decoder's loss, where the model has one
    inverse_share: float = 0.2  # of the rate, for what the first stage has taught already: it is refined, not relearned
    motion_steps: int = 3000  # of the first stage, from matches alone, where the model has a motion decoder
    motion_batch: int = 512  # transitions a step of it
    evaluate_every: int = 300
    evaluate_clips: int = 64
    seed: int = 0


@dataclass(frozen=True)
class PoseLossWeights:
    """Rotations are an order of magnitude smaller than normalised translations, hence their weight."""

    translation: float = 3.0
    quaternion: float = 10.0
    fov: float = 1.0
    scale: float = 1.0


@dataclass(frozen=True)
class Posttraining:
    steps: int = 6000
    batch: int = 128  # clips
    rate: float = 1e-3
    weight_decay: float = 0.05
    backbone: Literal["frozen", "finetune", "scratch"] = "frozen"
    latent_noise: float = 0.05  # standard deviation added to standardised latents, against overfitting few labels
    mirror: bool = True  # learn from each clip's mirror image too
    camera_dropout: float = 0.5  # share of clips whose field of view, and of those whose height, is not told the head
    labels: int = 0  # clips with labels that are used; 0 for all
    evaluate_every: int = 1000
    seed: int = 0
    weights: PoseLossWeights = field(default_factory=PoseLossWeights)
