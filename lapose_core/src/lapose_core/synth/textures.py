"""The materials of the synthetic world: small tileable luminance textures with mip chains, made once a process.

There are two banks of the same materials. Worlds of seeds below HELD_OUT draw from the training bank, those
from HELD_OUT on from the held-out bank, so that a model is tested on surfaces it has never seen.

Real pictures have texture at every scale, and it is texture that motion is read from; a mip chain makes it
fade with distance instead of shimmering, so that a learned motion feature is not taught aliasing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

Field = NDArray[np.float64]

SIZE = 256
LEVELS = 9

ASPHALT, GRASS, PAVING, BRICK, LEAVES, PLASTER, CLOUDS, DIRT, TILES, TREELINE, STONE, WOOD = range(12)
FACADES = 12  # first facade; each facade is three planes: wall, window mask, glass
N_FACADES = 8


CHAIN = (4 * SIZE * SIZE - 1) // 3  # texels of one texture with all its mips

HELD_OUT = 5_000_000  # seeds from here on are for testing only

BankName = Literal["training", "held-out"]
Radii = tuple[float, float]


@dataclass(frozen=True)
class Bank:
    """What distinguishes the materials of one bank from those of another, besides the noise itself.

    Lengths are in texels, counts per tile; slopes are exponents of the noise's amplitude spectrum.
    """

    seed: int
    asphalt: tuple[float, float]  # slopes of the fine and the coarse grain
    patch: tuple[int, int, int, int]  # top, bottom, left, right of a repaired piece of road
    joint: int  # row of the seam across the road
    grass: tuple[float, float]
    clouds: float
    paving: tuple[int, int]  # rows and columns of a tile
    brick: tuple[int, int]
    tiles: tuple[int, int]
    leaves: tuple[int, Radii]  # count and radii of the blobs
    dirt: tuple[int, Radii]
    treeline: tuple[int, Radii]
    stone: tuple[int, Radii]
    plank: int  # width
    windows: tuple[tuple[int, int], ...]  # width and height of each facade's


BANKS: dict[BankName, Bank] = {
    "training": Bank(
        seed=20240501,
        asphalt=(0.6, 1.3),
        patch=(40, 96, 60, 190),
        joint=150,
        grass=(0.5, 1.2),
        clouds=1.65,
        paving=(16, 16),
        brick=(32, 16),
        tiles=(24, 24),
        leaves=(1500, (3.0, 8.0)),
        dirt=(1800, (1.5, 5.0)),
        treeline=(500, (5.0, 16.0)),
        stone=(420, (8.0, 14.0)),
        plank=16,
        windows=((26, 34), (34, 38), (44, 42), (22, 40), (52, 34), (30, 30), (38, 44), (58, 46)),
    ),
    "held-out": Bank(
        seed=20261123,
        asphalt=(0.75, 1.15),
        patch=(150, 228, 20, 110),
        joint=70,
        grass=(0.6, 1.05),
        clouds=1.5,
        paving=(8, 16),
        brick=(16, 8),
        tiles=(16, 16),
        leaves=(1050, (4.0, 9.5)),
        dirt=(1300, (2.0, 6.0)),
        treeline=(380, (6.0, 19.0)),
        stone=(300, (9.0, 17.0)),
        plank=32,
        windows=((32, 40), (28, 30), (50, 36), (36, 46), (24, 36), (46, 44), (30, 38), (40, 32)),
    ),
}


def bank_name(seed: int) -> BankName:
    """The bank that the world of ``seed`` draws its materials from."""
    return "training" if seed < HELD_OUT else "held-out"


def _noise(rng: np.random.Generator, slope: float, low: float = 1.0, aspect: float = 1.0) -> Field:
    """Tileable noise [SIZE, SIZE] with an amplitude spectrum f^-slope above ``low`` cycles, unit variance."""
    fy = np.fft.fftfreq(SIZE)[:, None] * SIZE
    fx = np.fft.fftfreq(SIZE)[None, :] * SIZE
    f = np.hypot(fx * aspect, fy / aspect)
    f[0, 0] = 1.0
    amplitude = np.where(f < low, 0.0, f**-slope)
    amplitude[0, 0] = 0.0
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((SIZE, SIZE))) * amplitude).real
    return (field - field.mean()) / field.std()


def _blobs(rng: np.random.Generator, count: int, radius: tuple[float, float]) -> Field:
    """Overlapping lit discs, the later over the earlier: leaves, gravel, cobbles. Values in 0..1."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(float)
    out = np.full((SIZE, SIZE), 0.15)
    for _ in range(count):
        cx, cy = rng.uniform(0, SIZE, 2)
        rx, ry = rng.uniform(*radius, 2)
        reach = int(max(rx, ry)) + 2
        rows = np.arange(int(cy) - reach, int(cy) + reach) % SIZE
        cols = np.arange(int(cx) - reach, int(cx) + reach) % SIZE
        gx = (x[0, cols] - cx + SIZE / 2) % SIZE - SIZE / 2
        gy = (y[rows, 0] - cy + SIZE / 2) % SIZE - SIZE / 2
        d = (gx[None, :] / rx) ** 2 + (gy[:, None] / ry) ** 2
        tone = rng.uniform(0.35, 0.95) * (1.0 - 0.45 * d - 0.2 * gy[:, None] / ry)
        patch = out[np.ix_(rows, cols)]
        out[np.ix_(rows, cols)] = np.where(d < 1.0, tone, patch)
    return out


def _courses(rng: np.random.Generator, rows: int, cols: int, joint: int, stagger: bool) -> Field:
    """Bricks, slabs or tiles: cells of differing tone with dark joints. Values in 0..1."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    row = y * rows // SIZE
    shifted = (x + np.where(stagger & (row % 2 == 1), SIZE // cols // 2, 0)) % SIZE
    col = shifted * cols // SIZE
    tone = rng.uniform(0.4, 0.85, (rows, cols))[row, col]
    in_y = y - row * SIZE // rows
    in_x = shifted - col * SIZE // cols
    return np.where((in_y < joint) | (in_x < joint), 0.2, tone)


def _facade(rng: np.random.Generator, index: int, window: tuple[int, int]) -> list[Field]:
    """Wall tone, window coverage and glass tone of a facade tile, four storeys by four windows."""
    wall = 0.62 + 0.06 * _noise(rng, 1.2) + 0.05 * _noise(rng, 1.5, aspect=3.0)
    if index % 3 == 0:
        wall = 0.55 * _courses(rng, 32, 16, 1, True) + 0.5 * wall
    mask = np.zeros((SIZE, SIZE))
    glass = np.full((SIZE, SIZE), 0.4)
    cell = SIZE // 4
    width, height = window
    ramp = np.linspace(0.25, -0.2, height)[:, None]
    for row in range(4):
        wall[row * cell : row * cell + 3] *= 0.8 if index % 2 else 1.12
        for col in range(4):
            if index in (0, 3, 5) and rng.random() < 0.15:
                continue
            top, left = row * cell + (cell - height) // 2, col * cell + (cell - width) // 2
            tone = rng.uniform(0.15, 0.55) + ramp + 0.05 * rng.standard_normal((height, width))
            if rng.random() < 0.4:  # a blind or a curtain
                tone[: int(rng.uniform(0.2, 0.7) * height)] = rng.uniform(0.6, 0.9)
            frame = 3
            tone[:frame] = tone[-frame:] = tone[:, :frame] = tone[:, -frame:] = 0.95 if index % 2 else 0.25
            middle = width // 2
            if width > 24:
                tone[:, middle - 1 : middle + 1] = 0.95 if index % 2 else 0.25
            mask[top : top + height, left : left + width] = 1.0
            glass[top : top + height, left : left + width] = tone
            wall[top + height : top + height + 3, left - 2 : left + width + 2] = 0.95  # the sill
            wall[top + height + 3 : top + height + 8, left : left + width] *= 0.75
            if index in (1, 6) and col % 2 == 0:  # a balcony
                wall[top + height - 2 : top + height + 8, max(left - 8, 0) : left + width + 8] = 0.35
                mask[top + height - 14 : top + height, left : left + width] *= 0.4
    return [wall, mask, glass]


def _levels(field: Field) -> list[NDArray[np.uint8]]:
    level = np.clip(field, 0.0, 1.0)
    out = []
    for _ in range(LEVELS):
        out.append(np.round(level * 255).astype(np.uint8).ravel())
        if len(level) > 1:
            level = level.reshape(len(level) // 2, 2, len(level) // 2, 2).mean((1, 3))
    return out


@lru_cache(maxsize=len(BANKS))
def atlas(name: BankName = "training") -> NDArray[np.uint8]:
    """The textures of one bank, flat: CHAIN texels each, the finest mip first.

    The same in every process; worlds of one bank differ by where they sample them.
    """
    bank = BANKS[name]
    rng = np.random.default_rng(bank.seed)
    speckle = rng.standard_normal((SIZE, SIZE))
    asphalt = 0.5 + 0.09 * speckle + 0.07 * _noise(rng, bank.asphalt[0]) + 0.07 * _noise(rng, bank.asphalt[1])
    crack = np.abs(_noise(rng, 1.6, 2.0))
    asphalt -= 0.3 * np.exp(-((crack / 0.03) ** 2)) * (_noise(rng, 1.5) > 0.3)
    top, bottom, left, right = bank.patch
    asphalt[top:bottom, left:right] -= 0.1
    asphalt[bank.joint : bank.joint + 6, :] -= 0.12
    grass = (
        0.45
        + 0.14 * _noise(rng, bank.grass[0], 4.0)
        + 0.12 * _noise(rng, bank.grass[1])
        + 0.08 * _noise(rng, 0.4, 10, 0.5)
    )
    paving = _courses(rng, *bank.paving, 1, True) * 0.6 + 0.25 + 0.05 * _noise(rng, 0.8)
    brick = _courses(rng, *bank.brick, 1, True) * 0.75 + 0.15 + 0.05 * _noise(rng, 0.8)
    leaves = _blobs(rng, *bank.leaves) * 0.75 + 0.13 * _noise(rng, 1.3, 1.0) + 0.1
    plaster = 0.6 + 0.07 * _noise(rng, 0.8) + 0.1 * _noise(rng, 1.5, aspect=2.5) - 0.04 * np.abs(speckle)
    clouds = 0.5 + 0.2 * _noise(rng, bank.clouds, 1.0)
    dirt = _blobs(rng, *bank.dirt) * 0.5 + 0.25 + 0.1 * _noise(rng, 1.3)
    tiles = _courses(rng, *bank.tiles, 2, False) * 0.8 + 0.1 + 0.06 * _noise(rng, 1.2)
    treeline = _blobs(rng, *bank.treeline) * 0.7 + 0.15 + 0.08 * _noise(rng, 0.6, 6.0)
    stone = _blobs(rng, *bank.stone) * 0.7 + 0.2
    wood = 0.55 + 0.12 * _noise(rng, 0.9, 2.0, 4.0)
    wood[:, :: bank.plank] = wood[:, 1 :: bank.plank] = 0.12
    fields = [asphalt, grass, paving, brick, leaves, plaster, clouds, dirt, tiles, treeline, stone, wood]
    for index in range(N_FACADES):
        fields += _facade(rng, index, bank.windows[index])
    return np.concatenate([level for field in fields for level in _levels(field)])


@njit(cache=True, nogil=True, error_model="numpy")
def _bilinear(data, index, level, u, v):  # type: ignore[no-untyped-def]
    n = 256 >> level
    x = u * n - 0.5
    y = v * n - 0.5
    fx = np.floor(x)
    fy = np.floor(y)
    ax = x - fx
    ay = y - fy
    x0 = np.int64(fx) & (n - 1)
    y0 = np.int64(fy) & (n - 1)
    x1 = (x0 + 1) & (n - 1)
    y1 = (y0 + 1) & (n - 1)
    base = index * CHAIN + (4 * SIZE * SIZE - (4 * SIZE * SIZE >> (2 * level))) // 3
    top = data[base + y0 * n + x0] * (1.0 - ax) + data[base + y0 * n + x1] * ax
    bottom = data[base + y1 * n + x0] * (1.0 - ax) + data[base + y1 * n + x1] * ax
    return (top * (1.0 - ay) + bottom * ay) * (1.0 / 255.0)


@njit(cache=True, nogil=True, error_model="numpy")
def sample(atlas, index, u, v, lod):  # type: ignore[no-untyped-def]
    """Texture ``index`` at (u, v) in tile units, trilinear at mip ``lod`` (0 = full resolution); 0..1."""
    if lod <= 0.0:
        return _bilinear(atlas, index, 0, u, v)
    if lod >= 8.0:
        return atlas[index * CHAIN + CHAIN - 1] * (1.0 / 255.0)
    level = int(lod)
    blend = lod - level
    near = _bilinear(atlas, index, level, u, v)
    far = _bilinear(atlas, index, level + 1, u, v)
    return near + (far - near) * blend
