"""A report of several drives from the window: the choice, the page, giving up, and what goes wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from app_drives import write_folder
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from lapose_core.annotations import Annotation
from lapose_core.inference.store import write_result
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.drive_report import stored_drives

NOTES = (Annotation("a", 2, 4, "blur", "minor", "rain on the first"),)


@pytest.fixture
def app(launch, tmp_path: Path, qtbot) -> Inspector:
    """Two drives were analysed; the second, "wet & <dark>", is open."""
    first, second = write_folder(tmp_path / "set" / "dry", 12), write_folder(tmp_path / "other" / "wet & <dark>", 14)
    app = launch(first)

    def analysed() -> bool:
        analysis = app.session.analysis
        return analysis is not None and analysis.complete and app.growth.shown

    qtbot.waitUntil(analysed, timeout=240_000)
    app.session.annotations.bring_in(NOTES)
    app.open(second)
    qtbot.waitUntil(lambda: app.session.drive is not None and app.session.drive.name != "dry", timeout=60_000)
    qtbot.waitUntil(analysed, timeout=240_000)
    return app


def click(button: QPushButton) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_reports_of_two_drives_and_of_one_that_was_added(app: Inspector, tmp_path: Path, qtbot) -> None:
    app.window.actions_["export.reports"].trigger()
    dialog = app.reporter.dialog
    assert dialog is not None
    assert [dialog.list.item(row).text().split()[0] for row in range(dialog.list.count())] == ["wet", "dry"]
    assert [drive.name for drive in dialog.request.drives] == ["wet & <dark>"], "what is open is what one works on"
    dialog.choose(lambda _: False)
    assert not dialog.export_button.isEnabled()
    dialog.choose(lambda _: True)
    out = tmp_path / "out"
    dialog.destination.setText(str(out / "set.html"))
    click(dialog.export_button)
    qtbot.waitUntil(lambda: "no such folder" in dialog.problem.text(), timeout=120_000)
    out.mkdir()
    click(dialog.export_button)
    # Given up: nothing is left, and it can be tried again.
    assert dialog.close_button.text() == "Cancel"
    click(dialog.close_button)
    assert dialog.close_button.text() == "Close"
    assert not list(out.iterdir())
    click(dialog.export_button)
    qtbot.waitUntil(lambda: app.reporter.dialog is None, timeout=240_000)
    page = (out / "set.html").read_text()
    assert [path.name for path in out.iterdir()] == ["set.html"]
    assert "<h1>2 drives</h1>" in page
    assert page.count("<summary>") == 2
    assert "wet &amp; &lt;dark&gt;" in page
    assert "rain on the first" in page, "the notes of a drive that is not open"
    assert page.count("<img") >= 4, "its pictures come from its log"
    assert "Report of 2 drives written" in app.window.status.currentMessage()

    # And a result that the command line wrote.
    write_result(app.session.analysis, tmp_path / "analysed")
    app.reporter.ask()
    dialog = app.reporter.dialog
    app.reporter.add(tmp_path)
    assert "this is not the folder of a result" in dialog.problem.text()
    app.reporter.add(tmp_path / "analysed")
    assert len(dialog.request.drives) == 2, "the added one is ticked"
    dialog.choose(lambda drive: drive.folder == tmp_path / "analysed")
    dialog.pictures.setChecked(False)
    dialog.destination.setText(str(tmp_path / "one.html"))
    click(dialog.export_button)
    qtbot.waitUntil(lambda: app.reporter.dialog is None, timeout=240_000)
    page = (tmp_path / "one.html").read_text()
    assert "<h1>wet &amp; &lt;dark&gt;</h1>" in page
    assert "<img" not in page


def test_a_log_that_has_changed_since_it_was_analysed_is_offered_once(launch, tmp_path: Path, qtbot) -> None:
    log = write_folder(tmp_path / "growing", 12)
    app = launch(log)

    def analysed(frames: int) -> bool:
        session = app.session
        whole = session.analysis is not None and session.analysis.complete and app.growth.shown
        return session.drive is not None and len(session.drive) == frames and whole

    qtbot.waitUntil(lambda: analysed(12), timeout=240_000)
    before = app.session.drive.fingerprint
    app.close_drive()
    shutil.rmtree(log)
    write_folder(log, 16)
    app.open(log)
    qtbot.waitUntil(lambda: analysed(16), timeout=240_000)
    after = app.session.drive.fingerprint
    assert after != before
    results, model = app.reporter._results, app.session.model_info.checkpoint_hash
    assert [drive.where for drive in stored_drives(results, model, app.session.rate, after)] == [str(log)], (
        "the result of before is still there"
    )
    (offered,) = app.reporter.candidates()
    assert offered.subject is not None
    assert offered.subject.analysis.fingerprint == after
