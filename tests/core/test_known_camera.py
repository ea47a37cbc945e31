"""The camera that a log knows, on its way to the pose head and back in the results."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from analysis_data import MemoryDrive

from lapose_core.drive import Drive, Intrinsics
from lapose_core.evaluation.drives import predict_drive
from lapose_core.inference.analysis import DriveAnalyzer
from lapose_core.inference.known_camera import UNKNOWN, KnownCamera
from lapose_core.inference.preprocess import Preprocessor
from lapose_core.inference.store import ResultStore, StoreError, read_result, write_result
from lapose_core.inference.streaming import LiveSession
from lapose_core.model.camera import unknown_camera
from lapose_core.model.config import nano, paper, tiny
from lapose_core.model.lapose import LaPose


@pytest.fixture(scope="module")
def model() -> LaPose:
    torch.manual_seed(0)
    net = LaPose(tiny()).eval()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 0.05)
    return net


def memory(height: float | None = 1.65, intrinsics: Intrinsics | None = None, frames: int = 9) -> MemoryDrive:
    made = MemoryDrive(frames)
    camera = intrinsics or dataclasses.replace(made.drive.intrinsics, fx=110.0, fy=110.0)  # type: ignore[type-var]
    made.drive = dataclasses.replace(made.drive, camera_height=height, intrinsics=camera)
    return made


def camera_of(drive: Drive, **options) -> KnownCamera:
    return KnownCamera.of(drive, Preprocessor.for_drive(drive, (120, 56)), tiny(), **options)


def test_the_paper_takes_no_camera_and_nano_does() -> None:
    assert not paper().camera_input
    assert nano().camera_input


def test_the_field_of_view_told_is_that_of_the_crop() -> None:
    # Of 150x56 the model sees the middle 120 columns.
    assert camera_of(memory().drive) == KnownCamera(pytest.approx(2 * np.arctan(60 / 110)), 1.65)


def test_what_the_log_lacks_or_training_never_saw_is_not_told() -> None:
    drive = memory().drive
    assert camera_of(dataclasses.replace(drive, camera_height=None)).height is None
    assert camera_of(dataclasses.replace(drive, camera_height=3.2)).height is None
    assert camera_of(dataclasses.replace(drive, intrinsics=None)).fov is None
    fisheye = dataclasses.replace(drive.intrinsics, fx=30.0, fy=30.0)  # type: ignore[type-var]
    assert camera_of(dataclasses.replace(drive, intrinsics=fisheye)).fov is None
    assert camera_of(drive, ignore=True) == UNKNOWN
    plain = dataclasses.replace(tiny(), camera_input=False)
    assert KnownCamera.of(drive, Preprocessor.for_drive(drive, (120, 56)), plain) == UNKNOWN


def test_the_head_hears_the_camera_and_gives_back_the_field_of_view_it_was_told(model: LaPose) -> None:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(3, 5, model.config.latent_dim, generator=generator)
    times = torch.arange(6).double().expand(3, 6) * 0.2
    told = torch.tensor([[1.0, float("nan")], [float("nan"), 1.5], [1.2, 1.9]])
    with torch.inference_mode():
        without, same = model.pose(latents, times), model.pose(latents, times, unknown_camera(3))
        informed = model.pose(latents, times, told)
    assert torch.equal(without.translation, same.translation)
    assert torch.equal(informed.fov[0], torch.full((5,), 1.0))
    assert torch.equal(informed.fov[2], torch.full((5,), 1.2))
    assert torch.isfinite(informed.fov).all()
    moved = (informed.translation - without.translation).abs().amax((1, 2))
    assert (moved > 1e-4).all(), "each known value changes the poses"


def test_an_analysis_says_which_camera_it_was_told_and_is_kept_apart_from_one_without(
    model: LaPose, tmp_path: Path
) -> None:
    drive = memory().drive
    results = {}
    for ignore in (False, True):
        run = DriveAnalyzer(model, drive, 4.0, checkpoint_hash="abc", checkpoint_name="tiny", ignore_camera=ignore)
        list(run.run())
        key = DriveAnalyzer.key(model, drive, 4.0, "abc", ignore_camera=ignore)
        assert run.analysis.key == key
        ResultStore(tmp_path).save(run.analysis)
        results[ignore] = ResultStore(tmp_path).load(key)
    told, guessed = results[False], results[True]
    assert told is not None
    assert guessed is not None
    assert np.allclose(told.fov, 2 * np.arctan(60 / 110), atol=1e-6)
    assert not np.allclose(guessed.fov, told.fov)
    assert not np.allclose(guessed.relative, told.relative)
    assert (told.camera.height, guessed.camera) == (1.65, UNKNOWN)
    assert "57.2° and camera height 1.65 m from the log" in told.camera.describe()
    assert "predicted" in guessed.camera.describe()
    with pytest.raises(ValueError, match="view"):
        DriveAnalyzer(model, drive, 4.0, checkpoint_hash="abc", checkpoint_name="tiny", analysis=guessed)


def test_a_camera_in_a_result_that_is_no_camera_is_named(model: LaPose, tmp_path: Path) -> None:
    run = DriveAnalyzer(model, memory().drive, 4.0, checkpoint_hash="abc", checkpoint_name="tiny")
    write_result(run.analysis, tmp_path)
    path = tmp_path / "result.json"
    meta = json.loads(path.read_text())
    for camera in ("wide", {"fov": "x"}, {"zoom": 1.0}, {"fov": -1.0}):
        path.write_text(json.dumps({**meta, "camera": camera}))
        with pytest.raises(StoreError, match="camera"):
            read_result(tmp_path)
    path.write_text(json.dumps({k: v for k, v in meta.items() if k != "camera"}))
    assert read_result(tmp_path).camera == UNKNOWN


def test_live_frames_are_estimated_with_the_camera_they_are_told(model: LaPose) -> None:
    drive = memory(frames=6)
    run = DriveAnalyzer(model, drive.drive, 4.0, checkpoint_hash="abc", checkpoint_name="tiny")
    list(run.run())
    live = LiveSession(model, run.preprocessor, run.analysis.camera)
    last = [live.push(i, drive.images[i], float(drive.drive.timestamps[i])) for i in range(6)][-1]
    assert last is not None
    assert last.fov == pytest.approx(2 * np.arctan(60 / 110), abs=1e-6)
    assert np.allclose(last.relative, run.analysis.relative[-1], atol=1e-4)


def test_evaluation_gives_both_protocols_where_the_log_knows_its_camera(model: LaPose) -> None:
    found = predict_drive(model, memory().drive, 4.0)
    (guessed,), (told,) = found.clips, found.told
    assert guessed.fov is not None
    assert told.fov is None, "a field of view that was given has no error"
    assert not np.allclose(guessed.predicted, told.predicted)
    blind = predict_drive(model, dataclasses.replace(memory().drive, intrinsics=None, camera_height=None), 4.0)
    assert not blind.told
    assert np.allclose(blind.clips[0].predicted, guessed.predicted)
