"""Shards, checkpoints and the training loops, on a small world of moving texture."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lapose_core import geometry
from lapose_core.commands.train import Posttrain, Pretrain, Vqvae
from lapose_core.drive import Drive, LogError
from lapose_core.model.config import tiny
from lapose_core.model.lapose import LaPose
from lapose_core.training.cache import CachedClips
from lapose_core.training.checkpoints import (
    CheckpointError,
    checkpoint_hash,
    load_checkpoint,
    load_codec,
    save_checkpoint,
)
from lapose_core.training.loop import Run, Schedule
from lapose_core.training.mixture import MixedClips
from lapose_core.training.posttrain import Labels, frozen_latents, whole_clip_latents
from lapose_core.training.pretrain import copy_cross_entropy
from lapose_core.training.settings import Posttraining, Pretraining, VqVaeTraining
from lapose_core.training.shards import Clip, Shards, drive_clips, synthetic_clip, write_shards

T, WIDTH, HEIGHT = 6, 120, 56


def panorama_clips(count: int, seed: int) -> list[Clip]:
    """Clips of a camera that turns at a constant rate in front of a random panorama."""
    clips = []
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        scene = rng.integers(0, 256, (HEIGHT // 4, 100, 3)).repeat(4, 0).repeat(4, 1).astype(np.uint8)
        speed = int(rng.integers(-8, 9))
        frames, poses = [], []
        for t in range(T):
            x = 140 + speed * t
            frames.append(scene[:, x : x + WIDTH].transpose(2, 0, 1))
            turn = speed * t / 90
            pose = np.eye(4)
            pose[0, 0] = pose[2, 2] = np.cos(turn)
            pose[0, 2], pose[2, 0] = np.sin(turn), -np.sin(turn)
            pose[2, 3] = 2.0 * t
            poses.append(pose)
        clips.append(Clip(np.stack(frames), np.arange(T) * 0.5, np.stack(poses), 1.2))
    return clips


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_shards(folder / "train", panorama_clips(40, 0), {"panorama": 0}, per_file=16)
    write_shards(folder / "held_out", panorama_clips(20, 1), {"panorama": 1}, per_file=16)
    training = VqVaeTraining(steps=30, batch=8, evaluate_every=30)
    Vqvae(folder / "train", folder / "held_out", folder / "vqvae", "tiny", training, device="cpu").run()
    return folder


def pretrain(world: Path, out: Path, steps: int = 6) -> None:
    training = Pretraining(
        steps=steps,
        batch_frames=12,
        lengths=(3, 6),
        evaluate_every=3,
        evaluate_clips=16,
        motion_steps=40,
        motion_batch=32,
    )
    Pretrain(world / "vqvae", world / "train", world / "held_out", out, "tiny", training, world / "cache", "cpu").run()


def test_shards_keep_every_clip(tmp_path: Path) -> None:
    clips = panorama_clips(7, 3)
    assert write_shards(tmp_path, clips, {"seed": 3}, per_file=3) == 7
    shards = Shards(tmp_path)
    assert len(shards) == 7
    assert shards.counts == [3, 3, 1]
    for i in (6, 0, 3):
        np.testing.assert_array_equal(shards.gather("frames", [i])[0].numpy(), clips[i].frames)
        np.testing.assert_array_equal(shards.gather("poses", [i], slice(1, 4))[0].numpy(), clips[i].poses[1:4])
    assert shards.small()["fov"].shape == (7,)


def test_shards_keep_the_cameras_height_and_those_without_it_do_not_know_it(tmp_path: Path) -> None:
    clips = [dataclasses.replace(clip, height=1.2 + i / 10) for i, clip in enumerate(panorama_clips(3, 3))]
    write_shards(tmp_path, clips, {})
    np.testing.assert_allclose(Shards(tmp_path).small()["height"], [1.2, 1.3, 1.4], atol=1e-6)
    path = tmp_path / "00000.safetensors"
    save_file({k: v for k, v in load_file(path).items() if k != "height"}, path)
    assert torch.isnan(Shards(tmp_path).small()["height"]).all()


def test_broken_shards_are_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="lapose shards"):
        Shards(tmp_path)
    write_shards(tmp_path, panorama_clips(2, 0), {})
    (tmp_path / "00000.safetensors").write_bytes(b"not a tensor")
    with pytest.raises(LogError, match=r"00000\.safetensors"):
        Shards(tmp_path).gather("frames", [0])


def test_synthetic_clips_depend_on_their_seed_alone() -> None:
    a, b = synthetic_clip(5, 4, (120, 56)), synthetic_clip(5, 4, (120, 56))
    np.testing.assert_array_equal(a.frames, b.frames)
    np.testing.assert_array_equal(a.poses, b.poses)
    assert a.frames.shape == (4, 3, 56, 120)
    assert 1.15 <= a.height == b.height <= 2.15
    assert not np.array_equal(a.frames, synthetic_clip(6, 4, (120, 56)).frames)


class _Numbered:
    """A log whose frame i is grey of value i."""

    def __len__(self) -> int:
        return 20

    def read(self, index: int) -> np.ndarray:
        return np.full((HEIGHT, WIDTH, 3), index, np.uint8)

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1):
        yield from ((i, self.read(i)) for i in range(start, stop or len(self), step))

    def close(self) -> None:
        pass


def test_a_log_is_cut_at_the_asked_rate_and_says_where_truth_is_missing(tmp_path: Path) -> None:
    poses = np.tile(np.eye(4), (20, 1, 1))
    valid = np.arange(20) < 12
    drive = Drive("d", tmp_path, "test", WIDTH, HEIGHT, np.arange(20) / 10, _Numbered, poses, valid)
    clips = list(drive_clips(drive, 4, (WIDTH, HEIGHT), 5.0, 2))
    assert [int(f[0, 0, 0]) for f in clips[1].frames] == [4, 6, 8, 10]
    assert np.isfinite(clips[1].poses).all()
    assert np.isnan(clips[3].poses).all()
    assert np.isnan(clips[0].fov)
    assert np.isnan(clips[0].height)
    (high, *_) = drive_clips(dataclasses.replace(drive, camera_height=1.7), 4, (WIDTH, HEIGHT), 5.0, 2)
    assert high.height == 1.7


def test_checkpoints_round_trip_and_their_hash_follows_the_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = LaPose(tiny())
    save_checkpoint(model, tmp_path / "a", {"note": 1})
    again = load_checkpoint(tmp_path / "a")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)
    save_checkpoint(again, tmp_path / "b", {"note": 2})
    assert checkpoint_hash(tmp_path / "a") == checkpoint_hash(tmp_path / "b")
    with torch.no_grad():
        next(again.pose_head.parameters()).add_(1e-3)
    save_checkpoint(again, tmp_path / "b")
    assert checkpoint_hash(tmp_path / "a") != checkpoint_hash(tmp_path / "b")


def _damage(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json: no such file"),
        (lambda f: (f / "config.json").write_text("{"), "not readable as JSON"),
        (lambda f: (f / "config.json").write_text('{"model_type": "gpt"}'), "foreign"),
        (lambda f: (f / "vqvae.safetensors").unlink(), r"vqvae\.safetensors: no such file"),
        (lambda f: torch.save({"a": 1}, f / "model.safetensors"), "not readable as safetensors"),
        (lambda f: _damage(f, lambda t: t.pop("tokenizer.position")), "'tokenizer.position' is missing"),
        (lambda f: _damage(f, lambda t: t.update(extra=torch.zeros(1))), "'extra' is unknown"),
        (lambda f: _damage(f, lambda t: t["tokenizer.position"].fill_(float("nan"))), "not finite"),
        (lambda f: _damage(f, lambda t: t.update({"tokenizer.position": torch.zeros(2)})), "has shape"),
    ],
)
def test_a_checkpoint_that_is_not_ours_is_refused_by_name(tmp_path: Path, damage, says: str) -> None:
    save_checkpoint(LaPose(tiny()), tmp_path)
    damage(tmp_path)
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(tmp_path)


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrain(world, tmp_path / "whole")
    write = Run.checkpoint

    def stop_after_writing(self: Run, *args: object) -> None:
        write(self, *args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "checkpoint", stop_after_writing)
    with pytest.raises(KeyboardInterrupt):
        pretrain(world, tmp_path / "parts")
    monkeypatch.undo()
    pretrain(world, tmp_path / "parts")
    whole, parts = (load_checkpoint(tmp_path / name).state_dict() for name in ("whole", "parts"))
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], rtol=0, atol=0, msg=name)
    steps = [json.loads(line)["step"] for line in (tmp_path / "parts" / "pretrain.jsonl").read_text().splitlines()]
    assert steps == [3, 6]


def test_resuming_with_other_settings_is_refused(world: Path, tmp_path: Path) -> None:
    pretrain(world, tmp_path)
    with pytest.raises(CheckpointError, match="steps"):
        pretrain(world, tmp_path, steps=9)


def test_the_log_holds_the_latent_quality_and_posttraining_starts_from_it(world: Path, tmp_path: Path) -> None:
    pretrain(world, tmp_path / "pre")
    record = json.loads((tmp_path / "pre" / "pretrain.jsonl").read_text().splitlines()[-1])
    for name in (
        "ce",
        "dce_shuffle",
        "dce_zero",
        "ce_copy",
        "effective_rank",
        "probe_yaw_rate_r2",
        "latent_std_min",
    ):
        assert record[name] is not None, name
    before = load_checkpoint(tmp_path / "pre").state_dict()
    training = Posttraining(steps=150, batch=16, evaluate_every=75)
    Posttrain(
        tmp_path / "pre",
        (world / "train",),
        world / "held_out",
        tmp_path / "post",
        training,
        world / "cache",
        "cpu",
    ).run()
    after = load_checkpoint(tmp_path / "post").state_dict()
    changed = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"pose_head"}, "a frozen backbone must stay as it was"
    lines = [json.loads(x) for x in (tmp_path / "post" / "posttrain.jsonl").read_text().splitlines()]
    assert lines[-1]["train_translation"] < 0.5 * 1.0
    assert lines[-1]["scale_error"] < 0.05, "every clip moves 2 m a step"
    evaluation = json.loads((tmp_path / "post" / "evaluation.json").read_text())
    assert evaluation["clips"] == 20
    assert evaluation["model"]["fov_error"] is not None
    assert evaluation["camera_known"]["model"]["fov_error"] is None


def test_latents_of_a_frozen_backbone_are_computed_once_and_follow_its_weights(world: Path, tmp_path: Path) -> None:
    pretrain(world, tmp_path / "pre", steps=3)
    model = load_checkpoint(tmp_path / "pre")
    data = CachedClips(Shards(world / "train"), model, tmp_path / "cache", torch.device("cpu"))
    clips = np.array([3, 0, len(data) - 1])
    expected = whole_clip_latents(model, data, clips)
    torch.testing.assert_close(frozen_latents(model, data, clips), expected, rtol=0, atol=1e-5)
    files = {path: path.stat().st_mtime_ns for path in data.folder.glob("latents-*/*.safetensors")}
    assert files
    torch.testing.assert_close(frozen_latents(model, data, clips), expected, rtol=0, atol=1e-5)
    assert {path: path.stat().st_mtime_ns for path in files} == files, "they are read the second time"
    with torch.no_grad():
        model.inverse_dynamics.action_mean.add_(1.0)
    other = frozen_latents(model, data, clips)
    torch.testing.assert_close(other, whole_clip_latents(model, data, clips), rtol=0, atol=1e-5)
    assert not torch.allclose(other, expected, atol=1e-3)


def test_mixed_clips_are_those_of_their_parts_and_are_drawn_in_shares(world: Path, tmp_path: Path) -> None:
    pretrain(world, tmp_path / "pre", steps=3)
    model = load_checkpoint(tmp_path / "pre")
    parts = [
        CachedClips(Shards(world / name), model, world / "cache", torch.device("cpu")) for name in ("train", "held_out")
    ]
    mixed = MixedClips(parts, (3.0, 1.0))
    assert len(mixed) == 60
    clips = np.array([55, 0, 41, 39])
    inputs, codes, times = mixed.get(clips, 1, 4)
    for row, (part, clip) in enumerate([(1, 15), (0, 0), (1, 1), (0, 39)]):
        own, own_codes, own_times = parts[part].get([clip], 1, 4)
        torch.testing.assert_close(inputs.features[row], own.features[0])
        torch.testing.assert_close(inputs.matches[row], own.matches[0])
        assert torch.equal(codes[row], own_codes[0])
        assert torch.equal(times[row], own_times[0])
        assert torch.equal(mixed.poses[clips[row]], parts[part].poses[clip])
    latents = frozen_latents(model, mixed, clips)
    torch.testing.assert_close(latents[:1], frozen_latents(model, parts[1], np.array([15])))
    chance = mixed.chance(np.arange(60))
    assert chance[:40].sum() == pytest.approx(0.75)
    assert chance[40:].sum() == pytest.approx(0.25)
    assert mixed.chance(np.array([0, 1, 59]))[2] == pytest.approx(0.25), "of the clips that have labels"
    assert MixedClips(parts).chance(clips) is None
    with pytest.raises(ValueError, match="2 shard folders need 2 shares"):
        MixedClips(parts, (1.0,))


def test_a_trained_head_goes_on_with_the_clips_that_it_missed(world: Path, tmp_path: Path) -> None:
    pretrain(world, tmp_path / "pre", steps=3)
    data, cache = (world / "train", world / "held_out"), world / "cache"
    first = Posttraining(steps=150, batch=16, evaluate_every=150)
    Posttrain(tmp_path / "pre", data[:1], data[1], tmp_path / "post", first, cache, "cpu").run()
    again = Posttraining(steps=4, batch=16, evaluate_every=4, rate=1e-5)
    with pytest.raises(CheckpointError, match="no trained pose head"):
        Posttrain(tmp_path / "pre", data, data[1], tmp_path / "no", again, cache, "cpu", keep_head=True).run()
    Posttrain(
        tmp_path / "post", data, data[1], tmp_path / "more", again, cache, "cpu", mix=(0.5, 0.5), keep_head=True
    ).run()
    before, after = (
        json.loads((tmp_path / name / "posttrain.jsonl").read_text().splitlines()[-1]) for name in ("post", "more")
    )
    assert after["train_loss"] < 2 * before["train_loss"], "a new head would begin far above"
    record = json.loads((tmp_path / "more" / "config.json").read_text())["training"]
    assert [part["share"] for part in record["labels"]] == [0.5, 0.5]
    assert record["head"]["of"] == checkpoint_hash(tmp_path / "post")


@pytest.mark.parametrize("backbone", ["finetune", "scratch"])
def test_the_ablations_train_the_backbone_too(world: Path, tmp_path: Path, backbone) -> None:
    pretrain(world, tmp_path / "pre", steps=3)
    training = Posttraining(steps=2, batch=4, evaluate_every=2, backbone=backbone)
    Posttrain(
        tmp_path / "pre",
        (world / "train",),
        world / "held_out",
        tmp_path / "post",
        training,
        world / "cache",
        "cpu",
    ).run()
    before, after = (load_checkpoint(tmp_path / name).state_dict() for name in ("pre", "post"))
    changed = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"pose_head", "tokenizer", "inverse_dynamics"}


def test_displacements_can_be_read_off_the_actions_once_motion_is_learned(world: Path, tmp_path: Path) -> None:
    pretrain(world, tmp_path / "pre", steps=3)
    held_out = [json.loads(x)["held_out"] for x in (tmp_path / "pre" / "motion.jsonl").read_text().splitlines()]
    assert held_out[-1] < 0.8 * held_out[0]
    model = load_checkpoint(tmp_path / "pre")
    cached = CachedClips(Shards(world / "held_out"), model, world / "cache", torch.device("cpu"))
    with torch.no_grad():
        inputs, _, times = cached.get(range(20), 0, T)
        _, latents = model.actions(inputs, times)
        assert model.motion_decoder is not None
        field = model.motion_decoder(latents, (times[:, 1:] - times[:, :-1]).float())
    said = field[..., 0].mean((-1, -2))
    turned = np.stack([geometry.yaw(geometry.relative(p)[:, :3, :3]) for p in cached.poses.numpy()])
    agreement = np.corrcoef(said.flatten().numpy(), turned.flatten())[0, 1]
    assert agreement > 0.9, "what the camera turns to was on that side before"


def test_labels_in_a_mirror_are_those_of_the_mirrored_drive() -> None:
    rng = np.random.default_rng(0)
    quaternions = rng.normal(size=(5, 4)) + np.array([0, 0, 0, 4])
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    poses = geometry.make_poses(geometry.matrix_from_quaternion(quaternions), rng.normal(size=(5, 3)))
    mirror = np.diag([-1.0, 1, 1, 1])
    fov = torch.ones(1)
    seen = Labels.of(torch.from_numpy(poses[None]), fov).mirrored()
    truth = Labels.of(torch.from_numpy((mirror @ poses @ mirror)[None]), fov)
    torch.testing.assert_close(seen.translation, truth.translation)
    torch.testing.assert_close(seen.quaternion, truth.quaternion)


def test_cached_inputs_follow_the_shards_and_not_their_folder(world: Path, tmp_path: Path) -> None:
    model = LaPose(tiny())
    write_shards(tmp_path / "a", panorama_clips(3, 0), {}, per_file=16)
    first = CachedClips(Shards(tmp_path / "a"), model, tmp_path / "cache", torch.device("cpu"))
    (tmp_path / "a").rename(tmp_path / "b")
    assert CachedClips(Shards(tmp_path / "b"), model, tmp_path / "cache", torch.device("cpu")).folder == first.folder
    write_shards(tmp_path / "a", panorama_clips(3, 7), {}, per_file=16)
    other = CachedClips(Shards(tmp_path / "a"), model, tmp_path / "cache", torch.device("cpu"))
    assert other.folder != first.folder
    inputs = other.get(range(3), 0, T)[0]
    expected = model.inputs(other.shards.gather("frames", range(3)).float() / 255)
    assert inputs.features is not None
    assert expected.features is not None
    torch.testing.assert_close(inputs.features, expected.features, atol=2e-3, rtol=0)


def test_inputs_in_a_mirror_are_those_of_mirrored_frames(world: Path) -> None:
    codec = load_codec(world / "vqvae")
    model = LaPose(tiny())
    model.vqvae.load_state_dict(codec.state_dict())
    cached = CachedClips(Shards(world / "train"), model, world / "cache", torch.device("cpu"))
    inputs, times = cached.mirrored([3, 5], 1, 5)
    frames = cached.shards.gather("frames", [3, 5], slice(1, 5)).flip(-1).float() / 255
    expected = model.inputs(frames)
    assert times.shape == (2, 4)
    torch.testing.assert_close(inputs.features, expected.features)
    assert inputs.matches is not None
    assert expected.matches is not None
    # Half precision in the cache; and ties of the search may fall the other way.
    assert (inputs.matches - expected.matches).abs().median() < 0.02


def test_copying_costs_what_its_share_of_wrong_codes_says() -> None:
    codes = torch.zeros(1, 2, 2, 2, dtype=torch.long)
    codes[0, 1, 0, 0] = 3  # one of four codes changes, four codes are known
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25 / 3))
    assert copy_cross_entropy(codes) == pytest.approx(expected)


def test_the_schedule_warms_up_and_ends_at_a_hundredth() -> None:
    schedule = Schedule(1.0, steps=1000, warmup=100)
    rates = [schedule(i) for i in range(1000)]
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert int(np.argmax(rates)) in range(98, 103)
    assert rates[-1] == pytest.approx(0.01, abs=1e-3)
    assert dataclasses.replace(schedule, warmup=0)(0) == pytest.approx(1.0)
