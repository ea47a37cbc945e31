"""Frames that are single picture files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lapose_core.drive import Image, LogError
from lapose_core.logs.folders import files_in
from lapose_core.logs.single_pictures import SinglePictures

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

T = TypeVar("T")

SUFFIXES = (".png", ".jpg", ".jpeg")
# Orientations of EXIF tag 274 that swap width and height.
_SIDEWAYS = (5, 6, 7, 8)
# Reading the size of a picture is cheap, of a hundred thousand is not: at most this many at opening.
_SIZES_CHECKED = 200


def list_images(folder: Path) -> list[Path]:
    """The pictures in ``folder``, in natural order (2 before 10); hidden files are left out."""
    return [folder / name for name in sorted(files_in(folder, SUFFIXES), key=natural)]


def count_images(folder: Path) -> int:
    """How many pictures `list_images` gives."""
    return sum(1 for _ in files_in(folder, SUFFIXES))


def has_images(folder: Path) -> bool:
    """Whether there is a picture in ``folder``; stops at the first."""
    return next(files_in(folder, SUFFIXES), None) is not None


def common_size(files: Sequence[Path]) -> tuple[int, int]:
    """Width and height of the pictures, from the headers of evenly spread ones.

    Raises:
        LogError: where none of them can be read, or one has another size.
    """
    known: tuple[Path, tuple[int, int]] | None = None
    problem: LogError | None = None
    for i in sorted({int(i) for i in np.linspace(0, len(files) - 1, _SIZES_CHECKED)}):
        try:
            size = _size(files[i])
        except LogError as error:
            problem = problem or error
            continue  # a damaged picture among good ones is an error when it is looked at, not before
        if known is None:
            known = files[i], size
        elif size != known[1]:
            raise LogError(_unequal(files[i], size, *known))
    if known is None:
        assert problem is not None
        raise problem
    return known[1]


class ImageSource(SinglePictures):
    """`FrameSource` of picture ``files`` that all have ``size`` (width, height)."""

    def __init__(self, files: Sequence[Path], size: tuple[int, int]) -> None:
        super().__init__(len(files))
        self._files = files
        self._size = size

    def _load(self, index: int) -> Image:
        image = load_image(self._files[index])
        size = (image.shape[1], image.shape[0])
        if size != self._size:
            raise LogError(_unequal(self._files[index], size, self._files[0], self._size))
        return image


def load_image(path: Path) -> Image:
    """A picture file as [H, W, 3] RGB uint8, upright by its EXIF orientation.

    Raises:
        LogError: where it cannot be read.
    """
    from PIL import ImageOps

    def pixels(picture: PilImage) -> Image:
        if picture.mode.startswith("I;16"):
            return np.repeat((np.asarray(picture) >> 8).astype(np.uint8)[..., None], 3, axis=-1)
        if _may_be_turned(picture):
            picture = ImageOps.exif_transpose(picture)
        return np.array(picture.convert("RGB"))

    return _read(path, pixels)


def _size(path: Path) -> tuple[int, int]:
    def upright(picture: PilImage) -> tuple[int, int]:
        sideways = _may_be_turned(picture) and picture.getexif().get(274) in _SIDEWAYS
        return picture.size[::-1] if sideways else picture.size

    return _read(path, upright)


def _may_be_turned(picture: PilImage) -> bool:
    """Whether to ask for the orientation: a PNG without it before the pixels would be decoded to look behind them."""
    return picture.format != "PNG" or "exif" in picture.info


def _read(path: Path, use: Callable[[PilImage], T]) -> T:
    from PIL import Image as Pil

    try:
        with Pil.open(path, formats=("PNG", "JPEG")) as picture:
            return use(picture)
    # Decoders meet damaged bytes with whatever error they run into first: struct, zlib, syntax, size, key.
    except Exception as error:
        raise LogError(f"{path}: the picture cannot be read ({error})") from error


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts names with numbers as people count: 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _unequal(path: Path, size: tuple[int, int], first: Path, expected: tuple[int, int]) -> str:
    return (
        f"{path}: the picture is {size[0]}x{size[1]}, but {first.name} is {expected[0]}x{expected[1]}; "
        "a log's pictures must have one size"
    )
