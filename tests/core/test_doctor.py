"""The report that a user pastes: complete, without names, and still there where something is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lapose_core.commands.doctor import Doctor
from lapose_core.doctor import facts, measurements, text


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
    # With a screen it is the renderer, without one the reason.
    assert ("OpenGL renderer" in found["screen"]) != ("problem" in found["screen"])


def test_it_can_be_pasted_and_names_no_home(found: dict) -> None:
    said = text(found)
    assert all(section in said.splitlines() for section in found)
    assert str(Path.home()) not in said
    assert json.loads(json.dumps(found)) == found


def test_measurements_are_times_and_rates() -> None:
    figures = measurements(0.5)
    assert not [name for name in figures if "problem" in name]
    assert figures["decode 1080p H.264 frames/s"] > 1
    assert all(value > 0 for value in figures.values() if isinstance(value, float))
    assert "analysis window on cpu ms" in figures or "analysis window on cuda ms" in figures


def test_a_missing_checkpoint_is_part_of_the_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAPOSE_CHECKPOINT", str(tmp_path))
    assert "not a checkpoint folder" in facts()["checkpoint"]["problem"]


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert Doctor(quick=True, json=True).run() == 0
    assert "measured" in json.loads(capsys.readouterr().out)
