"""One short drive of the synthetic world, rendered at each data set's picture size and laid out in its format.

Layouts come from the test helpers under ``tests/core`` where those can be filled with other poses and pictures, so
they are the published schemas. Pictures are rendered once, cut to each shape and enlarged: codecs get pictures of the
right size, and the world is not waited for.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil

for folder in ("core", "core/logs"):
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / folder))

from lapose_core.drive import Intrinsics  # noqa: E402
from lapose_core.geometry import Array, invert, make_poses, quaternion_from_matrix  # noqa: E402
from lapose_core.synth.drive import SynthConfig, SyntheticDrive  # noqa: E402

SECONDS, RATE, SEED = 3.0, 10.0, 11
RENDERED = (640, 480)
ZUP = make_poses(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.zeros(3))
"""From axes right, down, forward to forward, left, up."""
MOUNT = make_poses(ZUP[:3, :3], np.array([1.6, 0.0, 0.0]))
"""Vehicle (forward, left, up; origin under the rear axle at the camera's height) from camera."""


@dataclass(frozen=True)
class Frames:
    """The drive as it was rendered: pictures [N, H, W, 3], depths [N, H, W] in metres, and its world."""

    world: SyntheticDrive
    pictures: NDArray[np.uint8]
    depths: NDArray[np.float32]


@cache
def frames() -> Frames:
    """Rendered once, for all formats."""
    config = SynthConfig(setting="suburb", lighting="day", weather="clear", reverse=False, mono=False)
    world = SyntheticDrive.generate(SEED, SECONDS, RATE, RENDERED, config)
    every = range(len(world))
    return Frames(world, np.stack([world.render(i) for i in every]), np.stack([world.depth(i) for i in every]))


@dataclass(frozen=True)
class Rendered:
    """The drive seen by a camera with pictures of ``size`` (width, height): cut to its shape, and enlarged."""

    size: tuple[int, int]

    @property
    def world(self) -> SyntheticDrive:
        return frames().world

    @cached_property
    def _cut(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of the part of the rendered pictures."""
        (width, height), shape = RENDERED, self.size[0] / self.size[1]
        part = (min(width, round(height * shape)), min(height, round(width / shape)))
        return (width - part[0]) // 2, (height - part[1]) // 2, *part

    @cached_property
    def camera(self) -> Intrinsics:
        return self.world.intrinsics.crop(*self._cut).resize(*self.size)

    @property
    def count(self) -> int:
        return len(self.world)

    @property
    def times(self) -> Array:
        """[N] seconds from the first frame."""
        return self.world.times - self.world.times[0]

    @property
    def vehicles(self) -> Array:
        """Vehicle poses [N, 4, 4] in a world with z up."""
        return ZUP @ self.world.poses @ invert(MOUNT)

    def picture(self, i: int) -> Pil.Image:
        left, top, width, height = self._cut
        part = Pil.fromarray(frames().pictures[i]).crop((left, top, left + width, top + height))
        return part.resize(self.size, Pil.Resampling.BICUBIC)

    def jpeg(self, i: int) -> bytes:
        out = io.BytesIO()
        self.picture(i).save(out, "JPEG", quality=90)
        return out.getvalue()

    def sweep(self, i: int, limit: int = 20_000) -> NDArray[np.float32]:
        """Points [P, 4] in the vehicle's axes with intensity 0 to 255: what was rendered within 60 m."""
        depth, k = frames().depths[i], self.world.intrinsics
        v, u = np.nonzero(depth < 60)
        step = max(1, len(v) // limit)
        v, u = v[::step], u[::step]
        z = depth[v, u]
        points = np.stack([(u + 0.5 - k.cx) / k.fx * z, (v + 0.5 - k.cy) / k.fy * z, z], -1)
        grey = frames().pictures[i][v, u].mean(-1)
        return np.column_stack([points @ MOUNT[:3, :3].T + MOUNT[:3, 3], grey]).astype(np.float32)


def tum(times: Array, poses: Array) -> str:
    rows = np.column_stack([times, poses[:, :3, 3], quaternion_from_matrix(poses[:, :3, :3])])
    return "".join(" ".join(f"{v:.9f}" for v in row) + "\n" for row in rows)


def wxyz(poses: Array) -> Array:
    return quaternion_from_matrix(poses[..., :3, :3])[..., [3, 0, 1, 2]]


def pinhole(camera: Intrinsics) -> dict[str, float]:
    """As OpenCV counts pixels."""
    return {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx - 0.5, "cy": camera.cy - 0.5}


def _files(folder: Path, names: list[str], drive: Rendered) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        drive.picture(i).save(folder / name, quality=90, compress_level=1)


def encode(path: Path, drive: Rendered, codec: str = "libx264", options: dict[str, str] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=round(RATE), options=options or {"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *drive.size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, round(RATE))
        for i in range(drive.count):
            for packet in stream.encode(av.VideoFrame.from_image(drive.picture(i))):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def write_video(root: Path, drive: Rendered) -> Path:
    path = encode(root / "drive.mp4", drive)
    (root / "drive.tum").write_text(tum(drive.times, drive.world.poses))
    (root / "drive.intrinsics.json").write_text(json.dumps(pinhole(drive.camera)))
    return path


def write_images(root: Path, drive: Rendered) -> Path:
    folder = root / "pictures"
    _files(folder, [f"{i:06d}.png" for i in range(drive.count)], drive)
    (folder / "times.txt").write_text("".join(f"{t:.6f}\n" for t in drive.times))
    (folder / "poses.tum").write_text(tum(drive.times, drive.world.poses))
    (folder / "intrinsics.json").write_text(json.dumps(pinhole(drive.camera)))
    return folder


def write_steering(root: Path, drive: Rendered) -> Path:
    folder = root / "steering"
    _files(folder / "data", [f"{i}.jpg" for i in range(drive.count)], drive)
    lines = [f"{i}.jpg {20 * np.sin(i / 8):.6f},2018-07-01 17:09:{i // 10:02d}:{i % 10}00" for i in range(drive.count)]
    (folder / "data.txt").write_text("\n".join(lines))
    return folder


def write_kitti_odometry(root: Path, drive: Rendered) -> Path:
    folder = root / "kitti_odometry" / "sequences" / "09"
    _files(folder / "image_2", [f"{i:06d}.png" for i in range(drive.count)], drive)
    c = pinhole(drive.camera)
    rows = [f"P{k}: {c['fx']} 0 {c['cx']} 0 0 {c['fy']} {c['cy']} 0 0 0 1 0" for k in range(4)]
    (folder / "calib.txt").write_text("\n".join(rows) + "\n")
    (folder / "times.txt").write_text("".join(f"{t:e}\n" for t in drive.times))
    poses = folder.parents[1] / "poses"
    poses.mkdir()
    first = invert(drive.world.poses[:1]) @ drive.world.poses
    text = "".join(" ".join(f"{v:.9e}" for v in row) + "\n" for row in first[:, :3].reshape(-1, 12))
    (poses / "09.txt").write_text(text)
    return folder.parents[1]


def write_kitti_raw(root: Path, drive: Rendered) -> Path:
    from kitti_raw_drives import numbers, stamp

    date = root / "kitti_raw" / "2011_09_26"
    folder = date / "2011_09_26_drive_0042_sync"
    _files(folder / "image_02" / "data", [f"{i:010d}.png" for i in range(drive.count)], drive)
    stamps = "".join(f"{stamp(t)}\n" for t in drive.times)
    c, size = pinhole(drive.camera), drive.size
    camera = numbers((c["fx"], 0, c["cx"], 0, 0, c["fy"], c["cy"], 0, 0, 0, 1, 0))
    lines = []
    for k in range(4):
        lines += [f"S_rect_{k:02d}: {size[0]:e} {size[1]:e}", f"R_rect_{k:02d}: {numbers(np.eye(3))}"]
        lines += [f"P_rect_{k:02d}: {camera}", f"S_{k:02d}: {size[0]:e} {size[1]:e}"]
    (date / "calib_cam_to_cam.txt").write_text("\n".join(lines) + "\n")
    for name, pose in (("imu_to_velo", np.eye(4)), ("velo_to_cam", invert(MOUNT))):
        (date / f"calib_{name}.txt").write_text(f"R: {numbers(pose[:3, :3])}\nT: {numbers(pose[:3, 3])}\n")
    scale = np.cos(np.radians(49.0)) * 6378137.0
    for sub in ("oxts", "velodyne_points"):
        (folder / sub / "data").mkdir(parents=True)
        (folder / sub / "timestamps.txt").write_text(stamps)
    (folder / "image_02" / "timestamps.txt").write_text(stamps)
    velocity = np.gradient(drive.vehicles[:, :3, 3], drive.times, axis=0)
    for i, (pose, v) in enumerate(zip(drive.vehicles, velocity)):
        east, north = scale * np.radians(8.4) + pose[0, 3], scale * np.log(np.tan(np.radians(139) / 2)) + pose[1, 3]
        latitude = np.degrees(2 * np.arctan(np.exp(north / scale))) - 90
        r = pose[:3, :3]
        angles = (np.arctan2(r[2, 1], r[2, 2]), -np.arcsin(r[2, 0]), np.arctan2(r[1, 0], r[0, 0]))
        ahead = r.T @ v
        values = [latitude, np.degrees(east / scale), pose[2, 3], *angles, v[1], v[0], *ahead, *[0.0] * 14]
        (folder / "oxts/data" / f"{i:010d}.txt").write_text(" ".join(repr(float(x)) for x in values) + " 4 9 4 4 6\n")
        sweep = drive.sweep(i) / [1, 1, 1, 255]
        sweep.astype("<f4").tofile(folder / "velodyne_points/data" / f"{i:010d}.bin")
    return root / "kitti_raw"


def write_argoverse2(root: Path, drive: Rendered) -> Path:
    from test_argoverse2 import LOG, save, stamps
    from test_argoverse2 import wxyz as columns

    log, name = root / "argoverse2" / "val" / LOG, "ring_front_center"
    moments = stamps(drive.times)
    _files(log / "sensors" / "cameras" / name, [f"{t}.jpg" for t in moments], drive)
    for i, moment in enumerate(moments):
        x, y, z, intensity = drive.sweep(i).T
        table = {"x": x, "y": y, "z": z, "intensity": intensity.astype(np.uint8)}
        save(log / "sensors" / "lidar" / f"{moment}.feather", table)
    save(log / "city_SE3_egovehicle.feather", {"timestamp_ns": moments} | columns(drive.vehicles))
    c = pinhole(drive.camera)
    values = {f"{k}_px": [v] for k, v in c.items()} | {k: [0.0] for k in ("k1", "k2", "k3")}
    sizes = {"width_px": np.array([drive.size[0]], np.uint16), "height_px": np.array([drive.size[1]], np.uint16)}
    save(log / "calibration" / "intrinsics.feather", {"sensor_name": [name]} | values | sizes)
    mounts = {"sensor_name": [name, "up_lidar"]} | columns(np.stack([MOUNT, np.eye(4)]))
    save(log / "calibration" / "egovehicle_SE3_sensor.feather", mounts)
    return root / "argoverse2"


def write_nuscenes(root: Path, drive: Rendered) -> Path:
    import nuscenes_files as files

    def ego(seconds: float) -> tuple[Array, Array]:
        pose = drive.vehicles[min(round(seconds * RATE), drive.count - 1)]
        return pose[:3, 3], wxyz(pose)

    c, ahead = pinhole(drive.camera), (0.5, -0.5, 0.5, -0.5)
    files.SIZE, files.SECONDS, files.SCENES, files.ego = drive.size, SECONDS - 0.11, ("scene-0061",), ego
    files.INTRINSIC = [[c["fx"], 0, c["cx"]], [0, c["fy"], c["cy"]], [0, 0, 1]]
    files.SENSORS = {
        "CAM_FRONT": ("camera", tuple(MOUNT[:3, 3]), ahead, RATE),
        "LIDAR_TOP": ("lidar", (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0), RATE),
    }
    folder = files.write_nuscenes(root / "nuscenes")
    for name, (_, i, channel) in files.tables()[1].items():
        if channel == "CAM_FRONT":
            (folder / name).write_bytes(drive.jpeg(i))
        else:
            np.column_stack([drive.sweep(i), np.zeros(len(drive.sweep(i)))]).astype("<f4").tofile(folder / name)
    return folder


def write_pandaset(root: Path, drive: Rendered) -> Path:
    from pickle_files import table

    sequence = root / "pandaset" / "027"
    camera, lidar = sequence / "camera" / "front_camera", sequence / "lidar"
    _files(camera, [f"{i:02d}.jpg" for i in range(drive.count)], drive)
    cameras = ZUP @ drive.world.poses
    rows = [
        {"position": dict(zip("xyz", p[:3, 3].tolist())), "heading": dict(zip("wxyz", wxyz(p).tolist()))}
        for p in cameras
    ]
    (camera / "poses.json").write_text(json.dumps(rows))
    (camera / "intrinsics.json").write_text(json.dumps(pinhole(drive.camera)))
    (camera / "timestamps.json").write_text(json.dumps((1557539956.0 + drive.times).tolist()))
    lidar.mkdir()
    for i, vehicle in enumerate(drive.vehicles):
        sweep = drive.sweep(i).astype(float)
        world = sweep[:, :3] @ vehicle[:3, :3].T + vehicle[:3, 3]
        columns = dict(zip("xyz", world.T)) | {"i": sweep[:, 3], "t": np.zeros(len(sweep))}
        (lidar / f"{i:02d}.pkl.gz").write_bytes(gzip.compress(table(columns), 1))
    return root / "pandaset"


def write_waymo(root: Path, drive: Rendered) -> Path:
    import waymo_files as files

    # Theirs is x forward, y left, z up for the camera too.
    mount = MOUNT @ invert(files.OURS)
    at = {round(files.picture_seconds(i), 6): i for i in range(drive.count)}
    files.SIZE, files.COUNT, files.LENS = drive.size, drive.count, (0.0,) * 5
    files.FOCAL = (drive.camera.fx, drive.camera.fy)
    files.CENTRE = (drive.camera.cx, drive.camera.cy)
    files.CAMERAS = {1: (*mount[:3, 3], 0.0)}
    files.BEAMS, files.COLUMNS, files.LASER = 32, 900, (0.0, 0.0, 0.0, 0.0)
    files.INCLINATIONS = np.linspace(-0.4, -0.03, files.BEAMS)
    files.vehicle = lambda t: drive.vehicles[at.get(round(t, 6), 0)]
    files.jpeg = lambda camera, frame: drive.jpeg(frame)
    # A flat road and a hedge 25 m away.
    height = drive.vehicles[0, 2, 3]
    road = np.minimum(height / np.sin(-files.INCLINATIONS[::-1]), 25.0)
    files.wall_ranges = lambda frame: np.tile(road[:, None], (1, files.COLUMNS))

    def change(component: str, rows: dict[str, list[Any]]) -> None:
        if component == "lidar_pose":
            for name in rows:
                rows[name].clear()

    split = files.write_waymo(root / "waymo" / "training", change)
    for file in (split / "lidar_pose").iterdir():
        file.unlink()
    (split / "lidar_pose").rmdir()
    return root / "waymo"


def write_comma2k19(root: Path, drive: Rendered) -> Path:
    from test_comma2k19 import BOOT, ROUTE, east_down_north, ecef, save

    segment = root / "comma2k19" / "Chunk_1" / ROUTE / "10"
    options = {"preset": "ultrafast", "x265-params": "keyint=15:bframes=0:log-level=none"}
    encode(segment / "video.hevc", drive, "libx265", options)
    truth = drive.world.poses.copy()
    truth[:, :3, 3] -= truth[0, :3, 3]
    axes = np.eye(4)
    axes[:3, :3] = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    device = make_poses(east_down_north().T, ecef()) @ truth @ axes
    save(segment / "global_pose/frame_times", BOOT + drive.times)
    save(segment / "global_pose/frame_positions", device[:, :3, 3])
    save(segment / "global_pose/frame_orientations", wxyz(device))
    clock = BOOT + np.arange(0, SECONDS, 0.01)
    speed = np.interp(clock - BOOT, drive.times, drive.world.speed)
    for name, values in (("speed", speed[:, None]), ("steering_angle", np.zeros(len(clock)))):
        save(segment / f"processed_log/CAN/{name}/t", clock)
        save(segment / f"processed_log/CAN/{name}/value", values)
    return root / "comma2k19"


def ros_events(drive: Rendered) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """Compressed pictures, calibration, odometry, transforms and sweeps as ROS messages."""
    import message_files as files

    c, start = pinhole(drive.camera), files.START
    files.WIDTH, files.HEIGHT = drive.size
    files.K = [c["fx"], 0.0, c["cx"], 0.0, c["fy"], c["cy"], 0.0, 0.0, 1.0]
    edges = (("base_link", "cam_optical", MOUNT), ("base_link", "lidar", np.eye(4)))
    yield start, "/tf_static", *files.ros_tf(start, *edges)
    yield start, "/front/camera_info", *files.ros_camera_info(d=[0.0] * 5)
    for i, pose in enumerate(drive.vehicles):
        time = start + round(drive.times[i] * 1e9)
        yield time, "/odom", *files.ros_odometry(time, pose)
        picture = {"header": files.header(time, "cam_optical"), "format": "jpeg", "data": drive.jpeg(i)}
        yield time, "/front/image_raw/compressed", "sensor_msgs/CompressedImage", picture
        kind, cloud = files.ros_cloud(time, drive.sweep(i))
        rows = np.frombuffer(cloud["data"], {"names": ["xyz", "i"], "formats": ["12V", "<f4"], "itemsize": 18}).copy()
        rows["i"] = drive.sweep(i)[:, 3]
        yield time, "/lidar/points", kind, cloud | {"data": rows.tobytes()}


def write_mcap_ros2(root: Path, drive: Rendered) -> Path:
    from message_files import write_ros2

    return write_ros2(root / "ros2.mcap", ros_events(drive))


def write_mcap_ros1(root: Path, drive: Rendered) -> Path:
    from message_files import write_ros1

    return write_ros1(root / "ros1.mcap", ros_events(drive))


def write_bag(root: Path, drive: Rendered) -> Path:
    from test_rosbag2 import write_db3, write_metadata

    write_db3(root / "bag" / "bag_0.db3", ros_events(drive))
    return write_metadata(root / "bag", ["bag_0.db3"])


def foxglove_events(drive: Rendered, video: bool) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """The same as Foxglove messages; with ``video`` the pictures are one H.264 stream."""
    import message_files as files

    packets: list[bytes] = []
    if video:
        stream = av.CodecContext.create("libx264", "w")
        stream.width, stream.height, stream.pix_fmt = *drive.size, "yuv420p"
        stream.time_base, stream.options = Fraction(1, round(RATE)), {"preset": "veryfast", "bf": "0"}
        stream.gop_size = 10
        for i in range(drive.count):
            packets += map(bytes, stream.encode(av.VideoFrame.from_image(drive.picture(i)).reformat(format="yuv420p")))
        packets += map(bytes, stream.encode(None))
    c, k = pinhole(drive.camera), ("fx", "cx", "fy", "cy")
    fx, cx, fy, cy = (c[name] for name in k)
    for i, pose in enumerate(drive.vehicles):
        time = files.START + round(drive.times[i] * 1e9)
        head = {"timestamp": files.stamp(time)}
        if i == 0:
            shape = {"width": drive.size[0], "height": drive.size[1], "distortion_model": "", "D": []}
            matrix = {"K": [fx, 0.0, cx, 0, fy, cy, 0, 0, 1], "R": [1.0, 0, 0, 0, 1, 0, 0, 0, 1]}
            projection = {"P": [fx, 0.0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0]}
            yield (
                time, "/CAM_FRONT/camera_info", "CameraCalibration",
                head | {"frame_id": "CAM_FRONT"} | shape | matrix | projection,
            )  # fmt: skip
        for parent, child, edge in (("map", "base_link", pose), ("base_link", "CAM_FRONT", MOUNT)):
            edges = {"parent_frame_id": parent, "child_frame_id": child}
            yield time, "/tf", "FrameTransform", head | edges | files.transform(edge)
        yield time, "/pose", "PoseInFrame", head | {"frame_id": "map", "pose": files.pose(pose)}
        picture = {"frame_id": "CAM_FRONT", "data": packets[i] if video else drive.jpeg(i)}
        kind, form = ("CompressedVideo", "h264") if video else ("CompressedImage", "jpeg")
        yield time, "/CAM_FRONT/image", kind, head | picture | {"format": form}


def write_mcap_protobuf(root: Path, drive: Rendered) -> Path:
    from message_files import write_protobuf

    return write_protobuf(root / "protobuf_video.mcap", foxglove_events(drive, video=True))


def write_mcap_json(root: Path, drive: Rendered) -> Path:
    from message_files import write_json

    return write_json(root / "json.mcap", foxglove_events(drive, video=False))


WRITERS: dict[str, tuple[tuple[int, int], Callable[[Path, Rendered], Path]]] = {
    "video": ((1280, 720), write_video),
    "images": ((960, 540), write_images),
    "steering": ((456, 256), write_steering),
    "kitti-odometry": ((1242, 376), write_kitti_odometry),
    "kitti-raw": ((1242, 376), write_kitti_raw),
    "argoverse2": ((1550, 2048), write_argoverse2),
    "nuscenes": ((1600, 900), write_nuscenes),
    "pandaset": ((1920, 1080), write_pandaset),
    "waymo": ((1920, 1280), write_waymo),
    "comma2k19": ((1164, 874), write_comma2k19),
    "mcap-ros2": ((1280, 720), write_mcap_ros2),
    "mcap-ros1": ((1280, 720), write_mcap_ros1),
    "mcap-protobuf": ((1280, 720), write_mcap_protobuf),
    "mcap-json": ((1280, 720), write_mcap_json),
    "rosbag2": ((1280, 720), write_bag),
}
"""Format -> size of its pictures, and what writes a log and gives the path to open."""


def write(name: str, root: Path) -> Path:
    """The log of one format under ``root``, rendered anew, as the path to open."""
    size, writer = WRITERS[name]
    folder = root / name
    folder.mkdir(parents=True)
    return writer(folder, Rendered(size))
