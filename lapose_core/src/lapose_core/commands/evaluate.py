"""``lapose evaluate``: the model's pose figures on logs with ground truth, beside constant-forward."""

from __future__ import annotations

import json as json_module
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from lapose_core.commands.log_choice import LogChoice


@dataclass(frozen=True)
class Evaluate(LogChoice):
    """Measure a checkpoint on logs with ground truth: AUC, ATE, scale, per motion regime.

    Each log is cut into clips of the model's window, each estimated by itself. Constant-forward is scored
    on the same clips, because a score says nothing until that baseline stands beside it. The camera is unknown to the
    model, as in the paper's protocol; where the log knows it and the model can be told, both are reported.
    """

    logs: tyro.conf.Positional[tuple[Path, ...]]
    """Logs with ground-truth poses."""

    checkpoint: Path | None = None
    """Checkpoint folder; by default LAPOSE_CHECKPOINT, else the bundled nano checkpoint."""

    rate: float = 2.0
    """Frames per second that the clips are sampled at."""

    stride: int | None = None
    """Samples between the beginnings of neighbouring clips; by default the window, so that none overlap.
    Overlapping clips are not independent: the intervals over them are too narrow."""

    json: Path | None = None
    """Write everything, clip by clip, to this file."""

    batch: int = 4
    """Clips per step of the model."""

    device: str = "auto"
    """Where the model runs: auto, cpu, cuda, cuda:1 ..."""

    baselines: tuple[Literal["opencv", "colmap"], ...] = ()
    """Classical geometry on the same clips, with the log's true intrinsics and camera height. Needs the extra
    lapose-core[classical]; seconds a frame."""

    def run(self) -> int:
        from tqdm import tqdm

        from lapose_core.device import choose_device
        from lapose_core.evaluation.classical_drives import (
            baseline_footnote,
            baseline_table,
            load_baselines,
            run_baseline,
        )
        from lapose_core.evaluation.drives import plan_clips, predict_drive
        from lapose_core.evaluation.evaluate import evaluate_clips, table
        from lapose_core.export.files import write_text
        from lapose_core.resources import default_checkpoint
        from lapose_core.training.checkpoints import checkpoint_hash, load_checkpoint

        if not self.logs:
            raise ValueError("evaluate: name at least one log")
        if self.chosen() and len(self.logs) > 1:
            raise ValueError(f"evaluate: {self.chosen()[0]} belongs to one log, but several are named")
        drives = [self.open(log) for log in self.logs]
        methods = load_baselines(self.baselines, drives)
        checkpoint = self.checkpoint or default_checkpoint()
        model = load_checkpoint(checkpoint, device=choose_device(self.device))

        total = sum(len(plan_clips(d, self.rate, model.config.window, self.stride)) for d in drives)
        with tqdm(total=total, unit="clip", disable=None) as bar:
            found = [
                predict_drive(model, drive, self.rate, stride=self.stride, batch=self.batch, progress=bar.update)
                for drive in drives
            ]
        clips = [clip for drive in found for clip in drive.clips]
        if not clips:
            reasons = [f"{d.path}: {r}" for d in found for r in d.unreadable.values()]
            raise ValueError(
                "no clip could be evaluated: " + (reasons[0] if reasons else "none has known poses throughout")
            )
        evaluation = evaluate_clips(clips)
        baselines = []
        for name, method in methods.items():
            with tqdm(total=len(clips), unit="clip", desc=name, disable=None) as bar:
                baselines.append(run_baseline(name, method, drives, found, bar.update))

        logs: list[dict[str, Any]] = [
            {
                "name": d.name,
                "path": d.path,
                "camera": d.camera.to_json(),
                "clips": len(d.clips),
                "without_truth": d.without_truth,
                "unreadable": d.unreadable,
            }
            for d in found
        ]
        document = evaluation.to_json(
            {
                "rate_hz": self.rate,
                "window": model.config.window,
                "stride": self.stride or model.config.window,
                "checkpoint": checkpoint.resolve().name,
                "checkpoint_hash": checkpoint_hash(checkpoint),
                "clip_cutting": "each clip estimated by itself; windows are not blended",
            }
        )
        document["logs"] = logs
        told = [clip for drive in found for clip in drive.told]
        informed = evaluate_clips(told) if len(told) == len(clips) else None
        document["camera"] = "unknown to the model"
        document["camera_known"] = None if informed is None else informed.to_json()
        document["baselines"] = {b.name: b.to_json() for b in baselines}
        document["excluded"] = {
            "standstill": evaluation.overall.clips - evaluation.overall.counted,
            "without_truth": sum(d.without_truth for d in found),
            "unreadable": sum(len(d.unreadable) for d in found),
        }
        if self.json is not None:
            write_text(self.json, json_module.dumps(document, indent=1, allow_nan=False) + "\n")
        print(table(evaluation))
        if informed is not None:
            cameras = sorted({d.camera.describe() for d in found})
            print(f"\nthe camera known ({'; '.join(cameras)}):\n\n{table(informed)}\n")
        if baselines:
            print(f"\n{baseline_table(baselines, evaluation)}\n")
        print(_footnote(document))
        if baselines:
            print(baseline_footnote(baselines))
        return 0


def _footnote(document: dict[str, Any]) -> str:
    settings, excluded = document["settings"], document["excluded"]
    lines = [
        f"{settings['checkpoint']} ({settings['checkpoint_hash']}), {settings['rate_hz']:g} Hz, clips of "
        f"{settings['window']} frames, {settings['stride']} apart, from {len(document['logs'])} log(s)",
        f"forward: {settings['forward_baseline']}. {settings['interval']}",
        f"ATE: {settings['alignment']}; ATE-S magnitude: {settings['ate_s_magnitude']}",
        f"left out of AUC, ATE-S and scale: {excluded['standstill']} standing clips. Left out altogether: "
        f"{excluded['without_truth']} without truth, {excluded['unreadable']} unreadable",
    ]
    if document["non_finite"]:
        lines.append(f"{document['non_finite']} clips have predictions that are not finite: misses in AUC, no ATE")
    return "\n".join(lines)
