"""From a log's frame to the image that the model sees: one crop, one resampling that also undoes lens distortion."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from lapose_core.drive import Drive, Image, Intrinsics
from lapose_core.inference.findings import Crop
from lapose_core.taps import taps
from lapose_core.undistort import Rectangle, SourceBoxes, is_distorted, outline, source_boxes, visible_rectangle

if TYPE_CHECKING:
    from torch import Tensor

_WIDEST = np.radians(85.0)
"""Horizontal field of view in radians of the widest camera that the model is trained on (`lapose_core.synth`)."""


class Preprocessor:
    """Crops frames of ``width`` x ``height`` pixels to the model's aspect ratio and resizes them.

    The crop is the largest of the model's aspect that fits in the frame. It lies about the principal point
    when the intrinsics are known, because its row is the horizon of a level camera and the model was trained
    with the horizon near the middle; about the centre of the frame otherwise. A crop that would leave the
    frame is moved back into it.

    A lens that distorts is undone in the same resampling: the model sees the pinhole of the same focal length,
    the largest part that the frame fills, no wider than the cameras that it was trained on. Where each pixel
    comes from is computed here, once.

    Raises:
        ValueError: where a size is not positive, the intrinsics belong to images of another size, or their
            distortion leaves nothing of the frame.
    """

    def __init__(self, width: int, height: int, intrinsics: Intrinsics | None, model_size: tuple[int, int]) -> None:
        if min(width, height, *model_size) < 1:
            raise ValueError(f"cannot fit frames of {width}x{height} to a model of {model_size}")
        if intrinsics is not None and (intrinsics.width, intrinsics.height) != (width, height):
            raise ValueError(
                f"the intrinsics are of {intrinsics.width}x{intrinsics.height} images, the frames are "
                f"{width}x{height}: correct the log's calibration"
            )
        self.width, self.height = width, height
        self.model_size = model_size
        self._lens = intrinsics
        self._boxes: SourceBoxes | None = None
        self._intrinsics: Intrinsics | None = None
        if intrinsics is not None and is_distorted(intrinsics):
            seen = visible_rectangle(intrinsics, model_size[0] / model_size[1], _WIDEST)
            self.crop = _crop_around(intrinsics, seen)
            self._boxes = source_boxes(intrinsics, seen, model_size)
            self._intrinsics = _pinhole(intrinsics, seen, model_size)
        else:
            centre = (intrinsics.cx, intrinsics.cy) if intrinsics is not None else (width / 2, height / 2)
            self.crop = _largest_crop(width, height, model_size, centre)
            self._column_taps = taps(self.crop.width, model_size[0])
            self._row_taps = taps(self.crop.height, model_size[1])
            if intrinsics is not None:
                part = intrinsics.crop(self.crop.left, self.crop.top, self.crop.width, self.crop.height)
                self._intrinsics = part.resize(*model_size)

    @classmethod
    def for_drive(cls, drive: Drive, model_size: tuple[int, int]) -> Preprocessor:
        """The preprocessor of a drive's frames for a model of ``model_size`` (width, height)."""
        return cls(drive.width, drive.height, drive.intrinsics, model_size)

    @property
    def intrinsics(self) -> Intrinsics | None:
        """The pinhole of the model's image, or None when the log does not know its camera."""
        return self._intrinsics

    @property
    def view(self) -> str:
        """A key of what the model sees of a frame: frame size, crop, lens and model size, as 8 hex digits."""
        seen = (self.width, self.height, self.crop, self._lens, self.model_size)
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:8]

    def __call__(self, image: Image) -> Tensor:
        """The model's image, float32 [3, h, w] in 0..1, of a frame uint8 [H, W, 3] RGB.

        Raises:
            ValueError: where the frame does not have the size or the type that was declared.
        """
        if image.shape != (self.height, self.width, 3) or image.dtype != np.uint8:
            raise ValueError(
                f"expected a frame of {self.width}x{self.height} RGB uint8, got shape {list(image.shape)} {image.dtype}"
            )
        import torch  # not for those who only ask for the crop

        from lapose_core.area_mean import area_mean, grid_mean

        if self._boxes is not None:
            return torch.from_numpy(area_mean(image, self._boxes))
        c = self.crop
        part = image[c.top : c.top + c.height, c.left : c.left + c.width]
        return torch.from_numpy(grid_mean(part, self._row_taps, self._column_taps))


def _pinhole(lens: Intrinsics, seen: Rectangle, model_size: tuple[int, int]) -> Intrinsics:
    """The camera of the rectangle of the undistorted plane, resized to the model's image."""
    sx, sy = model_size[0] / seen.width, model_size[1] / seen.height
    return Intrinsics(lens.fx * sx, lens.fy * sy, (lens.cx - seen.left) * sx, (lens.cy - seen.top) * sy, *model_size)


def _crop_around(lens: Intrinsics, seen: Rectangle) -> Crop:
    border = np.clip(outline(lens, seen), 0, [lens.width, lens.height])
    (left, top), (right, bottom) = np.floor(border.min(0)).astype(int), np.ceil(border.max(0)).astype(int)
    return Crop(
        int(left), int(top), int(right - left), int(bottom - top), tuple((float(x), float(y)) for x, y in border)
    )


def _largest_crop(width: int, height: int, model_size: tuple[int, int], centre: tuple[float, float]) -> Crop:
    model_width, model_height = model_size
    if width * model_height >= height * model_width:
        crop_width, crop_height = max(1, round(height * model_width / model_height)), height
    else:
        crop_width, crop_height = width, max(1, round(width * model_height / model_width))
    crop_width, crop_height = min(crop_width, width), min(crop_height, height)
    left = min(max(round(centre[0] - crop_width / 2), 0), width - crop_width)
    top = min(max(round(centre[1] - crop_height / 2), 0), height - crop_height)
    return Crop(left, top, crop_width, crop_height)
