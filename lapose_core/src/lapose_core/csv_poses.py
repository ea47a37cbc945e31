"""Poses in a table of comma-separated values whose columns are found by their names.

There is no standard for such files; the names guessed here are those of common exports (EuRoC, ROS bag
converters, GNSS/INS tools). The guess is put in words, so that a person can check it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lapose_core.drive import LogError
from lapose_core.geometry import Array, make_poses, matrix_from_quaternion

_EXPECTED = "columns for a time, x y z, and qx qy qz qw or roll pitch yaw"
_FEWEST = 4  # columns: time, x, y, yaw
_DELIMITERS = ",;\t"
_PER_SECOND = {"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1.0}
_UNITS = {
    "ns": ("ns", "nsec", "nsecs", "nanosec", "nanoseconds"),
    "us": ("us", "usec", "usecs", "microsec", "microseconds"),
    "ms": ("ms", "msec", "msecs", "millisec", "milliseconds"),
    "s": ("s", "sec", "secs", "seconds"),
    "deg": ("deg", "degree", "degrees", "°"),
    "rad": ("rad", "radian", "radians"),
    "m": ("m", "meter", "meters", "metre", "metres"),
}
_TIME = {"time", "timestamp", "timestamps", "stamp", "t", "epoch", "times", "utc"}
_ANGLES = {"roll": ("roll",), "pitch": ("pitch",), "yaw": ("yaw", "heading")}
_ROTATION = {"q", "quat", "quaternion", "orientation", "rotation", "rot"}
_POSITION = {"p", "pos", "position", "t", "trans", "translation", "location", "loc"}
# Columns of these are of a rate or a bias, whatever else their names hold.
_OTHER = {"v", "vel", "velocity", "acc", "accel", "acceleration", "gyro", "omega", "w", "angular", "twist", "bias", "b"}


@dataclass(frozen=True)
class CsvPoses:
    """Poses [N, 4, 4] of a table with their times [N] in seconds, or None where it has no column of times.

    ``mapping`` says which column was taken for what.
    """

    times: Array | None
    poses: Array
    mapping: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Column:
    index: int
    title: str
    words: tuple[str, ...]  # without the unit
    unit: str | None


def is_table(path: Path) -> bool:
    """Whether the first line of a text file has commas or semicolons between words or numbers."""
    first = next(_records(path, 1), (0, []))[1]
    return len(first) >= _FEWEST


def holds_poses(path: Path) -> bool:
    """Whether the columns of a table, by their names or their number, are those of poses."""
    try:
        _, columns = _header(path)
        _roles(columns, path)
    except LogError:
        return False
    return True


def read_csv(path: Path) -> CsvPoses:
    """The poses of a table with a line of column names; or without, in the order of TUM.

    Times may be in s, ms, us or ns: by the unit in the column's name, else by their size. Angles are degrees or
    radians likewise; roll, pitch and yaw turn about x, y and z, yaw first.

    Raises:
        LogError: naming the line, or the column that is missing.
    """
    header, columns = _header(path)
    roles = _roles(columns, path)
    lines, rows = _numbers(path, header, roles)
    notes: list[str] = []

    def column(role: str) -> Array:
        return rows[:, list(roles).index(role)]

    words = []
    times = None
    if "time" in roles:
        times, unit = _seconds(column("time"), roles["time"].unit)
        late = np.flatnonzero(np.diff(times) <= 0)
        if len(late):
            raise LogError(
                f"{path}: line {lines[late[0] + 1]}: the time does not come after the one before; sort the lines "
                "by time and remove repeated ones"
            )
        words.append(f"time={roles['time'].title} in {unit}")
    flat = "z" not in roles
    centre = np.stack([column("x"), column("y"), np.zeros(len(rows)) if flat else column("z")], -1)
    words.append("position=" + " ".join(roles[a].title for a in "xyz" if a in roles))
    if flat:
        notes.append(f"{path.name} has no column z: the height is taken as 0.")
    if "qw" in roles:
        quaternion = np.stack([column(f"q{a}") for a in "xyzw"], -1)
        norm = np.linalg.norm(quaternion, axis=1)
        bad = np.flatnonzero(np.abs(norm - 1) > 0.01)
        if len(bad):
            raise LogError(f"{path}: line {lines[bad[0]]}: the quaternion has length {norm[bad[0]]:.3g}, not 1")
        rotation = matrix_from_quaternion(quaternion)
        words.append("quaternion=" + " ".join(roles[f"q{a}"].title for a in "xyzw"))
    else:
        there: list[str] = [a for a in ("roll", "pitch", "yaw") if a in roles]
        angles = {a: column(a) for a in there}
        unit = _angle_unit(angles, [roles[a].unit for a in there])
        scale = np.pi / 180 if unit == "degrees" else 1.0
        zero = np.zeros(len(rows))
        rotation = _from_angles(*(angles.get(a, zero) * scale for a in ("roll", "pitch", "yaw")))
        words.append("rotation=" + " ".join(roles[a].title for a in there) + f" in {unit}")
        if len(there) == 1:
            notes.append(f"{path.name} has no roll and pitch: they are taken as 0.")
    notes.append(f"The columns of {path.name} were guessed: {'; '.join(words)}.")
    return CsvPoses(times, make_poses(rotation, centre), "; ".join(words), tuple(notes))


def _records(path: Path, count: int | None = None) -> Iterator[tuple[int, list[str]]]:
    """Line numbers from 1 and fields of the lines that are not empty; ``#`` before the names is dropped."""
    delimiter = ""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            for number, text in enumerate(file, 1):
                # Some begin the names with #; a comment has hardly as many commas as there are columns.
                text = text.strip().lstrip("#%").strip() if number == 1 else text.split("#", 1)[0].strip()
                if not text or (number == 1 and sum(map(text.count, _DELIMITERS)) < _FEWEST - 1):
                    continue
                delimiter = delimiter or max(_DELIMITERS, key=text.count)
                yield number, [field.strip() for field in next(csv.reader([text], delimiter=delimiter))]
                count = None if count is None else count - 1
                if count == 0:
                    return
    except OSError as error:
        raise LogError(f"{path}: the pose file cannot be read ({error.strerror})") from error
    except csv.Error as error:
        raise LogError(f"{path}: not a table of comma-separated values ({error})") from error


def _header(path: Path) -> tuple[int, list[_Column]]:
    """Line number of the names (0 without), and the columns."""
    for number, fields in _records(path, 1):
        if _all_numbers(fields):
            order = {7: "x y z qx qy qz qw", 8: "time x y z qx qy qz qw"}.get(len(fields))
            if order is None:
                raise LogError(f"{path}: {len(fields)} columns without names; begin with a line that names {_EXPECTED}")
            return 0, [_Column(i, name, (name,), None) for i, name in enumerate(order.split())]
        return number, [_parse(i, title) for i, title in enumerate(fields)]
    raise LogError(f"{path}: the pose file holds no poses; expected a table with {_EXPECTED}")


def _all_numbers(fields: list[str]) -> bool:
    try:
        [float(field) for field in fields]
    except ValueError:
        return False
    return True


def _parse(index: int, title: str) -> _Column:
    in_brackets = re.search(r"[\[(]([^\])]*)[\])]", title)
    # CamelCase and digits part words as underscores and dots do.
    bare = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"[\[(].*", "", title))
    words = [w for w in re.split(r"[^a-z0-9°]+", bare.lower()) if w]
    unit = _unit(in_brackets.group(1).strip().lower()) if in_brackets else None
    if unit is None and words and words != ["s"]:  # a column called s is a distance along the path
        unit = _unit(words[-1])
        words = words[:-1] if unit else words
    return _Column(index, title, tuple(words), unit)


def _unit(word: str) -> str | None:
    return next((unit for unit, names in _UNITS.items() if word in names), None)


def _roles(columns: list[_Column], path: Path) -> dict[str, _Column]:
    """Which column is the time, the position and the rotation; the first of several that could be."""
    roles: dict[str, _Column] = {}
    for column in columns:
        role = _role(column)
        if role is not None and role not in roles:
            roles[role] = column
    quaternion = [f"q{a}" for a in "xyzw"]
    whole = all(q in roles for q in quaternion)
    missing = [a for a in "xy" if a not in roles] + ([] if whole or "yaw" in roles else ["rotation"])
    if missing:
        names = ", ".join(c.title for c in columns)[:120]
        raise LogError(f"{path}: no column for {', '.join(missing)} among {names}; expected {_EXPECTED}")
    drop = ("roll", "pitch", "yaw") if whole else quaternion
    return {role: column for role, column in roles.items() if role not in drop}


def _role(column: _Column) -> str | None:
    words = column.words
    if not words:
        return "time" if column.unit in _PER_SECOND else None
    last, before = words[-1], set(words[:-1])
    if last in _TIME and not before & {"x", "y", "z"}:
        return "time"
    for role, names in _ANGLES.items():
        if last in names and "rate" not in before:
            return role
    packed = re.fullmatch(r"(q|p|t|pos|quat|position|orientation)([xyzw])", last)
    if packed:
        before, last = before | {packed.group(1)}, packed.group(2)
    if last not in ("x", "y", "z", "w"):
        return None
    if before & _ROTATION:
        return f"q{last}"
    if last != "w" and not before & _OTHER and (before & _POSITION or not before):
        return last
    return None


def _numbers(path: Path, header: int, roles: Mapping[str, _Column]) -> tuple[list[int], Array]:
    """Line numbers, and the values [N, roles] in the order of ``roles``."""
    numbers: list[int] = []
    rows: list[list[float]] = []
    for number, fields in _records(path):
        if number == header:
            continue
        row = []
        for column in roles.values():
            try:
                value = float(fields[column.index])
            except IndexError as error:
                raise LogError(f"{path}: line {number}: no value for {column.title}; the line is cut short") from error
            except ValueError as error:
                found = fields[column.index][:40]
                raise LogError(f"{path}: line {number}: {column.title}: {found!r} is not a number") from error
            if not np.isfinite(value):
                raise LogError(f"{path}: line {number}: {column.title} is not finite; leave out lines without a pose")
            row.append(value)
        numbers.append(number)
        rows.append(row)
    if not rows:
        raise LogError(f"{path}: the pose file holds no poses under its column names")
    return numbers, np.array(rows)


def _seconds(values: Array, unit: str | None) -> tuple[Array, str]:
    """Times in seconds, and the unit that they were taken to be in."""
    if unit not in _PER_SECOND:
        # Seconds since 1970 are 1e9 now; nothing that drives has been recorded for a thousand years.
        size = float(np.abs(values).max())
        unit = "ns" if size > 1e17 else "us" if size > 1e14 else "ms" if size > 1e11 else "s"
    return values / _PER_SECOND[unit], unit


def _angle_unit(angles: Mapping[str, Array], units: list[str | None]) -> str:
    for unit, name in (("deg", "degrees"), ("rad", "radians")):
        if unit in units:
            return name
    return "degrees" if max(float(np.abs(a).max()) for a in angles.values()) > 2 * np.pi + 0.01 else "radians"


def _from_angles(roll: Array, pitch: Array, yaw: Array) -> Array:
    """Rotations [N, 3, 3] Rz(yaw) Ry(pitch) Rx(roll)."""
    (cr, sr), (cp, sp), (cy, sy) = ((np.cos(a), np.sin(a)) for a in (roll, pitch, yaw))
    return np.stack(
        [
            np.stack([cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr], -1),
            np.stack([sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr], -1),
            np.stack([-sp, cp * sr, cp * cr], -1),
        ],
        -2,
    )
