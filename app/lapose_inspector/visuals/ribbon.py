"""Wide, smooth line segments in 3D.

OpenGL's own wide lines differ between drivers: some cap the width, and Mesa leaves gaps where segments are
shorter than a pixel, which is what a dense path seen from afar consists of. Here each segment is a
rectangle laid in the plane of the screen, and the fragment shader keeps what lies within half a width of the
segment: round joins, smooth edges, any width, with or without multisampling.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vispy import gloo
from vispy.scene.visuals import create_visual_node
from vispy.visuals import Visual

VERTEX = """
attribute vec3 a_start;
attribute vec3 a_end;
attribute vec4 a_start_colour;
attribute vec4 a_end_colour;
attribute vec2 a_corner;
uniform float u_half_width;
varying vec2 v_position;
varying vec2 v_start;
varying vec2 v_end;
varying vec4 v_start_colour;
varying vec4 v_end_colour;

void main() {
    vec4 start = $to_framebuffer(vec4(a_start, 1.0));
    vec4 end = $to_framebuffer(vec4(a_end, 1.0));
    v_start_colour = a_start_colour;
    v_end_colour = a_end_colour;
    // What is behind the eye has no picture: cut the segment a little before it.
    float near = 0.02 * max(start.w, end.w);
    if (near <= 0.0) {
        gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
        return;
    }
    if (start.w < near) start = mix(start, end, (near - start.w) / (end.w - start.w));
    if (end.w < near) end = mix(end, start, (near - end.w) / (start.w - end.w));
    v_start = start.xy / start.w;
    v_end = end.xy / end.w;
    vec2 along = v_end - v_start;
    float pixels = length(along);
    along = pixels > 1e-4 ? along / pixels : vec2(1.0, 0.0);
    vec2 across = vec2(-along.y, along.x);
    float reach = u_half_width + 1.0;
    v_position = mix(v_start, v_end, a_corner.x)
        + reach * ((2.0 * a_corner.x - 1.0) * along + a_corner.y * across);
    gl_Position = $to_render(vec4(v_position, 0.0, 1.0));
}
"""

FRAGMENT = """
uniform float u_half_width;
varying vec2 v_position;
varying vec2 v_start;
varying vec2 v_end;
varying vec4 v_start_colour;
varying vec4 v_end_colour;

void main() {
    vec2 along = v_end - v_start;
    float where = clamp(dot(v_position - v_start, along) / max(dot(along, along), 1e-8), 0.0, 1.0);
    float distance = length(v_position - v_start - where * along);
    float cover = clamp(u_half_width + 0.5 - distance, 0.0, 1.0);
    if (cover <= 0.0) discard;
    vec4 colour = mix(v_start_colour, v_end_colour, where);
    gl_FragColor = vec4(colour.rgb, colour.a * cover);
}
"""

CORNERS = np.array([[0, -1], [0, 1], [1, -1], [1, 1]], np.float32)
TRIANGLES = np.array([0, 1, 2, 2, 1, 3], np.uint32)


class RibbonVisual(Visual):
    """Segments [S, 2, 3] of one width in logical pixels, each end with its own colour."""

    def __init__(self, width: float = 3.0) -> None:
        super().__init__(VERTEX, FRAGMENT)
        self._width = width
        self._count = 0
        self.set_gl_state("translucent", depth_test=False, cull_face=False)
        self._draw_mode = "triangles"
        self._index_buffer = gloo.IndexBuffer()
        self.shared_program["a_corner"] = CORNERS
        self.freeze()
        self.set_segments(np.zeros((1, 2, 3), np.float32), np.zeros(4, np.float32))  # until others come: not seen

    def set_segments(self, segments: NDArray[np.float32], colours: NDArray[np.float32]) -> None:
        """Draw segments [S, 2, 3], S >= 1, with colours [4] or [S, 2, 4]."""
        count = len(segments)
        if count != self._count:
            self._count = count
            self.shared_program["a_corner"] = np.tile(CORNERS, (count, 1))
            index = TRIANGLES[None] + 4 * np.arange(count, dtype=np.uint32)[:, None]
            self._index_buffer.set_data(index.ravel())
        for name, end in (("a_start", 0), ("a_end", 1)):
            # As an array, which goes into the buffer that is there: making another takes longer.
            self.shared_program[name] = np.repeat(np.asarray(segments[:, end], np.float32), 4, axis=0)
        self.set_colours(colours)

    def set_colours(self, colours: NDArray[np.float32]) -> None:
        """Recolour without touching positions: [4] or [S, 2, 4]."""
        if self._count == 0:
            return
        each = np.broadcast_to(np.asarray(colours, np.float32), (self._count, 2, 4))
        for name, end in (("a_start_colour", 0), ("a_end_colour", 1)):
            self.shared_program[name] = np.repeat(each[:, end], 4, axis=0)
        self.update()

    def _prepare_transforms(self, view) -> None:  # type: ignore[no-untyped-def]
        view.view_program.vert["to_framebuffer"] = view.transforms.get_transform("visual", "framebuffer")
        view.view_program.vert["to_render"] = view.transforms.get_transform("framebuffer", "render")

    def _prepare_draw(self, view) -> bool | None:  # type: ignore[no-untyped-def]
        if self._count == 0:
            return False
        view.view_program["u_half_width"] = 0.5 * self._width * view.transforms.pixel_scale
        return None

    def _compute_bounds(self, axis: int, view) -> None:  # type: ignore[no-untyped-def]
        return None


Ribbon = create_visual_node(RibbonVisual)
