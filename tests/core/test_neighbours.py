"""Nearest latents are exactly those that comparing all of them in float64 finds."""

from __future__ import annotations

import numpy as np
import pytest

from lapose_core.inference.nearest import nearest_of_each
from lapose_core.inference.neighbours import LatentIndex, typical_distance


def brute_force(latents: np.ndarray, query: np.ndarray, count: int) -> np.ndarray:
    distance = np.sqrt(((latents.astype(np.float64) - query.astype(np.float64)) ** 2).sum(1))
    return np.sort(distance)[:count]


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("count", [1, 12, 3000])
def test_neighbours_are_those_of_float64_also_far_from_the_origin(offset: float, count: int) -> None:
    rng = np.random.default_rng(5)
    latents = (offset + rng.standard_normal((2500, 20))).astype(np.float32)
    index = LatentIndex(latents)
    for query in (latents[7], (offset + 3 * rng.standard_normal(20)).astype(np.float32)):
        found = index.nearest(query, count)
        np.testing.assert_allclose(found.distances, brute_force(latents, query, count), rtol=1e-9)
        exact = np.linalg.norm(latents[found.rows].astype(np.float64) - query, axis=1)
        np.testing.assert_allclose(exact, found.distances, rtol=1e-9)


def test_hundreds_of_near_ties_cannot_hide_the_nearest() -> None:
    rng = np.random.default_rng(1)
    query = rng.standard_normal(8).astype(np.float32)
    # On a shell that float32 products cannot tell apart, and one point a little inside it.
    latents = np.tile(query, (4000, 1))
    latents[:, 0] += 1e-4 * (1 + 1e-3 * rng.random(4000)).astype(np.float32)
    latents = np.concatenate([latents, 100 + rng.standard_normal((100, 8)).astype(np.float32)])
    index = LatentIndex(latents)
    np.testing.assert_allclose(index.nearest(query, 5).distances, brute_force(latents, query, 5), rtol=1e-6)


def test_a_latent_of_the_index_is_its_own_nearest() -> None:
    latents = np.random.default_rng(2).standard_normal((1000, 6)).astype(np.float32)
    found = LatentIndex(latents).nearest(latents[3], 20)
    assert found.rows[0] == 3
    assert found.distances[0] == 0.0
    assert len(set(found.rows.tolist())) == 20


def test_what_cannot_be_asked_is_refused() -> None:
    index = LatentIndex(np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError, match="not a finite latent"):
        index.nearest(np.zeros(2), 1)
    with pytest.raises(ValueError, match="not a finite latent"):
        index.nearest(np.array([0, np.nan, 0]), 1)
    with pytest.raises(ValueError, match="must be finite"):
        LatentIndex(np.full((2, 3), np.nan))
    assert len(LatentIndex(np.zeros((0, 3))).nearest(np.zeros(3), 5).rows) == 0


def test_typical_distance_is_that_of_random_pairs() -> None:
    latents = np.random.default_rng(0).standard_normal((500, 50)).astype(np.float32)
    assert typical_distance(latents) == pytest.approx(10.0, abs=0.3)
    assert np.isnan(typical_distance(latents[:1]))


def test_the_nearest_of_each_are_the_same_in_blocks_and_far_from_the_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    latents = (1000.0 + rng.standard_normal((300, 12))).astype(np.float32)
    queries = (1000.0 + rng.standard_normal((70, 12))).astype(np.float32)
    whole = nearest_of_each(queries, latents, 3)
    monkeypatch.setattr("lapose_core.inference.nearest.BLOCK", 300 * 16)
    rows, distances = nearest_of_each(queries, latents, 3)
    np.testing.assert_array_equal(rows, whole[0])
    for query, near, apart in zip(queries, rows, distances, strict=True):
        np.testing.assert_allclose(apart, brute_force(latents, query, 3), rtol=1e-3)
        exact = np.linalg.norm(latents[near].astype(np.float64) - query, axis=1)
        np.testing.assert_allclose(exact, apart, rtol=1e-3)
    np.testing.assert_array_equal(nearest_of_each(latents, latents, 1)[0][:, 0], np.arange(300))
