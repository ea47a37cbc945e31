"""Two models' latents on one map: a rotated copy comes back onto the original."""

from __future__ import annotations

import numpy as np
import pytest

from lapose_core.inference.latent_alignment import align_latents


def test_a_turned_scaled_and_shifted_copy_in_more_dimensions_comes_back() -> None:
    rng = np.random.default_rng(1)
    original = rng.standard_normal((200, 5)) * [3, 2, 1, 0.5, 0.1]
    turn, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    copy = 4.0 * original @ turn[:5] + rng.standard_normal(8)
    copy[3] = np.nan
    other = original.copy()
    other[7:9] = np.nan
    aligned = align_latents(copy, other)
    assert aligned.shared == 197
    assert aligned.r2 == pytest.approx(1.0)
    rest = np.delete(np.arange(200), 3)
    np.testing.assert_allclose(aligned.latents[rest], original[rest], atol=1e-5)
    assert np.isnan(aligned.latents[3]).all()


def test_unrelated_latents_do_not_pretend_to_agree() -> None:
    rng = np.random.default_rng(2)
    aligned = align_latents(rng.standard_normal((500, 6)), rng.standard_normal((500, 6)))
    assert aligned.r2 < 0.1


def test_what_is_not_the_same_drive_is_refused() -> None:
    with pytest.raises(ValueError, match="not the same drive"):
        align_latents(np.zeros((5, 2)), np.zeros((6, 2)))
    with pytest.raises(ValueError, match="share 5"):
        align_latents(np.zeros((5, 2)), np.zeros((5, 2)))
