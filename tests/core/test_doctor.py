"""The report that a user pastes: complete, without names, and still there where something is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lapose_core.commands.doctor import Doctor
from lapose_core.doctor import facts, text


@pytest.fixture(scope="module")
def found() -> dict:
    return facts()


def test_every_section_has_an_answer(found: dict) -> None:
    assert list(found) == ["program", "machine", "device", "video", "screen", "checkpoint", "cache"]
    assert found["program"]["torch"]
    assert found["machine"]["cores"] >= 1
    assert found["device"]["chosen"].split(":")[0] in ("cpu", "cuda", "mps")
    assert {"h264", "hevc", "av1"} <= set(found["video"]["decoders"])
    assert found["checkpoint"]["model"] == "nano"
    assert found["cache"]["free MiB"] > 0
    assert all(
        name in found["video"]["FFmpeg"][i] for i, name in enumerate(("libavcodec", "libavformat", "libswscale"))
    )
    # With a screen it is the renderer, without one the reason.
    assert ("OpenGL renderer" in found["screen"]) != ("problem" in found["screen"])


def test_it_can_be_pasted_and_names_no_home(found: dict) -> None:
    said = text(found)
    assert all(section in said.splitlines() for section in found)
    assert str(Path.home()) not in said
    assert json.loads(json.dumps(found)) == found


def test_the_command_measures_and_a_missing_checkpoint_is_part_of_the_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAPOSE_CHECKPOINT", str(tmp_path))
    assert Doctor(quick=True, json=True).run() == 0
    report = json.loads(capsys.readouterr().out)
    assert "not a checkpoint folder" in report["checkpoint"]["problem"]
    figures = report["measured"]
    assert not [name for name in figures if "problem" in name]
    assert figures["decode 1080p H.264 frames/s"] > 1
    assert all(value > 0 for value in figures.values() if isinstance(value, float))
    assert any(name.startswith("analysis window on ") for name in figures)
    assert figures["analysis of 1080p H.264, times real time"] > 0
