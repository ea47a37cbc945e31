"""Calibrations and single pictures in MCAP files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from log_files import picture
from mcap_logs import open_file, pictures
from message_files import HEIGHT, START, STEP, WIDTH, Event, K, ros_camera_info, ros_image, write_ros2

from lapose_core.drive import LogError


def with_info(**changes: Any) -> Iterator[Event]:
    yield START, "/front/camera_info", *ros_camera_info(**changes)
    yield from pictures([START, START + STEP])


def test_the_calibration_is_fitted_to_the_pictures(tmp_path: Path) -> None:
    def camera(name: str, **changes: Any) -> tuple[float, ...]:
        found = open_file(write_ros2(tmp_path / f"{name}.mcap", with_info(**changes))).intrinsics
        assert found is not None
        assert (found.width, found.height) == (WIDTH, HEIGHT)
        return found.fx, found.fy, found.cx, found.cy

    assert camera("same") == (50.0, 51.0, 32.0, 19.75)
    assert camera("twice", width=2 * WIDTH, height=2 * HEIGHT) == (25.0, 25.5, 16.0, 9.875)
    roi = {"x_offset": 10, "y_offset": 4, "width": WIDTH, "height": HEIGHT, "do_rectify": False}
    assert camera("part", width=200, height=100, roi=roi) == (50.0, 51.0, 22.0, 15.75)
    assert camera("unsaid", width=0, height=0) == (50.0, 51.0, 32.0, 19.75)


@pytest.mark.parametrize(
    ("model", "d", "expected_model", "count"),
    [
        ("plumb_bob", [0.1, 0.2, 0.0, 0.0, 0.3], "brown-conrady", 5),
        ("plumb_bob", [0.0] * 5, "none", 0),
        ("rational_polynomial", [0.1] * 8, "brown-conrady", 8),
        ("equidistant", [0.1, 0.2, 0.3, 0.4], "kannala-brandt", 4),
        ("", [], "none", 0),
    ],
)
def test_distortion_is_kept(tmp_path: Path, model: str, d: list[float], expected_model: str, count: int) -> None:
    camera = open_file(write_ros2(tmp_path / "a.mcap", with_info(distortion_model=model, d=d))).intrinsics
    assert camera is not None
    assert (camera.model, len(camera.distortion)) == (expected_model, count)
    assert list(camera.distortion) == d[:count]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"k": [0.0] * 9}, "not calibrated"),
        ({"k": [float("nan"), *K[1:]]}, "not finite"),
        ({"width": 640, "height": 640}, "640x640"),
        ({"distortion_model": "magic"}, "magic"),
    ],
)
def test_a_calibration_that_does_not_fit_costs_only_the_camera(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    drive = open_file(write_ros2(tmp_path / "a.mcap", with_info(**changes)))
    assert drive.intrinsics is None
    assert len(drive) == 2
    assert any(words in note for note in drive.notes)


def test_without_a_calibration_the_camera_is_unknown(tmp_path: Path) -> None:
    drive = open_file(write_ros2(tmp_path / "a.mcap", pictures([START])))
    assert drive.intrinsics is None
    assert any("camera is not known" in note for note in drive.notes)


def test_a_calibration_beside_pictures_at_the_root(tmp_path: Path) -> None:
    def events() -> Iterator[Event]:
        yield START, "/camera_info", *ros_camera_info()
        yield from pictures([START], "/image_raw")

    assert open_file(write_ros2(tmp_path / "a.mcap", events())).intrinsics is not None


def test_rectified_pictures_without_a_projection_matrix_have_k(tmp_path: Path) -> None:
    def events() -> Iterator[Event]:
        yield START, "/front/camera_info", *ros_camera_info(p=[0.0] * 12)
        yield from pictures([START], "/front/image_rect")

    camera = open_file(write_ros2(tmp_path / "a.mcap", events())).intrinsics
    assert camera is not None
    assert (camera.fx, camera.model) == (50.0, "none")


def test_rectified_pictures_have_the_projection_matrix(tmp_path: Path) -> None:
    def events() -> Iterator[Event]:
        yield START, "/front/camera_info", *ros_camera_info()
        yield from pictures([START], "/front/image_rect_color")

    camera = open_file(write_ros2(tmp_path / "a.mcap", events())).intrinsics
    assert camera is not None
    assert (camera.fx, camera.fy, camera.cx, camera.cy, camera.model) == (48.0, 49.0, 30.5, 18.5, "none")


def raw_pictures(encoding: str, data: bytes, step: int, big: int = 0) -> Iterator[Event]:
    for i in range(2):
        kind, message = ros_image(0, START + i * STEP)
        yield (
            START + i * STEP,
            "/front/image",
            kind,
            message
            | {
                "encoding": encoding,
                "data": data,
                "step": step,
                "is_bigendian": big,
            },
        )


GREY = np.add.outer(np.arange(HEIGHT) * 3, np.arange(WIDTH)).astype(np.uint8)


COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], -1)


@pytest.mark.parametrize(
    ("encoding", "data", "step", "want"),
    [
        ("rgb8", COLOUR.tobytes(), WIDTH * 3, COLOUR),
        ("bgr8", COLOUR[..., ::-1].tobytes(), WIDTH * 3, COLOUR),
        ("rgba8", np.dstack([COLOUR, GREY]).tobytes(), WIDTH * 4, COLOUR),
        ("bgra8", np.dstack([COLOUR[..., ::-1], GREY]).tobytes(), WIDTH * 4, COLOUR),
        ("mono8", GREY.tobytes(), WIDTH, np.repeat(GREY[..., None], 3, -1)),
        ("mono16", (GREY.astype("<u2") * 256 + 7).tobytes(), WIDTH * 2, np.repeat(GREY[..., None], 3, -1)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_raw_encodings(tmp_path: Path, encoding: str, data: bytes, step: int, want: np.ndarray) -> None:
    drive = open_file(write_ros2(tmp_path / "a.mcap", raw_pictures(encoding, data, step)))
    frames = drive.open_frames()
    assert np.array_equal(frames.read(1), want)
    frames.close()


def test_converted_encodings(tmp_path: Path) -> None:
    """A flat colour survives sub-sampling and the mosaic of a Bayer sensor."""
    red, green, blue = 200, 120, 40
    y = 16 + 0.2568 * red + 0.5041 * green + 0.0979 * blue  # ITU-R BT.601, limited range
    u = 128 - 0.1482 * red - 0.2910 * green + 0.4392 * blue
    v = 128 + 0.4392 * red - 0.3678 * green - 0.0714 * blue
    y, u, v = (round(value) for value in (y, u, v))
    mosaic = np.zeros((HEIGHT, WIDTH), np.uint8)
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = red, blue
    mosaic[0::2, 1::2] = mosaic[1::2, 0::2] = green
    cases = {
        "bayer_rggb8": (mosaic.tobytes(), WIDTH),
        "yuv422": (bytes([u, y, v, y]) * (WIDTH * HEIGHT // 2), WIDTH * 2),
        "yuv422_yuy2": (bytes([y, u, y, v]) * (WIDTH * HEIGHT // 2), WIDTH * 2),
        "nv12": (bytes([y]) * (WIDTH * HEIGHT) + bytes([u, v]) * (WIDTH * HEIGHT // 4), WIDTH),
    }
    for encoding, (data, step) in cases.items():
        drive = open_file(write_ros2(tmp_path / f"{encoding}.mcap", raw_pictures(encoding, data, step)))
        frames = drive.open_frames()
        inner = frames.read(0)[4:-4, 4:-4].reshape(-1, 3).astype(float)
        assert np.abs(inner - [red, green, blue]).max() < 6, encoding
        frames.close()


@pytest.mark.parametrize(
    ("encoding", "data", "words"),
    [("rgb8", b"\0" * 100, "too few"), ("secret9", b"\0" * 100, "secret9"), ("bayer_rggb8", b"\0" * 100, "too few")],
)
def test_a_picture_that_cannot_be_read_is_an_error_of_that_frame(
    tmp_path: Path, encoding: str, data: bytes, words: str
) -> None:
    def events() -> Iterator[Event]:
        yield START, "/front/image", *ros_image(0, START)
        kind, message = ros_image(1, START + STEP)
        yield START + STEP, "/front/image", kind, message | {"encoding": encoding, "data": data, "step": WIDTH * 3}
        yield START + 2 * STEP, "/front/image", *ros_image(2, START + 2 * STEP)

    drive = open_file(write_ros2(tmp_path / "a.mcap", events()))
    frames = drive.open_frames()
    with pytest.raises(LogError, match=words):
        frames.read(1)
    assert np.array_equal(frames.read(2), picture(2, WIDTH, HEIGHT))
    frames.close()
