"""What the three training loops share: schedule, log, periodic checkpoints and exact resume.

Batches are a pure function of (seed, step), so a resumed run sees what an uninterrupted one would have seen; the
optimiser's moments come back from ``state.safetensors``.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from lapose_core.evaluation.evaluate import without_nan
from lapose_core.training.checkpoints import (
    CheckpointError,
    load_state,
    read_json,
    read_tensors,
    write_json,
    write_tensors,
)


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, then a cosine from ``peak`` to a hundredth of it."""

    peak: float
    steps: int
    warmup: int = 100

    def __call__(self, step: int) -> float:
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        part = min(1.0, max(0.0, (step - self.warmup) / max(1, self.steps - self.warmup)))
        return self.peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * part)))


def batch_rng(seed: int, step: int) -> np.random.Generator:
    """The generator of one step's batch."""
    return np.random.default_rng([seed, step])


def autocast(device: torch.device) -> Any:
    """bf16 where it helps: CUDA, and CPUs that multiply bf16 natively."""
    if device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def optimiser(
    modules: list[nn.Module], weight_decay: float, slow: Sequence[nn.Module] = (), slowness: float = 1.0
) -> torch.optim.AdamW:
    """AdamW without decay on vectors (biases, norms, embeddings of one axis); ``slow`` modules, apart from ``modules``,
    learn at ``slowness`` times the schedule's rate."""
    groups = []
    for part, share in ((modules, 1.0), (slow, slowness)):
        parameters = [p for m in part for p in m.parameters() if p.requires_grad]
        groups += [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay, "share": share},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0, "share": share},
        ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=1e-3, betas=(0.9, 0.95))


class Run:
    """One training run in a folder: ``log.jsonl``, ``state.json``, ``state.safetensors``."""

    def __init__(self, folder: Path, stage: str, settings: dict[str, Any], resume: bool) -> None:
        """Raises CheckpointError where ``resume`` finds a run of another stage or with other settings."""
        self.folder = folder
        self.stage = stage
        self.settings = settings
        folder.mkdir(parents=True, exist_ok=True)
        self.log_path = folder / f"{stage}.jsonl"
        self.state_path = folder / f"{stage}.state.json"
        self.tensors_path = folder / f"{stage}.state.safetensors"
        self.step = 0
        self._resume = resume and self.state_path.is_file()
        if not self._resume:
            self.log_path.unlink(missing_ok=True)

    def restore(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Continue where the last checkpoint of this run stopped, if there is one and resuming was asked for."""
        if not self._resume:
            return
        state = read_json(self.state_path)
        if state.get("settings") != self.settings:
            changed = sorted(
                k for k in {**self.settings, **state.get("settings", {})}
                if self.settings.get(k) != state.get("settings", {}).get(k)
            )  # fmt: skip
            raise CheckpointError(
                f"{self.state_path}: the run was begun with other settings ({', '.join(changed)}); "
                "give the same ones, or another --out"
            )
        tensors = read_tensors(self.tensors_path)
        load_state(module, {k[2:]: v for k, v in tensors.items() if k.startswith("m.")}, self.tensors_path)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for i, parameter in enumerate(parameters):
            if f"o.{i}.m" in tensors:
                optimizer.state[parameter] = {
                    "step": tensors[f"o.{i}.n"],
                    "exp_avg": tensors[f"o.{i}.m"].to(parameter.device),
                    "exp_avg_sq": tensors[f"o.{i}.v"].to(parameter.device),
                }
        self.step = int(state["step"])
        # What was logged after the checkpoint will be logged again.
        kept = [line for line in self.log_path.read_text().splitlines() if json.loads(line)["step"] <= self.step]
        self.log_path.write_text("".join(line + "\n" for line in kept))

    def checkpoint(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        tensors: dict[str, Tensor] = {f"m.{k}": v for k, v in module.state_dict().items()}
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for i, parameter in enumerate(parameters):
            if state := optimizer.state.get(parameter):
                tensors[f"o.{i}.n"] = torch.as_tensor(state["step"])
                tensors[f"o.{i}.m"] = state["exp_avg"]
                tensors[f"o.{i}.v"] = state["exp_avg_sq"]
        write_tensors(self.tensors_path, tensors)
        write_json(self.state_path, {"stage": self.stage, "step": self.step, "settings": self.settings})

    def log(self, **values: Any) -> None:
        """One line of JSON, and the same on the screen."""
        record = {"stage": self.stage, "step": self.step, **values}
        with self.log_path.open("a") as file:
            file.write(json.dumps(without_nan(record)) + "\n")
        shown = "  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())
        tqdm.write(f"{self.stage} {self.step}: {shown}")

    def loop(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        step: Callable[[int], tuple[Tensor, dict[str, float]]],
        evaluate: Callable[[], dict[str, Any]],
        evaluate_every: int,
        clip_norm: float = 1.0,
    ) -> None:
        """Run ``step`` (step number -> loss and figures) until the schedule ends; checkpoint at every evaluation."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        smooth: dict[str, float] = {}
        began, first = time.monotonic(), self.step
        bar = tqdm(total=schedule.steps, initial=self.step, desc=self.stage, mininterval=5)
        while self.step < schedule.steps:
            for group in optimizer.param_groups:
                group["lr"] = group.get("share", 1.0) * schedule(self.step)
            module.train()
            loss, figures = step(self.step)
            if not torch.isfinite(loss):
                raise FloatingPointError(f"{self.stage}: the loss is {loss.item()} at step {self.step}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = float(nn.utils.clip_grad_norm_(parameters, clip_norm))
            optimizer.step()
            self.step += 1
            for name, value in {"loss": float(loss.detach()), "grad_norm": norm, **figures}.items():
                smooth[name] = 0.95 * smooth.get(name, value) + 0.05 * value
            bar.update()
            bar.set_postfix({k: f"{v:.3g}" for k, v in smooth.items()}, refresh=False)
            if self.step % evaluate_every == 0 or self.step == schedule.steps:
                module.eval()
                with torch.no_grad():
                    held_out = evaluate()
                rate = (time.monotonic() - began) / (self.step - first)
                self.log(
                    **{f"train_{k}": v for k, v in smooth.items()},
                    **held_out,
                    seconds_per_step=rate,
                    eta_minutes=rate * (schedule.steps - self.step) / 60,
                )
                self.checkpoint(module, optimizer)
        bar.close()
