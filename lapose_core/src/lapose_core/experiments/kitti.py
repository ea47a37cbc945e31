"""A real drive that nothing was trained on: KITTI odometry 00, frames 0-89, beside geometry that knows the camera."""

from __future__ import annotations

from functools import partial
from typing import Any

from tqdm import tqdm

from lapose_core.drive import Drive
from lapose_core.evaluation.classical_drives import load_baselines, run_baseline
from lapose_core.evaluation.drives import DriveClips, predict_drive
from lapose_core.evaluation.evaluate import Evaluation, evaluate_clips, summarise
from lapose_core.experiments.context import Context
from lapose_core.experiments.record import Experiment, key, remembered
from lapose_core.experiments.scoring import row_of
from lapose_core.experiments.tables import INFORMED
from lapose_core.logs import list_drives, open_log

TURNING = frozenset({"gentle", "medium", "sharp"})  # all but straight: mean |curvature| of at least 0.001 1/m


def settings(context: Context) -> dict[str, Any]:
    return {
        "checkpoint": context.model_hash,
        "rates": context.sizes.kitti_rates,
        "strides": context.sizes.kitti_strides,
        "methods": _methods(context),
        "drives": [[d.name, len(d)] for d in kitti_drives(context)],
        "turning": sorted(TURNING),
    }


def _methods(context: Context) -> list[str]:
    return [name for name in context.sizes.kitti_methods if context.slow or name != "colmap"]


def kitti_drives(context: Context) -> list[Drive]:
    """The drives of KITTI odometry that are here.

    Raises:
        Unavailable: where none is.
    """
    folder = context.shared_folder("kitti_odometry")
    return [open_log(folder, drive=listing.key) for listing in list_drives(folder)[1]]


def run(context: Context) -> dict[str, Any]:
    model = context.model()
    rows, coverage = [], []
    notes = {f"{name}; run without --no-slow" for name in context.sizes.kitti_methods if name not in _methods(context)}
    for drive in kitti_drives(context):
        for rate, stride in rates(context):
            found = predict_drive(model, drive, rate, stride=stride)
            rows += _rows(evaluate_clips(found.clips), "model", rate, drive.name)
            if found.told:
                rows += _rows(evaluate_clips(found.told), INFORMED, rate, drive.name)
            for name in _methods(context):
                part = context.work / "kitti" / f"{name}-{key([drive.name, len(drive), rate, stride])}.json"
                try:
                    result = remembered(part, partial(_classical, name, drive, found, rate))
                except ValueError as error:  # its library is not installed
                    notes.add(f"{name}: {error}")
                    continue
                rows += result["rows"]
                coverage.append(result["coverage"])
    return {"rows": rows, "coverage": coverage, "notes": sorted(notes)}


def rates(context: Context) -> list[tuple[float, int]]:
    """Frame rates in Hz, and the samples between the beginnings of clips at each."""
    return list(zip(context.sizes.kitti_rates, context.sizes.kitti_strides, strict=True))


def _classical(name: str, drive: Drive, found: DriveClips, rate: float) -> dict[str, Any]:
    method = load_baselines([name], [drive])[name]
    with tqdm(total=len(found.clips), desc=f"{name} {rate:g} Hz", mininterval=5) as bar:
        result = run_baseline(name, method, [drive], [found], bar.update)
    rows = _rows(result.evaluation, name, rate, drive.name)
    placed = {"method": name, "rate": rate, "frames": result.coverage, "scaled_clips": result.scaled}
    return {"rows": rows, "coverage": {**placed, "clips": len(result.trajectories)}}


def _rows(evaluation: Evaluation, method: str, rate: float, drive: str) -> list[dict[str, Any]]:
    """All clips, and those that turn."""
    groups = {"all": evaluation.scores, "turning": [s for s in evaluation.scores if s.regimes & TURNING]}
    return [
        without_intervals(row_of(summarise(scores), method=method, rate=rate, drive=drive, regime=name))
        for name, scores in groups.items()
        if scores
    ]


def without_intervals(row: dict[str, Any]) -> dict[str, Any]:
    """A row over clips that overlap: they are not independent, and an interval over them would be too narrow."""
    return {**row, "intervals": {}}


EXPERIMENT = Experiment("kitti", settings, run)
