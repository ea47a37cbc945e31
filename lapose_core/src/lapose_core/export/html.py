"""The report as an export: of the whole drive, with the chosen alignment and annotations."""

from __future__ import annotations

from pathlib import Path

from lapose_core.export.bundle import Exported
from lapose_core.export.files import Progress, no_progress


def write_html(bundle: Exported, path: Path, progress: Progress = no_progress) -> None:
    """Write one page that opens without a network.

    Raises:
        ValueError: where nothing is analysed yet, or there is no such folder.
    """
    from lapose_core.evaluation.report import write_report

    write_report(
        bundle.analysis,
        path,
        alignment=bundle.choice.alignment,
        drive=bundle.drive,
        annotations=bundle.annotations,
        progress=progress,
    )
