"""Confidence and its explanation in the real window, for a checkpoint that is calibrated and for one that is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from app_drives import write_folder
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from lapose_core.inference.checks import Checks
from lapose_core.inference.confidence import CONFIDENCE, SIGNS, ConfidenceModel
from lapose_core.inference.latent_reference import REFERENCE, LatentReference
from lapose_core.inference.result import DriveAnalysis
from lapose_core.training.checkpoints import checkpoint_hash
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.display import Display
from lapose_inspector.models.session import Session
from lapose_inspector.models.timeline import Timeline
from lapose_inspector.models.usual import usual_of
from lapose_inspector.models.why_words import check_signs, rank_words
from lapose_inspector.views.why_plots import overlay


@pytest.fixture(scope="module")
def calibrated(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with a confidence that falls with the predicted turn, and a reference of eight latents."""
    folder = tmp_path_factory.mktemp("calibrated") / "tiny"
    shutil.copytree(checkpoint, folder)
    digest = checkpoint_hash(folder)
    usual = dict.fromkeys(SIGNS, 0.0)
    model = ConfidenceModel(
        digest, 5.0, -0.5, usual, dict.fromkeys(SIGNS, 1.0), dict.fromkeys(SIGNS, ()),
        {name: (1.0 if name == "turn" else 0.0,) for name in SIGNS}, (0.0,) * 6,
    )  # fmt: skip
    model.save(folder / CONFIDENCE, {})
    rng = np.random.default_rng(0)
    ahead = np.tile([0, 0, 1.0], (8, 1)).astype(np.float32)
    reference = LatentReference(
        digest, rng.normal(size=(8, 8)).astype(np.float32), ahead, np.zeros(8, np.float32),
        np.full(8, 0.1, np.float32), np.arange(8) + 40,
    )  # fmt: skip
    reference.save(folder / REFERENCE)
    return folder


def wait_checked(app: Inspector, qtbot) -> None:
    def checked() -> bool:
        analysis = app.session.analysis
        return (
            analysis is not None
            and analysis.checks is not None
            and bool(analysis.checks.seen.all())
            and app.growth.shown
        )

    qtbot.waitUntil(checked, timeout=120_000)


def explain(app: Inspector, qtbot, frame: int) -> str:
    QTest.keyClick(QApplication.focusWidget() or app.window, Qt.Key.Key_W)
    app.timeline.seek(frame)
    view = app.window.why
    qtbot.waitUntil(lambda: view.shown_transition == app.session.transition, timeout=60_000)
    return view.top.text() + view.bottom.text()


def test_a_calibrated_checkpoint_has_confidence_and_says_what_it_is_made_of(
    launch, log_folder: Path, calibrated: Path, qtbot
) -> None:
    app = launch(log_folder, checkpoint=calibrated)
    wait_checked(app, qtbot)
    analysis = app.session.analysis
    assert np.isfinite(analysis.confidence).all()
    *_, confidence, explained = app.window.tracks.tracks
    assert (confidence.label, explained.label) == ("Confidence", "Action explains")
    without, given = analysis.checks.blind_cross_entropy, analysis.cross_entropy
    assert explained.lines[0].values == pytest.approx(without - given, nan_ok=True)
    assert np.isfinite(explained.lines[0].values).all()
    assert app.session.series.doubtful.tolist() == (analysis.confidence < 0.7).tolist()
    assert sum(b - a for a, b in app.session.doubtful_frames()) == app.session.series.doubtful.sum()
    words = explain(app, qtbot, 25)
    t = app.session.transition
    assert f"Frames {t}" in words
    assert f"<b>{analysis.confidence[t]:.2f}</b>" in words
    for part in ("time reversal", "other frame rate", "motion and picture", "Nearest training transitions", "clip 4"):
        assert part in words
    assert "Rotation error" in words
    assert app.window.why.attention.height() > 60
    assert len(np.unique(pixels(app.window.why.attention.grab().toImage()))) > 20
    # The triage list has it too.
    qtbot.waitUntil(lambda: app.triage.settled and bool(app.triage.model.rows), timeout=20_000)
    segment = app.triage.model.rows[0].segment
    qtbot.waitUntil(lambda: np.isfinite(app.triage.model.rows[0].segment.confidence), timeout=20_000)
    assert segment.stop > segment.start


def pixels(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_Grayscale8)
    return np.frombuffer(image.constBits(), np.uint8).copy()


def test_the_checks_are_stored_and_not_done_again(launch, log_folder: Path, calibrated: Path, folders, qtbot) -> None:
    app = launch(log_folder, checkpoint=calibrated, keep=False)
    wait_checked(app, qtbot)
    before = app.session.analysis.confidence
    app.window.close()
    assert list((folders.cache_dir / "results").glob("*/checks.parquet"))
    again = launch(log_folder, checkpoint=calibrated)
    wait_checked(again, qtbot)
    assert not again.analysis.checking
    assert again.session.analysis.confidence == pytest.approx(before)
    assert "Action explains" in [t.label for t in again.window.tracks.tracks]


def test_another_checkpoint_is_not_calibrated_and_says_so(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder)
    wait_checked(app, qtbot)
    words = explain(app, qtbot, 12)
    assert "not calibrated for this checkpoint" in words
    assert "Backwards undoes it" in words
    assert np.isnan(app.session.analysis.confidence).all()
    assert "Confidence" not in [t.label for t in app.window.tracks.tracks]
    assert not app.session.series.doubtful.any()


def test_checks_show_their_progress_can_be_cancelled_and_go_on_at_the_next_opening(
    launch, tmp_path: Path, calibrated: Path, qtbot
) -> None:
    log = write_folder(tmp_path / "long", 900)
    app = launch(log, checkpoint=calibrated, keep=False)
    qtbot.waitUntil(lambda: app.analysis.checking, timeout=120_000)
    qtbot.waitUntil(lambda: app.window.status.doing.text() == "checking", timeout=30_000)
    assert app.window.status.progress.isVisible()
    qtbot.waitUntil(lambda: app.window.status.progress.value() > 0, timeout=60_000)
    app.window.actions_.refresh()
    app.window.actions_["analyse.cancel"].trigger()
    qtbot.waitUntil(lambda: not app.analysis.checking and app.growth.shown, timeout=30_000)
    qtbot.waitUntil(lambda: app.window.status.doing.text() == "analysed", timeout=30_000)
    seen = app.session.analysis.checks.seen
    assert seen.any()
    assert not seen.all()
    assert np.isfinite(app.session.analysis.confidence[seen]).all()
    assert "Action explains" in [t.label for t in app.window.tracks.tracks]
    app.window.close()
    again = launch(log, checkpoint=calibrated)
    restored = lambda: again.session.analysis is not None and again.session.analysis.checks is not None  # noqa: E731
    qtbot.waitUntil(restored, timeout=120_000)
    assert again.session.analysis.checks.seen[seen].all()
    wait_checked(again, qtbot)
    assert again.session.analysis.checks.seen.all()


def test_behind_another_tab_nothing_is_explained(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder)
    wait_checked(app, qtbot)
    window = app.window
    app.timeline.seek(12)
    qtbot.waitUntil(lambda: window.forward.shown_transition == 12, timeout=60_000)
    qtbot.wait(400)  # longer than the panel waits for the cursor to rest
    assert window.why.shown_transition is None
    explain(app, qtbot, 14)
    window.docks["forward"].raise_()
    app.timeline.seek(16)
    qtbot.waitUntil(lambda: window.forward.shown_transition == 16, timeout=60_000)
    qtbot.wait(400)
    assert window.why.shown_transition == 14
    window.docks["why"].raise_()
    qtbot.waitUntil(lambda: window.why.shown_transition == 16, timeout=60_000)
    assert f"Frames {app.session.series.frames[16]} " in window.why.top.text()


def test_a_panel_of_any_size_settles(launch, log_folder: Path, qtbot) -> None:
    app = launch(log_folder)
    wait_checked(app, qtbot)
    explain(app, qtbot, 12)
    dock = app.window.docks["why"]
    dock.setFloating(True)
    for height in range(150, 900, 25):
        dock.resize(330, height)
        QApplication.processEvents()
    view = app.window.why.attention
    assert abs(view.height() - view.heightForWidth(view.width())) <= 1


def test_an_empty_panel_says_what_would_fill_it(launch) -> None:
    app = launch(None)
    app.window.show_panel("why")
    assert "Open a driving log" in app.window.why.top.text()


def test_attention_lights_the_cells_that_are_looked_at() -> None:
    picture = np.full((14, 30, 3), 200, np.uint8)
    weights = np.zeros((7, 15))
    weights[3, 4] = 0.4
    lit = overlay(picture, weights, 0.4).astype(int)
    there = np.abs(lit - 200).sum(-1)
    assert there[6, 8] > there[0, 0]
    assert (there[6:8, 8:10] == there[6, 8]).all()


def test_ranks_are_told_in_words() -> None:
    values = np.r_[np.arange(10.0), np.nan]
    assert rank_words(values, 9) == "worse than 90 % of this drive"
    assert rank_words(values, 1).startswith("better than 90 %")
    assert rank_words(values, 10) == ""


def test_what_stands_out_is_told_as_if_each_value_were_ranked_among_all() -> None:
    count, rng = 400, np.random.default_rng(3)
    analysis = DriveAnalysis(
        drive_name="d", drive_path="d", fingerprint="f", checkpoint_name="c", checkpoint_hash="h", rate=5.0, window=16,
        latent_dim=4, frames=np.arange(count + 1), times=np.arange(count + 1) / 5, truth=None, truth_valid=None,
    )  # fmt: skip
    analysis.checks = Checks.unknown(count + 1)
    for values in (analysis.checks.luminance, analysis.checks.rate_translation, analysis.cross_entropy):
        values[:] = rng.integers(0, 30, len(values))  # many are equal
        values[rng.random(len(values)) < 0.1] = np.nan
    analysis.confidence[::3] = rng.random(len(analysis.confidence[::3]))
    analysis.translation_spread[:] = rng.integers(0, 3, count)  # 0 of one window, which has none to disagree with
    analysis.rotation_spread[:] = 0.1
    usual = usual_of(analysis)
    assert usual.medians["Windows disagree, translation"] == np.median([s for s in analysis.translation_spread if s])
    assert usual.confidence == np.nanmedian(analysis.confidence)
    session = Session(Timeline(), Display("dark"))
    session.analysis, session.usual = analysis, usual
    notable = 0
    for at in range(count):
        told = {sign.name: sign for sign in check_signs(session, at)}
        for name, values in (
            ("Half the rate differs by, translation", analysis.checks.rate_translation),
            ("Cross-entropy of the next frame", analysis.cross_entropy),
        ):
            known = values[np.isfinite(values)]
            assert told[name].notable == bool(np.isfinite(values[at]) and np.mean(known < values[at]) > 0.95)
            assert (told[name].here == "–") == (not np.isfinite(values[at]))
            notable += told[name].notable
            if np.isfinite(values[at]):
                assert told[name].usual.startswith(f"{np.median(known):.2f}")
        for name in ("Windows disagree, rotation", "Windows disagree, translation"):
            assert (told[name].here == "–") == (analysis.translation_spread[at] == 0)
        assert not told["Picture: luminance"].notable
        assert told["Picture: gradient"].here == "–"
    assert notable
