"""What the model makes of single frames, computed once however many windows hold the frame.

Windows overlap by half. Codec, matching and tokenizer see a frame and the one before it, never a window, so half of
their work would be done twice. Only a window's first frame differs from one window to another: to it nothing came
before, so its tokens are made anew and its matches are zero.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from lapose_core.device import precision
from lapose_core.geometry import Array
from lapose_core.model.lapose import LaPose
from lapose_core.model.matching import Prepared, by_token, descriptors, match
from lapose_core.model.tokenizer import FrameInputs, frame_inputs

T = TypeVar("T")

CPU_CHUNK = 4
"""Frames encoded together on a CPU: the convolutions and correlation volumes of more leave its cache."""


@dataclass
class _Frame:
    pixels: Tensor | None  # [S, 3 * patch * patch]
    features: Tensor | None  # [C, h, w]
    codes: Tensor  # [h, w]
    prepared: Prepared | None  # descriptors [rows, columns, P] and grey [H, W]
    matches: Tensor | None = None  # [S, F] against the sample before
    tokens: Tensor | None = None  # [S, D] with the time since the sample before


@dataclass(frozen=True)
class EncodedWindows:
    """B windows of T frames, ready for the dynamics models.

    Attributes:
        tokens: [B, T, S, D] visual tokens.
        inputs: features and matches as the dynamics models read them; the pixels are spent.
        codes: [B, T, h, w] of the codec.
        times: [B, T] seconds, on CPU.
    """

    tokens: Tensor
    inputs: FrameInputs
    codes: Tensor
    times: Tensor


class FrameEncoder:
    """Encodes samples taken at ``times`` [M] seconds and keeps the ``capacity`` that were used last.

    The windows that it puts together are what ``LaPose`` makes of the same images, but for rounding.
    """

    def __init__(self, model: LaPose, times: Array, capacity: int) -> None:
        self._model, self._capacity = model, capacity
        self._times = torch.from_numpy(times)
        self._frames: OrderedDict[int, _Frame] = OrderedDict()

    def missing(self, samples: Sequence[int]) -> list[int]:
        """Those of ``samples`` that must be added; the others stay until these are."""
        for sample in samples:
            if sample in self._frames:
                self._frames.move_to_end(sample)
        return [s for s in dict.fromkeys(samples) if s not in self._frames]

    def clear(self) -> None:
        """Forget every frame."""
        self._frames.clear()

    @torch.inference_mode()
    def add(self, samples: Sequence[int], images: Tensor) -> None:
        """Encode samples whose images are [N, 3, H, W] in 0..1, where the model is."""
        model, config = self._model, self._model.config
        inputs = frame_inputs(config, model.vqvae, images[None])
        features = inputs.features[0] if inputs.features is not None else None
        codes = model.vqvae.quantise(features) if features is not None else model.vqvae.encode(images)
        prepared = descriptors(images, config.matching) if config.matching else None
        for i, sample in enumerate(samples):
            self._frames[sample] = _Frame(
                None if inputs.pixels is None else inputs.pixels[0, i],
                None if features is None else features[i],
                codes[i],
                None if prepared is None else (prepared[0][i], prepared[1][i]),
            )
        self._connect([s for s in samples if s - 1 in self._frames])
        while len(self._frames) > self._capacity:
            self._frames.popitem(last=False)

    @torch.inference_mode()
    def windows(self, samples: Sequence[range]) -> EncodedWindows:
        """The windows of these samples, all of one length.

        Raises:
            KeyError: where one of their frames was not added, or is no longer kept.
        """
        # A frame that came before its neighbour did (after a jump back) still lacks what it shares with it.
        later = dict.fromkeys(s for window in samples for s in window[1:])
        self._connect([s for s in later if self._frames[s].tokens is None])
        rows = [[self._frames[s] for s in window] for window in samples]
        with precision(rows[0][0].codes.device):
            first = self._tokens([row[0] for row in rows], torch.zeros(len(rows)))
        tokens = torch.stack([torch.stack([t, *(_known(f.tokens) for f in row[1:])]) for t, row in zip(first, rows)])
        matches = None
        if self._model.config.matching:
            after = torch.stack([torch.stack([_known(f.matches) for f in row[1:]]) for row in rows])
            matches = torch.cat([torch.zeros_like(after[:, :1]), after], 1)
        features = None
        if rows[0][0].features is not None:
            features = torch.stack([torch.stack([_known(f.features) for f in row]) for row in rows])
        return EncodedWindows(
            tokens,
            FrameInputs(None, features, matches),
            torch.stack([torch.stack([f.codes for f in row]) for row in rows]),
            torch.stack([self._times[window.start : window.stop] for window in samples]),
        )

    def _connect(self, samples: Sequence[int]) -> None:
        """Matches and tokens of samples whose sample before is kept too."""
        config = self._model.config
        size = CPU_CHUNK if samples and self._frames[samples[0]].codes.device.type == "cpu" else max(len(samples), 1)
        for part in (samples[i : i + size] for i in range(0, len(samples), size)):
            frames = [self._frames[s] for s in part]
            if config.matching:
                now, then = (
                    tuple(torch.stack(x) for x in zip(*(_known(self._frames[s].prepared) for s in order)))
                    for order in (part, [s - 1 for s in part])
                )
                found = match((now[0], now[1]), (then[0], then[1]), config.matching)
                for frame, matches in zip(frames, by_token(found[None], config.patch // config.matching.cell)[0]):
                    frame.matches = matches
            at = torch.tensor(part)
            gap = (self._times[at] - self._times[at - 1]).float()
            with precision(frames[0].codes.device):
                for frame, tokens in zip(frames, self._tokens(frames, gap)):
                    frame.tokens = tokens

    def _tokens(self, frames: Sequence[_Frame], gap: Tensor) -> Tensor:
        """[N, S, D] of frames that ``gap`` [N] seconds lie before."""
        pixels = features = None
        if self._model.config.token_source == "pixels":
            pixels = torch.stack([_known(f.pixels) for f in frames])[None]
        else:
            features = torch.stack([_known(f.features) for f in frames])[None]
        return self._model.tokenizer(FrameInputs(pixels, features, None), gap[None])[0]


def _known(value: T | None) -> T:
    assert value is not None
    return value
