"""What a folder of stored results holds: which drives, by which models, and their latent actions alone."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lapose_core.geometry import Array
from lapose_core.inference.columns import read_table, values_of
from lapose_core.inference.result import ResultKey
from lapose_core.inference.store import RESULT, SAMPLES, TRANSITIONS, StoreError, read_description

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredResult:
    """A result's folder as its description has it.

    Attributes:
        samples: M, of which there are M - 1 transitions.
        complete: every window was tried.
    """

    folder: Path
    key: ResultKey
    drive_name: str
    drive_path: str
    checkpoint_name: str
    samples: int
    complete: bool

    @property
    def written(self) -> float | None:
        """When it was stored last, in seconds since the epoch; None where the file system does not tell."""
        try:
            return (self.folder / RESULT).stat().st_mtime
        except OSError:
            return None


@dataclass(frozen=True)
class StoredLatents:
    """The latent actions of a stored result.

    Attributes:
        frames: [M] drive frame of each sample.
        times: [M] seconds from the first sample.
        latents: [M - 1, A] float32; NaN where not analysed.
    """

    result: StoredResult
    frames: NDArray[np.int64]
    times: Array
    latents: NDArray[np.float32]


def stored_results(folder: Path | str) -> list[StoredResult]:
    """The results in the sub-folders of ``folder``, by drive and model; damaged ones are logged and left out."""
    out = []
    for path in sorted(Path(folder).glob("*")) if Path(folder).is_dir() else []:
        if not path.is_dir() or ".bad" in path.name:
            continue
        try:
            meta = read_description(path)
            key = ResultKey(
                str(meta["fingerprint"]),
                str(meta.get("view", "")),
                str(meta["checkpoint_hash"]),
                float(meta["rate_hz"]),
            )
            out.append(
                StoredResult(
                    path, key, str(meta["drive_name"]), str(meta["drive_path"]), str(meta["checkpoint_name"]),
                    int(meta["samples"]), bool(meta.get("complete", False)),
                )
            )  # fmt: skip
        except (StoreError, KeyError, TypeError, ValueError) as error:
            _logger.warning("%s is left out of the library: %s", path, error)
    return sorted(out, key=lambda result: (result.drive_name, result.checkpoint_name, result.key.rate))


def read_latents(result: StoredResult) -> StoredLatents:
    """The latents of a stored result, without the sums beside them, which are most of the file.

    Raises:
        StoreError: where a file is missing or damaged.
    """
    try:
        samples = read_table(result.folder / SAMPLES, ["frame", "time"])
        column = read_table(result.folder / TRANSITIONS, ["latent"]).column("latent").combine_chunks()
        frames, times = values_of(samples.column("frame")), values_of(samples.column("time"))
        count = len(frames) - 1
        latents = values_of(column.flatten()).astype(np.float32).reshape(count, -1)
    except (OSError, KeyError, ValueError, AttributeError, pa.ArrowException) as error:
        raise StoreError(f"{result.folder}: its latents cannot be read ({str(error).splitlines()[0]})") from error
    return StoredLatents(result, frames.astype(np.int64), times - times[0], latents)
