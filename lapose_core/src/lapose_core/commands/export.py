"""``lapose export``: a trajectory of an analysed drive as a file for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from lapose_core.commands.log_choice import LogChoice

if TYPE_CHECKING:
    from lapose_core.geometry import Array
    from lapose_core.inference.result import DriveAnalysis


@dataclass(frozen=True)
class Export(LogChoice):
    """Write the predicted or the true trajectory of an analysed drive as a TUM or KITTI file."""

    result: tyro.conf.Positional[Path]
    """Folder that `lapose analyze` wrote."""

    to: Literal["tum", "kitti"]
    """tum: timestamp tx ty tz qx qy qz qw. kitti: 12 numbers of the 3x4 matrix, row by row, without times."""

    out: Path
    """File to write; an existing one is replaced."""

    which: Literal["predicted", "truth"] = "predicted"
    """Which trajectory."""

    align: Literal["raw", "se3", "sim3"] = "raw"
    """How the prediction is brought onto the truth, where there is one: raw puts the first pose on the true
    first pose; se3 and sim3 (with scale) are least squares over the camera centres."""

    segment: int | None = None
    """Which contiguous piece of an analysis with gaps (0 is the first)."""

    log: Path | None = None
    """Log to take the true poses from, where the result has none."""

    def run(self) -> int:
        from lapose_core.export.kitti import write_kitti
        from lapose_core.export.tum import write_tum
        from lapose_core.inference.store import read_result

        analysis = read_result(self.result)
        if self.log is not None:
            from lapose_core.evaluation.aligned import with_truth

            analysis = with_truth(analysis, self.open(self.log))
        times, trajectory, words = self._truth(analysis) if self.which == "truth" else self._predicted(analysis)
        if self.to == "tum":
            model = f"model {analysis.checkpoint_name} ({analysis.checkpoint_hash}), {analysis.rate:g} Hz"
            source = [model] if self.which == "predicted" else []
            header = [f"{self.which} trajectory of {analysis.drive_name}", *source, words]
            write_tum(self.out, times, trajectory, [*header, "camera-to-world, x right, y down, z forward"])
        else:
            write_kitti(self.out, trajectory)
        print(f"{self.out}: {len(trajectory)} {self.which} poses, {words}")
        return 0

    def _truth(self, analysis: DriveAnalysis) -> tuple[Array, Array, str]:
        if analysis.truth is None or analysis.truth_valid is None or not analysis.truth_valid.any():
            raise ValueError(f"{self.result}: the result has no true poses; give the log that has them with --log")
        valid = analysis.truth_valid
        if self.to == "kitti" and not valid.all():
            raise ValueError(
                f"{self.result}: {int((~valid).sum())} of {len(valid)} samples have no true pose and a KITTI "
                "file has no times to tell which: export --to tum"
            )
        return (
            analysis.times[valid],
            analysis.truth[valid],
            f"{int(valid.sum())} of {len(valid)} samples known",
        )

    def _predicted(self, analysis: DriveAnalysis) -> tuple[Array, Array, str]:
        from lapose_core.evaluation.aligned import aligned_segment

        segments = analysis.segments()
        if not segments:
            raise ValueError(f"{self.result}: nothing is analysed yet; run `lapose analyze` on this log first")
        number = self.segment if self.segment is not None else 0
        if (self.segment is None and len(segments) > 1) or not 0 <= number < len(segments):
            pieces = ", ".join(
                f"{i}: frames {analysis.frames[a]}-{analysis.frames[b - 1]}" for i, (a, b) in enumerate(segments)
            )
            raise ValueError(
                f"{self.result}: the analysis has {len(segments)} pieces that do not join ({pieces}); finish "
                "it with `lapose analyze` or choose one with --segment"
            )
        start, stop = segments[number]
        piece = aligned_segment(analysis, start, stop, self.align)
        return analysis.times[start:stop], piece.poses, f"alignment {piece.alignment}"
