"""``lapose report``: an HTML page about an analysed drive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from lapose_core.commands.log_choice import LogChoice

if TYPE_CHECKING:
    from lapose_core.evaluation.report import Subject


@dataclass(frozen=True)
class Report(LogChoice):
    """Write one self-contained HTML file about one or several analysed drives: figures, worst segments, plots."""

    result: tyro.conf.Positional[tuple[Path, ...]]
    """Folders that `lapose analyze` wrote."""

    out: Path | None = None
    """File to write; by default report.html in the result's folder, or the first one's."""

    align: Literal["raw", "se3", "sim3"] = "se3"
    """How the prediction is brought onto the truth in the top view."""

    log: Path | None = None
    """The log of a single result, for pictures, and for the true poses where the result has none."""

    annotations: Path | None = None
    """Annotations of a single result's drive, a JSON sidecar."""

    pictures: bool = False
    """Take the pictures from the logs that the results were made from, where they are still there."""

    def run(self) -> int:
        from lapose_core.evaluation.evaluate import table
        from lapose_core.evaluation.numbers import number
        from lapose_core.evaluation.report import write_report, write_set_report

        if not self.result:
            raise ValueError("report: name at least one folder that `lapose analyze` wrote")
        if len(self.result) > 1 and (self.log is not None or self.annotations is not None):
            raise ValueError("report: --log and --annotations belong to a single result; --pictures serves several")
        subjects = [self._subject(folder) for folder in self.result]
        out = self.out or self.result[0] / "report.html"
        if len(subjects) == 1:
            (s,) = subjects
            evaluation = write_report(s.analysis, out, alignment=self.align, drive=s.drive, annotations=s.annotations)
        else:
            evaluation = write_set_report(subjects, out, alignment=self.align)
        if evaluation is not None:
            print(table(evaluation))
            skill = number(evaluation.overall.skill_auc5_signed, 3)
            print(f"skill over constant-forward, AUC@5 signed: {skill}")
        print(f"report: {out}")
        return 0

    def _subject(self, folder: Path) -> Subject:
        from lapose_core.annotations import read_annotations
        from lapose_core.evaluation.aligned import require_same_samples, with_truth
        from lapose_core.evaluation.report import Subject
        from lapose_core.inference.store import read_result

        analysis = read_result(folder)
        log = self.log
        if log is None and self.pictures and Path(analysis.drive_path).exists():
            log = Path(analysis.drive_path)
        drive = None
        if log is not None:
            drive = self.open(log)
            require_same_samples(analysis, drive)
            if drive.poses is not None:
                analysis = with_truth(analysis, drive)
        notes = () if self.annotations is None else tuple(read_annotations(self.annotations))
        return Subject(analysis, drive, notes)
