"""Importing poses: what will be assumed is said before, what looks wrong after, and the choice is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_drives import RATE, turning_path, write_folder

from lapose_core.logs.reader import LogOptions
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.settings import SettingsFile
from lapose_inspector.views.import_dialog import ImportDialog
from lapose_inspector.workers.latest import unfinished

SECONDS = 30_000


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "clip", 40, poses=False)


@pytest.fixture
def poses(tmp_path: Path) -> Path:
    """A table of a vehicle's poses, x forward, y left, whose clock is half a second behind the frames'."""
    lines = ["stamp_ms,px,py,yaw_deg"]
    for index, pose in enumerate(turning_path(40)):
        # From a world with x right, z forward to one with x forward, y left.
        turn = 0.02 * max(0, index - 20) * 57.29578
        lines.append(f"{(index / RATE - 0.5) * 1000 + 1e6},{pose[2, 3]},{-pose[0, 3]},{-turn}")
    path = tmp_path / "vehicle.csv"
    path.write_text("\n".join(lines))
    return path


def dialog_of(app: Inspector) -> ImportDialog:
    return next(d for d in app.window.findChildren(ImportDialog) if d.isVisible())


def test_the_note_follows_the_choice_and_the_choice_is_kept(launch, log: Path, poses: Path, folders, qtbot) -> None:
    app = launch(log, frame=7, analyse=False)
    app.opener.take_dropped(poses)
    dialog = dialog_of(app)
    assert (dialog.log.text(), dialog.poses.text()) == (str(log), str(poses))
    dialog.offset.setValue(-999.5)
    qtbot.waitUntil(dialog.open_button.isEnabled, timeout=SECONDS)
    assert "time=stamp_ms in ms" in dialog.note.text()
    assert "yaw_deg in degrees" in dialog.note.text()
    assert "40 of 40 frames with a pose" in dialog.note.text()
    assert "+x" in dialog.warning.text()  # taken for a camera's, they drive sideways
    dialog.frame.setCurrentIndex(dialog.frame.findData("flu"))
    dialog.frame.activated.emit(1)
    assert not dialog.open_button.isEnabled()
    qtbot.waitUntil(dialog.open_button.isEnabled, timeout=SECONDS)
    assert dialog.warning.text() == ""
    assert "+z for 100 %" in dialog.note.text()
    dialog.submit()
    qtbot.waitUntil(lambda: app.session.drive.poses is not None, timeout=SECONDS)
    assert app.timeline.frame == 7
    assert app.session.log.options == LogOptions(None, poses, None, -999.5, "flu")
    assert app.window.notice.isHidden()
    app.window.close()
    assert SettingsFile(folders.config_dir).load().chosen(log) == LogOptions(None, poses, None, -999.5, "flu")
    again = launch(log, analyse=False)
    assert again.session.drive.poses is not None


def test_what_cannot_be_imported_says_why_and_does_not_open(launch, log: Path, tmp_path: Path, qtbot) -> None:
    app = launch(analyse=False)
    app.window.actions_["file.import"].trigger()
    dialog = dialog_of(app)
    assert "Choose a log" in dialog.note.text()
    assert not dialog.open_button.isEnabled()
    bad = tmp_path / "bad.tum"
    bad.write_text("0 1 2\n")
    for field, path, said in (
        (dialog.log, tmp_path / "gone", "no such file"),
        (dialog.log, log.parent, ""),
        (dialog.log, log, ""),
        (dialog.poses, bad, "bad.tum: line 1"),
    ):
        field.setText(str(path))
        qtbot.waitUntil(lambda: "Reading" not in dialog.note.text(), timeout=SECONDS)
        assert said in dialog.warning.text()
        assert dialog.open_button.isEnabled() == (said == "")
    assert "\n" not in dialog.warning.text()
    dialog.reject()
    qtbot.waitUntil(lambda: "import" not in unfinished(), timeout=20_000)
    assert app.session.drive is None


def test_a_wrong_convention_is_a_notice_until_it_is_dismissed(launch, log: Path, poses: Path, qtbot) -> None:
    app = launch(analyse=False)
    app.opener.open(log, options=LogOptions(poses=poses, time_offset=-999.5))
    qtbot.waitUntil(lambda: app.session.drive is not None, timeout=SECONDS)
    notice = app.window.notice
    qtbot.waitUntil(notice.isVisible, timeout=20_000)
    assert "+x for 100 % of the path" in notice.text.text()
    assert notice.height() < 50
    from lapose_inspector.information import drive_information

    rows = dict(drive_information(app.session))["Ground truth"]
    assert any(name == "Problem" and "+x" in text for name, text in rows)
    notice.dismiss.click()
    assert not notice.isVisible()
    app.opener.open(log, options=LogOptions(poses=poses, time_offset=-999.5, pose_frame="flu"))
    qtbot.waitUntil(lambda: app.session.log.options.pose_frame == "flu", timeout=SECONDS)
    assert not notice.isVisible()
