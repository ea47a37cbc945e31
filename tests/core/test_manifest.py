"""Training manifests: what is written is what is cut, and trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lapose_core.cli import main
from lapose_core.export.tum import write_tum
from lapose_core.geometry import accumulate, make_poses
from lapose_core.logs import open_log
from lapose_core.logs.reader import LogOptions
from lapose_core.training.manifest import Entry, ManifestError, read_manifest, write_manifest
from lapose_core.training.manifest_clips import clip_starts
from lapose_core.training.shards import Shards

N, RATE = 80, 10.0


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image folder at 10 Hz whose frames are as bright as their index."""
    folder = tmp_path_factory.mktemp("logs") / "drive"
    folder.mkdir()
    for index in range(N):
        Image.fromarray(np.full((56, 120, 3), 2 * index, np.uint8)).save(folder / f"{index:06d}.png")
    steps = make_poses(np.tile(np.eye(3), (N - 1, 1, 1)), np.tile([0.0, 0.0, 0.5], (N - 1, 1)))
    write_tum(folder / "poses.tum", np.arange(N) / RATE, accumulate(steps))
    return folder


def test_round_trip_keeps_everything(tmp_path: Path) -> None:
    entry = Entry(
        tmp_path / "log", ((3, 9), (20, 20)), 4.0, "scene-1",
        LogOptions("front", tmp_path / "p.tum", "/odom", 0.5, "flu"), "f00d", "reversing",
    )  # fmt: skip
    write_manifest(tmp_path / "m.json", [entry])
    assert read_manifest(tmp_path / "m.json") == [entry]
    with pytest.raises(ValueError, match="nothing to write"):
        write_manifest(tmp_path / "empty.json", [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"log": None}, "log"), ({"rate": 0}, "rate"), ({"rate": "2"}, "rate"), ({"frames": []}, "frames"),
        ({"frames": [[5, 3]]}, "frames"), ({"frames": [[0.5, 3]]}, "frames"), ({"pose_frame": "x"}, "pose_frame"),
        ({"camera": 3}, "camera"), ({"time_offset": None}, "time_offset"),
    ],
)  # fmt: skip
def test_errors_name_file_and_field(tmp_path: Path, change: dict[str, object], field: str) -> None:
    path = tmp_path / "m.json"
    write_manifest(path, [Entry(tmp_path, ((0, 5),), 2.0)])
    data = json.loads(path.read_text())
    data["entries"][0] |= change
    path.write_text(json.dumps(data))
    with pytest.raises(ManifestError, match=rf"m.json: entries\[0\]: {field}"):
        read_manifest(path)


def test_clips_cover_the_stretches(log: Path) -> None:
    drive = open_log(log)
    samples = drive.indices_at_rate(5.0)

    def starts(*ranges: tuple[int, int]) -> list[int]:
        return clip_starts(drive, Entry(log, ranges, 5.0), 8, 4)

    assert starts((40, 40)) == [16]  # frames 32 to 46, with 40 in the middle
    assert starts((0, 3)) == [0]
    assert starts((79, 79)) == [len(samples) - 8]
    long = starts((10, 50))
    assert long == [5, 9, 13, 17, 18]
    assert samples[long[0]] <= 10
    assert samples[long[-1] + 7] >= 50
    assert starts((40, 40), (39, 40)) == [16], "the same clip once"
    with pytest.raises(Exception, match="names frame 90"):
        starts((0, 90))


def test_the_command_cuts_a_manifest_and_training_takes_it(log: Path, tmp_path: Path, capsys) -> None:
    drive = open_log(log)
    manifest = tmp_path / "misses.json"
    write_manifest(manifest, [Entry(log, ((30, 34),), 10.0, fingerprint=drive.fingerprint, why="bright")])
    size = ["--size", "48", "32", "--frames", "4"]
    assert main(["shards", "--manifest", str(manifest), "--out", str(tmp_path / "shards"), *size]) == 0
    shards = Shards(tmp_path / "shards")
    assert shards.origin == {"manifest": {"name": "misses.json", "logs": ["drive"]}}
    brightness = shards.gather("frames", range(len(shards)))[:, :, 0, 0, 0]
    assert brightness.tolist() == [[60, 62, 64, 66], [62, 64, 66, 68]]
    assert np.isfinite(shards.small()["poses"].numpy()).all()
    out = tmp_path / "codec"
    data = ["--data", str(shards.folder), "--held-out", str(shards.folder), "--out", str(out)]
    assert main(["train", "vqvae", *data, "--preset", "tiny", "--training.steps", "2", "--device", "cpu"]) == 0
    assert (out / "config.json").exists()


def test_a_manifest_is_mixed_with_logs_and_synthetic_clips(log: Path, tmp_path: Path, capsys) -> None:
    manifest = tmp_path / "m.json"
    write_manifest(manifest, [Entry(log, ((30, 34),), 10.0)])
    mix = ["shards", str(log), "--manifest", str(manifest), "--clips", "1", "--rate", "5", "--workers", "1"]
    size = ["--size", "120", "56", "--frames", "4", "--stride", "30"]
    assert main([*mix, "--out", str(tmp_path / "s"), *size]) == 0
    shards = Shards(tmp_path / "s")
    assert shards.origin == {
        "manifest": {"name": "m.json", "logs": ["drive"]},
        "logs": ["drive"],
        "rate": 5.0,
        "synthetic": {"seed": 0, "clips": 1},
    }
    gaps = np.diff(shards.small()["times"].numpy(), axis=1)[:, 0]
    assert len(shards) == 5
    np.testing.assert_allclose(gaps[:4], [0.1, 0.1, 0.2, 0.2])


def test_a_manifest_names_the_options_of_its_logs(log: Path, tmp_path: Path, capsys) -> None:
    manifest = tmp_path / "m.json"
    write_manifest(manifest, [Entry(log, ((0, 5),), 2.0)])
    assert main(["shards", "--camera", "left", "--manifest", str(manifest), "--out", str(tmp_path / "s")]) != 0
    assert "names its logs" in capsys.readouterr().err
