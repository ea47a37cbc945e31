"""Python's collector waits for the start to be over, and then looks at what came after it."""

from __future__ import annotations

import gc

from lapose_inspector.application import collecting_what_comes


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
