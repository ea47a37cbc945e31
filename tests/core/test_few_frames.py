"""What an open log holds beside the caches that it was given, and how little a source of single frames keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from lapose_core.drive import Drive
from lapose_core.frames.budget import ByteBudget
from lapose_core.frames.reader import FEW, CachedReader, bytes_of, few_frames
from lapose_core.logs import open_log
from lapose_core.sample_video import read_counted, write_counted

PICTURE = 320 * 240 * 3 // 2


@pytest.fixture(scope="module")
def drive(tmp_path_factory) -> Drive:
    return open_log(write_counted(tmp_path_factory.mktemp("video") / "log.mp4", count=60, size=(320, 240)))


def index_of(image: np.ndarray) -> int:
    return read_counted(image.mean(axis=2).astype(np.uint8))


def test_a_source_of_single_frames_keeps_few_of_those_on_the_way(drive: Drive) -> None:
    plain, frugal = drive.open_frames(), few_frames(drive)
    frugal.keep_at_most(4 * PICTURE)
    for source in (plain, frugal):
        assert index_of(source.read(59)) == 59
        assert index_of(source.read(40)) == 40  # back in the group of pictures: all of it is kept
    assert bytes_of(plain) >= 40 * PICTURE
    assert bytes_of(frugal) <= bytes_of(plain) - 30 * PICTURE
    assert index_of(frugal.read(3)) == 3
    for source in (plain, frugal):
        source.close()


def test_frames_in_a_shared_cache_are_counted_once(drive: Drive) -> None:
    budget = ByteBudget(FEW)
    reader = CachedReader(drive, budget.cache("frames"))
    assert reader.nbytes == 0
    reader.prepare(50)
    assert budget.used >= 40 * PICTURE
    assert 0 < reader.nbytes < 20 * PICTURE
    reader.close()
    assert reader.nbytes == 0


def test_pictures_in_files_hold_nothing(tmp_path: Path) -> None:
    for number in range(3):
        PIL.Image.new("RGB", (64, 48)).save(tmp_path / f"{number:06d}.png")
    source = few_frames(open_log(tmp_path))
    source.read(0)
    assert bytes_of(source) == 0
    source.close()
