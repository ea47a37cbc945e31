"""Binary glTF 2.0 (https://registry.khronos.org/glTF/specs/2.0), as far as coloured meshes and points need it.

open3d writes .glb files that it cannot read itself (0.20: the data lie in a URI inside the JSON), hence these lines.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapose_core.geometry import Array

_FLOAT, _UINT = 5126, 5125
_POINTS, _TRIANGLES = 0, 4
_FACES = np.array([[0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7], [3, 2, 1, 0], [4, 5, 6, 7]])


@dataclass(frozen=True)
class Part:
    """A named mesh: vertices [V, 3] in metres with colours [V, 3] in 0..1, and triangles [F, 3]; None for points."""

    name: str
    points: Array
    colours: Array
    triangles: NDArray[np.int64] | None = None


def boxes(name: str, points: Array, segments: NDArray[np.int64], colours: Array, width: float) -> Part:
    """A square bar ``width`` metres wide along each of ``segments`` [L, 2] between ``points``, of colours [L, 3]."""
    start, end = points[segments[:, 0]], points[segments[:, 1]]
    along = end - start
    length = np.linalg.norm(along, axis=1, keepdims=True)
    along = np.where(length > 1e-9, along / np.maximum(length, 1e-9), [0.0, 0, 1])
    # Across the axis that the bar is least along.
    across = np.cross(along, np.eye(3)[np.argmin(np.abs(along), axis=1)])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    other = np.cross(along, across)
    corner = width / 2 * np.stack([across + other, other - across, -across - other, across - other], axis=1)
    vertices = np.concatenate([start[:, None] + corner, end[:, None] + corner], axis=1).reshape(-1, 3)
    faces = np.concatenate([_FACES[:, [0, 1, 2]], _FACES[:, [0, 2, 3]]])
    triangles = (faces + 8 * np.arange(len(segments))[:, None, None]).reshape(-1, 3)
    return Part(name, vertices, np.repeat(colours, 8, axis=0), triangles)


def glb_bytes(parts: Sequence[Part], rotation: Array, extras: Mapping[str, Any]) -> bytes:
    """A scene of ``parts`` under one node turned by ``rotation`` [3, 3]; ``extras`` stand with the asset."""
    buffer = _Buffer()
    meshes: list[dict[str, Any]] = []
    nodes: list[dict[str, Any]] = []
    for part in parts:
        if not len(part.points):
            continue
        primitive: dict[str, Any] = {
            "attributes": {
                "POSITION": buffer.add(part.points.astype("<f4"), "VEC3", _FLOAT, bounds=True),
                "COLOR_0": buffer.add(part.colours.astype("<f4"), "VEC3", _FLOAT),
            },
            "material": 0,
            "mode": _POINTS if part.triangles is None else _TRIANGLES,
        }
        if part.triangles is not None:
            primitive["indices"] = buffer.add(part.triangles.astype("<u4").reshape(-1, 1), "SCALAR", _UINT)
        nodes.append({"name": part.name, "mesh": len(meshes)})
        meshes.append({"name": part.name, "primitives": [primitive]})
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    root = {"name": "world", "children": list(range(len(nodes))), "matrix": matrix.T.ravel().tolist()}
    document = {
        "asset": {"version": "2.0", "generator": extras.get("software", "LA-Pose"), "extras": dict(extras)},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [len(nodes)]}],
        "nodes": [*nodes, root],
        "meshes": meshes,
        "materials": [
            {
                "doubleSided": True,
                "pbrMetallicRoughness": {"metallicFactor": 0.0},
                "extensions": {"KHR_materials_unlit": {}},
            }
        ],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    data = bytes(buffer.data)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


class _Buffer:
    """Arrays one after the other, and what the document says of them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, values: NDArray, kind: str, component: int, *, bounds: bool = False) -> int:
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": values.nbytes})
        self.data += values.tobytes()
        accessor = {
            "bufferView": len(self.views) - 1,
            "componentType": component,
            "count": len(values),
            "type": kind,
        }
        if bounds:
            accessor |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1
