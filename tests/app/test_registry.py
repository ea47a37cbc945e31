"""Every command of the registry, one after the other, in a window of its own: what computes stays out of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BESIDE = ("torch", "openTSNE", "sklearn", "cv2", "pycolmap", "open3d")
"""What only processes beside the window import: threads, memory and Python's lock are then theirs."""

WINDOW = """
import json, sys, time
from pathlib import Path
from PySide6.QtCore import QTimer
from PySide6.QtTest import QTest
from lapose_inspector.application import make_application, reporting_exceptions
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.settings import Folders
from lapose_inspector.workers.latest import unfinished

LEAVES = ("file.quit", "help.sample")
place, log, checkpoint, beside = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4].split(",")
brought = {}

def until(done, what):
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > 240:
            raise SystemExit(what)
        QTest.qWait(20)

def close_dialog():
    dialog = application.activeModalWidget() or application.activePopupWidget()
    if dialog is not None:
        dialog.close()

application = make_application()
app = Inspector(Folders.under(place), remember=False, checkpoint=checkpoint, rate=10.0)
app.settings.tour_seen = True
unexpected = []
done = []
with reporting_exceptions(app):
    app.unexpected.connect(lambda message, details: unexpected.append(details))
    app.window.resize(1280, 800)
    app.window.show()
    app.open(log)
    def analysed():
        analysis = app.session.analysis
        return analysis is not None and analysis.complete and not app.analysis.checking
    until(analysed, "the analysis")
    dialogs = QTimer(interval=20)
    dialogs.timeout.connect(close_dialog)
    dialogs.start()
    for command in app.window.actions_.commands:
        action = app.window.actions_[command.id]
        if command.id in LEAVES or not action.isEnabled():
            continue
        done.append(command.id)
        action.trigger()
        QTest.qWait(30)
        brought |= {name: command.id for name in beside if name in sys.modules and name not in brought}
        if app.session.drive is None and not app.opener.busy:
            app.open(log)
            until(analysed, "the analysis once more")
    until(lambda: not unfinished(), f"the end of {unfinished()}")
    brought |= {name: "the end" for name in beside if name in sys.modules and name not in brought}
    app.close()
print(json.dumps({"done": done, "brought": brought, "unexpected": unexpected}))
"""


@pytest.mark.timeout(900)  # a window, every command, two analyses: a minute of one core, which others may want
def test_no_command_brings_into_the_window_what_computes_beside_it(
    tmp_path: Path, log_folder: Path, checkpoint: Path
) -> None:
    arguments = [str(tmp_path / "window"), str(log_folder), str(checkpoint), ",".join(BESIDE)]
    window = subprocess.run([sys.executable, "-c", WINDOW, *arguments], capture_output=True, text=True, timeout=900)
    assert window.returncode == 0, window.stderr[-3000:]
    found = json.loads(window.stdout.strip().splitlines()[-1])
    assert found["unexpected"] == []
    assert found["brought"] == {}
    assert {"select.similar", "compare.opencv", "file.close"} <= set(found["done"])
