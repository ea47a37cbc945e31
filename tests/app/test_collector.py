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
        assert gc.get_freeze_count() > 100_000
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
