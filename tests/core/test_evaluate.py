"""The reported table: its arithmetic, its JSON, and the model run over logs."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from analysis_data import MemoryDrive, rotation_y, winding_path
from PIL import Image

from lapose_core.cli import main
from lapose_core.commands.evaluate import Evaluate
from lapose_core.drive import Drive, LogError
from lapose_core.evaluation.baselines import constant_forward
from lapose_core.evaluation.bootstrap import interval
from lapose_core.evaluation.drives import cut_clips, predict_clips, predict_drive
from lapose_core.evaluation.evaluate import Clip, evaluate_clips, table
from lapose_core.evaluation.metrics import clip_metrics
from lapose_core.export.tum import write_tum
from lapose_core.geometry import accumulate, make_poses
from lapose_core.model.config import tiny
from lapose_core.model.lapose import LaPose
from lapose_core.training.checkpoints import save_checkpoint

TIMES = np.arange(16) / 2.0


def curve(turn: float, step: float = 2.0, n: int = 16) -> np.ndarray:
    """Poses turning ``turn`` radians right and driving ``step`` metres a transition."""
    return accumulate(make_poses(rotation_y(np.full(n - 1, turn)), np.tile([0, 0, step], (n - 1, 1))))


@pytest.fixture(scope="module")
def model() -> LaPose:
    torch.manual_seed(0)
    return LaPose(tiny()).eval()


# --- aggregation --------------------------------------------------------------------------------


def test_constant_forward_stands_beside_the_model_on_the_same_clips() -> None:
    truth = [curve(0.02), curve(0.01), curve(0.0)]
    result = evaluate_clips([Clip(t, t, TIMES) for t in truth])
    assert result.overall.model["auc5_signed"] == 100.0
    forward = [clip_metrics(constant_forward(16), t, TIMES) for t in truth]
    assert result.overall.forward["auc5_signed"] == pytest.approx(np.mean([f.auc5_signed for f in forward]))
    assert result.overall.forward["ate_m"] == pytest.approx(np.mean([f.ate_m for f in forward]))
    assert result.overall.forward["scale_error"] == pytest.approx(0.5)
    assert result.overall.skill_auc5_signed == 1.0


def test_a_model_that_has_learned_nothing_has_no_skill() -> None:
    truth = [curve(a) for a in (0.02, 0.005, 0.0)]
    result = evaluate_clips([Clip(constant_forward(16), t, TIMES) for t in truth])
    assert result.overall.skill_auc5_signed == 0.0
    assert result.overall.model["auc5_signed"] == result.overall.forward["auc5_signed"]


def test_skill_does_not_exist_where_the_baseline_is_perfect() -> None:
    straight = curve(0.0)
    result = evaluate_clips([Clip(straight, straight, TIMES)] * 3)
    assert np.isnan(result.overall.skill_auc5_signed)
    assert result.to_json()["skill_auc5_signed"] is None


def test_standing_clips_are_counted_and_do_not_enter_the_scores() -> None:
    moving, still = curve(0.02), curve(0.0, step=0.01)
    with_still = evaluate_clips([Clip(constant_forward(16), t, TIMES) for t in (moving, still)])
    without = evaluate_clips([Clip(constant_forward(16), moving, TIMES)])
    assert (with_still.overall.clips, with_still.overall.counted) == (2, 1)
    for name in ("auc5_signed", "ate_s", "scale_error", "rra5"):
        assert with_still.overall.model[name] == without.overall.model[name], name
    # ATE-M has no need of a direction: the standing clip is in it.
    assert with_still.overall.model["ate_m"] != without.overall.model["ate_m"]
    standing = with_still.regimes["standstill"]
    assert (standing.clips, standing.counted) == (1, 0)
    assert np.isnan(standing.model["auc5_signed"])


def test_every_clip_is_in_the_regimes_it_belongs_to() -> None:
    truth = [curve(0.0), curve(0.004), curve(0.1), curve(0.1), curve(0.5, step=-1.0)]
    result = evaluate_clips([Clip(t, t, TIMES) for t in truth])
    counts = {name: s.clips for name, s in result.regimes.items()}
    assert counts == {
        "straight": 1, "gentle": 1, "medium": 2, "sharp": 1, "reverse": 1,
        "acceleration low": 5, "rate 2 Hz": 5,
    }  # fmt: skip
    assert list(result.regimes)[:5] == ["straight", "gentle", "medium", "sharp", "reverse"]


def test_predictions_that_are_not_finite_are_misses_and_said_to_be() -> None:
    good, lost = curve(0.02), np.full((16, 4, 4), np.nan)
    result = evaluate_clips([Clip(good, good, TIMES), Clip(lost, good, TIMES)])
    assert result.overall.non_finite == 1
    assert result.overall.model["auc5"] == 50.0
    assert result.overall.model["ate_m"] == pytest.approx(0.0, abs=1e-9)


def test_intervals_hold_the_value_and_narrow_with_clips() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(50, 10, 400)
    low, high = interval(values, np.mean)
    # The standard error of the mean is 0.5; the 95 % interval is four of them wide.
    assert high - low == pytest.approx(4 * 10 / 20, rel=0.15)
    assert low < values.mean() < high
    assert np.isnan(interval(values[:1], np.mean)).all()
    assert interval(values, np.mean) == (low, high)


def no_nan(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in the JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_json_holds_what_the_issue_names_and_no_nan() -> None:
    rng = np.random.default_rng(1)
    clips = [Clip(winding_path(16, i), winding_path(16, i + 50), TIMES, log="a") for i in range(6)]
    clips.append(Clip(curve(0.0), curve(0.0, 0.0), TIMES, fov=rng.random(15), fov_truth=1.0))
    clips.append(Clip(np.full((16, 4, 4), np.nan), curve(0.1), TIMES))
    document = no_nan(json.dumps(evaluate_clips(clips).to_json({"rate_hz": 2.0}), allow_nan=False))
    assert document["clips"] == 8
    assert document["settings"]["rate_hz"] == 2.0
    assert "origin" in document["settings"]["ate_s_magnitude"]
    for summary in (document, *document["regimes"].values()):
        for side in ("model", "forward"):
            for name in ("auc5_signed", "auc5", "auc30_signed", "ate_s", "ate_m", "scale_error"):
                value = summary[side][name]
                assert value is None or np.isfinite(value)
        assert {"clips", "counted", "skill_auc5_signed", "intervals"} <= set(summary)
    assert document["forward"]["fov_error"] is None
    assert document["model"]["fov_error"] is not None
    assert len(document["per_clip"]) == 8
    assert document["regimes"]["standstill"]["model"]["auc5_signed"] is None


def test_the_table_is_aligned_and_dashes_what_does_not_exist() -> None:
    clips = [Clip(curve(a), curve(a), TIMES) for a in (0.0, 0.02)]
    clips.append(Clip(curve(0.0), curve(0.0, 0), TIMES))
    lines = table(evaluate_clips(clips)).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "–" in next(line for line in lines if line.startswith("standstill"))
    assert "nan" not in "".join(lines)


def test_no_clips_is_an_error() -> None:
    with pytest.raises(ValueError, match="no clips"):
        evaluate_clips([])


# --- logs ---------------------------------------------------------------------------------------


def test_clips_are_whole_windows_and_do_not_overlap() -> None:
    drive = MemoryDrive(40).drive  # 4 Hz
    frames = [plan.frames for plan in cut_clips(drive, 4.0, 16)]
    assert frames == [tuple(range(16)), tuple(range(16, 32))]
    assert [p.frames[0] for p in cut_clips(drive, 4.0, 16, stride=8)] == [0, 8, 16, 24]
    assert cut_clips(drive, 2.0, 16)[0].frames == tuple(range(0, 32, 2))


def test_a_short_log_gives_its_one_shorter_clip() -> None:
    assert [len(p.frames) for p in cut_clips(MemoryDrive(15).drive, 4.0, 16)] == [15]
    assert [len(p.frames) for p in cut_clips(MemoryDrive(4).drive, 4.0, 16)] == [4]
    assert cut_clips(MemoryDrive(3).drive, 4.0, 16) == []
    with pytest.raises(ValueError, match="stride"):
        cut_clips(MemoryDrive(20).drive, 4.0, 16, stride=0)


def test_a_drive_is_estimated_clip_by_clip(model: LaPose) -> None:
    memory = MemoryDrive(40)
    done: list[int] = []
    together = predict_drive(model, memory.drive, 4.0, batch=2, progress=done.append)
    assert sum(done) == len(together.clips) == 2
    assert all(source.closed for source in memory.sources)
    single = predict_drive(model, memory.drive, 4.0, batch=1)
    for a, b in zip(together.clips, single.clips, strict=True):
        assert (a.first_frame, a.last_frame, a.log) == (b.first_frame, b.last_frame, "memory")
        np.testing.assert_allclose(a.predicted, b.predicted, atol=1e-4)
        np.testing.assert_array_equal(a.predicted[0], np.eye(4))
    second = together.clips[1]
    assert memory.drive.poses is not None
    np.testing.assert_array_equal(second.truth, memory.drive.poses[16:32])
    np.testing.assert_array_equal(second.times, memory.drive.timestamps[16:32])
    # 120 x 56 cut from 150 x 56 pixels of focal length 80.
    assert second.fov_truth == pytest.approx(2 * np.arctan2(60, 80))
    assert evaluate_clips(together.clips).overall.clips == 2


def test_clips_that_cannot_be_used_are_counted(model: LaPose) -> None:
    memory = MemoryDrive(64, broken=frozenset({20}))
    valid = np.ones(64, bool)
    valid[63] = False
    drive = dataclasses.replace(memory.drive, pose_valid=valid)
    found = predict_drive(model, drive, 4.0, batch=3)
    assert [c.first_frame for c in found.clips] == [0, 32]
    assert found.without_truth == 1
    assert list(found.unreadable) == ["16-31"]
    assert "frame 20" in found.unreadable["16-31"]


def test_a_log_without_truth_is_named(model: LaPose) -> None:
    drive: Drive = dataclasses.replace(MemoryDrive(20).drive, poses=None, pose_valid=None)
    with pytest.raises(LogError, match="memory: the log has no ground-truth poses"):
        predict_drive(model, drive, 4.0)
    with pytest.raises(LogError, match=r"3 frames at 4 Hz are too few"):
        predict_drive(model, MemoryDrive(3).drive, 4.0)


def test_output_that_is_not_finite_loses_its_own_clip_only(model: LaPose) -> None:
    images = torch.rand(2, 6, 3, 56, 120)
    images[0, 3] = torch.nan
    broken, whole = predict_clips(model, images, np.tile(np.arange(6) / 2, (2, 1)))
    np.testing.assert_array_equal(broken[0][0], np.eye(4))
    assert np.isnan(broken[0][5]).all()
    assert np.isfinite(whole[0]).all()
    truth = curve(0.01, n=6)
    assert clip_metrics(broken[0], truth, np.arange(6) / 2).auc5_signed < 100


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A real log on disk: pictures, times and poses in a folder."""
    memory = MemoryDrive(36)
    folder = tmp_path / "log"
    folder.mkdir()
    for i, image in enumerate(memory.images):
        Image.fromarray(image).save(folder / f"{i:04d}.png")
    (folder / "times.txt").write_text("\n".join(str(t) for t in memory.drive.timestamps))
    assert memory.drive.poses is not None
    write_tum(folder / "poses.tum", memory.drive.timestamps, memory.drive.poses)
    return folder


def test_the_command_writes_what_it_prints(
    tmp_path: Path, log: Path, model: LaPose, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(model, tmp_path / "tiny")
    out = tmp_path / "out.json"
    command = Evaluate((log,), checkpoint=tmp_path / "tiny", rate=4.0, json=out, device="cpu")
    assert command.run() == 0
    document = no_nan(out.read_text())
    assert (document["clips"], document["settings"]["window"], document["settings"]["stride"]) == (2, 16, 16)
    assert document["settings"]["checkpoint"] == "tiny"
    assert document["excluded"] == {"standstill": 0, "without_truth": 0, "unreadable": 0}
    assert [entry["clips"] for entry in document["logs"]] == [2]
    assert {"model", "forward", "skill_auc5_signed", "regimes"} <= set(document)
    printed = capsys.readouterr().out
    assert f"{document['forward']['auc5_signed']:.1f}" in printed
    assert document["settings"]["checkpoint_hash"] in printed


def test_the_command_names_the_log_without_truth_before_it_runs_the_model(
    tmp_path: Path, log: Path, model: LaPose, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(model, tmp_path / "tiny")
    blind = tmp_path / "blind"
    shutil.copytree(log, blind)
    (blind / "poses.tum").unlink()
    arguments = ["evaluate", str(log), str(blind), "--checkpoint", str(tmp_path / "tiny"), "--rate", "4"]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert "blind: the log has no ground-truth poses" in said.err
    assert said.out == ""
    assert main(["evaluate", "--checkpoint", str(tmp_path / "tiny")]) == 2
    assert "name at least one log" in capsys.readouterr().err
