"""Tables of poses: the columns are found by name, the guess is shown, and what is missing is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from log_files import arc, write_pictures, write_video

from lapose_core.csv_poses import read_csv
from lapose_core.drive import LogError
from lapose_core.geometry import Array, quaternion_from_matrix
from lapose_core.logs import LogOptions, open_log
from lapose_core.trajectory_files import pose_format

POSES = arc(6)
TIMES = 0.1 * np.arange(6)


def values(poses: Array = POSES) -> tuple[Array, Array]:
    return poses[:, :3, 3], quaternion_from_matrix(poses[:, :3, :3])


def write(path: Path, header: str, *columns: Array, separator: str = ",") -> Path:
    rows = np.column_stack(columns)
    lines = [separator.join(repr(float(v)) for v in row) for row in rows]
    path.write_text("\n".join([header, *lines] if header else lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("header", "order", "scale"),
    [
        ("time,tx,ty,tz,qx,qy,qz,qw", "xyzw", 1),
        ("timestamp_ns,x,y,z,qw,qx,qy,qz", "wxyz", 1e9),
        ("#timestamp [ns],p_RS_R_x [m],p_RS_R_y [m],p_RS_R_z [m],q_RS_w [],q_RS_x [],q_RS_y [],q_RS_z []", "wxyz", 1e9),
        (
            "%time,pose.position.x,pose.position.y,pose.position.z,"
            "pose.orientation.x,pose.orientation.y,pose.orientation.z,pose.orientation.w",
            "xyzw",
            1,
        ),
        ("TimeMs,posX,posY,posZ,quatX,quatY,quatZ,quatW", "xyzw", 1e3),
        ("", "xyzw", 1),
    ],
)
def test_the_columns_of_common_exports_are_found(tmp_path: Path, header: str, order: str, scale: float) -> None:
    centre, quaternion = values()
    if order == "wxyz":
        quaternion = quaternion[:, [3, 0, 1, 2]]
    table = read_csv(write(tmp_path / "a.csv", header, TIMES * scale, centre, quaternion))
    assert table.times is not None
    np.testing.assert_allclose(table.times, TIMES, atol=1e-9)
    np.testing.assert_allclose(table.poses, POSES, atol=1e-9)
    assert "guessed" in " ".join(table.notes)


def test_other_columns_are_left_alone_and_semicolons_part_too(tmp_path: Path) -> None:
    centre, quaternion = values()
    header = "v_x;t;x;y;z;qx;qy;qz;qw;gyro_x;angular.z;speed"
    path = write(tmp_path / "a.csv", header, TIMES + 9, TIMES, centre, quaternion, TIMES, TIMES, TIMES, separator=";")
    np.testing.assert_allclose(read_csv(path).poses, POSES, atol=1e-9)


def test_times_since_1970_tell_their_unit(tmp_path: Path) -> None:
    centre, quaternion = values()
    for scale in (1, 1e3, 1e6, 1e9):
        path = write(tmp_path / "a.csv", "timestamp,x,y,z,qx,qy,qz,qw", (1.6e9 + TIMES) * scale, centre, quaternion)
        times = read_csv(path).times
        assert times is not None
        np.testing.assert_allclose(times, 1.6e9 + TIMES, atol=1e-5)


@pytest.mark.parametrize(("unit", "factor"), [("", 180 / np.pi), ("_deg", 180 / np.pi), ("_rad", 1.0)])
def test_angles_in_degrees_and_radians(tmp_path: Path, unit: str, factor: float) -> None:
    yaw = np.array([0, 0.5, 1.0, 1.5, 2.0, -1.0])
    header = f"time,x,y,z,roll{unit},pitch{unit},yaw{unit}"
    zero = np.zeros(6)
    poses = read_csv(write(tmp_path / "a.csv", header, TIMES, zero, zero, zero, zero, zero, yaw * factor)).poses
    np.testing.assert_allclose(poses[:, 0, 0], np.cos(yaw), atol=1e-9)
    np.testing.assert_allclose(poses[:, 1, 0], np.sin(yaw), atol=1e-9)
    flat = read_csv(write(tmp_path / "b.csv", f"time,x,y,heading{unit}", TIMES, zero, zero, yaw * factor))
    np.testing.assert_allclose(flat.poses, poses, atol=1e-9)
    assert "height" in " ".join(flat.notes)
    assert "degrees" in flat.mapping or unit == "_rad"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("time,lat,lon,alt\n0,1,2,3\n", "no column for x, y, rotation"),
        ("time,x,y,z\n0,1,2,3\n", "rotation"),
        ("time,x,y,z,qx,qy,qz,qw\n0,0,0,0,0,0,0\n", "line 2: no value for qw"),
        ("time,x,y,z,qx,qy,qz,qw\n0,0,0,zero,0,0,0,1\n", "line 2: z: 'zero'"),
        ("time,x,y,z,qx,qy,qz,qw\n0,0,0,nan,0,0,0,1\n", "line 2: z is not finite"),
        ("time,x,y,z,qx,qy,qz,qw\n0,0,0,0,0,0,0,1\n0,0,0,0,0,0,0,1\n", "line 3: the time does not come after"),
        ("time,x,y,z,qx,qy,qz,qw\n0,0,0,0,0,0,0,2\n", "line 2: the quaternion has length 2"),
        ("time,x,y,z,qx,qy,qz,qw\n", "no poses"),
        ("1,2,3,4,5\n", "5 columns without names"),
        ("", "no poses"),
    ],
)
def test_a_faulty_table_names_the_line_or_the_column(tmp_path: Path, text: str, hint: str) -> None:
    write_pictures(tmp_path, 3)
    (tmp_path / "poses.csv").write_text(text)
    with pytest.raises(LogError) as caught:
        open_log(tmp_path)
    assert "poses.csv" in str(caught.value)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_without_times_has_a_line_per_frame(tmp_path: Path) -> None:
    write_pictures(tmp_path, 6)
    write(tmp_path / "poses.csv", "x,y,z,qx,qy,qz,qw", *values())
    drive = open_log(tmp_path)
    np.testing.assert_allclose(drive.poses, POSES, atol=1e-9)
    assert "quaternion=qx qy qz qw" in drive.provenance["poses"]
    write_pictures(tmp_path, 7)
    with pytest.raises(LogError, match="6 poses for 7 frames"):
        open_log(tmp_path)


def test_a_table_beside_a_video_is_taken_where_it_holds_poses(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=10)
    (tmp_path / "a.csv").write_text("weather,rain,wind,cloud\n1,2,3,4\n")
    drive = open_log(tmp_path / "a.mp4")
    assert drive.poses is None
    assert "a.csv" in " ".join(drive.notes)
    write(tmp_path / "a.csv", "t,x,y,z,qx,qy,qz,qw", TIMES, *values())
    assert pose_format(tmp_path / "a.csv") == "csv"
    drive = open_log(tmp_path / "a.mp4")
    assert drive.pose_valid is not None
    assert drive.pose_valid.all()


def test_offset_and_vehicle_axes_bring_poses_to_the_camera(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames=20)
    times = 1.6e9 + 0.1 * np.arange(8)
    ahead = np.zeros((8, 3))
    ahead[:, 0] = 10 * (times - times[0])
    rotation = np.tile([0.0, 0, 0, 1], (8, 1))
    path = write(tmp_path / "ego.csv", "time,x,y,z,qx,qy,qz,qw", times, ahead, rotation)
    with pytest.raises(LogError, match="--time-offset -1600000000"):
        open_log(tmp_path / "a.mp4", poses=path)
    for frame, right in (("flu", [0.0, -1, 0]), ("frd", [0.0, 1, 0])):
        drive = open_log(
            tmp_path / "a.mp4",
            options=LogOptions(poses=path, time_offset=-1.6e9, pose_frame=frame),  # type: ignore[arg-type]
        )
        assert drive.poses is not None
        assert drive.pose_valid is not None
        np.testing.assert_array_equal(drive.pose_valid, drive.timestamps <= 0.7 + 1e-6)
        moving = drive.poses[drive.pose_valid]
        np.testing.assert_allclose(moving[:, 0, 3], 10 * drive.timestamps[drive.pose_valid], atol=1e-4)
        np.testing.assert_allclose(moving[0, :3, 2], [1, 0, 0], atol=1e-12)
        np.testing.assert_allclose(moving[0, :3, 0], right, atol=1e-12)
        assert "straight ahead" in " ".join(drive.notes)
