"""One limit in bytes for everything that is kept in memory to be fast."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

MIB = 1 << 20


class ByteBudget:
    """A limit shared by caches, whose entries it may drop, and by holders, who only tell what they need.

    Of all caches' entries the least recently used one is dropped first. The newest entry stays even where it is
    larger than the limit by itself. May be used from any thread.

    Args:
        limit: in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._lock = threading.RLock()
        self._limit = limit
        self._entries: OrderedDict[tuple[Cache, Hashable], tuple[Any, int]] = OrderedDict()
        self._held: dict[str, int] = {}
        self._cached = 0

    @property
    def limit(self) -> int:
        """In bytes; a lower one drops entries at once."""
        return self._limit

    @limit.setter
    def limit(self, value: int) -> None:
        with self._lock:
            self._limit = value
            self._shrink()

    @property
    def used(self) -> int:
        """Bytes kept by all caches and holders."""
        with self._lock:
            return self._cached + sum(self._held.values())

    def uses(self) -> dict[str, int]:
        """Bytes by name of cache or holder, the largest first; names that keep nothing are left out."""
        with self._lock:
            out = dict(self._held)
            for (cache, _), (_, size) in self._entries.items():
                out[cache.name] = out.get(cache.name, 0) + size
        return {name: size for name, size in sorted(out.items(), key=lambda item: -item[1]) if size}

    def hold(self, name: str, size: int) -> None:
        """Say that ``name`` keeps ``size`` bytes that cannot be dropped; caches make room for them."""
        with self._lock:
            self._held[name] = size
            self._shrink()

    def cache(self, name: str) -> Cache:
        """A new, empty cache of this budget."""
        return Cache(self, name)

    def _shrink(self) -> None:
        room = self._limit - sum(self._held.values())
        while self._cached > room and len(self._entries) > 1:
            (cache, _), (_, size) = self._entries.popitem(last=False)
            cache._drop(size)
            self._cached -= size


class Cache:
    """Values by key, of a budget."""

    def __init__(self, budget: ByteBudget, name: str) -> None:
        self.name = name
        self._budget = budget
        self._bytes = 0
        self._count = 0
        self._closed = False

    @property
    def bytes(self) -> int:
        """What the values kept take."""
        return self._bytes

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: Hashable) -> bool:
        with self._budget._lock:
            return (self, key) in self._budget._entries

    def get(self, key: Hashable) -> Any:
        """The value, which is now the most recently used one; None where it is not kept."""
        budget = self._budget
        with budget._lock:
            entry = budget._entries.get((self, key))
            if entry is None:
                return None
            budget._entries.move_to_end((self, key))
            return entry[0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep ``value`` of ``size`` bytes as the most recently used one, in place of an older one."""
        budget = self._budget
        with budget._lock:
            if self._closed:
                return
            self._pop(key)
            budget._entries[self, key] = (value, size)
            budget._cached += size
            self._bytes += size
            self._count += 1
            budget._shrink()

    def pop(self, key: Hashable) -> None:
        """Forget a value; nothing happens where it is not kept."""
        with self._budget._lock:
            self._pop(key)

    def clear(self) -> None:
        """Forget all values."""
        with self._budget._lock:
            for cache, key in [entry for entry in self._budget._entries if entry[0] is self]:
                cache._pop(key)

    def close(self) -> None:
        """Forget all values and keep none from now on."""
        with self._budget._lock:
            self._closed = True
            self.clear()

    def _pop(self, key: Hashable) -> None:
        entry = self._budget._entries.pop((self, key), None)
        if entry is not None:
            self._budget._cached -= entry[1]
            self._drop(entry[1])

    def _drop(self, size: int) -> None:
        self._bytes -= size
        self._count -= 1
