"""The Qt application: what must be set before it exists, uncaught exceptions and Ctrl+C."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QSocketNotifier, Qt, QTimer
from PySide6.QtWidgets import QApplication

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

log = logging.getLogger(__name__)


def display_problem() -> str | None:
    """Why no window can be opened here, in one line, or None. Qt itself would abort the process."""
    platform = os.environ.get("QT_QPA_PLATFORM", "")
    if platform in ("offscreen", "minimal"):
        return f"QT_QPA_PLATFORM={platform} has no OpenGL: use a display, or run under xvfb-run"
    on_linux = sys.platform.startswith("linux") and platform in ("", "xcb", "wayland")
    if on_linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "no display: neither DISPLAY nor WAYLAND_DISPLAY is set; run it in a desktop or under xvfb-run"
    return None


SWITCH = 0.0002
"""Seconds after which a thread that computes in Python lets another have Python's lock; Python's own is 5 ms. While a
panel is drawn the window's thread wants it back again and again."""


def make_application() -> QApplication:
    """The QApplication, with what only works when set before it."""
    sys.setswitchinterval(SWITCH)
    # Without shared contexts a floated dock with a canvas goes black.
    QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    application = QApplication(sys.argv[:1])
    application.setApplicationName("LA-Pose Inspector")
    application.setStyle("Fusion")
    return application


COLLECT_AFTER = 5000
"""Milliseconds after which Python's collector works again where no model was loaded."""
LOOKS_AT_OLD = 500
"""Collections of what is younger before one of all that is not frozen: some two minutes of hard work. At rest
``Memory`` sees to it."""


def collect_what_comes() -> None:
    """Let Python's collector look from now on only at what came after this, and seldom at what has lived for long: the
    libraries of t-SNE and reports alone come later, and to look at them takes 40 to 110 ms."""
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], LOOKS_AT_OLD)
    gc.enable()


@contextlib.contextmanager
def collecting_what_comes(inspector: Inspector) -> Iterator[None]:
    """Python's collector begins when the model is loaded, and looks only at what came after that.

    What libraries brought is 400,000 objects, which stay. To look at them takes 200 ms, in whichever thread, with
    Python's lock: so long no key is heard.
    """

    def begin(*_: object) -> None:
        if gc.isenabled():
            return  # another model: what is there by now may become garbage
        collect_what_comes()

    before = gc.get_threshold()
    gc.disable()
    late = QTimer(singleShot=True, interval=COLLECT_AFTER)
    for moment in (inspector.analysis.model_ready, inspector.analysis.model_failed, late.timeout):
        moment.connect(begin)
    late.start()
    try:
        yield
    finally:
        gc.enable()
        gc.set_threshold(*before)
        gc.unfreeze()


@contextlib.contextmanager
def reporting_exceptions(inspector: Inspector) -> Iterator[None]:
    """Show exceptions that nobody caught in the error dialog, from whichever thread they come."""

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QCoreApplication.quit()
            return
        details = "".join(traceback.format_exception(kind, error, trace))
        log.error("%s", details)
        inspector.unexpected.emit(f"{kind.__name__}: {error}", details)

    def report_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            report(args.exc_type, args.exc_value, args.exc_traceback)

    before, before_thread = sys.excepthook, threading.excepthook
    sys.excepthook, threading.excepthook = report, report_thread
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook = before, before_thread


@contextlib.contextmanager
def quitting_on_interrupt(inspector: Inspector) -> Iterator[None]:
    """Let Ctrl+C close the window. Qt's event loop sleeps in C; the signal's own file descriptor wakes it.

    The window closes from the event loop, not in the signal's handler: Python runs that between any two
    instructions, also in the middle of a canvas's drawing.
    """
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    notifier = QSocketNotifier(reader.fileno(), QSocketNotifier.Type.Read)

    def drain() -> None:
        with contextlib.suppress(BlockingIOError):
            if signal.SIGINT in reader.recv(64):
                inspector.quit()

    notifier.activated.connect(drain)
    before_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        signal.set_wakeup_fd(before_fd)
        notifier.setEnabled(False)
        reader.close()
        writer.close()
