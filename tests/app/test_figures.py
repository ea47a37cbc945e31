"""Figures of panels for print: size, sharpness, theme, and that the window stays as it was."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QScrollArea

from lapose_core.annotations import Annotation
from lapose_inspector.__main__ import parse
from lapose_inspector.actions.command import PANELS
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.colours import PREDICTION, TRUTH, rgba
from lapose_inspector.models.figure import FigureRequest
from lapose_inspector.visuals.canvas import averaged
from lapose_inspector.visuals.printing import CLIP, END
from lapose_inspector.visuals.svg_figure import finished

SVG = "{http://www.w3.org/2000/svg}"
NOTES = (Annotation("a", 2, 4, "blur", "minor", "rain"), Annotation("b", 30, 39, "drift", "critical"))


@pytest.fixture
def app(launch, log_folder: Path, qtbot) -> Inspector:
    app = launch(log_folder, frame=12, theme="dark")
    qtbot.waitUntil(
        lambda: app.session.analysis is not None and app.session.analysis.complete and app.growth.shown, timeout=120_000
    )
    qtbot.waitUntil(lambda: not app.analysis.checking and app.growth.shown, timeout=120_000)
    qtbot.waitUntil(lambda: app.window.video.shown_frame == 12, timeout=30_000)
    app.session.annotations.bring_in(NOTES)
    return app


def make(app: Inspector, qtbot, request: FigureRequest) -> str:
    """The problem that was told, or ""."""
    told: list[str] = []
    app.figures.make(request, told.append)
    qtbot.waitUntil(lambda: bool(told), timeout=60_000)
    return told[0]


def share_of(pixels: np.ndarray, colour: str) -> np.ndarray:
    """[H, W] whether a pixel is nearly of the colour."""
    return np.abs(pixels[..., :3].astype(float) - 255 * rgba(colour)[:3]).max(axis=-1) < 12


def test_every_panel_is_a_figure_of_its_size_in_the_light_theme(app: Inspector, tmp_path: Path, qtbot) -> None:
    for panel in PANELS:
        path = tmp_path / f"{panel}.png"
        assert make(app, qtbot, FigureRequest(panel, path, "png", 120.0, dpi=200)) == ""
        with Image.open(path) as image:
            assert image.width == round(120 / 25.4 * 200)
            assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
            assert f"panel: {PANELS[panel]}; drive: small drive; frame: 12" in image.info["Description"]
            pixels = np.asarray(image.convert("RGB"))
        if panel != "video":
            assert (pixels.min(axis=-1) > 245).mean() > 0.2, f"{panel} is not black on white"
        assert app.display.theme == "dark"
    assert np.median(np.asarray(_grab(app, tmp_path))) < 60, "the window itself stays dark"


def _grab(app: Inspector, tmp_path: Path) -> Image.Image:
    QTest.qWait(300)
    app.window.grab().save(str(tmp_path / "window.png"))
    return Image.open(tmp_path / "window.png").convert("RGB")


def test_every_panel_is_an_svg_of_lines_and_text(app: Inspector, tmp_path: Path, qtbot) -> None:
    for panel in PANELS:
        path = tmp_path / f"{panel}.svg"
        assert make(app, qtbot, FigureRequest(panel, path, "svg", 120.0)) == ""
        root = ElementTree.parse(path).getroot()
        assert root.get("width") == "120mm"
        assert root.findtext(f"{SVG}title") == PANELS[panel]
        assert list(root.iter(f"{SVG}text")), panel
        assert all("sans-serif" in t.get("font-family") for t in root.iter(f"{SVG}text"))
        clips = {c.get("id") for c in root.iter(f"{SVG}clipPath")}
        used = {g.get("clip-path")[5:-1] for g in root.iter(f"{SVG}g") if g.get("clip-path")}
        assert used == clips
        assert clips, "a panel ends at its own border"
        pictured = {"video": 1, "trajectory": 1, "map": 1, "tracks": 0, "compare": 0}
        if panel in pictured:
            assert len(list(root.iter(f"{SVG}image"))) == pictured[panel], panel
    tracks = (tmp_path / "tracks.svg").read_text()
    assert tracks.count("<polyline") > 20, "curves are lines, not pixels"


def test_the_3d_view_fills_its_figure_with_thin_lines(app: Inspector, tmp_path: Path, qtbot) -> None:
    width, before = {}, app.window.trajectory.size()
    for dpi in (100, 400):
        path = tmp_path / f"{dpi}.png"
        assert make(app, qtbot, FigureRequest("trajectory", path, "png", 100.0, 60.0, dpi)) == ""
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert abs(pixels.shape[0] / pixels.shape[1] - 0.6) < 0.01
        for colour in (TRUTH, PREDICTION):
            found = share_of(pixels, colour)
            assert found.any()
        rows, _ = np.nonzero(share_of(pixels, TRUTH))
        assert np.ptp(rows) > 0.3 * pixels.shape[0], "the path reaches over the figure, not over a corner of it"
        width[dpi] = share_of(pixels, TRUTH).mean()
    assert app.window.trajectory.size() == before
    assert width[400] == pytest.approx(width[100], rel=0.35), "a line is as wide on paper at any density"


def test_a_figure_can_hold_what_needs_scrolling(app: Inspector, tmp_path: Path, qtbot) -> None:
    app.window.show_panel("why")
    panel = app.window.docks["why"].widget()
    bar = panel.findChild(QScrollArea).verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0, timeout=30_000)
    bar.setValue(7)
    size = panel.size()
    heights = []
    for whole in (False, True):
        path = tmp_path / f"{whole}.png"
        assert make(app, qtbot, FigureRequest("why", path, "png", 120.0, whole=whole)) == ""
        heights.append(Image.open(path).height)
    assert heights[1] > 1.3 * heights[0]
    assert panel.size() == size
    assert bar.value() == 7


def test_the_dialog_makes_a_figure(app: Inspector, tmp_path: Path, qtbot) -> None:
    app.window.actions_["export.figure"].trigger()
    dialog = app.figures.dialog
    assert dialog is not None
    dialog.choose("notes")
    assert app.window.docks["notes"].isVisible(), "one sees what one is about to export"
    dialog.form.setCurrentIndex(1)
    assert Path(dialog.destination.text()).name == "small_drive.notes.svg"
    dialog.width_.setValue(80)
    assert "80 ×" in dialog.note.text()
    dialog.destination.setText(str(tmp_path / "absent" / "n.svg"))
    QTest.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "no such folder" in dialog.problem.text(), timeout=30_000)
    assert dialog.export_button.isEnabled()
    (tmp_path / "absent").mkdir()
    QTest.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: app.figures.dialog is None, timeout=30_000)
    text = (tmp_path / "absent" / "n.svg").read_text()
    assert "drift" in text
    assert 'width="80mm"' in text
    assert "Figure written" in app.window.status.currentMessage()
    app.figures.ask()
    assert app.figures.dialog.request.width == 80, "the size of the last time"


def test_too_fine_a_figure_is_refused(app: Inspector, tmp_path: Path, qtbot) -> None:
    problem = make(app, qtbot, FigureRequest("tracks", tmp_path / "a.png", "png", 1200.0, 1200.0, 1200))
    assert "choose fewer pixels per inch" in problem
    assert not list(tmp_path.glob("*.png"))
    assert app.display.theme == "dark"


def test_a_drawing_is_finished_with_size_clips_and_words() -> None:
    mark = "<g stroke='#010203'>\n<text x='0'>{}</text>\n</g>\n"
    drawing = (
        '<svg width="1.5mm" height="2mm"\n xmlns="http://www.w3.org/2000/svg">\n'
        "<title>Qt</title>\n<desc>Qt</desc>\n<g >\n"
        + mark.format(f"{CLIP} 1.00 2.00 30.00 40.00")
        + '<g a="b">\n<text font-family="Sans Serif">in</text>\n</g>\n<g a="b">\n</g>\n'
        + mark.format(END)
        + "</g></svg>"
    )
    out = finished(drawing, 160, 90.5, "A & B", "<about>", "DejaVu Sans")
    root = ElementTree.fromstring(out)
    assert (root.get("width"), root.get("height")) == ("160mm", "90.5mm")
    assert root.findtext(f"{SVG}title") == "A & B"
    assert root.findtext(f"{SVG}desc") == "<about>"
    (clip,) = root.iter(f"{SVG}clipPath")
    assert clip[0].attrib == {"x": "1.00", "y": "2.00", "width": "30.00", "height": "40.00"}
    inside = next(g for g in root.iter(f"{SVG}g") if g.get("clip-path") == f"url(#{clip.get('id')})")
    assert inside.find(f"{SVG}g/{SVG}text").get("font-family") == "DejaVu Sans, sans-serif"
    assert not re.search(r"<g [^>]*>\s*</g>", out)


def test_pixels_are_averaged_in_blocks() -> None:
    pixels = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    out = averaged(pixels, 2)
    assert out.shape == (2, 2, 3)
    np.testing.assert_array_equal(out[1, 0], pixels[2:4, :2].reshape(4, 3).mean(0).astype(np.uint8))


def test_the_text_size_decides_the_room_on_paper() -> None:
    small, large = (FigureRequest("map", Path("a.png"), text=text) for text in (6.0, 12.0))
    assert small.room(300)[0] == pytest.approx(2 * large.room(300)[0], abs=1)
    assert small.room(300)[1] == 300
    assert FigureRequest("map", Path("a.png"), width=100, height=50).room(300)[1] == pytest.approx(
        FigureRequest("map", Path("a.png"), width=100).room(300)[0] / 2, abs=1
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--figure", "map", "a.png"], "need a LOG"),
        (["log", "--figure", "maps", "a.png"], "no panel 'maps'"),
        (["log", "--figure", "map", "a.pdf"], "name a .png or .svg"),
        (["log", "--figure", "map", "a.svg", "--screenshot", "b.png"], "one of them"),
    ],
)
def test_a_figure_from_the_command_line_is_checked(arguments, words, capsys) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)
    assert words in capsys.readouterr().err
