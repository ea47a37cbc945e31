"""Paths laid on the road, held against pixels computed by hand, closed forms and OpenCV's projection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from panel_drive import CAMERA, analyse, make_drive, step_pose, turn, winding_path

from lapose_core.drive import Intrinsics
from lapose_core.geometry import accumulate, make_poses, relative
from lapose_core.road_overlay import (
    ASSUMED_HEIGHT,
    NEAR,
    RoadCamera,
    clip_near,
    downward,
    future_path,
    predicted_path,
    project,
    ribbon,
    road_camera,
    true_path,
    true_steps,
)

LEVEL = RoadCamera(CAMERA, 1.5, np.array([0.0, 1.0, 0.0]))


def straight(count: int, step: float) -> np.ndarray:
    return accumulate(np.repeat(step_pose(step, 0.0)[None], count - 1, axis=0))


def nose(angle: float) -> np.ndarray:
    """Rotation [3, 3] of a camera whose nose is raised by ``angle`` (about x, y down)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def test_a_straight_path_covers_the_pixels_computed_by_hand():
    path = future_path(straight(50, 1.0), np.arange(50) / 10, 0.0, seconds=1.0)
    assert path is not None
    drawn = ribbon(path, LEVEL)
    # 10 m ahead the road lies 1.5 m lower: row 100 + 260 * 0.15; the edges are 0.9 m to the sides.
    far_left, far_right = drawn.edges[0][-1], drawn.edges[1][-1]
    assert far_left == pytest.approx([240 - 260 * 0.09, 139.0])
    assert far_right == pytest.approx([240 + 260 * 0.09, 139.0])
    second, chevron = drawn.arrows[0]
    assert (second, list(chevron[1])) == (1, pytest.approx([240.0, 139.0]))


def test_the_road_of_a_pitched_camera_is_found_from_its_motion():
    pitch = np.radians(-6)
    mounted = straight(60, 1.0)
    mounted[:, :3, :3] = nose(pitch)
    camera = replace(LEVEL, down=downward(relative(mounted)))
    path = future_path(mounted, np.arange(60) / 10, 0.0, seconds=2.0)
    assert path is not None
    # In the pitched camera the level road point 20 m ahead, 1.5 m below, is turned by the mounting.
    x, y, z = nose(pitch).T @ np.array([0.9, 1.5, 20.0])
    expected = [240 + 260 * x / z, 100 + 260 * y / z]
    assert ribbon(path, camera).edges[1][-1] == pytest.approx(expected)


def test_turns_and_standstill_do_not_tell_the_mounting():
    turning = np.repeat(step_pose(1.0, 0.3)[None], 30, axis=0)
    standing = np.repeat(np.eye(4)[None], 30, axis=0)
    for steps in (turning, standing, np.empty((0, 4, 4))):
        assert downward(steps) == pytest.approx([0, 1, 0])


def test_driving_backwards_draws_nothing_and_says_so():
    path = future_path(straight(50, -0.5), np.arange(50) / 10, 0.0)
    assert path is not None
    assert path.reversing
    drawn = ribbon(path, LEVEL)
    assert drawn == type(drawn)((), (), ())


def test_backing_up_before_going_on_shows_only_what_lies_ahead():
    back, ahead = np.repeat(step_pose(-0.5, 0)[None], 8, 0), np.repeat(step_pose(1.0, 0)[None], 25, 0)
    path = future_path(accumulate(np.concatenate([back, ahead])), np.arange(34) / 10, 0.0)
    assert path is not None
    assert path.reversing
    drawn = ribbon(path, LEVEL)
    assert drawn.quads
    rows = np.concatenate(drawn.quads)[:, 1]
    assert rows.max() <= 100 + 260 * 1.5 / NEAR + 1e-6
    assert rows.min() > 100


def test_a_bend_known_at_two_hertz_is_drawn_round():
    radius, speed = 15.0, 6.0
    arc = np.arange(12) * speed / 2 / radius  # one pose every half second
    centres = np.stack([radius * (1 - np.cos(arc)), np.zeros(12), radius * np.sin(arc)], -1)
    poses = make_poses(np.stack([turn(a) for a in arc]), centres)
    path = future_path(poses, np.arange(12) / 2, 1.7, seconds=2.5)
    assert path is not None
    centre = np.array([radius, 0.0, 0.0])
    # Seen from the start of the path the circle's centre is a radius to the right.
    off = np.linalg.norm(path.poses[:, :3, 3] - centre, axis=1) - radius
    assert np.abs(off).max() < 0.06
    chord_sagitta = radius * (1 - np.cos(arc[1] / 2))
    assert chord_sagitta > 0.07  # what straight pieces would be off by


def test_the_path_ends_at_its_limits():
    poses, times = straight(200, 1.0), np.arange(200) / 10
    short = future_path(poses, times, 3.0, seconds=2.0)
    near = future_path(poses, times, 3.0, seconds=9.0, metres=25.0)
    assert short is not None
    assert near is not None
    assert short.seconds[-1] == pytest.approx(2.0)
    assert near.length == pytest.approx(25.0)
    assert future_path(poses, times, times[-1]) is None
    assert future_path(poses, times, -1.0) is None


def test_truth_stops_where_poses_are_missing():
    drive = make_drive(100)
    valid = np.ones(100, bool)
    valid[60:70] = False
    drive = replace(drive, pose_valid=valid)
    path = true_path(drive, 50)
    assert path is not None
    assert path.seconds[-1] == pytest.approx(0.9)
    assert true_path(drive, 65) is None
    assert true_path(make_drive(20, truth=False), 5) is None


def test_an_exact_prediction_lies_on_the_truth_between_samples():
    drive = make_drive(240)
    analysis = analyse(drive, winding_path(240, 10.0), rate=5.0)
    for frame in (0, 31, 118):
        now = float(drive.timestamps[frame])
        predicted = predicted_path(analysis.relative, analysis.done, analysis.times, now)
        true = true_path(drive, frame)
        assert predicted is not None
        assert true is not None
        assert len(predicted.seconds) == len(true.seconds)
        assert np.abs(predicted.poses[:, :3, 3] - true.poses[:, :3, 3]).max() < 0.05


def test_a_prediction_needs_an_analysed_transition():
    drive = make_drive(240)
    analysis = analyse(drive, winding_path(240, 10.0), rate=5.0, until=0.5)
    last = float(drive.timestamps[200])
    assert predicted_path(analysis.relative, analysis.done, analysis.times, last) is None


@pytest.mark.parametrize(
    ("model", "distortion"),
    [
        ("brown-conrady", (-0.31, 0.09, 0.0011, -0.0007, 0.004)),
        ("kannala-brandt", (0.02, -0.013, 0.004, -0.0011)),
    ],
)
def test_distorted_projection_is_opencvs(model, distortion):
    cv2 = pytest.importorskip("cv2")
    camera = replace(CAMERA, model=model, distortion=distortion)
    random = np.random.default_rng(3)
    points = np.column_stack([random.uniform(-5, 5, 50), random.uniform(-2, 2, 50), random.uniform(6, 40, 50)])
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])
    zero = np.zeros(3)
    if model == "brown-conrady":
        expected, _ = cv2.projectPoints(points, zero, zero, matrix, np.array(distortion))
    else:
        expected, _ = cv2.fisheye.projectPoints(points[None], zero, zero, matrix, np.array(distortion))
    assert project(camera, points) == pytest.approx(expected.reshape(-1, 2), abs=1e-6)


def test_a_point_far_outside_a_distorted_picture_does_not_fold_back_into_it():
    camera = replace(CAMERA, model="brown-conrady", distortion=(-0.3, 0.0, 0.0, 0.0, 0.0))
    beside = np.array([[12.0, 1.5, 3.0]])
    radius = np.hypot(12, 1.5) / 3
    assert 1 - 0.3 * radius**2 < 0  # the polynomial alone would mirror it to the other side
    assert np.isnan(project(camera, beside)).all()


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(*[st.floats(-20, 20) for _ in range(3)]),
        min_size=3,
        max_size=6,
    )
)
def test_clipping_leaves_nothing_nearer_than_the_plane(points):
    clipped = clip_near(np.array(points))
    assert len(clipped) == 0 or len(clipped) >= 3
    assert (clipped[:, 2] >= NEAR - 1e-9).all()


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(-0.6, 0.6), st.floats(-0.3, 0.3))
def test_whatever_the_motion_every_drawn_pixel_is_finite(step, yaw, pitch):
    motion = step_pose(step, yaw)
    motion[:3, :3] = motion[:3, :3] @ nose(pitch)
    path = future_path(accumulate(np.repeat(motion[None], 30, axis=0)), np.arange(31) / 5, 0.4)
    assert path is not None
    drawn = ribbon(path, LEVEL)
    for pixels in (*drawn.quads, *drawn.edges, *(chevron for _, chevron in drawn.arrows)):
        assert np.isfinite(pixels).all()


def test_what_is_assumed_is_said():
    drive = make_drive(60)
    steps = true_steps(drive)
    camera = road_camera(drive, None, np.nan, steps)
    assert camera is not None
    assert camera.height == ASSUMED_HEIGHT
    assert "1.5 m" in camera.notes[0]
    known = road_camera(replace(drive, camera_height=1.65), None, np.nan, steps)
    assert known is not None
    assert known.height == 1.65
    assert known.notes == ()


def test_without_intrinsics_the_predicted_field_of_view_of_the_crop_makes_the_camera():
    drive = make_drive(60, intrinsics=None)
    assert road_camera(drive, (40, 0, 400, 186), np.nan, np.empty((0, 4, 4))) is None
    assert road_camera(drive, None, 1.0, np.empty((0, 4, 4))) is None
    camera = road_camera(drive, (40, 0, 400, 186), 1.0, np.empty((0, 4, 4)))
    assert camera is not None
    assert camera.intrinsics.fx == pytest.approx(200 / np.tan(0.5))
    cropped: Intrinsics = camera.intrinsics.crop(40, 0, 400, 186)
    assert cropped.fov_x == pytest.approx(1.0)
    assert "57°" in camera.notes[0]
