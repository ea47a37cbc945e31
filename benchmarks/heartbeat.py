"""Does the window answer while everything runs? The real window on a screen, and a 10 ms timer on its thread.

    xvfb-run -a -s "-screen 0 1920x1080x24" .venv/bin/python benchmarks/heartbeat.py [--short] [--stacks]

Two scenes, each watched while the drive plays:

* ``drive``: a 1080p30 log made here. Its analysis, the building of its previews and t-SNE run; ``drive_analysed``
  transitions and ``drive_preview_bytes`` came meanwhile.
* ``large``: a result of 100,000 transitions (20,000 with ``--short``), which grows as if it were being analysed, with
  t-SNE of it under way, the 3D view orbiting and the mouse hovering over the map.

``p99_ms`` of the gaps between beats is what the issue asks about. ``own`` is the processor time that the thread itself
took in them: on a machine that other programs use, too, only that is the program's fault. ``--stacks`` adds what the
thread did in the longest stalls.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from measure import parser, report
from pulse import Pulse
from PySide6.QtCore import QCoreApplication, QEventLoop, QPoint, Qt, QTimer
from PySide6.QtTest import QTest

from lapose_core.drive import Drive, Image
from lapose_core.frames.heap import steady_heap
from lapose_core.geometry import accumulate, make_poses, matrix_from_quaternion
from lapose_core.inference.result import DriveAnalysis, WindowResult
from lapose_core.sample_video import write_log
from lapose_inspector.application import collect_what_comes, make_application
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.derived import Derived, derive
from lapose_inspector.models.log import OpenLog
from lapose_inspector.models.settings import Folders
from lapose_inspector.workers.latest import LatestWorker

LATENTS = 50
RATE = 10.0


def run(seconds: float, each: Callable[[float], None] = lambda now: None) -> None:
    """Let the window live for a while in an event loop, as the program does; ``each`` acts as the user, ten times a
    second."""
    began, loop = time.perf_counter(), QEventLoop()
    user = QTimer(interval=100)
    user.timeout.connect(lambda: each(time.perf_counter() - began))
    user.start()
    QTimer.singleShot(round(1e3 * seconds), loop.quit)
    loop.exec()
    user.stop()


def until(done: Callable[[], bool], seconds: float) -> bool:
    began = time.perf_counter()
    while not done():
        if time.perf_counter() - began > seconds:
            return False
        QCoreApplication.processEvents()
        time.sleep(0.001)
    return True


class Grey:
    """Frames of a drive that has no pictures."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._image = np.full((270, 480, 3), 90, np.uint8)

    def __len__(self) -> int:
        return self._count

    def read(self, index: int) -> Image:
        return self._image

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        for index in range(start, self._count if stop is None else stop, step):
            yield index, self._image

    def close(self) -> None:
        pass


def steps(count: int, rng: np.random.Generator) -> np.ndarray:
    """Relative poses [count, 4, 4] of a car that turns now and then."""
    turn = np.convolve(rng.normal(0, 0.02, count), np.ones(30) / 5, "same")
    quaternion = np.stack([np.zeros(count), np.sin(turn / 2), np.zeros(count), np.cos(turn / 2)], -1)
    move = np.stack([np.zeros(count), np.zeros(count), rng.uniform(0.3, 2.0, count)], -1)
    return make_poses(matrix_from_quaternion(quaternion), move)


def large(transitions: int) -> tuple[Drive, DriveAnalysis, list[WindowResult]]:
    """A drive with truth, an empty result of it, and the windows that fill it."""
    rng = np.random.default_rng(0)
    truth = steps(transitions, rng)
    drive = Drive(
        name="large", path=Path("large"), format="made", width=480, height=270,
        timestamps=np.arange(transitions + 1) / RATE, open_frames=lambda: Grey(transitions + 1),
        poses=accumulate(truth), fingerprint="0123456789abcdef",
    )  # fmt: skip
    analysis = DriveAnalysis.for_drive(
        drive, RATE, window=16, latent_dim=LATENTS, checkpoint_hash="abc", checkpoint_name="made"
    )
    seen = truth.copy()
    seen[:, :3, 3] *= rng.normal(1, 0.05, (transitions, 1))
    mixing = rng.normal(size=(4, LATENTS))
    causes = np.stack([truth[:, 2, 3], 20 * truth[:, 0, 2], rng.normal(size=transitions), np.ones(transitions)], -1)
    latents = (causes @ mixing + rng.normal(0, 0.2, (transitions, LATENTS))).astype(np.float32)
    windows = [
        WindowResult(
            index, start, latents[start : start + 15], seen[start : start + 15], np.full(15, 1.2), 1.0, np.full(15, 2.0)
        )
        for index, start in enumerate(analysis.window_starts)
    ]
    return drive, analysis, windows


def watch_drive(app: Inspector, log: Path, previews: Path, seconds: float, pulse: Pulse) -> dict[str, int]:
    """Returns what was done meanwhile beside the window."""
    app.open(log)
    until(lambda: app.session.analysis is not None and bool(app.session.analysis.done.any()), 120)
    app.window.latent_map.set_method("t-sne")
    app.timeline.play()
    pulse.reset()
    began = analysed(app), size(previews)
    run(seconds)
    return {"drive_analysed": analysed(app) - began[0], "drive_preview_bytes": size(previews) - began[1]}


def analysed(app: Inspector) -> int:
    """Transitions that the analysis has done."""
    return 0 if app.session.analysis is None else int(app.session.analysis.done.sum())


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*"))


def watch_large(app: Inspector, transitions: int, seconds: float, pulse: Pulse) -> None:
    drive, analysis, windows = large(transitions)
    ready = round(0.9 * len(windows))
    analysis.merge_all(windows[:ready])
    app.show_drive(drive, 0, OpenLog(drive.path, None))
    app.session.rate = RATE
    app.session.set_analysis(analysis.snapshot())
    latent_map, view = app.window.latent_map, app.window.trajectory
    latent_map.set_method("t-sne")
    until(lambda: latent_map.projection is not None, 120)
    app.timeline.play()
    run(2.0)
    rest = iter(np.array_split(np.arange(ready, len(windows)), max(2, round(2 * seconds))))
    rng = np.random.default_rng(1)
    due = 0.0

    def act(now: float) -> None:
        nonlocal due
        size = latent_map.canvas.native.size()
        at = QPoint(int(rng.integers(size.width())), int(rng.integers(size.height())))
        QTest.mouseMove(latent_map.canvas.native, at)
        QTest.keyClick(app.window, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
        camera = view.canvas.central_widget.children[0].camera if view.canvas.central_widget.children else None
        if camera is not None and hasattr(camera, "azimuth"):
            camera.azimuth = (camera.azimuth + 4) % 360 - 180
            view.canvas.update()
        if now >= due:  # as often as the inference thread would send it
            due = float("inf")
            new, before = next(rest, np.zeros(0, int)), derived[-1]
            inference.submit(lambda _: grow(new, before))

    def grow(new: np.ndarray, before: Derived) -> Derived:
        analysis.merge_all(windows[i] for i in new)
        return derive(drive, RATE, analysis.snapshot(), app.display.alignment, before)

    def show(grown: Derived) -> None:
        nonlocal due
        derived[:] = [grown]
        app.growth.take(grown)
        due = time.perf_counter() - start + app.analysis.process.snapshot_interval

    derived = [derive(drive, RATE, analysis.snapshot(), app.display.alignment)]
    inference = LatestWorker("inference", app)
    inference.done.connect(show)
    pulse.reset()  # not before: what begins here would be done by the inference thread
    start = time.perf_counter()
    run(seconds, act)
    inference.stop()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seconds", type=float)
    options.add_argument("--scene", choices=("drive", "large"))
    options.add_argument("--stacks", action="store_true")
    given = options.parse_args()
    seconds = given.seconds or (8.0 if given.short else 40.0)
    transitions = 20_000 if given.short else 100_000
    ratios: dict[str, float] = {}
    figures: dict[str, object] = {"transitions": transitions}
    steady_heap()  # as the program does
    application = make_application()
    with tempfile.TemporaryDirectory() as folder:
        log = None
        if given.scene != "large":
            log = write_log(Path(folder) / "log.mp4", seconds=2 * seconds + 20, clip=5 if given.short else 10)
        for scene in ("drive", "large") if given.scene is None else (given.scene,):
            # The large scene brings its own result: a real analysis of its grey frames would be in the way.
            analyse = scene == "drive"
            app = Inspector(Folders.under(Path(folder) / scene), analyse=analyse, remember=False)
            app.window.resize(1600, 1000)
            app.window.show()
            app.window.activateWindow()  # else its keys do nothing
            until(lambda: app.window.windowHandle().isExposed() and app.model.loaded, 60)  # noqa: B023
            collect_what_comes()
            pulse = Pulse()
            if log is not None and scene == "drive":
                figures |= watch_drive(app, log, Path(folder) / scene / "cache" / "previews", seconds, pulse)
            else:
                watch_large(app, transitions, seconds, pulse)
            pulse.end()
            found = pulse.figures()
            ratios[f"{scene}_p99_per_33ms"] = found["p99_ms"] / 33.0
            ratios[f"{scene}_own_p99_per_33ms"] = found["own_p99_ms"] / 33.0
            figures |= {f"{scene}_{name}": value for name, value in found.items()}
            if given.stacks:
                for stall in pulse.stalls:
                    print(json.dumps(stall.describe()), file=sys.stderr)
            app.close()
    application.quit()
    report("heartbeat", ratios, figures)


if __name__ == "__main__":
    main()
