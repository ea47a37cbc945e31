"""Arrays to what Qt paints, without a Python object for each point."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QByteArray, QDataStream
from PySide6.QtGui import QPolygonF

from lapose_core.geometry import Array


def polygon(x: Array, y: Array) -> QPolygonF:
    """The points x [n], y [n] of a polygon."""
    points = np.stack([x, y], 1).astype(">f8")
    # As Qt stores one: the number of points, and they.
    stream = QDataStream(QByteArray(np.uint32(len(points)).astype(">u4").tobytes() + points.tobytes()))
    out = QPolygonF()
    stream >> out  # type: ignore[operator]
    return out
