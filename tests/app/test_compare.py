"""A second trajectory in the window: read, analysed or computed, drawn, judged, and taken away."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from app_drives import RATE, analysed, turning_path, write_folder
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from lapose_core.export.kitti import write_kitti
from lapose_core.export.tum import write_tum
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.comparison import PoseFile

LATER = 60_000


@pytest.fixture
def app(launch, log_folder: Path) -> Inspector:
    """A drive with an exact analysis, made without a model."""
    app = launch(log_folder, analyse=False)
    app.session.set_analysis(analysed(app.session.drive))
    return app


def bent(path: Path) -> Path:
    """A trajectory file that leaves the drive's path after frame 20."""
    poses = turning_path(40)
    poses[20:] = poses[20] @ np.linalg.inv(turning_path(40, turn=0.15)[20]) @ turning_path(40, turn=0.15)[20:]
    write_tum(path, np.arange(40) / RATE, poses)
    return path


def compared(app: Inspector, qtbot):
    qtbot.waitUntil(lambda: app.session.comparison.result is not None, timeout=LATER)
    return app.session.comparison.result


def test_an_imported_file_is_drawn_and_judged(app: Inspector, tmp_path: Path, qtbot) -> None:
    app.comparer.compare_file(PoseFile(bent(tmp_path / "wheel odometry.tum")))
    result = compared(app, qtbot)
    window, view = app.window, app.window.compare
    assert window.panel_shown("compare")
    assert "wheel odometry" in view.head.text()
    assert "Read from wheel odometry.tum" in view.head.toolTip()
    (segment,) = window.trajectory.scene.segments["other"]
    assert len(segment.frames) == 40
    assert "wheel odometry" in window.trajectory.legend.text()
    assert [t.label for t in window.tracks.tracks][-2:] == ["Rotation apart", "Direction apart"]
    speed = window.tracks.tracks[0]
    assert len(speed.lines) == 3
    (stretch, *_) = result.stretches
    assert stretch.winner == "a"
    assert stretch.first_frame >= 18
    view.tabs.setCurrentWidget(view.stretches)
    qtbot.waitUntil(view.stretches.isVisible, timeout=20_000)
    box = view.stretches.visualItemRect(view.stretches.topLevelItem(0))
    QTest.mouseClick(view.stretches.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
    assert app.timeline.frame == stretch.first_frame
    app.window.actions_["compare.clear"].trigger()
    assert app.session.comparison.other is None
    assert window.trajectory.scene.segments["other"] == []
    assert len(window.tracks.tracks) == 5


def test_the_table_of_what_is_marked_and_of_the_rest(app: Inspector, tmp_path: Path, qtbot) -> None:
    app.session.annotations.add(0, 4, "wrong turn")
    app.comparer.compare_file(PoseFile(bent(tmp_path / "other.tum")))
    compared(app, qtbot)
    view = app.window.compare
    names = [view.part.itemText(i) for i in range(view.part.count())]
    assert names[:3] == ["All clips", "“wrong turn”", "Not “wrong turn”"]
    assert "2 clips" in view.how.text()
    good, bad = [], []
    for choice, into in ((1, good), (2, bad)):
        view.part.setCurrentIndex(choice)
        view.part.activated.emit(choice)
        assert "1 of 2 clips" in view.how.text()
        into.append(float(view.table.topLevelItem(0).text(2)))
    assert good[0] > bad[0]
    app.session.selection.replace({app.session.drive.fingerprint: [2, 3]})
    view.tabs.setCurrentWidget(view.gains)
    rows = {
        view.gains.topLevelItem(i).text(0): view.gains.topLevelItem(i) for i in range(view.gains.topLevelItemCount())
    }
    assert float(rows["Selected"].text(3)) == good[0]
    assert float(rows["Not selected"].text(3)) == bad[0]
    assert rows["All clips"].text(1) == "2"
    view.gains.itemClicked.emit(rows["Not selected"], 0)
    assert view.tabs.currentWidget() is view.table
    assert float(view.table.topLevelItem(0).text(2)) == bad[0]


def test_without_truth_an_equal_path_is_apart_nowhere(launch, tmp_path: Path, qtbot) -> None:
    app = launch(write_folder(tmp_path / "blind", 40, poses=False), analyse=False)
    app.session.set_analysis(analysed(app.session.drive, poses=turning_path(40)))
    assert [t.label for t in app.window.tracks.tracks][2:5] == ["Rotation error", "Direction error", "Scale error"]
    path = tmp_path / "same.tum"
    write_tum(path, np.arange(40) / RATE, turning_path(40))
    app.comparer.compare_file(PoseFile(path))
    compared(app, qtbot)
    view = app.window.compare
    assert view.stretches.topLevelItemCount() == 1
    assert "Nowhere apart" in view.stretches.topLevelItem(0).text(0)
    view.tabs.setCurrentWidget(view.stretches)
    qtbot.waitUntil(view.stretches.isVisible, timeout=20_000)
    box = view.stretches.visualItemRect(view.stretches.topLevelItem(0))
    QTest.mouseClick(view.stretches.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
    assert app.timeline.frame == 0
    labels = [t.label for t in app.window.tracks.tracks]
    assert labels[-2:] == ["Rotation apart", "Direction apart"]
    assert "Rotation error" not in labels, "their room is for what there is"


def test_another_clock_and_other_axes_are_set_right_in_the_panel(app: Inspector, tmp_path: Path, qtbot) -> None:
    """Poses of a vehicle (x forward, y left, z up) on a clock that counts from 1970."""
    axes = np.array([[0, 0, 1.0, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    path, view, model = tmp_path / "odometry.tum", app.window.compare, app.session.comparison
    write_tum(path, 1.7e9 + np.arange(45) / RATE, axes @ turning_path(45) @ axes.T)
    assert not view.file_row.isVisible()
    app.comparer.compare_file(PoseFile(path))
    qtbot.waitUntil(lambda: "time offset" in view.problem.text(), timeout=LATER)
    assert view.file_row.isVisible()
    field = view.file_row.offset
    field.selectAll()
    QTest.keyClicks(field, "-1700000000")
    QTest.keyClick(field, Qt.Key.Key_Return)
    result = compared(app, qtbot)
    assert np.nanmax(result.apart.direction) > 1.0
    assert view.warning.isVisible()
    assert "along its own +x" in view.warning.text()
    view.file_row.axes.setCurrentIndex(view.file_row.axes.findData("flu"))
    view.file_row.axes.activated.emit(view.file_row.axes.currentIndex())
    qtbot.waitUntil(lambda: model.result is not None and model.result is not result, timeout=LATER)
    assert np.nanmax(model.result.apart.direction) < 0.01
    assert view.warning.text() == ""
    app.window.actions_["compare.clear"].trigger()
    assert not view.file_row.isVisible()


def test_poses_without_times_are_taken_for_the_analysed_frames(launch, log_folder: Path, tmp_path: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False, rate=5.0)
    app.session.set_analysis(analysed(app.session.drive, rate=5.0))
    path = tmp_path / "ours.kitti"
    write_kitti(path, turning_path(40)[::2])
    app.comparer.compare_file(PoseFile(path))
    result = compared(app, qtbot)
    assert np.nanmax(result.apart.rotation) < 1e-6
    assert "The 20 poses of ours.kitti were taken for the analysed frames" in app.window.compare.how.text()
    assert all(row.verdict is None for row in result.rows), "the same path is not better than itself"


def test_a_file_that_does_not_fit_says_why(app: Inspector, tmp_path: Path, qtbot) -> None:
    path = tmp_path / "short.kitti"
    path.write_text("1 0 0 0 0 1 0 0 0 0 1 0\n")
    app.comparer.compare_file(PoseFile(path))
    qtbot.waitUntil(lambda: bool(app.window.compare.problem.text()), timeout=LATER)
    assert "short.kitti" in app.window.compare.problem.text()
    assert app.session.comparison.other is None


def test_another_checkpoint_is_analysed_and_compared(
    launch, log_folder: Path, checkpoint: Path, tmp_path, qtbot
) -> None:
    import torch

    from lapose_core.model.config import tiny
    from lapose_core.model.lapose import LaPose
    from lapose_core.training.checkpoints import save_checkpoint

    torch.manual_seed(1)
    save_checkpoint(LaPose(tiny()), tmp_path / "later")
    app = launch(log_folder)
    qtbot.waitUntil(
        lambda: app.session.analysis is not None and app.session.analysis.complete and app.growth.shown, timeout=120_000
    )
    app.comparer.compare_checkpoint(checkpoint)
    qtbot.waitUntil(lambda: "open already" in app.session.comparison.problem, timeout=LATER)
    app.comparer.compare_checkpoint(tmp_path / "later")
    result = compared(app, qtbot)
    assert app.session.comparison.other.name == "later"
    assert len(result.clips) == 2
    assert np.nanmax(result.apart.rotation) > 0
    assert app.window.compare.table.topLevelItemCount() == len(result.rows)


def test_a_checkpoint_is_compared_on_the_whole_set_inside_and_outside_of_a_manifest(
    launch, tmp_path: Path, qtbot
) -> None:
    import torch

    from lapose_core.logs import open_log
    from lapose_core.model.config import tiny
    from lapose_core.model.lapose import LaPose
    from lapose_core.training.checkpoints import save_checkpoint
    from lapose_core.training.manifest import Entry, write_manifest

    torch.manual_seed(1)
    save_checkpoint(LaPose(tiny()), tmp_path / "later")
    for name in ("first", "second"):
        write_folder(tmp_path / "set" / name, 36)
    write_folder(tmp_path / "set" / "third", 20, poses=False)
    fingerprint = open_log(tmp_path / "set", drive="second").fingerprint
    write_manifest(
        tmp_path / "misses.manifest.json", [Entry(tmp_path / "set", ((0, 5),), RATE, "second", fingerprint=fingerprint)]
    )
    app = launch(None)
    app.open(tmp_path / "set")
    qtbot.waitUntil(lambda: len(app.opener.dataset.listings) == 3, timeout=LATER)
    app.opener.choose_drive(app.opener.dataset.listings[0].key)
    qtbot.waitUntil(
        lambda: app.session.analysis is not None and app.session.analysis.complete and app.growth.shown, timeout=LATER
    )
    actions, model, view = app.window.actions_, app.session.comparison, app.window.compare
    assert not actions["compare.set"].isEnabled()
    app.comparer.compare_checkpoint(tmp_path / "later")
    compared(app, qtbot)
    qtbot.waitUntil(actions["compare.set"].isEnabled, timeout=LATER)
    actions["compare.set"].trigger()
    qtbot.waitUntil(lambda: model.whole_set is not None, timeout=120_000)
    assert len(model.clips) == 4
    assert "4 clips of 16 samples of 2 drives, 1 left out" in view.how.text()
    assert "no ground truth" in view.how.toolTip()
    app.comparer.mark_manifest(tmp_path / "misses.manifest.json")
    qtbot.waitUntil(lambda: view.part.findText("of misses") > 0, timeout=LATER)
    view.tabs.setCurrentWidget(view.gains)
    counts = {view.gains.topLevelItem(i).text(0): view.gains.topLevelItem(i).text(1) for i in range(3)}
    assert counts == {"All clips": "4", "of misses": "1", "Not of misses": "3"}
    (elsewhere, *_) = [d for d, _ in model.whole_set.stretches if d.name == "second"]
    app.window.compare.drive_chosen.emit(elsewhere.key, 7)
    qtbot.waitUntil(lambda: app.opener.dataset.current == elsewhere.key, timeout=LATER)
    compared(app, qtbot)
    assert app.timeline.frame == 7
    assert len(model.clips) == 4, "the set's figures stay while its drives are looked at"
    actions["compare.set"].trigger()
    assert model.whole_set is None


def test_opencv_stands_in_where_there_is_no_truth(launch, tmp_path: Path, qtbot) -> None:
    pytest.importorskip("cv2")
    app = launch(write_folder(tmp_path / "no truth", 20, poses=False), analyse=False)
    # The predicted field of view is one of the model's picture.
    qtbot.waitUntil(lambda: app.session.model_info is not None, timeout=LATER)
    app.window.actions_["compare.opencv"].trigger()
    assert "analyse the drive first" in app.window.compare.problem.text(), "neither a camera nor a prediction"
    exact = analysed(app.session.drive, poses=turning_path(20))
    app.session.set_analysis(exact)
    app.window.actions_["compare.opencv"].trigger()
    result = compared(app, qtbot)
    other = app.session.comparison.other
    assert other.kind == "reference"
    assert "Not ground truth" in other.how
    assert "predicted intrinsics" in other.how
    assert "No ground truth" in app.window.compare.how.text()
    assert "not ground truth" in app.window.compare.head.text()
    assert result.errors_a is None
    kept = list((app.comparer._cache / "references").glob("*.npz"))
    assert len(kept) == 1
    app.comparer.clear()
    app.comparer.compare_reference("opencv")
    compared(app, qtbot)
    assert list((app.comparer._cache / "references").glob("*.npz")) == kept


def test_an_absent_library_is_named(app: Inspector, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    app.window.actions_["compare.opencv"].trigger()
    assert "pip install" in app.window.compare.problem.text()


def test_another_drive_ends_the_comparison(app: Inspector, tmp_path: Path, qtbot) -> None:
    app.comparer.compare_file(PoseFile(bent(tmp_path / "other.tum")))
    compared(app, qtbot)
    app.open(write_folder(tmp_path / "next", 20))
    qtbot.waitUntil(lambda: app.session.drive is not None and app.session.drive.name == "next", timeout=LATER)
    assert app.session.comparison.other is None


def test_what_was_compared_comes_back_with_the_drive(launch, log_folder: Path, tmp_path: Path, qtbot) -> None:
    def opened() -> Inspector:
        app = launch(log_folder, analyse=False)
        app.session.set_analysis(analysed(app.session.drive))
        return app

    path = tmp_path / "odometry.tum"
    write_tum(path, 5.0 + np.arange(40) / RATE, turning_path(40))
    first = opened()
    first.comparer.compare_file(PoseFile(path, time_offset=-5.0))
    compared(first, qtbot)
    first.window.toggle_panel("compare")
    assert not first.window.panel_shown("compare")
    first.window.close()
    second = opened()
    compared(second, qtbot)
    assert second.session.comparison.other.name == "odometry"
    assert second.window.compare.file_row.offset.value() == -5.0
    assert not second.window.panel_shown("compare"), "the layout is as it was left"
    second.comparer.compare_reference("opencv")
    qtbot.waitUntil(lambda: second.session.comparison.other.kind == "reference", timeout=LATER)
    kept = next((second.comparer._cache / "references").glob("*.npz"))
    second.window.close()
    third = opened()
    compared(third, qtbot)
    assert third.session.comparison.other.kind == "reference"
    third.window.close()
    kept.unlink()
    fourth = opened()
    qtbot.waitUntil(lambda: "no longer stored" in fourth.session.comparison.problem, timeout=LATER)
    assert fourth.session.comparison.other is None
    fourth.window.close()
    fifth = opened()
    qtbot.wait(300)
    assert fifth.session.comparison.problem == "", "it is said once"
