"""``lapose train vqvae | pretrain | posttrain``: the paper's stages, each into a checkpoint folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lapose_core.training.settings import Posttraining, Pretraining, VqVaeTraining

if TYPE_CHECKING:
    import torch

    from lapose_core.model.config import LaPoseConfig
    from lapose_core.model.lapose import LaPose
    from lapose_core.training.cache import CachedClips

Preset = Literal["nano", "paper", "paper-wide", "tiny"]


def _preset(name: Preset) -> LaPoseConfig:
    from lapose_core.model.config import nano, paper, tiny

    return {"nano": nano, "paper": paper, "paper-wide": lambda: paper(None), "tiny": tiny}[name]()


def _device(name: str) -> torch.device:
    from lapose_core.device import choose_device

    return choose_device(name)


def _caches(model: LaPose, shards: Sequence[Path], folder: Path, device: torch.device) -> list[CachedClips]:
    from lapose_core.training.cache import CachedClips
    from lapose_core.training.shards import Shards

    return [CachedClips(Shards(path), model, folder, device) for path in shards]


@dataclass(frozen=True)
class Vqvae:
    """Train the image codec whose codes the forward dynamics predicts."""

    data: Path
    """Shards to train on (lapose shards)."""
    held_out: Path
    """Shards to measure on."""
    out: Path
    """Checkpoint folder to write."""
    preset: Preset = "nano"
    training: VqVaeTraining = field(default_factory=VqVaeTraining)
    device: str = "auto"
    resume: bool = True
    """Continue a run of this folder where its last checkpoint stopped."""

    def run(self) -> int:
        from lapose_core.training.shards import Shards
        from lapose_core.training.vqvae import train_vqvae

        train_vqvae(
            _preset(self.preset), self.training, Shards(self.data), Shards(self.held_out), self.out,
            _device(self.device), self.resume,
        )  # fmt: skip
        return 0


@dataclass(frozen=True)
class Pretrain:
    """Learn latent actions from video without labels, on a trained codec."""

    codec: Path
    """Checkpoint folder of `lapose train vqvae`."""
    data: Path
    held_out: Path
    out: Path
    preset: Preset = "nano"
    training: Pretraining = field(default_factory=Pretraining)
    cache: Path = Path("runs/cache")
    """Folder for the inputs that do not change while the codec is frozen."""
    device: str = "auto"
    resume: bool = True

    def run(self) -> int:
        import torch

        from lapose_core.model.lapose import LaPose
        from lapose_core.training.checkpoints import CheckpointError, load_codec, read_config
        from lapose_core.training.pretrain import pretrain

        config = _preset(self.preset)
        before, record = read_config(self.codec)
        if before.vqvae != config.vqvae:
            raise CheckpointError(f"{self.codec}: its codec is not the one the preset {self.preset} is built on")
        torch.manual_seed(self.training.seed)
        model = LaPose(config)
        model.vqvae.load_state_dict(load_codec(self.codec).state_dict())
        device = _device(self.device)
        model.to(device)
        data, held_out = _caches(model, (self.data, self.held_out), self.cache, device)
        record = {"vqvae": record.get("vqvae"), "data": data.shards.origin}
        pretrain(model, self.training, data, held_out, self.out, record, self.resume)
        return 0


@dataclass(frozen=True)
class Posttrain:
    """Train the camera-pose head on latent actions, from labelled clips."""

    pretrained: Path
    """Checkpoint folder of `lapose train pretrain`; with --keep-head of `lapose train posttrain`."""
    data: tuple[Path, ...]
    """Shards to train on; several folders are mixed, such as those of a manifest with those of the first training."""
    held_out: Path
    out: Path
    training: Posttraining = field(default_factory=Posttraining)
    cache: Path = Path("runs/cache")
    device: str = "auto"
    resume: bool = True
    mix: tuple[float, ...] = ()
    """Share of the clips drawn from each folder of --data; without it every clip is drawn alike."""
    keep_head: bool = False
    """Go on from the trained head of --pretrained instead of from a new one."""

    def run(self) -> int:
        import torch

        from lapose_core.evaluation.evaluate import table
        from lapose_core.model.lapose import LaPose
        from lapose_core.training.checkpoints import (
            CheckpointError,
            checkpoint_hash,
            load_checkpoint,
            read_config,
            write_json,
        )
        from lapose_core.training.mixture import MixedClips
        from lapose_core.training.posttrain import posttrain

        config, before = read_config(self.pretrained)
        if self.keep_head and "posttrain" not in before:
            raise CheckpointError(f"{self.pretrained}: has no trained pose head to keep; leave --keep-head out")
        model = load_checkpoint(self.pretrained)
        torch.manual_seed(self.training.seed)
        fresh = LaPose(config)
        if not self.keep_head:
            model.pose_head.load_state_dict(fresh.pose_head.state_dict())
        if self.training.backbone == "scratch":
            model.tokenizer.load_state_dict(fresh.tokenizer.state_dict())
            model.inverse_dynamics.load_state_dict(fresh.inverse_dynamics.state_dict())
        device = _device(self.device)
        model.to(device)
        *parts, held_out = _caches(model, (*self.data, self.held_out), self.cache, device)
        mixed = len(parts) > 1 or bool(self.mix)
        data = MixedClips(parts, self.mix) if mixed else parts[0]
        record: dict[str, Any] = {k: v for k, v in before.items() if k != "posttrain"}
        record["labels"] = data.origin if isinstance(data, MixedClips) else data.shards.origin
        if self.keep_head:
            record["head"] = {"of": checkpoint_hash(self.pretrained), "posttrain": before["posttrain"]}
        evaluation, informed = posttrain(
            model, self.training, data, held_out, self.out, record, self.resume, self.keep_head
        )
        settings = {"held_out": held_out.shards.origin, **dataclasses.asdict(self.training)}
        document = {"camera": "unknown to the model", **evaluation.to_json(settings)}
        document["camera_known"] = None if informed is None else informed.to_json()
        write_json(self.out / "evaluation.json", document)
        print(table(evaluation))
        if informed is not None:
            print(f"\nthe camera known:\n\n{table(informed)}")
        return 0
