"""Pose heads trained for an experiment: on the frozen backbone, with it, or with the whole network from nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from lapose_core.evaluation.evaluate import Evaluation
from lapose_core.experiments.record import key
from lapose_core.model.lapose import LaPose
from lapose_core.training.cache import CachedClips
from lapose_core.training.checkpoints import checkpoint_hash, codec_hash, load_checkpoint, read_config
from lapose_core.training.posttrain import posttrain, whole_clip_latents
from lapose_core.training.settings import Posttraining

_CALIBRATION = 48  # clips, as many as pretraining takes


def train_head(
    pretrained: Path, training: Posttraining, data: CachedClips, test: CachedClips, folder: Path
) -> tuple[LaPose, Evaluation]:
    """The trained model, and its evaluation on the clips of ``test``, which choose nothing.

    What was begun in ``folder`` with the same backbone, settings and clips goes on where it stopped. The network from
    scratch begins with actions of unit spread, as pretraining begins; of what is in ``pretrained`` it has the codec.
    """
    torch.manual_seed(training.seed)
    fresh = LaPose(read_config(pretrained)[0])
    model = load_checkpoint(pretrained)
    model.pose_head.load_state_dict(fresh.pose_head.state_dict())
    if training.backbone == "scratch":
        model.tokenizer.load_state_dict(fresh.tokenizer.state_dict())
        model.inverse_dynamics.load_state_dict(fresh.inverse_dynamics.state_dict())
    model.to(data.device).eval()
    if training.backbone == "scratch":
        some = np.arange(min(_CALIBRATION, len(data)))
        model.inverse_dynamics.calibrate(whole_clip_latents(model, data, some).flatten(0, 1))
    labelled = int(torch.isfinite(data.poses).flatten(1).all(1).sum())
    run = {
        "backbone": codec_hash(pretrained) if training.backbone == "scratch" else checkpoint_hash(pretrained),
        "model": model.config.to_dict(),
        "training": dataclasses.asdict(training),
        "data": data.shards.origin,
        "labelled": labelled,
    }
    name = f"{training.backbone}-{training.labels or labelled}-{key(run)}"
    evaluation, _ = posttrain(model, training, data, test, folder / name, {"experiment": run})
    return model, evaluation


def short_training(
    backbone: str, *, labels: int, steps: int, batch: int, rates: tuple[float, float], seed: int = 0
) -> Posttraining:
    """Settings of one of several runs that see the same labels for the same number of steps.

    ``rates`` are the learning rates of the head alone, for a frozen backbone, and of the whole network. There are no
    mirror images: their codec features are not cached, and would double the cost of a step of the whole network.
    """
    if backbone not in ("frozen", "finetune", "scratch"):
        raise ValueError(f"there is no backbone {backbone!r}")
    return Posttraining(
        steps=steps,
        batch=batch,
        rate=rates[0] if backbone == "frozen" else rates[1],
        backbone=backbone,  # type: ignore[arg-type]
        labels=labels,
        mirror=False,
        evaluate_every=steps,
        seed=seed,
    )
