"""The width of the latent action: pretraining loss against pose, all else equal (the paper's Table 2)."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lapose_core.experiments.context import Context, recorded_pretraining
from lapose_core.experiments.heads import train_head
from lapose_core.experiments.record import Experiment, key
from lapose_core.experiments.scoring import row_of
from lapose_core.experiments.worlds import unseen_split
from lapose_core.model.lapose import LaPose
from lapose_core.training.cache import CachedClips
from lapose_core.training.checkpoints import load_checkpoint, load_codec, read_config
from lapose_core.training.pretrain import collect, pretrain
from lapose_core.training.settings import Posttraining, Pretraining


def settings(context: Context) -> dict[str, Any]:
    return {
        "codec": context.codec_hash,
        "widths": context.sizes.widths,
        "pretraining": dataclasses.asdict(_pretraining(context)),
        "posttraining": dataclasses.asdict(_posttraining(context)),
        "quality_clips": context.sizes.width_clips,
        "test": context.test_settings(),
        "train": context.train_settings(),
    }


def _pretraining(context: Context) -> Pretraining:
    steps = context.sizes.width_steps
    return dataclasses.replace(
        recorded_pretraining(context.pretrained),
        steps=steps,
        motion_steps=context.sizes.width_motion_steps,
        evaluate_every=steps,
        evaluate_clips=context.sizes.batch,  # its log only
    )


def _posttraining(context: Context) -> Posttraining:
    sizes = context.sizes
    steps, batch = sizes.width_head_steps, min(Posttraining().batch, 8 * sizes.batch)
    return Posttraining(steps=steps, batch=batch, labels=sizes.width_labels, mirror=False, evaluate_every=steps)


def run(context: Context) -> dict[str, Any]:
    test, train = context.cached(unseen_split(context)), context.cached(context.train)
    held_out = context.cached(context.seen("held_out"))
    watched = np.arange(min(context.sizes.width_clips, len(test)))
    rows = []
    for width in context.sizes.widths:
        folder = _pretrained(context, width, train, held_out)
        figures = collect(load_checkpoint(folder, context.device), test, watched)[1]
        model, found = train_head(folder, _posttraining(context), train, test, context.work / "bottleneck")
        labels = {"width": width, "latent": model.config.latent_dim, **figures}
        rows.append(row_of(found.overall, **labels))
    return {"rows": rows}


def _pretrained(context: Context, width: int | None, train: CachedClips, held_out: CachedClips) -> Path:
    """The folder of the short pretraining at one width, on the checkpoint's codec."""
    training = _pretraining(context)
    config = dataclasses.replace(read_config(context.pretrained)[0], bottleneck=width)
    run_key = key([context.codec_hash, config.to_dict(), dataclasses.asdict(training), train.shards.origin])
    folder = context.work / "bottleneck" / f"pretrain-{width or 'wide'}-{run_key}"
    torch.manual_seed(training.seed)
    model = LaPose(config)
    model.vqvae.load_state_dict(load_codec(context.pretrained).state_dict())
    pretrain(model.to(context.device), training, train, held_out, folder, {})
    return folder


EXPERIMENT = Experiment("bottleneck", settings, run)
