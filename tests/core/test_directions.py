"""Directions in latent space: what is read along them and what moving along them does."""

from __future__ import annotations

import numpy as np
import pytest

from lapose_core.inference.directions import principal_directions, probe_directions


def mixed(count: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latents [n, 6] into which speed and yaw rate are mixed with correlated noise."""
    rng = np.random.default_rng(3)
    speed, turn = 5 + 2 * rng.standard_normal(count), rng.standard_normal(count)
    nuisance = rng.standard_normal((count, 1)) * np.array([0, 0, 1.0, 1.0, 0, 0])
    latents = np.outer(speed, [1, 0, 1, 0, 0, 0.2]) + np.outer(turn, [0, 2, 0, 0, 1, 0]) + nuisance + 1.5
    return latents, speed, turn


def test_a_probe_reads_its_quantity_and_moving_changes_it_alone() -> None:
    latents, speed, turn = mixed()
    probes = probe_directions(latents, {"speed": ("Speed", "m/s", speed), "yaw": ("Yaw rate", "rad/s", turn)})
    along, across = probes
    np.testing.assert_allclose(along.coordinate(latents), speed, atol=0.1)
    assert along.share > 0.99
    moved = along.moved(latents[:5], 3.0)
    np.testing.assert_allclose(along.coordinate(moved) - along.coordinate(latents[:5]), 3.0, atol=0.1)
    np.testing.assert_allclose(across.coordinate(moved), across.coordinate(latents[:5]), atol=0.1)
    # What faster driving adds, not the probe's weights, which also undo the nuisance.
    np.testing.assert_allclose(along.step, [1, 0, 1, 0, 0, 0.2], atol=0.12)


def test_a_probe_of_noise_does_not_claim_anything() -> None:
    rng = np.random.default_rng(0)
    [probe] = probe_directions(rng.standard_normal((60, 30)), {"speed": ("Speed", "m/s", rng.standard_normal(60))})
    assert probe.share < 0.1


def test_quantities_that_are_unknown_or_constant_have_no_probe() -> None:
    latents, speed, _ = mixed(50)
    unknown = np.full(50, np.nan)
    targets = {"a": ("A", "", unknown), "b": ("B", "", np.ones(50)), "speed": ("Speed", "m/s", speed)}
    assert [p.key for p in probe_directions(latents, targets)] == ["speed"]
    assert probe_directions(latents[:10], {"speed": ("Speed", "m/s", speed[:10])}) == []


def test_principal_directions_are_orthogonal_and_ordered() -> None:
    latents, _, _ = mixed()
    directions = principal_directions(latents, 4)
    basis = np.stack([d.readout for d in directions])
    np.testing.assert_allclose(basis @ basis.T, np.eye(4), atol=1e-9)
    shares = [d.share for d in directions]
    assert shares == sorted(shares, reverse=True)
    assert sum(d.share for d in principal_directions(latents, 6)) == pytest.approx(1.0)
    np.testing.assert_allclose(directions[0].coordinate(latents).std(), directions[0].spread)
    with pytest.raises(ValueError, match="two transitions"):
        principal_directions(latents[:1])
