"""Every command is reachable, once, and its keys work wherever the focus is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu

from lapose_inspector.actions import MENUS, PANELS, commands
from lapose_inspector.inspector import Inspector
from lapose_inspector.views.command_palette import CommandPalette, score
from lapose_inspector.views.dialogs import GoToDialog, ShortcutsDialog, parse_position
from lapose_inspector.views.main_window import COME_LATER


@pytest.fixture
def app(launch, log_folder: Path) -> Inspector:
    return launch(log_folder, analyse=False)


def top_dialog(app: Inspector, kind: type):
    """The open dialog of a kind."""
    found = [w for w in app.window.findChildren(kind) if w.isVisible()]
    assert len(found) == 1
    return found[0]


def reachable(menu: QMenu) -> set[str]:
    out = set()
    for action in menu.actions():
        sub = action.menu()
        out |= reachable(sub) if isinstance(sub, QMenu) else {action.objectName()}
    return out


def test_commands_are_declared_once() -> None:
    ids = Counter(c.id for c in commands())
    assert [i for i, n in ids.items() if n > 1] == []
    keys = Counter(QKeySequence(k).toString() for c in commands() for k in c.shortcuts)
    assert "" not in keys
    assert [k for k, n in keys.items() if n > 1] == []


def test_the_keys_of_the_specification_exist() -> None:
    keys = {k for c in commands() for k in c.shortcuts}
    wanted = (
        "Space J K L Left Right Shift+Left Shift+Right Ctrl+Left Ctrl+Right Home End G [ ] \\ - = F T R "
        "1 2 3 4 5 6 Ctrl+P ? Ctrl+O Ctrl+Q Esc Ctrl+E I O A Ctrl+Z Ctrl+Shift+Z"
    )
    assert set(wanted.split()) <= keys


def test_every_command_is_in_a_menu_with_text_tip_and_icon(app: Inspector) -> None:
    found = set().union(*(reachable(app.window.menus[title]) for title in MENUS))
    for command in app.window.actions_.commands:
        action = app.window.actions_[command.id]
        assert command.id in found
        assert action.text()
        assert command.tip.endswith(".")
        assert not action.icon().isNull(), command.id


def test_every_command_is_in_the_palette_when_it_makes_sense(app: Inspector) -> None:
    app.show_palette()
    palette = top_dialog(app, CommandPalette)
    shown = {palette.list.item(i).text().split("    ")[0] for i in range(palette.list.count())}
    for command in app.window.actions_.commands:
        text = f"{command.menu.replace('/', ' > ')}: {app.window.actions_[command.id].text()}"
        enabled = app.window.actions_[command.id].isEnabled() and command.id != "help.palette"
        plain = f"{command.menu.replace('/', ' > ')}: {command.text}"
        assert (text in shown or plain in shown) == enabled, command.id
    palette.close()


def test_the_palette_runs_what_is_typed(app: Inspector, qtbot) -> None:
    app.show_palette()
    palette = top_dialog(app, CommandPalette)
    qtbot.keyClicks(palette.search, "last fr")
    qtbot.keyClick(palette.search, Qt.Key.Key_Return)
    assert app.timeline.frame == app.timeline.n_frames - 1


@pytest.mark.parametrize(
    ("query", "better", "worse"),
    [
        ("play", "Playback: Play backwards", "View: Full screen"),
        ("lt", "View: Light theme", "View > Panels: Video"),
    ],
)
def test_palette_ranking(query: str, better: str, worse: str) -> None:
    assert score(query, better) is not None
    other = score(query, worse)
    assert other is None or other > score(query, better)


def test_keys_work_whichever_panel_has_the_focus(app: Inspector, qtbot) -> None:
    window = app.window
    window.activateWindow()
    focus = [window, window.video, window.tracks, window.latent_map, window.forward, window.trajectory]
    focus += [window.transport.speed, window.tool_bar.rate, window.trajectory.canvas.native]
    app.timeline.seek(10)
    for place, widget in enumerate(focus):
        widget.setFocus()
        QTest.keyClick(widget, Qt.Key.Key_Right)
        assert app.timeline.frame == 11 + place, widget
    QTest.keyClick(window, Qt.Key.Key_Space)
    assert app.timeline.playing
    QTest.keyClick(window, Qt.Key.Key_K)
    assert not app.timeline.playing
    QTest.keyClick(window, Qt.Key.Key_2)
    assert app.display.colour_by == "yaw rate"
    QTest.keyClick(window, Qt.Key.Key_F)
    assert app.display.follow
    QTest.keyClick(window, Qt.Key.Key_BracketLeft)
    assert app.timeline.loop == (app.timeline.frame, app.timeline.n_frames - 1)
    QTest.keyClick(window, Qt.Key.Key_Backslash)
    assert not app.timeline.loop_enabled
    QTest.keyClick(window, Qt.Key.Key_Equal)
    assert app.timeline.speed == 1.5
    QTest.keyClick(window, Qt.Key.Key_Home)
    assert app.timeline.frame == 0
    QTest.keyClick(window, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert app.timeline.frame == 10


def test_question_mark_shows_every_shortcut(app: Inspector) -> None:
    QTest.keyClick(app.window, "?")
    dialog = top_dialog(app, ShortcutsDialog)
    for command in commands():
        if command.shortcuts:
            assert command.text.rstrip("…") in dialog.text
    dialog.close()


def test_checks_follow_the_models(app: Inspector, qtbot) -> None:
    actions = app.window.actions_
    app.display.colour_by = "time"
    app.display.alignment = "raw"
    app.timeline.loop_enabled = True
    app.window.docks["map"].hide()
    qtbot.waitUntil(lambda: not actions["view.panel.map"].isChecked(), timeout=20_000)
    assert actions["view.colour.time"].isChecked()
    assert not actions["view.colour.speed"].isChecked()
    assert actions["view.align.raw"].isChecked()
    assert actions["play.loop"].isChecked()
    actions["view.panel.map"].trigger()
    assert app.window.docks["map"].isVisible()


def test_without_a_drive_nothing_that_needs_one_is_enabled(launch) -> None:
    app = launch()
    for id in ("play.toggle", "file.information", "analyse.toggle", "export.tum"):
        assert not app.window.actions_[id].isEnabled()
    for command in commands():
        if command.enabled is not None and not command.enabled(app):
            assert not app.window.actions_[command.id].isEnabled()
    assert app.window.actions_["file.open"].isEnabled()


def test_every_panel_can_be_closed_and_opened(app: Inspector) -> None:
    for key in COME_LATER:  # hidden while there is nothing in them
        app.window.show_panel(key)
    for key in PANELS:
        app.window.actions_[f"view.panel.{key}"].trigger()
        assert app.window.docks[key].isHidden()
    app.window.reset_layout()
    QApplication.processEvents()
    # The triage list needs a wider window to come by itself.
    shown = {key: dock for key, dock in app.window.docks.items() if key not in (*COME_LATER, "triage")}
    assert all(dock.isVisible() and not dock.isFloating() for dock in shown.values())


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("7", "frame", 7),
        ("2.5", "time", 2.5),
        ("3 s", "time", 3.0),
        ("1:02.5", "time", 62.5),
        ("0s", "time", 0.0),
    ],
)
def test_positions_are_understood(text: str, kind: str, value: float) -> None:
    assert parse_position(text, 40) == (kind, value)


@pytest.mark.parametrize("text", ["", "frame", "40", "-1", "1:x", "nan", "inf", "-2.5"])
def test_positions_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_position(text, 40)


def test_go_to(app: Inspector, qtbot) -> None:
    QTest.keyClick(app.window, Qt.Key.Key_G)
    dialog = top_dialog(app, GoToDialog)
    qtbot.keyClicks(dialog.entry, "99")
    dialog.submit()
    assert "last frame is 39" in dialog.problem.text()
    dialog.entry.setText("2.0 s")
    dialog.submit()
    assert app.timeline.frame == 20
