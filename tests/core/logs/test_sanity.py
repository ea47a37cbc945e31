"""The report on poses names each wrong convention, and leaves sound poses alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from log_files import real

from lapose_core.drive import Drive
from lapose_core.geometry import Array, invert, make_poses, matrix_from_quaternion, quaternion_from_matrix
from lapose_core.logs import open_log
from lapose_core.logs.sanity import PoseSanity, check_poses

TIMES = np.arange(300) / 10
# A camera's axes as columns in those of a vehicle with x forward, y left, z up.
FLU = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def town(noise: float = 0.0) -> Array:
    """Camera-to-world poses of half a minute through bends to both sides, in a world with z up."""
    rate = 0.35 * np.sin(TIMES / 4) + 0.1 * np.sin(TIMES)
    heading = np.cumsum(rate) / 10
    speed = 8 + 3 * np.sin(TIMES / 7)
    centre = np.cumsum(
        np.stack([np.cos(heading), np.sin(heading), 0.02 * np.sin(heading)], -1) * speed[:, None] / 10, 0
    )
    centre += noise * np.random.default_rng(0).normal(size=centre.shape)
    body = about_z(heading + 0.05 * rate)
    return make_poses(body @ FLU, centre)


def about_z(heading: Array) -> Array:
    zero = np.zeros_like(heading)
    return matrix_from_quaternion(np.stack([zero, zero, np.sin(heading / 2), np.cos(heading / 2)], -1))


def report(poses: Array, times: Array = TIMES) -> PoseSanity:
    found = check_poses(
        Drive("d", Path("d"), "test", 8, 8, times, lambda: pytest.fail("no frames"), poses, fingerprint="-")
    )
    assert found is not None
    return found


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_sound_poses_have_no_problem(noise: float) -> None:
    found = report(town(noise))
    assert found.problems == ()
    assert found.forward is not None
    assert found.forward > 0.97
    assert found.down == "-z"
    assert found.turn_ratio == pytest.approx(1, abs=0.1)
    assert found.speed == pytest.approx(8, abs=3)
    assert "own +z for 100 % of the path" in found.words or "99 %" in found.words


def test_the_choice_of_the_world_does_not_matter() -> None:
    poses = town()
    for world in (invert(poses[:1]), make_poses(FLU.T, np.array([4e5, -5e6, 3.0]))[None]):
        assert report(world @ poses).problems == ()


def to_axes(columns: Array) -> Callable[[Array], Array]:
    turn = np.eye(4)
    turn[:3, :3] = columns
    return lambda poses: poses @ turn


def mirrored(poses: Array) -> Array:
    out = poses.copy()
    out[:, 1, 3] *= -1
    return out


def wxyz_as_xyzw(poses: Array) -> Array:
    return make_poses(
        matrix_from_quaternion(quaternion_from_matrix(poses[:, :3, :3])[:, [3, 0, 1, 2]]), poses[:, :3, 3]
    )


def angle_times(factor: float) -> Callable[[Array], Array]:
    def change(poses: Array) -> Array:
        ahead = poses[:, :3, 2]
        heading = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
        return make_poses(about_z(factor * heading) @ FLU, poses[:, :3, 3])

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (to_axes(FLU.T), "axes are FLU"),
        (to_axes(FLU.T @ np.diag([1.0, -1, -1])), "axes are FLU"),
        (to_axes(np.diag([1.0, -1, -1])), "OpenGL"),
        (to_axes(np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]).T), "y forward"),
        (to_axes(np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])), "side camera"),
        (invert, "world-to-camera"),
        (mirrored, "left-handed"),
        (wxyz_as_xyzw, "quaternion"),
        (angle_times(180 / np.pi), "degrees"),
        (angle_times(np.pi / 180), "radians were read as degrees|do not belong together"),
        (lambda poses: make_poses(poses[:, :3, :3], 1000 * poses[:, :3, 3]), "not in metres"),
    ],
    ids=["flu", "frd", "opengl", "rfu", "side", "inverse", "mirrored", "wxyz", "degrees", "radians", "millimetres"],
)
def test_a_wrong_convention_is_named(change: Callable[[Array], Array], named: str) -> None:
    found = report(change(town()))
    assert any(word in " ".join(found.problems) for word in named.split("|")), found


def test_a_jump_names_the_frames() -> None:
    poses = town()
    poses[150:, 0, 3] += 80
    assert any("jumps" in problem and "150" in problem for problem in report(poses).problems)


def test_a_standing_or_straight_drive_claims_no_more_than_it_shows() -> None:
    still = report(np.eye(4)[None].repeat(50, 0), np.arange(50) / 10)
    assert still.forward is None
    assert still.problems == ()
    straight = np.eye(4)[None].repeat(50, 0)
    straight[:, 0, 3] = np.arange(50)
    found = report(straight, np.arange(50) / 10)
    assert found.turn_ratio is None
    assert "unless the camera looks left" in found.problems[0]
    assert "rear" in report(np.linalg.inv(np.eye(4)[None]) @ backwards(), np.arange(50) / 10).problems[0]


def backwards() -> Array:
    poses = np.eye(4)[None].repeat(50, 0)
    poses[:, 2, 3] = -np.arange(50)
    return poses


def test_a_drive_without_poses_has_no_report() -> None:
    assert check_poses(Drive("d", Path("d"), "t", 8, 8, TIMES, lambda: pytest.fail("no"), fingerprint="-")) is None


def test_real_kitti_poses_are_sound() -> None:
    found = check_poses(open_log(real("kitti_odometry")))
    assert found is not None
    assert found.problems == ()
    assert found.forward == pytest.approx(1, abs=0.03)
    assert found.down == "+y"
