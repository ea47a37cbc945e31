"""Choosing one of many rows, and what is offered to choose from."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_drives import analysed, drive_in_memory
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from lapose_core.inference.library import stored_results
from lapose_core.inference.store import ResultStore
from lapose_inspector.views.chooser import Cell, Chooser
from lapose_inspector.views.result_rows import RESULT_COLUMNS, result_cells

ROWS = [
    (Cell("night drive"), Cell("9", 9)),
    (Cell("day drive"), Cell("1,000", 1000)),
    (Cell("day garage"), Cell("80", 80)),
]


@pytest.fixture
def taken() -> list[int]:
    return []


@pytest.fixture
def window(qtbot) -> QWidget:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    return window


@pytest.fixture
def chooser(window: QWidget, taken: list[int]) -> Chooser:
    chooser = Chooser("Choose", ("Name", "Frames"), ROWS, taken.append, window)
    chooser.open()
    return chooser


def test_words_filter_and_enter_takes_the_first_that_is_left(chooser: Chooser, taken: list[int]) -> None:
    assert chooser.shown == [0, 1, 2]
    QTest.keyClicks(chooser.search, "day")
    assert chooser.shown == [1, 2]
    assert chooser.count.text() == "2 of 3"
    QTest.keyClick(chooser.search, Qt.Key.Key_Down)
    QTest.keyClick(chooser.search, Qt.Key.Key_Return)
    assert taken == [2]


def test_a_heading_sorts_numbers_as_numbers(chooser: Chooser, taken: list[int]) -> None:
    chooser.list.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert chooser.shown == [0, 2, 1]
    chooser.list.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    assert chooser.shown == [1, 2, 0]


def test_nothing_left_is_nothing_to_choose(chooser: Chooser, taken: list[int]) -> None:
    QTest.keyClicks(chooser.search, "boat")
    assert chooser.shown == []
    assert not chooser.ok.isEnabled()
    QTest.keyClick(chooser.search, Qt.Key.Key_Return)
    assert taken == []
    assert chooser.isVisible()


def test_a_stored_result_says_what_it_is(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.save(analysed(drive_in_memory(), windows=[0]))
    (result,) = stored_results(tmp_path)
    name, when, checkpoint, rate, samples, state = result_cells(result)
    assert len(RESULT_COLUMNS) == 6
    assert (name.text, checkpoint.text, rate.text, samples.text) == ("memory", "exact (cccccc)", "10 Hz", "40")
    assert state.text == "in part"
    assert when.text.startswith("20")
