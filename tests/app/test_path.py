"""A long path is drawn in part: all of it in outline, what the camera looks at in detail."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from vispy import scene

from lapose_inspector.visuals.path import LIMIT, Path

ORANGE = np.array([1, 0.5, 0, 1], np.float32)


@pytest.fixture
def path(qtbot) -> Iterator[Path]:
    canvas = scene.SceneCanvas(keys=None)
    view = canvas.central_widget.add_view()
    yield Path(view.scene, ORANGE, width=3.0, order=1)
    canvas.close()


def line(start: int, stop: int) -> np.ndarray:
    x = np.arange(start, stop, dtype=np.float32)
    return np.stack([x, np.sin(x), np.zeros_like(x)], 1)


def drawn(path: Path) -> np.ndarray:
    """The points [S, 2, 3] of the drawn segments."""
    return path._points[path._segments]


def test_a_short_path_is_drawn_whole_and_pieces_are_not_joined(path: Path) -> None:
    path.set_points([line(0, 100), line(500, 600)])
    segments = drawn(path)
    assert len(segments) == 198
    assert np.abs(np.diff(segments[:, :, 0], axis=1)).max() == 1.0


def test_a_long_path_keeps_its_ends_its_gaps_and_a_bounded_number_of_segments(path: Path) -> None:
    path.set_points([line(0, 60_000), line(70_000, 100_000)])
    segments = drawn(path)
    assert len(segments) < LIMIT
    ends = {float(x) for x in segments[:, :, 0].ravel()}
    assert {0.0, 59_999.0, 70_000.0, 99_999.0} <= ends
    assert not ((segments[:, 0, 0] < 60_000) & (segments[:, 1, 0] > 60_000)).any()


def test_where_the_camera_looks_every_point_is_drawn(path: Path) -> None:
    path.set_points([line(0, 100_000)])
    path.look_at(np.array([40_000, 0, 0], np.float32), 500.0)
    near = {float(x) for x in drawn(path)[:, 0, 0] if 39_600 <= x < 40_400}
    assert near == set(np.arange(39_600.0, 40_400.0))
    assert len(drawn(path)) < LIMIT + 1000
    uploads = path.uploads
    path.look_at(np.array([40_050, 0, 0], np.float32), 550.0)
    assert path.uploads == uploads, "a small move uploads nothing"
    path.look_at(np.array([80_000, 0, 0], np.float32), 500.0)
    assert 80_000.0 in drawn(path)[:, 0, 0]


def test_a_colouring_is_of_all_points_of_a_long_path(path: Path) -> None:
    path.set_points([line(0, 50_000)])
    path.set_colours(np.ones((50_000, 4), np.float32))
    assert path.coloured
    path.set_colours(np.ones((len(drawn(path)), 4), np.float32))
    assert not path.coloured, "one made for other points is out of date"
