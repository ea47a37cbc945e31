"""The experiments, in the order in which they run and are reported: what is quick and what all else rests on first."""

from __future__ import annotations

from lapose_core.experiments import (
    bottleneck,
    frame_rates,
    headline,
    kitti,
    label_efficiency,
    leaks,
    motion_statistics,
    out_of_domain,
    seeds,
    time_reversal,
)
from lapose_core.experiments.record import Experiment

EXPERIMENTS: tuple[Experiment, ...] = (
    leaks.EXPERIMENT,
    motion_statistics.EXPERIMENT,
    headline.EXPERIMENT,
    frame_rates.EXPERIMENT,
    time_reversal.EXPERIMENT,
    kitti.EXPERIMENT,
    seeds.EXPERIMENT,
    label_efficiency.EXPERIMENT,
    out_of_domain.EXPERIMENT,
    bottleneck.EXPERIMENT,
)
