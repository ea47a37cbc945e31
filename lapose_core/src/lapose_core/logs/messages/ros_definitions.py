"""Definitions of the standard ROS 2 messages that are read here.

ROS 2 bags written before Iron do not carry the definitions of their messages, so these stand in for them, also where
a recording has a definition in a language that is not read (IDL). Published interfaces: common_interfaces,
geometry2 and rcl_interfaces of ROS 2, foxglove_msgs.
"""

from __future__ import annotations

from lapose_core.logs.messages.ros import Field, normal_name

_TYPES = {
    "builtin_interfaces/Time": "int32 sec, uint32 nanosec",
    "builtin_interfaces/Duration": "int32 sec, uint32 nanosec",
    "std_msgs/Header": "builtin_interfaces/Time stamp, string frame_id",
    "geometry_msgs/Point": "float64 x, float64 y, float64 z",
    "geometry_msgs/Vector3": "float64 x, float64 y, float64 z",
    "geometry_msgs/Quaternion": "float64 x, float64 y, float64 z, float64 w",
    "geometry_msgs/Pose": "geometry_msgs/Point position, geometry_msgs/Quaternion orientation",
    "geometry_msgs/Twist": "geometry_msgs/Vector3 linear, geometry_msgs/Vector3 angular",
    "geometry_msgs/PoseWithCovariance": "geometry_msgs/Pose pose, float64[36] covariance",
    "geometry_msgs/TwistWithCovariance": "geometry_msgs/Twist twist, float64[36] covariance",
    "geometry_msgs/PoseStamped": "std_msgs/Header header, geometry_msgs/Pose pose",
    "geometry_msgs/PoseWithCovarianceStamped": "std_msgs/Header header, geometry_msgs/PoseWithCovariance pose",
    "geometry_msgs/Transform": "geometry_msgs/Vector3 translation, geometry_msgs/Quaternion rotation",
    "geometry_msgs/TransformStamped": (
        "std_msgs/Header header, string child_frame_id, geometry_msgs/Transform transform"
    ),
    "tf2_msgs/TFMessage": "geometry_msgs/TransformStamped[] transforms",
    "nav_msgs/Odometry": (
        "std_msgs/Header header, string child_frame_id, geometry_msgs/PoseWithCovariance pose, "
        "geometry_msgs/TwistWithCovariance twist"
    ),
    "sensor_msgs/Image": (
        "std_msgs/Header header, uint32 height, uint32 width, string encoding, uint8 is_bigendian, uint32 step, "
        "uint8[] data"
    ),
    "sensor_msgs/CompressedImage": "std_msgs/Header header, string format, uint8[] data",
    "sensor_msgs/RegionOfInterest": ("uint32 x_offset, uint32 y_offset, uint32 height, uint32 width, bool do_rectify"),
    "sensor_msgs/CameraInfo": (
        "std_msgs/Header header, uint32 height, uint32 width, string distortion_model, float64[] d, float64[9] k, "
        "float64[9] r, float64[12] p, uint32 binning_x, uint32 binning_y, sensor_msgs/RegionOfInterest roi"
    ),
    "sensor_msgs/NavSatStatus": "int8 status, uint16 service",
    "sensor_msgs/NavSatFix": (
        "std_msgs/Header header, sensor_msgs/NavSatStatus status, float64 latitude, float64 longitude, "
        "float64 altitude, float64[9] position_covariance, uint8 position_covariance_type"
    ),
    "sensor_msgs/PointField": "string name, uint32 offset, uint8 datatype, uint32 count",
    "sensor_msgs/PointCloud2": (
        "std_msgs/Header header, uint32 height, uint32 width, sensor_msgs/PointField[] fields, bool is_bigendian, "
        "uint32 point_step, uint32 row_step, uint8[] data, bool is_dense"
    ),
    "foxglove_msgs/CompressedVideo": "builtin_interfaces/Time timestamp, string frame_id, uint8[] data, string format",
    "ffmpeg_image_transport_msgs/FFMPEGPacket": (
        "std_msgs/Header header, int32 width, int32 height, string encoding, uint64 pts, uint8 flags, "
        "bool is_bigendian, uint8[] data"
    ),
}


def standard_definitions(name: str) -> dict[str, tuple[Field, ...]] | None:
    """The definitions of a standard ROS 2 message and of those in it, or None for another."""
    if normal_name(name) not in _TYPES:
        return None
    return {known: _fields(text) for known, text in _TYPES.items()}


def _fields(text: str) -> tuple[Field, ...]:
    fields = []
    for entry in text.split(", "):
        type_name, name = entry.split()
        base, _, count = type_name.rstrip("]").partition("[")
        fields.append(Field(name, base, None if base == type_name else int(count or -1)))
    return tuple(fields)
