"""The one limit of memory: shown, chosen, kept, and kept to."""

from __future__ import annotations

from pathlib import Path

import pytest

from lapose_core.frames.budget import MIB
from lapose_core.frames.proxy import ProxyState
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.memory import MemoryUse, default_memory
from lapose_inspector.models.settings import Settings, SettingsFile
from lapose_inspector.views.memory_dialog import MemoryDialog


def test_what_the_status_bar_says() -> None:
    use = MemoryUse(312 * MIB, 2048 * MIB, {"frames": 300 * MIB, "latents": 12 * MIB})
    assert use.text == "312/2048 MiB"
    assert "frames: 300.0 MiB" in use.details
    assert MemoryUse(0, MIB, {}, ProxyState(34, 100, MIB)).text == "0/1 MiB · previews 34%"
    full = MemoryUse(0, MIB, {}, ProxyState(34, 100, MIB, "the disk is nearly full"))
    assert full.text == "0/1 MiB · previews stopped at 34%"
    assert "No more are made: the disk is nearly full." in full.details
    assert MemoryUse(0, MIB, {}, ProxyState(100, 100, MIB)).text == "0/1 MiB"


def test_the_default_leaves_most_of_the_machine_alone() -> None:
    assert 128 <= default_memory() <= 2048


@pytest.mark.parametrize("value", [0, 127, 1 << 21])
def test_limits_out_of_range_in_the_file_are_set_aside(tmp_path: Path, value: int) -> None:
    file = SettingsFile(tmp_path)
    file.path.write_text(f'{{"memory_mib": {value}}}')
    assert file.load() == Settings()


def test_the_limit_is_chosen_kept_and_kept_to(launch, log_folder: Path, folders, qtbot) -> None:
    app: Inspector = launch(log_folder)
    qtbot.waitUntil(
        lambda: app.session.analysis is not None and app.session.analysis.complete and app.growth.shown, timeout=120_000
    )
    qtbot.waitUntil(lambda: app.window.video.shown_frame == 0, timeout=10_000)
    app.memory.look()
    uses = app.memory.budget.uses()
    assert uses["latents"] >= app.session.analysis.latents.nbytes
    assert uses["pictures on screen"] > 0
    assert uses["frames"] > 0
    assert uses["3D and map"] > 0
    assert uses["series and path"] >= app.session.series["speed"].values.nbytes
    qtbot.waitUntil(lambda: app.window.forward.shown_transition == 0, timeout=10_000)
    app.memory.look()
    assert app.memory.budget.uses()["the model's pictures"] > 0
    app.window.actions_["file.memory"].trigger()
    dialog = app.window.findChild(MemoryDialog)
    dialog.memory.setValue(256)
    assert app.memory.budget.limit == 256 * MIB
    assert app.window.status.memory.text().endswith("/256 MiB")
    dialog.previews.setValue(1024)
    dialog.close()
    app.window.close()
    kept = SettingsFile(folders.config_dir).load()
    assert (kept.memory_mib, kept.previews_mib) == (256, 1024)
