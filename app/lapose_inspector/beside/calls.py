"""Functions called in a process beside the window, one at a time, from a thread that waits for the outcome."""

from __future__ import annotations

import contextlib
import pickle
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from lapose_inspector.beside.pipe import Pipe
    from lapose_inspector.beside.process import Process

Stale = Callable[[], bool]
"""Asks, inside a job, whether a newer job has come: then the rest of this one is wasted."""
Tell = Callable[[Any], None]
"""Hears what a function tells on its way."""
R = TypeVar("R")

POLITE = 0.1
"""Seconds between two looks whether something else still goes first."""
PATIENCE = 10.0
"""Seconds in which a function that is no longer wanted may store what it has."""
LOOK = 0.03
"""Seconds between two looks whether the outcome is still wanted."""


class LostError(Exception):
    """A process beside the window ended by itself. The message is one for the user."""


@dataclass(frozen=True)
class _Call:
    number: int
    function: Callable[..., object] | None = None  # None: the call before is no longer wanted
    arguments: tuple[object, ...] = ()


@dataclass(frozen=True)
class _Told:
    number: int
    what: object


@dataclass(frozen=True)
class _Outcome:
    number: int
    result: object = None
    error: Exception | None = None


class Calls:
    """``run`` is for one thread; ``close`` may come from another. The process starts with the first call, and anew
    after one that ended by itself.

    Args:
        name: of the process, for people: "t-SNE".
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._number = 0
        self._process: Process | None = None
        self._closing = False
        self._lock = threading.Lock()

    def run(self, function: Callable[..., R], *arguments: object, tell: Tell, stale: Stale) -> R | None:
        """``function(*arguments, tell=..., stale=...)`` in the process: all of it picklable, the function one of a
        module. What it tells is told here, in this thread.

        Returns:
            its result; None once ``stale`` says so, without waiting for its end, which it is told of.

        Raises:
            LostError: where the process ended by itself.
            Exception: what the function raised.
        """
        pipe = self._started()
        if pipe is None:
            return None
        self._number += 1
        try:
            pipe.send(_Call(self._number, function, arguments))
            outcome = self._await(pipe, tell, stale)
            if outcome is None:
                self._number += 1
                pipe.send(_Call(self._number))
                return None
        except (EOFError, OSError) as error:
            how = self._let_go(1.0)
            if self._closing:
                return None
            raise LostError(f"the process of {self._name} ended by itself ({how})") from error
        if outcome.error is not None:
            raise outcome.error
        return outcome.result  # type: ignore[return-value]

    @property
    def pid(self) -> int | None:
        """Of the process; None where none runs."""
        with self._lock:
            return None if self._process is None else self._process.pid

    def rest(self) -> None:
        """End the process, which the next call starts anew. For the thread of ``run``."""
        self._let_go(0.0)

    def close(self, patience: float = 0.0) -> None:
        """End the process: after ``patience`` seconds also one that is in the middle of something."""
        with self._lock:
            self._closing = True
            if self._process is not None and patience > 0:
                with contextlib.suppress(OSError):
                    self._process.pipe.send(_Call(-1))
        self._let_go(patience)

    def _await(self, pipe: Pipe, tell: Tell, stale: Stale) -> _Outcome | None:
        while not stale():
            if pipe.poll(LOOK):
                message = pipe.receive()
                if isinstance(message, _Told) and message.number == self._number:
                    tell(message.what)
                elif isinstance(message, _Outcome) and message.number == self._number:
                    return message
        return None

    def _started(self) -> Pipe | None:
        """The pipe of the running process; None at the end."""
        from lapose_inspector.beside.process import Process

        if self._process is None and not self._closing:
            process = Process(self._name, answer)
            with self._lock:
                if not self._closing:
                    self._process = process
                    return process.pipe
            process.end(0.0)
        return None if self._process is None else self._process.pipe

    def _let_go(self, patience: float) -> str:
        with self._lock:
            process, self._process = self._process, None
        return "" if process is None else process.end(patience)


def run_politely(
    name: str,
    function: Callable[..., R],
    *arguments: object,
    tell: Tell,
    stale: Stale,
    wait: Callable[[], bool] = lambda: False,
) -> R | None:
    """``Calls.run`` in a process of its own. While ``wait`` says that something else goes first, the function is told
    that it is stale; afterwards it is called again, and goes on with what it has stored.

    Raises:
        LostError, Exception: as ``Calls.run`` does.
    """
    calls = Calls(name)
    try:
        while not stale():
            if wait():
                time.sleep(POLITE)
                continue
            result = calls.run(function, *arguments, tell=tell, stale=lambda: stale() or wait())
            if result is not None:
                return result
        return None
    finally:
        calls.close(PATIENCE)


def answer(pipe: Pipe) -> None:
    """What the process does: one call after the other, until the window hangs up."""
    newest = 0
    calls: queue.SimpleQueue[_Call] = queue.SimpleQueue()

    def listen() -> None:
        nonlocal newest
        from lapose_inspector.beside.process import leave_soon

        try:
            while newest >= 0:
                call = pipe.receive()
                assert isinstance(call, _Call)
                newest = call.number
                calls.put(call)
        except (EOFError, OSError):
            newest = -1
            leave_soon()
            calls.put(_Call(-1))

    threading.Thread(target=listen, name="listening", daemon=True).start()
    with contextlib.suppress(OSError):
        while (call := calls.get()).number >= 0:
            if call.function is not None and call.number == newest:
                pipe.send(_outcome(call, pipe, lambda number=call.number: newest != number))  # type: ignore[misc]


def _outcome(call: _Call, pipe: Pipe, stale: Stale) -> _Outcome:
    assert call.function is not None
    try:
        result = call.function(*call.arguments, tell=lambda what: pipe.send(_Told(call.number, what)), stale=stale)
    except Exception as error:
        return _Outcome(call.number, error=_sendable(error))
    return _Outcome(call.number, result)


def _sendable(error: Exception) -> Exception:
    """The error where it survives being pickled, else its words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
