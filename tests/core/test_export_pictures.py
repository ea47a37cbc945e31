"""The overlay video frame by frame, its subtitles, and figures for print."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from analysis_data import MemoryDrive
from export_data import NOTES, gapped
from PIL import Image
from test_export_mcap import analysed_drive

from lapose_core.annotations import read_annotations
from lapose_core.export.bundle import Choice, Exported, export_bundle
from lapose_core.export.figures import SIZES, top_view
from lapose_core.export.files import Cancelled
from lapose_core.export.formats import Options, write_export
from lapose_core.export.overlay_video import PANELS, Cue, cues
from lapose_core.palette import TRUTH


@pytest.fixture(scope="module")
def bundle() -> Exported:
    drive, analysis = analysed_drive()
    return export_bundle(analysis, Choice(first=4, last=20), drive=drive, annotations=NOTES)


def decoded(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        return [(float(f.pts * f.time_base), f.to_ndarray(format="rgb24")) for f in container.decode(stream)]


def said(path: Path) -> list[tuple[float, float, str]]:
    """Begin, end and words of the subtitles."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(container.streams.subtitles[0]) if p.size]
        rows = [(float(p.pts * p.time_base), float(p.duration * p.time_base), bytes(p)[2:].decode()) for p in packets]
    return [(begin, begin + length, text) for begin, length, text in rows if text]


def test_every_frame_once_at_its_time(bundle: Exported, tmp_path: Path) -> None:
    path, side = write_export(bundle, "mp4", tmp_path / "a.mp4", Options(panels=("video",)))
    shown = decoded(path)
    assert [time for time, _ in shown] == pytest.approx([0.25 * i for i in range(17)], abs=1e-4)
    greys = [image[20:-60, 200:-200].mean() for _, image in shown]
    assert greys == pytest.approx([40 + 4 * (4 + i) for i in range(17)], abs=2.5), "frames 4 to 20, none twice"
    assert list(read_annotations(side)) == [NOTES[1]]


def test_annotations_are_subtitles_or_burnt_in(bundle: Exported, tmp_path: Path) -> None:
    write_export(bundle, "mp4", tmp_path / "track.mp4", Options(panels=("video",)))
    ((begin, end, text),) = said(tmp_path / "track.mp4")
    assert (begin, end) == pytest.approx((4.0, 4.25)), "the note begins at frame 20, of which the last is shown"
    assert text == "major drift: leaves the lane, <b>twice</b>; „здесь“"
    drawn = {}
    for how in ("burnt", "none"):
        write_export(bundle, "mp4", tmp_path / f"{how}.mp4", Options(panels=("video",), subtitles=how))  # type: ignore[arg-type]
        drawn[how] = decoded(tmp_path / f"{how}.mp4")
        with av.open(str(tmp_path / f"{how}.mp4")) as container:
            assert not container.streams.subtitles
    difference = [np.abs(a[1].astype(int) - b[1]).max() for a, b in zip(drawn["burnt"], drawn["none"])]
    assert difference[-1] > 100
    assert max(difference[:-1]) < 60, "the words stand on the last frame alone"


def test_overlapping_notes_become_cues_in_turn() -> None:
    drive, analysis = analysed_drive()
    from dataclasses import replace

    notes = [
        replace(NOTES[0], id="a", first_frame=2, last_frame=9, label="one"),
        replace(NOTES[0], id="b", first_frame=6, last_frame=20, label="two"),
        replace(NOTES[0], id="c", first_frame=30, last_frame=99, label="three"),
    ]
    found = cues(export_bundle(analysis, drive=drive, annotations=notes))
    assert found == [
        Cue(2, 5, "note one"), Cue(6, 9, "note one\nnote two"), Cue(10, 20, "note two"), Cue(30, 35, "note three"),
    ]  # fmt: skip


def orange_and_green(image: np.ndarray) -> tuple[int, int]:
    """Pixels of the hues of truth and prediction; thin lines lose their saturation in the codec."""
    red, green, blue = np.moveaxis(image.astype(int), -1, 0)
    return int(((red > green + 20) & (green > blue)).sum()), int((green > red + 20).sum())


@pytest.mark.parametrize("panels", [PANELS, ("trajectory",), ("tracks", "map"), ("path",), ("map",)])
def test_the_panels_that_are_wanted(bundle: Exported, tmp_path: Path, panels: tuple[str, ...]) -> None:
    write_export(bundle, "mp4", tmp_path / "a.mp4", Options(panels=panels))
    shown = decoded(tmp_path / "a.mp4")
    assert len(shown) == 17
    image = shown[8][1]
    assert image.shape[1] == 1280
    if {"trajectory", "tracks"} & set(panels):
        # Beyond the words in the caption.
        orange, green = orange_and_green(image[:-40])
        assert orange > 100
        assert green > 100
    moving = np.abs(shown[8][1][:-40].astype(int) - shown[12][1][:-40]).max()
    assert moving > 60, "the cursor moves"


def test_a_choice_of_panels_that_is_none(bundle: Exported, tmp_path: Path) -> None:
    for panels in ((), ("audio",)):
        with pytest.raises(ValueError, match="panels: choose some of video"):
            write_export(bundle, "mp4", tmp_path / "a.mp4", Options(panels=panels))
    drive, analysis = analysed_drive()
    with pytest.raises(ValueError, match="give it with --log"):
        write_export(export_bundle(analysis), "mp4", tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_a_video_given_up_or_with_a_broken_frame_is_not_there(bundle: Exported, tmp_path: Path) -> None:
    def give_up(share: float) -> None:
        if share > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        write_export(bundle, "mp4", tmp_path / "a.mp4", Options(panels=("video",)), give_up)
    broken = MemoryDrive(36, broken=frozenset({9}))
    damaged = export_bundle(bundle.analysis, Choice(first=4, last=20), drive=broken.drive)
    with pytest.raises(Exception, match="frame 9: cannot be decoded"):
        write_export(damaged, "mp4", tmp_path / "a.mp4", Options(panels=("video",)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("panel", SIZES)
def test_figures_are_vectors_or_pixels_at_the_wanted_density(bundle: Exported, tmp_path: Path, panel: str) -> None:
    svg = write_export(bundle, "svg", tmp_path / "a.svg", Options(panel=panel))[0]
    root = ET.parse(svg).getroot()
    assert float(str(root.get("width")).removesuffix("pt")) / 72 == pytest.approx(SIZES[panel][0], abs=0.01)
    words = "".join(root.itertext())
    assert "SE(3)" in words, "how it was aligned stands in the file"
    if panel == "tracks":
        assert "drift" in words
        assert TRUTH.lower() in svg.read_text().lower()
    write_export(bundle, "svg", tmp_path / "b.svg", Options(panel=panel))
    assert svg.read_bytes() == (tmp_path / "b.svg").read_bytes(), "the same export twice is the same file"
    png = write_export(bundle, "png", tmp_path / "a.png", Options(panel=panel, dpi=200))[0]
    with Image.open(png) as image:
        assert image.size == tuple(round(200 * inches) for inches in SIZES[panel])
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        assert "OpenCV" in image.info["Description"]


def test_a_figure_that_is_not_there(bundle: Exported, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no 'forward'; there are trajectory, tracks, map, video, 3d"):
        write_export(bundle, "svg", tmp_path / "a.svg", Options(panel="forward"))
    with pytest.raises(ValueError, match="'video' is made of pixels; export it as PNG"):
        write_export(bundle, "svg", tmp_path / "a.svg", Options(panel="video"))
    with pytest.raises(ValueError, match="frame: 99, but the last frame of memory is 35"):
        write_export(bundle, "png", tmp_path / "a.png", Options(panel="video", frame=99))


@pytest.mark.parametrize("panel", ["video", "3d"])
def test_pictured_panels_are_of_one_frame_at_print_size(bundle: Exported, tmp_path: Path, panel: str) -> None:
    write_export(bundle, "png", tmp_path / "a.png", Options(panel=panel, frame=10, dpi=100))
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == 630
        assert image.info["dpi"] == pytest.approx((100, 100), abs=0.1)
        assert "frame 10;" in image.info["Description"]
        pixels = np.asarray(image)
    if panel == "video":
        assert np.median(pixels) == pytest.approx(40 + 4 * 10, abs=2)
    orange, green = orange_and_green(pixels)
    assert orange > 50
    assert green > 50


def test_the_top_view_begins_ahead_of_the_first_camera() -> None:
    bundle: Any = export_bundle(gapped())
    plane = top_view(bundle, "truth")
    np.testing.assert_allclose(plane[0], 0, atol=1e-12)
    ahead = bundle.truth[0, :3, 2]
    step = bundle.truth[1, :3, 3] - bundle.truth[0, :3, 3]
    level = step * [1, 0, 1]
    assert plane[1] @ plane[1] == pytest.approx(level @ level)
    assert np.sign(plane[1, 1]) == np.sign(level @ ahead)
    assert np.isnan(plane[71]).all()
    for panel in SIZES:
        from lapose_core.export.figures import PAPER, make_figure

        make_figure(bundle, panel, PAPER, SIZES[panel])
