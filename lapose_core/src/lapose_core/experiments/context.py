"""Where an experiment finds its inputs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch

from lapose_core.evaluation.leaks import shard_seeds
from lapose_core.experiments.sizes import Sizes
from lapose_core.model.lapose import LaPose
from lapose_core.training.cache import CachedClips
from lapose_core.training.checkpoints import CONFIG, checkpoint_hash, codec_hash, load_checkpoint, read_config
from lapose_core.training.settings import PoseLossWeights, Posttraining, Pretraining
from lapose_core.training.shards import Shards

S = TypeVar("S", Posttraining, Pretraining)


class Unavailable(Exception):
    """What an experiment needs is not here. The message says what."""


@dataclass(frozen=True)
class Context:
    """The folders, the device and the sizes of a run.

    Attributes:
        runs: holds the checkpoint folders ``pretrain`` and ``posttrain``.
        shards: holds the shard folders ``train`` and ``held_out``; test clips are rendered beside them.
        out: where each experiment writes; ``out/work`` holds what it trains.
        cache: frozen inputs of shards, as ``lapose train`` keeps them.
        shared: the folder of the real drives, or None.
        workers: rendering processes; 1 renders in this one.
        slow: whether to run what takes hours: training of the whole network in label_efficiency and out_of_domain, and
            COLMAP on the real drive.
        pretrain_seeds: whether the seeds experiment repeats pretraining as well.
        toy: whether this shows that the experiments run and nothing else; it stands in what they write.
    """

    runs: Path
    shards: Path
    out: Path
    cache: Path
    shared: Path | None
    device: torch.device
    sizes: Sizes
    workers: int = 1
    pretrain_seeds: bool = False
    slow: bool = True
    toy: bool = False

    @property
    def posttrained(self) -> Path:
        """The checkpoint that is measured. Raises Unavailable where it is not here."""
        return self._stage("posttrain")

    @property
    def pretrained(self) -> Path:
        """The backbone that heads are trained on. Raises Unavailable where it is not here."""
        return self._stage("pretrain")

    def _stage(self, name: str) -> Path:
        folder = self.runs / name
        if not (folder / CONFIG).is_file():
            raise Unavailable(f"{folder}: no checkpoint is here; make it with 'lapose train {name}' or give --runs")
        return folder

    @cached_property
    def model_hash(self) -> str:
        return checkpoint_hash(self.posttrained)

    @cached_property
    def backbone_hash(self) -> str:
        return checkpoint_hash(self.pretrained)

    @cached_property
    def codec_hash(self) -> str:
        return codec_hash(self.pretrained)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the model's frames."""
        config = read_config(self.pretrained)[0]
        return config.image_width, config.image_height

    @property
    def train(self) -> Path:
        """The shards that the checkpoint was trained on. Raises Unavailable where they are not here."""
        return self.seen("train")

    def seen(self, name: str) -> Path:
        """Shards that were seen in training, ``train`` or ``held_out``. Raises Unavailable where they are not here."""
        folder = self.shards / name
        if not (folder / "shards.json").is_file():
            raise Unavailable(f"{folder}: no shards are here; make them with 'lapose shards' or give --shards")
        return folder

    @property
    def work(self) -> Path:
        return self.out / "work"

    def model(self) -> LaPose:
        """The checkpoint that is measured, on the device."""
        return load_checkpoint(self.posttrained, self.device)

    def cached(self, folder: Path) -> CachedClips:
        """The clips of a shard folder with the frozen inputs of the checkpoint's codec.

        Those of test clips are kept among them, so that they go when the clips are removed.

        Raises:
            LogError: where it is no shard folder.
        """
        kept = self.cache if folder == self.train else folder / "inputs"
        return CachedClips(Shards(folder), load_checkpoint(self.pretrained, self.device), kept, self.device)

    def train_settings(self) -> dict[str, Any]:
        """What tells one set of training clips from another."""
        seeds = shard_seeds(self.train)
        return {"first_seed": seeds.start, "clips": len(seeds)}

    def test_settings(self) -> dict[str, Any]:
        """What tells one test split from another."""
        return {"first_seed": TEST_SEED, "clips": self.sizes.test_clips, "frames": self.sizes.frames, "size": self.size}

    def shared_folder(self, name: str) -> Path:
        """A folder of the real drives.

        Raises:
            Unavailable: where it is not here.
        """
        folder = None if self.shared is None else self.shared / name
        if folder is None or not folder.exists():
            raise Unavailable(f"{name}: not in the folder of the real drives; give that folder with --shared")
        return folder


TEST_SEED, DOMAIN_SEED, RATE_SEED = 6_000_000, 6_100_000, 6_200_000


def recorded_pretraining(folder: Path) -> Pretraining:
    """The settings that the checkpoint in ``folder`` says it was pretrained with."""
    found = _recorded(folder, "pretrain", Pretraining)
    return dataclasses.replace(found, lengths=tuple(found.lengths))


def recorded_posttraining(folder: Path) -> Posttraining:
    """The settings that the checkpoint in ``folder`` says its head was trained with."""
    found = _recorded(folder, "posttrain", Posttraining)
    weights: Any = found.weights
    return dataclasses.replace(found, weights=PoseLossWeights(**weights) if isinstance(weights, dict) else weights)


def _recorded(folder: Path, stage: str, kind: type[S]) -> S:
    """Raises Unavailable where the checkpoint has no such stage."""
    record = read_config(folder)[1].get(stage)
    if not isinstance(record, dict):
        raise Unavailable(f"{folder}: its config.json tells of no stage {stage!r}; make it with 'lapose train {stage}'")
    known = {f.name for f in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in record.items() if name in known})
