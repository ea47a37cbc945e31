"""Shards: clips of frames at the model's size, ready to train on.

A shard folder holds ``shards.json`` and files ``NNNNN.safetensors``, each with

* ``frames`` [N, T, 3, H, W] uint8 RGB,
* ``times`` [N, T] float64 seconds,
* ``poses`` [N, T, 4, 4] float64 camera-to-world (NaN where a clip has no ground truth),
* ``fov`` [N] float32 horizontal field of view of these frames in radians (NaN where unknown),
* ``height`` [N] float32 height of the camera over the road in metres (NaN where unknown; absent in older shards).

Clips come from the synthetic world (one world and one frame rate a clip) or from any logs the readers open.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lapose_core.drive import Drive, LogError
from lapose_core.inference.preprocess import Preprocessor

FORMAT = "lapose-shards"
RATES = (1.0, 1.25, 1.7, 2.0, 2.5, 3.3, 4.0, 5.0, 10.0)  # Hz; the paper's 1-4, and up to a camera's own 10
CAMERA_RATES = (10.0, 12.0, 15.0, 20.0, 25.0, 30.0)  # Hz that logs are recorded at
UNEVEN = 0.4  # share of the clips whose frames are those of a camera's nearest to the rate, as a log gives them


@dataclass(frozen=True)
class Clip:
    """frames [T, 3, H, W] uint8, times [T], poses [T, 4, 4], fov radians, height of the camera metres."""

    frames: np.ndarray
    times: np.ndarray
    poses: np.ndarray
    fov: float
    height: float = float("nan")


def synthetic_clip(seed: int, frames: int, size: tuple[int, int], rates: tuple[float, ...] = RATES) -> Clip:
    """One clip of the synthetic world at a rate drawn from ``rates``, by ``seed`` alone."""
    from lapose_core.synth import SyntheticDrive

    rng = np.random.default_rng([seed, 7])
    rate = float(rng.choice(rates))
    index = np.arange(frames)
    recorded = rate
    if rng.random() < UNEVEN:
        recorded = float(rng.choice([r for r in CAMERA_RATES if r >= rate]))
        index = np.rint((index + rng.random()) * recorded / rate).astype(np.int64)
        if rng.random() < 0.25:  # a camera that drops a frame
            index[rng.integers(1, frames) :] += int(np.ceil(recorded / rate * rng.uniform(0.3, 1.0)))
    seconds = (index[-1] + 1.25) / recorded
    drive = SyntheticDrive.generate(seed=seed, seconds=seconds, rate=recorded, size=size)
    images = np.stack([drive.render(int(i)) for i in index])
    return Clip(
        np.ascontiguousarray(images.transpose(0, 3, 1, 2)),
        drive.times[index] - drive.times[index[0]],
        drive.poses[index],
        drive.intrinsics.fov_x,
        drive.mount.height,
    )


def drive_clips(
    drive: Drive,
    frames: int,
    size: tuple[int, int],
    rate: float,
    stride: int,
    starts: Iterable[int] | None = None,
) -> Iterator[Clip]:
    """Clips of a log at ``rate`` Hz, one every ``stride`` samples or at the samples ``starts``, cropped and resized as
    inference does."""
    index = drive.indices_at_rate(rate)
    prepare = Preprocessor(drive.width, drive.height, drive.intrinsics, size)
    camera = prepare.intrinsics
    source = drive.open_frames()
    try:
        for start in range(0, len(index) - frames + 1, stride) if starts is None else starts:
            chosen = index[start : start + frames]
            images = torch.stack([prepare(source.read(int(i))) for i in chosen])
            truth = drive.poses is not None and drive.pose_valid is not None and drive.pose_valid[chosen].all()
            poses = drive.poses[chosen] if truth and drive.poses is not None else np.full((frames, 4, 4), np.nan)
            yield Clip(
                (images * 255).round().to(torch.uint8).numpy(),
                drive.timestamps[chosen],
                poses,
                camera.fov_x if camera else float("nan"),
                float("nan") if drive.camera_height is None else drive.camera_height,
            )
    finally:
        source.close()


def synthetic_clips(count: int, seed: int, frames: int, size: tuple[int, int], workers: int) -> Iterator[Clip]:
    """``count`` clips with seeds from ``seed`` upwards, rendered by ``workers`` processes, in order."""
    import multiprocessing

    seeds = range(seed, seed + count)
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        ahead = 4 * workers
        pending = [pool.submit(synthetic_clip, s, frames, size) for s in seeds[:ahead]]
        for s in [*seeds[ahead:], *[None] * min(ahead, count)]:
            yield pending.pop(0).result()
            if s is not None:
                pending.append(pool.submit(synthetic_clip, s, frames, size))


def write_shards(
    folder: Path,
    clips: Iterable[Clip],
    origin: dict,
    per_file: int = 128,
    tick: Callable[[], object] = lambda: None,
    before: Sequence[int] = (),
) -> int:
    """Write clips; ``shards.json`` comes last and lists the files, so a broken run leaves no half shard behind.

    Args:
        before: clips in each file that the folder holds already, which the new ones follow.

    Returns:
        the number of clips, with those before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts = list(before)
    held: list[Clip] = []
    shape: tuple[int, ...] = ()

    def flush() -> None:
        tensors = {
            "frames": torch.from_numpy(np.ascontiguousarray(np.stack([c.frames for c in held]))),
            "times": torch.from_numpy(np.stack([c.times for c in held])),
            "poses": torch.from_numpy(np.stack([c.poses for c in held])),
            "fov": torch.tensor([c.fov for c in held], dtype=torch.float32),
            "height": torch.tensor([c.height for c in held], dtype=torch.float32),
        }
        save_file(tensors, folder / f"{len(counts):05d}.safetensors")
        counts.append(len(held))
        held.clear()
        record = {
            "format": FORMAT,
            "version": 1,
            "clip_shape": list(shape),
            "clips": counts,
            "origin": origin,
        }
        (folder / "shards.json").write_text(json.dumps(record, indent=1))

    for clip in clips:
        shape = clip.frames.shape
        held.append(clip)
        tick()
        if len(held) == per_file:
            flush()
    if held:
        flush()
    return sum(counts)


class Shards:
    """Random access to the clips of a shard folder through memory-mapped files."""

    def __init__(self, folder: Path) -> None:
        """Raises LogError where the folder is not a shard folder or a file of it is broken."""
        self.folder = Path(folder)
        path = self.folder / "shards.json"
        try:
            record = json.loads(path.read_text())
            if record["format"] != FORMAT:
                raise LogError(f"{path}: field 'format' is {record['format']!r}, not {FORMAT!r}")
            self.counts: list[int] = [int(n) for n in record["clips"]]
            self.clip_shape: tuple[int, ...] = tuple(record["clip_shape"])  # T, 3, H, W
            self.origin = record.get("origin", {})
        except FileNotFoundError:
            raise LogError(f"{path}: no such file; make shards with 'lapose shards --out {folder}'") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LogError(f"{path}: not a shard index ({error})") from error
        self._starts = np.concatenate([[0], np.cumsum(self.counts)])
        self._files: dict[int, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames."""
        return self.clip_shape[3], self.clip_shape[2]

    def stamp(self) -> list[tuple[int, int, int]]:
        """Clips, size and time of writing of each file.

        Shards rendered anew into the same folder have another stamp, a folder that was moved keeps its own.
        """
        stats = [(self.folder / f"{number:05d}.safetensors").stat() for number in range(len(self.counts))]
        return [(count, stat.st_size, stat.st_mtime_ns) for count, stat in zip(self.counts, stats, strict=True)]

    def file(self, number: int) -> dict[str, Tensor]:
        """All tensors of one file, memory-mapped."""
        if number not in self._files:
            path = self.folder / f"{number:05d}.safetensors"
            try:
                with safe_open(path, "pt") as handle:
                    tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
            except (OSError, SafetensorError) as error:
                raise LogError(f"{path}: not readable as a shard ({error})") from error
            if tensors["frames"].shape != (self.counts[number], *self.clip_shape):
                raise LogError(f"{path}: frames have shape {list(tensors['frames'].shape)}, not as the index says")
            self._files[number] = tensors
        return self._files[number]

    def locate(self, clip: int) -> tuple[int, int]:
        """File number and row of a clip."""
        number = int(np.searchsorted(self._starts, clip, side="right") - 1)
        return number, int(clip - self._starts[number])

    def gather(self, name: str, clips: Iterable[int], frames: slice = slice(None)) -> Tensor:
        """Tensor ``name`` of the given clips (and of the given frames of each, where it has frames)."""
        rows = []
        for clip in clips:
            number, row = self.locate(clip)
            value = self.file(number)[name][row]
            rows.append(value if value.ndim == 0 else value[frames])
        return torch.stack(rows)

    def small(self) -> dict[str, Tensor]:
        """times [N, T], poses [N, T, 4, 4], fov [N] and height [N] of all clips."""
        files = [self.file(i) for i in range(len(self.counts))]
        found = {name: torch.cat([f[name] for f in files]) for name in ("times", "poses", "fov")}
        unknown = torch.tensor(float("nan"))
        found["height"] = torch.cat([f.get("height", unknown.expand(len(f["fov"]))) for f in files])
        return found
