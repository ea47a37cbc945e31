"""A moving cursor changes texts, not the layout of the window; and no text is cut off."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from lapose_inspector.inspector import Inspector
from lapose_inspector.views.steady_label import SteadyLabel


class LayoutRequests(QObject):
    """Counts how often a widget is laid out anew."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.count = 0
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.count += event.type() == QEvent.Type.LayoutRequest
        return False


def settle(app: Inspector, qtbot) -> None:
    qtbot.waitUntil(
        lambda: not app.window.video.stale and not app.window.video.shows_preview and app.growth.shown, timeout=20_000
    )
    qtbot.wait(50)


def test_the_cursor_moves_without_laying_the_window_out(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    app.timeline.seek(10)
    settle(app, qtbot)
    requests = LayoutRequests(app.window)
    for frame in range(11, 39):
        app.timeline.seek(frame)
        qtbot.waitUntil(lambda: not app.window.video.stale, timeout=20_000)
        qtbot.wait(1)
    assert f"frame {app.timeline.frame} /" in app.window.status.where.text()
    assert app.window.transport.time.text().startswith("3.80 / ")
    # What is kept in memory is counted meanwhile, and may take a digit more; a step alone lays nothing out.
    assert requests.count < 28 / 2


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_text_is_cut_off(launch, log_folder: Path, qtbot, theme: str) -> None:
    app = launch(log_folder)
    app.display.theme = theme
    window = app.window
    for frame in (0, 9, 10, 39, 5):
        app.timeline.seek(frame)
        settle(app, qtbot)
        for label in window.findChildren(SteadyLabel):
            if label.isVisible():
                needed = QLabel.sizeHint(label)
                assert label.width() >= needed.width(), label.text()
                assert label.height() >= needed.height(), label.text()


def test_a_label_grows_with_its_text_and_shrinks_only_for_another_kind_of_text(qtbot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    row = QHBoxLayout(window)
    label = SteadyLabel()
    row.addWidget(label)
    row.addStretch(1)
    window.show()
    label.show_text("frame 99")
    wide = label.sizeHint().width()
    qtbot.waitUntil(lambda: label.width() == wide, timeout=20_000)
    label.show_text("frame 1")
    assert label.maximumWidth() == wide
    label.show_text("frame 1000000")
    assert label.minimumWidth() == label.sizeHint().width() > wide
    label.show_text("–")
    assert label.maximumWidth() == label.sizeHint().width() < wide


def test_a_label_has_room_for_its_widest_text_and_follows_its_font(qtbot) -> None:
    label = SteadyLabel("88:88.88 s")
    qtbot.addWidget(label)
    label.show_text("1 s")
    narrow = label.minimumWidth()
    assert narrow >= label.fontMetrics().horizontalAdvance("88:88.88 s")
    label.setStyleSheet("font-size: 40px")
    label.show()
    qtbot.waitUntil(lambda: label.minimumWidth() > 1.5 * narrow, timeout=20_000)
    assert label.minimumHeight() >= label.sizeHint().height()


def test_text_of_another_kind_takes_no_more_room_than_it_needs(qtbot) -> None:
    label = SteadyLabel()
    qtbot.addWidget(label)
    label.show_text("frame 132 / 220 · 5.28 s", "frame 220 / 220 · 8.80 s")
    long = label.width()
    label.show_text("frame 0 / 72 · 0.00 s", "frame 72 / 72 · 2.88 s")
    assert label.width() < long
    assert label.width() >= label.fontMetrics().horizontalAdvance("frame 72 / 72 · 2.88 s")
