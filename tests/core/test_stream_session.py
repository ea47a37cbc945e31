"""One frame at a time says what the whole clip says."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from test_model import CONFIGS, clip

from lapose_core.model import stream_layers, streaming
from lapose_core.model.config import LaPoseConfig, nano, tiny
from lapose_core.model.lapose import LaPose, WindowEstimate

ALL = {
    **CONFIGS,
    "matches without a rate": lambda: dataclasses.replace(tiny(), action_rate=False, motion_decoder=False),
    "codec alone": lambda: dataclasses.replace(
        tiny(), matching=None, action_rate=False, motion_decoder=False, head_ranks=0
    ),
    "a short window": lambda: dataclasses.replace(tiny(), window=4),
    "nano": nano,
}


def with_all_weights(config: LaPoseConfig) -> LaPose:
    """No weight, mean or spread stands at the 0 or 1 with which training begins."""
    torch.manual_seed(0)
    model = LaPose(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
        for name in ("action", "latent"):
            part = model.inverse_dynamics if name == "action" else model.pose_head
            getattr(part, f"{name}_mean").normal_()
            part.get_buffer("action_spread" if name == "action" else "latent_scale").uniform_(0.5, 2)
    return model


@pytest.fixture(params=ALL)
def model(request: pytest.FixtureRequest) -> LaPose:
    return with_all_weights(ALL[request.param]())


def assert_same(found: WindowEstimate | None, expected: WindowEstimate) -> None:
    assert found is not None
    for field in dataclasses.fields(expected):
        ours, theirs = getattr(found, field.name), getattr(expected, field.name)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5, msg=lambda m, name=field.name: f"{name}: {m}")


def test_a_stream_agrees_with_the_batch(model: LaPose) -> None:
    images, times = clip(model, frames=model.config.window, batch=1)
    session = model.stream()
    with torch.inference_mode():
        assert session.push(images[0, 0], float(times[0, 0])) is None
        for n in range(2, model.config.window + 1):
            streamed = session.push(images[0, n - 1], float(times[0, n - 1]))
            assert_same(streamed, model.estimate(images[:, :n], times[:, :n]))


@pytest.mark.parametrize("camera", [(1.1, 1.7), (1.1, float("nan")), (float("nan"), 1.2)])
def test_a_known_camera_is_told_to_a_stream_as_to_the_batch(camera: tuple[float, float]) -> None:
    model = with_all_weights(tiny())
    images, times = clip(model, batch=1)
    known = torch.tensor([camera])
    session = model.stream(known)
    with torch.inference_mode():
        for image, time in zip(images[0], times[0].tolist()):
            streamed = session.push(image, time)
        assert_same(streamed, model.estimate(images, times, known))
        assert not torch.equal(streamed.translation, model.estimate(images, times).translation)


def test_what_a_cpu_does_by_loops_of_its_own_pytorch_does_alike(model: LaPose, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card, which has no such loops, runs what PyTorch has."""
    images, times = clip(model, frames=model.config.window + 2, batch=1)
    ours = model.stream()
    with monkeypatch.context() as patch:
        for module in (stream_layers, streaming):
            patch.setattr(module, "has_kernels", lambda x: False)
        theirs = model.stream()
    for image, time in zip(images[0], times[0].tolist()):
        found, expected = ours.push(image, time), theirs.push(image, time)
        if expected is not None:
            assert_same(found, expected)


def test_past_the_window_an_action_depends_on_the_last_frames_of_the_window(model: LaPose) -> None:
    window = model.config.window
    images, times = clip(model, frames=2 * window + 3, batch=1)
    session = model.stream()
    for image, time in zip(images[0], times[0].tolist()):
        streamed = session.push(image, time)
    for block in model.inverse_dynamics.blocks:
        block.history = window
    with torch.inference_mode():
        _, latents = model.actions(model.inputs(images), times)
    assert streamed is not None
    torch.testing.assert_close(streamed.latents, latents[:, 1 - window :], rtol=0, atol=1e-5)
    with torch.inference_mode():
        expected = model.pose(latents[:, 1 - window :], times[:, -window:])
    assert_same(streamed, expected)


def test_a_stream_goes_on_at_constant_size_and_late_hours(model: LaPose) -> None:
    images, _ = clip(model, frames=8, batch=1)
    window = model.config.window
    results, sizes = [], []
    for origin in (0.0, 36_000.0):
        session = model.stream()
        out = None
        for i in range(window + 12):
            out = session.push(images[0, i % 8], origin + 0.25 * i)
            if i >= window:
                sizes.append(session.nbytes)
        assert out is not None
        assert out.latents.shape[1] == window - 1
        results.append(out)
    assert len(set(sizes)) == 1
    # Ten hours later the same frames mean the same: only differences of time are seen.
    torch.testing.assert_close(results[0].translation, results[1].translation, rtol=0, atol=1e-4)


def test_two_streams_of_one_model_do_not_hear_each_other(model: LaPose) -> None:
    images, times = clip(model, frames=4, batch=2)
    sessions = model.stream(), model.stream()
    for i in range(4):
        streamed = [session.push(images[k, i], float(times[k, i])) for k, session in enumerate(sessions)]
    with torch.inference_mode():
        for k, found in enumerate(streamed):
            assert_same(found, model.estimate(images[k : k + 1], times[k : k + 1]))


def test_what_a_stream_has_said_stays_as_it_was() -> None:
    model = with_all_weights(tiny())
    images, times = clip(model, batch=1)
    session = model.stream()
    said = [session.push(image, time) for image, time in zip(images[0], times[0].tolist())]
    with torch.inference_mode():
        for n, found in enumerate(said[1:], 2):
            assert_same(found, model.estimate(images[:, :n], times[:, :n]))


def test_what_is_not_finite_does_not_come_out_as_a_pose() -> None:
    model = with_all_weights(tiny())
    images, times = clip(model, batch=1)
    images[0, 2, 0, 5, 5] = float("nan")
    session = model.stream()
    for image, time in zip(images[0, :3], times[0, :3].tolist()):
        said = session.push(image, time)
    assert said is not None
    assert not said.translation[0, -1].isfinite().any()
    assert not said.quaternion[0, -1].isfinite().any()


def test_a_stream_runs_where_its_model_is() -> None:
    """A device without memory computes no values, but no tensor of another may meet its own."""
    config = tiny()
    session = LaPose(config).eval().to("meta").stream(torch.tensor([[1.1, float("nan")]]))
    for i in range(config.window + 2):
        said = session.push(torch.empty(3, config.image_height, config.image_width, device="meta"), 0.2 * i)
    assert said is not None
    assert said.translation.device.type == "meta"
    assert said.translation.shape == (1, config.window - 1, 3)


def test_a_stream_refuses_time_that_stands_still_and_foreign_images() -> None:
    model = with_all_weights(tiny())
    images, times = clip(model, batch=1)
    session = model.stream()
    session.push(images[0, 0], 1.0)
    with pytest.raises(ValueError, match="does not come after"):
        session.push(images[0, 1], 1.0)
    with pytest.raises(ValueError, match="is not"):
        session.push(images[0, 1, :, :-1], 2.0)
    # What was refused left nothing behind.
    for image, time in zip(images[0, 1:], (times[0, 1:] - times[0, 0] + 1).tolist()):
        streamed = session.push(image, time)
    with torch.inference_mode():
        assert_same(streamed, model.estimate(images, times - times[0, 0] + 1))
