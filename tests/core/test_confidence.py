"""Checks of an analysed drive, the reference of training latents, and the calibrated confidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from analysis_data import MemoryDrive, empty_analysis, rotation_y, windows_of

from lapose_core.cli import main
from lapose_core.evaluation.confidence import auroc, fit, quality
from lapose_core.evaluation.confidence_data import Measured
from lapose_core.geometry import accumulate, make_poses
from lapose_core.inference.analysis import DriveAnalyzer
from lapose_core.inference.checking import DriveChecker
from lapose_core.inference.checks import Checks
from lapose_core.inference.checks_file import CHECKS
from lapose_core.inference.confidence import (
    CONFIDENCE,
    PARTS,
    SIGNS,
    ConfidenceModel,
    load_confidence,
    pose_errors,
    signs,
)
from lapose_core.inference.explain import attention, sensitivity, window_of
from lapose_core.inference.latent_reference import REFERENCE, LatentReference, load_reference
from lapose_core.inference.store import read_result, write_result
from lapose_core.model.config import tiny
from lapose_core.model.lapose import LaPose
from lapose_core.training.checkpoints import checkpoint_hash, load_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def model() -> LaPose:
    torch.manual_seed(3)
    return LaPose(tiny()).eval()


def analysed(model: LaPose, memory: MemoryDrive) -> DriveAnalyzer:
    analyzer = DriveAnalyzer(model, memory.drive, 4.0, checkpoint_hash="fedcba98", checkpoint_name="tiny")
    for _ in analyzer.run():
        pass
    return analyzer


def test_checks_are_those_of_the_clip_looked_at_again(model: LaPose) -> None:
    memory = MemoryDrive(40)
    analyzer = analysed(model, memory)
    analysis = analyzer.analysis
    checker = DriveChecker(model, memory.drive, analysis)
    assert sum(look is not None for look in checker.steps()) == 2  # two blocks of 30 and 9 transitions
    checks = checker.checks
    for name in ("reversal_rotation", "reversal_translation", "rate_rotation", "blind_cross_entropy", "luminance"):
        values = getattr(checks, name)
        assert np.isfinite(values[: len(values) - 1]).all(), name
    images = torch.stack([analyzer.preprocessor(image) for image in memory.images[:16]])
    times = torch.from_numpy(analysis.times[:16])
    with torch.inference_mode():
        back = model.estimate(images.flip(0)[None], (times[-1] - times.flip(0))[None], analysis.camera.tensor())
        blind = model.predict_next(images[None], times[None], torch.zeros(1, 15, model.config.latent_dim))
        codes = model.vqvae.encode(images[None])[:, 1:]
        loss = torch.nn.functional.cross_entropy(blind.flatten(0, -2), codes.flatten(), reduction="none").view(15, -1)
    step = back.translation[0].numpy()[::-1]  # of frame t + 1 -> t, in the order of t
    closed = analysis.relative[:15, :3, 3] + np.einsum("nij,nj->ni", analysis.relative[:15, :3, :3], step)
    assert checks.reversal_translation[:15] == pytest.approx(np.linalg.norm(closed, axis=1), abs=1e-4)
    assert checks.blind_cross_entropy[:15] == pytest.approx(loss.mean(1).numpy(), abs=1e-3)
    assert checks.luminance[0] == pytest.approx(
        float(torch.einsum("chw,c->hw", images[0], torch.tensor([0.299, 0.587, 0.114])).mean()), abs=1e-5
    )


def test_checks_that_were_broken_off_go_on_where_they_stopped(model: LaPose) -> None:
    memory = MemoryDrive(70)
    analysis = analysed(model, memory).analysis
    whole = DriveChecker(model, memory.drive, analysis)
    for _ in whole.steps():
        pass
    first = DriveChecker(model, memory.drive, analysis)
    run = first.steps()
    next(look for look in run if look is not None)
    run.close()
    analysis.assess(first.checks, None)
    rest = DriveChecker(model, memory.drive, analysis)
    assert [block.start for block in rest.pending()] == [30, 60]
    assert [look.start for look in rest.steps() if look is not None] == [30, 60]
    assert rest.pending() == []
    assert rest.checks.blind_cross_entropy == pytest.approx(whole.checks.blind_cross_entropy, nan_ok=True)
    assert rest.checks.rate_rotation == pytest.approx(whole.checks.rate_rotation, nan_ok=True)


def test_a_frame_that_cannot_be_read_costs_its_block_alone(model: LaPose) -> None:
    memory = MemoryDrive(70, broken=frozenset({40}))
    analysis = analysed(model, memory).analysis
    checker = DriveChecker(model, memory.drive, analysis)
    for _ in checker.steps():
        pass
    assert checker.checks.seen[:30].all()
    assert not checker.checks.seen[30:60].any()
    assert checker.checks.seen[60:].all()
    assert memory.sources[-1].closed


def test_checks_and_confidence_are_stored_beside_the_result(tmp_path: Path) -> None:
    analysis = empty_analysis(20)
    analysis.merge_all(windows_of(analysis, accumulate(make_poses(rotation_y(np.zeros(19)), np.ones((19, 3))))))
    checks = Checks.unknown(20)
    checks.luminance[:] = np.linspace(0, 1, 20)
    checks.reversal_rotation[3] = 0.25
    analysis.assess(checks, np.linspace(0, 1, 19))
    write_result(analysis, tmp_path)
    again = read_result(tmp_path)
    assert again.checks is not None
    assert again.checks.luminance == pytest.approx(checks.luminance)
    assert again.checks.reversal_rotation[3] == 0.25
    assert np.isnan(again.checks.reversal_rotation[4])
    assert again.confidence == pytest.approx(np.linspace(0, 1, 19))
    (tmp_path / CHECKS).write_bytes(b"no table")
    assert read_result(tmp_path).checks is None
    with pytest.raises(ValueError, match="samples"):
        analysis.assess(Checks.unknown(19), None)


def test_errors_count_a_standing_car_that_is_said_to_move() -> None:
    truth = accumulate(make_poses(rotation_y(np.zeros(15)), np.r_[[[0, 0, 0]] * 2, [[0, 0, 2.0]] * 13]))
    steps = np.r_[[[0, 0, 0.05]], [[0, 0, 0.5]], [[0, 0, 2.0]] * 12, [[0, 0, -2.0]]]
    analysis = empty_analysis(16, truth=truth)
    analysis.merge_all(windows_of(analysis, accumulate(make_poses(rotation_y(np.zeros(15)), steps))))
    errors = pose_errors(analysis)
    assert errors[0] == pytest.approx(0.0, abs=1e-6)
    assert errors[1] == pytest.approx(180.0)
    assert errors[2:14] == pytest.approx(0.0, abs=1e-6)
    assert errors[14] == pytest.approx(180.0)
    assert np.isnan(pose_errors(empty_analysis(16))).all()


def test_signs_are_all_there_and_unknown_where_nothing_is_analysed(model: LaPose) -> None:
    memory = MemoryDrive(20)
    analysis = analysed(model, memory).analysis
    found = signs(analysis, Checks.unknown(20), None)
    assert set(found) == set(SIGNS)
    assert np.isfinite(found["speed"]).all()
    assert np.isnan(found["training distance"]).all()
    assert np.isnan(found["reversal rotation"]).all()


def measured(seed: int, drives: int = 30, per_drive: int = 40) -> Measured:
    """Errors that grow with two of the signs and with nothing else."""
    rng = np.random.default_rng(seed)
    n = drives * per_drive
    values = {name: rng.normal(size=n) for name in SIGNS}
    trouble = np.abs(values["reversal rotation"]) + np.maximum(values["training distance"], 0)
    values["window rotation"][rng.random(n) < 0.3] = np.nan  # not known everywhere
    return Measured(values, np.exp(2 * trouble + rng.normal(size=n)), np.repeat(np.arange(drives), per_drive))


def test_calibration_finds_what_goes_with_the_error_and_says_how_sure_it_is() -> None:
    model = fit(measured(0), "abc")
    found = quality(model, measured(1))
    assert found.auroc > 0.85
    assert found.interval[0] < found.auroc < found.interval[1]
    assert found.bad_share == pytest.approx(found.expected_share, abs=0.03)  # calibrated on drives like these
    assert all(abs(said - true) < 0.15 for said, true, _ in found.bins)
    assert found.risk[-1] == pytest.approx(0.1, abs=0.01)
    assert found.risk[0] <= 0.02
    assert (found.oracle <= found.risk + 1e-9).all()
    without = quality(fit(measured(0), "abc", tuple(n for n in SIGNS if n != "reversal rotation")), measured(1))
    assert without.auroc < found.auroc - 0.05


def test_parts_that_carry_nothing_are_left_out_and_cost_nothing() -> None:
    every, chosen = fit(measured(0), "abc"), fit(measured(0), "abc", choose=True)
    parts = {part for part, names in PARTS.items() if set(names) & set(chosen.weights)}
    assert {"time reversal", "distance to training"} <= parts
    assert len(parts) < len(PARTS) - 2
    assert quality(chosen, measured(1)).auroc > quality(every, measured(1)).auroc - 0.01
    assert set(chosen.contributions(measured(1).values)) == parts


def test_contributions_add_up_to_the_confidence_and_are_nil_where_all_is_usual() -> None:
    data = measured(0)
    model = fit(data, "abc")
    parts = model.contributions(data.values)
    assert set(parts) == set(PARTS)
    odds = model.bias + sum(parts.values())
    confidence = model.confidence(data.values, np.ones(len(data), bool))
    assert confidence == pytest.approx(1 / (1 + np.exp(odds)))
    unknown = {name: np.full(3, np.nan) for name in SIGNS}
    assert np.isnan(model.confidence(unknown, np.array([True, False, False]))[1:]).all()
    assert sum(model.contributions(unknown).values()) == pytest.approx(np.zeros(3))


def test_too_few_drives_cannot_calibrate() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit(measured(0, drives=4), "abc")


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    score, bad = np.array([3.0, 1.0, 2.0, 2.0, 0.0]), np.array([True, False, True, False, False])
    pairs = [(1.0 if b > g else 0.5 if b == g else 0.0) for b in score[bad] for g in score[~bad]]
    assert auroc(score, bad) == pytest.approx(np.mean(pairs))
    assert np.isnan(auroc(score, np.zeros(5, bool)))


def test_another_checkpoint_is_not_calibrated(tmp_path: Path) -> None:
    assert load_confidence(tmp_path, "abc") is None
    model = fit(measured(0), "abc")
    model.save(tmp_path / CONFIDENCE, {"drives": 30})
    again = load_confidence(tmp_path, "abc")
    assert isinstance(again, ConfidenceModel)
    data = measured(2)
    known = np.ones(len(data), bool)
    assert again.confidence(data.values, known) == pytest.approx(model.confidence(data.values, known))
    assert load_confidence(tmp_path, "def") is None
    (tmp_path / CONFIDENCE).write_text('{"format": "something else"}')
    with pytest.raises(ValueError, match="run 'lapose confidence' again"):
        load_confidence(tmp_path, "abc")


def test_nearest_training_latents(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(50, 8)).astype(np.float32) * np.arange(1, 9, dtype=np.float32)
    zeros = np.zeros(50, np.float32)
    reference = LatentReference("abc", latents, np.zeros((50, 3), np.float32), zeros, zeros + 0.2, np.arange(50))
    distance, index = reference.nearest(latents[[7, 30]] + 1e-4, 3)
    assert index[:, 0].tolist() == [7, 30]
    assert distance[:, 0] == pytest.approx([0, 0], abs=1e-2)
    assert (np.diff(distance, axis=1) >= 0).all()
    reference.save(tmp_path / REFERENCE)
    again = load_reference(tmp_path, "abc")
    assert again is not None
    assert again.latents == pytest.approx(latents, rel=1e-3)
    assert load_reference(tmp_path, "def") is None


def test_attention_is_that_of_the_query_in_both_frames(model: LaPose) -> None:
    memory = MemoryDrive(12)
    analyzer = analysed(model, memory)
    images = torch.stack([analyzer.preprocessor(image) for image in memory.images[:6]])
    found = attention(model, images, torch.from_numpy(analyzer.analysis.times[:6]))
    assert found.weights.shape == (2, *model.config.token_grid)
    assert found.weights.sum((1, 2)) + found.self_share == pytest.approx([1, 1])
    assert found.pictures[0].shape == (model.config.image_height, model.config.image_width, 3)
    # The hook is gone: another clip does not change what was found.
    before = found.weights.copy()
    attention(model, images[:3], torch.from_numpy(analyzer.analysis.times[:3]))
    assert np.array_equal(before, found.weights)


def test_sensitivity_is_what_the_head_says_without_one_action(model: LaPose) -> None:
    memory = MemoryDrive(40)
    analysis = analysed(model, memory).analysis
    found = sensitivity(model, analysis, 20)
    window = window_of(analysis, 20)
    assert found.first + found.at == 20
    assert abs(found.at - 7) <= 4  # the window that has it nearest to its middle
    j = 3
    latents = torch.from_numpy(analysis.latents[window.start : window.stop])
    without = latents.clone()
    without[j] = torch.cat([latents[:j], latents[j + 1 :]]).mean(0)
    times = torch.from_numpy(analysis.times[window.start : window.stop + 1])[None]
    with torch.inference_mode():
        a, b = (model.pose(x[None], times).translation[0, found.at] for x in (latents, without))
    assert found.translation[j] == pytest.approx(float((a - b).norm()), abs=1e-5)
    with pytest.raises(ValueError, match="analysed"):
        sensitivity(model, empty_analysis(40), 5)


@pytest.mark.timeout(600)
def test_one_command_calibrates_and_writes_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(3)
    folder, work = tmp_path / "tiny", tmp_path / "work"
    save_checkpoint(LaPose(tiny()), folder)
    arguments = ["confidence", "--checkpoint", str(folder), "--work", str(work), "--report", str(tmp_path / "c.md")]
    arguments += ["--drives", "5", "--held-out", "2", "--training", "2", "--device", "cpu"]
    assert main(arguments) == 0
    digest = checkpoint_hash(folder)
    assert load_confidence(folder, digest) is not None
    reference = load_reference(folder, digest)
    assert reference is not None
    assert len(reference.latents) == 30
    text = (tmp_path / "c.md").read_text()
    assert digest in text
    assert all(part in text for part in PARTS)
    assert "94 of 2 others" in text
    assert ("field of view and height known" in text) == tiny().camera_input
    for picture in ("c_quality.png", "c_parts.png"):
        assert (tmp_path / picture).stat().st_size > 5000
    # What was seen is kept: with another pose head nothing is rendered or encoded again.
    kept = {p: p.stat().st_mtime_ns for p in work.rglob("*.safetensors")}
    other = LaPose(tiny())
    other.load_state_dict(load_checkpoint(folder).state_dict())
    torch.nn.init.normal_(other.pose_head.motion.weight, std=0.1)
    save_checkpoint(other, folder)
    assert main(arguments) == 0
    assert {p: p.stat().st_mtime_ns for p in work.rglob("*.safetensors")} == kept
    assert checkpoint_hash(folder) != digest
    assert load_confidence(folder, digest) is None
    # And an analysis of a drive has it.
    capsys.readouterr()
    assert main(["synth", "--out", str(tmp_path / "drives"), "--size", "120x56", "--seconds", "4", "--seed", "9"]) == 0
    (log,) = (tmp_path / "drives").iterdir()
    analyse = ["analyze", str(log), "--checkpoint", str(folder), "--out", str(tmp_path / "out"), "--rate", "10"]
    assert main([*analyse, "--confidence", "--device", "cpu"]) == 0
    assert "confidence       median" in capsys.readouterr().out
    stored = read_result(tmp_path / "out")
    assert stored.checks is not None
    assert np.isfinite(stored.confidence).all()


def test_the_bundled_checkpoint_is_calibrated() -> None:
    folder = Path(__file__).parents[2] / "resources" / "nano"
    digest = checkpoint_hash(folder)
    assert load_confidence(folder, digest) is not None, "another checkpoint was bundled: run 'lapose confidence'"
    reference = load_reference(folder, digest)
    assert reference is not None
    assert np.isfinite(reference.latents).all()
    assert (folder / REFERENCE).stat().st_size < 500_000
