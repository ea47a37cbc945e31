"""Everything of a drive's samples as one table: CSV for spreadsheets, Parquet for pandas, polars and duckdb.

One row a sample. The units stand in the column names of a CSV file and in the field metadata of a Parquet file.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lapose_core.annotations import Annotation, annotation_row
from lapose_core.export.bundle import Column, Exported
from lapose_core.export.files import Progress, no_progress, replacing
from lapose_core.geometry import Array, quaternion_from_matrix

if TYPE_CHECKING:
    import pyarrow as pa

_SUFFIX = {"m": "m", "s": "s", "m/s": "m_s", "rad": "rad", "rad/s": "rad_s", "nats/code": "nats"}
ANNOTATIONS_KEY = b"lapose_annotations"


def table_columns(bundle: Exported) -> list[Column]:
    """Frame, time, both poses and every value of the samples, without the latents."""
    out = [
        Column("frame", "", "frame of the drive", bundle.frames),
        Column("time", "s", "on the drive's clock", bundle.times),
        Column("piece", "", "contiguous analysed piece, -1 outside of all", bundle.piece),
        *_pose("", "predicted", bundle.predicted, bundle.predicted_valid),
        *_pose("true_", "true", bundle.truth, bundle.truth_valid),
        *bundle.columns,
    ]
    words = np.array(["; ".join(map(annotation_words, bundle.notes_at(i))) for i in range(len(bundle))], dtype=object)
    return [*out, Column("annotations", "", "those that touch the frames up to the next sample", words)]


def _pose(prefix: str, what: str, poses: Array, valid: NDArray[np.bool_]) -> list[Column]:
    centre = np.where(valid[:, None], poses[:, :3, 3], np.nan)
    turn = np.where(valid[:, None], quaternion_from_matrix(poses[:, :3, :3]), np.nan)
    return [
        *(Column(f"{prefix}{axis}", "m", f"{what} camera centre", centre[:, i]) for i, axis in enumerate("xyz")),
        *(Column(f"{prefix}q{axis}", "", f"{what} orientation", turn[:, i]) for i, axis in enumerate("xyzw")),
    ]


def annotation_words(note: Annotation) -> str:
    """An annotation in one line, such as ``major drift: the lane is lost``."""
    head = " ".join(part for part in (note.severity, note.label) if part)
    return " ".join(f"{head}: {note.text}".split()) if note.text else head


def write_csv(bundle: Exported, path: Path, progress: Progress = no_progress) -> None:
    """Write one line a sample under a line of names; an empty cell is a value that does not exist.

    Raises:
        ValueError: where there is no such folder.
    """
    columns = table_columns(bundle)
    names = [f"{c.name}_{_SUFFIX[c.unit]}" if c.unit in _SUFFIX else c.name for c in columns]
    names += [f"latent_{i}" for i in range(bundle.latents.shape[1])]
    cells = [_cells(column.values) for column in columns]
    cells += [_cells(bundle.latents[:, i]) for i in range(bundle.latents.shape[1])]
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for i, row in enumerate(zip(*cells)):
            if i % 256 == 0:
                progress(i / len(bundle))
            writer.writerow(row)


def _cells(values: NDArray) -> list[str]:
    if values.dtype.kind == "f":
        # repr of a NumPy scalar names its type; str of float32 is its own shortest form.
        return ["" if not np.isfinite(v) else str(v) for v in values]
    return [str(v) for v in values.tolist()]


def arrow_table(bundle: Exported) -> pa.Table:
    """The table in Arrow: missing values are null, latents one list column, units in the fields' metadata."""
    import pyarrow as pa

    fields, arrays = [], []
    for column in table_columns(bundle):
        array = _arrow(column.values)
        about = {"unit": column.unit, "description": column.description}
        fields.append(pa.field(column.name, array.type, metadata=about))
        arrays.append(array)
    known = np.isfinite(bundle.latents).all(axis=1)
    flat = pa.array(np.ascontiguousarray(bundle.latents).ravel())
    latents = pa.FixedSizeListArray.from_arrays(flat, bundle.latents.shape[1], mask=pa.array(~known))
    fields.append(pa.field("latent", latents.type, metadata={"unit": "", "description": "latent action"}))
    arrays.append(latents)
    metadata: dict[bytes, bytes] = {
        f"lapose_{key}".encode(): text.encode() for key, text in bundle.description().items()
    }
    metadata[ANNOTATIONS_KEY] = json.dumps([annotation_row(a) for a in bundle.annotations]).encode()
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=metadata))


def _arrow(values: NDArray) -> Any:
    import pyarrow as pa

    if values.dtype.kind == "f":
        return pa.array(values, mask=np.isnan(values))
    if values.dtype.kind in "iu":
        return pa.array(values)
    return pa.array([str(v) or None for v in values.tolist()], pa.string())


def write_parquet(bundle: Exported, path: Path, progress: Progress = no_progress) -> None:
    """Write one row a sample; the file's metadata holds what was exported and the annotations in full.

    Raises:
        ValueError: where there is no such folder.
    """
    import pyarrow.parquet as pq

    table = arrow_table(bundle)
    progress(0.5)
    with replacing(path) as part:
        pq.write_table(table, part)
