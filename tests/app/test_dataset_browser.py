"""Opening a path with several drives: the list, its filter and previews, and switching drives and cameras."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_drives import picture, write_folder
from conftest import end
from panel_drive import make_drive
from PIL import Image
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest

from lapose_core.drive import Drive, Track
from lapose_core.logs.reader import Listing, LogOptions, Reader
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.dataset import length_text, speed_profile
from lapose_inspector.models.settings import SettingsFile
from lapose_inspector.views.dialogs import ErrorDialog
from lapose_inspector.views.drive_rows import PREVIEW
from lapose_inspector.workers.opening import OpenRequest, OpenWorker

SECONDS = 30_000


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """Two sound drives, and one whose first picture is no picture."""
    root = tmp_path / "all drives"
    for name in ("city north", "city south"):
        write_folder(root / name, 12)
    broken = write_folder(root / "motorway", 3, poses=False)
    (broken / "000001.png").write_bytes(b"no picture")
    return root


@pytest.fixture
def cameras(tmp_path: Path) -> Path:
    """A KITTI raw drive without OXTS and calibration, seen by two cameras."""
    drive = tmp_path / "kitti" / "2011_09_26" / "2011_09_26_drive_0007_sync"
    for camera in ("image_02", "image_03"):
        (drive / camera / "data").mkdir(parents=True)
        for index in range(6):
            Image.fromarray(picture(index)).save(drive / camera / "data" / f"{index:010d}.png")
        lines = (f"2011-09-26 13:02:25.{index}00000000" for index in range(6))
        (drive / camera / "timestamps.txt").write_text("\n".join(lines))
    return tmp_path / "kitti"


def list_drives(app: Inspector, root: Path, qtbot) -> None:
    app.open(root)
    qtbot.waitUntil(lambda: bool(app.opener.dataset.listings) and not app.opener.busy, timeout=SECONDS)


def test_a_data_set_is_listed_and_enter_opens_a_drive(launch, data_set: Path, qtbot) -> None:
    app = launch(analyse=False)
    assert app.window.docks["drives"].isHidden()
    list_drives(app, data_set, qtbot)
    browser = app.window.browser
    assert app.session.drive is None
    assert browser.isVisible()
    assert browser.shown_keys == ["city north", "city south", "motorway"]
    assert browser.title.text() == "3 drives in all drives"
    browser.list.setFocus()
    QTest.keyClick(browser.list, Qt.Key.Key_Down)
    QTest.keyClick(browser.list, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: app.session.drive is not None, timeout=SECONDS)
    assert app.session.log.drive == app.opener.dataset.current == "city south"
    assert [(r.path, r.drive) for r in app.settings.recent] == [(data_set, "city south"), (data_set, None)]
    app.window.actions_["drive.previous"].trigger()
    qtbot.waitUntil(lambda: app.session.log.drive == "city north", timeout=SECONDS)


def test_a_folder_of_drives_can_be_dropped(launch, data_set: Path, qtbot) -> None:
    app = launch(analyse=False)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(data_set))])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    app.window.dropEvent(QDropEvent(QPointF(50, 50), copy, data, left, none))
    qtbot.waitUntil(lambda: len(app.opener.dataset.listings) == 3, timeout=SECONDS)


def test_typing_filters_and_enter_opens_what_is_left(launch, data_set: Path, qtbot) -> None:
    app = launch(analyse=False)
    list_drives(app, data_set, qtbot)
    app.window.actions_["drive.choose"].trigger()
    browser = app.window.browser
    assert browser.filter.hasFocus()
    QTest.keyClicks(browser.filter, "SOUTH")
    assert browser.shown_keys == ["city south"]
    QTest.keyClicks(browser.filter, "xyz")
    assert browser.shown_keys == []
    assert "No drive has" in browser.note.text()
    browser.filter.setText("south")
    QTest.keyClick(browser.filter, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: app.session.drive is not None, timeout=SECONDS)
    assert app.session.log.drive == "city south"


def test_previews_tell_length_and_speed_and_what_cannot_be_opened(launch, data_set: Path, qtbot) -> None:
    app = launch(analyse=False)
    list_drives(app, data_set, qtbot)
    dataset = app.opener.dataset
    qtbot.waitUntil(lambda: app.window.browser.settled, timeout=SECONDS)
    sound, broken = dataset.preview("city north"), dataset.preview("motorway")
    assert sound.frames == 12
    np.testing.assert_allclose(sound.speed.speeds, 8.0, rtol=1e-3)
    assert np.array_equal(sound.picture[0, 0], [4, 4, 4])  # of a third of the way
    assert "000001.png" in broken.problem
    assert "\n" not in broken.problem
    row = app.window.browser.rows.index(2)
    assert row.data(PREVIEW) is broken
    assert broken.problem in row.data(Qt.ItemDataRole.ToolTipRole)


def test_only_rows_in_sight_are_looked_at(launch, tmp_path: Path, qtbot) -> None:
    root = tmp_path / "many"
    for number in range(120):
        write_folder(root / f"drive {number:03d}", 2, poses=False)
    app = launch(analyse=False)
    list_drives(app, root, qtbot)
    browser, dataset = app.window.browser, app.opener.dataset
    qtbot.waitUntil(lambda: browser.settled, timeout=SECONDS)
    known = [listing.key for listing in dataset.listings if dataset.preview(listing.key) is not None]
    assert known == [listing.key for listing in dataset.listings[: len(known)]]
    assert 3 <= len(known) < 20
    browser.list.scrollToBottom()
    qtbot.waitUntil(lambda: dataset.preview("drive 119") is not None, timeout=SECONDS)
    assert dataset.preview("drive 060") is None


def slow_folder(monkeypatch: pytest.MonkeyPatch, go: threading.Semaphore) -> None:
    """Folders of logs are listed one drive for each release of ``go``."""
    from lapose_core import logs

    readers = logs.readers()

    def each(path: Path):
        for listing in readers[-1].list(path):
            go.acquire(timeout=60)
            yield listing

    monkeypatch.setattr(logs, "readers", lambda: (*readers[:-1], replace(readers[-1], each=each)))
    monkeypatch.setattr("lapose_inspector.workers.opening.GROWS_EVERY", 0.0)


def test_drives_are_shown_and_opened_while_the_rest_is_being_listed(
    launch, tmp_path: Path, qtbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "many"
    for number in range(6):
        write_folder(root / f"drive {number}", 4)
    go = threading.Semaphore(3)
    slow_folder(monkeypatch, go)
    app = launch(analyse=False)
    browser, dataset = app.window.browser, app.opener.dataset
    app.open(root)
    qtbot.waitUntil(lambda: len(dataset.listings) == 3, timeout=SECONDS)
    assert app.opener.busy
    assert "3 drives so far" in browser.doing.text()
    qtbot.waitUntil(lambda: browser.settled, timeout=SECONDS)
    browser.filter.setText("drive 2")
    QTest.keyClick(browser.filter, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: app.session.drive is not None, timeout=SECONDS)
    assert dataset.current == "drive 2"
    assert app.opener.busy
    seen = dataset.preview("drive 0")
    assert seen is not None
    go.release(10)
    qtbot.waitUntil(lambda: not app.opener.busy, timeout=SECONDS)
    assert len(dataset.listings) == 6
    assert dataset.current == "drive 2"
    assert dataset.preview("drive 0") is seen
    assert browser.shown_keys == ["drive 2"]
    assert app.session.status == ""


def test_a_listing_that_is_given_up_ends_and_keeps_what_it_found(
    launch, tmp_path: Path, qtbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "many"
    for number in range(4):
        write_folder(root / f"drive {number}", 2)
    go = threading.Semaphore(2)
    slow_folder(monkeypatch, go)
    app = launch(analyse=False)
    dataset = app.opener.dataset
    app.open(root)
    qtbot.waitUntil(lambda: len(dataset.listings) == 2, timeout=SECONDS)
    app.window.actions_["analyse.cancel"].trigger()
    assert not app.opener.busy
    assert "first 2" in dataset.problem
    go.release(10)
    qtbot.wait(100)
    assert len(dataset.listings) == 2


def test_the_camera_is_switched_at_the_same_frame(launch, cameras: Path, qtbot) -> None:
    app = launch(cameras, frame=4, analyse=False)
    actions, browser = app.window.actions_, app.window.browser
    assert app.session.log.camera == "image_02"
    assert [browser.cameras.itemText(i) for i in range(browser.cameras.count())] == ["image_02", "image_03"]
    actions["drive.camera_next"].trigger()
    qtbot.waitUntil(lambda: app.session.log.camera == "image_03", timeout=SECONDS)
    assert app.session.drive.name.endswith("image_03")
    assert app.timeline.frame == 4
    assert browser.cameras.currentText() == "image_03"
    browser.camera_chosen.emit("image_02")
    qtbot.waitUntil(lambda: app.session.drive.name.endswith("image_02"), timeout=SECONDS)
    assert not actions["drive.pose_topic"].isEnabled()


def test_a_named_drive_and_camera_open_at_once_and_are_remembered(launch, cameras: Path, folders, qtbot) -> None:
    app = launch(analyse=False)
    app.open(cameras, drive="2011_09_26_drive_0007_sync", camera="image_03")
    qtbot.waitUntil(lambda: app.session.drive is not None, timeout=SECONDS)
    assert app.session.log.camera == "image_03"
    app.window.close()
    assert SettingsFile(folders.config_dir).load().chosen(cameras) == LogOptions(camera="image_03")
    again = launch(analyse=False)
    again.open(cameras)
    qtbot.waitUntil(lambda: again.session.drive is not None, timeout=SECONDS)
    assert again.session.log.camera == "image_03"


def test_an_unknown_drive_or_camera_is_told_in_one_line(launch, data_set: Path, cameras: Path, qtbot) -> None:
    app = launch(analyse=False)
    for path, given, said in (
        (data_set, {"drive": "harbour"}, "no drive 'harbour'"),
        (cameras, {"camera": "image_09"}, "no camera 'image_09'"),
    ):
        with qtbot.waitSignal(app.error_shown, timeout=SECONDS) as got:
            app.open(path, **given)
        assert said in got.args[0]
        assert "\n" not in got.args[0]
        assert app.window.browser.problem.text() == got.args[0]
        for dialog in app.window.findChildren(ErrorDialog):
            dialog.reject()
    assert not app.opener.busy
    assert app.session.drive is None


def test_what_hangs_is_given_up_and_holds_nothing_up(qtbot, log_folder: Path) -> None:
    free, begun = threading.Event(), threading.Event()

    def hang(path: Path, key: str, options: LogOptions) -> Drive:
        begun.set()
        assert free.wait(60)
        raise OSError("too late")

    reader = Reader("slow", "a dead network drive", lambda _: True, lambda _: [Listing("a", "a")], hang)
    worker = OpenWorker()
    announced: list[Path] = []
    worker.opened.connect(lambda request, _: announced.append(request.path))
    worker.failed.connect(lambda request, *_: announced.append(request.path))
    try:
        slow = OpenRequest(Path("/slow"), drive="a", listing=Listing("a", "a"), reader=reader)
        worker.open(slow)
        assert begun.wait(10)
        worker.cancel()
        assert not worker.busy
        worker.open(slow)
        worker.open(OpenRequest(log_folder))  # replaces it, and does not wait for it
        qtbot.waitUntil(lambda: bool(announced), timeout=10_000)
    finally:
        free.set()
        worker.close()
    qtbot.wait(50)
    assert announced == [log_folder]


def test_escape_gives_up_opening(launch, data_set: Path, qtbot) -> None:
    app = launch(analyse=False)
    app.open(data_set)
    app.window.actions_.refresh()  # a small data set may be open before the window comes to it
    assert app.window.status.cancel.isVisible()
    QTest.keyClick(app.window, Qt.Key.Key_Escape)
    assert not app.opener.busy
    assert app.opener.dataset.busy == ""
    assert not app.window.status.progress.isVisible()


def test_closing_while_drives_are_looked_at_is_quiet(launch, data_set: Path, qtbot) -> None:
    app = launch(analyse=False, keep=False)
    list_drives(app, data_set, qtbot)
    end(app)


def test_a_speed_profile_is_of_the_recording_or_else_of_the_poses() -> None:
    drive = make_drive(100)
    by_poses = speed_profile(drive)
    assert by_poses.source == "the poses"
    assert by_poses.speeds[0] == pytest.approx(8.0, abs=0.2)
    recorded = Track(np.array([100.0, 105.0]), np.array([3.0, 4.0]), "m/s", "CAN")
    profile = speed_profile(make_drive_with(drive, recorded))
    assert profile.source == "CAN"
    assert profile.times.tolist() == [0.0, 5.0]
    assert speed_profile(make_drive(100, truth=False)) is None


def make_drive_with(drive: Drive, speed: Track) -> Drive:
    from dataclasses import replace

    return replace(drive, tracks={"speed": speed})


@pytest.mark.parametrize(
    ("frames", "seconds", "text"),
    [(None, None, ""), (1, 0.0, "0.0 s, 1 frame"), (7500, 753.6, "12:34 min, 7500 frames"), (None, 59.94, "59.9 s")],
)
def test_lengths_in_words(frames: int | None, seconds: float | None, text: str) -> None:
    assert length_text(frames, seconds) == text
