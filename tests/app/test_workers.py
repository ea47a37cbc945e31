"""Threads: exact frames, the newest wish, one analysis at a time, and an end in finite time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from app_drives import RATE, SIZE, drive_in_memory, picture, write_folder

from lapose_core.drive import Drive, Image, LogError
from lapose_core.logs import open_log
from lapose_core.sample_video import write_counted
from lapose_inspector.beside.analysis_loop import AnalysisLoop, AnalysisStart
from lapose_inspector.beside.devices import Placed, place
from lapose_inspector.workers.frames import FrameLoader
from lapose_inspector.workers.inference import AnalysisWorker
from lapose_inspector.workers.latest import LatestWorker, unfinished
from lapose_inspector.workers.opening import OpenRequest, OpenWorker
from lapose_inspector.workers.reconstruction import ReconstructionWorker
from lapose_inspector.workers.thumbnails import ThumbnailLoader


class SlowFrames:
    """Frames that wait for leave, and tell which thread read them."""

    def __init__(self, n: int, leave: threading.Semaphore, read: list[tuple[int, str]]) -> None:
        self._n, self._leave, self.reads = n, leave, read
        self.closed = False

    def __len__(self) -> int:
        return self._n

    def read(self, index: int) -> Image:
        self.reads.append((index, threading.current_thread().name))
        self._leave.acquire(timeout=30)
        if index == 13:
            raise LogError("frame 13: torn")
        return picture(index)

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def loader(qtbot) -> Iterator[FrameLoader]:
    out = FrameLoader()
    yield out
    out.close()


@pytest.fixture
def worker(qtbot, tmp_path: Path) -> Iterator[AnalysisWorker]:
    out = AnalysisWorker(tmp_path / "results")
    yield out
    out.close()


def slow_drive(n: int = 40) -> tuple[Drive, threading.Semaphore, list[tuple[int, str]]]:
    leave, reads = threading.Semaphore(0), []
    return replace(drive_in_memory(n), open_frames=lambda: SlowFrames(n, leave, reads)), leave, reads


class TestFrames:
    def test_every_frame_is_the_one_asked_for(self, loader: FrameLoader, log_folder: Path, qtbot) -> None:
        loader.open(open_log(log_folder))
        for index in (0, 39, 7, 8, 9, 3, 8):
            with qtbot.waitSignal(loader.frame_ready, timeout=20_000) as got:
                loader.request(index)
            assert got.args[0] == index
            assert np.array_equal(got.args[1], picture(index))

    def test_only_the_newest_request_is_served(self, loader: FrameLoader, qtbot) -> None:
        drive, leave, reads = slow_drive()
        loader.open(drive)
        ready: list[int] = []
        loader.frame_ready.connect(lambda index, *_: ready.append(index))
        loader.request(0)
        qtbot.waitUntil(lambda: bool(reads), timeout=20_000)  # and there it stays
        for index in (10, 20, 30):
            loader.request(index)
        leave.release(10)
        qtbot.waitUntil(lambda: ready == [30], timeout=20_000)
        qtbot.wait(50)
        assert ready == [30]
        assert [index for index, _ in reads] == [0, 30]

    def test_reading_is_off_the_gui_thread(self, loader: FrameLoader, qtbot) -> None:
        drive, leave, reads = slow_drive()
        leave.release(10)
        loader.open(drive)
        with qtbot.waitSignal(loader.frame_ready, timeout=20_000):
            loader.request(5)
        assert reads[0][1] != threading.current_thread().name

    def test_the_next_frame_of_a_stride_is_read_ahead(self, loader: FrameLoader, qtbot) -> None:
        drive, leave, reads = slow_drive()
        leave.release(10)
        loader.open(drive)
        for index in (4, 6):
            with qtbot.waitSignal(loader.frame_ready, timeout=20_000):
                loader.request(index)
        qtbot.waitUntil(lambda: [i for i, _ in reads] == [4, 6, 8], timeout=20_000)
        with qtbot.waitSignal(loader.frame_ready, timeout=20_000) as got:
            loader.request(8)
        assert np.array_equal(got.args[1], picture(8))

    def test_an_unreadable_frame_is_told_and_the_next_one_comes(self, loader: FrameLoader, qtbot) -> None:
        drive, leave, _ = slow_drive()
        leave.release(10)
        loader.open(drive)
        with qtbot.waitSignal(loader.failed, timeout=20_000) as got:
            loader.request(13)
        assert got.args == [13, "frame 13: torn"]
        with qtbot.waitSignal(loader.frame_ready, timeout=20_000):
            loader.request(20)

    def test_frames_of_the_drive_before_are_dropped(self, loader: FrameLoader, log_folder: Path, qtbot) -> None:
        slow, leave, reads = slow_drive()
        loader.open(slow)
        loader.request(5)
        qtbot.waitUntil(lambda: bool(reads), timeout=20_000)
        got: list[int] = []
        loader.frame_ready.connect(lambda index, *_: got.append(index))
        loader.open(open_log(log_folder))
        leave.release(10)
        loader.request(7)
        qtbot.waitUntil(lambda: got == [7], timeout=20_000)


class TestOpening:
    def test_only_the_newest_log_is_announced(self, qtbot, log_folder: Path, tmp_path: Path) -> None:
        worker = OpenWorker()
        opened, failed = [], []
        worker.opened.connect(lambda request, found: opened.append((request.path, len(found.drive))))
        worker.failed.connect(lambda *args: failed.append(args))
        worker.open(OpenRequest(tmp_path / "nothing"))
        worker.open(OpenRequest(log_folder))
        qtbot.waitUntil(lambda: bool(opened), timeout=20_000)
        worker.close()
        assert opened == [(log_folder, 40)]
        assert failed == []

    @pytest.mark.parametrize("kind", ["missing", "empty", "text", "torn"])
    def test_what_cannot_be_read_is_told_in_one_line(self, qtbot, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "log.mp4"
        if kind == "empty":
            path = tmp_path / "folder"
            path.mkdir()
        elif kind == "text":
            path.write_text("this is no video")
        elif kind == "torn":
            path.write_bytes(b"\x00\x00\x00\x20ftypisom" + bytes(2000))
        worker = OpenWorker()
        with qtbot.waitSignal(worker.failed, timeout=10_000) as got:
            worker.open(OpenRequest(path))
        worker.close()
        _, message, details = got.args
        assert str(path) in message
        assert "\n" not in message
        assert "LogError" in details

    def test_one_bad_picture_costs_its_frame_and_all_bad_ones_the_log(self, qtbot, tmp_path: Path) -> None:
        folder = write_folder(tmp_path / "drive", 8)
        pictures = sorted(folder.glob("*.png"))
        pictures[0].write_bytes(pictures[0].read_bytes()[:120])
        worker = OpenWorker()
        with qtbot.waitSignal(worker.opened, timeout=10_000) as got:
            worker.open(OpenRequest(folder))
        assert len(got.args[1].drive) == 8
        for file in pictures:
            file.write_bytes(pictures[0].read_bytes()[:120])
        with qtbot.waitSignal(worker.failed, timeout=10_000) as got:
            worker.open(OpenRequest(folder))
        worker.close()
        assert pictures[0].name in got.args[1]


WINDOW = """
import sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication
from lapose_core.logs import open_log
from lapose_inspector.workers.inference import AnalysisWorker
application = QCoreApplication([])
worker = AnalysisWorker(Path(sys.argv[3]))
def tell(derived):
    if derived.analysis.windows_done:
        print(worker.process.pid, len(derived.analysis.windows_done), flush=True)
worker.grown.connect(tell)
worker.model_ready.connect(lambda _: worker.start(open_log(Path(sys.argv[1])), 10.0, 0))
worker.load(Path(sys.argv[2]))
application.exec()
"""


def no_disk() -> Any:
    raise LogError("the disk is gone")


class TestAnalysis:
    @pytest.fixture
    def drive(self, log_folder: Path) -> Drive:
        return open_log(log_folder)

    def load(self, worker: AnalysisWorker, checkpoint: Path, qtbot) -> None:
        with qtbot.waitSignal(worker.model_ready, timeout=60_000):
            worker.load(checkpoint)

    def test_the_whole_drive_is_analysed_and_kept(
        self, worker: AnalysisWorker, checkpoint: Path, drive: Drive, qtbot, tmp_path: Path
    ) -> None:
        self.load(worker, checkpoint, qtbot)
        grown: list = []
        worker.grown.connect(lambda derived: grown.append(derived.analysis))
        with qtbot.waitSignal(worker.finished, timeout=60_000) as end:
            worker.start(drive, 10.0, 0)
        assert end.args == [True]
        assert grown[-1].complete
        assert grown[-1].done.all()
        again = AnalysisWorker(tmp_path / "results")
        self.load(again, checkpoint, qtbot)
        first: list = []
        again.grown.connect(lambda derived: first.append(derived.analysis))
        with qtbot.waitSignal(again.finished, timeout=10_000):
            again.start(drive, 10.0, 20)
        again.close()
        assert len(first) == 1, "a complete stored result comes at once, without a window being run"
        assert np.array_equal(first[0].relative, grown[-1].relative)

    def test_it_starts_at_the_cursor(self, worker: AnalysisWorker, checkpoint: Path, qtbot, tmp_path: Path) -> None:
        drive = open_log(write_folder(tmp_path / "long", 3000, poses=False))
        self.load(worker, checkpoint, qtbot)
        grown: list = []
        worker.grown.connect(lambda derived: grown.append(derived.analysis))
        worker.start(drive, 10.0, 2000)
        qtbot.waitUntil(lambda: any(a.done.any() for a in grown), timeout=60_000)
        with qtbot.waitSignal(worker.finished, timeout=60_000):
            worker.cancel()
        begun = next(a for a in grown if a.done.any())
        assert 2000 - begun.window < np.flatnonzero(begun.done)[0] <= 2000

    def test_cancel_keeps_what_there_is_and_starting_again_goes_on(
        self, worker: AnalysisWorker, checkpoint: Path, qtbot, tmp_path: Path
    ) -> None:
        drive = open_log(write_folder(tmp_path / "long", 3000, poses=False))
        self.load(worker, checkpoint, qtbot)
        grown: list = []
        worker.grown.connect(lambda derived: grown.append(derived.analysis))
        worker.start(drive, 10.0, 0)
        qtbot.waitUntil(lambda: bool(grown) and grown[-1].done.any(), timeout=60_000)
        with qtbot.waitSignal(worker.finished, timeout=10_000) as end:
            worker.cancel()
        assert end.args == [False]
        assert not worker.running
        kept = int(grown[-1].done.sum())
        with qtbot.waitSignal(worker.grown, timeout=60_000) as first:
            worker.start(drive, 10.0, 0)
        assert int(first.args[0].analysis.done.sum()) == kept
        qtbot.waitUntil(lambda: int(grown[-1].done.sum()) > kept, timeout=60_000)

    def test_a_result_that_takes_long_to_show_is_shown_less_often(
        self, worker: AnalysisWorker, checkpoint: Path, drive: Drive, qtbot
    ) -> None:
        self.load(worker, checkpoint, qtbot)
        worker.grown.connect(lambda _: worker.shown_in(0.05))
        with qtbot.waitSignal(worker.finished, timeout=60_000):
            worker.start(drive, 10.0, 0)
        assert worker.process.snapshot_interval >= 0.5

    def test_without_a_model_the_reason_is_told(self, worker: AnalysisWorker, drive: Drive, qtbot) -> None:
        with qtbot.waitSignal(worker.failed, timeout=20_000) as got:
            worker.start(drive, 10.0, 0)
        assert "no checkpoint is loaded" in got.args[0]

    @pytest.mark.parametrize("damage", ["missing", "json", "weights"])
    def test_a_damaged_checkpoint_is_told(
        self, worker: AnalysisWorker, checkpoint: Path, qtbot, tmp_path: Path, damage: str
    ) -> None:
        import shutil

        folder = tmp_path / "model"
        if damage != "missing":
            shutil.copytree(checkpoint, folder)
            name = "config.json" if damage == "json" else "model.safetensors"
            (folder / name).write_bytes(b"{")
        with qtbot.waitSignal(worker.model_failed, timeout=60_000) as got:
            worker.load(folder)
        assert str(folder) in got.args[0]

    def test_frames_that_cannot_be_opened_end_the_analysis_not_the_thread(
        self, worker: AnalysisWorker, checkpoint: Path, drive: Drive, qtbot
    ) -> None:
        self.load(worker, checkpoint, qtbot)
        broken = replace(drive, open_frames=no_disk, fingerprint="0" * 16)
        with qtbot.waitSignal(worker.failed, timeout=20_000) as got:
            worker.start(broken, 10.0, 0)
        assert "the disk is gone" in got.args[0]
        with qtbot.waitSignal(worker.finished, timeout=60_000):
            worker.start(drive, 10.0, 0)

    def test_a_rate_that_leaves_one_sample_is_told(
        self, worker: AnalysisWorker, checkpoint: Path, drive: Drive, qtbot
    ) -> None:
        self.load(worker, checkpoint, qtbot)
        with qtbot.waitSignal(worker.failed, timeout=20_000) as got:
            worker.start(drive, 0.01, 0)
        assert "motion needs two" in got.args[0]

    def test_reconstructions_come_while_the_analysis_runs(
        self, worker: AnalysisWorker, checkpoint: Path, drive: Drive, qtbot
    ) -> None:
        reconstruction = ReconstructionWorker(worker)
        self.load(worker, checkpoint, qtbot)
        ready: list[int] = []
        reconstruction.ready.connect(lambda transition, _: ready.append(transition))
        worker.start(drive, 10.0, 0)
        for transition in (0, 5, 30):
            reconstruction.request(transition)
        qtbot.waitUntil(lambda: ready == [30], timeout=60_000)
        with qtbot.waitSignal(reconstruction.failed, timeout=20_000) as got:
            reconstruction.request(39)
        assert "no transition 39" in got.args[1]

    def test_closing_while_it_runs_ends_threads_and_process(
        self, checkpoint: Path, drive: Drive, qtbot, tmp_path: Path
    ) -> None:
        worker = AnalysisWorker(tmp_path / "results")
        self.load(worker, checkpoint, qtbot)
        pid = worker.process.pid
        assert pid is not None
        worker.start(drive, 10.0, 0)
        worker.close()
        assert not worker.process.alive
        qtbot.waitUntil(lambda: not alive(pid), timeout=20_000)

    def test_the_result_is_the_same_as_in_this_process_to_the_last_bit(
        self, worker: AnalysisWorker, checkpoint: Path, drive: Drive, qtbot
    ) -> None:
        import torch

        from lapose_core.inference.analysis import DriveAnalyzer
        from lapose_core.training.checkpoints import checkpoint_hash, load_checkpoint

        self.load(worker, checkpoint, qtbot)
        grown: list = []
        worker.grown.connect(lambda derived: grown.append(derived.analysis))
        worker.start(drive, 10.0, 25)
        qtbot.waitUntil(lambda: bool(grown) and grown[-1].checks is not None and not worker.checking, timeout=60_000)
        threads = torch.get_num_threads()
        torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
        try:
            analyzer = DriveAnalyzer(
                load_checkpoint(checkpoint), drive, 10.0, checkpoint_hash=checkpoint_hash(checkpoint),
                checkpoint_name=checkpoint.name,
            )  # fmt: skip
            for _ in analyzer.run(25):
                pass
        finally:
            torch.set_num_threads(threads)
        there, here = grown[-1], analyzer.analysis
        assert there.key == here.key
        for name in ("done", "relative", "latents", "fov", "scale", "cross_entropy", "translation_spread"):
            np.testing.assert_array_equal(getattr(there, name), getattr(here, name), name)
        assert there.windows_done == here.windows_done

    def test_a_killed_process_is_told_and_the_analysis_goes_on_when_started_again(
        self, worker: AnalysisWorker, checkpoint: Path, qtbot, tmp_path: Path
    ) -> None:
        drive = open_log(write_folder(tmp_path / "long", 3000, poses=False))
        self.load(worker, checkpoint, qtbot)
        ready: list = []
        worker.model_ready.connect(ready.append)
        grown: list = []
        worker.grown.connect(lambda derived: grown.append(derived.analysis))
        worker.start(drive, 10.0, 0)
        qtbot.waitUntil(lambda: bool(grown) and grown[-1].done.any(), timeout=60_000)
        with qtbot.waitSignal(worker.failed, timeout=60_000) as told:
            os.kill(worker.process.pid, signal.SIGKILL)  # type: ignore[arg-type]
        assert "it was killed, perhaps because memory ran out" in told.args[0]
        assert "start the analysis again" in told.args[0]
        assert "\n" not in told.args[0]
        assert not worker.running
        assert worker.process.pid is None
        before = len(grown)
        worker.start(drive, 10.0, 1000)
        qtbot.waitUntil(lambda: len(grown) > before and grown[-1].done.any(), timeout=60_000)
        assert ready == [], "the model is there again without a word"
        with qtbot.waitSignal(worker.finished, timeout=60_000):
            worker.cancel()

    def test_a_process_that_is_killed_at_rest_is_told_in_passing(
        self, worker: AnalysisWorker, checkpoint: Path, drive: Drive, qtbot
    ) -> None:
        self.load(worker, checkpoint, qtbot)
        with qtbot.waitSignal(worker.noted, timeout=60_000) as told:
            os.kill(worker.process.pid, signal.SIGKILL)  # type: ignore[arg-type]
        assert "It starts again with the analysis" in told.args[0]
        with qtbot.waitSignal(worker.finished, timeout=60_000) as end:
            worker.start(drive, 10.0, 0)
        assert end.args == [True]

    def test_a_killed_window_leaves_no_process_and_its_result_is_stored(
        self, checkpoint: Path, qtbot, tmp_path: Path
    ) -> None:
        if sys.platform != "linux":
            pytest.skip("looks into /proc")
        folder = write_folder(tmp_path / "long", 3000, poses=False)
        command = [sys.executable, "-c", WINDOW, str(folder), str(checkpoint), str(tmp_path / "results")]
        window = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert window.stdout is not None
            pid, done = (int(word) for word in window.stdout.readline().split())
            assert alive(pid)
        finally:
            window.kill()
            window.wait(30)
            window.stdout.close()  # type: ignore[union-attr]
        qtbot.waitUntil(lambda: not alive(pid), timeout=60_000)
        again = AnalysisWorker(tmp_path / "results")
        self.load(again, checkpoint, qtbot)
        with qtbot.waitSignal(again.grown, timeout=60_000) as first:
            again.start(open_log(folder), 10.0, 0)
        again.close()
        assert len(first.args[0].analysis.windows_done) >= done > 0

    def test_what_the_analysis_decodes_becomes_preview_pictures_that_the_window_finds(
        self, checkpoint: Path, qtbot, tmp_path: Path
    ) -> None:
        from lapose_core.frames.proxies import ProxyFolder

        drive = open_log(write_counted(tmp_path / "log.mp4", count=100, gop=50, size=(1024, 576)))
        proxies = ProxyFolder(tmp_path / "previews", 1 << 30)
        seen = proxies.open(drive)
        assert seen is not None
        pictured: list[str] = []
        worker = AnalysisWorker(tmp_path / "results", proxies=proxies, pictured=pictured.append)
        try:
            self.load(worker, checkpoint, qtbot)
            with qtbot.waitSignal(worker.finished, timeout=120_000):
                worker.start(drive, 5.0, 0)
        finally:
            worker.close()
        assert set(pictured) == {drive.fingerprint}
        assert seen.state.done == 0
        seen.look_again()
        # All but what follows the last sample.
        assert seen.state.done >= drive.even_indices(5.0)[-1]
        source = drive.open_frames()
        for index in (0, 31, 77):
            assert seen.agrees(index, source.read(index))
        source.close()
        seen.close()

    def test_many_workers_leave_neither_handles_nor_threads(self, checkpoint: Path, qtbot, tmp_path: Path) -> None:
        if sys.platform != "linux":
            pytest.skip("looks into /proc")

        def once() -> None:
            worker = AnalysisWorker(tmp_path / "results")
            self.load(worker, checkpoint, qtbot)
            pid = worker.process.pid
            assert pid is not None
            worker.close()
            qtbot.waitUntil(lambda: not alive(pid), timeout=20_000)

        once()
        before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
        for _ in range(5):
            once()
        assert len(os.listdir("/proc/self/fd")) <= before
        assert threading.active_count() <= threads

    def test_a_drive_that_cannot_be_sent_is_told(
        self, worker: AnalysisWorker, checkpoint: Path, drive: Drive, qtbot
    ) -> None:
        self.load(worker, checkpoint, qtbot)
        local = replace(drive, open_frames=lambda: drive.open_frames(), fingerprint="0" * 16)
        with qtbot.waitSignal(worker.failed, timeout=20_000) as got:
            worker.start(local, 10.0, 0)
        assert "cannot be opened in another process" in got.args[0]
        with qtbot.waitSignal(worker.finished, timeout=60_000):
            worker.start(drive, 10.0, 0)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_jump_turns_decoding_round_while_the_model_is_busy(qtbot, checkpoint: Path, tmp_path: Path) -> None:
    drive, leave, reads = slow_drive(400)
    leave.release(1000)
    busy, free = threading.Event(), threading.Event()

    def question(_: object) -> None:
        busy.set()
        free.wait(60.0)

    loop = AnalysisLoop(tmp_path / "results", None, place, lambda name, arguments: None)
    thread = threading.Thread(target=loop.run)
    loop.request_load(checkpoint, "cpu", False)
    thread.start()
    try:
        loop.request_analysis(AnalysisStart(1, drive, RATE, 0))
        qtbot.waitUntil(lambda: len(reads) > 0, timeout=30_000)  # the first window has begun
        loop.ask("busy", question)
        assert busy.wait(60.0)
        loop.request_seek(300)
        qtbot.waitUntil(lambda: any(index >= 290 for index, _ in reads), timeout=30_000)
    finally:
        free.set()
        loop.stop()
        thread.join(60.0)
    assert not thread.is_alive()


def test_pictures_are_told_apart() -> None:
    assert picture(3).shape == (SIZE[1], SIZE[0], 3)
    assert not np.array_equal(picture(3), picture(4))


def place_on_meta(path: Path, wanted: str) -> Placed:
    """The model on ``meta``, a device that has no memory at all; its weights come back on the CPU."""
    import torch

    from lapose_core.training.checkpoints import load_checkpoint

    model, full = load_checkpoint(path), load_checkpoint(path)
    model.to("meta")

    def refuse(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if given[0].device.type == "meta":
            raise torch.OutOfMemoryError("out of memory")

    def to_cpu(device: str) -> torch.nn.Module:
        assert device == "cpu"
        model.to_empty(device="cpu")
        model.load_state_dict(full.state_dict())
        for empty, kept in zip(model.buffers(), full.buffers(), strict=True):
            empty.copy_(kept)
        return model

    model.vqvae.encoder.register_forward_pre_hook(refuse)
    model.to = to_cpu  # type: ignore[method-assign]
    return Placed(model, ("cpu", "meta"))


class TestDevices:
    def test_the_device_that_was_asked_for_is_told_with_those_there_are(
        self, worker: AnalysisWorker, checkpoint: Path, qtbot
    ) -> None:
        with qtbot.waitSignal(worker.model_ready, timeout=60_000) as ready:
            worker.load(checkpoint, "cpu")
        info = ready.args[0]
        assert (info.device, info.device_note) == ("cpu", "")
        assert "cpu" in info.devices

    def test_a_device_that_is_not_there_gives_way_to_the_best_with_its_reason(
        self, worker: AnalysisWorker, checkpoint: Path, qtbot
    ) -> None:
        import torch

        absent = "mps" if not torch.backends.mps.is_available() else "cuda"
        with qtbot.waitSignal(worker.model_ready, timeout=60_000) as ready:
            worker.load(checkpoint, absent)
        info = ready.args[0]
        assert info.device.split(":")[0] in info.devices
        assert absent not in info.devices
        assert absent in info.device_note

    def test_a_model_that_moves_for_want_of_memory_is_told_to_run_elsewhere(
        self, checkpoint: Path, qtbot, tmp_path: Path
    ) -> None:
        drive = open_log(write_folder(tmp_path / "log", 40))

        worker = AnalysisWorker(tmp_path / "results", place=place_on_meta)
        try:
            with qtbot.waitSignal(worker.model_ready, timeout=60_000) as ready:
                worker.load(checkpoint)
            assert ready.args[0].device == "meta"
            told: list[Any] = []
            worker.model_moved.connect(told.append)
            with qtbot.waitSignals([worker.model_moved, worker.finished], timeout=60_000):
                worker.start(drive, 10.0, 0)
            (moved,) = told
            assert (moved.device, moved.device_note) == ("cpu", "meta had too little memory")
        finally:
            worker.close()


def test_background_threads_stand_behind_the_window(qtbot) -> None:
    if sys.platform != "linux":
        pytest.skip("threads have no niceness of their own here")

    def niceness(_: object = None) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    worker = LatestWorker("nice")
    with qtbot.waitSignal(worker.done, timeout=10_000) as done:
        worker.submit(niceness)
    worker.stop()
    assert done.args[0] > niceness()


def test_a_worker_without_jobs_ends_its_thread_lets_go_and_comes_back(qtbot) -> None:
    let_go: list[str] = []
    worker = LatestWorker("resting", rest=lambda: let_go.append(threading.current_thread().name), idle=0.05)
    for number in range(3):
        with qtbot.waitSignal(worker.done, timeout=30_000) as done:
            worker.submit(lambda _, n=number: (n, threading.current_thread().name))
        assert done.args[0] == (number, "resting")
        qtbot.waitUntil(lambda: "resting" not in unfinished(), timeout=30_000)
        assert let_go == ["resting"] * (number + 1)
    assert worker.stop()


def test_a_job_that_comes_while_a_worker_lets_go_is_done(qtbot) -> None:
    resting, goes_on = threading.Event(), threading.Event()

    def rest() -> None:
        resting.set()
        assert goes_on.wait(30)

    worker = LatestWorker("resting", rest=rest, idle=0.01)
    with qtbot.waitSignal(worker.done, timeout=30_000):
        worker.submit(lambda _: 1)
    assert resting.wait(30)
    with qtbot.waitSignal(worker.done, timeout=30_000) as done:
        worker.submit(lambda _: 2)
        goes_on.set()
    assert done.args == [2]
    assert worker.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_small_pictures_keep_a_log_open_only_while_they_are_asked_for(qtbot, tmp_path: Path) -> None:
    drive = open_log(write_counted(tmp_path / "log.mp4", count=20, gop=10))

    def handles() -> int:
        links = []
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # closed meanwhile
                links.append(os.readlink(f"/proc/self/fd/{number}"))
        return links.count(str(drive.path))

    loader = ThumbnailLoader()
    loader.set_drive(drive)
    before = handles()
    with qtbot.waitSignal(loader.ready, timeout=30_000):
        loader.request(3, 4)
    assert handles() == before + 1
    qtbot.waitUntil(lambda: handles() == before, timeout=60_000)
    with qtbot.waitSignal(loader.ready, timeout=30_000):
        loader.request(7, 9)
    loader.stop()
    assert handles() == before
