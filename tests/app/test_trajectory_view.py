"""The 3D panel in a real OpenGL window: what is where on the screen, and what a click does."""

from __future__ import annotations

import dataclasses
import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panel_drive import analyse, make_drive, turn, winding_path
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest

from lapose_core.geometry import make_poses
from lapose_inspector.models.colours import PREDICTION, TRUTH
from lapose_inspector.models.paths import PathSegment, position_errors
from lapose_inspector.models.session import Session
from lapose_inspector.views.trajectory_text import metres
from lapose_inspector.views.trajectory_view import TrajectoryView
from lapose_inspector.visuals.frusta import spaced
from lapose_inspector.visuals.grid import nice_spacing
from lapose_inspector.visuals.space import SceneSpace

RATE = 10.0
ANALYSED = 5.0


def session_of(
    count: int = 240, *, truth: bool = True, until: float = 1.0, noise: float = 0.0, scale: float = 1.0
) -> Session:
    session = Session()
    session.rate = ANALYSED
    drive = make_drive(count, RATE, truth=truth)
    session.open(drive)
    path = winding_path(count, RATE)
    path[:, :3, 3] *= scale
    session.set_analysis(analyse(drive, path, ANALYSED, until=until, noise=noise))
    return session


@pytest.fixture
def make_view(qtbot):
    views = []

    def make(session: Session, width: int = 700, height: int = 400) -> TrajectoryView:
        view = TrajectoryView(session)
        qtbot.addWidget(view)
        view.resize(width, height)
        view.show()
        qtbot.waitExposed(view)
        qtbot.waitUntil(lambda: view.scene.view.size[0] > 0.9 * width, timeout=20_000)
        views.append(view)
        return view

    yield make
    for view in views:
        view.close_panel()


def on_screen(view: TrajectoryView, which: str, sample: int) -> QPoint:
    """Where a sample of a path is, in the window."""
    points = view.scene.points(which)
    x, y = view.scene.pixels(points[sample : sample + 1])[0]
    return view.canvas.native.mapTo(view.window(), QPoint(round(x), round(y)))


def click(view: TrajectoryView, at: QPoint) -> None:
    """A click through the window, so that whatever lies over the canvas gets its chance to eat it."""
    window = view.window().windowHandle()
    QTest.mouseClick(window, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)


def pixels_like(view: TrajectoryView, colour: str) -> int:
    """Pixels of the picture within a few levels of a colour."""
    image = view.canvas.native.grabFramebuffer().convertToFormat(QImage.Format.Format_RGB32)
    raw = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    rgb = raw[:, : 4 * image.width()].reshape(image.height(), image.width(), 4)[..., 2::-1].astype(int)
    wanted = QColor(colour)
    return int((np.abs(rgb - [wanted.red(), wanted.green(), wanted.blue()]).max(axis=2) < 12).sum())


@pytest.mark.parametrize("sample", [20, 97, 163])
def test_a_click_on_the_true_path_goes_to_that_frame(make_view, sample):
    session = session_of()
    view = make_view(session)
    session.display.set_overlay("prediction", False)
    click(view, on_screen(view, "truth", sample))
    assert abs(session.timeline.frame - sample) <= 1


@pytest.mark.parametrize("sample", [15, 60, 101])
def test_a_click_on_the_predicted_path_goes_to_that_samples_frame(make_view, sample):
    session = session_of()
    view = make_view(session)
    session.display.set_overlay("truth", False)
    click(view, on_screen(view, "prediction", sample))
    assert session.analysis is not None
    assert session.timeline.frame == session.analysis.frames[sample]


def test_a_click_beside_the_paths_and_a_drag_change_nothing(make_view, qtbot):
    session = session_of()
    view = make_view(session)
    session.timeline.seek(50)
    click(view, view.canvas.native.mapTo(view.window(), QPoint(5, view.canvas.native.height() // 2)))
    assert session.timeline.frame == 50
    azimuth = view.scene.camera.azimuth
    window, start = view.window().windowHandle(), on_screen(view, "truth", 100)
    QTest.mousePress(window, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    for step in (10, 30, 60):
        QTest.mouseMove(window, start + QPoint(step, 0))
        qtbot.wait(20)
    end = start + QPoint(60, 0)
    QTest.mouseRelease(window, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, end)
    assert session.timeline.frame == 50
    assert view.scene.camera.azimuth != azimuth


def test_the_cursor_follows_the_frame_and_uploads_no_path(make_view):
    session = session_of()
    view = make_view(session)
    uploads = {which: path.uploads for which, path in view.scene.paths.items()}
    for frame in (10, 111, 199):
        session.timeline.seek(frame)
        assert session.drive is not None
        truth = view.scene.space.poses(session.drive.poses[frame])
        np.testing.assert_allclose(view.scene.cursors["truth"].pose, truth, atol=1e-9)
        # Frame 111 lies between two samples at 5 Hz: the prediction there is blended from both.
        np.testing.assert_allclose(view.scene.cursors["prediction"].pose[:3, 3], truth[:3, 3], atol=0.05)
    assert {which: path.uploads for which, path in view.scene.paths.items()} == uploads


def test_the_cursor_hides_where_nothing_is_predicted(make_view):
    session = session_of(until=0.5)
    view = make_view(session)
    session.timeline.seek(230)
    assert view.scene.cursors["prediction"].pose is None
    assert view.scene.cursors["truth"].pose is not None


def test_both_paths_are_drawn_in_their_colours(make_view):
    session = session_of(noise=1.0)
    view = make_view(session)
    assert pixels_like(view, TRUTH) > 100
    assert pixels_like(view, PREDICTION) > 100
    session.display.set_overlay("truth", False)
    assert pixels_like(view, TRUTH) == 0
    assert pixels_like(view, PREDICTION) > 100


def test_alignment_changes_the_path_and_says_so(make_view):
    session = session_of(scale=1.5)
    view = make_view(session)
    truth = session.true_segments()[0].poses[:, :3, 3]
    drawn, said = {}, {}
    for mode in ("se3", "sim3", "raw"):
        session.display.alignment = mode
        drawn[mode] = view.scene.points("prediction")
        said[mode] = view.readout.text()
    at = session.predicted_segments()[0].frames
    np.testing.assert_allclose(drawn["sim3"], view.scene.space.points(truth[at]), atol=1e-2)
    np.testing.assert_allclose(drawn["raw"][0], view.scene.space.points(truth[0]), atol=1e-5)
    assert np.abs(drawn["se3"] - drawn["sim3"]).max() > 1.0
    assert np.abs(drawn["se3"] - drawn["raw"]).max() > 1.0
    assert "Sim(3) aligned, scale 0.67" in said["sim3"]
    assert "SE(3) aligned, scale 1.00" in said["se3"]
    assert "RMSE 0.00 m" in said["sim3"]
    assert len(set(said.values())) == 3
    assert all("frames matched" in text for text in said.values())


def test_the_alignment_box_and_the_display_agree(make_view):
    session = session_of()
    view = make_view(session)
    view.tools.alignment_box.setCurrentIndex(view.tools.alignment_box.findData("sim3"))
    view.tools.alignment_box.activated.emit(view.tools.alignment_box.currentIndex())
    assert session.display.alignment == "sim3"
    session.display.alignment = "raw"
    assert view.tools.alignment_box.currentData() == "raw"


def test_an_error_colours_the_path_and_a_speed_does_not(make_view):
    session = session_of(noise=3.0)
    view = make_view(session)
    path = view.scene.paths["prediction"]
    assert not path.coloured
    uploads = path.uploads
    session.display.colour_by = "rotation error"
    assert path.coloured
    assert path.uploads == uploads
    assert view.colour_legend.title.startswith("Rotation error")
    assert view.colour_legend.isVisible()
    session.display.colour_by = "speed"
    assert not path.coloured
    assert not view.colour_legend.isVisible()
    view.tools.colour_box.activated.emit(view.tools.colour_box.findData("speed"))
    assert path.coloured


def test_without_a_drive_the_panel_says_what_would_fill_it(make_view):
    view = make_view(Session())
    assert "Open a driving log" in view.overlay.message.text()
    assert view.overlay.message.isVisible()
    assert not view.legend.isVisible()


def test_without_truth_there_is_a_prediction_and_a_note(make_view):
    session = session_of(truth=False)
    view = make_view(session)
    assert not view.overlay.message.isVisible()
    assert "no ground truth" in view.legend.text()
    assert "no ground truth" in view.readout.text()
    assert pixels_like(view, PREDICTION) > 100
    assert pixels_like(view, TRUTH) == 0


def test_without_truth_and_results_the_panel_waits(make_view):
    session = Session()
    session.open(make_drive(60, truth=False))
    view = make_view(session)
    assert "no ground truth" in view.overlay.message.text()


def test_a_new_drive_takes_the_old_paths_away(make_view):
    session = session_of()
    view = make_view(session)
    session.open(None)
    assert len(view.scene.points()) == 0
    assert pixels_like(view, TRUTH) == 0
    assert pixels_like(view, PREDICTION) == 0


@pytest.mark.parametrize("size", [(620, 330), (900, 500), (400, 420)])
def test_the_whole_path_fits_whatever_the_panels_size(make_view, size):
    session = session_of(600, noise=1.0)
    view = make_view(session, *size)
    for command in ("reset", "top"):
        session.display.view_requested.emit(command)
        at = view.scene.pixels(view.scene.points())
        assert np.isfinite(at).all()
        width, height = view.scene.view.size
        assert (at >= 0).all()
        assert (at <= [width, height]).all()
        # And it is not a dot in the middle: one direction is used for the most part.
        assert (np.ptp(at, axis=0) / [width, height]).max() > 0.5


def test_the_following_camera_keeps_the_car_in_the_middle_and_behind(make_view):
    session = session_of()
    view = make_view(session)
    session.display.follow = True
    middle = np.array(view.scene.view.size) / 2
    for frame in (0, 60, 200):
        session.timeline.seek(frame)
        pose = view.scene.pose_at("truth", frame)
        ahead = pose[:3, 3] + 3 * pose[:3, 2]
        at = view.scene.pixels(np.stack([pose[:3, 3], ahead]).astype(np.float32))
        np.testing.assert_allclose(at[0], middle, atol=1.0)
        assert abs(at[1, 0] - at[0, 0]) < 2.0
        assert at[1, 1] < at[0, 1]
    session.timeline.seek(120)
    behind = view.scene.pixels(view.scene.points("truth")[:20])
    assert np.isnan(behind).all()


def test_hovering_shows_frame_time_and_error(make_view, qtbot):
    session = session_of(noise=2.0)
    view = make_view(session)
    session.display.set_overlay("truth", False)
    window = view.window().windowHandle()
    QTest.mouseMove(window, QPoint(30, 60))
    qtbot.wait(20)
    QTest.mouseMove(window, on_screen(view, "prediction", 60))
    qtbot.waitUntil(view.overlay.tooltip.isVisible, timeout=20_000)
    assert "frame 120, 12.00 s" in view.overlay.tooltip.text()
    assert "position error" in view.overlay.tooltip.text()


def test_a_frames_point_cloud_lies_ahead_of_its_camera(make_view, qtbot):
    ahead = np.array([[0.0, 0.0, 10.0]], np.float32)
    drive = dataclasses.replace(make_drive(100, RATE), point_cloud=lambda i: ahead if i < 50 else None)
    session = Session()
    session.open(drive)
    view = make_view(session)
    qtbot.waitUntil(lambda: view.scene.cloud.count == 1, timeout=20_000)
    session.timeline.seek(70)
    qtbot.waitUntil(lambda: view.scene.cloud.count == 0, timeout=20_000)
    session.timeline.seek(20)
    qtbot.waitUntil(lambda: view.scene.cloud.count == 1, timeout=20_000)
    expected = view.scene.space.points(drive.poses[20, :3, 3] + 10 * drive.poses[20, :3, 2])
    np.testing.assert_allclose(view.scene.cloud.points[0], expected, atol=1e-3)
    session.display.cloud = "off"
    assert view.scene.cloud.count == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_reaches_the_canvas(make_view, theme):
    session = Session()
    view = make_view(session)
    session.display.set_overlay("grid", False)
    session.display.theme = theme
    picture = view.canvas.native.grabFramebuffer()
    assert picture.pixelColor(3, 3) == QColor(session.display.colours.canvas)


def test_a_closed_panel_is_let_go(qtbot):
    session = session_of(60)
    view = TrajectoryView(session)
    qtbot.addWidget(view)
    view.show()
    qtbot.waitExposed(view)
    gone, canvas = weakref.ref(view), weakref.ref(view.canvas)
    view.close_panel()
    view.close()
    view.deleteLater()
    del view
    qtbot.wait(50)
    gc.collect()
    assert gone() is None
    assert canvas() is None
    session.timeline.seek(3)
    session.display.theme = "light"


# -- without a window


def test_centimetres_survive_utm_coordinates():
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, :3, 3] = [458_000.0, 0.0, 5_400_000.0]
    poses[:, 2, 3] += [0.0, 0.01, 0.02]
    points = SceneSpace.of(poses).points(poses[:, :3, 3])
    np.testing.assert_allclose(np.diff(points[:, 1]), 0.01, atol=1e-8)


@given(st.sampled_from(["opencv", "enu", "ned"]), st.floats(-3.1, 3.1), st.floats(-0.3, 0.3))
def test_up_is_up_in_every_world(world, yaw, pitch):
    c, s = np.cos(pitch), np.sin(pitch)
    camera = turn(yaw) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    # Columns: OpenCV's right, down and forward in each world's axes.
    axes = {
        "opencv": np.eye(3),
        "enu": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
        "ned": np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    }[world]
    poses = make_poses((axes @ camera)[None], np.zeros((1, 3)))
    space = SceneSpace.of(poses)
    assert np.linalg.det(space.rotation) == pytest.approx(1.0)
    down = space.poses(poses)[0, :3, 1]
    assert down[2] < -0.9


@given(st.floats(0.01, 1e6))
def test_grid_spacing_is_round_and_fits_five_times(width):
    spacing = nice_spacing(width)
    assert 5 * (1 - 1e-6) <= width / spacing <= 12.5 * (1 + 1e-6)
    assert float(f"{spacing:.0e}"[0]) in (1, 2, 5)


@given(st.integers(0, 2**31), st.integers(1, 80), st.floats(0.5, 40))
def test_frusta_stand_at_intervals(seed, count, spacing):
    steps = np.random.default_rng(seed).uniform(0, 2, (count, 3))
    centres = np.cumsum(steps, axis=0)
    at = spaced(np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(centres, axis=0), axis=1))], spacing)
    assert at[0] == 0
    assert (np.diff(at) > 0).all()
    travelled = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(centres, axis=0), axis=1))])
    longest = np.diff(travelled).max(initial=0.0)
    assert (np.diff(travelled[at]) <= max(spacing, longest) + longest + 1e-6).all()


def test_position_errors_are_those_of_the_formula():
    drive = make_drive(100, RATE)
    frames = np.arange(0, 100, 2)
    poses = drive.poses[frames].copy()
    poses[:, :3, 3] += [3.0, 0.0, 4.0]
    poses[:, :3, :3] = poses[:, :3, :3] @ turn(0.1)
    errors = position_errors([PathSegment(frames, poses, 0)], drive)
    assert errors is not None
    np.testing.assert_allclose(errors.position, 5.0)
    np.testing.assert_allclose(errors.rotation, 0.1)
    assert errors.at(21) == pytest.approx((5.0, 0.1))
    assert errors.predicted_length == pytest.approx(errors.true_length)
    assert position_errors([PathSegment(frames, poses, 0)], make_drive(100, RATE, truth=False)) is None


def test_metres_are_written_for_reading():
    assert [metres(v) for v in (0.034, 3.421, 81.54, 1240.0)] == ["0.03 m", "3.42 m", "81.5 m", "1.24 km"]
