"""Test clips of the synthetic world: rendered where they are not there, and what each world is known to be."""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from lapose_core.drive import Intrinsics, LogError
from lapose_core.experiments.context import DOMAIN_SEED, RATE_SEED, TEST_SEED, Context
from lapose_core.experiments.record import plain
from lapose_core.synth import SynthConfig, SyntheticDrive
from lapose_core.synth.conditions import Lighting, Weather
from lapose_core.training.shards import RATES, Clip, Shards, synthetic_clip, write_shards

J = TypeVar("J")
R = TypeVar("R")

RECORDED = 20.0  # Hz; every frame rate of the frame-rate experiment divides it


@dataclass(frozen=True)
class World:
    """What a clip's world is known to be: its camera, the camera's height in metres, and the names of its conditions
    (``night``, ``dusk``, ``fog``, ``rain``) that hold."""

    seed: int
    intrinsics: Intrinsics
    camera_height: float
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """A kind of clip. None leaves lighting, weather and camera to the seed.

    Attributes:
        rate: Hz, or None to draw one of the training clips' rates.
        seconds: of the drive that the clip is the beginning of; None for the clip's own length.
        fov: bounds in degrees that the horizontal field of view is drawn between.
    """

    lighting: Lighting | None = None
    weather: Weather | None = None
    rate: float | None = None
    seconds: float | None = None
    fov: tuple[float, float] | None = None


def scene_clip(scene: Scene, frames: int, size: tuple[int, int], seed: int) -> Clip:
    """The clip of ``scene`` and ``seed``, evenly spaced in time."""
    rng = np.random.default_rng([seed, 11])
    rate = scene.rate or float(rng.choice(RATES))
    recorded, every = (RECORDED, round(RECORDED / rate)) if scene.seconds else (rate, 1)
    seconds = scene.seconds or (frames + 0.25) / rate
    config = SynthConfig(lighting=scene.lighting, weather=scene.weather)
    drive = SyntheticDrive.generate(seed, seconds, recorded, size, config)
    if scene.fov:
        focal = 0.5 * size[0] / float(np.tan(np.deg2rad(rng.uniform(*scene.fov)) / 2))
        drive = dataclasses.replace(drive, intrinsics=dataclasses.replace(drive.intrinsics, fx=focal, fy=focal))
    index = np.arange(frames) * every
    images = np.stack([drive.render(int(i)) for i in index])
    times = drive.times[index]
    return Clip(
        np.ascontiguousarray(images.transpose(0, 3, 1, 2)),
        times - times[0],
        drive.poses[index],
        drive.intrinsics.fov_x,
        drive.mount.height,
    )


def known_world(size: tuple[int, int], seed: int) -> World:
    """The world of a clip with this seed. Its camera and conditions do not depend on the clip's length or rate."""
    drive = SyntheticDrive.generate(seed, 1.0, 2.0, size)
    conditions = tuple(name for name in ("night", "dusk", "fog", "rain") if drive.regimes[name][0])
    return World(seed, drive.intrinsics, drive.mount.height, conditions)


def known_worlds(context: Context, shards: Shards, seeds: Sequence[int], first: int = 0) -> list[World]:
    """The worlds of the clips of ``shards`` from ``first`` on, whose seeds these are.

    Raises:
        LogError: where the clips are of other worlds than this version of the generator draws for these seeds.
    """
    found = list(each(partial(known_world, shards.size), seeds, context.workers, "worlds"))
    stored = shards.small()["fov"][first : first + len(found)].numpy()
    if not np.allclose(stored, [w.intrinsics.fov_x for w in found], atol=1e-5):
        raise LogError(
            f"{shards.folder}: the cameras of its clips are not those of this version's worlds; "
            "remove the folder and render it again"
        )
    return found


def unseen_split(context: Context) -> Path:
    """The test split: worlds that nothing was trained or chosen on, drawn as the training clips are."""
    sizes = context.sizes
    make = partial(synthetic_clip, frames=sizes.frames, size=context.size)
    return _rendered(context, context.shards / "test", make, TEST_SEED, sizes.test_clips, {})


def domain_shards(context: Context, name: str, scene: Scene, offset: int) -> Path:
    """Test clips of one domain."""
    sizes = context.sizes
    make = partial(scene_clip, scene, sizes.frames, context.size)
    first = DOMAIN_SEED + 1000 * offset
    folder = context.shards / "domains" / name
    return _rendered(context, folder, make, first, sizes.domain_clips, dataclasses.asdict(scene))


def rate_shards(context: Context, rate: float) -> Path:
    """Test clips at one frame rate: the beginnings of the same drives, whatever the rate."""
    sizes = context.sizes
    scene = Scene(rate=rate, seconds=(sizes.frames + 0.25) / min(sizes.rates))
    make = partial(scene_clip, scene, sizes.frames, context.size)
    folder = context.shards / "rates" / f"{rate:g}hz"
    return _rendered(context, folder, make, RATE_SEED, sizes.rate_clips, dataclasses.asdict(scene))


def _rendered(
    context: Context, folder: Path, make: Callable[[int], Clip], seed: int, count: int, scene: dict[str, Any]
) -> Path:
    """The folder with these clips; one that an interruption left unfinished is rendered again.

    Raises:
        LogError: where it holds other clips.
    """
    origin = plain({"synthetic": {"seed": seed, "clips": count}, "scene": scene})
    if (folder / "shards.json").is_file():
        there = Shards(folder)
        shape = (context.sizes.frames, 3, context.size[1], context.size[0])
        if there.origin != origin or there.clip_shape != shape:
            raise LogError(f"{folder}: holds other clips than are asked for; remove it and it is rendered again")
        if len(there) == count:
            return folder
    seeds = range(seed, seed + count)
    write_shards(folder, each(make, seeds, context.workers, f"render {folder.name}"), origin)
    return folder


def each(function: Callable[[J], R], jobs: Iterable[J], workers: int, title: str) -> Iterator[R]:
    """``function`` of each job, in order, by ``workers`` processes; a few jobs ahead, so that memory stays bounded."""
    jobs = list(jobs)
    with tqdm(total=len(jobs), desc=title, mininterval=5) as bar:
        if workers <= 1:
            for job in jobs:
                yield function(job)
                bar.update()
            return
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            pending: deque[Future[R]] = deque()
            for job in jobs:
                pending.append(pool.submit(function, job))
                if len(pending) > 4 * workers:
                    yield pending.popleft().result()
                    bar.update()
            while pending:
                yield pending.popleft().result()
                bar.update()
