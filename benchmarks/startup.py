"""Seconds from the start of the process to the painted window, the first frame, the first result and the whole drive.

    xvfb-run -a -s "-screen 0 1920x1080x24" .venv/bin/python benchmarks/bench_startup.py [LOG]

Uses empty folders for settings and results, so nothing comes from a cache; a second opening in the same process then
does. Figures drift with what else the machine does.
"""

from __future__ import annotations

import time

START = time.perf_counter()

import sys  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

from lapose_inspector.application import make_application  # noqa: E402
from lapose_inspector.inspector import Inspector  # noqa: E402
from lapose_inspector.models.settings import Folders  # noqa: E402


def main() -> None:
    log = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "resources" / "sample_drive")
    application = make_application()
    with tempfile.TemporaryDirectory() as folder:
        app = Inspector(Folders(Path(folder), Path(folder)), remember=False)

        def wait(what: str, done: Callable[[], bool], since: float, limit: float = 300) -> None:
            while not done():
                application.processEvents()
                time.sleep(0.001)
                if time.perf_counter() - since > limit:
                    raise SystemExit(f"{what}: not within {limit} s")
            print(f"{what:<28} {time.perf_counter() - since:6.2f} s")

        def complete() -> bool:
            return app.session.analysis is not None and app.session.analysis.complete

        app.window.show()
        wait("window on the screen", lambda: app.window.isVisible() and app.window.windowHandle().isExposed(), START)
        app.open(log)
        opened = time.perf_counter()
        wait("opened, first frame", lambda: app.window.video.shown_frame == 0, opened)
        wait("first result", lambda: app.session.analysis is not None and app.session.analysis.done.any(), opened)
        wait("whole drive", complete, opened)
        assert app.session.analysis is not None
        transitions = len(app.session.analysis.done)
        print(f"{'live analysis':<28} {transitions / (time.perf_counter() - opened):6.1f} new frames/s")
        app.close_drive()
        app.open(log)
        again = time.perf_counter()
        wait("second opening, whole drive", complete, again)
        app.close()


if __name__ == "__main__":
    main()
