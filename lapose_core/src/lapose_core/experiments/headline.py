"""The test split: the checkpoint beside constant-forward and classical geometry, and what its latents know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from lapose_core.drive import Drive, Image
from lapose_core.evaluation.classical_drives import load_baselines, run_baseline
from lapose_core.evaluation.drives import DriveClips
from lapose_core.evaluation.evaluate import Evaluation, rescored
from lapose_core.experiments.context import TEST_SEED, Context
from lapose_core.experiments.latents import maps, probes
from lapose_core.experiments.record import Experiment, key, remembered
from lapose_core.experiments.scoring import by_camera, row_of, rows_of
from lapose_core.experiments.tables import INFORMED
from lapose_core.experiments.worlds import World, known_worlds, rate_shards, unseen_split
from lapose_core.training.shards import Shards

MAP_RATE = 2.0  # Hz; the protocol's own


def settings(context: Context) -> dict[str, Any]:
    sizes = context.sizes
    return {
        "checkpoint": context.model_hash,
        "test": context.test_settings(),
        "colmap_clips": sizes.colmap_clips,
        "quality_clips": sizes.quality_clips,
        "probe_clips": sizes.probe_clips,
        "map": {"clips": sizes.map_clips, "rate": MAP_RATE},
        "train": context.train_settings(),
        "authors_map": context.shared is not None and (context.shared / "authors_map").is_dir(),
    }


def run(context: Context) -> dict[str, Any]:
    sizes = context.sizes
    folder = unseen_split(context)
    shards = Shards(folder)
    worlds = known_worlds(context, shards, range(TEST_SEED, TEST_SEED + len(shards)))
    test, train = context.cached(folder), context.cached(context.train)
    model = context.model()
    evaluations = by_camera(model, test, worlds)
    evaluation = evaluations["unknown"]
    rows = rows_of(evaluation, method="model")
    if "known" in evaluations:
        rows += rows_of(evaluations["known"], method=INFORMED)
    notes, coverage = [], {}
    cameras = test.fov.tolist()
    for name, count in (("opencv", len(shards)), ("colmap", min(sizes.colmap_clips, len(shards)))):
        part = context.work / "headline" / f"{name}-{key([context.test_settings(), count, cameras])}.json"
        some = rescored(evaluation.scores[:count])
        try:
            found = remembered(part, partial(classical, name, shards, worlds[:count], some))
        except ValueError as error:  # its library is not installed
            notes.append(f"{name}: {error}")
            continue
        rows += found["rows"]
        coverage[name] = found["coverage"]
        if count < len(shards):  # a method too slow for all clips is compared on its own
            rows.append(row_of(some.overall, method=f"model, {name}'s clips", regime="all"))
    at_rate = context.cached(rate_shards(context, MAP_RATE))
    return {
        "rows": rows,
        "coverage": coverage,
        "latents": probes(context, model, train, test),
        "map": maps(context, model, at_rate),
        "notes": notes,
    }


def classical(name: str, shards: Shards, worlds: list[World], evaluation: Evaluation) -> dict[str, Any]:
    """One classical method on the first clips of the test split, with their true cameras and heights.

    Raises:
        ValueError: where its library is absent.
    """
    drives = [clip_drive(shards, clip, world) for clip, world in enumerate(worlds)]
    found = [
        DriveClips(drive.name, str(drive.path), [replace(score.clip, regimes=score.regimes)])
        for drive, score in zip(drives, evaluation.scores, strict=True)
    ]
    method = load_baselines([name], drives)[name]
    with tqdm(total=len(drives), desc=name, mininterval=5) as bar:
        result = run_baseline(name, method, drives, found, bar.update)
    coverage = {
        "frames": result.coverage,
        "scaled_clips": result.scaled,
        "clips": len(drives),
        "method": result.trajectories[0].method,
    }
    return {"rows": rows_of(result.evaluation, method=name), "coverage": coverage}


class _ClipFrames:
    """Frames of one clip of a shard folder."""

    def __init__(self, shards: Shards, clip: int) -> None:
        self._frames = shards.gather("frames", [clip])[0].permute(0, 2, 3, 1).numpy()

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, index: int) -> Image:
        return np.ascontiguousarray(self._frames[index])

    def iterate(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[tuple[int, Image]]:
        for index in range(start, len(self) if stop is None else min(stop, len(self)), step):
            yield index, self.read(index)

    def close(self) -> None:
        pass


def clip_drive(shards: Shards, clip: int, world: World) -> Drive:
    """A clip of a shard folder as a drive whose camera and its height are known."""
    return Drive(
        name=f"{shards.folder.name} {clip}",
        path=shards.folder,
        format="shards",
        width=shards.size[0],
        height=shards.size[1],
        timestamps=shards.gather("times", [clip])[0].numpy(),
        open_frames=lambda: _ClipFrames(shards, clip),
        poses=shards.gather("poses", [clip])[0].numpy(),
        intrinsics=world.intrinsics,
        camera_height=world.camera_height,
        fingerprint=f"{world.seed}",
    )


EXPERIMENT = Experiment("headline", settings, run)
