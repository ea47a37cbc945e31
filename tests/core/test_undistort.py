"""Lens distortion: the models against OpenCV, and the model's image of a distorted frame against its own remap."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from log_files import real

from lapose_core.area_mean import area_mean
from lapose_core.drive import Intrinsics
from lapose_core.inference.preprocess import Crop, Preprocessor
from lapose_core.logs.images import load_image
from lapose_core.undistort import (
    SourceBoxes,
    distort,
    fold_radius,
    is_distorted,
    outline,
    source_boxes,
    visible_rectangle,
)

MODEL = (240, 112)
KITTI_LENS = (-0.3639558, 0.1788651, 6.029694e-4, -3.922424e-4, -0.0538246)
KITTI = Intrinsics(903.76, 901.97, 695.75, 224.25, 1392, 512, "brown-conrady", KITTI_LENS)
FISHEYE = Intrinsics(330.0, 331.0, 645.0, 395.0, 1280, 800, "kannala-brandt", (-0.02, 0.01, -0.006, 0.001))
PINCUSHION = Intrinsics(600.0, 600.0, 330.0, 235.0, 640, 480, "brown-conrady", (0.25, 0.05, 0.0, 0.0))
RATIONAL = replace(KITTI, distortion=(0.9, -0.2, 1e-3, 5e-4, 0.02, 1.25, 0.1, 0.01))
LENSES = [KITTI, FISHEYE, PINCUSHION, RATIONAL]


def matrix(camera: Intrinsics) -> np.ndarray:
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])


def opencv_project(camera: Intrinsics, rays: np.ndarray) -> np.ndarray:
    """Pixels [n, 2] of rays [n, 2] by OpenCV."""
    points = np.column_stack([rays, np.ones(len(rays))])
    k, zero = np.array(camera.distortion), np.zeros(3)
    if camera.model == "kannala-brandt":
        return cv2.fisheye.projectPoints(points[None], zero, zero, matrix(camera), k)[0].reshape(-1, 2)
    return cv2.projectPoints(points, zero, zero, matrix(camera), k)[0].reshape(-1, 2)


def wave(camera: Intrinsics, rays: np.ndarray) -> np.ndarray:
    """A smooth picture of the world in 0..255, by direction: what a ray [..., 2] shows."""
    x, y = rays[..., 0], rays[..., 1]
    return np.stack(
        [127 + 90 * np.sin(11 * x) * np.cos(9 * y), 127 + 90 * np.sin(7 * x + 5 * y), 127 + 90 * np.cos(8 * y - 3 * x)],
        -1,
    )


def photograph(camera: Intrinsics) -> np.ndarray:
    """The frame [H, W, 3] that the lens takes of `wave`; pixel centres lie at halves, as everywhere here."""
    v, u = np.mgrid[: camera.height, : camera.width] + 0.5
    pixels = np.stack([u.ravel(), v.ravel()], -1)[None]
    k = np.array(camera.distortion)
    if camera.model == "kannala-brandt":
        rays = cv2.fisheye.undistortPoints(pixels, matrix(camera), k)
    else:
        many = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-8)
        rays = cv2.undistortPoints(pixels, matrix(camera), k, criteria=many)
    return wave(camera, rays.reshape(camera.height, camera.width, 2)).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("camera", LENSES)
def test_distortion_is_opencvs(camera: Intrinsics) -> None:
    rays = np.random.default_rng(0).uniform(-0.6, 0.6, (500, 2))
    ours = distort(rays, camera) * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    assert np.abs(ours - opencv_project(camera, rays)).max() < 1e-6
    assert distort(np.zeros((1, 2)), camera) == pytest.approx(np.zeros((1, 2)))


def test_only_a_bent_picture_counts_as_distorted() -> None:
    assert not is_distorted(replace(KITTI, model="none", distortion=()))
    assert not is_distorted(replace(KITTI, distortion=(0.0,) * 5))
    assert is_distorted(KITTI)
    assert is_distorted(replace(FISHEYE, distortion=(0.0,) * 4))


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        (replace(KITTI, distortion=(-0.3, 0.0, 0.0, 0.0)), np.sqrt(1 / 0.9)),
        (replace(KITTI, distortion=(0.3, 0.0, 0.0, 0.0)), np.inf),
        (replace(FISHEYE, distortion=(-0.5, 0.0, 0.0, 0.0)), np.tan(np.sqrt(1 / 1.5))),
        (replace(FISHEYE, distortion=(0.0,) * 4), np.inf),
        # r / (1 - s): grows without bound towards its pole at s = 1.
        (replace(KITTI, distortion=(0, 0, 0, 0, 0, -1.0, 0, 0)), 1.0),
        # r / (1 + s) is greatest at s = 1.
        (replace(KITTI, distortion=(0, 0, 0, 0, 0, 1.0, 0, 0)), 1.0),
    ],
)
def test_the_fold_is_where_the_picture_stops_growing(camera: Intrinsics, expected: float) -> None:
    assert fold_radius(camera) == pytest.approx(expected)
    if np.isfinite(expected):
        rays = np.array([[0.999 * expected, 0.0], [1.001 * expected, 0.0], [0.0, -50.0]])
        assert np.isfinite(distort(rays, camera)).all(1).tolist() == [True, False, False]


@pytest.mark.parametrize("camera", LENSES)
def test_the_models_image_is_the_pinholes_picture_of_the_world(camera: Intrinsics) -> None:
    pre = Preprocessor(camera.width, camera.height, camera, MODEL)
    seen = pre(photograph(camera)).permute(1, 2, 0).numpy() * 255
    out = pre.intrinsics
    assert out is not None
    assert (out.model, out.distortion, out.width, out.height) == ("none", (), *MODEL)
    v, u = np.mgrid[: MODEL[1], : MODEL[0]] + 0.5
    rays = np.stack([(u - out.cx) / out.fx, (v - out.cy) / out.fy], -1)
    assert np.abs(seen - wave(camera, rays)).max() < 1.5
    # The same frame taken for a pinhole's is visibly bent.
    plain = Preprocessor(camera.width, camera.height, replace(camera, model="none", distortion=()), MODEL)
    bent = plain(photograph(camera)).permute(1, 2, 0).numpy() * 255
    k = plain.intrinsics
    assert k is not None
    rays = np.stack([(u - k.cx) / k.fx, (v - k.cy) / k.fy], -1)
    assert np.abs(bent - wave(camera, rays)).max() > 15


def test_a_model_as_fine_as_the_frame_gets_opencvs_remap() -> None:
    camera = replace(KITTI.resize(348, 128), cx=174.0, cy=64.0)
    rng = np.random.default_rng(3)
    frame = cv2.GaussianBlur(rng.integers(0, 256, (128, 348, 3), dtype=np.uint8), (0, 0), 3)
    pre = Preprocessor(348, 128, camera, (260, 120))
    out = pre.intrinsics
    assert out is not None
    # OpenCV has pixel centres at whole numbers.
    half = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    maps = cv2.initUndistortRectifyMap(
        matrix(camera) - half, np.array(camera.distortion), None, matrix(out) - half, (260, 120), cv2.CV_32FC1
    )
    expected = cv2.remap(frame, *maps, cv2.INTER_LINEAR).astype(float)
    assert np.abs(pre(frame).permute(1, 2, 0).numpy() * 255 - expected).mean() < 0.5


@pytest.mark.parametrize("camera", LENSES)
def test_the_model_sees_the_largest_part_that_the_frame_fills(camera: Intrinsics) -> None:
    pre = Preprocessor(camera.width, camera.height, camera, MODEL)
    out = pre.intrinsics
    assert out is not None
    assert out.fx / out.fy == pytest.approx(camera.fx / camera.fy)
    assert out.fov_x <= np.radians(85.0) + 1e-6
    border = np.array(pre.crop.outline)
    assert border.min() >= 0
    assert border[:, 0].max() <= camera.width
    assert border[:, 1].max() <= camera.height
    # It ends at a border of the frame, or at the widest view.
    gap = np.abs(np.concatenate([border, border - [camera.width, camera.height]])).min()
    assert gap < 1.5 or out.fov_x == pytest.approx(np.radians(85.0), abs=0.02)
    crop = pre.crop
    assert crop.left <= border[:, 0].min() < crop.left + 1
    assert crop.top + crop.height - 1 < border[:, 1].max() <= crop.top + crop.height


def test_the_outline_runs_clockwise_where_the_corners_land() -> None:
    rectangle = visible_rectangle(KITTI, 2.0, 1.5)
    border = outline(KITTI, rectangle, 8)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [rectangle.width, rectangle.height]
    origin = np.array([rectangle.left - KITTI.cx, rectangle.top - KITTI.cy])
    rays = (corners + origin) / [KITTI.fx, KITTI.fy]
    np.testing.assert_allclose(border[::8], opencv_project(KITTI, rays), atol=1e-6)


def test_a_portrait_fisheye_is_cropped_about_the_horizon() -> None:
    camera = replace(FISHEYE, width=800, height=1280, cx=395.0, cy=700.0)
    pre = Preprocessor(800, 1280, camera, MODEL)
    out = pre.intrinsics
    assert out is not None
    assert out.cy == pytest.approx(MODEL[1] / 2, abs=0.5)
    assert pre.crop.top + pre.crop.height / 2 == pytest.approx(700, abs=5)
    assert pre.crop.height < 500


def test_a_portrait_argoverse_frame_is_cropped_about_its_principal_point() -> None:
    camera = Intrinsics(1776.04, 1776.04, 777.99, 1013.52, 1550, 2048)
    pre = Preprocessor(1550, 2048, camera, MODEL)
    assert pre.crop == Crop(left=0, top=652, width=1550, height=723)
    frame = np.zeros((2048, 1550, 3), np.uint8)
    frame[1013:] = 255
    column = pre(frame)[0, :, 100].numpy()
    assert column[: MODEL[1] // 2 - 1].max() == 0
    assert column[MODEL[1] // 2 + 1 :].min() == 1


@settings(max_examples=20, deadline=None)
@given(st.floats(-0.45, 0.3), st.floats(-0.1, 0.2), st.floats(0.3, 2.0), st.floats(0.2, 0.8), st.floats(0.2, 0.8))
def test_any_lens_gives_boxes_inside_the_frame(k1: float, k2: float, focal: float, x: float, y: float) -> None:
    width, height = 640, 400
    camera = Intrinsics(
        focal * width, focal * width, x * width, y * height, width, height, "brown-conrady", (k1, k2, 0.001, 0.0)
    )
    rectangle = visible_rectangle(camera, MODEL[0] / MODEL[1], np.radians(85))
    assert rectangle.width / rectangle.height == pytest.approx(MODEL[0] / MODEL[1])
    boxes = source_boxes(camera, rectangle, MODEL)
    for low, high, size in ((boxes.x0, boxes.x1, width), (boxes.y0, boxes.y1, height)):
        assert low.min() >= 0
        assert high.max() <= size
        assert (high - low).min() >= 1 - 1e-9


def test_a_principal_point_outside_the_frame_is_no_obstacle() -> None:
    camera = replace(KITTI, cy=-60.0)
    pre = Preprocessor(1392, 512, camera, MODEL)
    out = pre.intrinsics
    assert out is not None
    assert out.cy < 0
    assert np.isfinite(pre(np.zeros((512, 1392, 3), np.uint8)).numpy()).all()


def test_a_lens_that_shows_nothing_is_refused() -> None:
    camera = replace(KITTI, cx=-5000.0)
    with pytest.raises(ValueError, match="correct the log's calibration"):
        Preprocessor(1392, 512, camera, MODEL)


@pytest.mark.parametrize("size", [(1241, 376), (640, 480), (160, 60), (240, 112)])
def test_a_lens_that_hardly_bends_gives_the_plain_resize(size: tuple[int, int]) -> None:
    width, height = size
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    flat = Intrinsics(0.9 * width, 0.9 * width, width / 2, height / 2, width, height)
    # Even numbers of pixels about the centre: the plain crop is rounded to whole pixels, this one is not.
    plain = Preprocessor(width, height, flat, MODEL)
    bent = Preprocessor(width, height, replace(flat, model="brown-conrady", distortion=(1e-12, 0, 0, 0)), MODEL)
    crop, around = plain.crop, bent.crop
    assert max(abs(crop.width - around.width), abs(crop.height - around.height)) <= 2
    scale = max(crop.width / MODEL[0], 1.0)
    assert float((plain(frame) - bent(frame)).abs().mean()) < 0.25 / scale


def test_a_lens_without_coefficients_takes_the_plain_path_to_the_bit() -> None:
    frame = np.random.default_rng(7).integers(0, 256, (376, 1241, 3), dtype=np.uint8)
    flat = Intrinsics(718.9, 718.9, 607.2, 185.2, 1241, 376)
    first = Preprocessor(1241, 376, flat, MODEL)
    for camera in (replace(flat, model="brown-conrady", distortion=(0.0,) * 5), replace(flat, model="brown-conrady")):
        pre = Preprocessor(1241, 376, camera, MODEL)
        assert torch.equal(pre(frame), first(frame))
        assert pre.crop == first.crop
        assert pre.crop.outline == ()
    bent = Preprocessor(1241, 376, replace(flat, model="brown-conrady", distortion=(-0.1, 0, 0, 0)), MODEL)
    assert not torch.equal(bent(frame), first(frame))


def test_the_kernel_takes_the_mean_over_each_box() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    x0, y0 = rng.uniform(0, 6, (2, 5, 4))
    boxes = SourceBoxes(x0, x0 + rng.uniform(1, 4, (5, 4)), y0, y0 + rng.uniform(1, 2.5, (5, 4)))
    got = area_mean(image, boxes)
    for i in np.ndindex(5, 4):
        wx = np.clip(np.minimum(boxes.x1[i], np.arange(11) + 1) - np.maximum(boxes.x0[i], np.arange(11)), 0, None)
        wy = np.clip(np.minimum(boxes.y1[i], np.arange(9) + 1) - np.maximum(boxes.y0[i], np.arange(9)), 0, None)
        expected = np.einsum("y,x,yxc->c", wy, wx, image) / (wx.sum() * wy.sum() * 255)
        np.testing.assert_allclose(got[(slice(None), *i)], expected, rtol=1e-5)
    # A view that is not contiguous, as a mirrored frame is, gives the same.
    np.testing.assert_array_equal(area_mean(image[:, ::-1][:, ::-1], boxes), got)


def test_a_real_unrectified_frame_becomes_what_opencv_makes_of_it() -> None:
    path = real("kitti_unrectified") / "data" / "0000000000.png"
    frame = load_image(path)
    pre = Preprocessor(1392, 512, KITTI, MODEL)
    out = pre.intrinsics
    assert out is not None
    fine = out.resize(MODEL[0] * 5, MODEL[1] * 5)
    half = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    maps = cv2.initUndistortRectifyMap(
        matrix(KITTI) - half,
        np.array(KITTI_LENS),
        None,
        matrix(fine) - half,
        (fine.width, fine.height),
        cv2.CV_32FC1,
    )
    expected = cv2.resize(cv2.remap(frame, *maps, cv2.INTER_LINEAR), MODEL, interpolation=cv2.INTER_AREA)
    difference = np.abs(pre(frame).permute(1, 2, 0).numpy() * 255 - expected)
    assert difference.mean() < 1.0
    assert np.quantile(difference, 0.99) < 5
