"""A signal whose listeners can also be told one at a time, so that a window that shows a change stays awake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Slot = Callable[[], object]
MORE = object()
"""Returned by a listener that has more to do, in a turn of its own."""


class Connectable(Protocol):
    """What a view connects to: this signal, or one of psygnal's."""

    def connect(self, slot: Callable[..., object], /) -> object: ...

    def disconnect(self, slot: Callable[..., object], /) -> object: ...


class TurnSignal:
    """Tells its listeners at once with ``emit``; with ``spread``, each when ``tell_next`` comes to it.

    A change that is spread while an earlier one still is reaches every listener once: the latest counts, and those that
    waited longest come first.
    """

    def __init__(self) -> None:
        self._listeners: dict[Slot, Callable[[], bool] | None] = {}
        self._due: dict[Slot, None] = {}

    def __len__(self) -> int:
        """The number of listeners."""
        return len(self._listeners)

    def connect(self, slot: Slot, wanted: Callable[[], bool] | None = None) -> None:
        """Tell ``slot`` of changes; of those that are spread only while ``wanted`` says so, else when it does again."""
        self._listeners[slot] = wanted

    def disconnect(self, slot: Slot) -> None:
        """Tell ``slot`` nothing any more.

        Raises:
            KeyError: where it was not told.
        """
        del self._listeners[slot]
        self._due.pop(slot, None)

    def emit(self) -> None:
        """Tell everyone now."""
        self._due.clear()
        for slot in tuple(self._listeners):
            while slot in self._listeners and slot() is MORE:
                pass

    def spread(self) -> None:
        """Everyone is to be told, one at a time."""
        self._due |= dict.fromkeys(self._listeners)

    def tell_next(self) -> bool:
        """Tell the next listener that wants to know; False where there is none."""
        slot = self._next()
        if slot is None:
            return False
        del self._due[slot]
        if slot() is MORE:
            self._due[slot] = None
        return True

    @property
    def waiting(self) -> bool:
        """Whether ``tell_next`` has someone to tell."""
        return self._next() is not None

    def _next(self) -> Slot | None:
        for slot in self._due:
            wanted = self._listeners[slot]
            if wanted is None or wanted():
                return slot
        return None
