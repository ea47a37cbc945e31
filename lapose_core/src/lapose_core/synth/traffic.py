"""Other road users that move: cars ahead, oncoming, overtaking and crossing, and people on the pavement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapose_core.synth import objects as ob
from lapose_core.synth.motion import LEAD_OUT, Motion
from lapose_core.synth.roads import Array, ReferencePath, Roads, RoadStyle, Setting


@dataclass(frozen=True)
class Mover:
    """Something that moves: its rows modelled at the origin, and its place at each frame [N]."""

    rows: Array
    x: Array
    z: Array
    heading: Array


def populate(
    rng: np.random.Generator,
    setting: Setting,
    path: ReferencePath,
    roads: Roads,
    style: RoadStyle,
    motion: Motion,
    times: Array,
) -> list[Mover]:
    """Movers of a drive at the frame times [N]; those that would come too near the camera's car are left out."""
    if setting == "yard":
        return []
    out: list[Mover] = []
    forwards = bool((motion.speed > -0.05).all())
    ego_x, ego_z = np.interp(times, motion.times, motion.x), np.interp(times, motion.times, motion.z)
    last = float(path.s[-1]) - 2.0
    pace = {"city": 10.0, "suburb": 8.0, "rural": 17.0, "highway": 23.0}[setting]

    def add(rows: Array, x: Array, z: Array, heading: Array, keep: float) -> None:
        if np.hypot(x - ego_x, z - ego_z).min() > keep:
            out.append(Mover(rows, x, z, heading))

    def follow(s: Array, offset: float, backwards: bool, keep: float) -> None:
        x, z, heading = path.at(np.clip(s, path.s[0], last), offset)
        # Off the end of the known road a car waits out of sight.
        x = np.where((s < path.s[0]) | (s > last), 1e6, x)
        add(ob.car(rng), x, z, heading + (np.pi if backwards else 0.0), keep)

    if forwards and rng.random() < 0.4:
        ahead = float(rng.uniform(0.6, LEAD_OUT - 0.5))
        gap = float(rng.uniform(6.5, 14.0))
        s = np.interp(times + ahead, motion.times, motion.s) + gap
        follow(s, float(rng.normal(0, 0.15)), False, 5.0)
    if style.opposing_lane is not None:
        speed = pace * float(rng.uniform(0.6, 1.2))
        at = float(rng.uniform(5.0, 60.0))
        while at < last + speed * times[-1]:
            follow(at - speed * times, style.opposing_lane, True, 2.4)
            at += float(rng.uniform(12.0, 40.0 + 90.0 * (setting in ("rural", "suburb"))))
    if style.parallel_lane is not None:
        speed = float(np.abs(motion.speed).mean()) + float(rng.normal(0.0, 2.0))
        at = float(rng.uniform(-40.0, 20.0))
        while at < 150.0:
            follow(at + speed * times, style.parallel_lane, False, 2.6)
            at += float(rng.uniform(12.0, 60.0))
    for side in roads.side:
        if rng.random() < 0.5:
            speed, begin = float(rng.uniform(3.0, 9.0)), float(rng.uniform(-60.0, 40.0))
            along = begin + speed * times
            sign = float(rng.choice([-1.0, 1.0]))
            visible = (sign * along >= side[4]) & (sign * along <= side[5])
            lane = 0.45 * side[6]
            heading = np.arctan2(sign * side[2], sign * side[3])
            x = side[0] + sign * along * side[2] + lane * np.cos(heading)
            z = side[1] + sign * along * side[3] - lane * np.sin(heading)
            add(ob.car(rng), np.where(visible, x, 1e6), z, np.full(len(times), heading), 4.0)
    if style.sidewalk > 0:
        for _ in range(int(rng.integers(0, 8))):
            walk = float(rng.choice([-1.0, 1.0])) * float(rng.uniform(0.7, 1.7))
            edge = style.right + style.sidewalk * 0.6 if rng.random() < 0.5 else style.left - style.sidewalk * 0.6
            s = float(rng.uniform(0.0, 120.0)) + walk * times
            x, z, heading = path.at(s, edge)
            add(ob.person(rng), x, z, heading, 2.0)
    return out
