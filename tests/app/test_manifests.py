"""What was found becomes a training manifest that the command cuts."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_drives import analysed, turning_path, write_folder

from lapose_core.cli import main
from lapose_core.drive import LogError
from lapose_core.training.manifest import read_manifest
from lapose_core.training.shards import Shards
from lapose_inspector.inspector import Inspector
from lapose_inspector.views.dialogs import ErrorDialog


def test_selection_notes_and_triage_are_written_and_cut(launch, log_folder: Path, tmp_path: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    session = app.session
    session.set_analysis(analysed(session.drive, poses=turning_path(40, turn=0.1)))
    session.selection.replace({session.drive.fingerprint: [4, 5, 6, 20]})
    session.annotations.add(10, 14, "wrong turn")
    session.annotations.add(30, 30, "bad picture")
    app.window.notes.filter.setText("turn")
    qtbot.waitUntil(lambda: bool(app.triage.model.items), timeout=20_000)
    found = {}
    for source in ("selection", "notes", "triage"):
        path = tmp_path / f"{source}.json"
        app.manifests.write(path, source)
        qtbot.waitUntil(path.exists, timeout=10_000)
        (found[source],) = read_manifest(path)
    assert found["selection"].ranges == ((4, 7), (20, 21))
    assert (found["notes"].ranges, found["notes"].why) == (((10, 14),), "wrong turn")
    assert len(found["triage"].ranges) == len(app.triage.model.items)
    assert {(e.log, e.rate, e.fingerprint) for e in found.values()} == {(log_folder, 10.0, session.drive.fingerprint)}
    out = tmp_path / "shards"
    command = ["shards", "--manifest", str(tmp_path / "notes.json"), "--out", str(out), "--frames", "4"]
    assert main([*command, "--size", "48", "32"]) == 0
    assert len(Shards(out)) == 2


def selected_in_two(launch, first: Path, second: Path, qtbot) -> tuple[Inspector, str]:
    """The window with transitions 3 and 4 of one log selected and 7 of another, which is open;
    and the first one's fingerprint."""
    app = launch(first, analyse=False)
    fingerprint = app.session.drive.fingerprint
    app.session.selection.replace({fingerprint: [3, 4]})
    app.open(second)
    qtbot.waitUntil(lambda: app.session.drive.fingerprint != fingerprint, timeout=20_000)
    app.session.selection.add({app.session.drive.fingerprint: [7]})
    return app, fingerprint


def test_selected_transitions_of_another_drive_are_found(launch, log_folder: Path, tmp_path: Path, qtbot) -> None:
    other = write_folder(tmp_path / "other", 30)
    app, _ = selected_in_two(launch, other, log_folder, qtbot)
    path = tmp_path / "both.json"
    app.manifests.write(path, "selection")
    qtbot.waitUntil(path.exists, timeout=10_000)
    assert {(e.log, e.ranges) for e in read_manifest(path)} == {(log_folder, ((7, 8),)), (other, ((3, 5),))}


def test_a_moved_drive_is_named_and_found_again(launch, log_folder: Path, tmp_path: Path, qtbot) -> None:
    other = write_folder(tmp_path / "one place" / "other", 30)
    app, first = selected_in_two(launch, other, log_folder, qtbot)
    moved = tmp_path / "another place" / "other"
    moved.parent.mkdir()
    other.rename(moved)
    path, told = tmp_path / "one.json", []
    app.error_shown.connect(told.append)
    app.manifests.write(path, "selection")
    qtbot.waitUntil(lambda: bool(told), timeout=10_000)
    assert str(other) in told[0]
    assert [e.log for e in read_manifest(path)] == [log_folder]
    for dialog in app.window.findChildren(ErrorDialog):
        dialog.accept()
    app.open(moved)
    qtbot.waitUntil(lambda: app.session.drive.fingerprint == first, timeout=20_000)
    app.open(log_folder)
    qtbot.waitUntil(lambda: app.session.drive.fingerprint != first, timeout=20_000)
    both = tmp_path / "both.json"
    app.manifests.write(both, "selection")
    qtbot.waitUntil(both.exists, timeout=10_000)
    assert {e.log for e in read_manifest(both)} == {log_folder, moved}


def test_another_log_in_a_known_place_is_not_taken_for_it(launch, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "drive", 30)
    app = launch(folder, analyse=False)
    known, fingerprint = app.instruments.known, app.session.drive.fingerprint
    assert known.open(fingerprint).fingerprint == fingerprint
    (folder / "000029.png").unlink()
    (folder / "poses.tum").unlink()
    with pytest.raises(LogError, match="no longer the log"):
        known.open(fingerprint)
    with pytest.raises(LogError, match="open this drive once"):
        known.open("of nobody")
