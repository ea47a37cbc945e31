"""Where drives lie that were open before, by their fingerprints: so that a result leads back to its log."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path

from lapose_core.drive import Drive, LogError
from lapose_inspector.models.settings import RecentLog
from lapose_inspector.models.stored import from_plain, to_plain

LIMIT = 2000
"""Drives remembered; the oldest goes first."""

log = logging.getLogger(__name__)


class KnownDrives:
    """Kept in ``file`` as JSON, fingerprint -> log; a file that cannot be read begins anew."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, RecentLog] | None = None

    def find(self, fingerprint: str) -> RecentLog | None:
        """The log of a drive that was open before."""
        return self._all().get(fingerprint)

    def open(self, fingerprint: str, otherwise: Path | None = None) -> Drive:
        """The drive of a fingerprint, opened as it was last, or else from ``otherwise``. For any thread.

        Raises:
            LogError: where nobody knows its log, the log is gone or cannot be read, or another drive lies there now.
        """
        from lapose_core.logs import open_log

        entry = self.find(fingerprint)
        if entry is None and otherwise is None:
            raise LogError("open this drive once, so that its frames can be found")
        path = otherwise if entry is None else entry.path
        assert path is not None
        if not path.exists():
            raise LogError(f"{path}: is not there any more; open the drive once where it lies now")
        drive = open_log(path) if entry is None else open_log(path, drive=entry.drive, options=entry.options)
        if drive.fingerprint != fingerprint:
            raise LogError(f"{path}: is no longer the log that was analysed")
        return drive

    def remember(self, fingerprint: str, entry: RecentLog) -> None:
        """Keep where a drive lies, for this program and the next."""
        known = self._all()
        if known.get(fingerprint) == entry:
            return
        known.pop(fingerprint, None)
        known[fingerprint] = entry
        while len(known) > LIMIT:
            known.pop(next(iter(known)))
        part = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(to_plain(known)), encoding="utf-8")
            os.replace(part, self._file)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._file, error)
            with contextlib.suppress(OSError):
                part.unlink()

    def _all(self) -> dict[str, RecentLog]:
        if self._known is None:
            try:
                stored = json.loads(self._file.read_text(encoding="utf-8"))
                self._known = {str(k): from_plain(v, RecentLog) for k, v in stored.items()}
            except FileNotFoundError:
                self._known = {}
            except (OSError, ValueError, AttributeError) as error:
                log.warning("%s cannot be read and begins anew: %s", self._file, error)
                self._known = {}
        return self._known
