"""Which of a recording's topics are pictures and which are poses, the one to take unasked first."""

from __future__ import annotations

import re

from lapose_core.drive import LogError
from lapose_core.logs.messages.clouds import CLOUDS
from lapose_core.logs.messages.log import MessageLog, Topic
from lapose_core.logs.messages.pictures import COMPRESSED, RAW, picture_size
from lapose_core.logs.messages.poses import FIXES, pose_rank
from lapose_core.logs.messages.ros import DecodeError
from lapose_core.logs.messages.video import VIDEO

PICTURES = (*RAW, *COMPRESSED, *VIDEO)

_FRONT = re.compile(r"front|forward|fwd", re.IGNORECASE)
_ASIDE = re.compile(r"left|right|side|rear|back|down|bottom|bev", re.IGNORECASE)
_NO_PICTURE = re.compile(r"depth|disparity|mask|label|segment|semantic|costmap|annot", re.IGNORECASE)
# Sizes are compared of so many cameras; each costs a look into the file.
_COMPARED = 12


def camera_topics(log: MessageLog) -> list[str]:
    """Topics of pictures: cameras that look ahead first, then by size of the picture, then by name.

    Raises:
        LogError: where there are none, saying what there is.
    """
    found = [topic for topic in log.topics.values() if topic.schema in PICTURES and topic.count != 0]
    usable = [topic for topic in found if topic.decoder is not None]
    if not usable:
        problems = [f"{topic.name}: {topic.problem}" for topic in found]
        schemas = sorted({topic.schema or "no schema" for topic in log.topics.values()})
        there = "; ".join(problems) or "its topics are of " + ", ".join(schemas[:6]) + (", ..." if schemas[6:] else "")
        raise LogError(f"{log.path}: no topic with pictures that can be read ({there})")
    usable.sort(key=lambda topic: (-_front(topic.name), topic.name))
    alike = [topic for topic in usable if _front(topic.name) == _front(usable[0].name)]
    if 1 < len(alike) <= _COMPARED:
        alike.sort(key=lambda topic: -_pixels(log, topic))
        usable[: len(alike)] = alike
    return [topic.name for topic in usable]


def pose_topics(log: MessageLog) -> list[str]:
    """Topics of poses: odometry before poses before transforms before satellite fixes, then the busiest."""
    usable = [(pose_rank(t.schema), t) for t in log.topics.values() if t.decoder is not None and t.count != 0]
    ranked = [(rank, -(t.count or 0), t.name) for rank, t in usable if rank is not None]
    # Static transforms tell how the vehicle is built, not where it is.
    return [name for _, _, name in sorted(ranked) if "static" not in name]


def fix_topic(log: MessageLog) -> str | None:
    """The topic of satellite fixes with the most messages."""
    fixes = [t for t in log.topics.values() if t.schema in FIXES and t.decoder is not None and t.count != 0]
    best = min(fixes, key=lambda t: (-(t.count or 0), t.name), default=None)
    return None if best is None else best.name


def cloud_topic(log: MessageLog) -> str | None:
    """The topic of lidar sweeps with the most messages."""
    clouds = [t for t in log.topics.values() if t.schema in CLOUDS and t.decoder is not None and t.count != 0]
    lidar = [t for t in clouds if not _NO_PICTURE.search(t.name) and "radar" not in t.name.lower()]
    best = min(lidar, key=lambda t: (-(t.count or 0), t.name), default=None)
    return None if best is None else best.name


def choose(wanted: str | None, choices: list[str], what: str, log: MessageLog) -> str | None:
    """``wanted`` if it is one of ``choices``, the first of them if nothing is wanted.

    Raises:
        LogError: where it is not there, naming those that are.
    """
    if wanted is None:
        return choices[0] if choices else None
    if wanted not in choices:
        raise LogError(f"{log.path}: no {what} topic {wanted!r}; there are {', '.join(choices) or 'none'}")
    return wanted


def _front(name: str) -> int:
    return 2 * bool(_FRONT.search(name)) - bool(_ASIDE.search(name)) - 4 * bool(_NO_PICTURE.search(name))


def _pixels(log: MessageLog, topic: Topic) -> int:
    """Size of the first picture; video tells it only when decoded, and counts as large."""
    if topic.schema in VIDEO or topic.decoder is None:
        return 1 << 40
    try:
        entries = log.entries(topic.name, "first")
        reader = log.open()
        try:
            width, height = picture_size(topic.schema, topic.decoder.decode(reader.read(entries, 0)))
        finally:
            reader.close()
    except (DecodeError, LogError, IndexError):
        return 0
    return width * height
