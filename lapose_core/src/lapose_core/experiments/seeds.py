"""How much of the headline is chance: post-training, and where asked for pretraining, from other seeds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from lapose_core.evaluation.evaluate import Evaluation
from lapose_core.experiments.context import Context, recorded_posttraining, recorded_pretraining
from lapose_core.experiments.heads import train_head
from lapose_core.experiments.record import Experiment, key
from lapose_core.experiments.scoring import evaluate, rows_of
from lapose_core.experiments.worlds import unseen_split
from lapose_core.model.lapose import LaPose
from lapose_core.training.cache import CachedClips
from lapose_core.training.checkpoints import load_codec, read_config
from lapose_core.training.pretrain import pretrain


def settings(context: Context) -> dict[str, Any]:
    return {
        "checkpoint": context.model_hash,
        "backbone": context.backbone_hash,
        "seeds": _seeds(context),
        "pretraining_too": context.pretrain_seeds,
        "posttraining": dataclasses.asdict(recorded_posttraining(context.posttrained)),
        "test": context.test_settings(),
        "train": context.train_settings(),
    }


def _seeds(context: Context) -> list[int]:
    first = recorded_posttraining(context.posttrained).seed
    return list(range(first, first + context.sizes.seeds))


def run(context: Context) -> dict[str, Any]:
    test, train = context.cached(unseen_split(context)), context.cached(context.train)
    first, *others = _seeds(context)
    rows = _rows("post-training", first, evaluate(context.model(), test, frozen=True))
    training = recorded_posttraining(context.posttrained)
    for seed in others:
        own = dataclasses.replace(training, seed=seed)
        rows += _rows("post-training", seed, _head(context, context.pretrained, own, train, test))
    if context.pretrain_seeds:
        held_out = context.cached(context.seen("held_out"))
        for seed in others:
            backbone = _pretrained(context, seed, train, held_out)
            own = dataclasses.replace(training, seed=seed)
            rows += _rows("both stages", seed, _head(context, backbone, own, train, test))
    return {"rows": rows}


def _rows(stage: str, seed: int, evaluation: Evaluation) -> list[dict[str, Any]]:
    return rows_of(evaluation, repeated=stage, seed=seed)


def _head(context: Context, backbone: Path, training: Any, train: CachedClips, test: CachedClips) -> Evaluation:
    model, _ = train_head(backbone, training, train, test, context.work / "seeds")
    return evaluate(model, test, frozen=True)


def _pretrained(context: Context, seed: int, train: CachedClips, held_out: CachedClips) -> Path:
    """The folder of a backbone pretrained as the checkpoint was, from another seed."""
    training = dataclasses.replace(recorded_pretraining(context.pretrained), seed=seed)
    run_key = key([context.backbone_hash, dataclasses.asdict(training), train.shards.origin])
    folder = context.work / "seeds" / f"pretrain-{seed}-{run_key}"
    torch.manual_seed(seed)
    model = LaPose(read_config(context.pretrained)[0])
    model.vqvae.load_state_dict(load_codec(context.pretrained).state_dict())
    pretrain(model.to(context.device), training, train, held_out, folder, {})
    return folder


EXPERIMENT = Experiment("seeds", settings, run)
