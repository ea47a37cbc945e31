"""Random user actions in the real window for a while: what the process holds before and after.

    xvfb-run -a -s "-screen 0 1920x1080x24" .venv/bin/python benchmarks/soak.py [--minutes 10] [--seed 0] [--short]

Two logs made here, one of video and one of pictures, are opened, sought in, stepped and played through, and what the
registry offers without a dialog is chosen, at random. Resident memory, threads and open files are counted with the
window idle and the same log open: before, after half of the time and at the end. What the first half brings are threads
and libraries of commands that were not used before; what the second adds to that would be a leak. ``heap`` is what is
in use of the C library's heap, ``kept`` what the program keeps to be fast, within its limit of 512 MiB; ``beside`` the
processes that it started. An exception that nobody caught ends the run with a failure, and the seed says it all again.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import gc
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from measure import parser, report
from PySide6.QtCore import QCoreApplication, QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from lapose_core.frames.budget import MIB
from lapose_core.frames.heap import steady_heap
from lapose_core.sample_video import write_log
from lapose_inspector.application import make_application, reporting_exceptions
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.settings import Folders

SAMPLE = Path(__file__).parents[1] / "resources" / "sample_drive"
LEFT_OUT = (
    "quit",
    "close",
    "open",
    "import",
    "export",
    "checkpoint",
    "about",
    "palette",
    "shortcuts",
    "help",
    "tour",
    "compile",
)
"""Words in the ids of commands that end the run, leave the window or ask something, or take minutes: compiling."""
KEYS = (
    Qt.Key.Key_Space, Qt.Key.Key_J, Qt.Key.Key_K, Qt.Key.Key_L, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home,
    Qt.Key.Key_End, Qt.Key.Key_F, Qt.Key.Key_T, Qt.Key.Key_R, Qt.Key.Key_1, Qt.Key.Key_4, Qt.Key.Key_Minus,
    Qt.Key.Key_Equal, Qt.Key.Key_BracketLeft, Qt.Key.Key_BracketRight, Qt.Key.Key_Backslash,
)  # fmt: skip


def live(seconds: float) -> None:
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        QCoreApplication.processEvents()
        time.sleep(0.001)


def until(done: Callable[[], bool], seconds: float) -> bool:
    began = time.perf_counter()
    while not done() and time.perf_counter() - began < seconds:
        live(0.01)
    return done()


def held(app: Inspector) -> dict[str, float]:
    """MiB resident and kept, threads (also those that Python does not know) and open files of this process; and of
    those beside it together, their number with them."""
    gc.collect()
    app.memory.look()
    own, beside = Path("/proc/self"), beside_this()
    status = dict(line.split(":", 1) for line in (own / "status").read_text().splitlines())
    return {
        "rss_mib": float(status["VmRSS"].split()[0]) / 1024,
        "heap_mib": heap() / MIB,
        "kept_mib": app.memory.use.used / MIB,
        "threads": count(own, "task"),
        "python_threads": float(threading.active_count()),
        "files": count(own, "fd"),
        "beside_processes": float(len(beside)),
        "beside_pss_mib": sum(map(share, beside)),
        "beside_threads": sum(count(process, "task") for process in beside),
        "beside_files": sum(count(process, "fd") for process in beside),
    }


def beside_this() -> list[Path]:
    """The folders in /proc of all processes that come from this one."""
    parents = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    found, news = [], {os.getpid()}
    while news:
        news = {process for process, parent in parents.items() if parent in news}
        found += [Path("/proc", str(process)) for process in news]
    return found


def share(process: Path) -> float:
    """MiB in memory; of what several processes have in common each counts its part."""
    with contextlib.suppress(OSError, KeyError):
        lines = (process / "smaps_rollup").read_text().splitlines()[1:]
        return float(dict(line.split(":", 1) for line in lines)["Pss"].split()[0]) / 1024
    return 0.0


def count(process: Path, what: str) -> float:
    """Entries of a folder of a process."""
    with contextlib.suppress(OSError):
        return float(len(os.listdir(process / what)))
    return 0.0


class _Heap(ctypes.Structure):
    """glibc's mallinfo2."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def heap() -> int:
    """Bytes in use of the C library's heap, mapped blocks included; 0 where it is not glibc."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return 0
    ask.restype = _Heap
    found = ask()
    return int(found.hblkhd + found.uordblks)


def close_dialog() -> None:
    """A dialog that a command opened is closed as a user would, also one whose command waits for it."""
    dialog = QApplication.activeModalWidget()
    if dialog is not None:
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
        dialog.close()


class User:
    """Does something at random, and counts what."""

    def __init__(self, app: Inspector, logs: list[Path], seed: int) -> None:
        self._app, self._logs, self._random = app, logs, random.Random(seed)
        self.did: collections.Counter[str] = collections.Counter()
        commands = [c.id for c in app.window.actions_.commands]
        self._commands = [c for c in commands if not any(word in c for word in LEFT_OUT)]

    def act(self) -> None:
        what = self._random.choices(("seek", "key", "command", "mouse", "rate", "open"), (30, 30, 20, 20, 1, 2))[0]
        self.did[what] += 1
        getattr(self, f"_{what}")()

    def _seek(self) -> None:
        self._app.timeline.seek(self._random.randrange(max(1, self._app.timeline.n_frames)))

    def _key(self) -> None:
        shift = self._random.choice((Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier))
        QTest.keyClick(self._app.window, self._random.choice(KEYS), shift)

    def _command(self) -> None:
        action = self._app.window.actions_[self._random.choice(self._commands)]
        if action.isEnabled():
            action.trigger()

    def _mouse(self) -> None:
        window = self._app.window
        panel = self._random.choice((window.video, window.trajectory, window.latent_map, window.tracks, window.forward))
        canvas = getattr(panel, "canvas", None)
        widget = getattr(canvas, "native", None) or panel
        if not widget.isVisible() or widget.width() < 2 or widget.height() < 2:
            return
        at = QPoint(self._random.randrange(widget.width()), self._random.randrange(widget.height()))
        QTest.mouseMove(widget, at)
        if self._random.random() < 0.4:
            QTest.mouseClick(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)

    def _rate(self) -> None:
        self._app.set_rate(self._random.choice((1.0, 2.0, 5.0)))

    def _open(self) -> None:
        self._app.open(self._random.choice(self._logs))


def settle(app: Inspector, log: Path) -> dict[str, float]:
    """The same log open, paused and analysed at the same rate; then what is held."""
    app.timeline.pause()
    app.set_rate(2.0)
    app.open(log)
    until(lambda: not app.opener.busy, 60)
    until(lambda: app.session.analysis is not None and app.session.analysis.complete, 120)
    until(lambda: not app.analysis.checking, 120)
    app.timeline.seek(0)
    live(20.0)  # at rest the heap goes back to the system, more than once: previews end later than what is seen
    return held(app)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--minutes", type=float)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    seconds = 60.0 * (given.minutes or (0.5 if given.short else 10.0))
    steady_heap()  # as the program does
    application = make_application()
    errors: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        video = write_log(place / "log.mp4", seconds=20.0, clip=5.0, size=(1280, 720))
        pictures = Path(shutil.copytree(SAMPLE, place / "pictures"))
        app = Inspector(Folders.under(place), remember=False)
        with reporting_exceptions(app):
            app.unexpected.connect(lambda message, _: errors.append(message))
            app.window.resize(1600, 1000)
            app.window.show()
            app.window.activateWindow()  # else its keys do nothing
            if not QTest.qWaitForWindowActive(app.window, 20_000):
                raise SystemExit("the window did not become active")
            until(lambda: app.model.loaded, 60)
            settle(app, pictures)
            app.memory.set_limits(512, app.settings.previews_mib)
            before = settle(app, video)
            user = User(app, [video, pictures], given.seed)
            dialogs = QTimer(interval=100)
            dialogs.timeout.connect(close_dialog)
            dialogs.start()
            counts = [before]
            for _ in range(2):
                began = time.perf_counter()
                while time.perf_counter() - began < seconds / 2 and not errors:
                    user.act()
                    live(0.05)
                counts.append(settle(app, video))
            app.close()
        application.quit()
    _, middle, after = counts
    ratios = {f"{name}_after_per_middle": after[name] / max(middle[name], 1.0) for name in before}
    figures: dict[str, object] = {"seconds": seconds, "seed": given.seed}
    for when, found in zip(("before", "middle", "after"), counts, strict=True):
        figures |= {f"{name}_{when}": value for name, value in found.items()}
    figures |= {"actions": sum(user.did.values()), "errors": errors}
    report("soak", ratios, figures)
    if errors:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
