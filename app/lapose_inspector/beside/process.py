"""A process beside the window: how it starts, and how it ends with the window or without."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from lapose_inspector.beside.pipe import Pipe

PRELOAD = "lapose_inspector.beside.preload"
ORPHANED = 10.0
"""Seconds after which a process ends whose window is gone, whatever it does."""


class Process:
    """Runs ``main`` at the other end of ``pipe``. The constructor waits until it runs: the first of a session for as
    long as importing torch takes, so not on the GUI thread.

    ``main`` is a function of a module, and ends when its pipe does.

    Raises:
        OSError: where the system starts no process.
    """

    def __init__(self, name: str, main: Callable[[Pipe], None]) -> None:
        # Linux forks from a process that has torch imported, and no threads. Elsewhere forking is not safe with it
        # (macOS: Metal), or not to be had.
        context: Any = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
        context.set_forkserver_preload([PRELOAD])
        ours, theirs = context.Pipe()
        # A daemon: should nobody stop it, the end of Python does.
        self._process = context.Process(target=_enter, args=(main, theirs), name=name, daemon=True)
        try:
            self._process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.pipe = Pipe(ours)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def kill(self) -> None:
        """End it now, whatever it does."""
        self._process.kill()

    def end(self, patience: float) -> str:
        """Wait for its end, after ``patience`` seconds kill it, and let go of it; how it ended, in words."""
        self._process.join(patience)
        killed = self._process.is_alive()
        if killed:
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        self._process.close()
        self.pipe.close()
        return "it did not hear" if killed else _words(code)


def _words(code: int | None) -> str:
    if code == -9:
        return "it was killed, perhaps because memory ran out"
    if code is not None and code < 0:
        return f"it crashed with {signal.Signals(-code).name}"
    return f"exit code {code}"


def leave_soon() -> None:
    """The window is gone: end what is under way, or be ended."""
    timer = threading.Timer(ORPHANED, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _enter(main: Callable[[Pipe], None], connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is for the window, which ends this
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    __import__(PRELOAD)  # where it was not forked from it
    main(Pipe(connection))
