"""A small drive as messages on topics, and the official writers of each encoding that MCAP knows."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from log_files import arc, picture
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from mcap_protobuf.writer import Writer as ProtobufWriter
from mcap_ros1._vendor.genpy import dynamic
from mcap_ros1.writer import Writer as Ros1Writer
from mcap_ros2.writer import Writer as Ros2Writer
from PIL import Image as Pil

from lapose_core.geometry import Array, invert, make_poses, matrix_from_quaternion, quaternion_from_matrix

COUNT = 10
STEP = 100_000_000  # nanoseconds between pictures
START = 1_690_000_000_123_456_789
LATE = 7_000_000  # nanoseconds from the picture to its being logged
WIDTH, HEIGHT = 64, 40
K = [50.0, 0.0, 31.5, 0.0, 51.0, 19.25, 0.0, 0.0, 1.0]
# Optical axes (right, down, forward) in those of a body (forward, left, up).
OPTICAL = make_poses(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.zeros(3))
MOUNT = make_poses(
    OPTICAL[:3, :3] @ matrix_from_quaternion(np.array([0.02, 0.05, -0.03, 1.0])), np.array([1.5, 0.2, 1.4])
)
LIDAR = make_poses(matrix_from_quaternion(np.array([0.0, 0.0, 0.1, 1.0])), np.array([0.9, 0.0, 1.9]))
POINTS = np.array([[5.0, 1, 0.5], [12, -3, -1], [30, 4, 2]])

Message = dict[str, Any]
Event = tuple[int, str, str, Message]  # log time, topic, kind, values

ROS = {
    "std_msgs/Header": "# when and where\nbuiltin_interfaces/Time stamp\nstring frame_id",
    "builtin_interfaces/Time": "int32 sec\nuint32 nanosec",
    "geometry_msgs/Point": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/Vector3": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/Quaternion": "float64 x 0\nfloat64 y 0\nfloat64 z 0\nfloat64 w 1",
    "geometry_msgs/Pose": "Point position\nQuaternion orientation",
    "geometry_msgs/PoseStamped": "std_msgs/Header header\nPose pose",
    "geometry_msgs/PoseWithCovariance": "Pose pose\nfloat64[36] covariance",
    "geometry_msgs/PoseWithCovarianceStamped": "std_msgs/Header header\nPoseWithCovariance pose",
    "geometry_msgs/Twist": "Vector3 linear\nVector3 angular",
    "geometry_msgs/TwistWithCovariance": "Twist twist\nfloat64[36] covariance",
    "geometry_msgs/Transform": "Vector3 translation\nQuaternion rotation",
    "geometry_msgs/TransformStamped": "std_msgs/Header header\nstring child_frame_id\nTransform transform",
    "tf2_msgs/TFMessage": "geometry_msgs/TransformStamped[] transforms",
    "nav_msgs/Odometry": (
        "std_msgs/Header header\nstring child_frame_id\n"
        "geometry_msgs/PoseWithCovariance pose\ngeometry_msgs/TwistWithCovariance twist"
    ),
    "sensor_msgs/Image": (
        "std_msgs/Header header # of the first row\nuint32 height\nuint32 width\nstring encoding\n"
        "uint8 is_bigendian\nuint32 step\nuint8[] data"
    ),
    "sensor_msgs/CompressedImage": "std_msgs/Header header\nstring format\nuint8[] data",
    "sensor_msgs/RegionOfInterest": "uint32 x_offset\nuint32 y_offset\nuint32 height\nuint32 width\nbool do_rectify",
    "sensor_msgs/CameraInfo": (
        "std_msgs/Header header\nuint32 height\nuint32 width\nstring distortion_model\nfloat64[] d\nfloat64[9] k\n"
        "float64[9] r\nfloat64[12] p\nuint32 binning_x\nuint32 binning_y\nsensor_msgs/RegionOfInterest roi"
    ),
    "sensor_msgs/NavSatStatus": "int8 STATUS_NO_FIX=-1\nint8 STATUS_FIX=0\nint8 status -2\nuint16 service",
    "sensor_msgs/NavSatFix": (
        "std_msgs/Header header\nsensor_msgs/NavSatStatus status\nfloat64 latitude\nfloat64 longitude\n"
        "float64 altitude\nfloat64[9] position_covariance\nuint8 COVARIANCE_TYPE_UNKNOWN=0\n"
        "uint8 position_covariance_type"
    ),
    "sensor_msgs/PointField": "uint8 FLOAT32=7\nstring name\nuint32 offset\nuint8 datatype\nuint32 count",
    "sensor_msgs/PointCloud2": (
        "std_msgs/Header header\nuint32 height\nuint32 width\nsensor_msgs/PointField[] fields\nbool is_bigendian\n"
        "uint32 point_step\nuint32 row_step\nuint8[] data\nbool is_dense"
    ),
    "ffmpeg_image_transport_msgs/FFMPEGPacket": (
        "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\nuint8 flags\n"
        "bool is_bigendian\nuint8[] data"
    ),
    "foxglove_msgs/CompressedVideo": (
        "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format"
    ),
}
# Field numbers and types of the Foxglove schemas in protobuf; "*" repeats.
FOXGLOVE = {
    "Vector3": "x:double y:double z:double",
    "Quaternion": "x:double y:double z:double w:double",
    "Pose": "position:Vector3 orientation:Quaternion",
    "PackedElementField": "name:string offset:fixed32 type:int32",
    "RawImage": "timestamp:Time width:fixed32 height:fixed32 encoding:string step:fixed32 data:bytes frame_id:string",
    "CompressedImage": "timestamp:Time data:bytes format:string frame_id:string",
    "CompressedVideo": "timestamp:Time frame_id:string data:bytes format:string",
    "CameraCalibration": (
        "timestamp:Time width:fixed32 height:fixed32 distortion_model:string D:*double K:*double R:*double "
        "P:*double frame_id:string"
    ),
    "FrameTransform": (
        "timestamp:Time parent_frame_id:string child_frame_id:string translation:Vector3 rotation:Quaternion"
    ),
    "FrameTransforms": "transforms:*FrameTransform",
    "PoseInFrame": "timestamp:Time frame_id:string pose:Pose",
    "PosesInFrame": "timestamp:Time frame_id:string poses:*Pose",
    "LocationFix": "timestamp:Time frame_id:string latitude:double longitude:double altitude:double",
    "PointCloud": (
        "timestamp:Time frame_id:string pose:Pose point_stride:fixed32 fields:*PackedElementField data:bytes"
    ),
}


def camera_poses(count: int = COUNT) -> Array:
    """The camera's truth [N, 4, 4] in a world with z up."""
    return OPTICAL @ arc(count)


def body_poses(count: int = COUNT) -> Array:
    return camera_poses(count) @ invert(MOUNT)


def stamp(nanoseconds: int) -> Message:
    return {"sec": nanoseconds // 10**9, "nanosec": nanoseconds % 10**9}


def header(nanoseconds: int, frame: str) -> Message:
    return {"stamp": stamp(nanoseconds), "frame_id": frame}


def vector(values: Any) -> Message:
    return dict(zip("xyzw", map(float, values)))


def pose(matrix: Array) -> Message:
    quaternion = quaternion_from_matrix(matrix[:3, :3])
    return {"position": vector(matrix[:3, 3]), "orientation": vector(quaternion)}


def transform(matrix: Array) -> Message:
    quaternion = quaternion_from_matrix(matrix[:3, :3])
    return {"translation": vector(matrix[:3, 3]), "rotation": vector(quaternion)}


def encoded(i: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Pil.fromarray(picture(i, WIDTH, HEIGHT)).save(out, kind)
    return out.getvalue()


def ros_image(i: int, time: int, frame: str = "cam_optical", compressed: bool = False) -> tuple[str, Message]:
    if compressed:
        return "sensor_msgs/CompressedImage", {"header": header(time, frame), "format": "png", "data": encoded(i)}
    padded = np.zeros((HEIGHT, WIDTH * 3 + 8), np.uint8)
    padded[:, : WIDTH * 3] = picture(i, WIDTH, HEIGHT)[..., ::-1].reshape(HEIGHT, -1)
    return "sensor_msgs/Image", {
        "header": header(time, frame),
        "height": HEIGHT,
        "width": WIDTH,
        "encoding": "bgr8",
        "is_bigendian": 0,
        "step": WIDTH * 3 + 8,
        "data": padded.tobytes(),
    }


def ros_camera_info(**changes: Any) -> tuple[str, Message]:
    return "sensor_msgs/CameraInfo", {
        "header": header(START, "cam_optical"),
        "height": HEIGHT,
        "width": WIDTH,
        "distortion_model": "plumb_bob",
        "d": [-0.1, 0.02, 0.001, -0.002, 0.0],
        "k": K,
        "r": [1.0, 0, 0, 0, 1, 0, 0, 0, 1],
        "p": [48.0, 0, 30, 0, 0, 49, 18, 0, 0, 0, 1, 0],
        "binning_x": 0,
        "binning_y": 0,
        "roi": {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False},
    } | changes


def ros_odometry(time: int, matrix: Array, child: str = "base_link") -> tuple[str, Message]:
    return "nav_msgs/Odometry", {
        "header": header(time, "odom"),
        "child_frame_id": child,
        "pose": {"pose": pose(matrix), "covariance": [0.0] * 36},
        "twist": {
            "twist": {"linear": vector([5.0, 0, 0]), "angular": vector([0, 0, 0])},
            "covariance": [0.0] * 36,
        },
    }


def ros_tf(time: int, *edges: tuple[str, str, Array]) -> tuple[str, Message]:
    return "tf2_msgs/TFMessage", {
        "transforms": [
            {"header": header(time, parent), "child_frame_id": child, "transform": transform(matrix)}
            for parent, child, matrix in edges
        ]
    }


def ros_cloud(time: int, points: Array = POINTS) -> tuple[str, Message]:
    rows = np.zeros(len(points), np.dtype({"names": ["x", "y", "z", "i"], "formats": ["<f4"] * 4, "itemsize": 18}))
    for k, axis in enumerate("xyz"):
        rows[axis] = points[:, k]
    rows["i"] = 10.0 * np.arange(len(points))
    return "sensor_msgs/PointCloud2", {
        "header": header(time, "lidar"),
        "height": 1,
        "width": len(points),
        "fields": [
            {"name": name, "offset": 4 * k, "datatype": 7, "count": 1}
            for k, name in enumerate(["x", "y", "z", "intensity"])
        ],
        "is_bigendian": False,
        "point_step": 18,
        "row_step": 18 * len(points),
        "data": rows.tobytes(),
        "is_dense": True,
    }


def ros_drive(*, image: str = "/front/image_raw", compressed: bool = False, count: int = COUNT) -> Iterator[Event]:
    """Pictures, calibration, odometry at 20 Hz, static transforms and a sweep at frames 2 and 6."""
    yield (
        START,
        "/tf_static",
        *ros_tf(START, ("base_link", "mast", MOUNT @ invert(OPTICAL)), ("mast", "cam_optical", OPTICAL)),
    )
    yield START, "/tf_static", *ros_tf(START, ("base_link", "lidar", LIDAR))
    yield START, f"{image.rsplit('/', 1)[0]}/camera_info", *ros_camera_info()
    bodies = body_poses(count)
    for i in range(count):
        time = START + i * STEP
        yield time + LATE, image, *ros_image(i, time, compressed=compressed)
        yield time + LATE // 2, "/odom", *ros_odometry(time, bodies[i])
        if i in (2, 6):
            yield time + LATE, "/lidar/points", *ros_cloud(time)


def cloud_in_camera() -> Array:
    """The points of `ros_cloud` in the camera's axes."""
    matrix = invert(MOUNT) @ LIDAR
    return POINTS @ matrix[:3, :3].T + matrix[:3, 3]


def foxglove_drive(*, count: int = COUNT, kind: str = "CompressedImage") -> Iterator[Event]:
    """The same drive in Foxglove's schemas; poses are transforms, or those of topic /pose."""
    bodies = body_poses(count)
    for child, matrix in (("CAM_FRONT", MOUNT), ("lidar", LIDAR)):
        yield (
            START,
            "/tf",
            "FrameTransform",
            {
                "timestamp": stamp(START),
                "parent_frame_id": "base_link",
                "child_frame_id": child,
                **transform(matrix),
            },
        )
    yield (
        START,
        "/CAM_FRONT/camera_info",
        "CameraCalibration",
        {
            "timestamp": stamp(START),
            "frame_id": "CAM_FRONT",
            "width": WIDTH,
            "height": HEIGHT,
            "distortion_model": "",
            "D": [],
            "K": K,
            "R": [],
            "P": [],
        },
    )
    for i in range(count):
        time = START + i * STEP
        data = encoded(i) if kind == "CompressedImage" else picture(i, WIDTH, HEIGHT).tobytes()
        shape = (
            {"format": "png"}
            if kind == "CompressedImage"
            else {
                "width": WIDTH,
                "height": HEIGHT,
                "encoding": "rgb8",
                "step": WIDTH * 3,
            }
        )
        yield (
            time + LATE,
            "/CAM_FRONT/image",
            kind,
            {
                "timestamp": stamp(time),
                "frame_id": "CAM_FRONT",
                "data": data,
                **shape,
            },
        )
        yield (
            time + LATE,
            "/pose",
            "PoseInFrame",
            {
                "timestamp": stamp(time),
                "frame_id": "map",
                "pose": pose(bodies[i]),
            },
        )
        yield (
            time + LATE,
            "/tf",
            "FrameTransform",
            {
                "timestamp": stamp(time),
                "parent_frame_id": "map",
                "child_frame_id": "base_link",
                **transform(bodies[i]),
            },
        )
        if i in (2, 6):
            rows = np.zeros((len(POINTS), 4), "<f4")
            rows[:, :3] = POINTS
            yield (
                time + LATE,
                "/LIDAR_TOP",
                "PointCloud",
                {
                    "timestamp": stamp(time),
                    "frame_id": "lidar",
                    "pose": {"position": vector([0, 0, 0]), "orientation": vector([0, 0, 0, 1])},
                    "point_stride": 16,
                    "fields": [{"name": name, "offset": 4 * k, "type": 7} for k, name in enumerate("xyzi")],
                    "data": rows.tobytes(),
                },
            )


def definition(kind: str, generation: int = 2) -> str:
    """The concatenated message definition of a ROS type."""
    seen = [kind]
    for name in seen:
        for line in ROS[name].splitlines():
            base = line.split()[0].split("[")[0]
            package = name.split("/")[0]
            for full in (base, f"{package}/{base}"):
                if full in ROS and full not in seen:
                    seen.append(full)
    texts = [ROS[name] for name in seen]
    if generation == 1:
        # ROS 1: the header counts, its time is built in, the matrices have capital letters, nothing has a default.
        ones = {
            "std_msgs/Header": "uint32 seq\ntime stamp\nstring frame_id",
            "geometry_msgs/Quaternion": "float64 x\nfloat64 y\nfloat64 z\nfloat64 w",
            "sensor_msgs/CameraInfo": (
                "Header header\nuint32 height\nuint32 width\nstring distortion_model\nfloat64[] D\nfloat64[9] K\n"
                "float64[9] R\nfloat64[12] P\nuint32 binning_x\nuint32 binning_y\nsensor_msgs/RegionOfInterest roi"
            ),
        }
        seen = [name for name in seen if not name.startswith("builtin")]
        texts = [ones.get(name, ROS[name]) for name in seen]
    line = "\n" + "=" * 80 + "\n"
    return texts[0] + "".join(f"{line}MSG: {name}\n{text}" for name, text in zip(seen[1:], texts[1:]))


Writing = Callable[..., Path]


def write_ros2(path: Path, events: Iterator[Event], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        writer = Ros2Writer(file, **options)
        schemas: dict[str, Any] = {}
        for time, topic, kind, message in events:
            if kind not in schemas:
                schemas[kind] = writer.register_msgdef(kind.replace("/", "/msg/"), definition(kind))
            writer.write_message(topic, schemas[kind], message, time, time)
        writer.finish()
    return path


def write_ros1(path: Path, events: Iterator[Event], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    classes: dict[str, dict[str, Any]] = {}
    with path.open("wb") as file:
        writer = Ros1Writer(file, **options)
        for time, topic, kind, message in events:
            if kind not in classes:
                classes[kind] = dynamic.generate_dynamic(kind, definition(kind, 1))
            writer.write_message(topic, _ros1(classes[kind], kind, message), time, time)
        writer.finish()
    return path


def _ros1(classes: dict[str, Any], kind: str, values: Message) -> Any:
    message = classes[kind]()
    for name, type_name in zip(message.__slots__, message._slot_types):
        value = values.get(name, values.get(name.lower()))
        base = type_name.split("[")[0]
        full = {"Header": "std_msgs/Header"}.get(base, base)
        if name == "stamp":
            message.stamp.secs, message.stamp.nsecs = value["sec"], value["nanosec"]
        elif full in classes:
            several = isinstance(value, list)
            made = [_ros1(classes, full, item) for item in (value if several else [value])]
            setattr(message, name, made if several else made[0])
        elif value is not None:
            setattr(message, name, value)
    return message


def foxglove_classes() -> dict[str, Any]:
    """Message classes of the Foxglove schemas."""
    file = descriptor_pb2.FileDescriptorProto(
        name="foxglove/all.proto", package="foxglove", syntax="proto3", dependency=["google/protobuf/timestamp.proto"]
    )
    labels = descriptor_pb2.FieldDescriptorProto
    for name, fields in FOXGLOVE.items():
        message = file.message_type.add(name=name)
        for number, entry in enumerate(fields.split(), 1):
            field, type_name = entry.split(":")
            added = message.field.add(name=field, number=number, label=labels.LABEL_OPTIONAL)
            if type_name.startswith("*"):
                added.label, type_name = labels.LABEL_REPEATED, type_name[1:]
            if type_name == "Time":
                added.type, added.type_name = labels.TYPE_MESSAGE, ".google.protobuf.Timestamp"
            elif type_name in FOXGLOVE:
                added.type, added.type_name = labels.TYPE_MESSAGE, f".foxglove.{type_name}"
            else:
                added.type = getattr(labels, f"TYPE_{type_name.upper()}")
    pool = descriptor_pool.DescriptorPool()
    stamps = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(stamps)
    pool.Add(stamps)
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"foxglove.{name}")) for name in FOXGLOVE}


def write_protobuf(path: Path, events: Iterator[Event], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    classes = foxglove_classes()
    with path.open("wb") as file, ProtobufWriter(file, **options) as writer:
        for time, topic, kind, message in events:
            writer.write_message(topic, _fill(classes[kind](), message), time, time)
    return path


def _fill(message: Any, values: Message) -> Any:
    for name, value in values.items():
        if name in ("timestamp",):
            message.timestamp.seconds, message.timestamp.nanos = value["sec"], value["nanosec"]
        elif isinstance(value, dict):
            getattr(message, name).SetInParent()
            _fill(getattr(message, name), value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                _fill(getattr(message, name).add(), item)
        elif isinstance(value, list):
            getattr(message, name).extend(value)
        else:
            setattr(message, name, value)
    return message


def write_json(path: Path, events: Iterator[Event], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, dict):
            return {("nsec" if key == "nanosec" else key): plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list) else value

    return write_raw(
        path,
        (
            (time, topic, f"foxglove.{kind}", json.dumps(plain(message)).encode())
            for time, topic, kind, message in events
        ),
        ("json", "jsonschema", lambda kind: b'{"type": "object"}'),
        **options,
    )


def write_raw(
    path: Path,
    events: Iterator[tuple[int, str, str, bytes]],
    encoding: tuple[str, str, Callable[[str], bytes]],
    **options: Any,
) -> Path:
    """Messages as bytes, with the plain writer of the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        writer = McapWriter(file, **options)
        writer.start()
        schemas: dict[str, int] = {}
        channels: dict[str, int] = {}
        for time, topic, kind, data in events:
            if kind not in schemas:
                schemas[kind] = writer.register_schema(kind, encoding[1], encoding[2](kind))
            if topic not in channels:
                channels[topic] = writer.register_channel(topic, encoding[0], schemas[kind])
            writer.add_message(channels[topic], time, data, time)
        writer.finish()
    return path


COMPRESSIONS = {"none": CompressionType.NONE, "lz4": CompressionType.LZ4, "zstd": CompressionType.ZSTD}


@cache
def encode(codec: str, options: tuple[tuple[str, str], ...], count: int, gop: int = 12) -> list[tuple[int, bytes]]:
    """Number of the picture and the bitstream of each packet of a video, in order of decoding."""
    if codec != "libsvtav1":
        return _encode(codec, options, count, gop)
    # This encoder gives its process real-time priority, under which its threads and a decoder's wait for ever.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_encode, codec, options, count, gop).result()


def _encode(codec: str, options: tuple[tuple[str, str], ...], count: int, gop: int) -> list[tuple[int, bytes]]:
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate, context.gop_size = Fraction(1, 10), Fraction(10, 1), gop
    context.options, context.thread_count = dict(options), 1
    out = []
    for i in [*range(count), None]:
        frame = None
        if i is not None:
            frame = av.VideoFrame.from_ndarray(picture(i, WIDTH, HEIGHT), format="rgb24").reformat(format="yuv420p")
            frame.pts = i
        out += [(packet.pts, bytes(packet)) for packet in context.encode(frame)]
    return out
