"""`lapose info`: what a driving log holds."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from lapose_core.commands.log_choice import LogChoice
from lapose_core.drive import Drive
from lapose_core.geometry import curvature, path_length, relative
from lapose_core.logs.reader import Listing
from lapose_core.logs.sanity import VEHICLE_AXES, check_poses

# Curvature over a shorter time than this is mostly the noise of the poses.
_RATE = 10.0
_EDGES = (0.001, 0.01, 0.1)
_CLASSES = ("straight", "gentle", "medium", "sharp")


@dataclass(frozen=True)
class Info(LogChoice):
    """Print what a driving log holds: format, frames, size, rate, poses and whether they are sound, camera, path
    and curvature. Of a data set with several drives, print the list of them."""

    path: Annotated[Path, tyro.conf.Positional]
    """A video, a folder of pictures, a data set or a drive of one (docs/logs.md)."""

    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> int:
        """Print the table; the exit code. Raises LogError where the log cannot be read."""
        if self.drive is None:
            from tqdm import tqdm

            from lapose_core.logs import list_drives

            with tqdm(desc="listing", unit=" drives", leave=False, disable=None) as bar:
                reader, listings = list_drives(self.path, lambda _, found: bar.update(len(found) - bar.n))
            if len(listings) > 1:
                values = {"path": str(self.path), "format": reader.name, "drives": [asdict(e) for e in listings]}
                print(json_format.dumps(values, indent=2) if self.json else drives_table(reader.title, listings))
                return 0
        summary = summarise(self.open(self.path))
        print(json_format.dumps(summary, indent=2) if self.json else table(summary))
        return 0


def summarise(drive: Drive) -> dict[str, Any]:
    """The facts of a drive as plain values: metres, seconds, Hz, degrees, shares from 0 to 1."""
    summary: dict[str, Any] = {
        "name": drive.name,
        "path": str(drive.path),
        "format": drive.format,
        "frames": len(drive),
        "width": drive.width,
        "height": drive.height,
        "duration_s": drive.duration,
        "rate_hz": drive.rate,
        "poses": None,
        "intrinsics": None,
        "path_length_m": None,
        "motion": None,
        "pose_check": None,
        "tracks": {name: track.unit for name, track in drive.tracks.items()},
        "point_clouds": drive.point_cloud is not None,
        "regimes": sorted(drive.regimes),
        "provenance": dict(drive.provenance),
        "notes": list(drive.notes),
        "fingerprint": drive.fingerprint,
    }
    camera = drive.intrinsics
    if camera is not None:
        summary["intrinsics"] = {
            "fx": camera.fx,
            "fy": camera.fy,
            "cx": camera.cx,
            "cy": camera.cy,
            "fov_x_deg": float(np.degrees(camera.fov_x)),
            "distortion": camera.model,
        }
    if drive.poses is not None and drive.pose_valid is not None:
        runs = _valid_runs(drive.pose_valid)
        summary["poses"] = int(drive.pose_valid.sum())
        summary["path_length_m"] = sum(path_length(drive.poses[a:b]) for a, b in runs)
        summary["motion"] = motion_shares(drive)
        check = check_poses(drive)
        if check is not None:
            summary["pose_check"] = {**asdict(check), "words": check.words}
    return summary


def motion_shares(drive: Drive) -> dict[str, float] | None:
    """Shares of the time spent in each kind of motion, summing to 1; None without two poses in a row.

    Between frames about 0.1 s apart: ``standstill`` under 2 cm of movement, ``reverse`` backwards along the
    optical axis, and the rest by curvature |k| in 1/m.
    """
    if drive.poses is None or drive.pose_valid is None:
        return None
    kinds: list[str] = []
    weights: list[float] = []
    sampled = drive.indices_at_rate(_RATE)
    for start, stop in _valid_runs(drive.pose_valid[sampled]):
        frames = sampled[start:stop]
        if len(frames) < 2:
            continue
        poses = drive.poses[frames]
        bend = np.abs(curvature(poses))
        forward = relative(poses)[:, 2, 3]
        for k, ahead in zip(bend, forward):
            if np.isnan(k):
                kinds.append("standstill")
            elif ahead < 0:
                kinds.append("reverse")
            else:
                kinds.append(_CLASSES[int(np.searchsorted(_EDGES, k, side="right"))])
        weights += list(np.diff(drive.timestamps[frames]))
    if not kinds:
        return None
    total = sum(weights)
    names = (*_CLASSES, "standstill", "reverse")
    return {n: sum(w for kind, w in zip(kinds, weights) if kind == n) / total for n in names}


def table(summary: dict[str, Any]) -> str:
    """The summary as aligned lines."""
    origin = summary["provenance"]

    def source(field: str) -> str:
        return f"  ({origin[field]})" if field in origin else ""

    camera = summary["intrinsics"]
    rows = [
        ("name", summary["name"]),
        ("format", summary["format"]),
        ("frames", f"{summary['frames']}{source('frames')}"),
        ("size", f"{summary['width']} x {summary['height']}"),
        ("duration", f"{summary['duration_s']:.2f} s"),
        ("rate", f"{summary['rate_hz']:.2f} Hz{source('timestamps')}"),
        ("poses", "none"),
        ("intrinsics", "none"),
    ]
    if summary["poses"] is not None:
        rows[6] = ("poses", f"{summary['poses']} of {summary['frames']} frames{source('poses')}")
    if camera is not None:
        rows[7] = (
            "intrinsics",
            f"fx {camera['fx']:.2f}  fy {camera['fy']:.2f}  cx {camera['cx']:.2f}  cy {camera['cy']:.2f}"
            + ("" if camera["distortion"] == "none" else f"  {camera['distortion']}")
            + source("intrinsics"),
        )
        rows.append(("field of view", f"{camera['fov_x_deg']:.1f} deg horizontal"))
    if summary["path_length_m"] is not None:
        rows.append(("path length", f"{summary['path_length_m']:.1f} m"))
    check = summary["pose_check"]
    if check is not None:
        rows.append(("pose check", check["words"]))
    if summary["tracks"]:
        rows.append(("tracks", ", ".join(f"{name} ({unit})" for name, unit in summary["tracks"].items())))
    if summary["point_clouds"]:
        rows.append(("point clouds", "yes"))
    if summary["regimes"]:
        rows.append(("regimes", ", ".join(summary["regimes"])))
    width = max(len(label) for label, _ in rows)
    lines = [f"{label:<{width}}  {value}" for label, value in rows]
    if summary["motion"] is not None:
        lines += ["", "curvature |k|, share of time"]
        limits = {
            "straight": "|k| < 0.001 1/m",
            "gentle": "0.001 to 0.01",
            "medium": "0.01 to 0.1",
            "sharp": "|k| > 0.1",
        }
        for name, share in summary["motion"].items():
            bar = "#" * round(40 * share)
            lines.append(f"  {name:<10}  {limits.get(name, ''):<15}  {share:6.1%}  {bar}".rstrip())
    problems = [] if check is None else [f"PROBLEM: {problem}" for problem in check["problems"]]
    if any(VEHICLE_AXES in problem for problem in problems):
        problems.append("try --pose-frame flu, or --pose-frame frd")
    said = [*problems, *(f"note: {note}" for note in summary["notes"])]
    return "\n".join([*lines, "", *said] if said else lines)


def drives_table(title: str, listings: Sequence[Listing]) -> str:
    """The drives of a data set as aligned lines: name for --drive, frames, seconds, cameras, description."""
    rows = [("drive", "frames", "seconds", "cameras", "description")]
    for drive in listings:
        rows.append(
            (
                drive.key,
                "-" if drive.frames is None else str(drive.frames),
                "-" if drive.seconds is None else f"{drive.seconds:.1f}",
                ", ".join(drive.cameras) or "-",
                "; ".join(part for part in (drive.name if drive.name != drive.key else "", drive.description) if part),
            )
        )
    widths = [min(max(len(row[i]) for row in rows), 60) for i in range(4)]
    lines = [f"{title}: {len(listings)} drives; choose one with --drive", ""]
    for key, frames, seconds, cameras, words in rows:
        cells = f"{key:<{widths[0]}}  {frames:>{widths[1]}}  {seconds:>{widths[2]}}  {cameras:<{widths[3]}}  {words}"
        lines.append(cells.rstrip())
    return "\n".join(lines)


def _valid_runs(valid: np.ndarray) -> list[tuple[int, int]]:
    """[start, stop) of each run of True in ``valid`` [N]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], valid.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2])]
