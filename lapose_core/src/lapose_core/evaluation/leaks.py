"""Whether worlds that a model is tested on share anything with those it was trained on.

A synthetic world follows from its seed, so the seeds of the two sets must be disjoint. That alone would not
tell of a generator that draws the same road or the same wall for two seeds, so what the worlds are made of is
compared as well: the road's course, what stands along it, the textures, and the sky and colours over them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import LogError

_LISTED = 8  # of each kind, in the message
_SECONDS = 6.0
_SAMPLE = 200
_NOTHING = ""  # the hash of no furniture at all: two bare worlds share nothing


@dataclass(frozen=True)
class Fingerprint:
    """Hashes of what one world is made of.

    Attributes:
        layout: the road's course.
        furniture: the rows of all that stands along it.
        look: sky, skyline, surface colours and where the textures are sampled.
        textures: one hash for each texture of the bank that the world draws from.
    """

    seed: int
    layout: str
    furniture: str
    look: str
    textures: frozenset[str]


@dataclass(frozen=True)
class Leaks:
    """What two sets of worlds share; seeds of the test set, and hashes. Nothing shared: all are empty.

    ``training`` and ``test`` count the worlds whose seeds were compared, ``opened`` those of the training set
    whose contents were.
    """

    training: int
    test: int
    opened: int
    seeds: tuple[int, ...] = ()
    layouts: tuple[str, ...] = ()
    furniture: tuple[str, ...] = ()
    looks: tuple[str, ...] = ()
    textures: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.seeds, self.layouts, self.furniture, self.looks, self.textures))

    def __str__(self) -> str:
        scope = f"{self.test} test worlds against {self.training} training worlds ({self.opened} compared in content)"
        if not self:
            return f"{scope}: nothing is shared"
        found = []
        for name in ("seeds", "layouts", "furniture", "looks", "textures"):
            values = getattr(self, name)
            if values:
                more = ", ..." if len(values) > _LISTED else ""
                found.append(f"{len(values)} {name} ({', '.join(map(str, values[:_LISTED]))}{more})")
        return f"{scope}: shared are {', '.join(found)}"

    def to_dict(self) -> dict[str, object]:
        """For a JSON record."""
        return {**asdict(self), "clean": not self}


def fingerprint(seed: int) -> Fingerprint:
    """What the world of ``seed`` is made of, from a drive of one length, so that a seed has one fingerprint."""
    from lapose_core.synth import SyntheticDrive
    from lapose_core.synth.textures import bank_name

    contents = SyntheticDrive.generate(seed, _SECONDS, rate=1.0, size=(64, 32)).contents()
    return Fingerprint(
        seed,
        _hash(contents.road),
        _hash(contents.furniture),
        _hash(contents.look),
        _bank_textures(bank_name(seed)),
    )


def find_leaks(training: Iterable[int], test: Iterable[int], sample: int = _SAMPLE) -> Leaks:
    """Compare the seeds of all worlds, and the contents of all test worlds with those of ``sample`` training worlds.

    The sample is spread evenly over the training seeds. Several training sets may be chained into ``training``.

    Raises:
        ValueError: where one of the sets is empty: nothing would have been compared.
    """
    seen, unseen = sorted(set(training)), sorted(set(test))
    if not seen or not unseen:
        raise ValueError(f"leak check: {len(seen)} training and {len(unseen)} test worlds; both must be some")
    picks = np.unique(np.linspace(0, len(seen) - 1, min(sample, len(seen))).round().astype(int))
    # A world that is in both sets is always among those opened.
    common = set(seen) & set(unseen)
    opened = sorted({seen[int(i)] for i in picks} | common)
    ours, theirs = [fingerprint(s) for s in opened], [fingerprint(s) for s in unseen]

    def both(name: str) -> tuple[str, ...]:
        shared = {getattr(f, name) for f in ours} & {getattr(f, name) for f in theirs}
        return tuple(sorted(shared - {_NOTHING}))

    return Leaks(
        len(seen),
        len(unseen),
        len(opened),
        tuple(sorted(common)),
        both("layout"),
        both("furniture"),
        both("look"),
        tuple(sorted(_textures(ours) & _textures(theirs))),
    )


def shard_seeds(folder: Path) -> range:
    """Seeds of the synthetic worlds in a shard folder, from the origin in its index; empty for shards of logs.

    Raises:
        LogError: where the folder has no readable index, or one that does not tell where its clips are from.
    """
    path = Path(folder) / "shards.json"
    try:
        origin = json.loads(path.read_text())["origin"]
        if "synthetic" not in origin:
            return range(0)
        first, count = int(origin["synthetic"]["seed"]), int(origin["synthetic"]["clips"])
    except FileNotFoundError:
        raise LogError(f"{path}: no such file; make shards with 'lapose shards --out {folder}'") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LogError(f"{path}: field 'origin': not readable ({error!r}); make the shards again") from error
    return range(first, first + count)


def _textures(worlds: Sequence[Fingerprint]) -> frozenset[str]:
    return frozenset().union(*(world.textures for world in worlds))


@lru_cache(maxsize=2)
def _bank_textures(name: str) -> frozenset[str]:
    from lapose_core.synth.textures import BANKS, CHAIN, atlas

    bank = next(known for known in BANKS if known == name)
    return frozenset(_hash(texture) for texture in atlas(bank).reshape(-1, CHAIN))


def _hash(values: NDArray) -> str:
    """Of the values to six digits after the point, so that a last bit's rounding is no difference."""
    if not values.size:
        return _NOTHING
    exact = values if values.dtype == np.uint8 else np.round(np.asarray(values, np.float64), 6) + 0.0
    return hashlib.sha256(np.ascontiguousarray(exact).tobytes()).hexdigest()[:16]
