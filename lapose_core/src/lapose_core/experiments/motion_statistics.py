"""The motion of the synthetic world beside that of the real drives."""

from __future__ import annotations

from typing import Any

from lapose_core.evaluation.motion_statistics import compare
from lapose_core.experiments.context import Context, Unavailable
from lapose_core.experiments.record import Experiment


def settings(context: Context) -> dict[str, Any]:
    if context.shared is None or not context.shared.is_dir():
        raise Unavailable("the real drives; give their folder with --shared")
    return {"worlds": context.sizes.motion_worlds, "drives": sorted(p.name for p in context.shared.iterdir())}


def run(context: Context) -> dict[str, Any]:
    assert context.shared is not None
    found = compare(context.shared, context.work / "motion_statistics", context.sizes.motion_worlds)
    rows = []
    for kind in ("synthetic", "real"):
        for drive, quantities in found[kind].items():
            rows += [{"kind": kind, "drive": drive, "quantity": q, **values} for q, values in quantities.items()]
    return {"rows": rows, "covered": found["covered"]}


EXPERIMENT = Experiment("motion_statistics", settings, run)
