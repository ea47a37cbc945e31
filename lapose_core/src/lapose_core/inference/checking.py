"""The pass over an analysed drive that finds its ``Checks``: backwards, at half the rate, and without the action."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lapose_core.device import precision
from lapose_core.drive import Drive, FrameSource, LogError
from lapose_core.geometry import Array, make_poses, matrix_from_quaternion, rotation_angle
from lapose_core.inference.analysis import code_cross_entropy, true_codes
from lapose_core.inference.checks import Checks
from lapose_core.inference.preprocess import Preprocessor
from lapose_core.inference.result import DriveAnalysis
from lapose_core.model.lapose import LaPose, WindowEstimate
from lapose_core.model.st_transformer import gaps
from lapose_core.model.tokenizer import FrameInputs


@dataclass(frozen=True)
class Look:
    """What the model's frozen part makes of a block of n samples; the pose head turns it into motions.

    Attributes:
        start: the block's first sample.
        backwards: [n - 1, A] latent actions of the reversed clips, at the transitions that they reverse.
        half_rate: [h, A] latent actions between every second sample; empty where there are fewer than three.
        blind: [n - 1] nats per code without the action; NaN where the model has no codec features.
        luminance, texture: [n] of the pictures.
    """

    start: int
    backwards: NDArray[np.float32]
    half_rate: NDArray[np.float32]
    blind: Array
    luminance: Array
    texture: Array


class DriveChecker:
    """Fills ``checks`` for an analysed drive, block by block of as many samples as a window at half the rate spans.

    ``model`` is in eval mode, ``analysis`` is complete and of this model on this drive. What its checks hold already,
    of a pass that was broken off, is kept.
    """

    def __init__(self, model: LaPose, drive: Drive, analysis: DriveAnalysis) -> None:
        config = model.config
        self.model, self.drive, self.analysis = model, drive, analysis
        self.checks = Checks.unknown(len(analysis)) if analysis.checks is None else analysis.checks.copy()
        self._preprocess = Preprocessor.for_drive(drive, (config.image_width, config.image_height))

    def pending(self) -> list[range]:
        """The samples of every block that was not looked at yet; neighbours share one."""
        stride = 2 * (self.model.config.window - 1)
        starts = range(0, len(self.analysis) - 1, stride)
        blocks = [range(start, min(start + stride + 1, len(self.analysis))) for start in starts]
        return [b for b in blocks if not np.isfinite(self.checks.luminance[b.start : b.stop]).all()]

    def steps(self) -> Generator[Look | None, None, None]:
        """Work in short steps; a block's look where it is done. Blocks that were looked at, or that have a frame that
        cannot be read, are left out.

        Raises:
            LogError: where the log's frames cannot be opened at all.
        """
        source = self.drive.open_frames()
        try:
            for samples in self.pending():
                images = self._read(source, samples)
                yield None
                if images is not None:
                    look = yield from self._look(samples, images)
                    self.take(look)
                    yield look
        finally:
            source.close()

    def take(self, look: Look) -> None:
        """Fill the checks of a block."""
        checks, analysis = self.checks, self.analysis
        samples = range(look.start, look.start + len(look.luminance))
        checks.luminance[samples.start : samples.stop] = look.luminance
        checks.texture[samples.start : samples.stop] = look.texture
        checks.blind_cross_entropy[samples.start : samples.stop - 1] = look.blind
        for part in self._parts(samples):
            at = slice(part.start, part.stop - 1)
            times = analysis.times[part.start : part.stop]
            latents = look.backwards[at.start - look.start : at.stop - look.start]
            moved = self._motion(latents[::-1], times[-1] - times[::-1])[::-1]
            closed, done = analysis.relative[at] @ moved, analysis.done[at]
            checks.reversal_rotation[at] = np.where(done, rotation_angle(closed[:, :3, :3]), np.nan)
            checks.reversal_translation[at] = np.where(done, np.linalg.norm(closed[:, :3, 3], axis=1), np.nan)
        if len(look.half_rate):
            every = np.asarray(samples[::2])
            moved = self._motion(look.half_rate, analysis.times[every])
            first, second = every[:-1], every[:-1] + 1
            chained = analysis.relative[first] @ analysis.relative[second]
            turned = np.swapaxes(chained[:, :3, :3], -1, -2) @ moved[:, :3, :3]
            done = analysis.done[first] & analysis.done[second]
            rotation = np.where(done, rotation_angle(turned), np.nan)
            translation = np.where(done, np.linalg.norm(chained[:, :3, 3] - moved[:, :3, 3], axis=1), np.nan)
            for pair in (first, second):
                checks.rate_rotation[pair], checks.rate_translation[pair] = rotation, translation

    def _parts(self, samples: range) -> list[range]:
        """The block's windows, neighbours sharing a sample."""
        window = self.model.config.window
        return [samples[i : i + window] for i in range(0, len(samples) - 1, window - 1)]

    def _read(self, source: FrameSource, samples: range) -> Tensor | None:
        try:
            return torch.stack([self._preprocess(source.read(int(self.analysis.frames[s]))) for s in samples])
        except (LogError, OSError, ValueError):
            return None

    def _look(self, samples: range, images: Tensor) -> Generator[None, None, Look]:
        luminance, texture = _pictures(images)
        device = next(self.model.parameters()).device
        backwards, blind = [], []
        for part in self._parts(samples):
            first = part.start - samples.start
            latents, entropy = self._backwards(part, images[first : first + len(part)].to(device))
            backwards.append(latents)
            blind.append(entropy)
            yield None
        half = np.zeros((0, self.model.config.latent_dim), np.float32)
        if len(samples) >= 3:
            half = self._latents(self.model.inputs(images[None, ::2].to(device)), self._times(samples[::2]))
        return Look(samples.start, np.concatenate(backwards), half, np.concatenate(blind), luminance, texture)

    def _times(self, samples: range) -> Tensor:
        return torch.from_numpy(self.analysis.times[np.asarray(samples)])[None]

    @torch.inference_mode()
    def _backwards(self, samples: range, images: Tensor) -> tuple[NDArray[np.float32], Array]:
        model, device = self.model, images.device
        times = self._times(samples)
        inputs = model.inputs(images[None].flip(1))
        latents = self._latents(inputs, times[:, -1:] - times.flip(1))[::-1]
        if inputs.features is None:
            return latents, np.full(len(samples) - 1, np.nan)
        # The codec sees single frames, so that its features serve both directions.
        forward = FrameInputs(None, inputs.features.flip(1), None)
        with precision(device):
            tokens = model.tokenizer(forward, gaps(times))
            nothing = tokens.new_zeros(1, len(samples) - 1, model.config.latent_dim)
            logits = model.next_codes(tokens, forward, times, nothing)
        codes = true_codes(model, images[None], forward)[:, 1:]
        return latents, code_cross_entropy(logits, codes).mean((-1, -2))[0].double().cpu().numpy()

    @torch.inference_mode()
    def _latents(self, inputs: FrameInputs, times: Tensor) -> NDArray[np.float32]:
        with precision(next(self.model.parameters()).device):
            _, latents = self.model.actions(inputs, times)
        return latents[0].float().cpu().numpy()

    def _motion(self, latents: NDArray[np.float32], times: Array) -> Array:
        """Relative poses [T - 1, 4, 4] of one clip, NaN where the model's output is no pose."""
        device = next(self.model.parameters()).device
        actions = torch.from_numpy(latents.copy())[None].to(device)
        moments = torch.from_numpy(times.copy())[None]
        return motions(self.model.pose(actions, moments, self.analysis.camera.tensor()))


@torch.inference_mode()
def motions(estimate: WindowEstimate) -> Array:
    """Relative poses [T - 1, 4, 4] of an estimate of one clip, NaN where the model's output is no pose."""
    quaternion = estimate.quaternion[0].detach().double().cpu().numpy()
    usable = np.linalg.norm(quaternion, axis=1) > 1e-12
    rotation = matrix_from_quaternion(np.where(usable[:, None], quaternion, [0.0, 0.0, 0.0, 1.0]))
    poses = make_poses(rotation, estimate.translation[0].detach().double().cpu().numpy())
    poses[~usable] = np.nan
    return poses


def _pictures(images: Tensor) -> tuple[Array, Array]:
    """Mean luminance and mean length of its gradient, each [n], of images [n, 3, H, W]."""
    grey = torch.einsum("nchw,c->nhw", images, images.new_tensor([0.299, 0.587, 0.114]))
    across, down = grey[:, 1:, 1:] - grey[:, 1:, :-1], grey[:, 1:, 1:] - grey[:, :-1, 1:]
    texture = (across**2 + down**2).sqrt().mean((1, 2))
    return grey.mean((1, 2)).double().numpy(), texture.double().numpy()
