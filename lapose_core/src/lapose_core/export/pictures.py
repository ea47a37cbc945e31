"""The pictures of the exported frames, in order, with their times."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lapose_core.drive import Drive, Image
from lapose_core.export.bundle import Exported
from lapose_core.export.files import Progress


def picture_frames(bundle: Exported) -> NDArray[np.int64]:
    """Every frame of the range.

    Raises:
        ValueError: where the log is not at hand.
    """
    drive_of(bundle)
    return np.arange(bundle.first_frame, bundle.last_frame + 1)


def drive_of(bundle: Exported) -> Drive:
    """The log.

    Raises:
        ValueError: where it is not at hand.
    """
    if bundle.drive is None:
        raise ValueError(f"{bundle.drive_name}: the pictures are in the log; give it with --log")
    return bundle.drive


def pictures(bundle: Exported, progress: Progress, *, longest: int | None = None) -> Iterator[tuple[int, float, Image]]:
    """Frame, time in seconds and picture [H, W, 3] of every frame of the range, of even width and height as video
    codecs want; scaled down so that no side is longer than ``longest`` pixels.

    Raises:
        LogError: naming the frame that cannot be decoded.
    """
    drive, frames = drive_of(bundle), picture_frames(bundle)
    width, height = even_size(drive.width, drive.height, longest)
    source = drive.open_frames()
    try:
        for done, (frame, image) in enumerate(source.iterate(int(frames[0]), int(frames[-1]) + 1)):
            progress(done / len(frames))
            yield frame, float(drive.timestamps[frame]), _fitted(image, width, height)
    finally:
        source.close()


def even_size(width: int, height: int, longest: int | None = None) -> tuple[int, int]:
    """Even width and height of the same shape, no side longer than ``longest``; never larger."""
    scale = 1.0 if longest is None else min(1.0, longest / max(width, height))
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)


def _fitted(image: Image, width: int, height: int) -> Image:
    rows, columns = image.shape[:2]
    if rows - height in (0, 1) and columns - width in (0, 1):
        return np.ascontiguousarray(image[:height, :width])
    from PIL import Image as Pillow

    return np.asarray(Pillow.fromarray(image).resize((width, height), Pillow.Resampling.BILINEAR))
