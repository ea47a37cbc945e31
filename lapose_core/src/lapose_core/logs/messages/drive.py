"""A drive made of a recording's messages: one topic of pictures, one of poses, and what belongs to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from lapose_core.drive import Drive, FrameSource, Intrinsics, LogError, Track, fingerprint
from lapose_core.geodesy import GeodeticOrigin
from lapose_core.geometry import upright
from lapose_core.logs.messages.cameras import CALIBRATIONS, calibration_for, read_camera
from lapose_core.logs.messages.choice import camera_topics, choose, cloud_topic, fix_topic, pose_topics
from lapose_core.logs.messages.decoders import Message, frame_id
from lapose_core.logs.messages.log import Entries, Ints, MessageLog, MessageReader, Topic, first_readable, in_file_order
from lapose_core.logs.messages.mount import MAX_GAP, CameraPath, Mount, camera_path
from lapose_core.logs.messages.pictures import PictureSource, picture_size
from lapose_core.logs.messages.place import place_of
from lapose_core.logs.messages.poses import PoseMessages
from lapose_core.logs.messages.ros import DecodeError
from lapose_core.logs.messages.stamps import OwnStamps, Stamps, cheap_stamps
from lapose_core.logs.messages.sweeps import sweeps_of
from lapose_core.logs.messages.transforms import TRANSFORMS, FrameTree
from lapose_core.logs.messages.video import VIDEO, Packets, StreamSource
from lapose_core.logs.pose_sync import FramePoses
from lapose_core.logs.reader import Listing, LogOptions
from lapose_core.trajectory_files import pose_format, poses_from, read_tum

# Times beyond this count from 1970, not from the beginning of the recording.
_EPOCH_SECONDS = 1e8
_ROAD = "base_footprint"  # REP 120: below the vehicle, on the ground
_RECTIFIED = re.compile(r"(^|[/_])rect", re.IGNORECASE)
_HIGHEST = 10.0  # metres; a camera over this is on no road vehicle


def listing(log: MessageLog, key: str) -> Listing:
    """What a quick look into a recording tells.

    Raises:
        LogError: where it has no pictures.
    """
    cameras = camera_topics(log)
    first, last = log.entries(cameras[0], "first").log_times, log.entries(cameras[0], "last").log_times
    return Listing(
        key=key,
        name=key,
        cameras=tuple(cameras),
        pose_topics=tuple(pose_topics(log)),
        frames=log.topics[cameras[0]].count,
        seconds=float(last[-1] - first[0]) * 1e-9 if len(first) and len(last) else None,
    )


def open_drive(log: MessageLog, format: str, options: LogOptions) -> Drive:
    """The drive that a recording shows on one topic of pictures.

    Raises:
        LogError: in one line that names the file, the topic and what to do.
    """
    cameras = camera_topics(log)
    name = choose(options.camera, cameras, "picture", log)
    assert name is not None
    reader = log.open()
    try:
        return _Assembly(log, reader, log.topics[name], format, options).drive(cameras)
    finally:
        reader.close()


@dataclass
class _Frames:
    rows: Ints
    times: Ints
    width: int
    height: int
    open: Callable[[], FrameSource]
    frame: str
    stamps: Stamps


@dataclass
class _Assembly:
    log: MessageLog
    reader: MessageReader
    topic: Topic
    format: str
    options: LogOptions
    notes: list[str] = field(default_factory=list)
    provenance: dict[str, str] = field(default_factory=dict)
    _tree: FrameTree = field(default_factory=FrameTree)
    _known: set[str] = field(default_factory=set)  # topics whose transforms were read
    _tracks: dict[str, PoseMessages] = field(default_factory=dict)
    _stamps: dict[str, tuple[Entries, Stamps]] = field(default_factory=dict)

    def drive(self, cameras: list[str]) -> Drive:
        self.notes += self.log.notes
        if self.options.camera is None and len(cameras) > 1:
            self.notes.append(f"Of {len(cameras)} topics of pictures {self.topic.name} was taken.")
        self._read_ahead()
        frames = self._frames()
        self.provenance["frames"] = f"{self.topic.name} ({self.topic.schema})"
        moment = np.datetime64(int(frames.times[0]), "ns").astype("datetime64[ms]")
        self.provenance["timestamps"] = f"{frames.stamps.source}; the first is {moment} UTC"
        self.notes += frames.stamps.notes
        times = (frames.times - frames.times[0]) * 1e-9
        poses, path, mount, tracks = self._poses(frames, times)
        camera = self._camera(frames)
        clouds = self._clouds(mount, path, frames) if mount is not None else None
        place = None if path is None else self._place(path, frames)
        matrices = None if poses is None else poses.poses
        return Drive(
            name=self.log.path.name if len(cameras) == 1 else f"{self.log.path.name} {self.topic.name}",
            path=self.log.path,
            format=self.format,
            width=frames.width,
            height=frames.height,
            timestamps=times,
            open_frames=frames.open,
            poses=matrices,
            pose_valid=None if poses is None else poses.valid,
            intrinsics=camera,
            camera_height=None if mount is None else self._height(mount, frames),
            point_cloud=clouds,
            tracks=tracks,
            provenance=self.provenance,
            notes=tuple(self.notes),
            geodetic_origin=place,
            fingerprint=fingerprint(self.log.path, f"{self.format} {self.topic.name}", times, matrices),
        )

    def _read_ahead(self) -> None:
        """Read what lies all over the file in one pass: poses, transforms, and stamps of pictures and sweeps.

        In compressed chunks they lie together, and unpacking them is what takes the time.
        """
        candidates = pose_topics(self.log)
        wanted = choose(self.options.pose_topic, candidates, "pose", self.log)
        poses = [] if wanted is None or self.log.topics[wanted].schema in TRANSFORMS else [wanted]
        fixes = fix_topic(self.log)
        if fixes is not None and wanted is not None and fixes != wanted:
            poses.append(fixes)  # they tell where on the Earth the poses lie
        transforms = self._transforms()
        entries = {name: self.log.entries(name) for name in [*poses, *transforms]}
        if self.log.cost(list(entries.values())) == 0 and (wanted in poses or wanted is None):
            # Then moving transforms are read only if those of the vehicle's build do not suffice.
            transforms = [name for name in transforms if "static" in name]
        self._tracks |= {name: PoseMessages(self.log.topics[name].schema) for name in poses}
        takers = {name: self._tracks[name].add for name in poses} | self._transform_takers(transforms)
        clouds = cloud_topic(self.log)
        stamped: dict[str, OwnStamps] = {}
        for name in [self.topic.name, *([clouds] if clouds else [])]:
            topic, own = self.log.topics[name], self.log.entries(name)
            known = cheap_stamps(self.log, topic, own, self.reader, [entries[other] for other in takers])
            if known is None:
                stamped[name] = OwnStamps(topic, own, self.reader)
            else:
                self._stamps[name] = own, known
        self._scan(takers, list(stamped.values()))
        self._stamps |= {name: (stamps.entries, stamps.result()) for name, stamps in stamped.items()}

    def _frames(self) -> _Frames:
        topic, where = self.topic, f"{self.log.path}: {self.topic.name}"
        entries, stamps = self._stamps[topic.name]
        if not len(entries):
            raise LogError(f"{where}: the topic has no messages; choose another with the camera option")
        video = topic.schema in VIDEO
        width, height, frame = first_readable(
            self.reader,
            topic,
            entries,
            where,
            lambda message: (*((0, 0) if video else picture_size(topic.schema, message)), frame_id(message)),
        )
        begin = 0
        if video:
            packets = Packets(self.log, topic, entries, self.reader)
            begin = packets.first_key()
        rows = np.arange(begin, len(entries), dtype=np.int64)
        if video:
            # Pictures that follow a key frame but are shown before it need the one before, which is not there.
            rows = rows[stamps.times[rows] >= stamps.times[begin]]
            if len(rows) < len(entries):
                missing = len(entries) - len(rows)
                self.notes.append(f"The first {missing} pictures need one before them and are left out.")
        if (np.diff(stamps.times[rows]) < 0).any():
            self.notes.append(f"Pictures on {topic.name} are not in order of time; they were sorted.")
            rows = rows[np.argsort(stamps.times[rows], kind="stable")]
        late = np.diff(stamps.times[rows], prepend=-1) > 0
        if not late.all():
            self.notes.append(f"{int((~late).sum())} pictures repeat the time of the one before and are left out.")
            rows = rows[late]
        opener: Callable[[], FrameSource]
        if video:
            opener = partial(StreamSource, self.log, topic, entries, rows)
            source = StreamSource(self.log, topic, entries, rows, 0)
            try:
                width, height = source.size
            finally:
                source.close()
        else:
            opener = partial(PictureSource, self.log, topic, entries, rows, (width, height))
        return _Frames(rows, stamps.times[rows], width, height, opener, frame, stamps)

    def _camera(self, frames: _Frames) -> Intrinsics | None:
        topics = [t.name for t in self.log.topics.values() if t.schema in CALIBRATIONS and t.decoder and t.count != 0]
        name = calibration_for(self.topic.name, topics)
        if name is None:
            self.notes.append(f"No calibration belongs to {self.topic.name}: the camera is not known.")
            return None
        try:
            where = f"{self.log.path}: {name}"
            entries = self.log.entries(name, "first")
            message = first_readable(self.reader, self.log.topics[name], entries, where, lambda message: message)
            rectified = _RECTIFIED.search(self.topic.name) is not None
            camera, source = read_camera(message, frames.width, frames.height, rectified, where)
        except (LogError, IndexError) as error:
            self.notes.append(f"The camera is not known: {error}.")
            return None
        self.provenance["intrinsics"] = f"{name} ({source})"
        return camera

    def _poses(
        self, frames: _Frames, times: np.ndarray
    ) -> tuple[FramePoses | None, CameraPath | None, Mount | None, dict[str, Track]]:
        """Poses of the frames, and what else the search for them brought to light."""
        wanted = self.options.pose_topic
        candidates = pose_topics(self.log) if wanted is None else [wanted]
        path: CameraPath | None = None
        tracks: dict[str, Track] = {}
        if frames.frame not in self._tree or not any("static" in name for name in self._known):
            self._read_transforms(self._transforms())
        for name in candidates:
            path, tracks, problem = self._path(name, frames)
            if path is not None:
                if len(candidates) > 1:
                    self.notes.append(f"Of {len(candidates)} topics of poses {name} was taken.")
                self.provenance["poses"] = f"{name} ({self.log.topics[name].schema})"
                break
            self.notes.append(f"{name} gives no poses: {problem}.")
        if path is None and wanted is not None:
            raise LogError(f"{self.log.path}: {wanted}: {self.notes[-1]} Choose another pose topic")
        if self.options.poses is not None:
            given = self._given(frames, times)
            return given, None, None if path is None else path.mount, tracks
        if path is None:
            mount = Mount(frames.frame, np.eye(4), "") if frames.frame in self._tree else None
            return None, None, mount, tracks
        found = path.at(frames.times)
        details = [self.provenance["poses"], path.mount.source, found.provenance]
        if path.track is not None and path.track.derived:
            details.insert(1, path.track.derived)
        self.provenance["poses"] = "; ".join(details)
        self.notes += [*path.mount.notes, *found.notes]
        return found, path, path.mount, tracks

    def _given(self, frames: _Frames, times: np.ndarray) -> FramePoses | None:
        """The poses of the file in the options, whose times may count from 1970 as the recording's do."""
        options, shift = self.options, 0.0
        assert options.poses is not None
        if pose_format(options.poses) == "tum" and read_tum(options.poses)[0][0] > _EPOCH_SECONDS:
            shift = float(frames.times[0]) * 1e-9
        found = poses_from(_shifted(options, -shift), times)
        if found is not None:
            self.provenance["poses"] = found.provenance
            self.notes += found.notes
        return found

    def _transforms(self) -> list[str]:
        return [t.name for t in self.log.topics.values() if t.schema in TRANSFORMS and t.decoder and t.count != 0]

    def _transform_takers(self, names: list[str]) -> dict[str, Callable[[Message, int], None]]:
        """How to take the transforms of topics that were not read yet."""
        new = [name for name in names if name not in self._known]
        self._known.update(new)
        return {name: partial(self._tree.add, self.log.topics[name].schema) for name in new}

    def _read_transforms(self, names: list[str]) -> None:
        self._scan(self._transform_takers(names))

    def _path(self, name: str, frames: _Frames) -> tuple[CameraPath | None, dict[str, Track], str]:
        """The camera's way by one topic, tracks that come with it, or why there is none."""
        kind = self.log.topics[name].schema
        if kind in TRANSFORMS:
            self._read_transforms([name])
            path = camera_path(None, self._tree, frames.frame, frames.times)
            tracks: dict[str, Track] = {}
            problem = f"no transform in it moves the camera's frame {frames.frame!r}"
        else:
            if name not in self._tracks:
                self._tracks[name] = PoseMessages(kind)
                self._scan({name: self._tracks[name].add})
            collected = self._tracks[name]
            track = collected.track()
            if track.dropped:
                self.notes.append(f"{track.dropped} messages of {name} hold no valid pose and were left out.")
            path = camera_path(track, self._tree, frames.frame, frames.times) if len(track.times) else None
            if path is not None and path.mount.notes and not self._known.issuperset(self._transforms()):
                # Something had to be assumed; transforms that move may lead to the camera.
                self._read_transforms(self._transforms())
                path = camera_path(track, self._tree, frames.frame, frames.times)
            when, speed = collected.speeds()
            since = (when - frames.times[0]) * 1e-9
            tracks = {"speed": Track(since, speed, "m/s", f"{name}, twist.linear.x")} if len(when) else {}
            problem = "none of its messages holds a valid one"
        if path is not None and not path.at(frames.times).valid.any():
            return None, {}, "its times are not those of the pictures"
        return path, tracks, problem

    def _scan(self, takers: dict[str, Callable[[Message, int], None]], stamped: Sequence[OwnStamps] = ()) -> None:
        """Give every message of some topics to its taker, in one pass that collects stamps of others too.

        Messages that cannot be decoded are counted in a note.
        """
        names = list(takers)
        entries = [self.log.entries(name) for name in names]
        failed = dict.fromkeys(names, 0)
        for k, i in in_file_order([*entries, *(stamps.entries for stamps in stamped)]):
            if k >= len(names):
                stamped[k - len(names)].add(i)
                continue
            decoder = self.log.topics[names[k]].decoder
            assert decoder is not None
            try:
                message = decoder.decode(self.reader.read(entries[k], i))
            except (DecodeError, LogError):
                failed[names[k]] += 1
                continue
            takers[names[k]](message, int(entries[k].log_times[i]))
        self.notes += [f"{n} messages of {name} are damaged and were left out." for name, n in failed.items() if n]

    def _place(self, path: CameraPath, frames: _Frames) -> GeodeticOrigin | None:
        """Where the world lies: by the satellite fixes that its poses come from, or by those beside its poses."""
        if path.track is None or path.track.place is None:
            return self._place_beside(path, frames)
        enu = np.eye(4)
        enu[:3, 3] = path.origin
        source = self.provenance["poses"].split(" (")[0]
        latitude, longitude, altitude = path.track.place.tolist()
        return GeodeticOrigin(latitude, longitude, altitude, enu, f"the first fix on {source}")

    def _place_beside(self, path: CameraPath, frames: _Frames) -> GeodeticOrigin | None:
        name = fix_topic(self.log)
        if name is None or name not in self._tracks:
            return None
        times, fixes, receiver = self._tracks[name].fixes()
        seated = receiver if receiver and self._tree.lookup(path.body, receiver, times[:1], np.inf) else path.body
        at = replace(path, mount=Mount(seated, np.eye(4), "")).at(times) if len(times) else None
        cameras = path.at(frames.times)
        if at is None or not cameras.valid.any():
            return None
        turn = upright(cameras.poses[cameras.valid])
        place, how = place_of(at.poses[at.valid, :3, 3], fixes[at.valid], turn, name)
        if place is None:
            self.notes.append(f"It is not known where on the Earth this is: {how}.")
        else:
            self.provenance["place on the Earth"] = how
        return place

    def _height(self, mount: Mount, frames: _Frames) -> float | None:
        """Of the camera over the road, where the recording has the frame that is on the road by convention."""
        seat = self._tree.lookup(_ROAD, mount.anchor, frames.times[:1], MAX_GAP) if _ROAD in self._tree else None
        if seat is None or not seat.valid.all():
            return None
        height = float((seat.poses @ mount.offset)[0, 2, 3])
        if not 0 < height < _HIGHEST:
            return None
        self.provenance["camera height"] = f"transforms from {_ROAD}"
        return height

    def _clouds(
        self, mount: Mount, path: CameraPath | None, frames: _Frames
    ) -> Callable[[int], np.ndarray | None] | None:
        name = cloud_topic(self.log)
        if name is None:
            return None
        entries, stamps = self._stamps[name]
        sweeps, note = sweeps_of(
            self.log, self.log.topics[name], self.reader, self._tree, mount, path, frames.times, entries, stamps.times
        )
        if note:
            self.notes.append(note)
        if sweeps is not None:
            self.provenance["point clouds"] = f"{name}, {len(sweeps.messages)} sweeps"
        return sweeps


def _shifted(options: LogOptions, seconds: float) -> LogOptions:
    return replace(options, time_offset=options.time_offset + seconds)
