"""Notes on a drive: made by keys and mouse, undone, kept, shared by two windows, and alive after a killed process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from app_drives import write_folder
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from lapose_core.annotations import AnnotationSet, read_annotations
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.annotations import Annotations
from lapose_inspector.models.history import History
from lapose_inspector.models.labels import DEFAULTS, Label, LabelPalette
from lapose_inspector.views.annotation_dialog import AnnotationDialog
from lapose_inspector.views.dialogs import ErrorDialog
from lapose_inspector.views.palette_dialog import PaletteDialog


def dialog_of(app: Inspector, kind: type, qtbot):
    qtbot.waitUntil(lambda: any(d.isVisible() for d in app.window.findChildren(kind)), timeout=20_000)
    return next(d for d in app.window.findChildren(kind) if d.isVisible())


def press(
    app: Inspector, key: Qt.Key, command: str, qtbot, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    """A key, once its command is enabled and the window is active again after a dialog."""
    app.window.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is app.window, timeout=20_000)
    qtbot.waitUntil(app.window.actions_[command].isEnabled, timeout=20_000)
    QTest.keyClick(app.window, key, modifiers)


def notes_of(app: Inspector) -> list[tuple[int, int, str, str]]:
    return [(n.first_frame, n.last_frame, n.label, n.text) for n in app.session.annotations.notes]


def test_keys_mark_a_range_and_the_note_is_written_at_once(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    app.timeline.seek(5)
    QTest.keyClick(app.window, Qt.Key.Key_I)
    app.timeline.seek(12)
    QTest.keyClick(app.window, Qt.Key.Key_O)
    QTest.keyClick(app.window, Qt.Key.Key_A)
    dialog = dialog_of(app, AnnotationDialog, qtbot)
    dialog.label.setCurrentText("wrong turn")
    dialog.severity.setCurrentIndex(2)
    QTest.keyClicks(dialog.text, "leaves the road")
    QTest.keyClick(dialog.text, Qt.Key.Key_Return)
    assert notes_of(app) == [(5, 12, "wrong turn", "leaves the road")]
    (stored,) = read_annotations(app.keeper.folder / "annotations.json")
    assert (stored.first_frame, stored.label, stored.severity) == (5, "wrong turn", "major")
    assert app.session.annotations.marks == (None, None)
    assert not any(p.suffix == ".json" for p in log_folder.iterdir()), "nothing is written into the log"


def test_dragging_on_the_band_makes_a_note_and_a_click_goes_there(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    band, scrubber = app.window.transport.band, app.window.transport.scrubber
    left, right = (QPoint(round(scrubber.x_of(frame)), 8) for frame in (10, 20))
    QTest.mousePress(band, Qt.MouseButton.LeftButton, pos=left)
    QTest.mouseMove(band, right)
    QTest.mouseRelease(band, Qt.MouseButton.LeftButton, pos=right)
    dialog_of(app, AnnotationDialog, qtbot).submit()
    (note,) = app.session.annotations.notes
    assert (note.first_frame, note.last_frame) == (10, 20)
    app.timeline.seek(0)
    QTest.mouseClick(band, Qt.MouseButton.LeftButton, pos=band.box_of(note).center().toPoint())
    assert app.timeline.frame == 10
    press(app, Qt.Key.Key_Delete, "annotate.delete", qtbot)
    assert notes_of(app) == []


def test_undo_and_redo_of_notes_selection_marks_and_loop(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    notes, drive = app.session.annotations, app.session.drive.fingerprint
    first = notes.add(3, 4, "wrong speed")
    notes.edit(notes.notes.notes[first.id].__class__(**{**vars(notes.notes.notes[first.id]), "text": "too fast"}))
    app.session.selection.replace({drive: [1, 2, 3]})
    app.timeline.set_loop(4, 9)
    app.annotator.mark_start()
    notes.remove(first.id)

    def state() -> tuple:
        return (
            [n[3] for n in notes_of(app)], app.session.selection.of(drive).tolist(), app.timeline.loop, notes.marks,
        )  # fmt: skip

    states = [state()]
    for _ in range(6):
        press(app, Qt.Key.Key_Z, "annotate.undo", qtbot, Qt.KeyboardModifier.ControlModifier)
        states.append(state())
    assert states == [
        ([], [1, 2, 3], (4, 9), (0, None)),
        (["too fast"], [1, 2, 3], (4, 9), (0, None)),
        (["too fast"], [1, 2, 3], (4, 9), (None, None)),
        (["too fast"], [1, 2, 3], None, (None, None)),
        (["too fast"], [], None, (None, None)),
        ([""], [], None, (None, None)),
        ([], [], None, (None, None)),
    ]
    for expected in reversed(states[:-1]):
        modifiers = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        press(app, Qt.Key.Key_Z, "annotate.redo", qtbot, modifiers)
        assert state() == expected


def test_links_to_the_selection(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    drive = app.session.drive.fingerprint
    app.session.selection.replace({drive: [6, 7, 20]})
    app.annotator.ask(5, 8)
    dialog = dialog_of(app, AnnotationDialog, qtbot)
    assert dialog.link.isChecked()
    dialog.submit()
    app.session.selection.clear()
    qtbot.waitUntil(app.window.actions_["annotate.select"].isEnabled, timeout=20_000)
    app.window.actions_["annotate.select"].trigger()
    assert app.session.selection.of(drive).tolist() == [6, 7, 20]


def test_the_list_filters_and_goes_there(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    notes, view = app.session.annotations, app.window.notes
    assert "Press A" in view.note.text()
    notes.add(3, 4, "wrong speed", "minor", "too fast")
    notes.add(20, 30, "wrong turn", "critical", "leaves the road")
    app.window.show_panel("notes")
    qtbot.waitUntil(view.tree.isVisible, timeout=20_000)
    assert [view.tree.topLevelItem(i).text(1) for i in range(2)] == ["3–4", "20–30"]
    QTest.keyClicks(view.filter, "road")
    assert [n.label for n in view.shown] == ["wrong turn"]
    view.filter.clear()
    view.least.setCurrentIndex(2)
    view.least.activated.emit(2)
    assert [n.label for n in view.shown] == ["wrong turn"]
    box = view.tree.visualItemRect(view.tree.topLevelItem(0))
    QTest.mouseClick(view.tree.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
    assert app.timeline.frame == 20
    app.timeline.seek(0)
    app.go_to_event(1)
    assert app.timeline.frame <= 3


def test_labels_are_edited_kept_and_renamed_in_notes(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    app.session.annotations.add(1, 2, "wrong turn")
    app.annotator.edit_palette()
    dialog = dialog_of(app, PaletteDialog, qtbot)
    dialog.list.item(2).setText("wrong speed")
    assert "Two labels" in dialog.problem.text()
    assert not dialog.keep.isEnabled()
    dialog.list.item(2).setText("bent")
    dialog.list.setCurrentRow(2)
    dialog.set_colour("#123456")
    dialog.submit()
    assert notes_of(app)[0][2] == "bent"
    app.session.history.undo()
    assert notes_of(app)[0][2] == "wrong turn"
    assert app.session.annotations.palette.labels == DEFAULTS
    app.session.history.redo()
    assert notes_of(app)[0][2] == "bent"
    again = LabelPalette()
    again.open(app.keeper.folder.parents[1] / "labels.json")
    assert again.colour_of("bent") == "#123456"
    assert len(again.labels) == len(DEFAULTS)


def test_a_bad_palette_or_session_never_stops_the_start(launch, log_folder: Path, folders, qtbot) -> None:
    first = launch(log_folder, analyse=False)
    first.session.annotations.add(1, 2)
    folder = first.keeper.folder
    first.window.close()
    for name in ("session.json", "annotations.json"):
        (folder / name).write_text("{ damaged")
    (folders.data_dir / "labels.json").write_text("[]")
    second = launch(log_folder, analyse=False)
    message = dialog_of(second, ErrorDialog, qtbot).message.text()
    assert "annotations.json" in message
    assert ".bad" in message
    assert {p.name for p in folder.glob("*.bad")} == {"session.json.bad", "annotations.json.bad"}
    assert second.session.annotations.palette.labels == DEFAULTS
    second.session.annotations.add(3, 4)
    assert len(read_annotations(folder / "annotations.json")) == 1


def test_reopening_restores_the_session(launch, log_folder: Path, qtbot) -> None:
    first = launch(log_folder, analyse=False)
    drive = first.session.drive.fingerprint
    first.timeline.seek(17)
    first.timeline.set_loop(10, 20)
    first.set_colour_by("yaw rate")
    first.instruments.map.method, first.instruments.map.axes = "directions", ("pc3", "speed")
    first.display.set_overlay("grid", False)
    first.session.selection.replace({drive: [3, 4, 5, 9]})
    first.session.selection.keep("mine")
    first.window.toggle_panel("map")
    first.session.annotations.add(2, 5, "wrong turn")
    first.window.close()
    second = launch(log_folder, analyse=False)
    session = second.session
    assert second.timeline.frame == 17
    assert second.timeline.loop == (10, 20)
    assert second.display.colour_by == "yaw rate"
    assert (second.instruments.map.method, second.instruments.map.axes) == ("directions", ("pc3", "speed"))
    assert not second.display.overlay("grid")
    assert session.selection.of(drive).tolist() == [3, 4, 5, 9]
    assert [s.name for s in session.selection.sets] == ["mine"]
    assert not second.window.panel_shown("map")
    assert notes_of(second) == [(2, 5, "wrong turn", "")]
    assert session.history.undo_text is None


def test_another_drive_comes_into_the_window_as_it_is(launch, log_folder: Path, tmp_path: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    app.timeline.seek(17)
    app.set_colour_by("yaw rate")
    app.open(write_folder(tmp_path / "next", 20))
    qtbot.waitUntil(lambda: app.session.drive.name == "next", timeout=20_000)
    assert app.timeline.frame == 0
    app.set_colour_by("time")
    app.open(log_folder)
    qtbot.waitUntil(lambda: app.session.drive.name != "next", timeout=20_000)
    assert app.timeline.frame == 17
    assert app.display.colour_by == "time"


def test_two_windows_keep_each_others_notes(launch, log_folder: Path, qtbot) -> None:
    one = launch(log_folder, analyse=False)
    two = launch(log_folder, analyse=False)
    mine = one.session.annotations.add(1, 2, text="one")
    two.session.annotations.add(3, 4, text="two")
    qtbot.waitUntil(lambda: [n[3] for n in notes_of(one)] == ["one", "two"], timeout=20_000)
    qtbot.waitUntil(lambda: [n[3] for n in notes_of(two)] == ["one", "two"], timeout=20_000)
    two.session.annotations.remove(mine.id)
    qtbot.waitUntil(lambda: [n[3] for n in notes_of(one)] == ["two"], timeout=20_000)
    assert len(read_annotations(one.keeper.folder / "annotations.json")) == 1
    one.session.history.undo()
    assert [n[3] for n in notes_of(one)] == ["two"], "what it undoes is gone already"


KILLED = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from lapose_inspector.application import make_application
application = make_application()
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.settings import Folders
app = Inspector(Folders(), checkpoint=Path(sys.argv[2]), rate=10.0, analyse=False)
app.window.show()
app.open(Path(sys.argv[1]))
steps = iter(range(1, 1000))
def work():
    if app.session.drive is None:
        return
    n = next(steps)
    app.session.annotations.add(n % 39, n % 39, text=str(n))
    app.timeline.seek(n % 39)
    app.session.selection.replace({app.session.drive.fingerprint: [n % 39]})
    print(n, flush=True)
timer = QTimer(interval=50)
timer.timeout.connect(work)
timer.start()
application.exec()
"""


def test_a_killed_process_loses_at_most_the_last_second(
    launch, log_folder: Path, checkpoint: Path, folders, qtbot
) -> None:
    """The process is killed in the middle of its work; every note it told of is there, and a recent cursor."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(log_folder), str(checkpoint)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        told: list[tuple[float, int]] = []
        for line in process.stdout:
            told.append((time.monotonic(), int(line)))
            if told[-1][1] >= 40:
                break
        os.kill(process.pid, signal.SIGKILL)
        killed = time.monotonic()
    finally:
        process.kill()
        process.wait(30)
    app = launch(log_folder, analyse=False)
    found = {int(n[3]) for n in notes_of(app)}
    assert found >= {n for _, n in told}
    recent = {n % 39 for at, n in told if at > killed - 1.0} | {max(found) % 39}
    assert app.timeline.frame in recent
    assert app.session.selection.of(app.session.drive.fingerprint).tolist()[0] in recent


# The models by themselves


def test_history_limits_and_drops_what_was_undone() -> None:
    notes = Annotations(History())
    notes.open(AnnotationSet("f"))
    notes.add(1, 1, text="a")
    notes.add(2, 2, text="b")
    notes.history.undo()
    notes.add(3, 3, text="c")
    assert notes.history.redo_text is None
    assert [n.text for n in notes.notes] == ["a", "c"]
    other = AnnotationSet("other")
    notes.open(other)
    notes.history.undo()
    assert notes.notes == other, "steps of another drive change nothing"


def test_marks_never_run_backwards() -> None:
    notes = Annotations(History())
    notes.mark_start(10)
    notes.mark_end(4)
    assert notes.marks == (None, 4)
    assert notes.range_at(9) == (4, 9)
    notes.mark_start(2)
    assert notes.range_at(30) == (2, 4)
    notes.set_marks(None, None)
    assert notes.range_at(7) == (7, 7)


def test_a_palette_without_a_file_keeps_nothing() -> None:
    palette = LabelPalette()
    palette.set_labels((Label(name="x", colour="#000000"),))
    assert palette.colour_of("x") == "#000000"
    assert palette.colour_of("y") != "#000000"
    assert np.unique([label.colour for label in DEFAULTS]).size == len(DEFAULTS)
