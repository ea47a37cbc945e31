"""Many round dots in one draw call: what a graphics card does not notice, and a CPU in its place can still do.

vispy's Markers compute a symbol, a rim and their smooth edges for every pixel of every point: 5,000 of them cost
llvmpipe 30 ms of processor time, and as many of these dots 5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vispy.scene.visuals import create_visual_node
from vispy.visuals import Visual

VERTEX = """
attribute vec3 a_position;
attribute vec4 a_colour;
attribute float a_hole;
uniform float u_size;
varying vec4 v_colour;
varying float v_hole;

void main() {
    gl_Position = $transform(vec4(a_position, 1.0));
    gl_PointSize = u_size + 1.0;
    v_colour = a_colour;
    v_hole = a_hole;
}
"""

FRAGMENT = """
uniform float u_size;
varying vec4 v_colour;
varying float v_hole;

void main() {
    float radius = length(gl_PointCoord - 0.5) * (u_size + 1.0);
    float cover = min(0.5 * u_size + 0.5 - radius, radius - 0.5 * u_size * v_hole + 0.5);
    if (cover <= 0.0) discard;
    gl_FragColor = vec4(v_colour.rgb, v_colour.a * min(cover, 1.0));
}
"""


class DotsVisual(Visual):
    """Dots [N, 2] or [N, 3] of one diameter in logical pixels, each of its own colour, whole or as a ring."""

    def __init__(self) -> None:
        super().__init__(VERTEX, FRAGMENT)
        self._size = 4.0
        self._count = 0
        self.set_gl_state("translucent", depth_test=False)
        self._draw_mode = "points"
        self.freeze()
        self.set_data(np.zeros((1, 3), np.float32), np.zeros(4, np.float32), 1.0)  # until others come: not seen

    def set_data(
        self, points: NDArray[np.float32], colours: NDArray[np.float32], size: float, hole: float | NDArray = 0.0
    ) -> None:
        """Draw dots at [N, 2] or [N, 3] in colours [N, 4] or [4], ``hole`` (one or [N]) of their radius left clear."""
        self._count, self._size = len(points), size
        if not self._count:
            return
        places = np.zeros((len(points), 3), np.float32)
        places[:, : points.shape[1]] = points
        # As arrays, which go into the buffers that are there: making others takes longer.
        self.shared_program["a_position"] = places
        each = np.broadcast_to(np.asarray(colours, np.float32), (len(points), 4))
        self.shared_program["a_colour"] = np.ascontiguousarray(each)
        holes = np.broadcast_to(np.asarray(hole, np.float32), len(points))
        self.shared_program["a_hole"] = np.ascontiguousarray(holes)
        self.update()

    def _prepare_transforms(self, view) -> None:  # type: ignore[no-untyped-def]
        view.view_program.vert["transform"] = view.transforms.get_transform("visual", "render")

    def _prepare_draw(self, view) -> bool | None:  # type: ignore[no-untyped-def]
        if self._count == 0:
            return False
        view.view_program["u_size"] = self._size * view.transforms.pixel_scale
        return None

    def _compute_bounds(self, axis: int, view) -> None:  # type: ignore[no-untyped-def]
        return None


Dots = create_visual_node(DotsVisual)
