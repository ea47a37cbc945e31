"""From a log's frame to the image that the model sees: one crop, one resize."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lapose_core.drive import Drive, Image, Intrinsics


@dataclass(frozen=True)
class Crop:
    """The part of a frame that the model sees, in whole source pixels."""

    left: int
    top: int
    width: int
    height: int


class Preprocessor:
    """Crops frames of ``width`` x ``height`` pixels to the model's aspect ratio and resizes them.

    The crop is the largest of the model's aspect that fits in the frame. It lies about the principal point
    when the intrinsics are known, because its row is the horizon of a level camera and the model was trained
    with the horizon near the middle; about the centre of the frame otherwise. A crop that would leave the
    frame is moved back into it.

    Lens distortion is not undone: a frame keeps the distortion of its log, and ``intrinsics`` describes the
    undistorted pinhole of the same camera.

    Raises:
        ValueError: where a size is not positive, or the intrinsics belong to images of another size.
    """

    def __init__(
        self, width: int, height: int, intrinsics: Intrinsics | None, model_size: tuple[int, int]
    ) -> None:
        if min(width, height, *model_size) < 1:
            raise ValueError(f"cannot fit frames of {width}x{height} to a model of {model_size}")
        if intrinsics is not None and (intrinsics.width, intrinsics.height) != (width, height):
            raise ValueError(
                f"the intrinsics are of {intrinsics.width}x{intrinsics.height} images, the frames are "
                f"{width}x{height}: correct the log's calibration"
            )
        self.width, self.height = width, height
        self.model_size = model_size
        self._source_intrinsics = intrinsics
        centre = (intrinsics.cx, intrinsics.cy) if intrinsics is not None else (width / 2, height / 2)
        self.crop = _largest_crop(width, height, model_size, centre)

    @classmethod
    def for_drive(cls, drive: Drive, model_size: tuple[int, int]) -> Preprocessor:
        """The preprocessor of a drive's frames for a model of ``model_size`` (width, height)."""
        return cls(drive.width, drive.height, drive.intrinsics, model_size)

    @property
    def intrinsics(self) -> Intrinsics | None:
        """The camera of the model's image, or None when the log does not know its camera."""
        if self._source_intrinsics is None:
            return None
        crop = self.crop
        part = self._source_intrinsics.crop(crop.left, crop.top, crop.width, crop.height)
        return part.resize(*self.model_size)

    def __call__(self, image: Image) -> Tensor:
        """The model's image, float32 [3, h, w] in 0..1, of a frame uint8 [H, W, 3] RGB.

        Raises:
            ValueError: where the frame does not have the size or the type that was declared.
        """
        if image.shape != (self.height, self.width, 3) or image.dtype != np.uint8:
            raise ValueError(
                f"expected a frame of {self.width}x{self.height} RGB uint8, "
                f"got shape {list(image.shape)} {image.dtype}"
            )
        c = self.crop
        part = np.ascontiguousarray(image[c.top : c.top + c.height, c.left : c.left + c.width])
        pixels = torch.from_numpy(part).permute(2, 0, 1).unsqueeze(0)
        width, height = self.model_size
        if (c.width, c.height) != (width, height):
            # Antialiased bilinear is one filter for shrinking and enlarging; the benchmark holds it against
            # the exact pixel-area mean (what a renderer with antialiasing at the model's size integrates).
            resized = interpolate(
                pixels.float(), size=(height, width), mode="bilinear", align_corners=False, antialias=True
            )
        else:
            resized = pixels.float()
        return resized[0].div_(255.0).clamp_(0.0, 1.0).contiguous()


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
