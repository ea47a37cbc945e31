"""``lapose experiments run | report``: everything that docs/results.md says, measured and written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

Name = Literal[
    "leaks",
    "motion_statistics",
    "headline",
    "frame_rates",
    "time_reversal",
    "kitti",
    "seeds",
    "label_efficiency",
    "out_of_domain",
    "bottleneck",
]


@dataclass(frozen=True)
class Run:
    """Run the experiments on a trained model; each writes OUT/NAME.json.

    An experiment whose file is there and whose checkpoint and settings are unchanged is skipped. One that is stopped
    goes on where its last part ended. One that lacks something is skipped by name.
    """

    model: Annotated[Literal["nano"], tyro.conf.Positional] = "nano"
    """Whose experiments."""
    only: tuple[Name, ...] = ()
    """Run these and no others."""
    runs: Path = Path("runs/nano")
    """Folder of the checkpoints pretrain and posttrain."""
    shards: Path = Path("runs/shards")
    """Folder of the shards train and held_out; test clips are rendered into it."""
    out: Path | None = None
    """Folder to write; runs/experiments, or with --quick runs/experiments-quick."""
    cache: Path = Path("runs/cache")
    """Folder for the inputs that do not change while the codec is frozen, as in training."""
    shared: Path | None = Path("../shared/data")
    """Folder of the real drives, for what is measured on them."""
    effort: float = 1.0
    """Times as many steps in label_efficiency, out_of_domain and bottleneck; seeds repeats the checkpoint's own."""
    slow: bool = True
    """Run what takes hours on two cores too: training of the whole network in label_efficiency and out_of_domain, and
    COLMAP on the real drive. --no-slow leaves them out, and the results say so."""
    pretrain_seeds: bool = False
    """Repeat pretraining as well for the seeds: nearly an hour each on two cores."""
    quick: bool = False
    """Everything at toy size, with a checkpoint and shards of its own under --out: shows that it runs, no more."""
    workers: int = 0
    """Rendering processes; 0 for one a core."""
    device: str = "auto"

    def run(self) -> int:
        import torch

        from lapose_core.device import choose_device
        from lapose_core.experiments import toy
        from lapose_core.experiments.catalogue import EXPERIMENTS
        from lapose_core.experiments.context import Context, Unavailable
        from lapose_core.experiments.record import measure
        from lapose_core.experiments.sizes import Sizes, toy_sizes

        out = self.out or Path("runs/experiments-quick" if self.quick else "runs/experiments")
        out.mkdir(parents=True, exist_ok=True)
        runs, shards, cache, device = self.runs, self.shards, self.cache, choose_device(self.device)
        workers = self.workers or os.cpu_count() or 1
        sizes = (toy_sizes() if self.quick else Sizes()).scaled(self.effort)
        if self.quick:
            cache, device, workers = out / "cache", choose_device("cpu"), 1
            torch.set_num_threads(1)  # more would mostly wait for one another at this size
            runs, shards = toy.make(out, sizes)
        shared = self.shared if self.shared is not None and self.shared.is_dir() else None
        context = Context(
            runs, shards, out, cache, shared, device, sizes, workers, self.pretrain_seeds, self.slow, self.quick
        )
        measured = 0
        for experiment in EXPERIMENTS:
            if self.only and experiment.name not in self.only:
                continue
            try:
                ran = measure(experiment, context)
            except Unavailable as error:
                print(f"{experiment.name}: not run, for want of {error}", flush=True)
                continue
            measured += 1
            done = "written" if ran else "is up to date"
            print(f"{experiment.name}: {out / experiment.name}.json {done}", flush=True)
        return 0 if measured else 2


@dataclass(frozen=True)
class Report:
    """Write docs/results.json from the experiments, and from that file alone docs/results.md and its pictures."""

    source: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Take this results.json as it is, and no experiments."""
    experiments: Path = Path("runs/experiments")
    """Folder that `lapose experiments run` wrote. Experiments that it lacks stay as they are in results.json."""
    out: Path = Path("docs")
    """Folder to write."""

    def run(self) -> int:
        from lapose_core.experiments.results import collect, read_results, write_results

        path = self.out / "results.json"
        if self.source is None:
            collect(self.experiments, path)
        results = read_results(self.source or path)
        write_results(results, self.out)
        print(f"{self.out / 'results.md'}: {len(results)} experiments")
        return 0
