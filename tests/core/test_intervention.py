"""Predictions under other actions: consistent with the plain ones, with mirrors, and from step to step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lapose_core.inference.directions import principal_directions
from lapose_core.inference.intervention import intervene, mirrored_actions, read_motion, roll_out
from lapose_core.inference.moment import moment
from lapose_core.inference.reconstruction import reconstruct
from lapose_core.model.config import LaPoseConfig, tiny
from lapose_core.model.lapose import LaPose

CONFIGS = {
    "short history": tiny(),
    "whole history": replace(tiny(), forward_history=None, action_rate=False, motion_decoder=False),
    "pixels": replace(tiny(), token_source="pixels", forward_warp=False, forward_history=2),
}


def trained_looking(config: LaPoseConfig) -> LaPose:
    """A random model whose prediction depends on its action, as an untrained one's hardly does."""
    torch.manual_seed(1)
    model = LaPose(config).eval()
    with torch.no_grad():
        for parameter in model.forward_dynamics.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        for parameter in model.pose_head.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module", params=CONFIGS)
def model(request: pytest.FixtureRequest) -> LaPose:
    return trained_looking(CONFIGS[request.param])


def clip(count: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    wide = torch.rand(3, 56, 200)
    images = torch.stack([wide[:, :, 3 * i : 3 * i + 120] for i in range(count)])
    return images, 0.2 * torch.arange(count, dtype=torch.float64)


def test_the_inferred_action_gives_the_plain_prediction(model: LaPose) -> None:
    images, times = clip()
    at = moment(model, images, times)
    out = intervene(model, at, at.action)
    plain = reconstruct(model, images, times, 5)
    assert np.array_equal(out.predicted, plain.predicted)
    assert np.array_equal(out.plain, plain.predicted)
    assert out.change.max() == 0.0
    assert out.codes_changed == 0.0
    assert out.cross_entropy == pytest.approx(plain.cross_entropy, abs=1e-5)
    assert out.motion == out.plain_motion


def test_a_sweep_of_nothing_is_the_plain_prediction_and_one_of_much_is_not(model: LaPose) -> None:
    images, times = clip()
    at = moment(model, images, times)
    [direction] = principal_directions(np.random.default_rng(0).standard_normal((30, len(at.action))), 1)
    still = intervene(model, at, torch.from_numpy(direction.moved(at.action.numpy(), 0.0)))
    assert np.array_equal(still.predicted, still.plain)
    far = intervene(model, at, torch.from_numpy(direction.moved(at.action.numpy(), 25.0)))
    assert far.codes_changed > 0.0
    assert far.motion != far.plain_motion


def test_the_zero_action_is_what_the_reconstruction_calls_without(model: LaPose) -> None:
    images, times = clip()
    at = moment(model, images, times)
    plain = reconstruct(model, images, times, 5)
    out = intervene(model, at, torch.zeros_like(at.action))
    assert out.cross_entropy == pytest.approx(plain.cross_entropy_without_action, abs=1e-5)
    assert plain.cell_explained.mean() == pytest.approx(plain.explained_by_action, abs=1e-5)


def test_the_mirrored_action_of_a_mirrored_clip_is_the_clips_own(model: LaPose) -> None:
    images, times = clip()
    own = moment(model, images, times).latents[0]
    assert torch.allclose(mirrored_actions(model, images.flip(-1), times), own, atol=1e-5)
    assert not torch.allclose(mirrored_actions(model, images, times), own, atol=1e-3)


def test_the_first_step_of_a_rollout_is_the_one_step_prediction(model: LaPose) -> None:
    images, times = clip()
    at = moment(model, images[:4], times[:4])
    actions = at.action.repeat(3, 1)
    rolled = roll_out(model, at, images[:3], times[:3], actions, times[3:6], images[3:5])
    plain = reconstruct(model, images[:4], times[:4], 2)
    assert np.array_equal(rolled.frames[0], plain.predicted)
    assert rolled.cross_entropy[0] == pytest.approx(plain.cross_entropy, abs=1e-5)
    assert np.isfinite(rolled.cross_entropy[1])
    assert np.isnan(rolled.cross_entropy[2])
    assert len(rolled.frames) == 3
    assert rolled.times.tolist() == times[3:6].tolist()


def test_later_steps_go_on_from_the_models_own_pictures(model: LaPose) -> None:
    images, times = clip()
    at = moment(model, images[:4], times[:4])
    actions = torch.stack([at.action, 2 * at.action])
    rolled = roll_out(model, at, images[:3], times[:3], actions, times[3:5], images[:0])
    with torch.inference_mode():
        first = model.vqvae.decode(model.predict_next(images[None, :4], times[None, :4], at.latents)[:, -1].argmax(-1))
        clip_ = torch.cat([images[:3], first.float().clamp(0, 1), images[4:5]])
        latents = torch.cat([at.latents[:, :-1], actions[None]], 1)
        codes = model.predict_next(clip_[None], times[None, :5], latents)[:, -1].argmax(-1)
        expected = model.vqvae.decode(codes)[0].permute(1, 2, 0).clamp(0, 1) * 255
    assert np.abs(rolled.frames[1].astype(float) - expected.numpy()).mean() < 1.0


def test_the_pose_head_reads_the_same_motion_as_the_whole_model(model: LaPose) -> None:
    images, times = clip()
    at = moment(model, images, times)
    motion = read_motion(model, at, at.action)
    with torch.inference_mode():
        estimate = model.estimate(images[None], times[None])
    assert motion.speed == pytest.approx(float(estimate.translation[0, -1].norm()) / 0.2, rel=1e-4)


def test_what_does_not_fit_is_refused(model: LaPose) -> None:
    images, times = clip()
    at = moment(model, images, times)
    with pytest.raises(ValueError, match="an action of this model"):
        intervene(model, at, torch.zeros(3))
    with pytest.raises(ValueError, match="do not fit"):
        roll_out(model, at, images, times, torch.zeros(2, len(at.action)), times[:1], images[:0])
    with pytest.raises(ValueError, match="two frames"):
        moment(model, images[:1], times[:1])
