"""Frames of a drive, one by one, against the window that holds them all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from analysis_data import MemoryDrive
from test_pipeline import model_of

from lapose_core.inference.preprocess import Preprocessor
from lapose_core.inference.streaming import LiveSession
from lapose_core.model.config import tiny

NO_CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NO_CARD)])
def test_a_drives_frames_and_times_give_live_what_their_window_gives(device: str) -> None:
    config = tiny()
    model, memory = model_of(config).to(device), MemoryDrive(config.window)
    prepare = Preprocessor.for_drive(memory.drive, (config.image_width, config.image_height))
    times = memory.drive.timestamps  # float64 of numpy, as every drive's
    session = LiveSession(model, prepare)
    live = [session.push(i, image, times[i]) for i, image in enumerate(memory.images)]
    images = torch.stack([prepare(image) for image in memory.images])[None]
    with torch.inference_mode():
        whole = model.estimate(images.to(device), torch.from_numpy(times)[None])
    assert live[0] is None
    for i, estimate in enumerate(live[1:]):
        assert estimate is not None
        assert (estimate.frame_from, estimate.frame_to) == (i, i + 1)
        # Actions are causal, so a frame's own is final as soon as it is there.
        np.testing.assert_allclose(estimate.latent, whole.latents[0, i].cpu().numpy(), atol=1e-4)
    last = live[-1]
    assert last is not None
    np.testing.assert_allclose(last.relative[:3, 3], whole.translation[0, -1].cpu().numpy(), atol=1e-4)
    assert last.fov == pytest.approx(float(whole.fov[0, -1]), abs=1e-4)
    assert last.scale == pytest.approx(float(whole.scale[0]), rel=1e-4)
