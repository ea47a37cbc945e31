"""What the overlay video shows of each frame: the picture with the paths on the road, the paths in 3D, latent map and
tracks with the cursor. Drawn by Pillow; what does not change from frame to frame is drawn once by matplotlib.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lapose_core.drive import Drive
from lapose_core.export.bundle import Exported
from lapose_core.export.colours import rgb
from lapose_core.export.figures import SCREEN, SCREEN_DPI, make_figure
from lapose_core.export.pictures import drive_of
from lapose_core.export.shapes import frusta, latent_plane
from lapose_core.geometry import Array, interpolate_poses
from lapose_core.palette import PREDICTION, TRUTH
from lapose_core.road_overlay import RoadCamera, RoadRibbon, predicted_path, ribbon, road_camera, true_path, true_steps

SHARP = 2
"""Lines are drawn this many times larger and scaled down, for Pillow's have hard edges."""
_NEAR = 0.3  # metres


def font(size: float) -> Any:
    """matplotlib's own sans serif, which is wherever matplotlib is."""
    import matplotlib

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


class VideoPanel:
    """The picture, scaled to ``size``, and where wanted both paths laid on the road as the window has them."""

    def __init__(self, bundle: Exported, size: tuple[int, int], path: bool) -> None:
        self._bundle, self.size, self._path = bundle, size, path
        self._camera = _road_camera(bundle) if path else None

    def draw(self, frame: int, picture: np.ndarray) -> Image.Image:
        """The panel at ``frame``, whose picture is [H, W, 3]."""
        drawn = Image.fromarray(picture).resize(self.size, Image.Resampling.LANCZOS)
        if self._camera is None:
            return drawn
        drive, analysis = drive_of(self._bundle), self._bundle.analysis
        scale, thick = SHARP * self.size[0] / drive.width, SHARP * max(1.0, self.size[0] / 1000)
        layer = Image.new("RGBA", (SHARP * self.size[0], SHARP * self.size[1]))
        now = float(drive.timestamps[frame])
        for ahead, colour, filled in (
            (predicted_path(analysis.relative, analysis.done, analysis.times, now), PREDICTION, True),
            (true_path(drive, frame), TRUTH, False),
        ):
            if ahead is not None:
                _draw_ribbon(layer, ribbon(ahead, self._camera), colour, filled, scale, thick)
        layer = layer.resize(self.size, Image.Resampling.BOX)
        drawn.paste(layer, mask=layer)
        return drawn


def _road_camera(bundle: Exported) -> RoadCamera | None:
    drive, analysis = drive_of(bundle), bundle.analysis
    steps = analysis.relative[analysis.done]
    if not len(steps):
        steps = true_steps(drive, max(1, round(drive.rate / 5)))
    fov = float(np.median(analysis.fov[analysis.done])) if analysis.done.any() else float("nan")
    return road_camera(drive, (0, 0, drive.width, drive.height), fov, steps)


def _draw_ribbon(layer: Image.Image, road: RoadRibbon, colour: str, filled: bool, scale: float, thick: float) -> None:
    """The prediction is filled, the truth is edges alone, drawn after it: where they agree both stay visible."""
    red, green, blue = (round(255 * c) for c in rgb(colour))
    if filled:
        # Drawn on a layer of its own: where quads lap, the colour must not double.
        strip = Image.new("L", layer.size)
        pen = ImageDraw.Draw(strip)
        for quad in road.quads:
            pen.polygon(_points(quad, scale), fill=77)
        layer.paste(Image.new("RGBA", layer.size, (red, green, blue, 77)), mask=strip.point(lambda v: 255 * (v > 0)))
    draw = ImageDraw.Draw(layer)
    lines = [*road.edges, *(corners for _, corners in road.arrows)]
    for width, tone in ((3.2 * thick, (0, 0, 0, 130)), (1.8 * thick, (red, green, blue, 255))):
        for line in lines:
            if len(line) > 1:
                draw.line(_points(line, scale), fill=tone, width=round(width), joint="curve")


def _points(pixels: Array, scale: float) -> list[tuple[float, float]]:
    # A path far to the side projects to pixels that no drawing library takes.
    return [(float(x), float(y)) for x, y in np.clip(pixels * scale, -20_000, 20_000)]


class ScenePanel:
    """Both paths and cameras in 3D, seen from behind and above the car."""

    def __init__(self, bundle: Exported, size: tuple[int, int], thick: float = 1.0) -> None:
        self._bundle, self.size, self._thick = bundle, size, SHARP * thick
        upright, centre = bundle.upright, bundle.centre
        self._paths = {}
        for which, poses in (("truth", bundle.truth), ("predicted", bundle.predicted)):
            level = (poses[:, :3, 3] - centre) @ upright.T
            self._paths[which] = [(rows, level[rows]) for rows in bundle.runs(which)]
        self._upright, self._centre = upright, centre

    def draw(self, frame: int, picture: np.ndarray | None) -> Image.Image:
        """The panel at ``frame``."""
        size = (SHARP * self.size[0], SHARP * self.size[1])
        drawn = Image.new("RGB", size, SCREEN.ground)
        draw = ImageDraw.Draw(drawn)
        places = {which: self._place(which, frame) for which in self._paths}
        here = places["truth"] if places["truth"] is not None else places["predicted"]
        if here is None:
            return _word(drawn.resize(self.size), "no pose at this frame")
        view = _Follow(here, size)
        self._ground(draw, view, here[:3, 3])
        for which, colour in (("truth", TRUTH), ("predicted", PREDICTION)):
            for _, points in self._paths[which]:
                view.polyline(draw, points, colour, round(2 * self._thick))
            if (pose := places[which]) is not None:
                corners, lines = self._frustum(pose)
                for a, b in lines:
                    view.polyline(draw, corners[[a, b]], colour, round(1.6 * self._thick))
        return drawn.resize(self.size, Image.Resampling.BOX)

    def _place(self, which: str, frame: int) -> Array | None:
        """The upright pose [4, 4] at ``frame``, interpolated between samples of one stretch."""
        bundle = self._bundle
        poses = bundle.truth if which == "truth" else bundle.predicted
        for rows, _ in self._paths[which]:
            frames = bundle.frames[rows]
            # Before the first sample and after the last their poses stand; gaps between pieces stay gaps.
            held = min(max(frame, int(bundle.frames[0])), int(bundle.frames[-1]))
            if frames[0] <= held <= frames[-1]:
                at = min(max(int(np.searchsorted(frames, held, side="right")) - 1, 0), max(len(rows) - 2, 0))
                pair = rows[at : at + 2]
                known = bundle.frames[pair].astype(np.float64)
                pose = interpolate_poses(poses[pair], known, np.array([float(held)]))[0]
                out = np.eye(4)
                out[:3, :3] = self._upright @ pose[:3, :3]
                out[:3, 3] = self._upright @ (pose[:3, 3] - self._centre)
                return out
        return None

    def _frustum(self, pose: Array) -> tuple[Array, NDArray[np.int64]]:
        points, lines = frusta(self._bundle, "truth", np.zeros(1, np.int64), depth=1.5)
        base = self._bundle.truth[0]
        local = (points - base[:3, 3]) @ base[:3, :3]
        return local @ pose[:3, :3].T + pose[:3, 3], lines

    def _ground(self, draw: Any, view: _Follow, here: Array) -> None:
        """A grid of 10 m about the car, 1.5 m below its camera."""
        x, y = np.round(here[:2] / 10) * 10
        z = here[2] - 1.5
        for k in np.arange(-60, 61, 10.0):
            for line in ([[x + k, y - 60, z], [x + k, y + 60, z]], [[x - 60, y + k, z], [x + 60, y + k, z]]):
                begin, end = np.array(line)
                view.polyline(draw, np.linspace(begin, end, 25), SCREEN.grid, round(self._thick))


class _Follow:
    """A pinhole 12 m behind and 8 m above a camera, that looks at it and stays level."""

    def __init__(self, pose: Array, size: tuple[int, int]) -> None:
        ahead = pose[:3, 2] * [1, 1, 0]
        length = np.linalg.norm(ahead)
        ahead = ahead / length if length > 1e-6 else np.array([0.0, 1.0, 0.0])
        eye = pose[:3, 3] - 12 * ahead + [0, 0, 8]
        forward = pose[:3, 3] + 5 * ahead - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        self._axes, self._eye = np.stack([right, -np.cross(right, forward), forward]), eye
        self._focal, self._middle = 0.9 * size[0] / 1.2, (size[0] / 2, size[1] / 2)

    def polyline(self, draw: Any, points: Array, colour: str, width: int) -> None:
        """Draw a line [n, 3], the parts of it that are before the eye."""
        seen = (points - self._eye) @ self._axes.T
        for a, b in pairwise(seen):
            if a[2] < _NEAR and b[2] < _NEAR:
                continue
            if (a[2] < _NEAR) != (b[2] < _NEAR):
                middle = a + (_NEAR - a[2]) / (b[2] - a[2]) * (b - a)
                a, b = (middle, b) if a[2] < _NEAR else (a, middle)
            pixels = np.stack([a, b])
            flat = pixels[:, :2] / pixels[:, 2:] * self._focal + self._middle
            if np.abs(flat).max() < 20_000:
                draw.line([tuple(flat[0]), tuple(flat[1])], fill=colour, width=width)


class MapPanel:
    """The latent map with the transition at the cursor."""

    def __init__(self, bundle: Exported, size: tuple[int, int]) -> None:
        self._bundle, self.size = bundle, size
        figure = make_figure(bundle, "map", SCREEN, (size[0] / SCREEN_DPI, size[1] / SCREEN_DPI), SCREEN_DPI)
        self._ground = _raster(figure, size)
        points = latent_plane(bundle)
        pixels = np.full_like(points, np.nan)
        known = np.isfinite(points).all(axis=1)
        if known.any():
            pixels[known] = figure.axes[0].transData.transform(points[known])
        # matplotlib counts from below.
        self._pixels = np.stack([pixels[:, 0], size[1] - pixels[:, 1]], -1)

    def draw(self, frame: int, picture: np.ndarray | None) -> Image.Image:
        """The panel at ``frame``."""
        drawn = self._ground.copy()
        row = row_at(self._bundle, frame)
        if np.isfinite(self._pixels[row]).all():
            x, y = self._pixels[row]
            ImageDraw.Draw(drawn).ellipse([x - 6, y - 6, x + 6, y + 6], outline="#ffffff", width=2)
        return drawn


class TracksPanel:
    """The tracks with a cursor."""

    def __init__(self, bundle: Exported, size: tuple[int, int]) -> None:
        self._bundle, self.size = bundle, size
        figure = make_figure(bundle, "tracks", SCREEN, (size[0] / SCREEN_DPI, size[1] / SCREEN_DPI), SCREEN_DPI)
        self._ground = _raster(figure, size)
        boxes = [axes.get_window_extent() for axes in figure.axes]
        self._span = (size[1] - max(b.y1 for b in boxes), size[1] - min(b.y0 for b in boxes))
        self._axes = figure.axes[0]

    def draw(self, frame: int, picture: np.ndarray | None) -> Image.Image:
        """The panel at ``frame``."""
        drawn = self._ground.copy()
        drive = self._bundle.drive
        time = np.interp(frame, self._bundle.frames, self._bundle.times) if drive is None else drive.timestamps[frame]
        shown = np.clip(time, self._bundle.times[0], self._bundle.times[-1]) - self._bundle.times[0]
        x = float(self._axes.transData.transform((shown, 0.0))[0])
        ImageDraw.Draw(drawn).line([(x, self._span[0]), (x, self._span[1])], fill="#f2f4f8", width=1)
        return drawn


def row_at(bundle: Exported, frame: int) -> int:
    """The sample whose transition holds ``frame``."""
    return min(max(int(np.searchsorted(bundle.frames, frame, side="right")) - 1, 0), len(bundle) - 1)


def caption(bundle: Exported, drive: Drive, frame: int) -> str:
    """One line about a frame: number, time, and what the model and the truth say."""
    row = row_at(bundle, frame)
    seconds = drive.timestamps[frame] - drive.timestamps[0]

    def value(name: str, unit: str, factor: float = 1.0, digits: int = 1) -> str:
        number = float(bundle[name][row]) * factor
        return f"{number:.{digits}f} {unit}" if np.isfinite(number) else "–"

    return (
        f"frame {frame}   {seconds:.2f} s   speed {value('speed', 'm/s')} (true {value('true_speed', 'm/s')})   "
        f"rotation error {value('rotation_error', '°', 180 / np.pi, 2)}   "
        f"position error {value('position_error', 'm', 1.0, 2)}"
    )


def _raster(figure: Any, size: tuple[int, int]) -> Image.Image:
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    return Image.fromarray(np.ascontiguousarray(pixels)).resize(size)


def _word(drawn: Image.Image, text: str) -> Image.Image:
    ImageDraw.Draw(drawn).text((drawn.width / 2, drawn.height / 2), text, SCREEN.text, font(13), anchor="mm")
    return drawn
