"""Classical geometry on synthetic drives, whose motion is exact."""

from __future__ import annotations

import json
import sys
from functools import cache

import numpy as np
import pytest

from lapose_core.drive import Drive, Intrinsics, LogError
from lapose_core.evaluation.classical import (
    METHODS,
    ClassicalTrajectory,
    fill_frames,
    fill_transitions,
    load_method,
)
from lapose_core.evaluation.classical_drives import (
    baseline_footnote,
    baseline_table,
    load_baselines,
    run_baseline,
)
from lapose_core.evaluation.drives import DriveClips
from lapose_core.evaluation.evaluate import Clip, evaluate_clips
from lapose_core.evaluation.metrics import pairwise_errors
from lapose_core.evaluation.road_scale import road_lengths, road_normal
from lapose_core.evaluation.scale_recovery import (
    Depths,
    scale_ratio,
    solve_lengths,
    triangulate,
)
from lapose_core.geometry import Array, accumulate, invert, make_poses, matrix_from_quaternion, relative
from lapose_core.synth.drive import SynthConfig, SyntheticDrive

CAMERA = Intrinsics(400.0, 400.0, 320.0, 150.0, 640, 300)


def turn(angle: float, forward: float = 1.0) -> Array:
    """One transition: ``angle`` to the right, ``forward`` metres ahead."""
    half = angle / 2
    return make_poses(
        matrix_from_quaternion(np.array([0.0, np.sin(half), 0.0, np.cos(half)])), np.array([0.0, 0.0, forward])
    )


@cache
def clip(seed: int, skip: int, count: int, reverse: bool = False) -> tuple[SyntheticDrive, np.ndarray, Array]:
    """A drive by day, some of its frames [N, H, W, 3] and their true poses."""
    drive = SyntheticDrive.generate(
        seed,
        seconds=8.0,
        rate=10.0,
        size=(640, 300),
        config=SynthConfig(setting="suburb", lighting="day", weather="clear", reverse=reverse),
    )
    frames = np.arange(0, skip * count, skip)
    return drive, np.stack([drive.render(int(i)) for i in frames]), drive.poses[frames]


def step_lengths(poses: Array) -> Array:
    return np.linalg.norm(relative(poses)[:, :3, 3], axis=1)


# --- filling ------------------------------------------------------------------------------------


def test_unknown_transitions_go_on_as_before() -> None:
    steps = np.stack([turn(0.1), turn(0.2), turn(0.3), turn(0.4)])
    filled = fill_transitions(steps, np.array([False, True, False, False]))
    for row in filled:
        np.testing.assert_array_equal(row, steps[1])
    straight = fill_transitions(steps, np.zeros(4, bool))
    np.testing.assert_array_equal(straight[2], turn(0.0))


def test_a_gap_between_registered_frames_is_crossed_at_constant_velocity() -> None:
    truth = accumulate(np.stack([turn(0.05, 2.0)] * 7))
    registered = np.array([False, True, False, False, True, True, False, False])
    known = np.where(registered[:, None, None], truth, np.eye(4))
    np.testing.assert_allclose(accumulate(fill_frames(known, registered)), truth, atol=1e-9)
    lost = fill_frames(known, np.zeros(8, bool))
    np.testing.assert_array_equal(lost, np.stack([turn(0.0)] * 7))


# --- scale --------------------------------------------------------------------------------------


def seen(points: Array, motion: Array, noise: float = 0.0) -> tuple[Array, Array, Depths]:
    """Rays of points [P, 3] (axes of a) in both frames, with noise, and what is triangulated from them."""
    rng = np.random.default_rng(3)
    other = (points - motion[:3, 3]) @ motion[:3, :3]
    a = points[:, :2] / points[:, 2:] + rng.normal(0, noise, (len(points), 2))
    b = other[:, :2] / other[:, 2:] + rng.normal(0, noise, (len(points), 2))
    unit = motion.copy()
    unit[:3, 3] /= np.linalg.norm(motion[:3, 3])
    return a, b, triangulate(a, b, unit)


def test_points_are_triangulated_in_units_of_the_step() -> None:
    points = np.random.default_rng(1).uniform([-4, -2, 5], [4, 2, 30], (50, 3))
    _, _, found = seen(points, turn(0.05, 2.5))
    np.testing.assert_allclose(found.in_a * 2.5, points[:, 2], rtol=1e-6)
    backwards = seen(points, turn(0.05, -2.5))[2]
    np.testing.assert_allclose(backwards.in_a * 2.5, points[:, 2], rtol=1e-6)


def asphalt(pose: Array, height: float) -> np.ndarray:
    """What CAMERA at camera-to-world ``pose`` sees of a speckled plane ``height`` below the world's origin."""
    v, u = np.mgrid[0 : CAMERA.height, 0 : CAMERA.width] + 0.5
    rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u)], -1) @ pose[:3, :3].T
    far = np.where(rays[..., 1] > 0.02, (height - pose[1, 3]) / np.maximum(rays[..., 1], 0.02), 0.0)
    x, z = pose[0, 3] + far * rays[..., 0], pose[2, 3] + far * rays[..., 2]
    speckle = sum(np.sin(a * x + b * z + c) for a, b, c in np.random.default_rng(0).normal(0, 3, (40, 3)))
    grey = np.where(far > 0, 128 + 15 * speckle, 200)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=-1)


def down(pitch: float) -> Array:
    """A camera whose nose points ``pitch`` radians down."""
    half = -pitch / 2
    rotation = matrix_from_quaternion(np.array([np.sin(half), 0.0, 0.0, np.cos(half)]))
    return make_poses(rotation, np.zeros(3))


@pytest.mark.parametrize("pitch", [-0.05, 0.0, 0.08])
@pytest.mark.parametrize("bonnet", [0, 60])
def test_the_road_tells_lengths_in_metres(pitch: float, bonnet: int) -> None:
    cv2 = pytest.importorskip("cv2")
    truth = np.array([0.4, 0.8, 1.5, 2.5])
    cars = accumulate(np.stack([turn(0.01, step) for step in truth]))
    poses = cars @ down(pitch)
    images = np.stack([asphalt(pose, 1.5) for pose in poses])
    if bonnet:
        images[:, -bonnet:] = np.random.default_rng(1).integers(0, 255, (bonnet, 640, 1), dtype=np.uint8)
    motions = relative(poses)
    expected = np.array([0.0, np.cos(pitch), np.sin(pitch)])
    np.testing.assert_allclose(road_normal(motions), expected, atol=0.01)
    found = road_lengths(cv2, images, [0, 1, 2, 3], motions, 3.0 * truth * [1, 1.1, 0.9, 1], CAMERA, 1.5)
    assert all(length is not None for length in found)
    lengths = np.array([np.exp(length[0]) for length in found if length])
    np.testing.assert_allclose(lengths, truth, rtol=0.10)
    assert lengths.mean() == pytest.approx(truth.mean(), rel=0.06)


def test_a_road_without_texture_is_silent() -> None:
    cv2 = pytest.importorskip("cv2")
    noise = np.random.default_rng(0).integers(90, 110, (3, 300, 640, 3), dtype=np.uint8)
    assert road_lengths(cv2, noise, [0, 1], np.stack([turn(0.0)] * 2), np.ones(2), CAMERA, 1.5) == [None, None]


def test_points_in_three_frames_give_the_ratio_of_the_steps() -> None:
    points = np.random.default_rng(1).uniform([-6, -2, 5], [6, 2, 40], (300, 3))
    first, second = turn(0.03, 1.0), turn(0.03, 1.7)
    before = seen(points, first, 2e-4)[2]
    after = seen((points - first[:3, 3]) @ first[:3, :3], second, 2e-4)[2]
    ratio = scale_ratio(before, after)
    assert ratio is not None
    assert ratio[0] == pytest.approx(np.log(1.7), abs=0.02)
    assert scale_ratio(before.of(np.arange(5)), after.of(np.arange(5))) is None


def test_lengths_join_ratios_with_heights_and_outlast_a_wrong_one() -> None:
    truth = np.array([1.0, 1.2, 1.5, 1.4, 1.1, 0.9])
    ratios = [(float(r), 0.01) for r in np.diff(np.log(truth))]
    lengths: list[tuple[float, float] | None] = [(float(v), 0.05) for v in np.log(truth)]
    lengths[2] = (float(np.log(6.0)), 0.05)
    lengths[4] = None
    np.testing.assert_allclose(solve_lengths(ratios, lengths), truth, rtol=0.03)
    alone = solve_lengths(ratios, [None] * 6)
    np.testing.assert_allclose(alone, truth / truth.mean(), rtol=1e-3)


# --- whole clips --------------------------------------------------------------------------------


@pytest.fixture(params=METHODS)
def name(request: pytest.FixtureRequest) -> str:
    pytest.importorskip({"opencv": "cv2", "colmap": "pycolmap"}[request.param])
    return request.param


@pytest.mark.parametrize(("seed", "skip"), [(501, 3), (504, 2)])
def test_a_drive_is_recovered_in_metres(name: str, seed: int, skip: int) -> None:
    drive, images, truth = clip(seed, skip, 8)
    found = load_method(name)(images, drive.intrinsics, camera_height=drive.mount.height)
    assert found.coverage == 1.0
    assert found.scaled
    np.testing.assert_array_equal(found.poses[0], np.eye(4))
    errors = pairwise_errors(found.poses, truth)
    assert np.median(errors.rotation) < 0.3
    assert np.median(errors.direction) < 2.0
    assert step_lengths(found.poses).mean() == pytest.approx(step_lengths(truth).mean(), rel=0.10)


def test_without_the_camera_s_height_the_scale_is_said_to_be_arbitrary(name: str) -> None:
    drive, images, truth = clip(501, 3, 8)
    found = load_method(name)(images, drive.intrinsics)
    assert not found.scaled
    assert any("scale is arbitrary" in note for note in found.notes)
    assert step_lengths(found.poses).mean() == pytest.approx(1.0, rel=0.05)
    lengths = step_lengths(truth) / step_lengths(truth).mean()
    np.testing.assert_allclose(step_lengths(found.poses), lengths, rtol=0.15)


def test_backwards_comes_out_backwards(name: str) -> None:
    drive, images, truth = clip(501, 3, 8)
    found = load_method(name)(images[::-1], drive.intrinsics, camera_height=drive.mount.height)
    assert (relative(found.poses)[:, 2, 3] < 0).all()
    errors = pairwise_errors(found.poses, accumulate(invert(relative(truth))[::-1]))
    assert np.median(errors.direction) < 2.0


def test_blank_frames_give_straight_ahead_and_no_coverage(name: str) -> None:
    found = load_method(name)(np.full((5, 300, 640, 3), 90, np.uint8), CAMERA, camera_height=1.5)
    assert found.coverage == 0.0
    assert not found.scaled
    np.testing.assert_array_equal(found.poses[:, :3, :3], np.tile(np.eye(3), (5, 1, 1)))
    np.testing.assert_array_equal(found.poses[:, :3, 3], [[0, 0, i] for i in range(5)])


def test_a_frame_without_picture_is_filled_and_said_to_be() -> None:
    pytest.importorskip("cv2")
    drive, images, truth = clip(501, 3, 8)
    images = images.copy()
    images[4] = 0
    found = load_method("opencv")(images, drive.intrinsics, camera_height=drive.mount.height)
    assert found.registered.tolist() == [True, True, True, True, False, False, True, True]
    assert any("2 of 7 transitions" in note for note in found.notes)
    steps = relative(found.poses)
    np.testing.assert_allclose(steps[3], steps[2])
    np.testing.assert_allclose(steps[4], steps[2])


def test_a_standing_camera_stands() -> None:
    pytest.importorskip("cv2")
    drive, images, _ = clip(501, 3, 8)
    rng = np.random.default_rng(0)
    noisy = np.clip(images[[0, 0, 0, 3]].astype(int) + rng.normal(0, 3, (4, *images.shape[1:])), 0, 255)
    found = load_method("opencv")(noisy.astype(np.uint8), drive.intrinsics, camera_height=drive.mount.height)
    assert found.coverage == 1.0
    np.testing.assert_array_equal(step_lengths(found.poses)[:2], 0.0)
    assert step_lengths(found.poses)[2] > 0.2
    assert np.abs(found.poses[2, :3, :3] - np.eye(3)).max() < 2e-3


def test_the_lens_is_undone() -> None:
    cv2 = pytest.importorskip("cv2")
    from lapose_core.evaluation.opencv_odometry import rays_of

    rays = np.random.default_rng(0).uniform(-0.5, 0.5, (40, 2))
    points = np.column_stack([rays, np.ones(40)])
    matrix = np.array([[400.0, 0, 320], [0, 400, 150], [0, 0, 1]])
    for model, values in (("brown-conrady", (-0.2, 0.05, 0.001, -0.002, 0.0)), ("kannala-brandt", (0.02, 0.01, 0, 0))):
        lens = np.array(values, dtype=np.float64)
        project = cv2.projectPoints if model == "brown-conrady" else cv2.fisheye.projectPoints
        pixels = project(points[:, None], np.zeros(3), np.zeros(3), matrix, lens)[0].reshape(-1, 2)
        camera = Intrinsics(400, 400, 320, 150, 640, 300, model, tuple(values))  # type: ignore[arg-type]
        np.testing.assert_allclose(rays_of(cv2, pixels, camera), rays, atol=1e-4)


def test_frames_of_another_camera_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="the frames are 64x32, the intrinsics of 640x300"):
        load_method(name)(np.zeros((4, 32, 64, 3), np.uint8), CAMERA)
    with pytest.raises(ValueError, match="uint8"):
        load_method(name)(np.zeros((1, 300, 640, 3), np.uint8), CAMERA)


@pytest.mark.parametrize(("name", "module"), [("opencv", "cv2"), ("colmap", "pycolmap")])
def test_an_absent_library_names_the_extra(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"lapose-core\[classical\]"):
        load_method(name)
    with pytest.raises(ValueError, match=r"pip install"):
        load_baselines([name], [])
    with pytest.raises(ValueError, match="it is one of opencv, colmap"):
        load_method("orb")


# --- beside the model ---------------------------------------------------------------------------


class Rendered:
    """A frame source over frames in memory."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> np.ndarray:
        return self.images[index]

    def close(self) -> None: ...


def drive_of(
    images: np.ndarray, poses: Array, intrinsics: Intrinsics | None, height: float | None, path: object
) -> Drive:
    return Drive(
        name="clip",
        path=path,  # type: ignore[arg-type]
        format="memory",
        width=images.shape[2],
        height=images.shape[1],
        timestamps=np.arange(len(images)) * 0.3,
        open_frames=lambda: Rendered(images),  # type: ignore[arg-type,return-value]
        poses=poses,
        intrinsics=intrinsics,
        camera_height=height,
    )


def test_the_baseline_stands_beside_the_model_on_the_same_clips(tmp_path: object) -> None:
    pytest.importorskip("cv2")
    synthetic, images, truth = clip(501, 3, 8)
    frames = np.concatenate([images, np.full_like(images, 90)])
    poses = np.concatenate([truth, truth])
    drive = drive_of(frames, poses, synthetic.intrinsics, synthetic.mount.height, tmp_path)
    clips = [
        Clip(np.tile(np.eye(4), (8, 1, 1)), poses[a : a + 8], drive.timestamps[a : a + 8], fov=1.0, fov_truth=1.0)
        for a in (0, 8)
    ]
    done: list[int] = []
    methods = load_baselines(["opencv"], [drive])
    result = run_baseline("opencv", methods["opencv"], [drive], [DriveClips("clip", "p", clips)], done.append)
    assert sum(done) == 2
    assert (result.coverage, result.scaled) == (0.5, 1)
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    good, blank = document["per_clip"]
    assert (good["coverage"], blank["coverage"]) == (1.0, 0.0)
    assert good["model"]["auc5_signed"] > 80
    assert good["model"]["scale_error"] < 0.1
    # Its scale is arbitrary, so it may not enter the metric figures.
    assert blank["model"]["scale_error"] is None
    assert blank["model"]["ate_m"] is None
    assert blank["model"]["auc5_signed"] == blank["forward"]["auc5_signed"]
    assert document["model"]["scale_error"] == good["model"]["scale_error"]
    assert document["model"]["fov_error"] is None
    assert "true intrinsics" in document["settings"]["method"]
    lines = baseline_table([result], evaluate_clips(clips)).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "50 %" in lines[3]
    assert "1/2" in lines[3]
    assert "50.0 %" in baseline_footnote([result])


def test_a_log_without_its_camera_is_named(tmp_path: object) -> None:
    _, images, truth = clip(501, 3, 8)
    with pytest.raises(LogError, match="does not know its camera"):
        load_baselines(["opencv"], [drive_of(images, truth, None, None, tmp_path)])
    assert load_baselines([], [drive_of(images, truth, None, None, tmp_path)]) == {}


def test_coverage_is_the_share_of_registered_frames() -> None:
    trajectory = ClassicalTrajectory(np.tile(np.eye(4), (4, 1, 1)), np.array([True, True, True, False]), False, "m")
    assert trajectory.coverage == 0.75
