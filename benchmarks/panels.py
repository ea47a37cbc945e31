"""What the window's panels cost with a result of 100,000 transitions: processor time of each thing a user does.

    xvfb-run -a -s "-screen 0 1920x1080x24" .venv/bin/python benchmarks/panels.py [--short]

One after the other, many times round: the cursor moved by a step, the 3D view turned, the map, the tracks and the
timeline under the mouse, the map panned and the tracks zoomed, a thousand transitions selected, and a snapshot of a
growing result. ``own`` is the time of the window's thread, less what the idle window takes meanwhile; ``longest`` the
longest single turn of its event loop, and ``*_longest_per_33ms`` what the issue asks of each.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from heartbeat import RATE, large, until
from measure import parser, report
from PySide6.QtCore import QCoreApplication, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest

from lapose_core.frames.heap import steady_heap
from lapose_inspector.application import make_application
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.derived import derive
from lapose_inspector.models.log import OpenLog
from lapose_inspector.models.settings import Folders

PAUSE = 0.15
"""Seconds that the window has for what an action brings."""


def live(seconds: float) -> float:
    """Let the window live for a while; processor milliseconds of the longest turn of its event loop."""
    began, longest = time.perf_counter(), 0.0
    while time.perf_counter() - began < seconds:
        turn = time.thread_time()
        QCoreApplication.processEvents()
        longest = max(longest, 1e3 * (time.thread_time() - turn))
        time.sleep(0.004)
    return longest


class Costs:
    """Processor milliseconds of actions on the window's thread: all of it, and the longest turn of the event loop."""

    def __init__(self) -> None:
        self._own: dict[str, list[float]] = {}
        self._longest: dict[str, list[float]] = {}

    def measure(self, name: str, act: Callable[[], object], seconds: float = PAUSE) -> None:
        began = time.thread_time()
        act()
        acted = time.thread_time()
        longest = max(1e3 * (acted - began), live(seconds))
        self._own.setdefault(name, []).append(1e3 * (time.thread_time() - began))
        self._longest.setdefault(name, []).append(longest)

    def figures(self, idle: str) -> dict[str, float]:
        """Medians of the work, without that of the idle window, and of the longest turns."""
        rest = float(np.median(self._own[idle]))
        out = {f"{name}_own_ms": float(np.median(v)) - rest for name, v in self._own.items() if name != idle}
        return out | {f"{name}_longest_ms": float(np.median(v)) for name, v in self._longest.items()}


def watch(app: Inspector, transitions: int, rounds: int) -> dict[str, float]:
    drive, analysis, windows = large(transitions)
    rng = np.random.default_rng(2)
    ready = round(0.9 * len(windows))
    analysis.merge_all(windows[:ready])
    analysis.confidence[:] = rng.uniform(0.4, 1.0, transitions)
    app.show_drive(drive, transitions // 2, OpenLog(drive.path, None))
    app.session.rate = RATE
    derived = derive(drive, RATE, analysis.snapshot(), app.display.alignment)
    app.session.take(derived)
    window = app.window
    window.latent_map.set_method("pca")
    if not until(lambda: window.latent_map.projection is not None, 120):
        raise SystemExit("no map came")
    live(2.0)
    tracks, scrubber, latent_map, scene = window.tracks, window.transport.scrubber, window.latent_map, window.trajectory
    rest = iter(np.array_split(np.arange(ready, len(windows)), rounds))
    costs, snapshots = Costs(), []

    def somewhere(widget) -> QPoint:  # type: ignore[no-untyped-def]
        return QPoint(int(rng.integers(5, widget.width() - 5)), int(rng.integers(5, widget.height() - 5)))

    def hover(widget) -> Callable[[], object]:  # type: ignore[no-untyped-def]
        return lambda: QTest.mouseMove(widget, somewhere(widget))

    def turn() -> None:
        scene.scene.camera.azimuth = (scene.scene.camera.azimuth + 7) % 360 - 180
        scene.canvas.update()

    def wheel() -> None:
        at = QPointF(somewhere(tracks))
        turned, none = QPoint(0, int(rng.choice((-120, 120)))), Qt.KeyboardModifier.NoModifier
        no, phase = Qt.MouseButton.NoButton, Qt.ScrollPhase.NoScrollPhase
        wheel = QWheelEvent(at, tracks.mapToGlobal(at), QPoint(), turned, no, none, phase, False)
        QCoreApplication.sendEvent(tracks, wheel)

    def pan_map() -> None:
        latent_map.scene.view.camera.pan(rng.uniform(-0.5, 0.5, 2))
        latent_map.canvas.update()

    def select() -> None:
        chosen = np.sort(rng.choice(ready * 8, 1000, replace=False))
        app.session.selection.replace({drive.fingerprint: chosen})

    for _ in range(rounds):
        costs.measure("idle", lambda: None)
        costs.measure("cursor", lambda: app.timeline.seek(app.timeline.frame + 1))
        costs.measure("turn_3d", turn)
        costs.measure("hover_3d", hover(scene.canvas.native))
        costs.measure("hover_map", hover(latent_map.canvas.native))
        costs.measure("pan_map", pan_map)
        costs.measure("hover_tracks", hover(tracks))
        costs.measure("zoom_tracks", wheel)
        costs.measure("hover_timeline", hover(scrubber))
        costs.measure("select", select)
    for windows_due in rest:
        analysis.merge_all(windows[i] for i in windows_due)
        derived = derive(drive, RATE, analysis.snapshot(), app.display.alignment, derived)
        snapshots.append(derived)
        costs.measure("growth", lambda: app.growth.take(snapshots[-1]), 0.6)
    return costs.figures("idle")


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--count", type=int)
    given = options.parse_args()
    count = given.count or (20_000 if given.short else 100_000)
    steady_heap()  # as the program does
    application = make_application()
    with tempfile.TemporaryDirectory() as folder:
        app = Inspector(Folders.under(Path(folder)), analyse=False, remember=False)
        app.window.resize(1600, 1000)
        app.window.show()
        app.window.activateWindow()
        until(lambda: app.window.windowHandle().isExposed() and app.model.loaded, 60)
        found = watch(app, count, 5 if given.short else 15)
        app.close()
    application.quit()
    ratios = {name.replace("_ms", "_per_33ms"): v / 33 for name, v in found.items() if name.endswith("_longest_ms")}
    report("panels", ratios, {"transitions": count, **found})


if __name__ == "__main__":
    main()
