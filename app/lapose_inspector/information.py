"""What the drive's information dialog says."""

from __future__ import annotations

import numpy as np

from lapose_core.drive import Drive, Track
from lapose_core.geometry import path_length
from lapose_inspector.models.log import OpenLog
from lapose_inspector.models.session import Session

Section = tuple[str, list[tuple[str, str]]]


def drive_information(session: Session) -> list[Section]:
    """Headed rows about the open drive and its analysis.

    Raises:
        ValueError: where no drive is open.
    """
    drive = session.drive
    if drive is None:
        raise ValueError("no drive is open")
    return [
        ("Log", _log(drive, session.log)),
        ("Camera", _camera(drive)),
        ("Ground truth", _truth(drive, session.log)),
        ("Recorded", [(name, track_text(track)) for name, track in drive.tracks.items()]),
        ("Where the values come from", [(k, v) for k, v in drive.provenance.items()]),
        ("Notes", [("", note) for note in drive.notes]),
        ("Analysis", _analysis(session)),
    ]


def _log(drive: Drive, log: OpenLog | None) -> list[tuple[str, str]]:
    return [
        ("Name", drive.name),
        ("Path", str(drive.path)),
        *([("Drive", log.drive)] if log is not None and log.drive else []),
        *([("Camera", log.camera)] if log is not None and log.camera else []),
        ("Format", drive.format),
        ("Frames", f"{len(drive)}, {drive.width}×{drive.height} pixels"),
        ("Duration", f"{drive.duration:.2f} s at {drive.rate:.2f} frames per second (median)"),
        ("Fingerprint", drive.fingerprint),
    ]


def _camera(drive: Drive) -> list[tuple[str, str]]:
    k = drive.intrinsics
    if k is None:
        return [("Intrinsics", "unknown")]
    rows = [
        ("Focal length", f"fx {k.fx:.2f}, fy {k.fy:.2f} pixels"),
        ("Principal point", f"cx {k.cx:.2f}, cy {k.cy:.2f} pixels"),
        ("Field of view", f"{np.degrees(k.fov_x):.1f}° horizontally"),
    ]
    if k.model != "none":
        rows.append(("Distortion", f"{k.model}: " + ", ".join(f"{v:g}" for v in k.distortion)))
    return rows


def _truth(drive: Drive, log: OpenLog | None) -> list[tuple[str, str]]:
    if drive.poses is None or drive.pose_valid is None:
        return [("Poses", "none in this log; File > Poses of this drive adds them")]
    known = int(drive.pose_valid.sum())
    rows = [
        ("Poses", f"{known} of {len(drive)} frames"),
        ("Path length", f"{path_length(drive.poses[drive.pose_valid]):.1f} m"),
    ]
    if log is not None and log.sanity is not None:
        rows.append(("Check", log.sanity.words))
        rows += [("Problem", problem) for problem in log.problems]
    return rows


def track_text(track: Track) -> str:
    """How many values a track has, of which unit, and from where."""
    return f"{len(track.times)} values in {track.unit}, from {track.source}"


def _analysis(session: Session) -> list[tuple[str, str]]:
    info, analysis = session.model_info, session.analysis
    rows = []
    if info is not None:
        rows.append(("Model", f"{info.name} ({info.checkpoint_hash}), {info.parameters / 1e6:.1f} M parameters"))
    if session.crop is not None:
        c = session.crop
        how = ", without the lens's distortion" if c.outline else ""
        rows.append(("Model crop", f"{c.width}×{c.height} pixels at left {c.left}, top {c.top}{how}"))
    if analysis is not None and session.drive is not None:
        rows.append(("Model's camera", analysis.camera.describe()))
        rows.append(("Samples", f"{len(analysis)} at {session.drive.even_rate(analysis.rate):.3g} Hz"))
        rows.append(("Windows", f"{len(analysis.windows_done)} of {analysis.n_windows} done"))
        rows += [(f"Window {i} failed", why) for i, why in sorted(analysis.failed_windows.items())]
        if session.alignment_text:
            rows.append(("Alignment", session.alignment_text))
    return rows
