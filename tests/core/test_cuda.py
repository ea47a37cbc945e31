"""The model, the analysis and the trainings on a graphics card, against the CPU: skipped where there is none."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from analysis_data import MemoryDrive
from test_pipeline import model_of
from test_training import panorama_clips

from lapose_core.commands.train import Posttrain, Pretrain, Vqvae
from lapose_core.device import Upload, choose_device
from lapose_core.doctor import facts, measurements
from lapose_core.geometry import rotation_angle
from lapose_core.inference.analysis import DriveAnalyzer, estimate_windows
from lapose_core.inference.compiled import compile_blocks
from lapose_core.model.config import LaPoseConfig, nano, tiny
from lapose_core.model.lapose import LaPose
from lapose_core.training.checkpoints import load_checkpoint
from lapose_core.training.settings import Posttraining, Pretraining, VqVaeTraining
from lapose_core.training.shards import write_shards

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(autouse=True)
def plain_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions in float32 too: the card's shorter floats would hide what is compared."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def clips(config: LaPoseConfig, count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    wide = torch.rand(3, config.image_height // 4, config.image_width // 2, generator=generator)
    wide = torch.nn.functional.interpolate(wide[None], scale_factor=4, mode="bilinear")[0]
    speeds = range(1, count + 1)
    images = [
        torch.stack([wide[:, :, s * t : s * t + config.image_width] for t in range(config.window)]) for s in speeds
    ]
    return torch.stack(images), torch.arange(config.window).double().expand(count, -1) * 0.2


def analyzer(model: LaPose, samples: int = 70, device: str | None = None, **options: object) -> DriveAnalyzer:
    drive = MemoryDrive(samples).drive
    return DriveAnalyzer(model, drive, 4.0, checkpoint_hash="abc", checkpoint_name="m", device=device, **options)  # type: ignore[arg-type]


def drain(run: DriveAnalyzer) -> DriveAnalyzer:
    assert len(list(run.run())) == run.analysis.n_windows
    assert not run.analysis.failed_windows
    return run


def test_the_card_is_what_auto_means() -> None:
    assert choose_device().type == "cuda"


@pytest.mark.parametrize("config", [tiny(), nano()], ids=["tiny", "nano"])
def test_in_full_precision_the_card_gives_what_the_cpu_gives(config: LaPoseConfig) -> None:
    model = model_of(config)
    images, times = clips(config)
    with torch.inference_mode():
        here = model.estimate(images, times)
        there = model.to("cuda").estimate(images.to("cuda"), times)
    for name in ("latents", "translation", "quaternion", "fov", "scale"):
        mine, others = getattr(here, name), getattr(there, name).cpu()
        assert float((mine - others).norm() / mine.norm()) < 1e-3, name


def test_in_bfloat16_poses_stay_near() -> None:
    config = nano()
    model = model_of(config)
    images, times = clips(config)
    here = estimate_windows(model, images, times)
    there = estimate_windows(model.to("cuda"), images, times)
    assert np.linalg.norm(here.latents - there.latents) / np.linalg.norm(here.latents) < 0.03
    off = here.relative[..., :3, :3].swapaxes(-1, -2) @ there.relative[..., :3, :3]
    assert np.degrees(rotation_angle(off)).max() < 0.5
    np.testing.assert_allclose(there.cross_entropy, here.cross_entropy, rtol=0.02)


def test_an_analysis_on_the_card_gives_its_windows_run_whole() -> None:
    model = model_of(tiny())
    run = drain(analyzer(model, device="cuda", batch=8))
    assert next(model.parameters()).is_cuda
    pre = run.preprocessor
    images = torch.stack([pre(image) for image in MemoryDrive(70).images])
    times = torch.from_numpy(run.analysis.times)
    whole = estimate_windows(model, images[None, :16], times[None, :16])
    # The first eight transitions are of the first window alone.
    np.testing.assert_allclose(run.analysis.latents[:7], whole.latents[0, :7], atol=0.02)


def test_no_upload_overtakes_the_buffer_it_leaves_from() -> None:
    upload = Upload(torch.device("cuda"))
    pictures = [[torch.full((3, 256, 256), float(i)) for _ in range(8)] for i in range(40)]
    heavy = torch.rand(2048, 2048, device="cuda")
    sent = []
    for images in pictures:
        heavy = heavy @ heavy / heavy.norm()  # the model is still at work on what came before
        sent.append(upload(images))
    for i, batch in enumerate(sent):
        assert batch.shape == (8, 3, 256, 256)
        assert bool((batch == i).all()), i


@pytest.fixture
def memory_limit() -> object:
    yield limit_memory
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def limit_memory(size: int) -> None:
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(size / torch.cuda.get_device_properties(0).total_memory)


def peak(batch: int) -> int:
    """Most bytes that torch took from the card during an analysis in such batches."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    drain(analyzer(model_of(nano()), device="cuda", batch=batch))
    return torch.cuda.max_memory_reserved()


def test_a_card_that_is_too_small_gets_smaller_batches(memory_limit: object) -> None:
    one, eight = peak(1), peak(8)
    assert eight > 1.5 * one
    said: list[str] = []
    run = analyzer(model_of(nano()), device="cuda", batch=8, notice=said.append)
    limit_memory((one + eight) // 2)
    drain(run)
    assert said
    assert all("too little memory" in s for s in said)
    assert 1 <= run.batch < 8
    assert next(run.model.parameters()).is_cuda
    free = drain(analyzer(model_of(nano()), device="cuda", batch=1))
    np.testing.assert_allclose(run.analysis.latents, free.analysis.latents, atol=0.1)


def test_a_card_that_holds_no_window_hands_over_to_the_cpu(memory_limit: object) -> None:
    said: list[str] = []
    run = analyzer(model_of(nano()), samples=24, device="cuda", batch=2, notice=said.append)
    limit_memory(torch.cuda.memory_reserved() + (1 << 20))
    drain(run)
    assert "goes on, slower, on the CPU" in said[-1]
    assert not next(run.model.parameters()).is_cuda
    there = drain(analyzer(model_of(nano()), samples=24))
    np.testing.assert_allclose(run.analysis.relative, there.analysis.relative, atol=1e-4)


def test_compiled_blocks_give_the_same_or_say_why_not() -> None:
    config = tiny()
    images, times = clips(config)
    model = model_of(config).to("cuda")
    plain = estimate_windows(model, images, times)
    problem = compile_blocks(model, batch=2)
    compiled = estimate_windows(model, images, times)
    assert problem == "" or "\n" not in problem
    np.testing.assert_allclose(compiled.latents, plain.latents, atol=0.05)


def test_every_stage_trains_on_the_card_goes_on_there_and_is_read_on_a_cpu(tmp_path: Path) -> None:
    data, held_out, cache = tmp_path / "train", tmp_path / "held_out", tmp_path / "cache"
    write_shards(data, panorama_clips(24, 0), {"panorama": 0}, per_file=16)
    write_shards(held_out, panorama_clips(12, 1), {"panorama": 1}, per_file=16)
    codec, first, last = tmp_path / "codec", tmp_path / "pretrained", tmp_path / "posttrained"
    Vqvae(data, held_out, codec, "tiny", VqVaeTraining(steps=6, batch=8, evaluate_every=3), "cuda").run()
    actions = Pretraining(
        steps=4, batch_frames=12, lengths=(3, 6), evaluate_every=2, evaluate_clips=8, motion_steps=10, motion_batch=16
    )
    Pretrain(codec, data, held_out, first, "tiny", actions, cache, "cuda").run()
    Pretrain(codec, data, held_out, first, "tiny", actions, cache, "cuda").run()  # nothing is left to do
    for steps, backbone in itertools.product((3,), ("frozen", "finetune")):
        out = last.with_name(f"{last.name}-{backbone}")
        head = Posttraining(steps=steps, batch=8, evaluate_every=3, backbone=backbone)  # type: ignore[arg-type]
        Posttrain(first, (data,), held_out, out, head, cache, "cuda").run()
        assert not next(load_checkpoint(out).parameters()).is_cuda


def test_doctor_tells_of_the_card_and_measures_it() -> None:
    device = facts()["device"]
    assert device["name"] == torch.cuda.get_device_name()
    assert device["bf16"] in (True, False)
    figures = measurements(2.0)
    assert not [name for name in figures if name.endswith("problem")]
    (window,) = [value for name, value in figures.items() if name.startswith("analysis window on cuda")]
    assert isinstance(window, float)
    assert window > 0
