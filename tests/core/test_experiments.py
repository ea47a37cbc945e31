"""`lapose experiments`, run through at toy size, and what its figures rest on."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lapose_core.cli import main
from lapose_core.drive import LogError
from lapose_core.evaluation.baselines import constant_forward
from lapose_core.evaluation.evaluate import Clip, evaluate_clips
from lapose_core.experiments.catalogue import EXPERIMENTS
from lapose_core.experiments.context import DOMAIN_SEED, TEST_SEED, Context, Unavailable
from lapose_core.experiments.headline import clip_drive
from lapose_core.experiments.heads import short_training, train_head
from lapose_core.experiments.label_efficiency import crossing
from lapose_core.experiments.out_of_domain import labelled
from lapose_core.experiments.record import Experiment, dumps, key, measure, plain, remembered
from lapose_core.experiments.results import read_results, write_results
from lapose_core.experiments.sections import SECTIONS, TITLES
from lapose_core.experiments.sizes import Sizes, toy_sizes
from lapose_core.experiments.targets import Target, all_targets
from lapose_core.experiments.time_reversal import consistency
from lapose_core.experiments.worlds import Scene, each, known_world, known_worlds, rate_shards, scene_clip, unseen_split
from lapose_core.geometry import invert, make_poses
from lapose_core.synth import SynthConfig, SyntheticDrive
from lapose_core.training.checkpoints import load_checkpoint
from lapose_core.training.shards import Shards

# Everything at toy size takes a minute of a quiet core and many of a busy one.
pytestmark = pytest.mark.timeout(1800)

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
WITHOUT_SHARED = {"kitti", "motion_statistics"}
SIZE = (120, 56)


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that `lapose experiments run --quick` has written, without the real drives."""
    out = tmp_path_factory.mktemp("experiments")
    assert run(out) == 0
    return out


def run(out: Path, *more: str, shared: Path = Path("nowhere")) -> int:
    return main(["experiments", "run", "--quick", "--out", str(out), "--shared", str(shared), *more])


def report(*arguments: str | Path) -> int:
    return main(["experiments", "report", *map(str, arguments)])


@pytest.fixture
def context(quick: Path) -> Context:
    device = torch.device("cpu")
    return Context(quick / "runs", quick / "shards", quick, quick / "cache", None, device, toy_sizes(), toy=True)


def record(quick: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((quick / f"{name}.json").read_text())
    return found


def test_every_experiment_writes_its_rows(quick: Path) -> None:
    assert {e.name for e in EXPERIMENTS} == set(TITLES) == set(SECTIONS)
    for name in set(TITLES) - WITHOUT_SHARED:
        found = record(quick, name)
        assert found["rows"], name
        assert found["settings"], name
        assert found["seconds"] > 0, name
        assert found["toy"] is True
    assert not any((quick / f"{name}.json").exists() for name in WITHOUT_SHARED)


def test_a_second_run_skips_what_is_there(quick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in quick.glob("*.json")}
    assert run(quick) == 0
    printed = capsys.readouterr().out
    assert printed.count("is up to date") == len(EXPERIMENTS) - len(WITHOUT_SHARED)
    assert "written" not in printed
    for name in WITHOUT_SHARED:
        assert f"{name}: not run, for want of" in printed
    assert {path.name: path.stat().st_mtime_ns for path in quick.glob("*.json")} == before


def test_an_experiment_runs_again_when_a_setting_changes(context: Context, tmp_path: Path) -> None:
    context = dataclasses.replace(context, out=tmp_path)
    runs = []

    def run_once(context: Context) -> dict[str, Any]:
        runs.append(context.sizes.test_clips)
        return {"rows": []}

    experiment = Experiment("counted", lambda c: {"clips": c.sizes.test_clips}, run_once)
    assert measure(experiment, context)
    assert not measure(experiment, context)
    more = dataclasses.replace(context, sizes=dataclasses.replace(context.sizes, test_clips=99))
    assert measure(experiment, more)
    assert runs == [context.sizes.test_clips, 99]
    (tmp_path / "counted.json").write_text("{")  # as an interruption would leave it, were it not written whole
    assert measure(experiment, more)


def test_interrupted_experiments_keep_their_time_and_what_they_trained(quick: Path, tmp_path: Path) -> None:
    own = tmp_path / "experiments"
    for name in ("runs", "shards", "cache", "work"):
        shutil.copytree(quick / name, own / name)
    trained = {p: p.read_bytes() for p in (own / "work" / "label_efficiency").rglob("*.safetensors")}
    before = record(quick, "label_efficiency")
    (own / "work" / f"label_efficiency-{before['key']}.seconds").write_text("1000")
    assert run(own, "--only", "label_efficiency") == 0
    after = record(own, "label_efficiency")
    assert after["rows"] == before["rows"]
    assert after["seconds"] > 1000
    assert {p: p.read_bytes() for p in (own / "work" / "label_efficiency").rglob("*.safetensors")} == trained


def test_label_efficiency_without_the_network_from_scratch_says_so(quick: Path, tmp_path: Path) -> None:
    own = tmp_path / "experiments"
    for name in ("runs", "shards", "cache", "work"):
        shutil.copytree(quick / name, own / name)
    assert run(own, "--only", "label_efficiency", "--no-slow") == 0
    assert {row["backbone"] for row in record(own, "label_efficiency")["rows"]} == {"frozen"}
    assert report("--experiments", own, "--out", tmp_path / "docs") == 0
    page = (tmp_path / "docs" / "results.md").read_text()
    assert "Left out: the network from scratch" in page
    assert "cross" not in page.split("## Label efficiency")[1].split("\n## ")[0]


def test_an_interruption_is_timed(context: Context, tmp_path: Path) -> None:
    def stop(context: Context) -> dict[str, Any]:
        raise KeyboardInterrupt

    context = dataclasses.replace(context, out=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        measure(Experiment("stopped", lambda c: {}, stop), context)
    assert not (tmp_path / "stopped.json").exists()
    assert measure(Experiment("stopped", lambda c: {}, lambda c: {"rows": []}), context)


def test_another_checkpoint_is_another_measurement(context: Context, tmp_path: Path) -> None:
    shutil.copytree(context.runs, tmp_path / "runs")
    other = dataclasses.replace(context, runs=tmp_path / "runs")
    by_name = {e.name: e for e in EXPERIMENTS}
    for name in ("headline", "frame_rates", "label_efficiency", "seeds"):
        assert key(plain(by_name[name].settings(other))) == record(context.out, name)["key"]
    shutil.copytree(context.pretrained, tmp_path / "runs" / "posttrain", dirs_exist_ok=True)
    changed = dataclasses.replace(context, runs=tmp_path / "runs")
    assert key(plain(by_name["frame_rates"].settings(changed))) != record(context.out, "frame_rates")["key"]


def test_the_report_follows_from_its_json_byte_for_byte(quick: Path, tmp_path: Path) -> None:
    assert report("--experiments", quick, "--out", tmp_path / "docs") == 0
    made = {p.relative_to(tmp_path / "docs"): p.read_bytes() for p in (tmp_path / "docs").rglob("*") if p.is_file()}
    assert Path("results.md") in made
    assert Path("results/headline-map.png") in made
    shutil.rmtree(tmp_path / "docs" / "results")
    (tmp_path / "docs" / "results.md").unlink()
    assert report("--from", tmp_path / "docs" / "results.json", "--out", tmp_path / "docs") == 0
    again = {p.relative_to(tmp_path / "docs"): p.read_bytes() for p in (tmp_path / "docs").rglob("*") if p.is_file()}
    assert again == made


def test_the_report_says_what_was_measured_and_what_was_not(quick: Path, tmp_path: Path) -> None:
    assert report("--experiments", quick, "--out", tmp_path) == 0
    page = (tmp_path / "results.md").read_text()
    row = record(quick, "headline")["rows"][0]
    assert (row["method"], row["regime"]) == ("model", "all")
    assert f"| model | {row['clips']} | {row['figures']['auc5_signed']:.1f} [" in page
    assert "| constant-forward |" in page
    scratch = max(
        (r for r in record(quick, "label_efficiency")["rows"] if r["backbone"] == "scratch"), key=lambda r: r["labels"]
    )
    assert f"| from scratch, {scratch['labels']} labels, {scratch['steps']} steps |" in page
    assert "- Not run: kitti, motion_statistics" in page
    assert "Toy size" in page
    for name in WITHOUT_SHARED:
        section = page.split(f"## {TITLES[name]}\n")[1].split("\n## ")[0]
        assert section.strip() == f"Not run (`lapose experiments run nano --only {name}`)."
    assert "results/kitti.png" not in page


def test_an_experiment_that_is_no_longer_there_stays_in_the_results(quick: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    shutil.copy(quick / "leaks.json", tmp_path / "runs")
    assert report("--experiments", tmp_path / "runs", "--out", tmp_path) == 0
    (tmp_path / "runs" / "leaks.json").unlink()
    shutil.copy(quick / "frame_rates.json", tmp_path / "runs")
    assert report("--experiments", tmp_path / "runs", "--out", tmp_path) == 0
    assert set(read_results(tmp_path / "results.json")) == {"leaks", "frame_rates"}


def test_pictures_of_what_is_not_there_are_removed(quick: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "kitti.png").write_bytes(b"old")
    (tmp_path / "results" / "mine.png").write_bytes(b"mine")
    write_results({"frame_rates": record(quick, "frame_rates")}, tmp_path)
    assert sorted(p.name for p in (tmp_path / "results").iterdir()) == ["frame_rates.png", "mine.png"]


def test_reports_of_nothing_or_of_foreign_files_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report("--experiments", tmp_path, "--out", tmp_path) == 2
    assert "no experiment is here" in capsys.readouterr().err
    foreign = tmp_path / "foreign.json"
    older = {"format": "lapose-results", "version": 1, "experiments": {"leaks": {"name": "leaks", "rows": []}}}
    for text in ("[]", "{", '{"format": "other", "version": 1, "experiments": {}}', json.dumps(older)):
        foreign.write_text(text)
        assert report("--from", foreign, "--out", tmp_path) == 2
        error = capsys.readouterr().err
        assert str(foreign) in error
        assert error.count("\n") == 1


def test_constant_forward_beside_the_model_is_that_of_the_same_clips(quick: Path) -> None:
    small = Shards(quick / "shards" / "test").small()
    forward = [
        Clip(constant_forward(len(p)), p, t)
        for p, t in zip(small["poses"].numpy(), small["times"].numpy(), strict=True)
    ]
    expected = evaluate_clips(forward).overall
    row = next(r for r in record(quick, "headline")["rows"] if r["regime"] == "all" and r["method"] == "model")
    assert row["clips"] == len(forward)
    assert row["forward"]["auc5_signed"] == pytest.approx(expected.model["auc5_signed"], rel=1e-5)
    assert row["forward"]["ate_m"] == pytest.approx(expected.model["ate_m"], rel=1e-5)


def test_every_regime_is_of_these_clips_and_conditions_are_named(quick: Path) -> None:
    rows = [r for r in record(quick, "headline")["rows"] if r["method"] == "model"]
    by_name = {r["regime"]: r["clips"] for r in rows}
    assert sum(n for name, n in by_name.items() if name.startswith("rate ")) == by_name["all"]
    worlds = [known_world(SIZE, TEST_SEED + i) for i in range(by_name["all"])]
    for condition in ("night", "fog"):
        assert by_name.get(condition, 0) == sum(condition in w.conditions for w in worlds)


def test_test_clips_share_no_seed_with_training_or_with_one_another(quick: Path) -> None:
    taken: list[int] = []
    for path in (quick / "shards").rglob("shards.json"):
        origin = json.loads(path.read_text())["origin"]["synthetic"]
        if path.parent.parent.name != "rates":  # the same drives at every rate, on purpose
            taken += range(origin["seed"], origin["seed"] + origin["clips"])
    assert len(taken) == len(set(taken))


def test_clips_of_other_worlds_than_this_version_draws_are_refused(context: Context) -> None:
    shards = Shards(unseen_split(context))
    with pytest.raises(LogError, match="remove the folder"):
        known_worlds(context, shards, range(TEST_SEED + 1, TEST_SEED + 1 + len(shards)))


def test_clips_of_another_size_are_not_taken_for_the_ones_asked_for(context: Context) -> None:
    longer = dataclasses.replace(context, sizes=dataclasses.replace(context.sizes, test_clips=3))
    with pytest.raises(LogError, match="remove it"):
        unseen_split(longer)


def test_unfinished_clips_are_rendered_again(context: Context, tmp_path: Path) -> None:
    own = dataclasses.replace(context, shards=tmp_path, sizes=dataclasses.replace(context.sizes, test_clips=2))
    folder = unseen_split(own)
    whole = (folder / "00000.safetensors").read_bytes()
    index = json.loads((folder / "shards.json").read_text())
    (folder / "shards.json").write_text(json.dumps({**index, "clips": [1]}))
    (folder / "00000.safetensors").write_bytes(b"")
    assert unseen_split(own) == folder
    assert (folder / "00000.safetensors").read_bytes() == whole


def test_a_domain_is_what_its_name_says() -> None:
    night = scene_clip(Scene(lighting="night"), 2, SIZE, DOMAIN_SEED)
    day = scene_clip(Scene(lighting="day", weather="clear"), 2, SIZE, DOMAIN_SEED)
    assert np.median(night.frames[:, :, :14]) < 50 < np.median(day.frames[:, :, :14])  # the sky
    fog = scene_clip(Scene(lighting="day", weather="fog"), 2, SIZE, DOMAIN_SEED)
    assert fog.frames.std() < 0.9 * day.frames.std()  # little contrast is left
    np.testing.assert_array_equal(night.poses, day.poses)
    wide = scene_clip(Scene(lighting="day", weather="clear", fov=(95.0, 110.0)), 2, SIZE, DOMAIN_SEED)
    assert 94.0 < np.degrees(wide.fov) < 111.0
    assert not np.array_equal(wide.frames, day.frames)


def test_frame_rates_are_of_the_same_drives(context: Context) -> None:
    slow, fast = (Shards(rate_shards(context, rate)).small() for rate in context.sizes.rates)
    for small, rate in ((slow, 2.0), (fast, 10.0)):
        np.testing.assert_allclose(np.diff(small["times"].numpy(), axis=1), 1 / rate)
    np.testing.assert_array_equal(slow["poses"][:, 0], fast["poses"][:, 0])
    assert not np.allclose(slow["poses"][:, 1], fast["poses"][:, 1])


def test_several_processes_give_what_one_gives() -> None:
    assert list(each(abs, range(-30, 0), 2, "numbers")) == list(each(abs, range(-30, 0), 1, "numbers"))
    seed = DOMAIN_SEED + 1
    sent = pickle.loads(pickle.dumps(partial(scene_clip, Scene(lighting="dusk", rate=4.0), 2, SIZE)))
    np.testing.assert_array_equal(sent(seed).frames, scene_clip(Scene(lighting="dusk", rate=4.0), 2, SIZE, seed).frames)


def test_labels_of_days_without_fog_are_that(context: Context) -> None:
    train = context.cached(context.train)
    mask = labelled(context, train)
    assert mask.sum() == context.sizes.domain_labels
    for clip in np.flatnonzero(mask):
        regimes = SyntheticDrive.generate(int(clip), 1.0, 2.0, SIZE, SynthConfig()).regimes
        assert regimes["lighting"][0] == "day"
        assert not regimes["fog"][0]
    passed = np.flatnonzero(~mask[: np.flatnonzero(mask)[-1]])
    assert all(set(known_world(SIZE, int(c)).conditions) & {"night", "dusk", "fog"} for c in passed)


def test_a_clip_as_a_drive_has_its_frames_its_camera_and_its_height(context: Context) -> None:
    shards = Shards(unseen_split(context))
    world = known_world(shards.size, TEST_SEED + 1)
    drive = clip_drive(shards, 1, world)
    truth = SyntheticDrive.generate(TEST_SEED + 1, 2.0, 5.0, shards.size)
    assert drive.intrinsics == truth.intrinsics
    assert drive.camera_height == truth.mount.height
    source = drive.open_frames()
    stored = shards.gather("frames", [1])[0].numpy()
    for index in (0, len(drive) - 1):
        np.testing.assert_array_equal(source.read(index), stored[index].transpose(1, 2, 0))


@pytest.mark.parametrize("backbone", ["frozen", "finetune", "scratch"])
def test_a_head_trains_what_its_backbone_says_and_goes_on_where_it_was(
    context: Context, backbone: str, tmp_path: Path
) -> None:
    train, test = context.cached(context.train), context.cached(unseen_split(context))
    training = short_training(backbone, labels=6, steps=2, batch=4, rates=(1e-3, 1e-3))
    before = load_checkpoint(context.pretrained)
    model, evaluation = train_head(context.pretrained, training, train, test, tmp_path)

    def distance(part: str) -> float:
        ours, theirs = getattr(model, part).state_dict(), getattr(before, part).state_dict()
        return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)

    assert distance("vqvae") == 0
    assert distance("pose_head") > 0
    moved = distance("inverse_dynamics")
    assert moved == 0 if backbone == "frozen" else moved > 0
    assert distance("forward_dynamics") == 0
    folders = list(tmp_path.iterdir())
    again, same = train_head(context.pretrained, training, train, test, tmp_path)
    assert list(tmp_path.iterdir()) == folders
    assert same.overall.model["auc30"] == pytest.approx(evaluation.overall.model["auc30"])
    for name, tensor in model.pose_head.state_dict().items():
        assert torch.equal(tensor, again.pose_head.state_dict()[name]), name


def test_the_network_from_scratch_owes_the_backbone_nothing(context: Context, tmp_path: Path) -> None:
    train, test = context.cached(context.train), context.cached(unseen_split(context))
    training = short_training("scratch", labels=6, steps=2, batch=4, rates=(1e-3, 1e-3))
    pretrained = train_head(context.pretrained, training, train, test, tmp_path)[1]
    folders = list(tmp_path.iterdir())
    of_codec = train_head(context.runs / "vqvae", training, train, test, tmp_path)[1]
    assert list(tmp_path.iterdir()) == folders, "the codec alone decides, so it was trained already"
    assert of_codec.overall.model["auc30"] == pytest.approx(pretrained.overall.model["auc30"])


def test_the_lines_cross_where_scratch_catches_up() -> None:
    def rows(*skills: tuple[int, float, float]) -> list[dict[str, Any]]:
        return [
            {"labels": n, "backbone": b, "skill": s} for n, *pair in skills for b, s in zip(("frozen", "scratch"), pair)
        ]

    assert crossing(rows((10, 0.5, 0.1), (1000, 0.5, 0.9))) == pytest.approx(100.0)
    assert crossing(rows((10, 0.5, 0.1), (1000, 0.6, 0.4))) is None
    assert crossing(rows((10, 0.1, 0.5), (1000, 0.4, 0.6))) is None


def test_motions_that_undo_one_another_are_consistent() -> None:
    rng = np.random.default_rng(0)
    turn = 0.05 * rng.normal(size=5)
    rotation = np.tile(np.eye(3), (5, 1, 1))
    rotation[:, 0, 0] = rotation[:, 2, 2] = np.cos(turn)
    rotation[:, 0, 2], rotation[:, 2, 0] = np.sin(turn), -np.sin(turn)
    poses = make_poses(rotation, np.c_[np.zeros((5, 2)), 3.0 * np.arange(5)])
    backwards = invert(poses[-1]) @ poses[::-1]
    times = np.arange(5.0)
    there, back = Clip(poses, poses, times), Clip(backwards, poses[::-1], times)
    closed = consistency([there], [back])
    assert closed["transitions"] == 4
    assert closed["rotation_p90"] < 1e-5
    assert closed["length_p90"] < 1e-9
    # Driving on forwards when the film runs backwards: the step is left twice.
    assert consistency([there], [Clip(poses, poses[::-1], times)])["length_median"] == pytest.approx(2.0, rel=0.1)


def test_targets_are_met_or_missed_or_not_measured() -> None:
    assert Target("skill", 0.6, 0.61).verdict == "met"
    assert "missed" in Target("skill", 0.6, 0.59).verdict
    assert Target("scale", 10.0, 9.9, at_least=False).verdict == "met"
    assert "missed" in Target("scale", 10.0, 10.1, at_least=False).verdict
    assert "missed" in Target("skill", 0.0, 0.0, strict=True).verdict
    assert {t.verdict for t in all_targets({})} == {"not measured"}


def test_effort_changes_steps_and_no_clips() -> None:
    half = Sizes().scaled(0.5)
    assert half.label_steps == tuple(s // 2 for s in Sizes().label_steps)
    assert half.scratch_steps == tuple(s // 2 for s in Sizes().scratch_steps)
    assert half.domain_steps == Sizes().domain_steps // 2
    assert (half.labels, half.test_clips) == (Sizes().labels, Sizes().test_clips)
    with pytest.raises(ValueError, match="effort"):
        Sizes().scaled(0.0)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    value = {"a": [{"b": 0.1234567891, "c": float("nan")}], "d": {"e": {"f": [1e-9, 12345.678]}}}
    assert json.loads(dumps(plain(value))) == plain(value)
    assert plain(value)["a"] == [{"b": 0.123457, "c": None}]
    calls = []
    path = tmp_path / "deep" / "part.json"
    for _ in range(2):
        assert remembered(path, lambda: calls.append(1) or {"x": 1.0}) == {"x": 1.0}
    assert calls == [1]


def test_what_is_not_there_is_named_and_the_rest_runs(
    quick: Path, tmp_path: Path, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unavailable, match="kitti_odometry"):
        context.shared_folder("kitti_odometry")
    folders = ["--shards", str(quick / "shards"), "--runs", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    run_real = ["experiments", "run", *folders, "--shared", "nowhere", "--only"]
    assert main([*run_real, "headline", "bottleneck", "kitti"]) == 2
    printed = capsys.readouterr().out
    for name, folder in (("headline", "posttrain"), ("bottleneck", "pretrain")):
        assert f"{name}: not run, for want of {tmp_path / 'none' / folder}: no checkpoint" in printed
    assert not list((tmp_path / "out").glob("*.json"))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real drives of ../shared/data are not here")
def test_experiments_on_the_real_drives_run_and_are_reported(quick: Path, tmp_path: Path) -> None:
    own = tmp_path / "experiments"
    for name in ("runs", "shards"):
        shutil.copytree(quick / name, own / name)
    assert run(own, "--only", "kitti", "motion_statistics", shared=SHARED) == 0
    rows = record(own, "kitti")["rows"]
    assert {r["method"] for r in rows} >= {"model", "opencv"}
    classical = next(r for r in rows if r["method"] == "opencv" and r["regime"] == "all")
    assert classical["skill"] > 0.3
    assert {r["regime"] for r in rows} == {"all", "turning"}
    assert report("--experiments", own, "--out", tmp_path / "docs") == 0
    page = (tmp_path / "docs" / "results.md").read_text()
    assert "| 10 Hz | all | opencv |" in page
    assert "| pitch jitter |" in page
    assert (tmp_path / "docs" / "results" / "motion_statistics.png").is_file()
