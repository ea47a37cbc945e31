"""The latent map in a real OpenGL window: points, cursor, hover and what happens when results arrive."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from panel_drive import analyse, make_drive, read_index, winding_path
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest

from lapose_core.annotations import Annotation, AnnotationSet, new_id
from lapose_core.geometry import relative
from lapose_inspector.models.session import Session
from lapose_inspector.models.thinning import thinned
from lapose_inspector.views.latent_map_view import LatentMapView
from lapose_inspector.workers.map_comparison import compared_source
from lapose_inspector.workers.thumbnails import ThumbnailLoader, shrink

RATE = 10.0
ANALYSED = 5.0


def session_of(count: int = 300, *, until: float = 1.0, checkpoint: str = "0" * 16) -> Session:
    session = Session()
    session.rate = ANALYSED
    session.open(make_drive(count, RATE))
    session.set_analysis(analysis_of(session, until, checkpoint))
    return session


def analysis_of(session: Session, until: float, checkpoint: str = "0" * 16):
    """An analysis whose latents are the motion itself, spread over four dimensions."""
    assert session.drive is not None
    path = winding_path(len(session.drive), RATE)
    analysis = analyse(session.drive, path, ANALYSED, until=until, noise=1.0)
    analysis.checkpoint_hash = checkpoint
    step = relative(path[analysis.frames])
    motion = np.stack([step[:, 2, 3], 20 * step[:, 0, 2]], 1)
    mixed = motion @ np.array([[1.0, 0.3, 0.0, 0.2], [0.0, 0.5, 1.0, -0.4]])
    analysis.latents[analysis.done] = mixed[analysis.done].astype(np.float32)
    return analysis


@pytest.fixture
def make_view(qtbot):
    views = []

    def make(session: Session, width: int = 600, height: int = 380, method: str = "pca") -> LatentMapView:
        view = LatentMapView(session)
        view.set_method(method)
        qtbot.addWidget(view)
        view.resize(width, height)
        view.show()
        qtbot.waitExposed(view)
        qtbot.waitUntil(lambda: view.scene.view.size[0] > 0.9 * width, timeout=20_000)
        if session.analysis is not None:
            qtbot.waitUntil(lambda: view.projection is not None, timeout=20_000)
        views.append(view)
        return view

    yield make
    for view in views:
        view.close_panel()


def place(view: LatentMapView, transition: int) -> QPoint:
    """Where a transition's point is, in the window."""
    assert view.projection is not None
    row = int(np.searchsorted(view.projection.transitions, transition))
    x, y = view.scene.pixels(view.projection.points[row : row + 1])[0]
    return view.canvas.native.mapTo(view.window(), QPoint(round(x), round(y)))


def lonely(view: LatentMapView, count: int = 3) -> list[int]:
    """Transitions whose points have the most room around them."""
    assert view.projection is not None
    at = view.scene.pixels(view.projection.points)
    distance = np.linalg.norm(at[:, None] - at[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    return [int(view.projection.transitions[row]) for row in np.argsort(-distance.min(axis=1))[:count]]


def test_a_click_on_a_point_goes_to_its_transition(make_view):
    session = session_of()
    view = make_view(session)
    for transition in lonely(view):
        at = place(view, transition)
        QTest.mouseClick(view.window().windowHandle(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        assert session.timeline.frame == session.analysis.frames[transition]
        assert session.transition == transition


def test_a_click_between_points_changes_nothing(make_view):
    session = session_of()
    view = make_view(session)
    session.timeline.seek(33)
    corner = view.canvas.native.mapTo(view.window(), QPoint(3, view.canvas.native.height() // 2))
    QTest.mouseClick(view.window().windowHandle(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, corner)
    assert session.timeline.frame == 33


def test_every_analysed_transition_is_a_point_inside_the_panel(make_view):
    session = session_of(until=0.6)
    view = make_view(session)
    np.testing.assert_array_equal(view.projection.transitions, np.flatnonzero(session.analysis.done))
    at = view.scene.pixels(view.projection.points)
    assert (at >= 0).all()
    assert (at <= view.scene.view.size).all()
    assert f"{int(session.analysis.done.sum())} of {len(session.analysis.done)}" in view.state.text()


@pytest.mark.parametrize("size", [(600, 380), (520, 200), (460, 300)])
def test_no_point_lies_under_a_text(make_view, qtbot, size):
    session = session_of()
    view = make_view(session, *size)
    qtbot.waitUntil(lambda: view.caption.isVisible() and view.colour_legend.isVisible(), timeout=20_000)
    at = view.scene.pixels(view.projection.points)
    for text in (view.state, view.caption, view.colour_legend):
        box = text.geometry()
        under = (at >= [box.left(), box.top()]).all(axis=1) & (at <= [box.right(), box.bottom()]).all(axis=1)
        assert not under.any(), f"{int(under.sum())} points lie under {text.objectName() or 'the legend'}"


def test_the_marker_is_on_the_cursors_transition_and_uploads_no_points(make_view):
    session = session_of()
    view = make_view(session)
    uploads = view.scene.points.uploads
    for frame in (0, 101, 298):
        session.timeline.seek(frame)
        row = int(np.searchsorted(view.projection.transitions, session.transition))
        np.testing.assert_array_equal(view.scene.marker.position, view.projection.points[row])
    assert view.scene.points.uploads == uploads


def test_the_marker_hides_where_nothing_is_analysed(make_view):
    session = session_of(until=0.5)
    view = make_view(session)
    session.timeline.seek(290)
    assert view.scene.marker.position is None


def test_recolouring_moves_nothing_and_explains_itself(make_view):
    session = session_of()
    view = make_view(session)
    before = view.projection
    picture = view.canvas.native.grabFramebuffer()
    for key, unit in (("yaw rate", "°/s"), ("rotation error", "°"), ("regime", "")):
        session.display.colour_by = key
        assert view.projection is before
        assert view.colour_legend.title.startswith(session.series[key].label)
        assert unit in view.colour_legend.title
        assert view.tools.colour_box.currentData() == key
    assert view.canvas.native.grabFramebuffer() != picture
    view.tools.colour_box.activated.emit(view.tools.colour_box.findData("time"))
    assert session.display.colour_by == "time"


def test_a_quantity_without_values_says_so(make_view):
    session = Session()
    session.rate = ANALYSED
    session.open(make_drive(200, RATE, truth=False))
    session.set_analysis(analysis_of(session, 1.0))
    view = make_view(session)
    session.display.colour_by = "rotation error"
    assert "no values" in view.colour_legend.title


def test_the_map_grows_with_the_analysis_and_is_not_mirrored(make_view, qtbot):
    session = session_of(until=0.5)
    view = make_view(session)
    before = view.projection
    session.set_analysis(analysis_of(session, 1.0))
    qtbot.waitUntil(lambda: len(view.projection.transitions) > len(before.transitions), timeout=20_000)
    shared = np.searchsorted(view.projection.transitions, before.transitions)
    for axis in (0, 1):
        assert np.corrcoef(before.points[:, axis], view.projection.points[shared, axis])[0, 1] > 0


def test_tsne_refines_behind_a_pca_that_is_there_at_once(make_view, qtbot):
    session = session_of()
    view = make_view(session, method="t-sne")
    assert view.projection.method == "pca"
    assert "PC 1" in view.caption.text()
    qtbot.waitUntil(lambda: view.projection.method == "t-sne", timeout=60_000)
    assert "t-SNE 1" in view.caption.text()
    qtbot.waitUntil(lambda: view.projection.progress == 1.0, timeout=60_000)
    assert "refining" not in view.state.text()
    view.set_method("pca")
    qtbot.waitUntil(lambda: view.projection.method == "pca", timeout=20_000)


def test_results_of_the_drive_before_are_dropped(make_view, qtbot):
    session = session_of()
    view = make_view(session, method="t-sne")
    session.open(make_drive(80, RATE, name="another"))
    assert view.projection is None
    assert not view.scene.points.visible
    qtbot.wait(300)
    assert view.projection is None
    assert "Waiting" in view.overlay.message.text()


def test_another_checkpoint_begins_another_map(make_view, qtbot):
    session = session_of()
    view = make_view(session)
    old = view.projection
    session.set_analysis(analysis_of(session, 0.5, checkpoint="f" * 16))
    assert view.projection is None
    qtbot.waitUntil(lambda: view.projection is not None, timeout=20_000)
    assert len(view.projection.transitions) < len(old.transitions)


def test_without_a_drive_the_panel_says_what_would_fill_it(make_view):
    view = make_view(Session())
    assert view.overlay.message.isVisible()
    assert "Open a driving log" in view.overlay.message.text()


def test_hovering_shows_the_two_frames_of_the_transition(make_view, qtbot):
    session = session_of()
    view = make_view(session)
    transition = lonely(view, 1)[0]
    window = view.window().windowHandle()
    hover(view, transition, qtbot)
    pair = tuple(int(f) for f in session.analysis.frames[transition : transition + 2])
    assert view.pointer.popup.pair == pair
    assert session.series["speed"].text(transition) in view.pointer.popup.text
    assert session.series["yaw rate"].text(transition) in view.pointer.popup.text
    qtbot.waitUntil(lambda: view.pointer.popup.has_pictures, timeout=20_000)
    for label, frame in zip(view.pointer.popup.pictures, pair):
        assert read_index(pixels_of(label.pixmap().toImage())) == frame
    QTest.mouseMove(window, QPoint(20, 60))
    qtbot.waitUntil(lambda: not view.pointer.popup.isVisible(), timeout=20_000)


def hover(view: LatentMapView, transition: int, qtbot) -> None:
    """Move the mouse onto a transition's point; from elsewhere, as a mouse already there moves nothing."""
    window = view.window().windowHandle()
    QTest.mouseMove(window, QPoint(20, 60))
    qtbot.wait(20)
    QTest.mouseMove(window, place(view, transition))
    qtbot.waitUntil(view.pointer.popup.isVisible, timeout=20_000)


def test_another_drive_never_shows_the_pictures_of_the_one_before(make_view, qtbot):
    session = session_of()
    view = make_view(session)
    transition = lonely(view, 1)[0]
    hover(view, transition, qtbot)
    qtbot.waitUntil(lambda: view.pointer.popup.has_pictures, timeout=20_000)
    pair = view.pointer.popup.pair
    session.open(make_drive(300, RATE, broken=pair))
    assert not view.pointer.popup.isVisible()
    session.set_analysis(analysis_of(session, 1.0))
    qtbot.waitUntil(
        lambda: view.projection is not None and len(view.projection.transitions) > transition, timeout=20_000
    )
    hover(view, transition, qtbot)
    assert view.pointer.popup.pair == pair
    qtbot.waitUntil(lambda: view.pointer.popup.pictures[0].text() == "cannot be read", timeout=20_000)
    assert not view.pointer.popup.has_pictures


def pixels_of(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    raw = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return raw[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_reaches_the_canvas(make_view, theme):
    session = Session()
    view = make_view(session)
    session.display.theme = theme
    assert view.canvas.native.grabFramebuffer().pixelColor(3, 3) == QColor(session.display.colours.canvas)


def test_a_closed_panel_is_let_go(qtbot):
    session = session_of(100)
    view = LatentMapView(session)
    qtbot.addWidget(view)
    view.show()
    qtbot.waitExposed(view)
    gone, canvas = weakref.ref(view), weakref.ref(view.canvas)
    view.close_panel()
    view.close()
    view.deleteLater()
    del view
    qtbot.wait(50)
    gc.collect()
    assert gone() is None
    assert canvas() is None
    session.timeline.seek(3)
    session.display.colour_by = "time"


def test_thumbnails_are_the_frames_asked_for_last(qtbot):
    loader = ThumbnailLoader(160)
    loader.set_drive(make_drive(60, RATE))
    arrived = []
    loader.ready.connect(lambda pair, pictures: arrived.append((pair, [read_index(p) for p in pictures])))
    for first in (3, 9, 41):
        loader.request(first, first + 2)
    qtbot.waitUntil(lambda: bool(arrived), timeout=20_000)
    qtbot.wait(50)
    assert arrived == [((41, 43), [41, 43])]
    loader.request(41, 43)
    assert len(arrived) == 2
    loader.stop()


def test_a_frame_that_cannot_be_read_is_reported(qtbot):
    loader = ThumbnailLoader(160)
    loader.set_drive(make_drive(60, RATE, broken=(7,)))
    with qtbot.waitSignal(loader.failed) as failed:
        loader.request(5, 7)
    assert failed.args[0] == (5, 7)
    assert "damaged" in failed.args[1]
    loader.stop()


def test_shrinking_keeps_the_mean():
    image = np.random.default_rng(0).integers(0, 256, (64, 320, 3), dtype=np.uint8)
    small = shrink(image, 160)
    assert small.shape == (32, 160, 3)
    assert abs(float(small.mean()) - float(image.mean())) < 1.0
    assert shrink(image[:, :100], 160).shape == (64, 100, 3)


def drag(
    view: LatentMapView, points: np.ndarray, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    """Drag with the left button through canvas pixels [n, 2]."""
    window = view.window().windowHandle()
    at = [view.canvas.native.mapTo(view.window(), QPoint(round(x), round(y))) for x, y in points]
    QTest.mouseMove(window, at[0])
    QTest.mousePress(window, Qt.MouseButton.LeftButton, modifiers, at[0])
    for point in at[1:]:
        # A move without the button held: QTest's own moves carry none.
        QTest.mouseMove(window, point)
        QTest.qWait(12)  # vispy drops moves that follow each other within 10 ms, which no hand's do
    QTest.mouseRelease(window, Qt.MouseButton.LeftButton, modifiers, at[-1])


def boxed(view: LatentMapView, share: float) -> tuple[np.ndarray, set[int]]:
    """Corners of a box over the left ``share`` of the canvas, and the transitions whose points it holds."""
    at = view.scene.pixels(view.projection.points)
    edge = float(np.quantile(at[:, 0], share))
    size = view.canvas.size
    corners = np.array([[2.0, 2.0], [edge, size[1] - 3.0]])
    inside = (at[:, 0] < edge - 1) & (at[:, 1] > 3) & (at[:, 1] < size[1] - 4)
    return corners, {int(t) for t in view.projection.transitions[inside]}


def test_a_box_selects_adds_and_takes_away_and_the_tool_stays(make_view):
    session = session_of()
    view = make_view(session)
    view.map_state.tool = "box"
    fingerprint = session.drive.fingerprint
    corners, half = boxed(view, 0.5)
    before = tuple(view.scene.view.camera.rect.pos)
    drag(view, corners)
    assert half <= set(session.selection.of(fingerprint).tolist())
    assert len(session.selection) <= len(half) + 4, "points on the edge itself may go either way"
    assert view.scene.selected.count == len(session.selection)
    assert tuple(view.scene.view.camera.rect.pos) == before, "the drag moved the map as well"
    assert view.map_state.tool == "box"
    quarter, few = boxed(view, 0.25)
    drag(view, quarter, Qt.KeyboardModifier.AltModifier)
    assert few.isdisjoint(session.selection.of(fingerprint).tolist())
    drag(view, quarter, Qt.KeyboardModifier.ShiftModifier)
    assert half <= set(session.selection.of(fingerprint).tolist())
    drag(view, quarter)
    assert len(session.selection) < len(half)
    assert f"{len(session.selection)} selected" in view.state.text()


def test_a_lasso_holds_what_lies_inside_it_and_a_click_with_it_still_seeks(make_view):
    session = session_of()
    view = make_view(session)
    view.map_state.tool = "lasso"
    at = view.scene.pixels(view.projection.points)
    centre, radius = np.median(at, axis=0), 60.0
    angles = np.linspace(0, 2 * np.pi, 60)
    drag(view, centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1))
    chosen = set(session.selection.of(session.drive.fingerprint).tolist())
    distance = np.linalg.norm(at - centre, axis=1)
    assert {int(t) for t in view.projection.transitions[distance < radius - 3]} <= chosen
    assert chosen.isdisjoint(int(t) for t in view.projection.transitions[distance > radius + 3])
    assert len(chosen) > 5
    transition = lonely(view, 1)[0]
    window, place_ = view.window().windowHandle(), place(view, transition)
    QTest.mouseClick(window, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place_)
    assert session.transition == transition
    assert set(session.selection.of(session.drive.fingerprint).tolist()) == chosen


def test_selecting_uploads_no_points(make_view):
    session = session_of()
    view = make_view(session)
    uploads = view.scene.points.uploads
    session.selection.replace({session.drive.fingerprint: [1, 2, 3], "another drive": [4, 5]})
    assert view.scene.selected.count == 3
    session.selection.invert(view.shown)
    assert view.scene.selected.count == len(view.projection.transitions) - 3
    assert view.scene.points.uploads == uploads


def test_a_map_of_directions_has_the_probes_as_axes_and_says_what_they_are(make_view, qtbot):
    session = session_of()
    view = make_view(session)
    view.set_method("directions")
    qtbot.waitUntil(lambda: view.projection.method == "directions", timeout=20_000)
    assert view.tools.axes_row.isVisible()
    assert "Speed probe, m/s (R²" in view.caption.text()
    assert "fitted to ground truth" in view.state.text()
    speed = session.series["speed"].truth[view.projection.transitions]
    assert np.corrcoef(view.projection.points[:, 0], speed)[0, 1] > 0.95
    view.map_state.axes = ("pc1", "pc2")
    qtbot.waitUntil(lambda: "PC 1" in view.caption.text(), timeout=20_000)


def test_density_shows_under_faint_points(make_view):
    session = session_of()
    view = make_view(session)
    before = view.canvas.native.grabFramebuffer()
    view.map_state.density = True
    assert view.scene.density.visible
    assert view.tools.density_button.isChecked()
    assert view.canvas.native.grabFramebuffer() != before
    view.map_state.density = False
    assert not view.scene.density.visible


def other_result(session: Session, *, checkpoint: str = "0" * 16, fingerprint: str = "fedcba9876543210"):
    """A finished analysis of another drive or by another model, as the store would give it."""
    analysis = analysis_of(session, 1.0, checkpoint)
    analysis.fingerprint = fingerprint
    return analysis


def count_of(view: LatentMapView) -> int:
    """Points on the screen."""
    return 0 if view.projection is None else len(view.projection.transitions)


def test_two_drives_share_a_map_with_shapes_and_colours_of_their_own(make_view, qtbot):
    session = session_of()
    view = make_view(session)
    alone = len(view.projection.transitions)
    view.map_state.compared = compared_source(other_result(session), session.analysis)
    qtbot.waitUntil(lambda: count_of(view) == 2 * alone, timeout=20_000)
    assert view.tools.colour_box.currentText() == "Source"
    assert view.colour_legend.title == "Source"
    assert "▲" in view.state.text() or "&#9650;" in view.state.text()
    # The same latents lie on the same places, whichever drive they are of.
    np.testing.assert_allclose(view.projection.points[:alone], view.projection.points[alone:], atol=1e-3)
    session.selection.replace({"fedcba9876543210": [3, 4]})
    assert view.scene.selected.count == 2
    session.selection.invert(view.shown)
    assert len(session.selection) == 2 * alone - 2
    view.map_state.compared = None
    qtbot.waitUntil(lambda: count_of(view) == alone, timeout=20_000)
    assert view.tools.colour_box.currentData() == session.display.colour_by


def test_two_models_of_one_drive_are_laid_on_each_other(make_view, qtbot):
    session = session_of()
    view = make_view(session)
    other = other_result(session, checkpoint="f" * 16, fingerprint=session.drive.fingerprint)
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))
    other.latents[:] = 3 * other.latents @ turn.astype(np.float32) + 7
    view.map_state.compared = compared_source(other, session.analysis)
    count = len(session.analysis.done)
    qtbot.waitUntil(lambda: count_of(view) == 2 * count, timeout=20_000)
    np.testing.assert_allclose(view.projection.points[:count], view.projection.points[count:], atol=0.05)
    assert "R² 1.00" in view.state.text()
    assert f"({session.analysis.checkpoint_hash[:6]})" in view.state.text(), "both are named by their model"
    qtbot.waitUntil(lambda: view.state.width() >= view.state.sizeHint().width(), timeout=20_000)
    session.selection.replace({session.drive.fingerprint: [5]})
    assert view.scene.selected.count == 2, "both models' points of one transition"


def test_results_that_share_nothing_are_refused():
    session = session_of()
    with pytest.raises(ValueError, match="neither the model nor the drive"):
        compared_source(other_result(session, checkpoint="f" * 16), session.analysis)


def test_annotations_colour_the_points_of_their_transitions(make_view):
    session = session_of()
    view = make_view(session)
    session.display.colour_by = "annotation"
    assert "no values" in view.colour_legend.title
    note = Annotation(new_id(), 20, 39, "wrong turn")
    session.annotations.open(AnnotationSet(session.drive.fingerprint, notes={note.id: note}))
    assert view.colour_legend.title == "Annotation"
    shown = view._series(view.projection.transitions)
    noted = view.projection.transitions[np.isfinite(shown.values)]
    frames = session.analysis.frames
    wanted = [t for t in range(len(frames) - 1) if frames[t] <= 39 and frames[t + 1] > 20]
    assert noted.tolist() == wanted


@pytest.mark.parametrize("key", ["cross-entropy", "translation spread", "rotation spread", "field of view"])
def test_what_the_analysis_says_of_itself_colours_the_map(make_view, key):
    session = session_of()
    view = make_view(session)
    session.display.colour_by = key
    assert view.colour_legend.title == f"{session.series[key].label}, {session.series[key].unit}"


def test_dragging_a_point_carries_it_and_leaves_the_map_where_it_is(make_view, monkeypatch):
    carried = []
    monkeypatch.setattr(
        "lapose_inspector.views.map_pointer.carry", lambda widget, id, text, colour: carried.append((id, text))
    )
    session = session_of()
    view = make_view(session)
    told = []
    view.carrying.connect(lambda: told.append(len(carried)))
    transition = lonely(view, 1)[0]
    row = int(np.searchsorted(view.projection.transitions, transition))
    start = view.scene.pixels(view.projection.points[row : row + 1])[0]
    before = tuple(view.scene.view.camera.rect.pos)
    drag(view, start + np.linspace(0, 40, 9)[:, None] * np.array([[1.0, 0.5]]))
    assert [id for id, _ in carried] == [(session.drive.fingerprint, transition)]
    assert f"frame {session.analysis.frames[transition]}" in carried[0][1]
    assert tuple(view.scene.view.camera.rect.pos) == before
    drag(view, np.array([[8.0, 200.0]]) + np.linspace(0, 40, 9)[:, None] * np.array([[1.0, 0.5]]))
    assert len(carried) == 1
    assert told == [0], "what shows the place to drop it hears of it before the drag begins"
    assert tuple(view.scene.view.camera.rect.pos) != before, "a drag beside the points moves the map"


def test_a_thinned_cloud_keeps_its_shape_and_its_number():
    rng = np.random.default_rng(0)
    cloud = np.concatenate([rng.standard_normal((40_000, 2)), [[30.0, 30.0]]]).astype(np.float32)
    rows = thinned(cloud, 5000)
    assert 2000 < len(rows) <= 5000
    assert len(np.unique(rows)) == len(rows)
    assert len(cloud) - 1 in rows, "a lonely point is what one looks for"
    np.testing.assert_allclose(cloud[rows].min(axis=0), cloud.min(axis=0), atol=0.3)
    assert thinned(cloud[:10], 5000).tolist() == list(range(10))
