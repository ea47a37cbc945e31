"""Decoding ahead, encoding once, and what happens when the user jumps or memory runs out."""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from analysis_data import ArraySource, MemoryDrive
from av.video.frame import VideoFrame
from log_files import write_video

from lapose_core.drive import Drive, Image
from lapose_core.frames.picture import GivenUp, Picture
from lapose_core.inference.analysis import (
    DriveAnalyzer,
    estimate_encoded,
    estimate_windows,
    infer_actions,
)
from lapose_core.inference.encoding import FrameEncoder
from lapose_core.inference.preprocess import Preprocessor
from lapose_core.inference.result import FailedWindow
from lapose_core.inference.samples import SampleQueue, Unreadable
from lapose_core.logs import open_log
from lapose_core.model.config import LaPoseConfig, tiny
from lapose_core.model.lapose import LaPose


def model_of(config: LaPoseConfig) -> LaPose:
    torch.manual_seed(0)
    model = LaPose(config).eval()
    with torch.no_grad():  # a fresh head says the same of every clip
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return model


@pytest.fixture(scope="module")
def model() -> LaPose:
    return model_of(tiny())


def as_the_paper() -> LaPoseConfig:
    """The paper's kind of model, small: pixels for tokens, no matches, a forward model with history."""
    plain = {"matching": None, "action_modulation": False, "forward_warp": False, "forward_history": None}
    return dataclasses.replace(
        tiny(), token_source="pixels", action_rate=False, motion_decoder=False, head_ranks=0, **plain
    )


def analyzer(model: LaPose, memory: MemoryDrive, **options: Any) -> DriveAnalyzer:
    return DriveAnalyzer(model, memory.drive, 4.0, checkpoint_hash="abc", checkpoint_name="tiny", **options)


@pytest.mark.parametrize("config", [tiny(), as_the_paper()], ids=["tiny", "paper"])
def test_windows_of_frames_encoded_once_equal_windows_run_whole(config: LaPoseConfig) -> None:
    model, memory = model_of(config), MemoryDrive(40)
    pre = Preprocessor.for_drive(memory.drive, (config.image_width, config.image_height))
    images = torch.stack([pre(image) for image in memory.images])
    times = torch.from_numpy(memory.drive.timestamps)
    encoder = FrameEncoder(model, memory.drive.timestamps, 48)
    # Forward, a jump ahead, and back to frames that came before ones already there.
    for window in (range(16), range(8, 24), range(24, 40), range(20, 36), range(12, 28)):
        missing = encoder.missing(window)
        for chunk in (missing[i : i + 5] for i in range(0, len(missing), 5)):
            encoder.add(chunk, images[chunk])
        encoded = encoder.windows([window])
        actions = infer_actions(model, encoded)
        ours = estimate_encoded(model, encoded, actions)
        part = slice(window.start, window.stop)
        plain = estimate_windows(model, images[None, part], times[None, part])
        for name in ("latents", "relative", "fov", "scale", "cross_entropy"):
            np.testing.assert_allclose(getattr(ours, name), getattr(plain, name), rtol=0, atol=1e-5, err_msg=name)


def test_a_jump_shows_something_before_its_window_is_whole_and_it_stays_as_shown(model: LaPose) -> None:
    run = analyzer(model, MemoryDrive(60))
    steps = run.steps(start_frame=30)
    seen: dict[int, np.ndarray] = {}
    for outcome in steps:
        if outcome is not None:
            break
        for t in np.flatnonzero(run.analysis.done):
            assert np.isnan(run.analysis.cross_entropy[t])
            seen.setdefault(int(t), run.analysis.latents[t].copy())
    assert len(seen) >= 8
    for t, latent in seen.items():
        np.testing.assert_allclose(latent, run.analysis.latents[t], atol=1e-5)
    steps.close()
    assert int(run.analysis.done.sum()) == 15


def test_what_was_only_previewed_is_taken_back_when_the_analysis_stops(model: LaPose) -> None:
    run = analyzer(model, MemoryDrive(60))
    steps = run.steps()
    while not run.analysis.done.any():
        assert next(steps) is None
    steps.close()
    assert not run.analysis.done.any()
    assert np.isnan(run.analysis.latents).all()


class SlowSource(ArraySource):
    def read(self, index: int) -> Image:
        time.sleep(0.01)
        return super().read(index)


class SlowDrive(MemoryDrive):
    """Takes 10 ms for each frame."""

    def _open(self) -> ArraySource:
        self.sources.append(SlowSource(self))
        return self.sources[-1]


def test_frames_are_read_ahead_but_not_beyond_the_bound() -> None:
    memory = MemoryDrive(40)
    queue = SampleQueue(memory.drive, Preprocessor.for_drive(memory.drive, (120, 56)), np.arange(40), ahead=6)
    try:
        queue.plan(range(40))
        deadline = time.monotonic() + 5
        while len(memory.reads) < 6 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.05)
        assert memory.reads == list(range(6))
        assert isinstance(queue.take(0, 1.0), torch.Tensor)
        while len(memory.reads) < 7 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert memory.reads == list(range(7))
        queue.plan([30, 31])
        assert isinstance(queue.take(30, 1.0), torch.Tensor)
        assert memory.reads[7] == 30
    finally:
        queue.close()
    assert [s.closed for s in memory.sources] == [True]


def begun(run: DriveAnalyzer, frame: int = 0) -> Generator[Any, None, None]:
    """The steps of an analysis that is three steps into its first window."""
    steps = run.steps(start_frame=frame)
    for _ in range(3):
        next(steps)
    return steps


def test_a_jump_is_followed_at_once_even_while_frames_are_awaited(model: LaPose) -> None:
    memory = SlowDrive(400)
    run = analyzer(model, memory)
    steps = begun(run)
    before = len(memory.reads)
    run.seek(300)
    while 296 not in memory.reads:
        next(steps)
    assert memory.reads[before:].index(296) <= 2
    assert next(s for s in steps if s is not None).start == 296
    steps.close()


def test_decoding_follows_a_jump_while_the_model_is_still_at_its_step(model: LaPose) -> None:
    memory = MemoryDrive(400)
    run = analyzer(model, memory)
    steps = begun(run)
    jumper = threading.Thread(target=run.seek, args=(300,))
    jumper.start()
    jumper.join()
    deadline = time.monotonic() + 20
    while 311 not in memory.reads and time.monotonic() < deadline:
        time.sleep(0.001)
    assert list(range(296, 312)) == [i for i in memory.reads if 296 <= i < 312]
    assert next(s for s in steps if s is not None).start == 296
    steps.close()


def test_who_jumps_away_and_back_at_once_gets_the_window_that_was_begun(model: LaPose) -> None:
    run = analyzer(model, MemoryDrive(400))
    steps = begun(run, 100)
    for frame in (300, 20, 100):
        run.seek(frame)
    assert next(s for s in steps if s is not None).start == 96
    steps.close()


def test_playing_on_does_not_keep_a_slow_model_from_finishing_windows(model: LaPose) -> None:
    run = analyzer(model, SlowDrive(200))
    outcomes = []
    for outcome in run.steps():
        run.seek(min(199, 8 * (len(outcomes) + 2)))  # the cursor is always ahead
        if outcome is not None:
            outcomes.append(outcome.start)
        if len(outcomes) == 3:
            break
    assert outcomes == sorted(outcomes)


class Crashing(ArraySource):
    def read(self, index: int) -> Image:
        if index == 20:
            raise RuntimeError("a decoder's surprise")
        return super().read(index)


class CrashingDrive(MemoryDrive):
    def _open(self) -> ArraySource:
        self.sources.append(Crashing(self))
        return self.sources[-1]


def test_whatever_a_decoder_raises_costs_its_windows_and_no_more(model: LaPose) -> None:
    run = analyzer(model, CrashingDrive(60))
    failed = [w for w in run.run() if isinstance(w, FailedWindow)]
    assert [w.start for w in failed] == [8, 16]
    assert "RuntimeError: a decoder's surprise" in failed[0].reason
    assert run.analysis.complete


def test_a_log_that_cannot_be_opened_says_so(model: LaPose) -> None:
    def broken() -> ArraySource:
        raise OSError("no such disk")

    drive: Drive = dataclasses.replace(MemoryDrive(20).drive, open_frames=broken)
    run = DriveAnalyzer(model, drive, 4.0, checkpoint_hash="abc", checkpoint_name="tiny")
    with pytest.raises(OSError, match="no such disk"):
        list(run.run())
    assert "samples" not in {t.name for t in threading.enumerate()}


class Hungry(LaPose):
    """Has memory for two windows at a time, and on the device ``meta`` for none."""

    def __init__(self, model: LaPose) -> None:
        super().__init__(model.config)
        self.original = [model]  # in a list, so that it is no part of this module
        self.load_state_dict(model.state_dict())
        self.eval()

    def next_codes_in_steps(self, tokens: torch.Tensor, *rest: Any) -> Any:
        if len(tokens) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return super().next_codes_in_steps(tokens, *rest)

    def inputs(self, images: torch.Tensor) -> Any:
        raise AssertionError("not used")

    def to(self, *args: Any, **options: Any) -> Hungry:  # type: ignore[override]
        if args == ("cpu",):  # what a device without memory for the weights cannot give back
            self.to_empty(device="cpu")
            with torch.no_grad():
                for empty, full in zip(
                    (*self.parameters(), *self.buffers()), (*self.original[0].parameters(), *self.original[0].buffers())
                ):
                    empty.copy_(full)
            return self
        return super().to(*args, **options)


def test_batches_shrink_until_they_fit_and_give_the_same(model: LaPose) -> None:
    hungry = Hungry(model)
    said: list[str] = []
    run = analyzer(hungry, MemoryDrive(70), batch=8, notice=said.append)
    assert [w.index for w in run.run()] == list(range(run.analysis.n_windows))
    assert run.batch == 2
    assert [s.split("with ")[1] for s in said] == ["4 windows at a time", "2 windows at a time"]
    plain = analyzer(model, MemoryDrive(70))
    assert all(True for _ in plain.run())
    np.testing.assert_allclose(run.analysis.relative, plain.analysis.relative, atol=1e-5)


def test_a_device_without_memory_for_one_window_gives_way_to_the_cpu(model: LaPose) -> None:
    hungry = Hungry(model)
    hungry.to("meta")

    def refuse(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if given[0].device.type == "meta":
            raise torch.OutOfMemoryError("out of memory")

    hungry.vqvae.encoder.register_forward_pre_hook(refuse)
    said: list[str] = []
    run = analyzer(hungry, MemoryDrive(30), notice=said.append)
    assert len(list(run.run())) == run.analysis.n_windows
    assert said == ["meta has too little memory for one window: the analysis goes on, slower, on the CPU"]
    plain = analyzer(model, MemoryDrive(30))
    assert all(True for _ in plain.run())
    np.testing.assert_allclose(run.analysis.relative, plain.analysis.relative, atol=1e-5)


def test_memory_that_does_not_suffice_on_the_cpu_either_is_an_error(model: LaPose) -> None:
    class Starved(Hungry):
        def next_codes_in_steps(self, tokens: torch.Tensor, *rest: Any) -> Any:
            raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        list(analyzer(Starved(model), MemoryDrive(30)).run())


def test_an_unreadable_sample_comes_as_its_reason() -> None:
    memory = MemoryDrive(4, broken=frozenset({1}))
    queue = SampleQueue(memory.drive, Preprocessor.for_drive(memory.drive, (120, 56)), np.arange(4), ahead=4)
    try:
        queue.plan(range(4))
        assert queue.take(1, 5.0) == Unreadable("frame 1: memory: frame 1: cannot be decoded")
        assert queue.take(1, 0.0) is None
    finally:
        queue.close()


class Long(MemoryDrive):
    """Decodes a group of 50 frames from its beginning at 4 ms a frame, as video does, and can give up."""

    def _open(self) -> ArraySource:
        self.sources.append(LongSource(self))
        return self.sources[-1]


class LongSource(ArraySource):
    give_up: Any = None

    def pictures(self, start: int = 0, stop: int | None = None) -> Any:
        for index in range(start, stop if stop is not None else len(self)):
            for _ in range(index % 50):
                if self.give_up is not None and self.give_up():
                    raise GivenUp(index)
                time.sleep(0.004)
            yield index, Picture(VideoFrame.from_ndarray(super().read(index), format="rgb24"))


def test_a_frame_deep_in_its_group_is_given_up_when_the_user_jumps() -> None:
    memory = Long(200)
    queue = SampleQueue(memory.drive, Preprocessor.for_drive(memory.drive, (120, 56)), np.arange(200), ahead=4)
    try:
        queue.plan([149])  # 0.2 s away
        time.sleep(0.02)
        queue.plan([50])
        assert isinstance(queue.take(50, 20.0), torch.Tensor)
        assert memory.reads == [50]
    finally:
        queue.close()


def test_frames_between_two_samples_pass_by_the_tap_until_it_has_enough(tmp_path: Path) -> None:
    drive = open_log(write_video(tmp_path / "a.mp4", frames=60))
    source = drive.open_frames()
    images = [source.read(index) for index in range(60)]  # a source is for one thread
    source.close()
    seen: list[int] = []

    def tap(index: int, picture: Picture | Image) -> bool:
        assert isinstance(picture, Picture)
        assert np.array_equal(picture.rgb(), images[index])
        seen.append(index)
        return index < 33

    pre = Preprocessor.for_drive(drive, (120, 56))
    queue = SampleQueue(drive, pre, np.arange(0, 60, 6), ahead=10, tap=tap)
    try:
        queue.plan(range(10))
        for sample in range(10):
            image = queue.take(sample, 20.0)
            assert isinstance(image, torch.Tensor)
            assert torch.equal(image, pre(images[6 * sample]))
    finally:
        queue.close()
    # The first sample asks; once there is enough, samples alone are offered.
    assert seen == [*range(34), 36, 42, 48, 54]


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux only")
def test_decoding_ahead_does_not_take_the_models_core() -> None:
    memory, nices = MemoryDrive(4), list[int]()

    def note(index: int, frame: Picture | Image) -> bool:
        nices.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return False

    queue = SampleQueue(memory.drive, Preprocessor.for_drive(memory.drive, (120, 56)), np.arange(4), 4, note)
    queue.plan([0])
    assert isinstance(queue.take(0, 5.0), torch.Tensor)
    queue.close()
    assert nices[0] > os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
