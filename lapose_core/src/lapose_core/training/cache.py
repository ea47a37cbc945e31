"""Frozen inputs of training clips, computed once: codec features, codes and patch matches.

With the codec frozen these never change, and computing them costs more than a training step does. The cache is a
folder of safetensors beside nothing else, keyed by the codec's weights and the configuration that shapes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from lapose_core.model.lapose import LaPose
from lapose_core.model.matching import mirror
from lapose_core.model.tokenizer import FrameInputs
from lapose_core.training.checkpoints import read_tensors
from lapose_core.training.shards import Shards


class CachedClips:
    """Inputs and codes of the clips of a shard folder, for a model with a frozen codec.

    ``model`` tokens that come from pixels are not cached: they are the frames.
    """

    def __init__(self, shards: Shards, model: LaPose, folder: Path, device: torch.device, batch: int = 1) -> None:
        if shards.size != (model.config.image_width, model.config.image_height):
            raise ValueError(
                f"{shards.folder}: frames are {shards.size[0]}x{shards.size[1]}, the model takes "
                f"{model.config.image_width}x{model.config.image_height}; make shards with --model or --size to match"
            )
        self.shards = shards
        self.model = model
        self.device = device
        self.cached = model.config.token_source == "codec"
        small = shards.small()
        self.times, self.poses, self.fov = small["times"], small["poses"], small["fov"]
        self.camera = torch.stack([small["fov"], small["height"]], 1)  # as in lapose_core.model.camera
        self._files: list[dict[str, Tensor]] = []
        if self.cached:
            key = hashlib.sha256(json.dumps([shards.stamp(), model.config.to_dict()["matching"]]).encode())
            for name, tensor in model.vqvae.state_dict().items():
                key.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
            self.folder = folder / key.hexdigest()[:12]
            self.folder.mkdir(parents=True, exist_ok=True)
            for number in tqdm(range(len(shards.counts)), desc="frozen inputs", mininterval=5):
                path = self.folder / f"{number:05d}.{shards.counts[number]}.safetensors"
                if not path.is_file():
                    part = path.with_suffix(".part")
                    save_file(self._compute(number, batch), part)
                    part.rename(path)
                self._files.append(read_tensors(path))

    def __len__(self) -> int:
        return len(self.times)

    @torch.no_grad()
    def _compute(self, number: int, batch: int) -> dict[str, Tensor]:
        frames = self.shards.file(number)["frames"]
        out: dict[str, list[Tensor]] = {"features": [], "codes": [], "matches": []}
        for start in range(0, len(frames), batch):
            images = frames[start : start + batch].to(self.device).float() / 255
            inputs = self.model.inputs(images)
            assert inputs.features is not None
            out["features"].append(inputs.features.half().cpu())
            out["codes"].append(self.model.vqvae.quantise(inputs.features).to(torch.int16).cpu())
            if inputs.matches is not None:
                out["matches"].append(inputs.matches.half().cpu())
        return {name: torch.cat(parts) for name, parts in out.items() if parts}

    def transitions(self, clips: Iterable[int], frames: Iterable[int]) -> tuple[Tensor, Tensor]:
        """Matches [N, S, F] of single frames, each of its clip, against the ones before them; gaps [N] in seconds.

        Raises:
            ValueError: where the model does not match, so nothing is cached.
        """
        if not self._files or "matches" not in self._files[0]:
            raise ValueError(f"{self.shards.folder}: there are no matches of these clips for a model without matching")
        clips, frames = [int(c) for c in clips], [int(f) for f in frames]
        places = [self.shards.locate(clip) for clip in clips]
        matches = torch.stack([self._files[n]["matches"][r, f] for (n, r), f in zip(places, frames)])
        later = torch.tensor(frames)
        gap = self.times[clips, later] - self.times[clips, later - 1]
        return matches.to(self.device).float(), gap.float().to(self.device)

    @torch.no_grad()
    def mirrored(self, clips: Iterable[int], start: int, stop: int) -> tuple[FrameInputs, Tensor]:
        """Inputs of frames start..stop of the clips as a mirror shows them, and times [B, T].

        They are not cached, but matches in a mirror are known from those of the clip.
        """
        clips = [int(c) for c in clips]
        images = self.shards.gather("frames", clips, slice(start, stop)).to(self.device).flip(-1).float() / 255
        times = self.times[clips, start:stop]
        if not self.cached:
            return self.model.inputs(images), times
        matches = self.get(clips, start, stop)[0].matches
        if matches is not None:
            matches = mirror(matches, self.model.config.token_grid[1])
        return FrameInputs(None, self.model.vqvae.features(images), matches), times

    def get(self, clips: Iterable[int], start: int, stop: int) -> tuple[FrameInputs, Tensor, Tensor]:
        """Frames start..stop of the clips: inputs and codes [B, T, h, w] on the device, times [B, T]."""
        clips, frames = [int(c) for c in clips], slice(start, stop)
        times = self.times[clips, start:stop]
        if not self.cached:
            images = self.shards.gather("frames", clips, frames).to(self.device).float() / 255
            with torch.no_grad():
                return self.model.inputs(images), self.model.vqvae.encode(images), times
        rows = [self.shards.locate(clip) for clip in clips]

        def stack(name: str) -> Tensor:
            return torch.stack([self._files[n][name][r, frames] for n, r in rows]).to(self.device)

        matches = None
        if "matches" in self._files[0]:
            matches = stack("matches").float()
            matches[:, 0] = 0  # the first frame of a clip has no frame before it
        return FrameInputs(None, stack("features").float(), matches), stack("codes").long(), times
