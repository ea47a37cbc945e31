"""``lapose doctor``: what this machine is and how fast, to paste into a bug report."""

from __future__ import annotations

import json as json_format
from dataclasses import dataclass


@dataclass(frozen=True)
class Doctor:
    """Print versions, device, driver, codecs, screen, cache and how fast they are: something to paste into a bug
    report. It names neither logs nor users. Takes up to two minutes."""

    quick: bool = False
    """Measure for some seconds only."""

    json: bool = False
    """Print JSON instead of text."""

    def run(self) -> int:
        from lapose_core.doctor import facts, measurements, text

        report = facts()
        report["measured"] = measurements(6.0 if self.quick else 60.0)
        print(json_format.dumps(report, indent=2) if self.json else text(report))
        return 0
