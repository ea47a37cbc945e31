"""Undo and redo of what the user does to a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psygnal import Signal, SignalInstance

LIMIT = 500
"""Steps kept; older ones cannot be undone."""


@dataclass(frozen=True)
class Step:
    """One thing the user did, and how to take it back and to do it again.

    ``text`` completes "Undo …": a few words, lower case.
    """

    text: str
    undo: Callable[[], None]
    redo: Callable[[], None]


class History:
    """The steps of a session. A new step after an undo drops those that were undone."""

    changed = Signal()

    def __init__(self) -> None:
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._restoring = False
        self._watched: list[_Watched] = []

    @property
    def undo_text(self) -> str | None:
        """What would be undone; None where there is nothing."""
        return self._done[-1].text if self._done else None

    @property
    def redo_text(self) -> str | None:
        """What would be done again; None where there is nothing."""
        return self._undone[-1].text if self._undone else None

    @property
    def restoring(self) -> bool:
        """Whether an undo or redo is going on, whose changes are no new steps."""
        return self._restoring

    def push(self, step: Step) -> None:
        """Remember a step that has been done; nothing while another is undone or redone."""
        if self._restoring:
            return
        self._done = [*self._done, step][-LIMIT:]
        self._undone = []
        self.changed.emit()

    def undo(self) -> None:
        """Take the last step back."""
        if self._done:
            step = self._done.pop()
            self._restore(step.undo)
            self._undone.append(step)
            self.changed.emit()

    def redo(self) -> None:
        """Do the step again that was undone last."""
        if self._undone:
            step = self._undone.pop()
            self._restore(step.redo)
            self._done.append(step)
            self.changed.emit()

    def clear(self) -> None:
        """Forget every step: they belonged to another drive."""
        self._done, self._undone = [], []
        self.changed.emit()

    def watch(self, text: str, signal: SignalInstance, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        """Make a step of every change that ``signal`` tells of, whoever makes it.

        Args:
            text: of the step.
            read: the state now; values that compare equal are no change.
            write: brings a state back that ``read`` gave.
        """
        self._watched.append(_Watched(self, text, signal, read, write))

    def unwatch(self) -> None:
        """Let go of every signal."""
        for watched in self._watched:
            watched.close()
        self._watched = []

    def _restore(self, action: Callable[[], None]) -> None:
        self._restoring = True
        try:
            action()
        finally:
            self._restoring = False


class _Watched:
    def __init__(
        self,
        history: History,
        text: str,
        signal: SignalInstance,
        read: Callable[[], Any],
        write: Callable[[Any], None],
    ) -> None:
        self._history, self._text, self._signal, self._read, self._write = history, text, signal, read, write
        self._last = read()
        signal.connect(self._on_change)

    def close(self) -> None:
        self._signal.disconnect(self._on_change)

    def _on_change(self, *_: object) -> None:
        before, self._last = self._last, self._read()
        after, write = self._last, self._write
        if before != after:
            self._history.push(Step(self._text, lambda: write(before), lambda: write(after)))
