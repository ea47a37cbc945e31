"""Processes beside the window: calls and their outcome, staleness, every way to end, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lapose_core.drive import LogError
from lapose_inspector.beside.calls import Calls, LostError, Stale

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def never() -> bool:
    return False


def add(a: np.ndarray, b: float, *, tell: Callable[[object], None], stale: Stale) -> np.ndarray:
    tell(("half", a))
    return a + b


def facts(*, tell: Callable[[object], None], stale: Stale) -> dict[str, object]:
    """What only the process itself can say."""
    return {
        "pid": os.getpid(),
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "torch": "torch" in sys.modules,
        "qt": [name for name in sys.modules if name.startswith(("PySide6", "vispy"))],
    }


def break_(kind: str, *, tell: Callable[[object], None], stale: Stale) -> None:
    if kind == "log":
        raise LogError("frame 3: torn")
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)

    class LocalError(Exception):
        pass

    raise LocalError("nobody else knows me")


def wait_until_stale(*, tell: Callable[[object], None], stale: Stale) -> str:
    tell("begun")
    while not stale():
        time.sleep(0.005)
    return "heard"


def deaf(*, tell: Callable[[object], None], stale: Stale) -> None:
    tell("begun")
    time.sleep(3600)


@pytest.fixture
def calls() -> Iterator[Calls]:
    made = Calls("a test")
    yield made
    made.close()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_arrays_and_what_is_told_come_as_they_were(calls: Calls) -> None:
    told: list[object] = []
    a = np.arange(200_000, dtype=np.float32).reshape(2, -1)
    out = calls.run(add, a, 1.5, tell=told.append, stale=never)
    np.testing.assert_array_equal(out, a + 1.5)
    out += 1.0  # type: ignore[operator]  # it may be changed
    [(word, same)] = told  # type: ignore[misc]
    assert word == "half"
    np.testing.assert_array_equal(same, a)
    assert calls.run(add, np.zeros(0), 1.0, tell=told.append, stale=never).shape == (0,)  # type: ignore[union-attr]


def test_errors_come_as_what_they_were_and_the_process_lives(calls: Calls) -> None:
    with pytest.raises(LogError, match="frame 3: torn"):
        calls.run(break_, "log", tell=print, stale=never)
    pid = calls.pid
    with pytest.raises(RuntimeError, match="LocalError: nobody else knows me"):
        calls.run(break_, "local", tell=print, stale=never)
    assert calls.run(add, np.ones(2), 1.0, tell=lambda _: None, stale=never) is not None
    assert calls.pid == pid


def test_what_is_stale_is_not_waited_for_and_hears_of_it(calls: Calls) -> None:
    told: list[object] = []
    assert calls.run(wait_until_stale, tell=told.append, stale=lambda: bool(told)) is None
    pid = calls.pid
    np.testing.assert_array_equal(calls.run(add, np.ones(2), 1.0, tell=lambda _: None, stale=never), [2.0, 2.0])
    assert calls.pid == pid
    assert told == ["begun"]


def test_a_crash_is_told_and_the_next_call_has_a_new_process(calls: Calls) -> None:
    with pytest.raises(LostError, match=r"the process of a test ended by itself \(it crashed with SIGSEGV\)"):
        calls.run(break_, "crash", tell=print, stale=never)
    assert calls.pid is None
    assert calls.run(add, np.ones(2), 1.0, tell=lambda _: None, stale=never) is not None
    assert calls.pid is not None


@linux
def test_it_stands_back_knows_no_qt_and_shares_what_was_imported_once(calls: Calls) -> None:
    found = calls.run(facts, tell=print, stale=never)
    assert found is not None
    assert found["niceness"] > os.getpriority(os.PRIO_PROCESS, 0)
    assert found["torch"]
    assert found["qt"] == []


@linux
def test_what_processes_are_forked_from_has_no_thread_but_its_first() -> None:
    """Others would not survive. Those of OpenBLAS do: it ends them before a fork."""
    code = "import os, lapose_inspector.beside.preload; print(len(os.listdir('/proc/self/task')))"
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "1"


@linux
@pytest.mark.parametrize("patience", [0.0, 0.2])
def test_the_end_does_not_wait_for_what_hears_nothing(patience: float) -> None:
    calls, told = Calls("a test"), []  # type: ignore[var-annotated]
    outcome: list[object] = []
    thread = threading.Thread(target=lambda: outcome.append(calls.run(deaf, tell=told.append, stale=never)))
    thread.start()
    wait_for(lambda: bool(told))
    pid = calls.pid
    assert pid is not None
    calls.close(patience)
    thread.join(30)
    assert outcome == [None]
    wait_for(lambda: not alive(pid))


@linux
def test_many_processes_leave_no_handles() -> None:
    def once() -> None:
        calls = Calls("a test")
        calls.run(add, np.ones(2), 1.0, tell=lambda _: None, stale=never)
        pid = calls.pid
        assert pid is not None
        calls.close()
        wait_for(lambda: not alive(pid))

    once()
    before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(6):
        once()
    assert len(os.listdir("/proc/self/fd")) <= before
    assert threading.active_count() <= threads


ORPHAN = """
import sys, threading
sys.path[:0] = sys.argv[1:]
import test_beside as t
from lapose_inspector.beside.calls import Calls
calls = Calls("a test")
calls.run(t.wait_until_stale, tell=lambda _: print(calls.pid, flush=True), stale=lambda: False)
"""


@linux
def test_a_killed_window_leaves_no_process() -> None:
    here = str(Path(__file__).parent)
    window = subprocess.Popen([sys.executable, "-c", ORPHAN, here], stdout=subprocess.PIPE, text=True)
    try:
        assert window.stdout is not None
        pid = int(window.stdout.readline())
        parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        assert alive(pid)
    finally:
        window.kill()
        window.wait(30)
        window.stdout.close()  # type: ignore[union-attr]
    wait_for(lambda: not alive(pid))
    wait_for(lambda: not alive(parent))
