"""The compiled model against the model itself. Dynamo traces it here; what a C++ compiler would add costs minutes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lapose_core.inference.analysis import estimate_windows
from lapose_core.inference.compiled import compile_blocks
from lapose_core.inference.explain import attention
from lapose_core.model.config import tiny
from lapose_core.model.lapose import LaPose


def test_a_compiled_model_says_what_the_model_says() -> None:
    torch.manual_seed(0)
    plain, compiled = LaPose(tiny()).eval(), LaPose(tiny()).eval()
    compiled.load_state_dict(plain.state_dict())
    assert compile_blocks(compiled, backend="eager") == ""
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    images, times = torch.rand(1, 9, 3, 56, 120), torch.arange(9).double()[None] * 0.2
    expected, found = (estimate_windows(model, images, times) for model in (plain, compiled))
    for name in ("relative", "latents", "fov", "cross_entropy"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-5, err_msg=name)

    sessions = plain.stream(), compiled.stream()
    for image, time in zip(images[0], times[0].tolist()):
        ours, theirs = (session.push(image, time) for session in sessions)
    assert ours is not None
    assert theirs is not None
    torch.testing.assert_close(theirs.translation, ours.translation, atol=1e-5, rtol=0)

    seen = [attention(model, images[0], times[0]).weights for model in (plain, compiled)]
    np.testing.assert_allclose(seen[1], seen[0], atol=1e-6)


def test_where_nothing_compiles_the_model_runs_as_before() -> None:
    model = LaPose(tiny()).eval()
    images, times = torch.rand(1, 5, 3, 56, 120), torch.arange(5).double()[None] * 0.2
    before = estimate_windows(model, images, times)
    assert "no such compiler" in compile_blocks(model, backend="no such compiler")
    np.testing.assert_array_equal(estimate_windows(model, images, times).relative, before.relative)


def test_without_a_compiler_for_cpp_the_model_runs_as_before_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # nothing compiled earlier is found
    model = LaPose(tiny()).eval()
    images, times = torch.rand(1, 5, 3, 56, 120), torch.arange(5).double()[None] * 0.2
    before = estimate_windows(model, images, times)
    assert "C++ compiler" in compile_blocks(model)
    np.testing.assert_array_equal(estimate_windows(model, images, times).relative, before.relative)
