"""From the command to the opening screen, the first picture, the first result and the whole drive.

    xvfb-run -a -s "-screen 0 1920x1080x24" .venv/bin/python benchmarks/startup.py [LOG] [--runs 5] [--short]

Each run is a process of its own with empty folders for settings and results, so that nothing comes from this program's
caches; seconds count from its start. ``screen_per_1.5s`` and ``picture_per_2.5s`` compare with what the issue asks;
``imports_per_screen`` is the share of the bare import of Qt and numpy, which this program cannot shorten.
"""

from __future__ import annotations

import time

START = time.perf_counter()

import json  # noqa: E402
import os  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

SAMPLE = Path(__file__).parents[1] / "resources" / "sample_drive"
BARE = "import PySide6.QtWidgets, numpy"


def once(log: Path, whole: bool) -> None:
    """Start as ``lapose-inspector LOG`` does, and print when what was there."""
    import gc
    from collections.abc import Callable

    gc.disable()  # as the program does
    from lapose_core.frames.heap import steady_heap
    from lapose_inspector.application import make_application

    steady_heap()  # as the program does
    application = make_application()
    from lapose_inspector.inspector import Inspector
    from lapose_inspector.models.settings import Folders

    seen: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        app = Inspector(Folders.under(Path(folder)), remember=False)

        def wait(what: str, done: Callable[[], bool], limit: float = 120.0) -> None:
            while not done():
                application.processEvents()
                time.sleep(0.001)
                if time.perf_counter() - START > limit:
                    raise SystemExit(f"{what}: not within {limit} s")
            seen[what] = time.perf_counter() - START

        app.window.show()
        app.open(log)
        wait("screen_s", lambda: app.window.isVisible() and app.window.windowHandle().isExposed())
        wait("picture_s", lambda: app.window.video.shown_frame == 0)
        if whole:
            wait("result_s", lambda: app.session.analysis is not None and bool(app.session.analysis.done.any()))
            wait("drive_s", lambda: app.session.analysis is not None and app.session.analysis.complete)
        print(json.dumps(seen), flush=True)
        app.close()


def main() -> None:
    from measure import parser, report

    options = parser(__doc__)
    options.add_argument("log", nargs="?", type=Path, default=SAMPLE)
    options.add_argument("--runs", type=int)
    options.add_argument("--once", action="store_true", help="one start, in this process")
    given = options.parse_args()
    if given.once:
        once(given.log, not given.short)
        return
    import numpy as np

    found: list[dict[str, float]] = []
    bare: list[float] = []
    for _ in range(given.runs or (2 if given.short else 5)):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", BARE], check=True)
        bare.append(time.perf_counter() - began)
        command = [sys.executable, __file__, str(given.log), "--once", *(["--short"] if given.short else [])]
        said = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout
        found.append(json.loads(said.strip().splitlines()[-1]))
    middle = {key: float(np.median([run[key] for run in found])) for key in found[0]}
    ratios = {"screen_per_1.5s": middle["screen_s"] / 1.5, "picture_per_2.5s": middle["picture_s"] / 2.5}
    ratios["imports_per_screen"] = float(np.median(bare)) / middle["screen_s"]
    figures: dict[str, object] = {**middle, "imports_s": float(np.median(bare)), "runs": len(found)}
    figures |= {f"{key}_max": max(run[key] for run in found) for key in ("screen_s", "picture_s")}
    report("startup", ratios, figures)


if __name__ == "__main__":
    main()
