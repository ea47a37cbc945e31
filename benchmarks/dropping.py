"""Drop logs on the real window one after the other and take a picture of each: to be looked at, not to be compared.

    xvfb-run -a -s "-screen 0 1920x1080x24" .venv/bin/python benchmarks/dropping.py --out FOLDER PATH [PATH ...]

A path with several drives is pictured as their list, and then with its first drive open. What cannot be opened is
pictured as the dialog that says so. Prints a line of JSON a path.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from opening import wait
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent

from lapose_inspector.application import make_application
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.settings import Folders
from lapose_inspector.screenshot import grab_window
from lapose_inspector.views.dialogs import ErrorDialog


def drop(app: Inspector, path: Path) -> None:
    """As the user does it, onto the middle of the window."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    middle = QPointF(app.window.width() / 2, app.window.height() / 2)
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    app.window.dropEvent(QDropEvent(middle, copy, data, left, none))


def dialogs(app: Inspector) -> list[ErrorDialog]:
    return [d for d in app.window.findChildren(ErrorDialog) if d.isVisible()]


def show(app: Inspector, path: Path, out: Path, seconds: float) -> dict[str, object]:
    """Drop ``path``, take its pictures, and tell what came of it."""
    name = f"{path.parent.name}_{path.name}".replace("|", "_")
    began = time.perf_counter()
    drop(app, path)
    wait(lambda: not app.opener.busy or bool(dialogs(app)))
    if app.session.drive is None and not dialogs(app) and app.opener.dataset.listings:
        wait(lambda: app.window.browser.settled, 20)
        wait(lambda: False, 1.0)
        grab_window(app).save(str(out / f"{name}_list.png"))
        began = time.perf_counter()
        app.opener.choose_drive(app.opener.dataset.listings[0].key)
        wait(lambda: not app.opener.busy or bool(dialogs(app)))
    if dialogs(app):
        said = _words(dialogs(app)[-1])
        dialogs(app)[-1].grab().save(str(out / f"{name}_refused.png"))
        for dialog in dialogs(app):
            dialog.close()
        return {"path": str(path), "refused": said}
    wait(lambda: app.window.video.shown_frame is not None, 60)
    first = time.perf_counter() - began
    app.timeline.seek(len(app.session.drive) // 2 if app.session.drive else 0)
    wait(lambda: app.session.analysis is not None and app.session.analysis.complete, seconds)
    wait(lambda: False, 3.0)
    grab_window(app).save(str(out / f"{name}.png"))
    told = [_words(dialog) for dialog in dialogs(app)]
    for dialog in dialogs(app):
        dialog.grab().save(str(out / f"{name}_dialog.png"))
        dialog.close()
    drive = app.session.drive
    assert drive is not None
    line = {"path": str(path), "drive": drive.name, "format": drive.format, "first_picture_s": round(first, 2)}
    app.close_drive()
    return line | {"notes": list(drive.notes), "dialogs": told}


def _words(dialog: ErrorDialog) -> str:
    from PySide6.QtWidgets import QLabel

    return " | ".join(label.text() for label in dialog.findChildren(QLabel) if label.text())


def main() -> None:
    """Drop each path that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--seconds", type=float, default=15.0, help="to wait for the analysis of each")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    make_application()
    with tempfile.TemporaryDirectory() as folder:
        app = Inspector(Folders.under(Path(folder)), remember=False, theme=options.theme)
        app.window.resize(1440, 900)
        app.window.show()
        wait(lambda: app.window.windowHandle().isExposed() and app.model.loaded)
        app.window.reset_layout()
        for path in options.paths:
            print(json.dumps(show(app, path.absolute(), options.out, options.seconds)), flush=True)
        app.close()


if __name__ == "__main__":
    main()
