"""How much of everything the experiments take."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """How many clips, steps and worlds; part of the settings of the experiments that use them.

    Steps for which the whole inverse model runs are few: one of 8 clips costs a second of a core.
    """

    frames: int = 16
    test_clips: int = 256
    colmap_clips: int = 16
    quality_clips: int = 128  # of the test split, for the cross-entropies
    probe_clips: int = 1024  # of the training split, that the ridge probes are fitted on
    map_clips: int = 100
    seeds: int = 3
    labels: tuple[int, ...] = (30, 100, 300, 1000, 3000)
    label_steps: tuple[int, ...] = (600, 800, 1200, 1600, 2000)  # of the head on frozen latents
    scratch_steps: tuple[int, ...] = (120, 120, 160, 240, 300)  # of the whole network, each as long as 30 of the head
    batch: int = 8  # clips, wherever a whole network trains
    domain_clips: int = 64  # of each domain
    domain_labels: int = 1000
    domain_steps: int = 200
    widths: tuple[int | None, ...] = (8, 16, 50, None)
    width_steps: int = 150
    width_motion_steps: int = 400
    width_head_steps: int = 600
    width_labels: int = 500
    width_clips: int = 48  # of the test split, for the cross-entropies of each width
    rate_clips: int = 100
    rates: tuple[float, ...] = (1.0, 2.0, 4.0, 10.0)
    kitti_rates: tuple[float, ...] = (2.0, 5.0, 10.0)
    kitti_strides: tuple[int, ...] = (2, 4, 8)  # samples between clips; they overlap, or 2 Hz would have a single one
    kitti_methods: tuple[str, ...] = ("opencv", "colmap")
    motion_worlds: int = 300
    leak_sample: int = 200

    def scaled(self, effort: float) -> Sizes:
        """The same clips, with ``effort`` times as many steps of training.

        Raises:
            ValueError: where it is not positive.
        """
        if not effort > 0:
            raise ValueError(f"effort must be positive, got {effort}")

        def steps(count: int) -> int:
            return max(1, round(effort * count))

        return dataclasses.replace(
            self,
            label_steps=tuple(map(steps, self.label_steps)),
            scratch_steps=tuple(map(steps, self.scratch_steps)),
            domain_steps=steps(self.domain_steps),
            width_steps=steps(self.width_steps),
            width_motion_steps=steps(self.width_motion_steps),
            width_head_steps=steps(self.width_head_steps),
        )


def toy_sizes() -> Sizes:
    """Everything once, on next to nothing: it shows that the experiments run, and nothing else."""
    return Sizes(
        frames=5,
        test_clips=14,
        colmap_clips=1,
        quality_clips=8,
        probe_clips=16,
        map_clips=10,
        seeds=2,
        labels=(4, 8),
        label_steps=(2, 3),
        scratch_steps=(2, 2),
        batch=4,
        domain_clips=4,
        domain_labels=8,
        domain_steps=2,
        widths=(4, None),
        width_steps=2,
        width_motion_steps=2,
        width_head_steps=3,
        width_labels=8,
        width_clips=8,
        rate_clips=10,
        rates=(2.0, 10.0),
        kitti_rates=(10.0,),
        kitti_strides=(74,),
        kitti_methods=("opencv",),
        motion_worlds=3,
        leak_sample=6,
    )
