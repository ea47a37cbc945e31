"""Clips of several shard folders as one set, drawn in chosen shares: what was missed beside what must not be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from lapose_core.geometry import Array
from lapose_core.model.tokenizer import FrameInputs
from lapose_core.training.cache import CachedClips

Tensors = tuple[Tensor | None, ...]


class MixedClips:
    """``CachedClips`` of several folders, one after another.

    Args:
        parts: of one model and one device.
        shares: of the clips drawn, from each part; relative to each other. Empty: every clip is drawn alike.

    Raises:
        ValueError: where clips differ in length, or shares do not fit.
    """

    def __init__(self, parts: Sequence[CachedClips], shares: Sequence[float] = ()) -> None:
        lengths = {part.shards.clip_shape[0] for part in parts}
        if len(lengths) != 1:
            found = " and ".join(map(str, sorted(lengths)))
            raise ValueError(f"clips of {found} frames cannot be mixed; cut all with the same --frames")
        if shares and (len(shares) != len(parts) or min(shares) < 0 or not sum(shares) > 0):
            raise ValueError(
                f"mix: {len(parts)} shard folders need {len(parts)} shares that are not negative, got "
                f"{' '.join(f'{share:g}' for share in shares)}"
            )
        self.parts, self.shares = tuple(parts), tuple(shares)
        self.device = parts[0].device
        self.shards = parts[0].shards
        self.times = torch.cat([part.times for part in parts])
        self.poses = torch.cat([part.poses for part in parts])
        self.fov = torch.cat([part.fov for part in parts])
        self.camera = torch.cat([part.camera for part in parts])
        self._starts = np.cumsum([0, *map(len, parts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def origin(self) -> list[dict]:
        """Where the clips of each part come from, and its share."""
        shares: Sequence[float | None] = self.shares or [None] * len(self.parts)
        return [{**part.shards.origin, "share": share} for part, share in zip(self.parts, shares, strict=True)]

    def chance(self, clips: np.ndarray) -> Array | None:
        """How likely each of ``clips`` is to be drawn, in sum 1; None where all are alike."""
        if not self.shares:
            return None
        part = np.searchsorted(self._starts, clips, side="right") - 1
        counts = np.bincount(part, minlength=len(self.parts))
        chance = np.asarray(self.shares)[part] / counts[part]
        if not chance.sum() > 0:
            raise ValueError("mix: no clip of a folder with a share has ground-truth poses")
        return np.asarray(chance / chance.sum())

    def gather(self, clips: Iterable[int], ask: Callable[[CachedClips, np.ndarray], Tensors]) -> Tensors:
        """What ``ask`` gives for the clips of each part, in the order of ``clips``."""
        wanted = np.asarray(list(clips), dtype=np.int64)
        rows, found = [], []
        for part, first in zip(self.parts, self._starts, strict=False):
            mine = np.flatnonzero((wanted >= first) & (wanted < first + len(part)))
            if len(mine):
                rows.append(mine)
                found.append(ask(part, wanted[mine] - first))
        order = torch.from_numpy(np.argsort(np.concatenate(rows)))
        return tuple(None if v[0] is None else torch.cat(v)[order.to(v[0].device)] for v in zip(*found, strict=True))

    def get(self, clips: Iterable[int], start: int, stop: int) -> tuple[FrameInputs, Tensor, Tensor]:
        """As ``CachedClips.get``."""

        def ask(part: CachedClips, own: np.ndarray) -> Tensors:
            inputs, codes, times = part.get(own, start, stop)
            return inputs.pixels, inputs.features, inputs.matches, codes, times

        pixels, features, matches, codes, times = self.gather(clips, ask)
        assert codes is not None
        assert times is not None
        return FrameInputs(pixels, features, matches), codes, times

    def mirrored(self, clips: Iterable[int], start: int, stop: int) -> tuple[FrameInputs, Tensor]:
        """As ``CachedClips.mirrored``."""

        def ask(part: CachedClips, own: np.ndarray) -> Tensors:
            inputs, times = part.mirrored(own, start, stop)
            return inputs.pixels, inputs.features, inputs.matches, times

        pixels, features, matches, times = self.gather(clips, ask)
        assert times is not None
        return FrameInputs(pixels, features, matches), times
