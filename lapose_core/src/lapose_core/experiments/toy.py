"""A checkpoint and shards of the tiny preset, made in seconds, for experiments to run through once."""

from __future__ import annotations

from pathlib import Path

import torch

from lapose_core.experiments.record import plain
from lapose_core.experiments.sizes import Sizes
from lapose_core.model.config import tiny
from lapose_core.model.lapose import LaPose
from lapose_core.training.cache import CachedClips
from lapose_core.training.checkpoints import load_checkpoint, load_codec
from lapose_core.training.posttrain import posttrain
from lapose_core.training.pretrain import pretrain
from lapose_core.training.settings import Posttraining, Pretraining, VqVaeTraining
from lapose_core.training.shards import Shards, synthetic_clip, write_shards
from lapose_core.training.vqvae import train_vqvae

TRAIN, HELD_OUT = (0, 16), (5_000_000, 10)  # first seed, clips


def make(folder: Path, sizes: Sizes) -> tuple[Path, Path]:
    """The folders of the checkpoints and of the shards under ``folder``; what is there is kept."""
    runs, shards = folder / "runs", folder / "shards"
    config, device = tiny(), torch.device("cpu")
    size = (config.image_width, config.image_height)
    for name, (first, count) in {"train": TRAIN, "held_out": HELD_OUT}.items():
        if not (shards / name / "shards.json").is_file():
            origin = plain({"synthetic": {"seed": first, "clips": count}})
            seeds = range(first, first + count)
            write_shards(shards / name, (synthetic_clip(s, sizes.frames, size) for s in seeds), origin)
    if (runs / "posttrain" / "config.json").is_file():
        return runs, shards
    train, held_out = Shards(shards / "train"), Shards(shards / "held_out")
    train_vqvae(config, VqVaeTraining(steps=4, batch=4, evaluate_every=4), train, held_out, runs / "vqvae", device)
    torch.manual_seed(0)
    model = LaPose(config)
    model.vqvae.load_state_dict(load_codec(runs / "vqvae").state_dict())
    data, watched = (CachedClips(s, model, folder / "cache", device) for s in (train, held_out))
    lengths = (sizes.frames,)
    first_stage = Pretraining(
        steps=4, batch_frames=20, lengths=lengths, motion_steps=4, motion_batch=16, evaluate_every=4, evaluate_clips=8
    )
    pretrain(model, first_stage, data, watched, runs / "pretrain", {})
    model = load_checkpoint(runs / "pretrain")
    posttrain(model, Posttraining(steps=6, batch=8, evaluate_every=6), data, watched, runs / "posttrain", {})
    return runs, shards
