"""LA-Pose: tokenizer, inverse dynamics, forward dynamics and pose head in one module, and what it says of a clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from lapose_core.model.config import LaPoseConfig
from lapose_core.model.forward_dynamics import ForwardDynamics
from lapose_core.model.inverse_dynamics import InverseDynamics
from lapose_core.model.motion import MotionDecoder
from lapose_core.model.pose_head import PoseHead, PoseOutput, recouple, unit_quaternion
from lapose_core.model.st_transformer import gaps
from lapose_core.model.steps import Steps, finish
from lapose_core.model.tokenizer import FrameInputs, Tokenizer, prepare
from lapose_core.model.vqvae import VqVae

if TYPE_CHECKING:
    from lapose_core.model.streaming import StreamSession


@dataclass
class WindowEstimate:
    """A clip of T frames as the model sees it.

    Attributes:
        latents: [B, T - 1, A] latent action of each transition.
        translation: [B, T - 1, 3] metres, the centre of camera t+1 in the axes of camera t.
        quaternion: [B, T - 1, 4] xyzw, unit, w >= 0: the rotation of T_t^-1 T_{t+1}.
        fov: [B, T - 1] horizontal field of view of the model's image, radians; the given one where it was given.
        scale: [B] mean step length in metres.
    """

    latents: Tensor
    translation: Tensor
    quaternion: Tensor
    fov: Tensor
    scale: Tensor


class LaPose(nn.Module):
    """Images are float [B, T, 3, H, W] in 0..1, times float64 [B, T] seconds on CPU, 2 <= T <= ``config.window``.

    A ``camera`` [B, 2] is what is known of each clip's camera (``lapose_core.model.camera``); None and NaN stand for
    what is not. Models without ``config.camera_input`` do not read it.
    """

    def __init__(self, config: LaPoseConfig) -> None:
        super().__init__()
        self.config = config
        self.vqvae = VqVae(config.vqvae).requires_grad_(False)
        self.tokenizer = Tokenizer(config)
        self.inverse_dynamics = InverseDynamics(config)
        self.forward_dynamics = ForwardDynamics(config)
        self.pose_head = PoseHead(config)
        self.motion_decoder: MotionDecoder | None = None
        if config.motion_decoder and config.matching:
            per_token = (config.patch // config.matching.cell) ** 2
            self.motion_decoder = MotionDecoder(config.tokens, per_token, config.latent_dim)

    def _check(self, images: Tensor, times: Tensor) -> None:
        c = self.config
        expected = (3, c.image_height, c.image_width)
        if images.ndim != 5 or tuple(images.shape[2:]) != expected or times.shape != images.shape[:2]:
            raise ValueError(
                f"images {list(images.shape)} and times {list(times.shape)} are not [B, T, {expected}] and [B, T]"
            )
        if not 2 <= images.shape[1] <= c.window:
            raise ValueError(f"a clip holds 2 to {c.window} frames, not {images.shape[1]}")

    def inputs(self, images: Tensor) -> FrameInputs:
        """What the trainable parts read of images, computed without gradients."""
        return prepare(self.config, self.vqvae, images)

    def actions(self, inputs: FrameInputs, times: Tensor) -> tuple[Tensor, Tensor]:
        """Visual tokens [B, T, S, D] and latent actions [B, T - 1, A]."""
        gap = gaps(times)
        tokens = self.tokenizer(inputs, gap)
        return tokens, self.inverse_dynamics(tokens, inputs, times, gap)[:, 1:]

    def next_codes(self, tokens: Tensor, inputs: FrameInputs, times: Tensor, latents: Tensor) -> Tensor:
        """Logits [B, T - 1, h, w, K] over the codes of frames 1..T-1."""
        return finish(self.next_codes_in_steps(tokens, inputs, times, latents))

    def next_codes_in_steps(self, tokens: Tensor, inputs: FrameInputs, times: Tensor, latents: Tensor) -> Steps[Tensor]:
        """``next_codes``, a block of the forward model a step."""
        features = inputs.features[:, :-1] if inputs.features is not None else None
        if self.config.action_rate:
            latents = latents * gaps(times)[:, 1:, None].to(latents)
        actions = self.inverse_dynamics.expand(latents)
        return (yield from self.forward_dynamics.steps(tokens[:, :-1], actions, times, features))

    def predict_next(self, images: Tensor, times: Tensor, latents: Tensor) -> Tensor:
        """Logits [B, T - 1, h, w, K] over the codes of frames 1..T-1 under the given actions [B, T - 1, A]."""
        self._check(images, times)
        inputs = self.inputs(images)
        return self.next_codes(self.tokenizer(inputs, gaps(times)), inputs, times, latents)

    def estimate(self, images: Tensor, times: Tensor, camera: Tensor | None = None) -> WindowEstimate:
        """Latent actions and metric poses of a clip.

        Raises:
            ValueError: on shapes that are not the model's.
        """
        self._check(images, times)
        _, latents = self.actions(self.inputs(images), times)
        return self.pose(latents, times, camera)

    def pose(self, latents: Tensor, times: Tensor, camera: Tensor | None = None) -> WindowEstimate:
        """Metric poses from latent actions [B, T - 1, A], and from the camera where it is known."""
        return self.estimate_of(latents, self.pose_head(latents, times, camera))

    def estimate_of(self, latents: Tensor, output: PoseOutput) -> WindowEstimate:
        """The metric poses that the head's ``output`` on ``latents`` [B, T - 1, A] stands for."""
        return WindowEstimate(
            latents,
            recouple(output.translation, output.log_scale),
            unit_quaternion(output.quaternion),
            output.fov,
            output.log_scale.exp(),
        )

    def stream(self, camera: Tensor | None = None) -> StreamSession:
        """A session that takes one new frame and gives one new action at the cost of one frame; its camera is
        ``camera`` [1, 2]."""
        # Its kernels bring a compiler, for which nobody else should wait.
        from lapose_core.model.streaming import StreamSession

        return StreamSession(self, camera)
