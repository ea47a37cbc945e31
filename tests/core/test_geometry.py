"""The conventions of poses, quaternions and alignment, by their properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lapose_core.geometry import (
    Array,
    accumulate,
    as_poses,
    curvature,
    interpolate_poses,
    invert,
    make_poses,
    matrix_from_quaternion,
    nearest_rotation,
    path_length,
    pitch,
    quaternion_from_matrix,
    relative,
    rotation_angle,
    umeyama,
    yaw,
)

finite = st.floats(-1e3, 1e3, allow_nan=False)
units = st.floats(-1, 1, allow_nan=False)


def about(axis: tuple[float, float, float], angle: float) -> Array:
    """The rotation by ``angle`` about ``axis``, by Rodrigues' formula."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


axes = st.tuples(units, units, units).filter(lambda a: np.linalg.norm(a) > 0.1)
# Half turns and standing still are where conversions go wrong.
angles = st.one_of(
    st.floats(-np.pi, np.pi),
    st.floats(-1e-6, 1e-6).map(lambda e: np.pi + e),
    st.floats(-1e-9, 1e-9),
    st.sampled_from([0.0, np.pi, -np.pi, np.pi / 2]),
)
rotations = st.builds(about, axes, angles)
poses = st.builds(make_poses, rotations, arrays(float, 3, elements=finite))
paths = st.lists(poses, min_size=2, max_size=8).map(np.array)


@given(rotations)
def test_quaternion_and_matrix_round_trip(rotation: Array) -> None:
    quaternion = quaternion_from_matrix(rotation)
    assert quaternion[3] >= 0
    assert np.linalg.norm(quaternion) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(matrix_from_quaternion(quaternion), rotation, atol=1e-9)


@given(axes, angles)
def test_quaternion_is_axis_and_half_angle(axis: tuple[float, float, float], angle: float) -> None:
    direction = np.array(axis) / np.linalg.norm(axis)
    quaternion = np.append(direction * np.sin(angle / 2), np.cos(angle / 2))
    np.testing.assert_allclose(matrix_from_quaternion(3.7 * quaternion), about(axis, angle), atol=1e-12)
    assert rotation_angle(about(axis, angle)) == pytest.approx(min(abs(angle), 2 * np.pi - abs(angle)), abs=1e-8)


def test_a_quaternion_without_direction_is_refused() -> None:
    for bad in ([0, 0, 0, 0], [np.nan, 0, 0, 1]):
        with pytest.raises(ValueError, match="no direction"):
            matrix_from_quaternion(np.array(bad, float))


@given(paths)
def test_conversions_work_on_whole_arrays(path: Array) -> None:
    quaternions = quaternion_from_matrix(path[:, :3, :3].reshape(1, -1, 3, 3))
    assert quaternions.shape == (1, len(path), 4)
    np.testing.assert_allclose(matrix_from_quaternion(quaternions)[0], path[:, :3, :3], atol=1e-9)


@given(paths)
def test_inverse(path: Array) -> None:
    np.testing.assert_allclose(invert(path) @ path, np.broadcast_to(np.eye(4), path.shape), rtol=0, atol=1e-9)
    np.testing.assert_allclose(invert(invert(path)), path, rtol=0, atol=1e-9)


@given(paths)
def test_accumulated_relative_poses_are_the_path_from_its_first_pose(path: Array) -> None:
    np.testing.assert_allclose(accumulate(relative(path)), invert(path[0]) @ path, rtol=0, atol=1e-7)
    np.testing.assert_allclose(accumulate(relative(path), path[0]), path, rtol=0, atol=1e-7)


def test_a_long_chain_stays_rigid() -> None:
    step = make_poses(about((0.3, 1, 0.2), 0.01), np.array([0.0, 0, 1]))
    end = accumulate(np.repeat(step[None], 20_000, axis=0))[-1, :3, :3]
    np.testing.assert_allclose(end @ end.T, np.eye(3), atol=1e-10)


@given(rotations, arrays(float, (3, 3), elements=st.floats(-0.01, 0.01)))
def test_nearest_rotation_repairs_a_small_error(rotation: Array, error: Array) -> None:
    repaired = nearest_rotation(rotation + error)
    np.testing.assert_allclose(repaired @ repaired.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(repaired) == pytest.approx(1)
    assert np.linalg.norm(repaired - rotation) <= 2 * np.linalg.norm(error) + 1e-12


@given(st.floats(-3, 3), st.floats(-1.5, 1.5))
def test_yaw_is_positive_to_the_right_and_pitch_upwards(right: float, up: float) -> None:
    # Looking along z with x to the right and y down: a right turn is about +y, a raised nose about +x.
    turned = about((0, 1, 0), right) @ about((1, 0, 0), up)
    assert yaw(turned) == pytest.approx(right, abs=1e-9)
    assert pitch(turned) == pytest.approx(up, abs=1e-9)
    forward = turned[:, 2]
    if abs(right) > 1e-6 and abs(right) < np.pi - 1e-6:
        assert np.sign(forward[0]) == np.sign(right)
    assert forward[1] == pytest.approx(-np.sin(up), abs=1e-9)


def circle(radius: float, count: int = 40, arc: float = 0.05) -> Array:
    """A car on a circle that bends to the right (left for a negative radius), camera looking ahead."""
    angle = arc * np.arange(count)
    centre = np.stack([abs(radius) * (1 - np.cos(angle)), 0 * angle, abs(radius) * np.sin(angle)], -1)
    side = np.sign(radius)
    centre[:, 0] *= side
    return make_poses(np.array([about((0, 1, 0), side * a) for a in angle]), centre)


@pytest.mark.parametrize("radius", [10.0, 100.0, -25.0])
def test_curvature_of_a_circle(radius: float) -> None:
    np.testing.assert_allclose(curvature(circle(radius)), 1 / radius, rtol=1e-3)


def test_curvature_is_unknown_at_standstill() -> None:
    path = np.repeat(np.eye(4)[None], 4, axis=0)
    path[2:, 2, 3] = 1.0
    np.testing.assert_array_equal(np.isnan(curvature(path)), [True, False, True])


def test_path_length() -> None:
    assert path_length(circle(10, 100, 0.01)) == pytest.approx(9.9, rel=1e-4)
    assert path_length(np.eye(4)[None]) == 0


similar = st.builds(lambda r, t, s: (r, t, s), rotations, arrays(float, 3, elements=finite), st.floats(0.01, 100))


@given(similar, st.booleans())
def test_umeyama_recovers_a_known_similarity(known: tuple[Array, Array, float], with_scale: bool) -> None:
    rotation, translation, scale = known
    scale = scale if with_scale else 1.0
    points = np.random.default_rng(0).normal(size=(12, 3)) * [5, 1, 9]
    found = umeyama(points, scale * points @ rotation.T + translation, with_scale=with_scale)
    assert found.scale == pytest.approx(scale, rel=1e-9)
    np.testing.assert_allclose(found.rotation, rotation, atol=1e-8)
    np.testing.assert_allclose(found.translation, translation, atol=1e-6 * max(scale, 1))


def test_umeyama_never_mirrors() -> None:
    points = np.random.default_rng(1).normal(size=(20, 3))
    found = umeyama(points, points * [-1, 1, 1], with_scale=True)
    assert np.linalg.det(found.rotation) == pytest.approx(1)


@pytest.mark.parametrize("with_scale", [False, True])
@pytest.mark.parametrize("kind", ["straight", "standing", "single"])
def test_straight_and_standing_paths_are_aligned(kind: str, with_scale: bool) -> None:
    source = np.zeros((1 if kind == "single" else 10, 3))
    if kind == "straight":
        source[:, 2] = np.arange(10)
    target = source @ about((0, 1, 0), 0.4).T + [3, 0, 1]
    found = umeyama(source, target, with_scale=with_scale)
    np.testing.assert_allclose(found.points(source), target, atol=1e-9)
    assert np.linalg.det(found.rotation) == pytest.approx(1)


def test_umeyama_refuses_what_does_not_correspond() -> None:
    for source, target in ((np.zeros((3, 3)), np.zeros((4, 3))), (np.zeros((0, 3)), np.zeros((0, 3)))):
        with pytest.raises(ValueError, match="umeyama"):
            umeyama(source, target, with_scale=True)


@given(similar, paths)
def test_a_similarity_moves_poses_as_it_moves_their_centres(known: tuple[Array, Array, float], path: Array) -> None:
    points = np.random.default_rng(2).normal(size=(5, 3))
    rotation, translation, scale = known
    similarity = umeyama(points, scale * points @ rotation.T + translation, with_scale=True)
    moved = similarity.poses(path)
    np.testing.assert_allclose(moved[:, :3, 3], similarity.points(path[:, :3, 3]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(relative(moved)[:, :3, :3], relative(path)[:, :3, :3], atol=1e-8)


def test_interpolation_gives_back_what_is_known_and_blends_between() -> None:
    path, times = circle(30, 20), np.arange(20) / 10
    np.testing.assert_allclose(interpolate_poses(path, times, times), path, atol=1e-9)
    between = interpolate_poses(path, times, times[:-1] + 0.05)
    exact = circle(30, 40, 0.025)[1::2][:19]
    np.testing.assert_allclose(between[:, :3, 3], exact[:, :3, 3], atol=0.02)
    assert rotation_angle(np.swapaxes(exact[:, :3, :3], 1, 2) @ between[:, :3, :3]).max() < 1e-4


def test_interpolation_takes_the_short_way_round() -> None:
    path = make_poses(np.array([about((0, 1, 0), a) for a in (3.1, 3.2)]), np.zeros((2, 3)))
    middle = interpolate_poses(path, np.array([0.0, 1.0]), np.array([0.5]))[0, :3, :3]
    np.testing.assert_allclose(middle, about((0, 1, 0), 3.15), atol=1e-9)


def test_interpolation_does_not_go_beyond_what_is_known() -> None:
    path, times = circle(30, 5), np.arange(5.0)
    for outside in (-0.6, 4.6):
        with pytest.raises(ValueError, match="outside the poses' span"):
            interpolate_poses(path, times, np.array([outside]))
    np.testing.assert_allclose(interpolate_poses(path, times, np.array([-0.4]))[0], path[0], atol=1e-9)
    with pytest.raises(ValueError, match="5 poses but 4 times"):
        interpolate_poses(path, times[:4], times)


def test_as_poses_refuses_what_is_no_pose() -> None:
    good = np.eye(4)[None].repeat(3, 0)
    assert as_poses(good.tolist()).dtype == np.float64
    scaled, mirrored, holed = good.copy(), good.copy(), good.copy()
    scaled[1, :3, :3] *= 2
    mirrored[1, 0, 0] = -1
    holed[1, 0, 3] = np.nan
    for bad, message in ((scaled, "pose 1"), (mirrored, "pose 1"), (holed, "pose 1"), (good[0], "shape")):
        with pytest.raises(ValueError, match=message):
            as_poses(bad)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_interpolated_rotations_turn_at_a_constant_rate(share: float) -> None:
    def about_y(angle: float) -> np.ndarray:
        c, s = np.cos(angle), np.sin(angle)
        return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])

    ends = make_poses(np.stack([about_y(-0.7), about_y(1.9)]), np.zeros((2, 3)))
    found = interpolate_poses(ends, np.array([0.0, 1.0]), np.array([share]))[0, :3, :3]
    np.testing.assert_allclose(found, about_y(-0.7 + share * 2.6), atol=1e-12)
