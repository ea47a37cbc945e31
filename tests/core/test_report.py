"""The report of a drive: complete without a network, honest about what is missing."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from analysis_data import LATENTS, MemoryDrive, empty_analysis, winding_path, windows_of
from export_data import NOTES

from lapose_core.commands.report import Report
from lapose_core.evaluation.aligned import analysis_clips
from lapose_core.evaluation.regimes import TRANSITION_NAMES
from lapose_core.evaluation.report import write_report
from lapose_core.evaluation.report_plots import latent_svg, tracks_svg
from lapose_core.evaluation.report_segments import worst_segments
from lapose_core.inference.result import DriveAnalysis
from lapose_core.inference.store import write_result
from lapose_core.palette import PREDICTION, REGIMES, TRUTH


class Page(HTMLParser):
    """What a browser would fetch, run and show of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.shown: list[str] = []
        self._hidden = 0
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._hidden += tag == "style"
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href", "action", "data")]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.shown.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.shown).split())

    def outside(self) -> list[str]:
        css = re.findall(r"url\(([^)]*)\)|@import", self.source)
        return [a for a in [*self.addresses, *css] if a and not a.strip("'\"").startswith(("data:", "#"))]


def analysed(truth: np.ndarray | None, predicted: np.ndarray, noise: float = 0.0) -> DriveAnalysis:
    analysis = empty_analysis(len(predicted), truth=truth)
    analysis.merge_all(windows_of(analysis, predicted, noise))
    return analysis


def test_a_drive_with_truth(tmp_path: Path) -> None:
    truth = winding_path(64)
    evaluation = write_report(analysed(truth, truth, noise=0.01), tmp_path / "report.html")
    assert evaluation is not None
    page = Page(tmp_path / "report.html")
    assert page.outside() == []
    assert "script" not in page.tags
    assert page.tags.count("svg") == 3
    assert page.tags.count("table") == 3
    for words in ("constant forward", "AUC@5, signed", "SE(3), 64 of 64 samples matched", "fedcba98", "2 Hz"):
        assert words in page.text, words
    assert f"{evaluation.overall.model['auc5_signed']:.1f}" in page.text
    assert f"{evaluation.overall.forward['auc5_signed']:.1f}" in page.text
    for name, summary in evaluation.regimes.items():
        assert re.search(rf"{name} {summary.clips} {summary.counted} ", page.text), name
    assert PREDICTION.lower() in page.source.lower()
    assert TRUTH.lower() in page.source.lower()
    assert "nan" not in page.text.split()


def test_a_drive_without_truth_says_so_and_shows_the_rest(tmp_path: Path) -> None:
    assert write_report(analysed(None, winding_path(40)), tmp_path / "r.html") is None
    page = Page(tmp_path / "r.html")
    assert page.outside() == []
    assert "no ground-truth poses" in page.text
    assert page.tags.count("svg") == 3
    assert "AUC" not in page.text
    assert "truth" not in "".join(re.findall(r"<text[^>]*>([^<]*)</text>", page.source))


def test_what_a_log_is_called_cannot_become_markup(tmp_path: Path) -> None:
    analysis = DriveAnalysis(
        drive_name="<script>alert(1)</script> $x_{",
        drive_path="/logs/<img src=http://x>",
        fingerprint="0" * 16,
        checkpoint_name="<b>",
        checkpoint_hash="ab",
        rate=2.0,
        window=16,
        latent_dim=LATENTS,
        frames=np.arange(40),
        times=np.arange(40) / 2,
    )
    analysis.merge_all(windows_of(analysis, winding_path(40))[:2])
    analysis.fail(3, "frame 31: <i>broken</i>")
    write_report(analysis, tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    assert not {"script", "img", "b", "i"} & set(page.tags)
    assert "<script>alert(1)</script>" in page.text
    assert "frame 31: <i>broken</i>" in page.text


def test_pieces_that_do_not_join_are_said_to_be(tmp_path: Path) -> None:
    truth = winding_path(80)
    analysis = empty_analysis(80, truth=truth)
    windows = windows_of(analysis, truth)
    analysis.merge_all([windows[0], windows[-1]])
    evaluation = write_report(analysis, tmp_path / "r.html", alignment="sim3")
    assert evaluation is not None
    assert evaluation.overall.clips == 2
    text = Page(tmp_path / "r.html").text
    assert "2 pieces that do not join" in text
    assert "Sim(3), 16 of 16 samples matched, scale x1.000 applied" in text


def test_pictures_come_from_the_log_and_broken_ones_are_passed_over(tmp_path: Path) -> None:
    memory = MemoryDrive(40, broken=frozenset({0}))
    analysis = DriveAnalysis.for_drive(
        memory.drive, 4.0, window=16, latent_dim=LATENTS, checkpoint_hash="ab", checkpoint_name="nano"
    )
    assert memory.drive.poses is not None
    analysis.merge_all(windows_of(analysis, memory.drive.poses))
    write_report(analysis, tmp_path / "r.html", drive=memory.drive)
    page = Page(tmp_path / "r.html")
    assert page.tags.count("figure") == 7
    assert page.outside() == []
    assert all(source.closed for source in memory.sources)


def test_the_command_writes_into_the_results_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = winding_path(48)
    write_result(analysed(truth, truth), tmp_path)
    assert Report((tmp_path,)).run() == 0
    assert (tmp_path / "report.html").is_file()
    printed = capsys.readouterr().out
    assert "AUC@5 signed" in printed
    assert str(tmp_path / "report.html") in printed
    first = (tmp_path / "report.html").read_bytes()
    Report((tmp_path,)).run()
    assert (tmp_path / "report.html").read_bytes() == first


def test_worst_segments_and_notes_have_pictures(tmp_path: Path) -> None:
    memory = MemoryDrive(40)
    analysis = DriveAnalysis.for_drive(
        memory.drive, 4.0, window=16, latent_dim=LATENTS, checkpoint_hash="ab", checkpoint_name="nano"
    )
    assert memory.drive.poses is not None
    analysis.merge_all(windows_of(analysis, memory.drive.poses, noise=0.1))
    notes = tuple(n for n in NOTES if n.first_frame < 40)
    write_report(analysis, tmp_path / "r.html", drive=memory.drive, annotations=notes)
    page = Page(tmp_path / "r.html")
    worst = worst_segments(analysis, memory.drive)
    assert [s.auc5 for s in worst] == sorted(s.auc5 for s in worst)
    for segment in worst:
        assert f"frames {segment.first_frame} to {segment.last_frame}, worst at {segment.worst_frame}" in page.text
    assert page.tags.count("img") == 8 + len(worst) + len(notes)
    assert "leaves the lane, <b>twice</b>" in page.text, "as written, and no markup"
    assert "20 to 60 5.0 to 9.8 major drift" in page.text
    assert str(memory.drive.path.resolve()) not in page.source
    assert all(source.closed for source in memory.sources)


def test_without_truth_the_least_confident_segments_come_first(tmp_path: Path) -> None:
    analysis = analysed(None, winding_path(64))
    write_report(analysis, tmp_path / "r.html")
    assert "Worst segments" not in Page(tmp_path / "r.html").text
    analysis.confidence = np.linspace(1, 0, 63)
    worst = worst_segments(analysis, None)
    assert worst[0].last_frame == analysis.frames[-1]
    write_report(analysis, tmp_path / "r.html")
    assert f"worst at {worst[0].worst_frame}" in Page(tmp_path / "r.html").text


def test_several_drives_make_one_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, noise in (("good", 0.005), ("bad", 0.2)):
        truth = winding_path(48, seed=len(name))
        analysis = analysed(truth, truth, noise)
        analysis.drive_name = f"{name} <drive>"
        write_result(analysis, tmp_path / name)
    write_result(analysed(None, winding_path(30)), tmp_path / "blind")
    folders = tuple(tmp_path / name for name in ("good", "bad", "blind"))
    assert Report(folders, out=tmp_path / "set.html").run() == 0
    assert "AUC@5 signed" in capsys.readouterr().out
    page = Page(tmp_path / "set.html")
    assert page.outside() == []
    assert page.tags.count("details") == 3
    assert "script" not in page.tags
    assert "3 drives" in page.text
    first = page.text.index("Worst segments")
    assert page.text[first:].index("bad <drive>: frames") < 400, "the worst of all come from the worse drive"
    assert re.search(r"bad <drive> 3 [\d.]+ [\d.]+", page.text), "a line a drive"
    with pytest.raises(ValueError, match="--log and --annotations belong to a single result"):
        Report(folders, log=tmp_path).run()


def test_a_real_browser_shows_the_page_without_a_network(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium on this machine")
    memory = MemoryDrive(40)
    analysis = DriveAnalysis.for_drive(
        memory.drive, 4.0, window=16, latent_dim=LATENTS, checkpoint_hash="ab", checkpoint_name="nano"
    )
    assert memory.drive.poses is not None
    analysis.merge_all(windows_of(analysis, memory.drive.poses, noise=0.1))
    write_report(analysis, tmp_path / "r.html", drive=memory.drive, annotations=NOTES[:1])
    # A probe at the end tells what the browser made of the page; the page itself runs nothing.
    probe = (
        "<script>addEventListener('load', () => { const p = document.createElement('pre'); p.id = 'probe';"
        "p.textContent = JSON.stringify({images: [...document.images].map(i => i.naturalWidth), "
        "figures: [...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().width), "
        "wide: document.documentElement.scrollWidth, "
        "fetched: performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith('data:'))});"
        "document.body.append(p); })</script></body>"
    )
    page = (tmp_path / "r.html").read_text(encoding="utf-8").replace("</body>", probe)
    (tmp_path / "probed.html").write_text(page, encoding="utf-8")
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,900",
        f"--user-data-dir={tmp_path / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND",
        "--virtual-time-budget=5000", "--dump-dom", (tmp_path / "probed.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-500:]
    seen = json.loads(html.unescape(found.group(1)))
    assert len(seen["images"]) >= 9
    assert all(width > 0 for width in seen["images"]), "every picture is decoded"
    assert len(seen["figures"]) == 3
    assert all(width > 300 for width in seen["figures"])
    assert seen["fetched"] == []
    assert seen["wide"] <= 1200, "nothing sticks out of the window"


def test_nothing_analysed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing is analysed"):
        write_report(empty_analysis(20), tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_clips_of_an_analysis_lie_inside_known_truth() -> None:
    truth = winding_path(70)
    analysis = analysed(truth, truth)
    assert [c.first_frame for c in analysis_clips(analysis, 16)] == [3, 83, 163, 243]  # frames are 5 apart
    assert analysis.truth_valid is not None
    analysis.truth_valid[20] = False
    clips = analysis_clips(analysis, 16)
    assert [c.first_frame for c in clips] == [3, 108, 188, 268]
    np.testing.assert_allclose(clips[1].truth, truth[21:37])
    analysis.truth_valid[::10] = False
    assert [len(c.truth) for c in analysis_clips(analysis, 16)] == [9]
    assert analysis_clips(analysed(None, truth), 16) == []


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_the_shortest_drives_have_a_report(tmp_path: Path, samples: int) -> None:
    truth = winding_path(samples)
    write_report(analysed(truth, truth), tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    assert page.tags.count("svg") == (3 if samples == 4 else 2)


def test_figures_are_well_formed_and_name_every_regime_present() -> None:
    truth = winding_path(40)
    analysis = analysed(truth, truth)
    tracks = tracks_svg(analysis)
    ET.fromstring(tracks.replace("xlink:", ""))
    ET.fromstring(latent_svg(analysis).replace("xlink:", ""))
    named = set(re.findall(r"<text[^>]*>([^<]*)</text>", tracks))
    assert {"standstill", "reverse"} <= named
    assert set(REGIMES) == set(TRANSITION_NAMES)
