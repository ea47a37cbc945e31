"""Results on disk: a folder per drive, view, checkpoint and rate, readable by people and by pandas, and resumable.

A result's folder holds

* ``samples.parquet``: frame, time and true pose of each sample;
* ``transitions.parquet``: one row per transition, and in its metadata the windows that are done. It is
  replaced whole as the analysis grows, so an interrupted save leaves the one before it;
* ``checks.parquet``: what the model's further looks at the pictures found, and the confidence, one row per sample;
  there once the analysis is complete and they are done;
* ``result.json``: what was analysed, with which model, and, for people, how far it got and what failed.

The columns that begin with ``sum_`` are the weighted sums from which the blended columns follow: with them an
analysis goes on exactly where it stopped.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lapose_core.geometry import Array, as_poses, quaternion_from_matrix
from lapose_core.inference.checks_file import CHECKS, read_checks, write_checks
from lapose_core.inference.columns import read_table, values_of
from lapose_core.inference.known_camera import KnownCamera
from lapose_core.inference.result import BlendSums, DriveAnalysis, ResultKey

SCHEMA_VERSION = 1
RESULT, SAMPLES, TRANSITIONS = "result.json", "samples.parquet", "transitions.parquet"
_PROGRESS_KEY = b"lapose_progress"
_KEY_WORDS = {"fingerprint": "log", "view": "camera or crop", "checkpoint_hash": "checkpoint", "rate": "rate"}
_logger = logging.getLogger(__name__)


class StoreError(ValueError):
    """A stored result cannot be used. The message names the file, the field and what to do."""


@dataclass(frozen=True)
class StoredResult:
    """A result's folder, and the drive that it says it is of."""

    folder: Path
    drive_name: str
    drive_path: str


class ResultStore:
    """Results in sub-folders of ``folder``, named ``<fingerprint>_<view>_<checkpoint hash>_<rate>``.

    Args:
        folder: created when the first result is saved.
        report: told, in one sentence, of a damaged or outdated result that was set aside; logs a warning by default.
    """

    def __init__(self, folder: Path | str, report: Callable[[str], None] | None = None) -> None:
        self.folder = Path(folder)
        self._report = report or _logger.warning

    def path_of(self, key: ResultKey) -> Path:
        """The folder of one result, whether or not it exists.

        Raises:
            ValueError: where a key could lead out of the store's folder.
        """
        parts = [key.fingerprint, key.view, key.checkpoint_hash] if key.view else [key.fingerprint, key.checkpoint_hash]
        for part in parts:
            if not re.fullmatch(r"[A-Za-z0-9-]+", part):
                raise ValueError(f"{part!r} is no key: it must be letters and digits")
        return self.folder / "_".join([*parts, f"{key.rate:.12g}"])

    def load(self, key: ResultKey, frames: NDArray[np.int64] | None = None) -> DriveAnalysis | None:
        """The stored result, partial or whole, or None.

        A result that is damaged, not what its folder's name says, of other samples than ``frames``, or of a program
        that did not keep the view, is moved to ``<name>.bad`` and reported.
        """
        path = self.path_of(key)
        if not path.exists():
            path = self.path_of(replace(key, view=""))
            if not path.exists():
                return None
        try:
            analysis = read_result(path)
            require_same(analysis, path, key, frames)
        except StoreError as error:
            self._report(f"{error}; set aside as {_set_aside(path).name}, the analysis starts anew")
            return None
        return analysis

    def stored(self, checkpoint_hash: str, rate: float) -> list[StoredResult]:
        """The results of one checkpoint at one rate, of whatever drive; folders that are no results are passed over."""
        ending = f"_{checkpoint_hash}_{rate:.12g}"
        found = []
        for folder in sorted(self.folder.glob(f"*{ending}")) if self.folder.is_dir() else []:
            try:
                meta = _read_meta(folder / RESULT)
                found.append(StoredResult(folder, str(meta["drive_name"]), str(meta["drive_path"])))
            except (StoreError, KeyError):
                continue
        return found

    def save(self, analysis: DriveAnalysis) -> Path:
        """Write the result, atomically; returns its folder.

        Raises:
            OSError: where the disk refuses.
        """
        path = self.path_of(analysis.key)
        write_result(analysis, path)
        return path


def require_same(analysis: DriveAnalysis, path: Path, key: ResultKey, frames: NDArray[np.int64] | None = None) -> None:
    """Check that a result is of this log, view, checkpoint and rate, and of these samples where they are given.

    Raises:
        StoreError: naming what differs.
    """
    found = analysis.key
    for field, words in _KEY_WORDS.items():
        ours, wanted = getattr(found, field), getattr(key, field)
        if ours != wanted:
            raise StoreError(f"{path}: the result is of another {words} ({ours or 'not kept'}, not {wanted})")
    if frames is not None and not np.array_equal(analysis.frames, frames):
        raise StoreError(f"{path}: the result is of other frames than are sampled at {key.rate:g} Hz now")


def write_result(analysis: DriveAnalysis, folder: Path) -> None:
    """Write a result into ``folder``, beside whatever else lies there. See the module's description.

    Raises:
        OSError: where the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    analysis = analysis.snapshot()
    meta = {
        "schema": SCHEMA_VERSION,
        "drive_name": analysis.drive_name,
        "drive_path": analysis.drive_path,
        "fingerprint": analysis.fingerprint,
        "view": analysis.view,
        "camera": analysis.camera.to_json(),
        "checkpoint_name": analysis.checkpoint_name,
        "checkpoint_hash": analysis.checkpoint_hash,
        "rate_hz": analysis.rate,
        "window": analysis.window,
        "latent_dim": analysis.latent_dim,
        "samples": len(analysis),
    }
    progress = {
        "complete": analysis.complete,
        "windows": analysis.n_windows,
        "windows_done": len(analysis.windows_done),
        "failed_windows": {str(i): reason for i, reason in sorted(analysis.failed_windows.items())},
    }
    if not _describes(folder / RESULT, meta):
        # No interruption may leave the description of one result beside the tables of another.
        (folder / RESULT).unlink(missing_ok=True)
    checks = analysis.checks
    if checks is None:
        (folder / CHECKS).unlink(missing_ok=True)
    else:
        _replace(folder / CHECKS, lambda part: write_checks(checks, analysis.confidence, part))
    _replace(folder / SAMPLES, lambda part: pq.write_table(_samples_table(analysis), part))
    _replace(folder / TRANSITIONS, lambda part: pq.write_table(_transitions_table(analysis), part))
    text = json.dumps({**meta, **progress}, indent=2) + "\n"
    _replace(folder / RESULT, lambda part: part.write_text(text, encoding="utf-8"))


def read_result(folder: Path | str) -> DriveAnalysis:
    """Read a result's folder.

    Raises:
        StoreError: where a file is missing, damaged, or of another version of the program.
    """
    folder = Path(folder)
    meta = _read_meta(folder / RESULT)
    samples = _read_table(folder / SAMPLES)
    transitions = _read_table(folder / TRANSITIONS)
    try:
        analysis = _analysis(meta, samples)
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise StoreError(f"{folder / SAMPLES}: {_describe(error)}") from error
    try:
        progress = json.loads((transitions.schema.metadata or {})[_PROGRESS_KEY])
        failed = {int(index): str(reason) for index, reason in progress["failed"].items()}
        analysis.restore(_sums(transitions, analysis), [int(i) for i in progress["done"]], failed)
    except (KeyError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        raise StoreError(f"{folder / TRANSITIONS}: {_describe(error)}") from error
    checked = read_checks(folder / CHECKS, len(analysis))
    if checked is not None:
        analysis.assess(*checked)
    return analysis


def read_description(folder: Path) -> dict[str, Any]:
    """What ``result.json`` of a result's folder says, without its tables.

    Raises:
        StoreError: where it is missing, damaged, or of another version of the program.
    """
    return _read_meta(folder / RESULT)


def _describe(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(f"{path.parent}: no {path.name}: this is not the folder of a result") from error
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(meta, dict) or "schema" not in meta:
        raise StoreError(f"{path}: schema: missing, so this is not a result of lapose")
    if meta["schema"] != SCHEMA_VERSION:
        raise StoreError(f"{path}: schema: {meta['schema']!r}, but this program reads {SCHEMA_VERSION}: analyse again")
    return meta


def _read_table(path: Path) -> pa.Table:
    try:
        return read_table(path)
    except FileNotFoundError as error:
        raise StoreError(f"{path}: missing: the result is incomplete, analyse again") from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise StoreError(f"{path}: not readable as Parquet ({str(error).splitlines()[0]})") from error


def _analysis(meta: dict[str, Any], samples: pa.Table) -> DriveAnalysis:
    """An empty analysis of the stored samples, with everything checked that later code relies on."""
    strings = {}
    for key in ("drive_name", "drive_path", "fingerprint", "checkpoint_name", "checkpoint_hash"):
        if not isinstance(meta[key], str):
            raise ValueError(f"{key} in {RESULT} must be text")
        strings[key] = meta[key]
    strings["view"] = str(meta.get("view", ""))
    sizes = {}
    for key in ("window", "latent_dim", "samples"):
        if not isinstance(meta[key], int) or not 1 <= meta[key] < 2**31:
            raise ValueError(f"{key} in {RESULT} must be a positive whole number")
        sizes[key] = meta[key]
    rate = float(meta["rate_hz"])
    if not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"rate_hz in {RESULT} must be positive")
    if sizes["window"] < 2:
        raise ValueError(f"window in {RESULT} must be at least 2")
    frames = _column(samples, "frame", np.int64, sizes["samples"])
    times = _column(samples, "time", np.float64, sizes["samples"])
    if (frames < 0).any() or (np.diff(frames) <= 0).any():
        raise ValueError("frame: must increase")
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ValueError("time: must increase")
    truth = valid = None
    if "truth" in samples.column_names:
        truth = as_poses(_matrix(samples, "truth", 16, sizes["samples"]).reshape(-1, 4, 4), "truth")
        valid = _column(samples, "truth_valid", np.bool_, sizes["samples"])
    return DriveAnalysis(
        **strings,
        rate=rate,
        window=sizes["window"],
        latent_dim=sizes["latent_dim"],
        frames=frames,
        times=times,
        truth=truth,
        truth_valid=valid,
        camera=KnownCamera.from_json(meta.get("camera")),
    )


def _samples_table(analysis: DriveAnalysis) -> pa.Table:
    columns: dict[str, object] = {"frame": analysis.frames, "time": analysis.times}
    if analysis.truth is not None:
        columns["truth"] = _list_column(analysis.truth.reshape(-1, 16))
        columns["truth_valid"] = analysis.truth_valid
    return pa.table(columns)


def _transitions_table(analysis: DriveAnalysis) -> pa.Table:
    sums = analysis.sums()
    count = len(analysis.done)
    quaternion = quaternion_from_matrix(analysis.relative[:, :3, :3])
    columns: dict[str, object] = {
        "transition": np.arange(count),
        "frame_from": analysis.frames[:-1],
        "frame_to": analysis.frames[1:],
        "time_from": analysis.times[:-1],
        "time_to": analysis.times[1:],
        "done": analysis.done,
    }
    missing = ~analysis.done
    for name, values in zip(("tx", "ty", "tz"), analysis.relative[:, :3, 3].T):
        columns[name] = pa.array(values, mask=missing)
    for name, values in zip(("qx", "qy", "qz", "qw"), quaternion.T):
        columns[name] = pa.array(values, mask=missing)
    for name in ("fov", "scale", "cross_entropy", "translation_spread", "rotation_spread"):
        columns[name] = pa.array(getattr(analysis, name), mask=missing)
    columns["latent"] = _list_column(analysis.latents)
    columns["sum_weight"] = sums.weight
    columns["sum_translation"] = _list_column(sums.translation)
    columns["sum_translation_squared"] = sums.translation_squared
    columns["sum_quaternion_outer"] = _list_column(sums.quaternion_outer.reshape(count, 16))
    columns["sum_latent"] = _list_column(sums.latents)
    columns["sum_fov"] = sums.fov
    columns["sum_scale"] = sums.scale
    columns["sum_cross_entropy"] = sums.cross_entropy
    progress = {"done": sorted(analysis.windows_done), "failed": analysis.failed_windows}
    return pa.table(columns).replace_schema_metadata({_PROGRESS_KEY: json.dumps(progress).encode()})


def _sums(table: pa.Table, analysis: DriveAnalysis) -> BlendSums:
    count = len(analysis.done)
    sums = BlendSums(
        weight=_column(table, "sum_weight", np.float64, count),
        translation=_matrix(table, "sum_translation", 3, count),
        translation_squared=_column(table, "sum_translation_squared", np.float64, count),
        quaternion_outer=_matrix(table, "sum_quaternion_outer", 16, count).reshape(count, 4, 4),
        latents=_matrix(table, "sum_latent", analysis.latent_dim, count),
        fov=_column(table, "sum_fov", np.float64, count),
        scale=_column(table, "sum_scale", np.float64, count),
        cross_entropy=_column(table, "sum_cross_entropy", np.float64, count),
    )
    for name, values in vars(sums).items():
        if not np.isfinite(values).all():
            raise ValueError(f"sum_{name}: holds a value that is not finite")
    return sums


def _list_column(values: NDArray) -> pa.Array:
    """Rows [n, k] as a fixed-size list column."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), values.shape[1])


def _column(table: pa.Table, name: str, dtype: type, count: int) -> NDArray:
    values = table.column(name)
    if len(values) != count or values.null_count:
        raise ValueError(f"{name}: {len(values) - values.null_count} values, expected {count}")
    array = values_of(values)
    if array.dtype != dtype:
        raise ValueError(f"{name}: is {array.dtype}, expected {np.dtype(dtype)}")
    return array.copy()


def _matrix(table: pa.Table, name: str, width: int, count: int) -> Array:
    column = table.column(name).combine_chunks()
    if not pa.types.is_fixed_size_list(column.type) or column.type.list_size != width:
        raise ValueError(f"{name}: is {column.type}, expected lists of {width}")
    if not pa.types.is_float64(column.type.value_type) or len(column) != count or column.null_count:
        raise ValueError(f"{name}: is {len(column)} x {column.type}, expected {count} rows of double")
    flat = column.flatten()
    if len(flat) != count * width or flat.null_count:
        raise ValueError(f"{name}: a row is incomplete")
    return values_of(flat).reshape(count, width).copy()


def _describes(path: Path, meta: dict[str, Any]) -> bool:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and all(key in found and found[key] == meta[key] for key in meta)


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside ``path`` and put it in its place in one step."""
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        write(part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _set_aside(path: Path) -> Path:
    number = 0
    while (target := path.with_name(f"{path.name}.bad{number or ''}")).exists():
        number += 1
    os.replace(path, target)
    return target
