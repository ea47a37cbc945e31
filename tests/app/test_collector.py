"""Python's collector waits for the start to be over, and then looks at what came after it."""

from __future__ import annotations

import gc
import weakref

from lapose_inspector.application import LOOKS_AT_OLD, collecting_what_comes


def test_the_collector_works_again_once_the_model_is_there(launch, log_folder, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    with collecting_what_comes(app):
        assert not gc.isenabled()
        qtbot.waitUntil(lambda: app.model.loaded, timeout=60_000)
        qtbot.waitUntil(gc.isenabled, timeout=10_000)
        frozen = gc.get_freeze_count()
        assert frozen > 100_000
        since = [[number] for number in range(1000)]
        app.analysis.model_failed.emit("another model", "")
        assert gc.get_freeze_count() < frozen + len(since), "what came since is still looked at"
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_what_refers_to_itself_goes_when_the_window_rests(launch, log_folder, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    with collecting_what_comes(app):
        qtbot.waitUntil(gc.isenabled, timeout=60_000)
        assert gc.get_threshold()[2] == LOOKS_AT_OLD
        ring = Ring()
        ring.itself, gone = ring, weakref.ref(ring)
        gc.collect(1)  # it has lived for long
        ring = None
        app.timeline.seek(5)
        qtbot.waitUntil(lambda: gone() is None, timeout=60_000)
    assert gc.get_threshold()[2] < LOOKS_AT_OLD


class Ring:
    """Refers to itself."""

    itself: Ring
