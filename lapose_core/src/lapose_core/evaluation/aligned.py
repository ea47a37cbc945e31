"""The predicted trajectory of an analysed drive, brought onto the truth as far as there is one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive, LogError
from lapose_core.evaluation.evaluate import Clip
from lapose_core.evaluation.metrics import Alignment, align
from lapose_core.geometry import Array, Similarity
from lapose_core.inference.result import DriveAnalysis

_NAMES = {"raw": "raw (first pose on the truth's first)", "se3": "SE(3)", "sim3": "Sim(3)"}


@dataclass(frozen=True)
class AlignedSegment:
    """A contiguous piece of a predicted trajectory.

    Attributes:
        start, stop: samples [start, stop) of the analysis.
        poses: [stop - start, 4, 4] camera-to-world, aligned; from the identity where there is no truth.
        matched: [stop - start] samples whose true pose is known, on which the alignment rests.
        similarity: what was applied, None where nothing was.
        alignment: the same in words, to be shown beside every figure.
    """

    start: int
    stop: int
    poses: Array
    matched: NDArray[np.bool_]
    similarity: Similarity | None
    alignment: str


def aligned_segment(analysis: DriveAnalysis, start: int, stop: int, mode: Alignment) -> AlignedSegment:
    """One of ``analysis.segments()``, aligned on its samples with known truth.

    Raises:
        ValueError: where the segment is not analysed, or the mode is unknown.
    """
    poses = analysis.trajectory(start, stop)
    matched = np.zeros(stop - start, dtype=bool)
    if analysis.truth is not None and analysis.truth_valid is not None:
        matched = analysis.truth_valid[start:stop]
    if matched.sum() < 2:
        return AlignedSegment(start, stop, poses, matched, None, "none: there is no ground truth here")
    assert analysis.truth is not None
    similarity = align(poses[matched], analysis.truth[start:stop][matched], mode)
    words = f"{_NAMES[mode]}, {int(matched.sum())} of {len(matched)} samples matched"
    if mode == "sim3":
        words += f", scale x{similarity.scale:.3f} applied"
    return AlignedSegment(start, stop, similarity.poses(poses), matched, similarity, words)


def with_truth(analysis: DriveAnalysis, drive: Drive) -> DriveAnalysis:
    """A copy of ``analysis`` that carries the true poses of ``drive`` at its samples.

    Raises:
        LogError: where the drive has no poses, or is not the one that was analysed.
    """
    if drive.poses is None or drive.pose_valid is None:
        raise LogError(f"{drive.path}: the log has no ground-truth poses; pass a pose file with --poses")
    require_same_samples(analysis, drive)
    frames = analysis.frames
    copy = analysis.snapshot()
    copy.truth, copy.truth_valid = drive.poses[frames], drive.pose_valid[frames]
    return copy


def require_same_samples(analysis: DriveAnalysis, drive: Drive) -> None:
    """Check that ``drive`` is the one that was analysed.

    Raises:
        LogError: where its frames at the analysed samples do not exist or have other timestamps.
    """
    frames = analysis.frames
    if frames[-1] >= len(drive) or np.abs(drive.timestamps[frames] - analysis.times).max() > 1e-3:
        raise LogError(
            f"{drive.path}: its timestamps are not those of the analysed {analysis.drive_name}; give the same log"
        )


def analysis_clips(analysis: DriveAnalysis, length: int) -> list[Clip]:
    """The stitched prediction cut into neighbouring clips of ``length`` samples with known truth throughout.

    Clips lie inside contiguous analysed pieces and do not overlap. Where none is whole, the longest piece
    with truth throughout stands for one clip, if it has four samples or more.
    """
    if analysis.truth is None or analysis.truth_valid is None:
        return []
    usable = analysis.done & analysis.truth_valid[:-1] & analysis.truth_valid[1:]
    edges = np.flatnonzero(np.diff(np.concatenate(([False], usable, [False])).astype(np.int8)))
    pieces = [(int(a), int(b) + 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    spans = [(a, a + length) for start, stop in pieces for a in range(start, stop - length + 1, length)]
    if not spans and pieces:
        longest = max(pieces, key=lambda p: p[1] - p[0])
        spans = [longest] if longest[1] - longest[0] >= 4 else []
    return [
        Clip(
            predicted=analysis.trajectory(a, b),
            truth=analysis.truth[a:b],
            times=analysis.times[a:b],
            fov=analysis.fov[a : b - 1],
            log=analysis.drive_name,
            first_frame=int(analysis.frames[a]),
            last_frame=int(analysis.frames[b - 1]),
        )
        for a, b in spans
    ]
