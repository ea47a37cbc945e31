"""Figures for people."""

from __future__ import annotations

import math


def number(value: float, digits: int) -> str:
    """Fixed digits, and a dash for what does not exist."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"
