"""What the matches between two frames ask of an action: that the displacements can be read off it.

Two uses, both for models with a ``motion_decoder`` (a nano deviation) and both without labels: a short first stage that
trains the straight way from matches to action alone, thousands of transitions a second, and a term of the pretraining
loss that keeps what it learned.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lapose_core.model.config import MatchingConfig
from lapose_core.model.lapose import LaPose
from lapose_core.model.matching import CHANNELS, mirror
from lapose_core.training.cache import CachedClips
from lapose_core.training.loop import Run, Schedule, autocast, batch_rng, optimiser
from lapose_core.training.settings import Pretraining

MATCH_ERROR = 1.5  # pixels that a match is off by in the ordinary case
DOUBTFUL, SURE = 0.4, 0.8  # correlations between which a match's weight rises from 0 to 1


def motion_loss(decoded: Tensor, matches: Tensor, config: MatchingConfig) -> Tensor:
    """How badly displacements read off actions [..., S, c, 2], in pixels, miss the matches [..., S, c * CHANNELS].

    Cauchy's robust loss, for wrong matches are many; each match weighs by its correlation.
    """
    found = matches.unflatten(-1, (-1, CHANNELS))
    reach = matches.new_tensor([config.search_columns, config.search_rows]) * config.stride
    miss = (decoded - found[..., :2] * reach).square().sum(-1) / MATCH_ERROR**2
    weight = (found[..., 2].clamp(DOUBTFUL, SURE) - DOUBTFUL) / (SURE - DOUBTFUL)
    return (weight * miss.log1p()).sum() / weight.sum().clamp_min(1e-6)


def learn_motion(
    model: LaPose,
    training: Pretraining,
    data: CachedClips,
    held_out: CachedClips,
    out: Path,
    resume: bool = True,
) -> None:
    """Train the way from matches to action and back on single transitions, half of them mirrored."""
    dynamics, decoder, config = model.inverse_dynamics, model.motion_decoder, model.config.matching
    assert dynamics.velocity is not None
    assert decoder is not None
    assert config is not None
    parts = torch.nn.ModuleList([dynamics.velocity, dynamics.straight, dynamics.bent, decoder])
    optimizer = optimiser([parts], training.weight_decay)
    settings = {"model": model.config.to_dict(), **dataclasses.asdict(training), "lengths": list(training.lengths)}
    run = Run(out, "motion", settings, resume)
    run.restore(parts, optimizer)
    token_columns = model.config.token_grid[1]

    def loss_on(clips: CachedClips, seed: int, step: int, count: int) -> Tensor:
        rng = batch_rng(seed, step)
        frames = rng.integers(1, clips.shards.clip_shape[0], size=count)
        matches, gap = clips.transitions(rng.integers(len(clips), size=count), frames)
        if rng.random() < 0.5:
            matches = mirror(matches, token_columns)
        with autocast(clips.device):
            action = dynamics.from_motion(matches[:, None], gap[:, None])
        return motion_loss(decoder(action.float(), gap[:, None])[:, 0], matches, config)

    def step(number: int) -> tuple[Tensor, dict[str, float]]:
        return loss_on(data, training.seed, number, training.motion_batch), {}

    def evaluate() -> dict[str, Any]:
        return {"held_out": float(loss_on(held_out, training.seed, 0, 2048))}

    schedule = Schedule(2 * training.rate, training.motion_steps)
    run.loop(parts, optimizer, schedule, step, evaluate, max(1, training.motion_steps // 4))
