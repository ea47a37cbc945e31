"""Training of the image codec, whose codes the forward dynamics will predict."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from lapose_core.model.config import LaPoseConfig
from lapose_core.model.lapose import LaPose
from lapose_core.model.vqvae import VqVae
from lapose_core.training.checkpoints import save_checkpoint
from lapose_core.training.loop import Run, Schedule, autocast, batch_rng, optimiser
from lapose_core.training.settings import VqVaeTraining
from lapose_core.training.shards import Shards


def train_vqvae(
    config: LaPoseConfig,
    training: VqVaeTraining,
    data: Shards,
    held_out: Shards,
    out: Path,
    device: torch.device,
    resume: bool = True,
) -> VqVae:
    """Train the codec on single frames; writes a checkpoint folder whose other parts are still untrained."""
    torch.manual_seed(training.seed)
    codec = VqVae(config.vqvae).to(device)
    optimizer = optimiser([codec], training.weight_decay)
    run = Run(out, "vqvae", {"model": config.to_dict(), **dataclasses.asdict(training)}, resume)
    run.restore(codec, optimizer)

    def frames(shards: Shards, step: int, count: int) -> torch.Tensor:
        rng = batch_rng(training.seed, step)
        clips, times = rng.integers(len(shards), size=count), rng.integers(shards.clip_shape[0], size=count)
        chosen = [shards.gather("frames", [c], slice(t, t + 1))[0, 0] for c, t in zip(clips, times)]
        return torch.stack(chosen).to(device).float() / 255

    def step(number: int) -> tuple[torch.Tensor, dict[str, float]]:
        torch.manual_seed(hash((training.seed, number)) & 0x7FFFFFFF)  # the revival of dead codes draws from it
        with autocast(device):
            return codec.training_step(frames(data, number, training.batch))

    def evaluate() -> dict[str, Any]:
        images = frames(held_out, 0, 64)
        with torch.no_grad():
            codes = codec.encode(images)
            error = (codec.decode(codes) - images).abs().mean()
        used = torch.bincount(codes.flatten(), minlength=config.vqvae.codes) > 0
        return {"held_out_l1": float(error), "held_out_codes_used": int(used.sum())}

    schedule = Schedule(training.rate, training.steps)
    run.loop(codec, optimizer, schedule, step, evaluate, training.evaluate_every)
    torch.manual_seed(training.seed)
    model = LaPose(config)
    model.vqvae.load_state_dict(codec.state_dict())
    record = {"vqvae": {**dataclasses.asdict(training), "data": data.origin, **evaluate()}}
    save_checkpoint(model, out, record)
    return codec
