"""What the opening screen does not wait for, and that it comes afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import threadpoolctl

from lapose_inspector.inspector import Inspector

HEAVY = ("torch", "open3d", "pyarrow", "pandas", "scipy", "sklearn", "openTSNE", "numba", "duckdb", "matplotlib", "cv2")
LATER = ("vispy", "av", "lapose_inspector.views.dialogs", "lapose_inspector.exporter")
"""What costs less, and still no opening screen shows."""


def test_the_window_comes_before_what_is_slow_to_import() -> None:
    code = f"""
import json, sys
import lapose_inspector.application, lapose_inspector.inspector, lapose_inspector.models.settings
print(json.dumps([name for name in {HEAVY + LATER!r} if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.strip().splitlines()[-1]) == []


def test_canvases_come_by_themselves_where_no_drive_asks_for_them(launch, qtbot) -> None:
    app: Inspector = launch()
    panels = app.window.trajectory, app.window.latent_map
    qtbot.waitUntil(lambda: all(panel.drawn for panel in panels), timeout=60_000)
    for panel in panels:
        assert panel.overlay.message.isVisible()
        assert panel.canvas.native.isVisible()
    assert not app.window.trajectory.scene.grid.shown


def test_the_window_waits_for_no_other_thread_to_multiply(launch, qtbot) -> None:
    app: Inspector = launch()
    qtbot.waitUntil(lambda: app.window.trajectory.drawn and app.window.latent_map.drawn, timeout=60_000)
    pools = threadpoolctl.threadpool_info()
    assert {pool["num_threads"] for pool in pools if pool["user_api"] == "blas" and "numpy" in pool["filepath"]} <= {1}


def test_what_will_be_drawn_is_made_before_it_is_asked_for_and_not_seen(launch, qtbot) -> None:
    app: Inspector = launch()
    panels = app.window.trajectory, app.window.latent_map
    qtbot.waitUntil(lambda: all(panel.drawn for panel in panels), timeout=60_000)
    empty = [panel.canvas.native.grabFramebuffer() for panel in panels]
    parts = [part for panel in panels for part in panel.scene.parts]
    assert len(parts) > 10
    qtbot.waitUntil(lambda: all(part.made for part in parts), timeout=60_000)
    assert [panel.canvas.native.grabFramebuffer() for panel in panels] == empty


def test_a_drive_that_is_there_first_is_drawn_as_the_display_says(launch, log_folder: Path, qtbot) -> None:
    app: Inspector = launch(analyse=False)
    app.afterwards.close()
    app.display.set_overlay("frusta", False)
    app.set_alignment("sim3")
    assert app.window.trajectory.tools.alignment_box.currentData() == "sim3"
    app.open(log_folder)
    qtbot.waitUntil(lambda: app.session.drive is not None, timeout=60_000)
    view = app.window.trajectory
    assert view.drawn
    assert view.scene.segments["truth"]
    assert view.scene.grid.shown
    assert view.scene.frusta["truth"].count == 0
    assert not view.overlay.message.isVisible()
