"""The bundled checkpoint: what its model card claims holds on worlds that were rendered for this test alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lapose_core import geometry
from lapose_core.evaluation.evaluate import Clip, evaluate_clips
from lapose_core.model.config import nano
from lapose_core.model.lapose import LaPose
from lapose_core.training.checkpoints import load_checkpoint, read_config
from lapose_core.training.pretrain import code_loss
from lapose_core.training.shards import synthetic_clip

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "nano"
CLIPS = 20


@pytest.fixture(scope="module")
def model() -> LaPose:
    return load_checkpoint(FOLDER)


@pytest.fixture(scope="module")
def clips():
    # Seeds that neither the training nor the held-out shards use.
    return [synthetic_clip(9_000_000 + i, 16, (240, 112), rates=(2.0,)) for i in range(CLIPS)]


def images_of(clip) -> torch.Tensor:
    return torch.from_numpy(clip.frames)[None].float() / 255


def test_it_is_the_nano_preset_small_and_says_how_it_came_to_be() -> None:
    config, training = read_config(FOLDER)
    assert config == nano()
    assert {"vqvae", "pretrain", "posttrain", "data", "labels"} <= set(training)
    assert sum(f.stat().st_size for f in FOLDER.iterdir()) < 25e6
    assert (FOLDER / "MODEL_CARD.md").is_file()


def test_its_action_is_not_ignored(model: LaPose, clips) -> None:
    true, shuffled = [], []
    with torch.inference_mode():
        for clip, other in zip(clips[:8], clips[8:16], strict=True):
            images, times = images_of(clip), torch.from_numpy(clip.times)[None]
            codes = model.vqvae.encode(images)[:, 1:]
            own = model.estimate(images, times).latents
            foreign = model.estimate(images_of(other), torch.from_numpy(other.times)[None]).latents
            true.append(float(code_loss(model.predict_next(images, times, own), codes).mean()))
            shuffled.append(float(code_loss(model.predict_next(images, times, foreign), codes).mean()))
    assert np.mean(shuffled) - np.mean(true) > 0.3


def test_its_poses_beat_constant_forward_on_unseen_worlds(model: LaPose, clips) -> None:
    scored = []
    with torch.inference_mode():
        for clip in clips:
            estimate = model.estimate(images_of(clip), torch.from_numpy(clip.times)[None])
            rotation = geometry.matrix_from_quaternion(estimate.quaternion[0].double().numpy())
            relative = geometry.make_poses(rotation, estimate.translation[0].double().numpy())
            scored.append(Clip(geometry.accumulate(relative), clip.poses, clip.times))
    found = evaluate_clips(scored).overall
    assert found.skill_auc5_signed > 0
