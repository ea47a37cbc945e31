"""The wiring of the network: who may see what, and the numbers the documentation states."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from lapose_core.model import matching
from lapose_core.model.config import ConfigError, LaPoseConfig, MatchingConfig, nano, paper, tiny
from lapose_core.model.lapose import LaPose
from lapose_core.model.motion import MotionDecoder, VelocityReadout
from lapose_core.model.pose_head import decouple, recouple
from lapose_core.model.st_transformer import attention, fused_attention, gaps
from lapose_core.model.tokenizer import cells, prepare, uncells


def plain() -> LaPoseConfig:
    """The paper's arrangement (pixels, no nano deviation) at the size of tiny."""
    return dataclasses.replace(
        tiny(),
        token_source="pixels",
        matching=None,
        action_modulation=False,
        forward_warp=False,
        forward_history=None,
        action_rate=False,
        motion_decoder=False,
        head_ranks=0,
        camera_input=False,
    )


CONFIGS = {
    "nano-like": tiny,
    "paper-like": plain,
    "uncompressed": lambda: dataclasses.replace(plain(), bottleneck=None),
}


@pytest.fixture(params=CONFIGS)
def model(request: pytest.FixtureRequest) -> LaPose:
    torch.manual_seed(0)
    model = LaPose(CONFIGS[request.param]()).eval()
    # Zero-initialised layers (modulation, warp) would hide a leak: give every weight a value.
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
    return model


def clip(model: LaPose, frames: int = 6, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    c = model.config
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(batch, frames, 3, c.image_height, c.image_width, generator=generator)
    times = torch.cumsum(0.1 + torch.rand(batch, frames, generator=generator), 1).double()
    return images, times


def differentiable_inputs(model: LaPose, images: torch.Tensor):
    """The model's inputs with the gradient to the pixels kept (``prepare`` cuts it)."""
    inputs = prepare(model.config, model.vqvae, images)
    leaves = {}
    for name in ("pixels", "features", "matches"):
        value = getattr(inputs, name)
        if value is not None:
            leaves[name] = value.detach().clone().requires_grad_()
            setattr(inputs, name, leaves[name])
    return inputs, leaves


def test_the_forward_model_learns_of_the_next_frame_through_the_action_alone(model: LaPose) -> None:
    images, times = clip(model)
    for transition in range(5):
        for detached in (True, False):
            inputs, leaves = differentiable_inputs(model, images)
            tokens, latents = model.actions(inputs, times)
            logits = model.next_codes(tokens, inputs, times, latents.detach() if detached else latents)
            logits[:, transition].square().sum().backward()
            later = [v.grad[:, transition + 1 :] for v in leaves.values() if v.grad is not None]
            assert later, "no input was reached at all"
            if detached:
                assert all((g == 0).all() for g in later)
            else:
                assert any((g != 0).any() for g in later), "the action does not reach the logits"


def test_frames_after_the_next_do_not_change_an_action(model: LaPose) -> None:
    images, times = clip(model)
    with torch.inference_mode():
        before = model.estimate(images, times).latents
        for transition in range(4):
            changed = images.clone()
            changed[:, transition + 2 :] = 1 - changed[:, transition + 2 :]
            after = model.estimate(changed, times).latents
            torch.testing.assert_close(after[:, : transition + 1], before[:, : transition + 1], rtol=0, atol=1e-6)
            assert not torch.allclose(after[:, transition + 1 :], before[:, transition + 1 :], atol=1e-6)


def test_shapes_that_are_not_the_models_are_refused(model: LaPose) -> None:
    images, times = clip(model)
    with pytest.raises(ValueError, match="are not"):
        model.estimate(images[..., :-2], times)
    with pytest.raises(ValueError, match="2 to 16 frames"):
        model.estimate(images[:, :1], times[:, :1])


def test_the_time_between_frames_matters_and_its_origin_does_not(model: LaPose) -> None:
    images, times = clip(model)
    with torch.inference_mode():
        a = model.estimate(images, times).latents
        torch.testing.assert_close(model.estimate(images, times + 1000).latents, a, rtol=0, atol=1e-5)
        assert not torch.allclose(model.estimate(images, times * 2).latents, a, atol=1e-5)


def test_paper_has_the_documented_parameters_and_shapes() -> None:
    config = paper()
    with torch.device("meta"):
        model = LaPose(config)
        images = torch.empty(1, 16, 3, 448, 960)
        times = torch.empty(1, 16, dtype=torch.float64)
    count = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("vqvae."))
    assert f"{count:,}" in (paper.__doc__ or "")
    inputs = model.inputs(images)
    tokens, latents = model.actions(inputs, times)
    logits = model.next_codes(tokens, inputs, times, latents)
    assert tokens.shape == (1, 16, 105, 1536)
    assert latents.shape == (1, 15, 50)
    assert logits.shape == (1, 15, 28, 60, 4096)
    output = model.pose_head(latents, times)
    (logits.mean() + output.translation.mean() + output.log_scale.mean()).backward()
    missing = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not missing
    assert not [n for n, p in model.vqvae.named_parameters() if p.requires_grad]
    assert config.tokenizer_depth == 12
    assert config.forward_head_depth == 4
    assert paper(None).latent_dim == 1536


def test_paper_uses_no_nano_deviation() -> None:
    default = LaPoseConfig()
    deviations = (
        "token_source", "matching", "action_modulation", "forward_warp", "forward_history", "action_rate",
        "motion_decoder", "head_ranks",
    )  # fmt: skip
    for name in deviations:
        assert getattr(paper(), name) == getattr(default, name)
        assert getattr(nano(), name) != getattr(default, name)


@pytest.mark.parametrize("config", [paper(), paper(None), nano(), tiny()])
def test_configurations_survive_json(config: LaPoseConfig) -> None:
    import json

    assert LaPoseConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_impossible_configurations_are_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of patch"):
        LaPoseConfig(image_width=250)
    with pytest.raises(ConfigError, match="unexpected"):
        LaPoseConfig.from_dict({"depth_of_the_ocean": 3})


def test_scale_decoupling_round_trips_and_divides_by_one_metre_at_the_least() -> None:
    generator = torch.Generator().manual_seed(0)
    for length in (0.02, 0.7, 1.0, 5.0, 30.0):
        translation = length * torch.nn.functional.normalize(torch.randn(3, 15, 3, generator=generator), dim=-1)
        normal, log_scale = decouple(translation)
        torch.testing.assert_close(recouple(normal, log_scale), translation, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(log_scale.exp(), torch.full((3,), length), rtol=1e-4, atol=1e-6)
        expected = 1.0 if length >= 1 else length
        torch.testing.assert_close(normal.norm(dim=-1).mean(-1), torch.full((3,), expected), rtol=1e-4, atol=1e-6)
    _, standing = decouple(torch.zeros(1, 15, 3))
    assert torch.isfinite(standing).all()


def test_cells_and_their_inverse_keep_every_code_in_its_place() -> None:
    features = torch.arange(2 * 3 * 5 * 4 * 6).view(2, 3, 5, 4, 6).float()  # [B, T, C, h, w]
    grouped = cells(features, 2)
    assert grouped.shape == (2, 3, 6, 4, 5)
    # Token 4 of a 2 x 3 grid is row 1, column 1: code rows 2-3, columns 2-3.
    torch.testing.assert_close(grouped[0, 0, 4, 1], features[0, 0, :, 2, 3])
    torch.testing.assert_close(uncells(grouped, 4, 6, 2).permute(0, 1, 4, 2, 3), features)


@pytest.mark.parametrize("lead", [(2, 3), (4, 2, 3)], ids=["frames", "frames of clips"])
@pytest.mark.parametrize("queries", [7, 1])
def test_written_out_attention_is_the_fused_one(lead: tuple[int, ...], queries: int) -> None:
    generator = torch.Generator().manual_seed(0)
    # As the blocks make them: the axes of heads and tokens change places in memory.
    q, k, v = (torch.randn(*lead[:-1], 7, lead[-1], 8, generator=generator).transpose(-2, -3) for _ in range(3))
    q = q[..., -queries:, :]
    mask = torch.ones(7, 7, dtype=torch.bool).tril()[-queries:]
    for m in (None, mask):
        expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=m)
        for form in (attention, fused_attention):
            torch.testing.assert_close(form(q, k, v, m), expected, rtol=1e-5, atol=1e-6)


def test_matching_finds_a_known_shift_to_a_fraction_of_a_pixel() -> None:
    config = MatchingConfig()
    generator = torch.Generator().manual_seed(0)
    scene = torch.rand(1, 3, 112 + 40, 240 + 120, generator=generator)
    for _ in range(2):
        scene = torch.nn.functional.avg_pool2d(scene, 5, stride=1, padding=2)
    scene = (scene - scene.min()) / (scene.max() - scene.min())
    for right, down in ((0, 0), (8, 4), (-24, -8), (21, 1), (6, 2), (-3, -3)):
        first = scene[:, :, 20:132, 60:300]
        second = 0.8 * scene[:, :, 20 - down : 132 - down, 60 - right : 300 - right]  # content moves; it gets darker
        found = matching.match_clip(torch.stack([first, second], 1), config)
        middle = found[0, 1, 3:-3, 5:-5]
        u = middle[..., 0] * config.search_columns * config.stride
        v = middle[..., 1] * config.search_rows * config.stride
        good = ((u + right).abs() < 0.5) & ((v + down).abs() < 0.5)
        assert good.float().mean() > 0.7, (right, down)
        assert (found[0, 0] == 0).all()


@pytest.mark.parametrize("config", [nano(), tiny()], ids=["nano", "tiny"])
def test_the_loop_that_describes_an_image_does_what_pytorch_does(config: LaPoseConfig) -> None:
    assert config.matching is not None
    images = torch.rand(2, 3, config.image_height, config.image_width, generator=torch.Generator().manual_seed(0))
    images[1, :, :40] = 0.7  # a sky without contrast
    found, expected = (matching.descriptors(x, config.matching) for x in (images, images.double()))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_mirrored_matches_are_the_matches_of_mirrored_images() -> None:
    config = nano()
    assert config.matching is not None
    images = torch.rand(1, 2, 3, config.image_height, config.image_width, generator=torch.Generator().manual_seed(3))
    images = F.avg_pool2d(images.flatten(0, 1), 9, stride=1, padding=4).unflatten(0, (1, 2))
    images[:, 1] = images[:, 0].roll(5, -1)
    per_token = config.patch // config.matching.cell
    seen, in_mirror = (
        matching.by_token(matching.match_clip(x, config.matching), per_token) for x in (images, images.flip(-1))
    )
    mirrored = matching.mirror(seen, config.token_grid[1])
    inner = mirrored.view(1, 2, *config.token_grid, -1)[:, 1, 1:-1, 2:-2]
    expected = in_mirror.view(1, 2, *config.token_grid, -1)[:, 1, 1:-1, 2:-2]
    assert (inner - expected).abs().median() < 0.01
    assert (inner - expected).abs().mean() < 0.05
    torch.testing.assert_close(matching.mirror(mirrored, config.token_grid[1]), seen)


def test_one_motion_has_one_velocity_at_every_frame_rate() -> None:
    torch.manual_seed(0)
    readout = VelocityReadout(tokens=4, before=5, width=8)
    with torch.no_grad():
        readout.weigh[0].bias.zero_()  # type: ignore[operator]
        readout.weigh[2].bias.zero_()  # type: ignore[operator]
        readout.gather.bias.zero_()
        readout.gap.weight.zero_()
        readout.gap.bias.zero_()
        readout.weigh[1] = torch.nn.Identity()
    matches = torch.randn(1, 3, 4, 5)
    slow = readout(matches, torch.full((1, 3), 0.1))
    fast = readout(3 * matches, torch.full((1, 3), 0.3))
    torch.testing.assert_close(slow, fast)
    assert not readout(matches, torch.zeros(1, 3)).any(), "without a frame before there is no velocity"


def test_the_decoder_keeps_saying_the_same_when_actions_change_their_unit() -> None:
    torch.manual_seed(0)
    decoder = MotionDecoder(tokens=4, cells=2, actions=6)
    actions, gap = torch.randn(2, 3, 6), torch.rand(2, 3) + 0.1
    before = decoder(actions, gap)
    mean, spread = torch.randn(6), torch.rand(6) + 0.5
    decoder.follow(mean, spread)
    torch.testing.assert_close(decoder((actions - mean) / spread, gap), before)
    torch.testing.assert_close(decoder(actions, 2 * gap), 2 * decoder(actions, gap))


def test_gaps_start_with_zero() -> None:
    assert gaps(torch.tensor([[3.0, 3.5, 4.5]], dtype=torch.float64)).tolist() == [[0.0, 0.5, 1.0]]
