"""One synthetic drive: a world, a camera and a motion drawn from a seed, and its frames rendered on demand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Image, Intrinsics
from lapose_core.synth import motion as mo
from lapose_core.synth import objects as ob
from lapose_core.synth import raycast, tour
from lapose_core.synth.conditions import Conditions, Lighting, Weather, draw_conditions, labels
from lapose_core.synth.roads import (
    AHEAD,
    BEHIND,
    Array,
    Roads,
    Setting,
    Turn,
    curvature_profile,
    draw_style,
    integrate,
    lay_out,
)
from lapose_core.synth.scenery import Shade, furnish, shade
from lapose_core.synth.sensor import Sensor, develop, tone_curve
from lapose_core.synth.shading import Look, shade_frame
from lapose_core.synth.textures import atlas, bank_name
from lapose_core.synth.traffic import Mover, populate

SETTINGS: tuple[Setting, ...] = ("city", "suburb", "rural", "highway", "yard")
LONGEST = 300.0  # seconds: a drive's rasters are kept in memory


@dataclass(frozen=True)
class SynthConfig:
    """What to fix of a drive; None leaves it to the seed.

    Attributes:
        setting: the kind of place.
        lighting, weather: the conditions.
        reverse: whether the drive contains reversing.
        mono: whether the camera is monochrome.
        route: ``tour`` is the sample drive's script: curves, a stop, a junction turn, reversing, in 24 s.
    """

    setting: Setting | None = None
    lighting: Lighting | None = None
    weather: Weather | None = None
    reverse: bool | None = None
    mono: bool | None = None
    route: Literal["tour"] | None = None


class Contents(NamedTuple):
    """What a world is made of, as numbers to compare it with others.

    Attributes:
        road: [P, 4] vertices of the reference path (x, z) and its unit tangents.
        furniture: [R, objects.COLUMNS] what stands along the road.
        look: [K] skyline, surface colours and where the textures are sampled.
    """

    road: Array
    furniture: Array
    look: Array


@dataclass(frozen=True)
class SyntheticDrive:
    """A drive with exact ground truth. Frames are rendered when asked for, each independent of the others.

    Attributes:
        times: [N] seconds.
        poses: [N, 4, 4] camera-to-world. The world's y points down, the ground is y = 0.
        intrinsics: pinhole; pixel i covers [i, i + 1), so the middle of the first pixel is 0.5.
        regimes: per-frame labels, name -> [N]: ``curvature`` (straight, gentle, medium, sharp by the thresholds
            0.001, 0.01 and 0.1 1/m), ``reverse``, ``standstill``, ``braking``, ``hard_braking``,
            ``acceleration`` (low, mid, high), ``lighting``, ``night``, ``dusk``, ``fog``, ``rain``, ``setting``.
        speed: [N] m/s of the rear axle, negative backwards.
    """

    seed: int
    setting: Setting
    size: tuple[int, int]
    times: Array
    poses: Array
    intrinsics: Intrinsics
    regimes: dict[str, NDArray]
    speed: Array
    conditions: Conditions
    mount: mo.CameraMount
    _roads: Roads
    _static: Array
    _movers: list[Mover]
    _look: Look
    _sensor: Sensor
    _gain: Array

    def __len__(self) -> int:
        return len(self.times)

    @staticmethod
    def generate(
        seed: int,
        seconds: float = 12.0,
        rate: float = 10.0,
        size: tuple[int, int] = (240, 112),
        config: SynthConfig | None = None,
    ) -> SyntheticDrive:
        """Draw a drive of ``seconds`` at ``rate`` Hz with frames of ``size`` (width, height).

        The same arguments give the same drive, to the bit.

        Raises:
            ValueError: on a duration, rate or size that cannot be.
        """
        width, height = size
        if not 0.0 < seconds <= LONGEST:
            raise ValueError(f"seconds must be above 0 and at most {LONGEST:.0f}, got {seconds}")
        if not 0.0 < rate <= mo.SIM_RATE:
            raise ValueError(f"rate must be above 0 and at most {mo.SIM_RATE:.0f} Hz, got {rate}")
        if not (16 <= width <= 8192 and 16 <= height <= 8192):
            raise ValueError(f"size {width}x{height} is no picture; use 16 to 8192 pixels a side")
        config = config or SynthConfig()
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}")
        streams = [np.random.default_rng([seed, stream]) for stream in range(9)]
        return _generate(seed, seconds, rate, size, config, streams)

    def contents(self) -> Contents:
        """The road, furniture and look of this drive's world."""
        look = self._look
        parts = (look.skyline.ravel(), look.shift, look.asphalt, look.verge_low, look.verge_high, look.hills)
        return Contents(self._roads.path, self._static, np.concatenate(parts))

    @cached_property
    def _template(self) -> tuple[Array, NDArray[np.int64]]:
        """The movers' rows as modelled, and which mover each belongs to."""
        if not self._movers:
            return np.zeros((0, ob.COLUMNS)), np.zeros(0, np.int64)
        rows = np.concatenate([m.rows for m in self._movers])
        owner = np.concatenate([np.full(len(m.rows), k) for k, m in enumerate(self._movers)])
        return rows, owner.astype(np.int64)

    @cached_property
    def _tracks(self) -> Array:
        """Places of the movers [N, 3, K]."""
        return np.array([[m.x, m.z, m.heading] for m in self._movers]).reshape(-1, 3, len(self)).transpose(2, 1, 0)

    def _rows(self, index: int) -> Array:
        template, owner = self._template
        if not len(template):
            return self._static
        x, z, heading = (np.ascontiguousarray(v) for v in self._tracks[index])
        return np.concatenate([self._static, raycast.place(template, owner, x, z, heading)])

    def _camera(self, index: int) -> raycast.Camera:
        k = self.intrinsics
        pose = self.poses[index]
        (a, b, c), (d, e, f), (g, h, i) = pose[:3, :3].tolist()
        x, y, z = pose[:3, 3].tolist()
        return raycast.Camera(((a, b, c), (d, e, f), (g, h, i)), (x, y, z), k.fx, k.fy, k.cx, k.cy, k.width, k.height)

    def _check(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame {index} of a drive of {len(self)}")
        return index % len(self)

    def render(self, index: int) -> Image:
        """Frame ``index`` [H, W, 3] uint8 RGB.

        Raises:
            IndexError: outside the drive.
        """
        index = self._check(index)
        camera, rows = self._camera(index), self._rows(index)
        shape = (camera.height, camera.width, 4)
        depth, key = np.empty(shape, np.float32), np.empty(shape, np.int32)
        textures = atlas(bank_name(self.seed))
        order = raycast.select(rows, camera)
        raycast.visibility(camera, rows, order, raycast.FOUR_X, raycast.FOUR_Y, textures, depth, key)
        linear = np.empty((camera.height, camera.width, 3), np.float32)
        shade_frame(self._look, self._roads, textures, camera, rows, raycast.FOUR_X, raycast.FOUR_Y, depth, key, linear)
        out = np.empty((camera.height, camera.width, 3), np.uint8)
        noise = np.random.SeedSequence([self.seed, index]).generate_state(1, np.uint64)[0]
        develop(linear, self._sensor, float(self._gain[index]), noise, out)
        return out

    def depth(self, index: int) -> NDArray[np.float32]:
        """Depth along the camera's z axis [H, W] in metres at the pixels' middles; inf where there is sky.

        Raises:
            IndexError: outside the drive.
        """
        index = self._check(index)
        camera, rows = self._camera(index), self._rows(index)
        shape = (camera.height, camera.width, 1)
        depth, key = np.empty(shape, np.float32), np.empty(shape, np.int32)
        order = raycast.select(rows, camera)
        textures = atlas(bank_name(self.seed))
        raycast.visibility(camera, rows, order, raycast.ONE, raycast.ONE, textures, depth, key)
        return depth[..., 0]

    def point_cloud(self, index: int, furthest: float = 80.0) -> NDArray[np.float32]:
        """Points [P, 3] in the camera's axes of what frame ``index`` shows within ``furthest`` metres.

        Raises:
            IndexError: outside the drive.
        """
        depth = self.depth(index)
        k = self.intrinsics
        v, u = np.nonzero(depth < furthest)
        z = depth[v, u]
        return np.stack([(u + 0.5 - k.cx) / k.fx * z, (v + 0.5 - k.cy) / k.fy * z, z], -1).astype(np.float32)


# Horizontal fields of view in degrees that the model sees of the cameras that driving is recorded with, once their
# pictures are cropped to its shape: Argoverse 2, Waymo, PandaSet, KITTI, nuScenes, comma2k19. Most drives have such a
# camera, the others any from 45 to 85.
RIGS = (47.1, 50.0, 52.0, 58.5, 64.5, 65.2)
RIG_SHARE = 0.6


def _draw_camera(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Intrinsics, mo.CameraMount]:
    width, height = size
    rig, jitter, anything = float(rng.choice(RIGS)), float(rng.normal(0.0, 0.7)), float(rng.uniform(45.0, 85.0))
    fov = np.deg2rad(rig + jitter if rng.random() < RIG_SHARE else anything)
    focal = 0.5 * width / np.tan(fov / 2)
    # Inference crops about the principal point where it is known. What is left moves every direction by an angle that
    # no picture tells, so a wide spread here would only be noise in the labels.
    cx = width * (0.5 + float(np.clip(rng.normal(0, 0.003), -0.01, 0.01)))
    cy = height * (0.5 + float(np.clip(rng.normal(0, 0.006), -0.02, 0.02)))
    mount = mo.CameraMount(
        height=float(rng.triangular(1.15, 1.5, 2.15)),
        ahead=float(rng.uniform(0.9, 2.1)),
        right=float(np.clip(rng.normal(0.0, 0.15), -0.4, 0.4)),
        pitch=float(np.deg2rad(np.clip(rng.normal(-0.8, 1.8), -5, 4))),
        yaw=float(np.deg2rad(np.clip(rng.normal(0.0, 0.8), -2.5, 2.5))),
        roll=float(np.deg2rad(np.clip(rng.normal(0.0, 0.8), -2.5, 2.5))),
    )
    return Intrinsics(float(focal), float(focal), cx, cy, width, height), mount


def _skyline(rng: np.random.Generator, setting: Setting) -> Array:
    """Heights [2, K] of the horizon's two silhouettes as tangents of elevation, around the full circle."""
    count = 2048
    azimuth = np.linspace(0, 2 * np.pi, count, endpoint=False)
    hills = np.zeros(count)
    top = float(rng.uniform(0.0, 0.10)) if rng.random() < 0.75 else 0.0
    for wave in range(2, 40):
        hills += np.sin(wave * azimuth + rng.uniform(0, 6.3)) * wave**-1.1 * rng.uniform(0.3, 1.0)
    hills = top * (0.5 + 0.35 * hills)
    trees = np.zeros(count)
    for wave in (3, 5, 8, 13, 30, 70, 150, 320, 600):
        trees += np.sin(wave * azimuth + rng.uniform(0, 6.3)) * wave**-0.55
    trees = float(rng.uniform(0.012, 0.05)) * np.clip(0.6 + 0.6 * trees, 0.05, None)
    if setting == "city":  # blocks of flats instead
        edges = np.sort(rng.integers(0, count, 170))
        steps = rng.uniform(0.01, 0.10, 171)
        trees = steps[np.searchsorted(edges, np.arange(count))]
    return np.stack([hills, trees])


def _generate(
    seed: int,
    seconds: float,
    rate: float,
    size: tuple[int, int],
    config: SynthConfig,
    streams: list[np.random.Generator],
) -> SyntheticDrive:
    general, road_rng, motion_rng, scene_rng, traffic_rng, light_rng, camera_rng, sky_rng, _ = streams
    drawn: Setting = SETTINGS[int(general.choice(5, p=[0.27, 0.28, 0.21, 0.13, 0.11]))]
    reverses = bool(general.random() < {"yard": 0.45}.get(config.setting or drawn, 0.10))
    setting = config.setting or ("suburb" if config.route == "tour" else drawn)
    if setting == "highway":
        reverses = False
    reverses = reverses if config.reverse is None else config.reverse
    intrinsics, mount = _draw_camera(camera_rng, size)
    conditions = draw_conditions(light_rng, setting, config.lighting, config.weather)

    fastest = mo.CRUISE[setting][1]
    length = fastest * (seconds + mo.LEAD_OUT) * 1.2 + 30.0
    ahead = 20.0 if setting == "yard" else AHEAD
    # The fastest drive bounds the road; most drives use part of it.
    if config.route == "tour":
        curvature, turns = tour.curvature(length + ahead)
    else:
        curvature, turns = curvature_profile(road_rng, setting, BEHIND + length + ahead, mo.GRID)
        turns = [Turn(t.begin - BEHIND, t.end - BEHIND) for t in turns]
    path = integrate(curvature, mo.GRID, -BEHIND)
    style = draw_style(road_rng, setting)
    if config.route == "tour":
        phases, events, pace, change = tour.phases(), tour.events(), tour.PACE, None
    else:
        phases, events, pace = mo.draw_phases(motion_rng, setting, reverses), None, None
        change = style.parallel_lane if motion_rng.random() < 0.5 else None
    motion = mo.simulate(
        motion_rng, setting, path, turns, phases, seconds, lane_change=change, events=events, pace=pace
    )
    count = int(np.floor(seconds * rate + 1e-9))
    times = np.arange(max(count, 1)) / rate
    poses = motion.poses(mount, times)

    # Only the road in sight of the drive is built.
    low, high = float(motion.s.min()) - BEHIND, float(motion.s.max()) + ahead
    used = (path.s >= low) & (path.s <= high)
    path = type(path)(
        float(path.s[used][0]), path.step, path.x[used], path.z[used], path.heading[used], path.curvature[used]
    )
    turns = [t for t in turns if low + 5 < t.begin and t.end < high - 5]
    roads = lay_out(road_rng, setting, path, turns, style)
    steps = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(motion.x)) + np.abs(np.diff(motion.z)))])
    picks = np.searchsorted(steps, np.arange(0.0, steps[-1] + 1.2, 1.2)).clip(0, len(steps) - 1)
    ego_x, ego_z = np.ascontiguousarray(motion.x[picks]), np.ascontiguousarray(motion.z[picks])
    static, lamps = furnish(scene_rng, setting, path, roads, style, conditions, ego_x, ego_z)
    movers = populate(traffic_rng, setting, path, roads, style, motion, times)
    raster = shade(static, lamps, conditions, ego_x, ego_z)

    labelled = mo.regimes(motion, times) | labels(conditions, len(times))
    labelled["setting"] = np.full(len(times), setting)
    look = _look(sky_rng, setting, conditions, raster)
    sensor = _sensor(conditions, size, config.mono)
    gain = conditions.gain(seed, times) * conditions.exposure
    speed = np.interp(times, motion.times, motion.speed)
    return SyntheticDrive(
        seed, setting, size, times, poses, intrinsics, labelled, speed, conditions, mount,
        roads, static, movers, look, sensor, gain,
    )  # fmt: skip


def _look(rng: np.random.Generator, setting: Setting, conditions: Conditions, raster: Shade) -> Look:
    trees = np.array([0.07, 0.11, 0.05]) * rng.uniform(0.6, 1.6)
    if setting == "city":
        trees = np.array([0.3, 0.28, 0.26]) * rng.uniform(0.6, 1.3)

    def vector(values: Array) -> tuple[float, float, float]:
        red, green, blue = (float(v) for v in values)
        return red, green, blue

    a, b, c, d, e, f, g, h = (float(v) for v in rng.uniform(0, 64, 8))
    hills = np.array([0.12, 0.16, 0.13]) * rng.uniform(0.7, 1.5)
    return Look(
        sun=vector(conditions.sun),
        sun_light=vector(conditions.sun_light),
        ambient=vector(conditions.ambient),
        zenith=vector(conditions.zenith),
        horizon=vector(conditions.horizon),
        cloud_cover=conditions.cloud_cover,
        cloud_light=float(conditions.horizon.mean()) * (0.95 if conditions.weather != "clear" else 1.15),
        fog=conditions.fog,
        headlights=conditions.headlights,
        lamps=conditions.lamps,
        night=conditions.lighting == "night",
        wet=1.0 if conditions.weather == "rain" else 0.0,
        asphalt=vector(conditions.asphalt),
        verge_low=vector(conditions.verge[0]),
        verge_high=vector(conditions.verge[1]),
        sidewalk=vector(conditions.sidewalk),
        shift=(a, b, c, d, e, f, g, h),
        hills=vector(hills),
        trees=vector(trees),
        trees_kind=1.0 if setting == "city" else 0.0,
        skyline=_skyline(rng, setting),
        shade=raster.values,
        shade_x=raster.x,
        shade_z=raster.z,
        shade_cell=raster.cell,
        bonnet=conditions.bonnet,
        bonnet_colour=vector(conditions.bonnet_colour),
    )


def _sensor(conditions: Conditions, size: tuple[int, int], mono: bool | None) -> Sensor:
    grey = conditions.grey if mono is None else mono
    return Sensor(
        balance=conditions.white_balance,
        saturation=0.0 if grey else max(conditions.saturation, 0.5),
        vignette=conditions.vignette,
        blur=conditions.blur * size[0] / 240.0,
        read_noise=conditions.read_noise,
        shot_noise=conditions.shot_noise,
        rain=1.0 if conditions.weather == "rain" else 0.0,
        curve=tone_curve(conditions.contrast),
    )
