"""What lies under the mouse is found by boxes as it would be by looking at every segment."""

from __future__ import annotations

import numpy as np
import pytest

from lapose_inspector.visuals.picking import LEAF, PathBoxes, _nearest

EYE = np.array([0.0, -60.0, 40.0])


def pixels(points: np.ndarray) -> np.ndarray:
    """A pinhole camera above the path that looks along y and down; NaN behind it."""
    local = np.asarray(points, np.float64) - EYE
    depth = local @ np.array([0.0, 0.8, -0.6])
    up = local @ np.array([0.0, 0.6, 0.8])
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = np.stack([320 + 400 * local[:, 0] / depth, 240 - 400 * up / depth], 1)
    return np.where(depth[:, None] > 0, seen, np.nan)


def winding(count: int, rng: np.random.Generator) -> np.ndarray:
    turn = np.cumsum(rng.normal(0, 0.05, count))
    return np.cumsum(np.stack([np.sin(turn), np.cos(turn), 0 * turn], 1), 0).astype(np.float32)


@pytest.mark.parametrize("count", [2, LEAF, LEAF + 1, LEAF + 2, 5 * LEAF + 7])
def test_boxes_find_what_a_look_at_every_segment_finds(count: int) -> None:
    rng = np.random.default_rng(count)
    points = winding(count, rng)
    boxes = PathBoxes(points)
    asked: list[int] = []

    def counted(some: np.ndarray) -> np.ndarray:
        asked.append(len(some))
        return pixels(some)

    for position in rng.uniform([0, 0], [640, 480], (40, 2)):
        expected = _nearest(pixels(points), position)
        found = boxes.nearest(position, counted, 12.0)
        if expected is None or expected[2] > 12.0:
            assert found is None
        else:
            assert found is not None
            assert found[2] == pytest.approx(expected[2])
            assert abs(found[0] + found[1] - expected[0] - expected[1]) < 1e-6


def test_a_long_path_is_not_looked_at_whole() -> None:
    rng = np.random.default_rng(3)
    points = winding(100_000, rng)
    boxes = PathBoxes(points)
    asked: list[int] = []

    def counted(some: np.ndarray) -> np.ndarray:
        asked.append(len(some))
        return 40.0 * np.asarray(some, np.float64)[:, :2]  # from above

    target = 40.0 * points[70_000, :2].astype(np.float64)
    found = boxes.nearest(target, counted, 12.0)
    assert found is not None
    assert found[2] < 1.0
    assert sum(asked) < 20_000


def test_a_path_of_one_point_has_nothing_to_hit() -> None:
    assert PathBoxes(np.zeros((1, 3), np.float32)).nearest(np.zeros(2), pixels, 12.0) is None
    assert PathBoxes(np.zeros((0, 3), np.float32)).nearest(np.zeros(2), pixels, 12.0) is None
