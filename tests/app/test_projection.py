"""Maps of latent actions: what they keep of the latents, how they stay in place, and which results arrive."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapose_inspector.beside.projecting import Projection, extend, pca, tsne
from lapose_inspector.workers.latest import PATIENCE, LatestWorker, unfinished
from lapose_inspector.workers.projection import ProjectionWorker


def clusters(count: int, width: int = 16, apart: float = 8.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Latents [count, width] float32 of two groups, and which group each belongs to [count]."""
    random = np.random.default_rng(seed)
    group = np.arange(count) % 2
    latents = random.normal(size=(count, width))
    latents[:, :3] += apart * group[:, None]
    return latents.astype(np.float32), group


def purity(points: np.ndarray, group: np.ndarray) -> float:
    """The share of points whose five nearest neighbours on the map are mostly of their own group."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1)[:, :5]
    return float(((group[nearest] == group[:, None]).mean(axis=1) > 0.5).mean())


def all_of(count: int) -> np.ndarray:
    return np.arange(count)


def test_pca_is_the_singular_value_decomposition():
    latents = np.random.default_rng(1).normal(size=(200, 12)).astype(np.float32) * np.linspace(3, 0.1, 12)
    found = pca(latents, all_of(200))
    centred = latents.astype(np.float64) - latents.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    expected = u[:, :2] * s[:2]
    expected *= 10 / np.sqrt((expected**2).sum(1).mean())
    expected *= np.sign((expected * found.points).sum(0))
    np.testing.assert_allclose(found.points, expected, atol=1e-3)
    share = s[0] ** 2 / (s**2).sum()
    assert f"{share:.0%}" in found.axes[0]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(4, 60), st.booleans(), st.booleans())
def test_pca_does_not_mirror_from_one_result_to_the_next(seed, more, flip_x, flip_y):
    latents, _ = clusters(40 + more, seed=seed)
    latents[:, 5] *= 4.0
    first = pca(latents[:40], all_of(40))
    mirrored = first.points * np.array([-1 if flip_x else 1, -1 if flip_y else 1], np.float32)
    second = pca(latents, all_of(40 + more), Projection("pca", first.transitions, mirrored, first.axes))
    for axis in (0, 1):
        # A vanishing correlation means that the component itself is new, and then no side is the right one.
        assert np.corrcoef(mirrored[:, axis], second.points[:40, axis])[0, 1] > -0.1


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 9])
def test_any_number_of_points_makes_a_map(count):
    latents, _ = clusters(count)
    for found in (pca(latents, all_of(count)), tsne(latents, all_of(count))):
        assert found is not None
        assert found.points.shape == (count, 2)
        assert np.isfinite(found.points).all()


def test_equal_latents_make_one_place_and_no_nan():
    found = tsne(np.ones((30, 8), np.float32), all_of(30))
    assert found is not None
    np.testing.assert_array_equal(found.points, 0.0)


def test_tsne_keeps_clusters_apart_and_reports_growing_pictures():
    latents, group = clusters(120)
    seen: list[Projection | float] = []
    found = tsne(latents, all_of(120), show=seen.append)
    assert found is not None
    assert found.progress == 1.0
    assert purity(found.points, group) == 1.0
    shares = [p.progress if isinstance(p, Projection) else p for p in seen]
    assert shares == sorted(shares)
    assert 0.0 < shares[0] < shares[-1] < 1.0
    assert isinstance(seen[-1], Projection)


def test_of_many_transitions_tsne_lays_out_a_sample_and_the_others_join_their_neighbours(monkeypatch):
    monkeypatch.setattr("lapose_inspector.beside.projecting.MOST", 150)
    latents, group = clusters(600)
    pictures = []
    found = tsne(latents, all_of(600), show=pictures.append)
    assert found is not None
    assert found.points.shape == (600, 2)
    assert np.isfinite(found.points).all()
    assert purity(found.points, group) > 0.95
    assert "150" in found.note
    maps = [picture for picture in pictures if isinstance(picture, Projection)]
    assert maps
    assert all(len(picture.points) == 600 for picture in maps)
    assert tsne(latents, all_of(600), stale=lambda: True) is None


def test_tsne_stops_when_nobody_wants_it():
    latents, _ = clusters(120)
    asked = iter([False, False, True])
    assert tsne(latents, all_of(120), stale=lambda: next(asked, True)) is None


def test_a_second_tsne_keeps_the_orientation_of_the_first():
    latents, _ = clusters(160, apart=6.0)
    first = tsne(latents[:120], all_of(120))
    assert first is not None
    quarter = np.array([[0, 1], [-1, 0]], np.float32)
    turned = Projection("t-sne", first.transitions, first.points @ quarter, first.axes)
    second = tsne(latents, all_of(160), turned)
    assert second is not None
    moved = second.points[:120] - turned.points
    assert np.linalg.norm(moved, axis=1).mean() < 0.5 * np.linalg.norm(turned.points, axis=1).mean()


def test_new_transitions_join_their_neighbours_and_the_others_stay():
    latents, group = clusters(100)
    old = np.arange(0, 100, 3)
    previous = pca(latents[old], old)
    found = extend(latents, all_of(100), previous)
    np.testing.assert_array_equal(found.points[old], previous.points)
    middle = [previous.points[group[old] == g].mean(axis=0) for g in (0, 1)]
    nearer = np.argmin([np.linalg.norm(found.points - m, axis=1) for m in middle], axis=0)
    np.testing.assert_array_equal(nearer, group)


def test_the_newest_request_wins(qtbot):
    worker = ProjectionWorker()
    arrived: list[Projection] = []
    worker.projected.connect(arrived.append)
    latents, _ = clusters(1500)
    worker.request(latents, all_of(1500), "t-sne")
    worker.request(latents[:50], all_of(50), "pca")
    worker.request(latents[:60], all_of(60), "pca")
    qtbot.waitUntil(lambda: bool(arrived), timeout=20_000)
    qtbot.wait(100)
    worker.stop()
    assert [(p.method, len(p.transitions)) for p in arrived] == [("pca", 60)]


def test_a_cancelled_request_never_arrives(qtbot):
    worker = ProjectionWorker()
    arrived: list[Projection] = []
    worker.projected.connect(arrived.append)
    latents, _ = clusters(300)
    worker.request(latents, all_of(300), "t-sne")
    worker.cancel()
    qtbot.wait(200)
    worker.stop()
    assert arrived == []


def test_a_job_that_fails_says_why_and_the_next_one_runs(qtbot):
    worker = LatestWorker("test")
    with qtbot.waitSignal(worker.failed) as failed:
        worker.submit(lambda stale: [][1])
    assert "IndexError" in failed.args[0]
    with qtbot.waitSignal(worker.done) as done:
        worker.submit(lambda stale: 7)
    assert done.args == [7]
    worker.stop()


def test_a_result_that_comes_late_is_dropped(qtbot):
    worker = LatestWorker("test")
    arrived = []
    worker.done.connect(arrived.append)
    gate = threading.Event()

    def deaf(stale):
        gate.wait(10)
        return "first"

    worker.submit(deaf)
    qtbot.wait(30)
    worker.submit(lambda stale: "second")
    gate.set()
    qtbot.waitUntil(lambda: "second" in arrived, timeout=20_000)
    worker.stop()
    assert arrived == ["second"]


def test_a_running_job_hears_that_it_is_stale(qtbot):
    worker = LatestWorker("test")
    started, heard = [], []

    def patient(stale):
        started.append(True)
        while not stale():
            pass
        heard.append(True)

    worker.submit(patient)
    qtbot.waitUntil(lambda: bool(started), timeout=20_000)
    with qtbot.waitSignal(worker.done) as done:
        worker.submit(lambda stale: "second")
    worker.stop()
    assert heard == [True]
    assert done.args == ["second"]


def test_the_end_does_not_wait_for_a_job_that_hears_nothing(qtbot):
    worker = LatestWorker("deaf")
    gate, started = threading.Event(), threading.Event()
    arrived = []
    worker.done.connect(arrived.append)

    def deaf(stale):
        started.set()
        return gate.wait(60)

    worker.submit(deaf)
    assert started.wait(20)
    begun = time.monotonic()
    assert not worker.stop()
    assert time.monotonic() - begun < PATIENCE + 2.0
    assert "deaf" in unfinished()
    gate.set()
    qtbot.waitUntil(lambda: "deaf" not in unfinished(), timeout=20_000)
    assert arrived == []


def test_a_long_tsne_ends_with_the_iteration_it_is_in(qtbot):
    worker = ProjectionWorker()
    latents, _ = clusters(3000)
    worker.request(latents, all_of(3000), "t-sne")
    with qtbot.waitSignal(worker.progressed, timeout=60_000):
        pass
    worker.stop()
    # 3,000 points need many times longer to the end, also on a busy machine.
    qtbot.waitUntil(lambda: "projection" not in unfinished(), timeout=4000)


def test_the_process_of_tsne_ends_when_it_has_nothing_to_do_and_comes_back(qtbot):
    worker = ProjectionWorker(idle=0.05)
    latents, _ = clusters(100)
    seen = set()
    for _ in range(2):
        with qtbot.waitSignal(worker.projected, timeout=60_000, check_params_cb=lambda found: found.progress == 1.0):
            worker.request(latents, all_of(100), "t-sne")
            qtbot.waitUntil(lambda: worker.process_id is not None, timeout=60_000)
            seen.add(worker.process_id)
        qtbot.waitUntil(lambda: worker.process_id is None, timeout=60_000)
    assert len(seen) == 2
    with qtbot.waitSignal(worker.progressed, timeout=60_000):
        worker.request(clusters(3000)[0], all_of(3000), "t-sne")
    worker.cancel()
    qtbot.waitUntil(lambda: worker.process_id is None, timeout=60_000)
    worker.stop()


def test_a_tsne_whose_process_is_killed_says_so_and_can_be_asked_again(qtbot):
    worker = ProjectionWorker()
    latents, _ = clusters(3000)
    worker.request(latents, all_of(3000), "t-sne")
    with qtbot.waitSignal(worker.progressed, timeout=60_000):
        pass
    with qtbot.waitSignal(worker.failed, timeout=60_000) as failed:
        os.kill(worker.process_id, signal.SIGKILL)
    assert failed.args[0].startswith("the process of t-SNE ended by itself (it was killed")
    with qtbot.waitSignal(worker.projected, timeout=60_000, check_params_cb=lambda found: found.progress == 1.0):
        worker.request(latents[:100], all_of(100), "t-sne")
    worker.stop()
    assert worker.process_id is None
