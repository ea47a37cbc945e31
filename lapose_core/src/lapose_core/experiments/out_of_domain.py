"""Frozen against fine-tuned where the labels do not reach: they are of days without fog alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from lapose_core.evaluation.drives import predict_drive
from lapose_core.evaluation.evaluate import evaluate_clips, summarise
from lapose_core.evaluation.leaks import shard_seeds
from lapose_core.experiments.context import Context, Unavailable
from lapose_core.experiments.heads import short_training, train_head
from lapose_core.experiments.kitti import kitti_drives, rates, without_intervals
from lapose_core.experiments.record import Experiment, key, remembered
from lapose_core.experiments.scoring import evaluate, row_of
from lapose_core.experiments.worlds import Scene, domain_shards, known_worlds
from lapose_core.model.lapose import LaPose
from lapose_core.training.cache import CachedClips
from lapose_core.training.settings import Posttraining

#: The labels' own domain first. Cameras of the training worlds see 45 to 85 degrees; the backbone never saw others.
DOMAINS = {
    "day": Scene(lighting="day", weather="clear"),
    "night": Scene(lighting="night"),
    "fog": Scene(lighting="day", weather="fog"),
    "narrow": Scene(lighting="day", weather="clear", fov=(32.0, 40.0)),
    "wide": Scene(lighting="day", weather="clear", fov=(95.0, 110.0)),
}
BACKBONES = ("frozen", "finetune")
FROZEN_RATE, WHOLE_RATE = 1e-3, 3e-4  # learning rates of the head alone and of the whole network
UNLABELLED = frozenset({"night", "dusk", "fog"})
_CHUNK = 256


def settings(context: Context) -> dict[str, Any]:
    sizes = context.sizes
    return {
        "backbone": context.backbone_hash,
        "labels": {"clips": sizes.domain_labels, "of": "day without fog, the first training clips that are"},
        "steps": sizes.domain_steps,
        "batch": sizes.batch,
        "training": [dataclasses.asdict(_training(context, backbone)) for backbone in _backbones(context)],
        "domains": {name: dataclasses.asdict(scene) for name, scene in DOMAINS.items()},
        "clips": sizes.domain_clips,
        "frames": sizes.frames,
        "train": context.train_settings(),
        "kitti": context.shared is not None and (context.shared / "kitti_odometry").is_dir(),
    }


def _backbones(context: Context) -> tuple[str, ...]:
    return BACKBONES if context.slow else BACKBONES[:1]


def _training(context: Context, backbone: str) -> Posttraining:
    sizes = context.sizes
    return short_training(
        backbone, labels=0, steps=sizes.domain_steps, batch=sizes.batch, rates=(FROZEN_RATE, WHOLE_RATE)
    )


def run(context: Context) -> dict[str, Any]:
    train = context.cached(context.train)
    covered = labelled(context, train)
    train.poses[~covered] = float("nan")  # the loops take clips without poses as unlabelled
    tests = {
        name: context.cached(domain_shards(context, name, scene, i)) for i, (name, scene) in enumerate(DOMAINS.items())
    }
    rows: list[dict[str, Any]] = []
    notes = [] if context.slow else ["the fine-tuned network; run without --no-slow (hours on two cores)"]
    for backbone in _backbones(context):
        folder = context.work / "out_of_domain"
        model, by_day = train_head(context.pretrained, _training(context, backbone), train, tests["day"], folder)
        for name, test in tests.items():
            found = by_day if name == "day" else evaluate(model, test, frozen=backbone == "frozen")
            rows.append(row_of(found.overall, backbone=backbone, domain=name))
        try:
            rows += _on_kitti(context, model, backbone)
        except Unavailable as error:
            notes.append(str(error))
    return {"rows": rows, "labels": int(covered.sum()), "notes": sorted(set(notes))}


def _on_kitti(context: Context, model: LaPose, backbone: str) -> list[dict[str, Any]]:
    rows = []
    for drive in kitti_drives(context):
        for rate, stride in rates(context):
            scores = evaluate_clips(predict_drive(model, drive, rate, stride=stride).clips).scores
            rows.append(without_intervals(row_of(summarise(scores), backbone=backbone, domain=f"KITTI, {rate:g} Hz")))
    return rows


def labelled(context: Context, train: CachedClips) -> np.ndarray:
    """Which training clips [N] have labels: the first ones by day and without fog, as many as are asked for."""
    wanted = context.sizes.domain_labels
    part = (
        context.work / "out_of_domain" / f"labelled-{key([context.train_settings(), wanted, train.fov.tolist()])}.json"
    )
    chosen = remembered(part, lambda: _first_by_day(context, train, wanted))
    mask = np.zeros(len(train), bool)
    mask[chosen] = True
    return mask


def _first_by_day(context: Context, train: CachedClips, wanted: int) -> list[int]:
    seeds = shard_seeds(context.train)
    chosen: list[int] = []
    for start in range(0, len(train), _CHUNK):
        some = seeds[start : min(start + _CHUNK, len(train))]
        worlds = known_worlds(context, train.shards, some, start)
        chosen += [start + i for i, world in enumerate(worlds) if not set(world.conditions) & UNLABELLED]
        if len(chosen) >= wanted:
            break
    return chosen[:wanted]


EXPERIMENT = Experiment("out_of_domain", settings, run)
