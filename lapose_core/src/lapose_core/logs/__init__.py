"""Opening a driving log: what it is, is found out by looking at it."""

from __future__ import annotations

import difflib
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial, wraps
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TypeVar

from lapose_core.drive import Drive, LogError
from lapose_core.logs.reader import Listing, LogOptions, Reader

__all__ = ["ENTRY_POINTS", "Listing", "LogOptions", "Reader", "find_reader", "list_drives", "open_log", "readers"]

ENTRY_POINTS = "lapose_core.logs"
"""The entry point group in which other packages offer a `Reader`."""

_NAMED = 5  # drives named in a message before "..."
T = TypeVar("T")

_logger = logging.getLogger(__name__)


def readers() -> tuple[Reader, ...]:
    """Every known format, in the order in which a path is tried.

    Data sets come first, which own their whole folder; then the readers of other packages; then pictures,
    videos and folders of logs, which would take what is in a data set's folder for their own.
    """
    from lapose_core.logs.argoverse2 import READER as argoverse2
    from lapose_core.logs.collection import collection
    from lapose_core.logs.comma2k19 import READER as comma2k19
    from lapose_core.logs.image_folder import READER as images
    from lapose_core.logs.kitti_odometry import READER as kitti_odometry
    from lapose_core.logs.kitti_raw import READER as kitti_raw
    from lapose_core.logs.mcap_log import READER as mcap
    from lapose_core.logs.nuscenes import READER as nuscenes
    from lapose_core.logs.pandaset import READER as pandaset
    from lapose_core.logs.rosbag2 import READER as rosbag2
    from lapose_core.logs.steering import READER as steering
    from lapose_core.logs.synthetic import READER as synthetic
    from lapose_core.logs.video import READER as video
    from lapose_core.logs.waymo import READER as waymo

    data_sets = (synthetic, kitti_raw, kitti_odometry, argoverse2, nuscenes, pandaset, waymo, comma2k19)
    single = (*data_sets, mcap, rosbag2, steering, *_third_party()[0], images, video)
    return (*single, collection(single))


def find_reader(path: Path) -> Reader:
    """The first reader whose format ``path`` is.

    Raises:
        LogError: where there is nothing at ``path``, or no reader knows what is there.
    """
    if not path.is_file() and not path.is_dir():
        # Devices and pipes would block for ever.
        what = "neither a file nor a folder" if path.exists() else "there is no such file or folder"
        raise LogError(f"{path}: {what}")
    known = readers()
    for reader in known:
        if _matches(reader, path):
            return reader
    if path.is_file():
        from lapose_core.logs.images import SUFFIXES

        if path.suffix.lower() in SUFFIXES:
            raise LogError(f"{path}: a single picture is no drive; open its folder")
        return next(r for r in known if r.name == "video")  # videos go by any name
    if next(path.iterdir(), None) is None:
        raise LogError(f"{path}: the folder is empty")
    titles = ", ".join(r.title for r in known)
    failed = "".join(f"; {problem}" for problem in _third_party()[1])
    raise LogError(f"{path}: nothing in this folder is known; the formats are: {titles} (docs/logs.md){failed}")


def list_drives(
    path: Path | str, found: Callable[[Reader, Sequence[Listing]], None] | None = None
) -> tuple[Reader, list[Listing]]:
    """The reader of ``path`` and the drives that it finds there, at least one.

    What takes long to list is remembered in the user's cache folder until the files change. Meanwhile ``found``
    hears after each drive of those so far; to give up, it may raise.

    Raises:
        LogError: in one line, where there is nothing to read, or what is there cannot be listed.
    """
    path = Path(path).expanduser()
    with _one_line(path):
        reader = find_reader(path)
        return reader, _list(reader, path, None if found is None else partial(found, reader))


def open_log(
    path: Path | str, *, drive: str | None = None, options: LogOptions | None = None, poses: Path | None = None
) -> Drive:
    """Open a drive of a log of any known format.

    Args:
        path: a file or folder.
        drive: which of the drives at ``path``: the key or the name of its `Listing`. Not needed for a single one.
        options: the camera and the poses to take; by default the reader's own choice.
        poses: the same as ``options.poses``.

    Raises:
        LogError: in one line, where there is nothing to read, what is there cannot be read, or there are several
            drives and none is chosen.
    """
    path = Path(path).expanduser()
    options = options or LogOptions()
    if poses is not None:
        options = replace(options, poses=Path(poses).expanduser())
    with _one_line(path):
        if options.poses is not None and not options.poses.is_file():
            raise LogError(f"{options.poses}: there is no such pose file")
        if not math.isfinite(options.time_offset):
            raise LogError(f"{path}: the poses' time offset must be a number of seconds, not {options.time_offset}")
        reader = find_reader(path)
        chosen = _choose(path, _list(reader, path), drive)
        _check_choice(path, chosen, "camera", options.camera, chosen.cameras)
        _check_choice(path, chosen, "pose topic", options.pose_topic, chosen.pose_topics)
        return reader.open(path, chosen.key, options)


class _one_line:
    """Turns what the system says of a path into one line that names it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | ValueError):
            raise LogError(f"{self._path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _list(reader: Reader, path: Path, found: Callable[[Sequence[Listing]], None] | None = None) -> list[Listing]:
    from lapose_core.logs.index import cached_list

    listings = cached_list(reader, path, found)
    if not listings:
        raise LogError(f"{path}: {reader.title}: no drive in this folder")
    return listings


def _choose(path: Path, listings: Sequence[Listing], wanted: str | None) -> Listing:
    def named(some: Sequence[Listing] | Sequence[str]) -> str:
        names = [s if isinstance(s, str) else s.key for s in some]
        return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")

    if wanted is None:
        if len(listings) > 1:
            raise LogError(f"{path}: {len(listings)} drives; choose one with --drive NAME: {named(listings)}")
        return listings[0]
    for listing in listings:
        if listing.key == wanted:
            return listing
    same = [listing for listing in listings if listing.name == wanted]
    if len(same) == 1:
        return same[0]
    if same:
        raise LogError(f"{path}: {len(same)} drives are called {wanted!r}; choose one of {named(same)}")
    keys = [listing.key for listing in listings]
    near = difflib.get_close_matches(wanted, keys, _NAMED, 0.4) or keys
    raise LogError(f"{path}: there is no drive {wanted!r}; choose one of {named(near)}")


def _check_choice(path: Path, drive: Listing, what: str, wanted: str | None, there: Sequence[str]) -> None:
    if wanted is None or wanted in there:
        return
    if not there:
        option = "--" + what.replace(" ", "-")
        raise LogError(f"{path}: {drive.key} has no choice of {what}s; leave out {option} {wanted!r}")
    raise LogError(f"{path}: {drive.key} has no {what} {wanted!r}; choose one of {', '.join(there)}")


def _matches(reader: Reader, path: Path) -> bool:
    try:
        return reader.matches(path)
    except OSError:  # what may not be looked at is not of the format
        return False


def _guarded(reader: Reader) -> Reader:
    """Another package's reader whose faults are one line and keep no other reader from a path."""

    @contextmanager
    def one_line(path: Path) -> Iterator[None]:
        try:
            yield
        except (LogError, OSError):
            raise
        except Exception as error:
            said = f"{path}: the reader {reader.name} failed ({type(error).__name__}: {error}); tell its authors"
            raise LogError(said) from error

    def guard(call: Callable[..., T]) -> Callable[..., T]:
        @wraps(call)
        def guarded(path: Path, *rest: object) -> T:
            with one_line(path):
                return call(path, *rest)

        return guarded

    def each(path: Path) -> Iterator[Listing]:
        assert reader.each is not None
        with one_line(path):
            yield from reader.each(path)

    look = guard(reader.matches)

    def matches(path: Path) -> bool:
        try:
            return look(path)
        except LogError as error:
            _logger.warning("%s", error)
            return False

    return replace(reader, matches=matches, list=guard(reader.list), open=guard(reader.open), each=reader.each and each)


@cache  # once a program: looking through the installed packages takes longer than opening a log
def _third_party() -> tuple[list[Reader], list[str]]:
    """The readers that other packages offer, and a sentence about each that cannot be used."""
    found: list[Reader] = []
    problems: list[str] = []
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda p: p.name):
        try:
            reader = point.load()
            if not isinstance(reader, Reader):
                raise TypeError(f"it is a {type(reader).__name__}, not a lapose_core.logs.reader.Reader")
            found.append(_guarded(reader))
        except Exception as error:
            problems.append(_unusable(point, error))
            _logger.warning("%s", problems[-1])
    return found, problems


def _unusable(point: EntryPoint, error: Exception) -> str:
    package = f" of {point.dist.name}" if point.dist else ""
    return f"the log reader {point.name}{package} cannot be used ({type(error).__name__}: {error})"
