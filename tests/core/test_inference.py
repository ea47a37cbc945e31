"""Windows, stitching, the analysis of a whole drive, streaming and reconstruction."""

from __future__ import annotations

import dataclasses
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from analysis_data import MemoryDrive, empty_analysis, rotation_y, winding_path, windows_of
from hypothesis import given, settings
from hypothesis import strategies as st

from lapose_core.drive import Intrinsics
from lapose_core.geometry import invert, make_poses, quaternion_from_matrix, relative, rotation_angle
from lapose_core.inference.analysis import DriveAnalyzer, estimate_windows
from lapose_core.inference.checks import Checks
from lapose_core.inference.errors import transition_errors
from lapose_core.inference.preprocess import Crop, Preprocessor
from lapose_core.inference.reconstruction import context, reconstruct
from lapose_core.inference.result import DriveAnalysis, FailedWindow, WindowResult, centrality, plan_windows
from lapose_core.inference.streaming import LiveSession
from lapose_core.logs import open_log
from lapose_core.model.config import tiny
from lapose_core.model.lapose import LaPose

# -- preprocessing


def test_a_kitti_frame_is_cropped_at_the_sides_about_its_principal_point() -> None:
    camera = Intrinsics(718.9, 718.9, 607.2, 185.2, 1241, 376)
    pre = Preprocessor(1241, 376, camera, (240, 112))
    assert pre.crop == Crop(left=204, top=0, width=806, height=376)
    assert Preprocessor(1241, 376, None, (240, 112)).crop == Crop(left=218, top=0, width=806, height=376)


def test_a_tall_frame_is_cropped_about_the_horizon_and_stays_inside_the_frame() -> None:
    def crop(cy: float) -> Crop:
        return Preprocessor(480, 1080, Intrinsics(500, 500, 240, cy, 480, 1080), (240, 112)).crop

    assert crop(700.0) == Crop(left=0, top=588, width=480, height=224)
    assert crop(1070.0) == Crop(left=0, top=1080 - 224, width=480, height=224)
    assert crop(-50.0) == Crop(left=0, top=0, width=480, height=224)


def test_a_view_is_of_the_crop_and_the_camera() -> None:
    def view(camera: Intrinsics | None, size: tuple[int, int] = (240, 112)) -> str:
        return Preprocessor(480, 360, camera, size).view

    camera = Intrinsics(500, 500, 240, 180, 480, 360)
    bent = dataclasses.replace(camera, model="brown-conrady", distortion=(-0.1, 0.0, 0.0, 0.0))
    longer, lower = dataclasses.replace(camera, fx=501), dataclasses.replace(camera, cy=180.5)
    others = [
        view(None), view(camera), view(bent), view(longer), view(lower), view(camera, (160, 112)),
    ]  # fmt: skip
    assert len(set(others)) == len(others)
    assert view(camera) == view(dataclasses.replace(camera))


@given(st.integers(2, 3000), st.integers(2, 3000), st.floats(-100, 3100), st.floats(-100, 3100))
def test_the_crop_is_the_largest_of_the_models_aspect_inside_the_frame(
    width: int, height: int, cx: float, cy: float
) -> None:
    crop = Preprocessor(width, height, Intrinsics(500, 500, cx, cy, width, height), (240, 112)).crop
    assert crop.left >= 0
    assert crop.top >= 0
    assert crop.left + crop.width <= width
    assert crop.top + crop.height <= height
    assert crop.width == width or crop.height == height
    assert min(abs(crop.width - crop.height * 240 / 112), abs(crop.height - crop.width * 112 / 240)) <= 0.5 + 1e-9


@pytest.mark.parametrize("size", [(1241, 376), (640, 480), (1920, 1080), (160, 60)])
def test_the_model_images_intrinsics_say_where_a_point_lands(size: tuple[int, int]) -> None:
    width, height = size
    camera = Intrinsics(0.6 * width, 0.6 * width, width * 0.48, height * 0.52, width, height)
    pre = Preprocessor(width, height, camera, (240, 112))
    out = pre.intrinsics
    assert out is not None
    radius = max(2, width // 60)
    for point in ([0.0, 0.0, 1.0], [0.1, -0.05, 1.0], [-0.2, 0.06, 1.0]):
        u, v = camera.fx * point[0] + camera.cx, camera.fy * point[1] + camera.cy
        rows, columns = np.mgrid[:height, :width] + 0.5  # pixel centres; pixel edges are whole numbers
        dot = 255 * np.clip(radius + 0.5 - np.hypot(columns - u, rows - v), 0, 1)
        image = pre(np.repeat(dot[:, :, None], 3, 2).astype(np.uint8))[0].numpy()
        y, x = np.mgrid[:112, :240] + 0.5
        centroid = np.array([(x * image).sum(), (y * image).sum()]) / image.sum()
        expected = [out.fx * point[0] + out.cx, out.fy * point[1] + out.cy]
        assert np.abs(centroid - expected).max() < 0.3


def test_shrinking_takes_the_exact_mean_over_each_pixels_area() -> None:
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 256, (448, 960, 3), dtype=np.uint8)
    small = Preprocessor(960, 448, None, (240, 112))(fine).permute(1, 2, 0).numpy()
    assert np.abs(small - fine.reshape(112, 4, 240, 4, 3).mean((1, 3)) / 255).max() < 1e-6
    # A ratio that is not whole: enlarge by repetition until it is, then take the mean of whole blocks.
    odd = rng.integers(0, 256, (7 * 26, 15 * 26, 3), dtype=np.uint8)
    pre = Preprocessor(15 * 26, 7 * 26, None, (15 * 16, 7 * 16))
    blocks = odd.repeat(8, 0).repeat(8, 1).reshape(112, 13, 240, 13, 3).mean((1, 3)) / 255
    assert np.abs(pre(odd).permute(1, 2, 0).numpy() - blocks).max() < 1e-6
    assert torch.equal(pre(odd), pre(odd))


def test_enlarging_is_linear_between_pixel_centres() -> None:
    ramp = np.broadcast_to(np.arange(60, dtype=np.uint8)[None, :, None] * 4, (28, 60, 3))
    row = Preprocessor(60, 28, None, (240, 112))(ramp)[0, 50].numpy() * 255
    expected = np.clip((np.arange(240) + 0.5) / 4 - 0.5, 0, 59) * 4
    assert np.abs(row - expected).max() < 1e-3


def test_small_frames_are_enlarged_and_exact_frames_are_untouched() -> None:
    grey = np.full((30, 80, 3), 128, np.uint8)
    assert torch.allclose(Preprocessor(80, 30, None, (240, 112))(grey), torch.tensor(128 / 255), atol=1e-6)
    exact = np.random.default_rng(1).integers(0, 256, (112, 240, 3), dtype=np.uint8)
    out = Preprocessor(240, 112, None, (240, 112))(exact)
    assert np.array_equal((out * 255).round().byte().permute(1, 2, 0).numpy(), exact)
    for size in ((1241, 376), (1920, 1080), (100, 37)):
        assert Preprocessor(*size, None, (240, 112))(np.full((*size[::-1], 3), 255, np.uint8)).max() <= 1


def test_a_frame_of_another_size_is_refused_by_name() -> None:
    pre = Preprocessor(80, 30, None, (240, 112))
    with pytest.raises(ValueError, match="80x30"):
        pre(np.zeros((31, 80, 3), np.uint8))
    with pytest.raises(ValueError, match="intrinsics are of 81x30"):
        Preprocessor(80, 30, Intrinsics(50, 50, 40, 15, 81, 30), (240, 112))


# -- windows and stitching


@given(st.integers(2, 400), st.integers(2, 24))
def test_windows_cover_every_transition_and_overlap_by_half(samples: int, window: int) -> None:
    starts = plan_windows(samples, window)
    length = min(samples, window)
    covered = {t for s in starts for t in range(s, s + length - 1)}
    assert covered == set(range(samples - 1))
    assert starts[-1] + length == samples
    steps = np.diff(starts)
    assert (steps >= 1).all()
    assert (steps <= max(1, window // 2)).all()


@pytest.mark.parametrize("samples", [0, 1])
def test_a_drive_without_a_transition_says_so(samples: int) -> None:
    with pytest.raises(ValueError, match="motion needs two"):
        plan_windows(samples, 16)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 60), st.integers(2, 17), st.randoms(use_true_random=False))
def test_windows_of_a_known_path_merge_back_to_it_in_any_order(samples: int, window: int, random) -> None:
    path = winding_path(samples, seed=samples)
    analysis = empty_analysis(samples, window)
    windows = windows_of(analysis, path)
    random.shuffle(windows)
    for w in windows:
        analysis.merge(w)
    assert analysis.complete
    assert analysis.segments() == [(0, samples)]
    assert np.abs(analysis.trajectory(0, samples) - invert(path[0]) @ path).max() < 1e-9
    assert analysis.translation_spread.max() < 1e-5
    assert analysis.rotation_spread.max() < 1e-6


def test_the_blend_does_not_depend_on_the_order_of_arrival() -> None:
    path = winding_path(50)
    forward, backward = empty_analysis(50), empty_analysis(50)
    windows = windows_of(forward, path, noise=0.1)
    forward.merge_all(windows)
    backward.merge_all(windows[::-1])
    for name in ("relative", "latents", "fov", "scale", "cross_entropy", "translation_spread"):
        assert np.allclose(
            getattr(forward, name), getattr(backward, name), rtol=0, atol=1e-12 + 1e-6 * (name == "latents")
        )
    assert forward.translation_spread[:-1].max() > 0.01


def test_two_windows_are_averaged_by_how_central_a_transition_is() -> None:
    analysis = empty_analysis(
        6, window=4
    )  # windows at samples 0, 2: transition 2 is the last of one, first of the other
    assert analysis.window_starts == [0, 2]
    first, second = windows_of(analysis, winding_path(6))
    steps = [make_poses(rotation_y(np.full(3, yaw)), np.full((3, 3), t)) for yaw, t in ((0.2, 1.0), (0.4, 3.0))]
    analysis.merge(dataclasses.replace(first, relative=steps[0], fov=np.full(3, 1.0)))
    analysis.merge(dataclasses.replace(second, relative=steps[1], fov=np.full(3, 2.0)))
    assert centrality(3).tolist() == [0.5, 1.0, 0.5]
    assert np.allclose(analysis.relative[2, :3, 3], 2.0)
    assert np.allclose(analysis.relative[2, :3, :3], rotation_y(0.3))
    assert analysis.fov[2] == pytest.approx(1.5)
    assert analysis.translation_spread[2] == pytest.approx(np.sqrt(3.0))
    assert analysis.rotation_spread[2] == pytest.approx(0.1, rel=1e-6)
    assert np.allclose(analysis.relative[1, :3, 3], 1.0)


def test_rotations_by_half_a_turn_are_averaged_as_rotations_and_not_as_signs() -> None:
    analysis = empty_analysis(6, window=4)
    first, second = windows_of(analysis, winding_path(6))
    a, b = rotation_y(np.pi - 0.01), rotation_y(np.pi + 0.01)
    assert quaternion_from_matrix(a) @ quaternion_from_matrix(b) < 0
    analysis.merge(dataclasses.replace(first, relative=make_poses(a, np.zeros((3, 3)))))
    analysis.merge(dataclasses.replace(second, relative=make_poses(b, np.zeros((3, 3)))))
    assert rotation_angle(rotation_y(np.pi).T @ analysis.relative[2, :3, :3]) < 1e-9


def test_a_copy_that_is_told_the_changes_is_the_same_to_the_last_bit() -> None:
    poses = winding_path(60)
    analysis = empty_analysis(60, truth=poses)
    windows = windows_of(analysis, poses, noise=0.2)
    analysis.merge(windows[2])
    copy = pickle.loads(pickle.dumps(analysis))
    analysis.record()

    def follow() -> None:
        copy.apply(pickle.loads(pickle.dumps(analysis.take_changes())))
        mine, theirs = vars(analysis), vars(copy)
        for name in set(mine) - {"_lock", "_journal", "_sums", "checks"}:
            np.testing.assert_equal(theirs[name], mine[name], name)
        for name, values in vars(analysis.sums()).items():
            np.testing.assert_array_equal(getattr(copy.sums(), name), values, name)

    follow()
    analysis.merge_all(windows[:4])
    analysis.preview(windows[5].start, dataclasses.replace(windows[5], cross_entropy=np.full(15, np.nan)))
    follow()
    analysis.withdraw()
    analysis.withdraw()
    analysis.fail(6, "torn")
    follow()
    analysis.merge_all(windows)
    follow()
    first, last = Checks.unknown(60), Checks.unknown(60)
    analysis.assess(first, np.zeros(59))
    analysis.assess(last, np.full(59, 0.5))
    changes = analysis.take_changes()
    assert [name for name, _ in changes.steps] == ["assess"]
    copy.apply(changes)
    assert copy.checks is last
    assert copy.revision == analysis.revision
    np.testing.assert_array_equal(copy.confidence, 0.5)
    assert analysis.take_changes().steps == ()


def test_merging_a_window_twice_changes_nothing_and_a_broken_one_is_refused() -> None:
    analysis = empty_analysis(40)
    windows = windows_of(analysis, winding_path(40), noise=0.1)
    analysis.merge_all(windows[:2])
    before = analysis.snapshot()
    analysis.merge(windows[0])
    assert np.array_equal(before.relative, analysis.relative)
    broken = windows[2].relative.copy()
    broken[3, 0, 3] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        analysis.merge(dataclasses.replace(windows[2], relative=broken))
    with pytest.raises(ValueError, match="plan"):
        analysis.merge(dataclasses.replace(windows[2], start=1))
    with pytest.raises(ValueError, match="shapes"):
        analysis.merge(dataclasses.replace(windows[2], fov=np.zeros(3)))
    assert analysis.windows_done == {0, 1}


def test_gaps_split_the_path_and_undone_transitions_hold_no_numbers() -> None:
    path = winding_path(64)
    analysis = empty_analysis(64)  # windows at 0, 8, ..., 48
    windows = windows_of(analysis, path)
    analysis.merge_all([windows[0], windows[3], windows[6]])
    assert analysis.segments() == [(0, 16), (24, 40), (48, 64)]
    assert np.isnan(analysis.latents[20]).all()
    assert np.isnan(analysis.cross_entropy[20])
    assert np.array_equal(analysis.relative[20], np.eye(4))
    assert np.allclose(analysis.trajectory(24, 40), invert(path[24]) @ path[24:40])
    with pytest.raises(ValueError, match="segment"):
        analysis.trajectory(10, 30)


def test_a_drive_frame_is_found_in_its_transition() -> None:
    analysis = empty_analysis(10)  # frames 3, 8, 13, ...
    assert [analysis.transition_at(f) for f in (2, 3, 7, 8, 47, 48)] == [None, 0, 0, 1, 8, None]


# -- errors


def test_errors_of_a_perfect_a_turned_and_a_reversed_prediction() -> None:
    truth = winding_path(16)
    analysis = empty_analysis(16, truth=truth)
    (window,) = windows_of(analysis, truth)
    still = np.linalg.norm(window.relative[:, :3, 3], axis=1) < 0.1
    assert still.any()

    analysis.merge(window)
    exact = transition_errors(analysis)
    assert exact.valid.all()
    assert exact.rotation.max() < 1e-7
    assert np.nanmax(exact.direction) < 1e-7
    assert np.array_equal(np.isnan(exact.direction), still)
    assert np.allclose(exact.scale_ratio[~still], 1.0)

    wrong = window.relative.copy()
    wrong[:, :3, :3] = wrong[:, :3, :3] @ rotation_y(0.03)
    wrong[:, :3, 3] *= -2.0
    other = empty_analysis(16, truth=truth)
    other.merge(dataclasses.replace(window, relative=wrong))
    errors = transition_errors(other)
    assert np.allclose(errors.rotation, 0.03)
    assert np.allclose(errors.direction[~still], np.pi)
    assert np.allclose(errors.scale_ratio[~still], 2.0)

    frozen = window.relative.copy()
    frozen[:, :3, 3] = 0.0
    parked = empty_analysis(16, truth=truth)
    parked.merge(dataclasses.replace(window, relative=frozen))
    assert np.allclose(transition_errors(parked).direction[~still], np.pi)


def test_errors_exist_only_where_truth_and_result_do() -> None:
    truth = winding_path(40)
    analysis = empty_analysis(40, truth=truth)
    assert analysis.truth_valid is not None
    analysis.truth_valid[4] = False
    analysis.merge(windows_of(analysis, truth)[0])
    errors = transition_errors(analysis)
    assert np.array_equal(errors.valid, (np.arange(39) < 15) & ~np.isin(np.arange(39), [3, 4]))
    assert np.isnan(errors.rotation[~errors.valid]).all()
    nothing = transition_errors(empty_analysis(40))
    assert not nothing.valid.any()
    assert np.isnan(nothing.rotation).all()


# -- the model over a drive


@pytest.fixture(scope="module")
def model() -> Iterator[LaPose]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = LaPose(tiny()).eval()
    # A fresh pose head says the same of every clip; give it something to say.
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 0.05)
    yield net
    torch.set_num_threads(threads)


def analyzer(model: LaPose, memory: MemoryDrive, **options) -> DriveAnalyzer:
    options = {"rate": 4.0, **options}
    return DriveAnalyzer(model, memory.drive, checkpoint_hash="abc", checkpoint_name="tiny", **options)


def images_of(run: DriveAnalyzer, memory: MemoryDrive, samples: range) -> tuple[torch.Tensor, torch.Tensor]:
    images = [run.preprocessor(memory.images[run.analysis.frames[s]]) for s in samples]
    return torch.stack(images), torch.from_numpy(run.analysis.times[list(samples)])


def test_a_drive_of_one_window_gets_what_the_model_says_of_it(model: LaPose) -> None:
    memory = MemoryDrive(9)
    run = analyzer(model, memory)
    (window,) = run.run()
    images, times = images_of(run, memory, range(9))
    with torch.inference_mode():
        expected = model.estimate(images[None], times[None], run.analysis.camera.tensor())
        logits = model.predict_next(images[None], times[None], expected.latents)
        codes = model.vqvae.encode(images[None])[:, 1:]
        loss = -logits.log_softmax(-1).gather(-1, codes[..., None]).mean((-1, -2, -3))
    analysis = run.analysis
    assert analysis.complete
    assert np.allclose(analysis.relative[:, :3, 3], expected.translation[0], atol=1e-5)
    assert np.allclose(quaternion_from_matrix(analysis.relative[:, :3, :3]), expected.quaternion[0], atol=1e-5)
    assert np.allclose(analysis.latents, expected.latents[0], atol=1e-5)
    assert np.allclose(analysis.cross_entropy, loss[0], atol=1e-4)
    assert np.allclose(analysis.scale, float(expected.scale[0]), atol=1e-5)
    assert np.ptp(analysis.relative[:, :3, 3], axis=0).max() > 1e-4
    assert window.start == 0


@pytest.mark.parametrize("batch", [1, 3])
def test_each_frame_is_decoded_once_and_the_source_is_closed(model: LaPose, batch: int) -> None:
    memory = MemoryDrive(60)
    run = analyzer(model, memory, batch=batch)
    assert [w.index for w in run.run()] == list(range(run.analysis.n_windows))
    assert memory.reads == list(range(60))
    assert [s.closed for s in memory.sources] == [True]


def test_batched_windows_equal_single_ones(model: LaPose) -> None:
    single, batched = (analyzer(model, MemoryDrive(45), batch=b) for b in (1, 4))
    for run in (single, batched):
        assert all(True for _ in run.run())
    assert np.allclose(single.analysis.relative, batched.analysis.relative, atol=1e-5)
    assert np.allclose(single.analysis.cross_entropy, batched.analysis.cross_entropy, atol=1e-4)


def test_the_analysis_begins_at_the_cursor_and_follows_it(model: LaPose) -> None:
    memory = MemoryDrive(80)
    run = analyzer(model, memory)  # windows at 0, 8, ..., 64
    windows = run.run(start_frame=50)
    assert next(windows).start == 48
    run.seek(20)
    order = [next(windows).start, next(windows).start]
    run.seek(70)
    order += [w.start for w in windows]
    assert order == [16, 24, 64, 0, 8, 32, 40, 56]
    assert run.analysis.complete


def test_stopping_keeps_what_is_done_and_closes_the_source(model: LaPose) -> None:
    memory = MemoryDrive(60)
    run = analyzer(model, memory)
    windows = run.run()
    next(windows)
    windows.close()
    assert memory.sources[0].closed
    assert run.analysis.windows_done == {0}
    assert not run.analysis.complete
    assert [w.index for w in run.run()] == list(range(1, run.analysis.n_windows))


def test_an_unreadable_frame_costs_its_windows_and_no_more(model: LaPose) -> None:
    memory = MemoryDrive(80, broken=frozenset({20}))
    run = analyzer(model, memory)
    windows = list(run.run())
    failed = {w.index: w.reason for w in windows if isinstance(w, FailedWindow)}
    assert failed == run.analysis.failed_windows
    done = {w.start for w in windows if isinstance(w, WindowResult)}
    assert done == {0, 24, 32, 40, 48, 56, 64}
    assert run.analysis.complete
    assert set(run.analysis.failed_windows) == {1, 2}
    assert all("frame 20" in reason for reason in run.analysis.failed_windows.values())
    assert run.analysis.segments() == [(0, 16), (24, 80)]
    assert memory.reads.count(20) == 1


def test_output_that_is_not_finite_is_reported_and_kept_out(model: LaPose) -> None:
    spoilt = LaPose(tiny()).eval()
    spoilt.load_state_dict(model.state_dict())
    with torch.no_grad():
        for p in spoilt.pose_head.parameters():
            p.fill_(float("nan"))
    run = analyzer(spoilt, MemoryDrive(20))
    assert [type(w) for w in run.run()] == [FailedWindow, FailedWindow]
    assert run.analysis.complete
    assert not run.analysis.done.any()
    assert all("not finite" in reason for reason in run.analysis.failed_windows.values())


def test_a_result_of_another_checkpoint_is_not_continued(model: LaPose) -> None:
    memory = MemoryDrive(20)
    earlier = DriveAnalysis.for_drive(
        memory.drive, 4.0, window=16, latent_dim=8, checkpoint_hash="other", checkpoint_name="tiny"
    )
    with pytest.raises(ValueError, match="another drive, view, rate or checkpoint"):
        analyzer(model, memory, analysis=earlier)


def test_the_rate_chooses_the_frames(model: LaPose) -> None:
    run = analyzer(model, MemoryDrive(40), rate=2.0)  # the drive has 4 frames a second
    assert run.analysis.frames.tolist() == list(range(0, 40, 2))
    with pytest.raises(ValueError, match="positive"):
        analyzer(model, MemoryDrive(40), rate=0.0)


def test_live_poses_are_those_of_the_whole_window_model(model: LaPose) -> None:
    memory = MemoryDrive(8)
    run = analyzer(model, memory)
    live = LiveSession(model, run.preprocessor)
    out = [live.push(i, memory.images[i], float(memory.drive.timestamps[i])) for i in range(8)]
    assert out[0] is None
    last = out[-1]
    assert last is not None
    assert (last.frame_from, last.frame_to) == (6, 7)
    images, times = images_of(run, memory, range(8))
    expected = estimate_windows(model, images[None], times[None])
    assert np.allclose(last.relative, expected.relative[0, -1], atol=1e-4)
    assert np.allclose(last.latent, expected.latents[0, -1], atol=1e-4)


def test_a_snapshot_taken_while_another_thread_merges_agrees_with_itself() -> None:
    path = winding_path(1200)
    analysis = empty_analysis(1200)
    windows = windows_of(analysis, path, noise=0.1)
    worker = threading.Thread(target=lambda: [analysis.merge(w) for w in windows])
    worker.start()
    while True:
        last = not worker.is_alive()
        copy = analysis.snapshot()
        covered = np.zeros(1199, bool)
        for index in copy.windows_done:
            covered[copy.window_starts[index] :][:15] = True
        assert np.array_equal(copy.done, covered)
        assert np.array_equal(np.isfinite(copy.fov), covered)
        if last:
            break
    worker.join()
    assert copy.complete


KITTI = Path(__file__).parents[3] / "shared" / "data" / "kitti_odometry" / "sequences" / "00"


@pytest.mark.skipif(not KITTI.exists(), reason="the KITTI sequence of shared/data is not here")
def test_the_kitti_drive_is_analysed_and_compared_with_its_poses(model: LaPose) -> None:
    drive = open_log(KITTI)
    run = DriveAnalyzer(model, drive, 5.0, checkpoint_hash="abc", checkpoint_name="tiny")
    assert run.preprocessor.crop == Crop(left=205, top=0, width=806, height=376)
    assert sum(1 for _ in run.run(start_frame=40)) == run.analysis.n_windows
    errors = transition_errors(run.analysis, drive)
    assert errors.valid.all()
    assert np.isfinite(errors.rotation).all()
    stored = transition_errors(run.analysis)
    assert np.array_equal(errors.rotation, stored.rotation)
    assert np.array_equal(errors.direction, stored.direction, equal_nan=True)


# -- reconstruction


def test_reconstruction_agrees_with_the_analysis_and_with_the_models_own_prediction(model: LaPose) -> None:
    memory = MemoryDrive(12)
    run = analyzer(model, memory)
    assert len(list(run.run())) == 1
    images, times = images_of(run, memory, range(12))
    for t in (0, 5, 10):
        out = reconstruct(model, images, times, t)
        assert out.cross_entropy == pytest.approx(run.analysis.cross_entropy[t], abs=1e-4)
        assert out.cell_cross_entropy.shape == model.config.code_grid
        assert out.cell_cross_entropy.mean() == pytest.approx(out.cross_entropy, abs=1e-5)
        with torch.inference_mode():
            latents = model.estimate(images[None], times[None]).latents
            codes = model.predict_next(images[None], times[None], latents)[0, t].argmax(-1)
            expected = model.vqvae.decode(codes[None])[0].permute(1, 2, 0) * 255
            own = model.vqvae.decode(model.vqvae.encode(images[t + 1][None]))[0].permute(1, 2, 0) * 255
        assert np.abs(out.predicted.astype(float) - expected.numpy()).mean() < 1.0
        assert np.abs(out.target.astype(float) - own.numpy()).max() <= 0.51
        assert np.allclose(
            out.difference, np.abs(out.predicted.astype(float) - out.target).mean(2) / 255, atol=1.5 / 255
        )
        assert np.array_equal(out.current, (images[t] * 255).round().byte().permute(1, 2, 0).numpy())


def test_the_zeroed_action_is_scored_as_the_model_scores_it(model: LaPose) -> None:
    memory = MemoryDrive(6)
    run = analyzer(model, memory)
    images, times = images_of(run, memory, range(6))
    out = reconstruct(model, images, times, 4)
    with torch.inference_mode():
        logits = model.predict_next(images[None], times[None], torch.zeros(1, 5, model.config.latent_dim))[0, 4]
        codes = model.vqvae.encode(images[5][None])[0]
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), codes.flatten())
    assert out.cross_entropy_without_action == pytest.approx(float(expected), abs=1e-4)
    assert out.explained_by_action == pytest.approx(out.cross_entropy_without_action - out.cross_entropy)


def test_a_known_action_and_three_frames_give_the_same_reconstruction(model: LaPose) -> None:
    memory = MemoryDrive(12)
    run = analyzer(model, memory)
    images, times = images_of(run, memory, range(12))
    whole = reconstruct(model, images, times, 7)
    with torch.inference_mode():
        latent = model.estimate(images[None], times[None]).latents[0, 7]
    quick = reconstruct(model, images[6:9], times[6:9], 1, latent)
    assert quick.cross_entropy == pytest.approx(whole.cross_entropy, abs=1e-4)
    assert np.allclose(quick.cell_cross_entropy, whole.cell_cross_entropy, atol=1e-3)


def test_context_is_the_history_up_to_the_transitions_second_frame() -> None:
    assert context(0, 16) == range(0, 2)
    assert context(30, 16) == range(16, 32)
    with pytest.raises(ValueError, match="transition 3"):
        reconstruct(LaPose(tiny()).eval(), torch.zeros(4, 3, 56, 120), torch.arange(4).double(), 3)


def test_relative_poses_of_the_truth_are_kept_with_the_result(model: LaPose) -> None:
    memory = MemoryDrive(20)
    analysis = analyzer(model, memory, rate=2.0).analysis
    assert analysis.truth is not None
    assert memory.drive.poses is not None
    assert np.array_equal(relative(analysis.truth), relative(memory.drive.poses[::2]))
