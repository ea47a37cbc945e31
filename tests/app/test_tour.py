"""How a newcomer finds things: the first-run tour on the sample drive, and what every quantity means."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, QRect, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolTip, QWidget

from lapose_inspector.models.definitions import DEFINITIONS
from lapose_inspector.models.settings import SettingsFile
from lapose_inspector.tour import STEPS


def test_the_first_run_shows_five_steps_and_remembers(launch, folders, sample_drive: Path, qtbot) -> None:
    app = launch(analyse=False)
    app.tour.offer()
    assert app.tour.sample == sample_drive
    qtbot.waitUntil(lambda: app.session.drive is not None, timeout=30_000)
    card = app.tour.card
    texts = set()
    for number in range(5):
        assert app.tour.step == number
        assert card.count.text() == f"{number + 1} of 5"
        texts.add(card.text.text())
        target = app.window.findChild(QWidget, STEPS[number].target)
        qtbot.waitUntil(target.isVisible, timeout=20_000)
        qtbot.wait(150)
        assert QRect(0, 0, app.window.width(), app.window.height()).contains(card.geometry())
        assert card.height() >= card.minimumSizeHint().height()
        QTest.mouseClick(card.next, Qt.MouseButton.LeftButton)
    assert len(texts) == 5
    assert app.tour.step is None
    assert app.tour.card is None
    app.window.close()
    assert SettingsFile(folders.config_dir).load().tour_seen
    again = launch(analyse=False)
    again.tour.offer()
    assert again.tour.step is None
    again.window.actions_["help.tour"].trigger()
    assert again.tour.step == 0


def test_escape_skips_it_and_an_open_log_stays(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    app.tour.offer()
    assert app.tour.step is None, "somebody who opens a log has come to work"
    app.tour.start()
    assert app.session.drive.name == log_folder.name
    QTest.mouseClick(app.tour.card.next, Qt.MouseButton.LeftButton)
    assert app.tour.step == 1
    QTest.mouseClick(app.tour.card.back, Qt.MouseButton.LeftButton)
    assert app.tour.step == 0
    QTest.keyClick(app.tour.card, Qt.Key.Key_Escape)
    assert app.tour.step is None
    assert app.settings.tour_seen


def test_every_quantity_is_defined_with_its_unit(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    for series in app.session.series.series.values():
        definition = DEFINITIONS[series.key]
        assert len(definition) > 20
        assert series.unit in definition
    view = app.window.tracks
    for number in range(len(view.tracks)):
        at = QPoint(8, round((number + 0.5) * (view.height() - 22) / len(view.tracks)))
        QApplication.sendEvent(view, QHelpEvent(QEvent.Type.ToolTip, at, view.mapToGlobal(at)))
        qtbot.waitUntil(QToolTip.isVisible, timeout=20_000)
        assert QToolTip.text() == DEFINITIONS[view.tracks[number].label.lower()]
    box = app.window.trajectory.tools.colour_box
    assert all(box.itemData(i, Qt.ItemDataRole.ToolTipRole) for i in range(1, box.count()))
