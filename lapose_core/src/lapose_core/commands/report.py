"""``lapose report``: an HTML page about an analysed drive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from lapose_core.commands.log_choice import LogChoice


@dataclass(frozen=True)
class Report(LogChoice):
    """Write one self-contained HTML file about an analysed drive: figures, regimes, plots."""

    result: tyro.conf.Positional[Path]
    """Folder that `lapose analyze` wrote."""

    out: Path | None = None
    """File to write; by default report.html in the result's folder."""

    align: Literal["raw", "se3", "sim3"] = "se3"
    """How the prediction is brought onto the truth in the top view."""

    log: Path | None = None
    """The log, for pictures, and for the true poses where the result has none."""

    def run(self) -> int:
        from lapose_core.evaluation.evaluate import number, table
        from lapose_core.evaluation.report import write_report
        from lapose_core.inference.store import read_result

        analysis = read_result(self.result)
        drive = None
        if self.log is not None:
            from lapose_core.evaluation.aligned import require_same_samples, with_truth

            drive = self.open(self.log)
            require_same_samples(analysis, drive)
            if drive.poses is not None:
                analysis = with_truth(analysis, drive)
        out = self.out or self.result / "report.html"
        evaluation = write_report(analysis, out, alignment=self.align, drive=drive)
        if evaluation is not None:
            print(table(evaluation))
            skill = number(evaluation.overall.skill_auc5_signed, 3)
            print(f"skill over constant-forward, AUC@5 signed: {skill}")
        print(f"report: {out}")
        return 0
