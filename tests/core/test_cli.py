"""The command line as its user meets it: exit codes, one-line errors, an analysis that can be interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lapose_core import cli
from lapose_core.inference.store import RESULT, TRANSITIONS, read_result
from lapose_core.model.config import tiny
from lapose_core.model.lapose import LaPose
from lapose_core.resources import default_checkpoint
from lapose_core.training.checkpoints import CheckpointError, load_checkpoint, save_checkpoint


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """As in the commands that run beside this process: sums in another order differ by more than 1e-9."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(LaPose(tiny()), folder)
    return folder


def image_folder(folder: Path, n: int) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    strip = rng.integers(0, 256, (56, 140 + n, 3), dtype=np.uint8)
    for i in range(n):
        Image.fromarray(strip[:, i : i + 140]).save(folder / f"{i:06d}.png", compress_level=1)
    return folder


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_folder(tmp_path_factory.mktemp("logs") / "drive", 60)


def analyze(log: Path, checkpoint: Path, out: Path, *more: object) -> int:
    arguments = ["analyze", log, "--checkpoint", checkpoint, "--out", out, "--device", "cpu", *more]
    return cli.main([str(a) for a in arguments])


def test_help_is_there_before_the_user_wonders() -> None:
    began = time.monotonic()
    command = [sys.executable, "-m", "lapose_core.cli", "--help"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert time.monotonic() - began < 2.0  # 0.03 s of its own; the rest is a busy test machine
    assert result.returncode == 0
    for command in ("info", "synth", "train pretrain", "shards", "analyze", "evaluate", "export", "report"):
        assert command in result.stdout
    loaded = "import sys; from lapose_core import cli; cli.main(['--help']); print([m for m in sys.modules])"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout
    for heavy in ("torch", "numpy", "numba", "tyro", "matplotlib", "pyarrow"):
        assert f"'{heavy}'" not in modules


@pytest.mark.parametrize("command", [*cli._COMMANDS])
def test_every_command_documents_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*command.split(), "--help"]) == 0
    assert f"lapose {command}" in capsys.readouterr().out


def test_a_commands_help_does_not_wait_for_torch() -> None:
    # Not those of `lapose train`, whose options are the training loops' own settings.
    commands = [c.split() for c in cli._COMMANDS if not c.startswith("train")]
    code = (
        "import sys; from lapose_core import cli\n"
        f"for command in {commands!r}: assert cli.main([*command, '--help']) == 0\n"
        "print('heavy:', [m for m in ('torch', 'numba', 'matplotlib', 'av') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "heavy: []" in result.stdout


def test_version_and_bad_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert re.fullmatch(r"lapose \d+\.\d+\S*\n", capsys.readouterr().out)
    assert cli.main([]) == 2
    capsys.readouterr()
    for arguments in (["fly"], ["train", "harder"]):
        assert cli.main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("lapose: there is no command")
        assert error.count("\n") == 1
    assert cli.main(["analyze"]) == 2
    assert cli.main(["analyze", "--help"]) == 0


def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path, log: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def error(code: int) -> str:
        text = capsys.readouterr().err
        assert code == 2
        assert text.startswith("lapose: ")
        assert text.count("\n") == 1, text
        return text

    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    assert "text.mp4" in error(analyze(tmp_path / "text.mp4", checkpoint, out))
    assert "empty" in error(analyze(tmp_path / "empty", checkpoint, out))
    assert "nowhere" in error(analyze(tmp_path / "nowhere", checkpoint, out))
    assert "config.json" in error(analyze(log, tmp_path / "empty", out))
    assert "rate" in error(analyze(log, checkpoint, out, "--rate", "-1"))
    assert "motion needs two" in error(analyze(log, checkpoint, out, "--rate", "0.001"))
    assert "device" in error(analyze(log, checkpoint, out, "--device", "abacus"))
    assert not out.exists()
    (tmp_path / "file").write_text("")
    assert "file" in error(analyze(log, checkpoint, tmp_path / "file" / "out"))


def test_analyze_writes_a_folder_that_opens_again_and_goes_on(
    tmp_path: Path, log: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert analyze(log, checkpoint, out, "--rate", "10") == 0
    text = capsys.readouterr().out
    assert re.search(r"[\d.]+ frames/s", text)
    result = read_result(out)
    assert result.complete
    assert result.done.all()
    assert {RESULT, TRANSITIONS, "samples.parquet", "predicted.tum"} <= {p.name for p in out.iterdir()}
    rows = np.loadtxt(out / "predicted.tum")
    assert rows.shape == (len(result), 8)
    assert np.allclose(rows[:, 1:4], result.trajectory(0, len(result))[:, :3, 3])

    assert analyze(log, checkpoint, out, "--rate", "10") == 0
    again = capsys.readouterr().out
    assert "going on" in again
    assert "frames/s" not in again
    assert analyze(log, checkpoint, out, "--rate", "5") == 2
    assert "another rate" in capsys.readouterr().err
    assert analyze(log, checkpoint, out, "--rate", "5", "--fresh") == 0
    assert read_result(out).rate == 5.0
    (out / TRANSITIONS).write_bytes(b"PAR1")
    assert analyze(log, checkpoint, out, "--rate", "5") == 2
    assert "--fresh" in capsys.readouterr().err


@pytest.mark.timeout(600)  # it starts processes, which a busy machine takes minutes for
def test_an_interrupted_analysis_is_kept_and_ends_as_an_uninterrupted_one(tmp_path: Path, checkpoint: Path) -> None:
    log = image_folder(tmp_path / "long", 480)
    out, whole = tmp_path / "out", tmp_path / "whole"
    arguments = ["analyze", log, "--checkpoint", checkpoint, "--rate", "10", "--device", "cpu", "--out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "lapose_core.cli", *map(str, arguments), str(out)],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 300
        while not (out / TRANSITIONS).exists():
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=200)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted" in error
    assert "Traceback" not in error
    part = read_result(out)
    assert 0 < len(part.windows_done) < part.n_windows

    assert analyze(log, checkpoint, out, "--rate", "10") == 0
    assert analyze(log, checkpoint, whole, "--rate", "10") == 0
    resumed, straight = read_result(out), read_result(whole)
    assert resumed.complete
    for name in ("relative", "latents", "fov", "scale", "cross_entropy"):
        # Frames are encoded in batches that begin where a run begins, so float32 rounds otherwise.
        assert np.abs(getattr(resumed, name) - getattr(straight, name)).max() < 1e-5, name


def test_the_default_checkpoint_is_the_named_one_or_a_clear_word(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPOSE_CHECKPOINT", str(checkpoint))
    assert default_checkpoint() == checkpoint
    monkeypatch.setenv("LAPOSE_CHECKPOINT", str(tmp_path))
    with pytest.raises(ValueError, match=r"LAPOSE_CHECKPOINT.*config\.json"):
        default_checkpoint()


def test_a_checkpoint_error_is_bad_input_too(
    tmp_path: Path, log: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("config.json", "vqvae.safetensors"):
        (tmp_path / name).write_bytes((checkpoint / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path)
    assert analyze(log, tmp_path, tmp_path / "out") == 2
    assert "safetensors" in capsys.readouterr().err
