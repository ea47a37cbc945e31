"""The forward panel with a real model on the real inference thread."""

from __future__ import annotations

import gc
import os
import signal
import weakref

import numpy as np
import pytest
import torch
from panel_drive import make_drive
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage

from lapose_core.inference.preprocess import Preprocessor
from lapose_core.inference.reconstruction import context, reconstruct
from lapose_core.model.config import tiny
from lapose_core.model.lapose import LaPose
from lapose_core.training.checkpoints import load_checkpoint, save_checkpoint
from lapose_inspector.models.forward_state import ForwardState
from lapose_inspector.models.prediction_words import action_share, rank, verdict
from lapose_inspector.models.selection import TransitionId
from lapose_inspector.models.session import Session
from lapose_inspector.views.forward_view import ForwardView
from lapose_inspector.views.transition_drag import mime_of
from lapose_inspector.workers.forward import ForwardWorker
from lapose_inspector.workers.inference import AnalysisWorker
from lapose_inspector.workers.reconstruction import ReconstructionWorker

RATE = 2.0


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(11)
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    save_checkpoint(LaPose(tiny()), folder)
    return folder


class Bench:
    """A session, the inference thread and the panel, wired as the window wires them."""

    def __init__(self, qtbot, checkpoint, results) -> None:
        self.qtbot = qtbot
        self.session = Session()
        self.session.rate = RATE
        self.analysis = AnalysisWorker(results)
        self.analysis.grown.connect(self.session.take)
        self.analysis.load(checkpoint)
        self.worker = ReconstructionWorker(self.analysis)
        self.state = ForwardState()
        self.view = ForwardView(self.session, self.worker, ForwardWorker(self.analysis), self.state)
        qtbot.addWidget(self.view)
        self.view.resize(500, 330)

    def show(self) -> None:
        self.view.show()
        self.qtbot.waitExposed(self.view)

    def open(self, drive, frame: int = 0) -> None:
        self.session.open(drive, frame)
        self.analysis.start(drive, RATE, frame)

    def wait_for(self, transition: int) -> None:
        self.qtbot.waitUntil(lambda: self.view.shown_transition == transition, timeout=30_000)

    def close(self) -> None:
        self.view.close_panel()
        self.analysis.close()


@pytest.fixture
def bench(qtbot, checkpoint, tmp_path):
    made = Bench(qtbot, checkpoint, tmp_path)
    yield made
    made.close()


def pixels(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    flat = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return flat[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


def test_the_pictures_are_those_of_the_transition_at_the_cursor(bench, checkpoint):
    drive = make_drive(240)
    bench.show()
    bench.open(drive, 100)
    bench.wait_for(20)
    bench.qtbot.waitUntil(lambda: bench.session.analysis.complete, timeout=30_000)
    analysis = bench.session.analysis
    # The same transition, computed here from the frames themselves.
    model = load_checkpoint(checkpoint)
    prepare = Preprocessor.for_drive(drive, (model.config.image_width, model.config.image_height))
    samples, source = context(20, analysis.window), drive.open_frames()
    images = torch.stack([prepare(source.read(int(analysis.frames[s]))) for s in samples])
    times = torch.from_numpy(analysis.times[samples.start : samples.stop])
    expected = reconstruct(model, images, times, len(samples) - 2)
    assert bench.view.words.startswith(f"{expected.cross_entropy:.2f} nats per code: ")
    assert f"{expected.cross_entropy_without_action:.2f}" in bench.view.words
    for canvas, picture in zip(
        bench.view.grid.canvases, (expected.current, expected.predicted, expected.target), strict=False
    ):
        rect = canvas.rect_of_image().toRect().adjusted(2, 2, -2, -2)
        shown = pixels(canvas.grab().toImage().copy(rect))
        assert np.abs(shown.mean((0, 1)) - picture.mean((0, 1))).max() < 3
    assert "frame 100" in bench.view.grid.captions[0].text()
    assert "frame 105" in bench.view.grid.captions[1].text()


def test_of_many_cursor_moves_the_last_one_wins(bench):
    bench.show()
    bench.open(make_drive(240))
    bench.wait_for(0)
    for frame in range(0, 180, 4):
        bench.session.timeline.seek(frame)
    bench.wait_for(35)
    bench.qtbot.wait(200)
    assert bench.view.shown_transition == 35


def test_what_a_killed_process_does_not_answer_is_said_and_comes_with_the_next_analysis(bench):
    drive = make_drive(240)
    bench.show()
    bench.open(drive)
    bench.wait_for(0)
    bench.qtbot.waitUntil(lambda: bench.session.analysis.complete and not bench.analysis.checking, timeout=60_000)
    pid = bench.analysis.process.pid
    os.kill(pid, signal.SIGSTOP)  # it answers no more, and is not gone yet
    bench.session.timeline.seek(50)
    os.kill(pid, signal.SIGKILL)
    bench.qtbot.waitUntil(lambda: "ended by itself (it was killed" in bench.view.words, timeout=30_000)
    assert bench.view.words.startswith("Transition 10 cannot be reconstructed")
    assert "start the analysis again" in bench.view.words
    # Nor does one that is asked for afterwards keep the user waiting.
    bench.session.timeline.seek(75)
    bench.qtbot.waitUntil(lambda: bench.view.words.startswith("Transition 15 cannot be"), timeout=30_000)
    bench.analysis.start(drive, RATE, 0)
    bench.wait_for(15)
    assert "nats per code" in bench.view.words


def test_a_hidden_panel_costs_no_model_time(bench):
    bench.open(make_drive(120))
    bench.qtbot.waitUntil(
        lambda: bench.session.analysis is not None and bench.session.analysis.complete, timeout=30_000
    )
    bench.session.timeline.seek(50)
    bench.qtbot.wait(200)
    assert bench.view.shown_transition is None
    bench.show()
    bench.wait_for(10)


def test_each_empty_state_says_what_would_fill_it(bench):
    bench.show()
    assert "Open a driving log" in bench.view.words
    drive = make_drive(60)
    bench.session.open(drive)
    assert "Waiting for the model" in bench.view.words
    bench.analysis.start(drive, RATE, 0)
    bench.wait_for(0)
    bench.session.open(None)
    assert bench.view.shown_transition is None
    assert "Open a driving log" in bench.view.words


def test_a_damaged_frame_is_named_and_the_next_transition_works(bench):
    bench.show()
    bench.open(make_drive(120, broken=(50,)))
    bench.wait_for(0)
    bench.session.timeline.seek(47)
    bench.qtbot.waitUntil(lambda: "cannot be reconstructed" in bench.view.words, timeout=30_000)
    assert "frame 50" in bench.view.words
    bench.session.timeline.seek(20)
    bench.wait_for(4)


def test_another_rate_starts_over(bench):
    drive = make_drive(120)
    bench.show()
    bench.open(drive, 50)
    bench.wait_for(10)
    bench.session.rate = 5.0
    assert bench.view.shown_transition is None
    bench.analysis.start(drive, 5.0, 50)
    bench.wait_for(25)
    assert "frame 50" in bench.view.grid.captions[0].text()
    assert "frame 52" in bench.view.grid.captions[1].text()


def test_the_pictures_take_the_layout_that_makes_them_largest(bench):
    bench.show()
    bench.view.resize(500, 330)
    assert bench.view.grid.columns == 2
    bench.view.resize(1300, 230)
    assert bench.view.grid.columns == 4
    bench.view.resize(400, 700)
    assert bench.view.grid.columns == 2


def test_a_closed_panel_is_let_go(qtbot, tmp_path):
    session = Session()
    analysis = AnalysisWorker(tmp_path)
    view = ForwardView(
        session, ReconstructionWorker(analysis, analysis), ForwardWorker(analysis, analysis), ForwardState()
    )
    view.close_panel()
    gone = weakref.ref(view)
    view.deleteLater()
    del view
    qtbot.wait(20)
    gc.collect()
    analysis.close()
    assert gone() is None
    assert len(session.drive_changed) == len(session.timeline.followed) == 0


def test_the_verdict_is_relative_to_this_drive():
    drive = np.r_[np.linspace(2.0, 3.0, 100), np.nan]
    assert rank(2.0, drive) == pytest.approx(0.99)
    assert verdict(2.0, drive) == "predicted well: better than 99 % of this drive"
    assert verdict(2.5, drive).startswith("typical")
    assert verdict(2.8, drive).startswith("predicted poorly")
    assert verdict(3.5, drive) == "among the worst predicted of this drive (worse than 100 %)"
    assert "too few" in verdict(2.5, drive[:10])
    assert "too few" in verdict(2.5, np.full(100, np.nan))


def test_what_the_action_explains_is_signed_and_small_shares_are_none():
    assert action_share(2.31, 2.67) == "Without the action 2.67: the action explains 0.36 nats per code."
    assert "misleads, by 0.20" in action_share(2.5, 2.3)
    assert "explains nothing" in action_share(2.5, 2.51)


# -- under other actions


@pytest.fixture
def ready(bench):
    """A bench whose drive is analysed, with the cursor at transition 5."""
    bench.show()
    bench.view.resize(560, 420)
    bench.open(make_drive(240, 10.0), 25)
    bench.wait_for(5)
    bench.qtbot.waitUntil(lambda: bench.session.analysis.complete, timeout=60_000)
    bench.qtbot.waitUntil(lambda: "pc1" in bench.view.directions.known, timeout=20_000)
    return bench


def test_another_action_is_shown_beside_the_inferred_one_and_reset_goes_back(ready):
    view, state = ready.view, ready.state
    plain = view.words
    state.kind = "zero"
    ready.qtbot.waitUntil(lambda: view.intervention is not None, timeout=30_000)
    assert view.words.startswith("Zero action. The pose head reads")
    assert view.grid.captions[1].text().startswith("Under the action") or view.grid.captions[1].text().startswith(
        "This action"
    )
    assert not view.heat_box.isVisible()
    without = view._shown[1].cross_entropy_without_action
    assert view.intervention.cross_entropy == pytest.approx(without, abs=1e-3)
    state.reset()
    assert view.intervention is None
    assert view.words == plain
    assert view.controls.kind_box.currentData() == "inferred"


def test_the_slider_moves_the_action_along_its_direction_live(ready):
    view, state = ready.view, ready.state
    state.direction = "pc1"
    assert view.controls.slider.isEnabled()
    for value in (20, 35, 50, 60):
        view.controls.slider.setValue(value)

    def arrived() -> bool:
        # A fit to more of the drive may come in between.
        direction = view.directions.known["pc1"]
        offset = None if view._answer is None else view._answer[0].offset
        return offset is not None and np.allclose(offset, 3.0 * direction.spread * direction.step, atol=1e-6)

    ready.qtbot.waitUntil(arrived, timeout=30_000)
    assert view.words.startswith(f"Inferred action, pc 1 +{3.0 * view.directions.known['pc1'].spread:.1f}")
    view.controls.slider.setValue(0)
    assert view.intervention is None, "a sweep of nothing is the plain prediction"


def test_a_film_goes_on_from_the_models_own_frames(ready):
    view, state = ready.view, ready.state
    state.film = True
    assert "Dreaming under the inferred action…" in view.words
    ready.qtbot.waitUntil(lambda: view.film is not None, timeout=30_000)
    assert "Dreaming" not in view.words
    assert view.strip.isVisible()
    frames = ready.session.analysis.frames
    assert view.film.frames == tuple(int(f) for f in frames[6:12])
    assert len(view.film.truth) == len(view.film.rollout.frames) == 6
    assert np.array_equal(view.film.rollout.frames[0], view._shown[1].predicted)
    ready.session.timeline.seek(int(frames[-3]))
    ready.qtbot.waitUntil(lambda: view.film is not None and len(view.film.frames) == 2, timeout=30_000)
    for kind in ("mirrored", "zero"):
        state.kind = kind
        assert f"Dreaming under the {kind} action…" in view.words, "what is shown is still the film before"
        ready.qtbot.waitUntil(lambda k=kind: view.words.lower().startswith(f"{k} action"), timeout=30_000)
    state.film = False
    ready.qtbot.waitUntil(lambda: view.intervention is not None, timeout=30_000)


def test_a_dropped_transition_lends_its_action(ready, qtbot):
    view = ready.view
    id = TransitionId(ready.session.drive.fingerprint, 9)
    at = QPointF(view.grid.canvases[0].rect().center())
    copy, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    data = mime_of(id)
    enter = QDragEnterEvent(at.toPoint(), copy, data, left, Qt.KeyboardModifier.NoModifier)
    view.dragEnterEvent(enter)
    assert enter.isAccepted()
    with qtbot.waitSignal(view.action_dropped) as blocker:
        view.dropEvent(QDropEvent(at, copy, data, left, Qt.KeyboardModifier.NoModifier))
    assert blocker.args[0] == id
    ready.state.choose(ready.session.analysis.latents[9], "frame 45")
    qtbot.waitUntil(lambda: view.words.startswith("The action of frame 45."), timeout=30_000)
    assert view.controls.kind_box.currentData() == "chosen"


def test_the_last_picture_shows_what_is_asked_for(ready):
    view, legends, pictures = ready.view, [], []
    for heat in ("difference", "cross-entropy", "explained"):
        ready.state.heat = heat
        legends.append(view._legend.high)
        pictures.append(pixels(view.grid.canvases[3].grab().toImage()))
        assert view.heat_box.currentData() == heat
    assert [text.split()[-1] for text in legends] == ["%", "nats", "explained"]
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])


def test_another_result_forgets_the_chosen_action(ready):
    ready.state.choose(ready.session.analysis.latents[9], "frame 45")
    ready.session.set_analysis(None)
    assert ready.state.plain
    assert ready.state.chosen is None
