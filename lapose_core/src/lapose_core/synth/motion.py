"""How the camera's car moves: speed along the path, steering, reversing, suspension; and the camera's poses.

The rear axle follows its curve exactly and heads along the curve's tangent (the kinematic bicycle), so the
camera, which sits ahead of the axle, swings out in turns as a real one does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lapose_core.geometry import make_poses
from lapose_core.synth.roads import Array, ReferencePath, Setting, Turn

SIM_RATE = 200.0  # Hz of the inner time grid
GRID = 0.05  # metres of the inner distance grid
LEAD_OUT = 4.0  # seconds simulated after the end, so that traffic ahead knows where to go


@dataclass(frozen=True)
class CameraMount:
    """Where the camera sits in the car: metres and radians, relative to the rear axle on the ground."""

    height: float
    ahead: float
    right: float
    pitch: float  # nose up
    yaw: float  # to the right
    roll: float  # clockwise as seen by the camera


@dataclass(frozen=True)
class Phase:
    """A stretch driven without changing direction: +1 forwards or -1 backwards over ``length`` metres."""

    direction: int
    length: float
    swerve: float = 0.0  # lateral metres gained by steering away from the path
    over: float = 10.0  # metres that the swerve takes


@dataclass(frozen=True)
class Event:
    """The speed falls to ``speed`` at distance ``at``, braking at ``braking`` m/s^2, and waits ``dwell`` s."""

    at: float
    speed: float
    braking: float
    dwell: float


@dataclass(frozen=True)
class Motion:
    """The car's motion on the inner time grid [T] from 0 s on: rear axle, heading, signed speed."""

    times: Array
    x: Array
    z: Array
    heading: Array
    s: Array  # arc length on the reference path
    speed: Array  # m/s, negative backwards
    acceleration: Array  # m/s^2 along the car's forward direction
    curvature: Array  # 1/m of the rear axle's curve, positive to the right
    pitch: Array  # of the body on its suspension, radians, nose up
    roll: Array
    heave: Array  # metres, down

    def poses(self, mount: CameraMount, at: Array) -> Array:
        """Camera-to-world poses [N, 4, 4] at times ``at`` [N] (interpolated on the 5 ms grid)."""

        def pick(values: Array) -> Array:
            return np.interp(at, self.times, values)

        body = _rotation(pick(self.heading), pick(self.pitch), pick(self.roll))
        fixed = _rotation(np.array([mount.yaw]), np.array([mount.pitch]), np.array([mount.roll]))[0]
        lever = np.stack(np.broadcast_arrays(mount.right, -mount.height + pick(self.heave), mount.ahead), -1)
        ground = np.stack([pick(self.x), np.zeros(len(at)), pick(self.z)], -1)
        return make_poses(body @ fixed, ground + np.einsum("nij,nj->ni", body, lever))


def _rotation(yaw: Array, pitch: Array, roll: Array) -> Array:
    """R_y(yaw) R_x(pitch) R_z(roll) [N, 3, 3]: right, nose up, clockwise are positive."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)

    def matrix(*rows: tuple[Array, Array, Array]) -> Array:
        return np.stack([np.stack(row, -1) for row in rows], -2)

    about_y = matrix((cy, zero, sy), (zero, one, zero), (-sy, zero, cy))
    about_x = matrix((one, zero, zero), (zero, cp, -sp), (zero, sp, cp))
    about_z = matrix((cr, -sr, zero), (sr, cr, zero), (zero, zero, one))
    return about_y @ about_x @ about_z


@njit(cache=True, nogil=True)
def _speed_limit(curvature, cruise, lateral, events, accelerate, brake, start):  # type: ignore[no-untyped-def]
    """Speed [P] over distance under lateral, braking and acceleration limits; the usual two passes."""
    n = len(curvature)
    out = np.empty(n)
    for i in range(n):
        out[i] = min(cruise[i], np.sqrt(lateral / max(abs(curvature[i]), 1e-6)))
    for i in range(n - 2, -1, -1):
        out[i] = min(out[i], np.sqrt(out[i + 1] ** 2 + 2.0 * brake * GRID))
    # After the comfortable pass, so that hard braking stays as hard as the event asks.
    for e in range(len(events)):
        stop = int(events[e, 0] / GRID)
        for i in range(max(min(stop, n - 1), 0), -1, -1):
            v = np.sqrt(events[e, 1] ** 2 + 2.0 * events[e, 2] * max(events[e, 0] - i * GRID, 0.0))
            if i == stop:
                v = events[e, 1]
            if v > 40.0:
                break
            out[i] = min(out[i], v)
    out[0] = min(out[0], start)
    for i in range(1, n):
        out[i] = min(out[i], np.sqrt(out[i - 1] ** 2 + 2.0 * accelerate * GRID))
    return out


@njit(cache=True, nogil=True)
def _body(force, roughness, frequency, damping, rate):  # type: ignore[no-untyped-def]
    """Second-order response [T] of the sprung body to a commanded offset and road noise."""
    out = np.empty(len(force))
    w = 2.0 * np.pi * frequency
    dt = 1.0 / rate
    p = force[0]
    q = 0.0
    for i in range(len(force)):
        q += dt * (w * w * (force[i] + roughness[i] - p) - 2.0 * damping * w * q)
        p += dt * q
        out[i] = p
    return out


def _roughness(rng: np.random.Generator, distance: Array, strength: float) -> Array:
    """Road noise [T] as a function of the distance driven, so a standing car stands still; about unit size."""
    waves = np.exp(rng.uniform(np.log(1.5), np.log(25.0), 14))
    phases = rng.uniform(0.0, 2 * np.pi, 14)
    amplitude = strength * (waves / 25.0) ** 0.4 / np.sqrt(7.0)
    out = np.zeros(len(distance))
    for wave, phase, a in zip(waves, phases, amplitude):
        out += a * np.sin(2 * np.pi * distance / wave + phase)
    return out


def _ease(rng: np.random.Generator, distance: Array, pace: float) -> Array:
    """Factor [P] on the cruising speed: nobody holds a speed exactly, and following traffic nobody can."""
    out = np.ones(len(distance))
    for _ in range(2):
        # The faster, the smaller the share: the acceleration felt stays about the same.
        seconds, amount = float(rng.uniform(5.0, 20.0)), float(rng.uniform(0.0, min(1.0 / pace, 0.15)))
        out += amount * np.sin(2 * np.pi * distance / (seconds * pace) + float(rng.uniform(0, 2 * np.pi)))
    return out


CRUISE: dict[Setting, tuple[float, float]] = {
    "city": (5.0, 15.0),
    "suburb": (4.0, 13.5),
    "rural": (9.0, 26.0),
    "highway": (17.0, 33.0),
    "yard": (1.2, 4.5),
}

# Fast roads are the smooth ones: on a real one the body shakes no more at 20 m/s than in town at 10 m/s.
ROUGHNESS: dict[Setting, float] = {"city": 1.0, "suburb": 1.0, "rural": 0.75, "highway": 0.5, "yard": 1.0}

# Wandering in the lane: wavelengths in metres, largest amplitude in metres of each of three waves.
WANDER: dict[Setting, tuple[float, float, float]] = {
    "city": (30.0, 80.0, 0.18),
    "suburb": (30.0, 80.0, 0.18),
    "rural": (60.0, 200.0, 0.22),
    "highway": (150.0, 400.0, 0.25),
    "yard": (25.0, 60.0, 0.22),
}


def draw_phases(rng: np.random.Generator, setting: Setting, reverse: bool) -> list[Phase]:
    """The order of driving forwards and backwards; the last phase never ends."""
    forever = 1e5
    if setting == "yard":
        out, direction = [], 1 if not reverse or rng.random() < 0.5 else -1
        if not reverse:
            return [Phase(1, forever)]
        for _ in range(12):
            length = float(rng.uniform(4.0, 16.0))
            out.append(Phase(direction, length, float(rng.uniform(-3.0, 3.0)), float(rng.uniform(8.0, 12.0))))
            direction = -direction
        return [*out, Phase(1, forever)]
    if not reverse:
        return [Phase(1, forever)]
    swerve, over = float(rng.uniform(-2.5, 2.5)), float(rng.uniform(9.0, 16.0))
    kind = rng.random()
    if kind < 0.45:  # backwards throughout
        return [Phase(-1, forever, swerve, over)]
    first = Phase(1, float(rng.uniform(2.0, 30.0)))
    back = Phase(-1, float(rng.uniform(5.0, 30.0)), swerve, over)
    if kind < 0.7:  # backwards, then on
        return [back, Phase(1, forever)]
    return [first, back, Phase(1, forever)]


def _bump(x: Array, amplitude: float, over: float) -> tuple[Array, Array]:
    """A lateral step of cosine shape over x in [0, over], and its derivative; zero before, constant after."""
    inside = np.clip(x, 0.0, over)
    value = amplitude * 0.5 * (1.0 - np.cos(np.pi * inside / over))
    slope = amplitude * 0.5 * np.pi / over * np.sin(np.pi * inside / over)
    return value, slope


def simulate(
    rng: np.random.Generator,
    setting: Setting,
    path: ReferencePath,
    turns: list[Turn],
    phases: list[Phase],
    seconds: float,
    *,
    lane_change: float | None = None,
    events: list[Event] | None = None,
    pace: float | None = None,
) -> Motion:
    """Drive the path for ``seconds`` (and LEAD_OUT beyond).

    Args:
        lane_change: offset in metres of a neighbouring lane to move to on the way, or None.
        events: stops and braking by distance driven; None draws them.
        pace: the usual speed in m/s; None draws it.
    """
    total = seconds + LEAD_OUT
    low, high = CRUISE[setting]
    drawn = float(rng.uniform(low, high))
    pace = drawn if pace is None else pace
    reverse_pace = float(rng.uniform(1.0, 4.5))
    reach = min(pace * 1.2 * total + 20.0, path.s[-1] - 2.0)
    n = int(reach / GRID)
    driven = np.arange(n) * GRID

    # Arc length on the path and direction for every metre driven.
    direction = np.ones(n)
    start = 0.0
    at = 0.0
    cusps: list[tuple[float, float, Phase]] = []  # driven, s, phase that begins there
    s = np.empty(n)
    s_here = 0.0
    for phase in phases:
        a, b = int(np.ceil(at / GRID - 1e-9)), min(int(np.ceil((at + phase.length) / GRID - 1e-9)), n)
        direction[a:b] = phase.direction
        s[a:b] = s_here + phase.direction * (driven[a:b] - at)
        cusps.append((at, s_here, phase))
        at += phase.length
        s_here += phase.direction * phase.length
        if b >= n:
            break
    if phases[0].direction < 0 and len(phases) == 1:
        # Backwards throughout: begin where the road lies behind.
        start = max(0.0, min(path.s[-1] - 60.0, reverse_pace * total + 20.0))
        s += start
        cusps = [(0.0, start, phases[0])]
    s = np.clip(s, path.s[0] + 1.0, path.s[-1] - 1.0)

    # Lateral offset from the path and its slope: wandering, lane change, swerves.
    w, slope = np.zeros(n), np.zeros(n)
    shortest, longest, widest = WANDER[setting]
    for _ in range(3):
        wave = float(rng.uniform(shortest, longest))
        sway, phi = float(rng.uniform(0.0, widest)), float(rng.uniform(0, 2 * np.pi))
        w += sway * np.sin(2 * np.pi * s / wave + phi)
        slope += sway * 2 * np.pi / wave * np.cos(2 * np.pi * s / wave + phi)
    if lane_change is not None:
        begin, over = float(rng.uniform(5.0, 0.5 * pace * seconds + 6.0)), max(3.5 * pace, 18.0)
        value, rate = _bump(s - begin, lane_change, over)
        w, slope = w + value, slope + rate
    for _, cusp_s, phase in cusps:
        if phase.swerve:
            value, rate = _bump((s - cusp_s) * phase.direction, phase.swerve, phase.over)
            w, slope = w + value, slope + rate * phase.direction

    k = np.interp(s, path.s, path.curvature)
    x, z, tangent = path.at(s, w)
    heading = tangent + np.arctan2(slope, 1.0 - k * w)
    turn_rate = np.gradient(heading, GRID) * direction
    along = np.hypot(np.gradient(x, GRID), np.gradient(z, GRID))
    window = np.ones(11) / 11
    curvature = np.convolve(np.pad(turn_rate, 5, mode="edge"), window, mode="valid")
    # At a change of direction the difference quotient straddles two branches.
    for cusp, _, _ in cusps[1:]:
        i = int(cusp / GRID)
        a, b = max(i - 8, 0), min(i + 8, n)
        curvature[a:i] = curvature[max(a - 1, 0)]
        curvature[i:b] = curvature[min(b, n - 1)]

    # Speed over distance.
    cruise = np.full(n, pace)
    slowest = 0.85 if setting == "highway" else 0.6
    for edge in np.arange(0.0, reach, float(rng.uniform(40.0, 120.0))):
        part = rng.uniform(slowest, 1.15)
        cruise[int(edge / GRID) :] = np.clip(pace * part, low * 0.6, high) if events is None else pace
    if events is None:
        cruise[:] = np.minimum(cruise * _ease(rng, np.asarray(driven, np.float64), pace), high)
    cruise[direction < 0] = np.minimum(cruise[direction < 0], reverse_pace)
    table = [] if events is None else list(events)
    for cusp, _, _ in cusps[1:]:
        table.append(Event(cusp, 0.0, float(rng.uniform(1.0, 2.5)), float(rng.uniform(0.8, 2.0))))
    if events is None:
        expected = pace * seconds * 0.8
        if rng.random() < (0.07 if setting in ("highway", "rural") else 0.35):
            at_stop = float(rng.uniform(0.15, 0.95) * expected)
            near = [t.begin for t in turns if 8 < t.begin < expected]
            if near and rng.random() < 0.6:
                at_stop = near[0] - 3.0
            table.append(Event(at_stop, 0.0, float(rng.uniform(1.5, 3.0)), float(np.exp(rng.uniform(0.0, 1.9)))))
        if rng.random() < 0.2:
            to = float(rng.choice([0.0, 0.3])) * pace
            table.append(
                Event(float(rng.uniform(0.2, 0.9) * expected), to, float(rng.uniform(4.5, 8.0)), 1.0 * (to == 0))
            )
    rows = np.array([[e.at, e.speed, e.braking, e.dwell] for e in table], dtype=float).reshape(-1, 4)
    rows = rows[rows[:, 0] < reach - 1.0]
    standing = events is None and rng.random() < 0.1
    limit = _speed_limit(
        curvature,
        cruise,
        float(rng.uniform(1.6, 3.6)),
        rows,
        float(rng.uniform(0.4, 1.6) if setting == "highway" else rng.uniform(0.8, 2.6)),
        float(rng.uniform(1.0, 2.8)),
        0.0 if standing else 99.0,
    )
    mean_speed = np.maximum(0.5 * (limit[1:] + limit[:-1]), 0.02)
    clock = np.concatenate([[0.0], np.cumsum(GRID / mean_speed)])
    if standing:
        clock[1:] += float(np.exp(rng.uniform(-0.5, 2.0)))
    knots_t, knots_u = [clock], [driven]
    for stop, speed, _, dwell in rows:
        i = min(int(stop / GRID), n - 1)
        if speed == 0.0 and dwell > 0.0:
            clock[i + 1 :] += dwell
            knots_t.append(np.array([clock[i] + dwell]))
            knots_u.append(np.array([driven[i]]))
    t_all, u_all = np.concatenate(knots_t), np.concatenate(knots_u)
    order = np.argsort(t_all, kind="stable")

    # Time grid; a short symmetric kernel bounds the jerk and keeps distances.
    margin = 1.0
    times = np.arange(-margin, total + margin, 1.0 / SIM_RATE)
    shifted = times + margin
    u = np.interp(shifted, t_all[order], u_all[order])
    kernel = np.hanning(int(0.5 * SIM_RATE))
    kernel /= kernel.sum()
    half = len(kernel) // 2
    u = np.convolve(np.pad(u, half, mode="edge"), kernel, mode="same")[half:-half]
    keep = (times >= 0.0) & (times <= total)
    times, u = times[keep], u[keep]

    def on(values: Array) -> Array:
        return np.interp(u, driven, values)

    sign = np.where(on(direction) < 0, -1.0, 1.0)
    speed = sign * on(along) * np.gradient(u, 1.0 / SIM_RATE)
    acceleration = np.gradient(speed, 1.0 / SIM_RATE)
    acceleration = np.convolve(np.pad(acceleration, 10, mode="edge"), np.ones(21) / 21, mode="valid")
    soft = float(rng.uniform(0.5, 1.5))
    rough = ROUGHNESS[setting] * float(np.exp(rng.normal(-0.1, 0.45)))
    lateral = speed**2 * on(curvature)
    frequency = float(rng.uniform(1.0, 1.7))
    pitch = _body(0.0028 * soft * acceleration, _roughness(rng, u, 0.0053 * rough), frequency, 0.35, SIM_RATE)
    roll = _body(-0.0045 * soft * lateral, _roughness(rng, u, 0.0038 * rough), frequency * 1.1, 0.35, SIM_RATE)
    heave = _body(np.zeros(len(u)), _roughness(rng, u, 0.012 * rough), frequency, 0.4, SIM_RATE)
    # The body also twitches about the vertical; no label follows from it.
    twitch = _body(np.zeros(len(u)), _roughness(rng, u, 0.0010 * rough), frequency, 0.4, SIM_RATE)
    return Motion(
        times, on(x), on(z), on(heading) + twitch, on(s), speed, acceleration, on(curvature), pitch, roll, heave
    )


def regimes(motion: Motion, at: Array) -> dict[str, NDArray]:
    """Labels of the motion at times ``at`` [N]; thresholds in 1/m, m/s and m/s^2."""

    def pick(values: Array) -> Array:
        return np.interp(at, motion.times, values)

    k, speed, force = np.abs(pick(motion.curvature)), pick(motion.speed), pick(motion.acceleration)
    slowing = -force * np.sign(speed)
    names = np.array(["straight", "gentle", "medium", "sharp"])
    return {
        "curvature": names[np.digitize(k, [0.001, 0.01, 0.1])],
        "reverse": speed < -0.1,
        "standstill": np.abs(speed) <= 0.1,
        "braking": slowing > 1.0,
        "hard_braking": slowing > 4.0,
        "acceleration": np.array(["low", "mid", "high"])[np.digitize(np.abs(force), [0.5, 2.0])],
    }
