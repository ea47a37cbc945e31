"""The process of the analysis on the processor and, where there is one, on a graphics card.

The process is forked from one that has torch imported, which a card does not survive when something has touched it
before: so this runs the real process, without a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from lapose_core.geometry import rotation_angle
from lapose_core.inference.result import Changes, DriveAnalysis
from lapose_core.logs import open_log
from lapose_core.resources import default_checkpoint, sample_drive
from lapose_inspector.beside.analysis_loop import AnalysisStart, analyse
from lapose_inspector.beside.devices import place
from lapose_inspector.beside.process import Process
from lapose_inspector.models.session import Device

NO_CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=NO_CARD)]


class Beside:
    """The window's end of the process, one message at a time."""

    def __init__(self, results: Path) -> None:
        self._process = Process("inference", analyse)
        self._process.pipe.send((results, None, place))

    def ask(self, name: str, *arguments: object) -> None:
        self._process.pipe.send((name, arguments))

    def told(self, name: str, analysis: DriveAnalysis | None = None) -> tuple[Any, ...]:
        """The arguments of the next message of that name; what grows on the way goes into ``analysis``."""
        while True:
            assert self._process.pipe.poll(250), f"nothing came while {name} was waited for"
            said, arguments = cast("tuple[str, tuple[Any, ...]]", self._process.pipe.receive())
            assert said not in ("broken", "unloadable", "unreconstructable"), arguments
            if said == "grown" and analysis is not None:
                analysis.apply(cast(Changes, arguments[1]))
            if said == name:
                return arguments

    def kill(self) -> None:
        self._process.kill()
        self._process.end(10.0)

    def end(self) -> str:
        self.ask("stop")
        return self._process.end(60.0)


@pytest.fixture
def drive_start() -> AnalysisStart:
    folder = sample_drive()
    assert folder is not None
    return AnalysisStart(1, open_log(folder).bare(), 5.0, 0)


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    made = Beside(tmp_path / "results")
    yield made
    assert made.end() == "exit code 0"


def analysed(beside: Beside, start: AnalysisStart, device: Device, *, compiled: bool = False) -> DriveAnalysis:
    beside.ask("request_load", default_checkpoint(), device, compiled)
    (info,) = beside.told("loaded")
    assert info.device.startswith(device)
    assert not info.device_note
    beside.ask("request_analysis", start)
    analysis = cast(DriveAnalysis, beside.told("begun")[1])
    _, complete = beside.told("ended", analysis)
    assert complete
    return analysis


@pytest.mark.parametrize("device", DEVICES)
def test_a_drive_is_analysed_and_a_transition_reconstructed(
    beside: Beside, drive_start: AnalysisStart, device: Device, tmp_path: Path
) -> None:
    analysis = analysed(beside, drive_start, device)
    beside.ask("request_reconstruction", 3)
    _, transition, reconstruction = beside.told("reconstructed", analysis)
    assert transition == 3
    assert np.isfinite(reconstruction.predicted).all()
    if device == "cpu":
        return
    other = Beside(tmp_path / "of the processor")
    here = analysed(other, drive_start, "cpu")
    other.end()
    off = here.relative[..., :3, :3].swapaxes(-1, -2) @ analysis.relative[..., :3, :3]
    assert np.degrees(rotation_angle(off)).max() < 0.5
    step = np.linalg.norm(here.relative[:, :3, 3], axis=-1)
    assert np.linalg.norm(here.relative[:, :3, 3] - analysis.relative[:, :3, 3], axis=-1).max() < 0.05 * step.max()


@pytest.mark.parametrize("device", DEVICES)
def test_a_killed_process_leaves_the_device_to_the_next(
    beside: Beside, drive_start: AnalysisStart, device: Device, tmp_path: Path
) -> None:
    killed = Beside(tmp_path / "killed")
    killed.ask("request_load", default_checkpoint(), device, False)
    killed.ask("request_analysis", drive_start)
    killed.told("grown")
    killed.kill()
    assert analysed(beside, drive_start, device).complete


@NO_CARD
def test_it_compiles_the_model_for_the_card(beside: Beside, drive_start: AnalysisStart) -> None:
    assert analysed(beside, drive_start, "cuda", compiled=True).complete
