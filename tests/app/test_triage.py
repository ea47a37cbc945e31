"""The triage list: what comes first, what the filter leaves, and going through it in the real window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_drives import RATE, drive_in_memory, turning_path, write_folder
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from lapose_core.evaluation.segments import Segment
from lapose_core.export.tum import write_tum
from lapose_core.logs import open_log
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.triage import Header, Row, Triage
from lapose_inspector.views.triage_rows import figures, fitting, tool_tip
from lapose_inspector.workers.segment_pictures import SegmentPictures


def row(start: int, tags: str, *, direction: float = float("nan"), confidence: float = float("nan")) -> Row:
    segment = Segment(
        "drive", start, start + 16, start, start + 15, start + 7, start / RATE, (start + 15) / RATE,
        frozenset(tags.split(",")), direction=direction, confidence=confidence,
    )  # fmt: skip
    return Row(DRIVE, segment)


DRIVE = drive_in_memory()
ROWS = [
    row(0, "straight", direction=3.0, confidence=0.9),
    row(15, "medium,reverse", direction=170.0, confidence=0.5),
    row(30, "medium", direction=8.0, confidence=0.2),
    row(45, "standstill"),
]


def starts(triage: Triage) -> list[int]:
    return [r.segment.start for r in triage.shown]


def test_the_worst_comes_first_and_what_has_no_figure_last() -> None:
    triage = Triage()
    triage.take(ROWS, None)
    assert triage.sort == "confidence"  # there is no truth to rank by
    assert starts(triage) == [30, 15, 0, 45]
    triage.sort = "direction"
    assert starts(triage) == [15, 30, 0, 45]
    triage.sort = "time"
    assert starts(triage) == [0, 15, 30, 45]
    with pytest.raises(ValueError, match="sort"):
        triage.sort = "colour"  # type: ignore[assignment]


def test_filters_narrow_each_other() -> None:
    triage = Triage()
    triage.take(ROWS, None)
    triage.tags = frozenset({"medium"})
    assert starts(triage) == [30, 15]
    assert dict(triage.offered_tags())["reverse"] == 1
    assert dict(triage.offered_tags())["straight"] == 0
    triage.text = "REV"
    assert starts(triage) == [15]
    triage.take(ROWS[:1], None)  # none is medium: that filter has gone
    assert triage.tags == frozenset()


def test_a_word_of_the_filter_may_be_a_bound() -> None:
    triage = Triage()
    triage.take(ROWS, None)
    triage.text = "direction>5"
    assert starts(triage) == [30, 15]
    triage.text = "direction>5 confidence<0.4"
    assert starts(triage) == [30]
    triage.text = "auc<60"
    assert starts(triage) == [], "what has no figure is within no bound"
    triage.text = "speed>5"
    assert starts(triage) == [], "an unknown figure is a word like any other"


def test_groups_have_a_header_and_keep_the_order_within() -> None:
    triage = Triage()
    triage.take(ROWS, None)
    triage.grouped = True
    assert [i.title if isinstance(i, Header) else i.segment.start for i in triage.items] == [
        "reverse", 15, "standstill", 45, "medium", 30, "straight", 0,
    ]  # fmt: skip


def test_steps_follow_the_shown_order_and_stop_at_the_ends() -> None:
    triage = Triage()
    triage.take(ROWS, None)
    triage.sort = "direction"
    assert [triage.step(1).segment.start for _ in range(5)] == [15, 30, 0, 45, 45]  # type: ignore[union-attr]
    assert triage.step(-1).segment.start == 0  # type: ignore[union-attr]
    triage.tags = frozenset({"medium"})
    assert triage.step(1).segment.start == 15  # type: ignore[union-attr]  # the chosen one is no longer shown


def test_pictures_are_of_their_own_drive(qtbot, tmp_path: Path) -> None:
    one = open_log(write_folder(tmp_path / "one", 12))
    other = open_log(write_folder(tmp_path / "other", 12))
    pictures = SegmentPictures()
    try:
        pictures.want([(one, 3), (other, 7), (one, 9)])
        qtbot.waitUntil(lambda: all(pictures.has(*f) for f in ((one, 3), (other, 7), (one, 9))), timeout=10_000)
        for drive, frame in ((one, 3), (other, 7), (one, 9)):
            found = pictures.get(drive, frame)
            assert found is not None
            assert int(found[1, 1, 0]) == frame  # each picture carries its index in its corner
        assert pictures.get(other, 3) is None
    finally:
        pictures.close()


@pytest.fixture
def app(launch, log_folder: Path, qtbot) -> Inspector:
    app = launch(log_folder)
    qtbot.waitUntil(
        lambda: app.session.analysis is not None and app.session.analysis.complete and app.growth.shown, timeout=60_000
    )
    qtbot.waitUntil(lambda: bool(app.triage.model.items) and app.triage.settled, timeout=20_000)
    return app


def press(app: Inspector, key: Qt.Key) -> None:
    QTest.keyClick(QApplication.focusWidget() or app.window, key)


def test_n_and_p_go_to_the_worst_frames(app: Inspector, qtbot) -> None:
    rows = app.triage.model.shown
    assert len(rows) >= 3
    aucs = [r.segment.auc5 for r in rows]
    assert aucs == sorted(aucs)
    for expected in (rows[0], rows[1]):
        press(app, Qt.Key.Key_N)
        assert app.timeline.frame == expected.segment.worst_frame
    press(app, Qt.Key.Key_P)
    assert app.timeline.frame == rows[0].segment.worst_frame
    assert app.triage.model.current == rows[0].id


def test_segments_can_be_selected(app: Inspector) -> None:
    app.triage.step(1)
    app.triage.step(1)
    segment = app.triage.model.shown[1].segment
    app.window.actions_.refresh()
    app.window.actions_["triage.select"].trigger()
    fingerprint = app.session.drive.fingerprint
    assert app.session.selection.of(fingerprint).tolist() == list(range(segment.start, segment.stop - 1))
    app.window.actions_["triage.select_all"].trigger()
    assert len(app.session.selection) == len(app.session.series)


def test_a_click_goes_there_and_every_row_in_sight_gets_its_picture(app: Inspector, qtbot) -> None:
    view = app.window.triage
    qtbot.waitUntil(lambda: view.settled, timeout=10_000)
    target = app.triage.model.shown[1]
    at = view.list.visualRect(view.rows.index(1)).center()
    QTest.mouseClick(view.list.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert app.timeline.frame == target.segment.worst_frame
    assert view.list.grab().toImage().size().width() > 100


def test_a_cell_of_the_table_lists_its_segments(app: Inspector) -> None:
    view = app.window.triage
    app.window.actions_["triage.regimes"].trigger()
    table = view.table
    names = [table.item(r, 0).text() for r in range(table.rowCount())]
    assert names[0] == "all"
    assert "straight" in names
    at = names.index("straight")
    place = table.visualItemRect(table.item(at, 2)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    shown = app.triage.model.shown
    assert str(len(shown)) == table.item(at, 1).text().split()[0]
    assert all("straight" in r.segment.tags for r in shown)
    assert not view.regimes.isChecked()


def test_chips_filter(app: Inspector) -> None:
    view = app.window.triage
    tag = app.triage.model.offered_tags()[0][0]
    chip = next(c for c in view._chips() if c.property("tag") == tag)
    QTest.mouseClick(chip, Qt.MouseButton.LeftButton)
    assert all(tag in r.segment.tags for r in app.triage.model.shown)
    QTest.keyClicks(view.filter, "no such words")
    assert app.triage.model.items == []
    assert "filter" in view.note.text()


def test_the_set_says_which_drives_it_lacks_analyses_them_and_goes_to_them(launch, qtbot, tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        write_folder(tmp_path / "set" / name, 24)
    (tmp_path / "set" / "third" / "000003.png").write_bytes(b"")
    app = launch(None)
    app.open(tmp_path / "set")
    qtbot.waitUntil(lambda: len(app.opener.dataset.listings) == 3, timeout=20_000)
    first, second, third = (listing.key for listing in app.opener.dataset.listings)
    app.opener.choose_drive(first)
    qtbot.waitUntil(
        lambda: app.session.analysis is not None and app.session.analysis.complete and app.growth.shown, timeout=60_000
    )
    model, bar = app.triage.model, app.window.triage.set_bar
    assert not bar.isVisible()
    app.window.triage.whole_set.click()
    qtbot.waitUntil(lambda: model.missing == (second, third), timeout=20_000)
    assert "2 drives of the set without results" in bar.words.text()
    assert "second" in bar.words.toolTip()
    assert {r.key for r in model.rows} == {first}
    QTest.mouseClick(bar.analyse, Qt.MouseButton.LeftButton)
    assert model.doing
    QTest.mouseClick(bar.cancel, Qt.MouseButton.LeftButton)
    assert not model.doing
    qtbot.waitUntil(lambda: app.window.actions_["triage.analyse_set"].isEnabled(), timeout=20_000)
    app.window.actions_["triage.analyse_set"].trigger()
    qtbot.waitUntil(lambda: {r.key for r in model.rows} >= {first, second} and not model.doing, timeout=60_000)
    assert second not in model.missing
    other = next(r for r in model.rows if r.key == second)
    app.triage.go_to(other)
    qtbot.waitUntil(lambda: app.opener.dataset.current == second, timeout=20_000)
    assert app.timeline.frame == other.segment.worst_frame
    assert np.array_equal(app.session.drive.timestamps, other.drive.timestamps)
    assert app.session.analysis is None or app.session.analysis.complete, "its result is the stored one"


def test_a_drive_of_the_set_is_listed_as_it_was_opened(launch, qtbot, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for name in ("first", "second"):
        write_folder(folder / name, 24)
    poses = tmp_path / "other.tum"
    write_tum(poses, np.arange(24) / RATE, turning_path(24, turn=0.1))
    app = launch(None)
    app.open(folder)
    qtbot.waitUntil(lambda: len(app.opener.dataset.listings) == 2, timeout=20_000)
    first, second = (listing.key for listing in app.opener.dataset.listings)
    app.open(folder, poses, drive=second)
    qtbot.waitUntil(lambda: app.session.analysis is not None and app.session.analysis.complete, timeout=60_000)
    fingerprint = app.session.drive.fingerprint
    app.opener.choose_drive(first)
    qtbot.waitUntil(lambda: app.opener.dataset.current == first, timeout=20_000)
    app.window.triage.whole_set.click()
    qtbot.waitUntil(lambda: {row.key for row in app.triage.model.rows} == {first, second}, timeout=60_000)
    assert {row.drive.fingerprint for row in app.triage.model.rows if row.key == second} == {fingerprint}
    assert app.triage.model.missing == ()


def test_an_empty_list_says_what_would_fill_it(launch) -> None:
    app = launch(None)
    assert "Open a driving log" in app.window.triage.note.text()


def test_tags_that_find_no_room_are_counted() -> None:
    assert fitting([30, 30, 30], 20, 98) == 3
    assert fitting([30, 30, 30], 20, 97) == 2
    assert fitting([30, 30, 30], 20, 87) == 1  # two and the count would need 88
    assert fitting([30, 30], 20, 25) == 0
    assert fitting([], 20, 100) == 0


def test_without_truth_a_row_tells_its_least_confidence() -> None:
    blind = row(0, "gentle", confidence=0.9)
    blind = replace(blind, segment=replace(blind.segment, doubt=np.array([0.05, np.nan, 0.4])))
    assert figures(blind) == ["least 0.60"]
    assert "1 − confidence" in tool_tip(blind)
    assert "least" not in " ".join(figures(row(0, "gentle", direction=2.0)))
