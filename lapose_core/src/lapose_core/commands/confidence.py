"""``lapose confidence``: calibrate how far to trust each transition, test it on unseen drives, and write the report."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Confidence:
    """Calibrate a checkpoint's confidence on synthetic drives and test it on others that it was not calibrated on.

    Writes ``confidence.json`` and ``latent_reference.safetensors`` beside the checkpoint, and a report with pictures.
    What was rendered and measured is kept in the work folder: after an interruption the same command goes on, and
    another checkpoint needs no new drives.
    """

    checkpoint: Path | None = None
    """Checkpoint folder; by default LAPOSE_CHECKPOINT, else the bundled nano checkpoint."""

    work: Path = Path("runs/confidence")
    """Folder for rendered drives and measured signs."""

    report: Path = Path("docs/confidence.md")
    """The report; its pictures go beside it."""

    drives: int = 80
    """Drives to calibrate on, 48 frames each."""

    held_out: int = 50
    """Drives to test on."""

    training: int = 60
    """Training clips, 16 frames each, whose latents are the reference that others are compared with."""

    logs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Real logs with ground-truth poses to test on as well."""

    rate: float = 5.0
    """Frames per second at which the real logs are sampled."""

    device: str = "auto"
    """Where the model runs: auto, cpu, cuda, cuda:1 ..."""

    def run(self) -> int:
        import numpy as np

        from lapose_core.device import choose_device
        from lapose_core.evaluation import confidence_data as data
        from lapose_core.evaluation.confidence import ablation, fit, quality
        from lapose_core.evaluation.confidence_report import write_confidence_report
        from lapose_core.evaluation.evaluate import without_nan
        from lapose_core.inference.confidence import CONFIDENCE
        from lapose_core.inference.latent_reference import REFERENCE, load_reference
        from lapose_core.logs import open_log
        from lapose_core.resources import default_checkpoint
        from lapose_core.training.checkpoints import checkpoint_hash, load_checkpoint

        checkpoint = self.checkpoint or default_checkpoint()
        digest = checkpoint_hash(checkpoint)
        model = load_checkpoint(checkpoint, device=choose_device(self.device))
        size = (model.config.image_width, model.config.image_height)
        began = time.monotonic()

        # What the frozen part sees does not depend on the pose head, so that a new head is judged in seconds.
        kept = self.work / data.backbone_hash(model)
        kept.mkdir(parents=True, exist_ok=True)
        reference = load_reference(kept, digest, any_checkpoint=True)
        if reference is None:
            clips = data.rendered(self.work / "training", 0, self.training, size, 16)
            reference = data.training_reference(model, clips, self.training, 0, digest)
            reference.save(kept / REFERENCE)
        reference = replace(reference, checkpoint_hash=digest)
        measured = {}
        for name, seed, drives in (
            ("calibrate", data.CALIBRATE_SEED, self.drives),
            ("held_out", data.HELD_OUT_SEED, self.held_out),
        ):
            shards = data.rendered(self.work / name, seed, drives, size)
            measured[name] = data.measure_shards(model, shards, range(drives), kept / name, digest, reference)
        real = {}
        for log in self.logs:
            drive = open_log(log)
            seen = data.see(model, drive, self.rate)
            values, errors = data.judge(model, drive, self.rate, seen, digest, reference)
            real[drive.name] = data.Measured(values, errors, np.zeros(len(errors), np.int64))

        calibrated = fit(measured["calibrate"], digest, choose=True)
        held_out = quality(calibrated, measured["held_out"])
        told = {
            words: quality(calibrated, measured["held_out"].where(measured["held_out"].values["camera"] == known))
            for known, words in data.CAMERAS.items()
            if (measured["held_out"].values["camera"] == known).any()
        }
        record = {
            "calibrate": {"first_seed": data.CALIBRATE_SEED, "drives": self.drives},
            "held_out": {
                "first_seed": data.HELD_OUT_SEED,
                "drives": self.held_out,
                **without_nan({"auroc": held_out.auroc}),
            },
        }
        calibrated.save(checkpoint / CONFIDENCE, record)
        reference.save(checkpoint / REFERENCE)
        rows = ablation(measured["calibrate"], measured["held_out"], digest)
        found_real = {name: quality(calibrated, m) for name, m in real.items() if np.isfinite(m.errors).any()}
        write_confidence_report(
            self.report, checkpoint.resolve().name, calibrated, measured["calibrate"], held_out, told, rows, found_real,
            self.rate,
        )  # fmt: skip
        low, high = held_out.interval
        print(
            f"held out: AUROC {held_out.auroc:.3f} [{low:.3f}, {high:.3f}] of the worst tenth, "
            f"{held_out.transitions} transitions of {held_out.drives} drives"
        )
        for name, one in found_real.items():
            print(f"{name}: AUROC {one.auroc:.3f}, {one.transitions} transitions at {self.rate:g} Hz")
        print(json.dumps({"seconds": round(time.monotonic() - began), "report": str(self.report)}))
        return 0
