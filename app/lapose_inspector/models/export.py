"""The shown trajectory as a file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from lapose_core.export.kitti import write_kitti
from lapose_core.export.tum import write_tum
from lapose_inspector.models.session import PathSegment, Session


def default_name(drive: str, what: str, form: str) -> str:
    """A file name such as ``00.predicted.tum`` (KITTI files end in .txt)."""
    safe = re.sub(r"[^\w.-]+", "_", drive).strip("._") or "drive"
    return f"{safe}.{what}.{'tum' if form == 'tum' else 'txt'}"


def write_trajectory(session: Session, path: Path, what: str, form: str) -> int:
    """Write the ``predicted`` (as aligned on screen) or the ``truth`` trajectory; returns how many poses.

    A KITTI file has one pose for every line and no times, so it cannot hold a trajectory with gaps.

    Raises:
        ValueError: where there is nothing to write, or a KITTI file would have gaps.
        OSError: where the disk refuses.
    """
    if session.drive is None:
        raise ValueError("no drive is open")
    segments = session.predicted_segments() if what == "predicted" else session.true_segments()
    if not segments:
        missing = "nothing is analysed yet" if what == "predicted" else "this drive has no ground truth"
        raise ValueError(f"{session.drive.name}: {missing}")
    if form == "kitti":
        _require_one(segments, what)
        write_kitti(path, segments[0].poses)
        return len(segments[0].poses)
    frames = np.concatenate([s.frames for s in segments])
    poses = np.concatenate([s.poses for s in segments])
    write_tum(path, session.drive.timestamps[frames], poses, _comments(session, what))
    return len(poses)


def _require_one(segments: list[PathSegment], what: str) -> None:
    if len(segments) > 1:
        cure = "let the analysis finish first" if what == "predicted" else "export it as TUM, which has times"
        raise ValueError(
            f"the {what} trajectory is in {len(segments)} pieces, and a KITTI file cannot have gaps: {cure}"
        )


def _comments(session: Session, what: str) -> list[str]:
    assert session.drive is not None
    out = [f"{what} trajectory of {session.drive.name}, camera-to-world, metres, seconds"]
    if what == "predicted" and session.analysis is not None:
        analysis = session.analysis
        out.append(f"model {analysis.checkpoint_name} {analysis.checkpoint_hash} at {analysis.rate:g} Hz")
        out.append(session.alignment_text)
    return out
