"""The gallery: the right frames of the right drive, page by page, of a selection and of a search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_drives import write_folder
from panel_drive import IndexFrames, analyse, make_drive, read_index, winding_path
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest

from lapose_core.drive import Drive, Image
from lapose_core.inference.store import ResultStore
from lapose_inspector.models.gallery import Gallery
from lapose_inspector.models.selection import TransitionId
from lapose_inspector.models.session import Session
from lapose_inspector.views.gallery_view import GalleryView
from lapose_inspector.views.transition_drag import carried, mime_of
from lapose_inspector.workers.latent_search import LatentSearch

RATE, ANALYSED = 10.0, 5.0


class ShiftedFrames(IndexFrames):
    """Frames that spell their index plus 1000: another drive's."""

    def read(self, index: int) -> Image:
        return super().read(index + 1000)


def session_of(drive: Drive) -> Session:
    session = Session()
    session.rate = ANALYSED
    session.open(drive)
    session.set_analysis(analyse(drive, winding_path(len(drive), RATE), ANALYSED))
    return session


@pytest.fixture
def make_view(qtbot) -> Iterator:
    made: list[tuple[GalleryView, Gallery]] = []

    def make(session: Session, drives: dict[str, Drive] | None = None) -> GalleryView:
        gallery = Gallery(session)
        gallery._on_series()

        def open_drive(fingerprint: str) -> Drive:
            found = (drives or {}).get(fingerprint) or session.drive
            assert found is not None
            return found

        view = GalleryView(session, gallery, open_drive)
        qtbot.addWidget(view)
        view.resize(620, 330)
        view.show()
        qtbot.waitExposed(view)
        made.append((view, gallery))
        return view

    yield make
    for view, gallery in made:
        view.close_panel()
        gallery.close()


def spelled(image: QImage) -> int:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    raw = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return read_index(raw[:, : 3 * image.width()].reshape(image.height(), image.width(), 3))


def settled(view: GalleryView, qtbot) -> None:
    qtbot.waitUntil(
        lambda: bool(view.grid.items) and all(view.grid.picture(i.id) is not None for i in view.grid.items),
        timeout=20_000,
    )


def test_each_cell_shows_the_two_frames_of_its_transition_on_every_page(make_view, qtbot):
    session = session_of(make_drive(200, RATE))
    view = make_view(session)
    assert "lasso" in view.message.text()
    session.selection.replace({session.drive.fingerprint: [1]})
    qtbot.waitUntil(lambda: view.grid.isVisible() and view.grid.width() > 600, timeout=20_000)
    session.selection.replace({session.drive.fingerprint: np.arange(7, 7 + 2 * view.grid.room + 1)})
    qtbot.waitUntil(lambda: view.place.text() == "1 / 3", timeout=20_000)
    seen = []
    for page in range(3):
        settled(view, qtbot)
        for item in view.grid.items:
            frames = session.series.frames[item.id.transition : item.id.transition + 2].tolist()
            assert [spelled(picture) for picture in view.grid.picture(item.id)] == frames
            assert f"frame {frames[0]}" in item.title
            seen.append(item.id.transition)
        assert view.place.text() == f"{page + 1} / 3"
        view.on.click()
    assert seen == session.selection.of(session.drive.fingerprint).tolist()


def test_a_click_says_which_transition(make_view, qtbot):
    session = session_of(make_drive(200, RATE))
    view = make_view(session)
    session.selection.replace({session.drive.fingerprint: [3, 50]})
    qtbot.waitUntil(lambda: len(view.grid.items) == 2, timeout=20_000)
    with qtbot.waitSignal(view.chosen) as blocker:
        at = view.grid.cell(1).center().toPoint()
        QTest.mouseClick(view.grid, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    assert blocker.args[0].id == (session.drive.fingerprint, 50)


def test_the_same_transition_of_two_drives_has_two_pictures(make_view, qtbot):
    first = make_drive(200, RATE)
    second = replace(first, name="second", fingerprint="fedcba9876543210", open_frames=lambda: ShiftedFrames(1200))
    session = session_of(first)
    view = make_view(session, {first.fingerprint: first, second.fingerprint: second})
    session.selection.replace({first.fingerprint: [5]})
    qtbot.waitUntil(lambda: len(view.grid.items) == 1, timeout=20_000)
    settled(view, qtbot)
    session.open(second)
    session.set_analysis(analyse(second, winding_path(len(second), RATE), ANALYSED))
    session.selection.add({second.fingerprint: [5]})
    qtbot.waitUntil(lambda: len(view.grid.items) == 2, timeout=20_000)
    settled(view, qtbot)
    frame = int(session.series.frames[5])
    by_drive = {item.id.drive: spelled(view.grid.picture(item.id)[0]) for item in view.grid.items}
    assert by_drive == {first.fingerprint: frame, second.fingerprint: frame + 1000}
    titles = {item.id.drive: item.title for item in view.grid.items}
    assert titles[first.fingerprint].startswith("panels")


def test_another_rate_shows_no_frame_of_before(make_view, qtbot):
    session = session_of(make_drive(200, RATE))
    view = make_view(session)
    session.selection.replace({session.drive.fingerprint: [5]})
    qtbot.waitUntil(lambda: len(view.grid.items) == 1, timeout=20_000)
    settled(view, qtbot)
    session.rate = 2.0
    session.set_analysis(analyse(session.drive, winding_path(200, RATE), 2.0))
    session.selection.replace({session.drive.fingerprint: [5]})
    qtbot.waitUntil(
        lambda: bool(view.grid.items) and view.grid.items[0].frames[0] == int(session.series.frames[5]), timeout=20_000
    )
    settled(view, qtbot)
    assert spelled(view.grid.picture(view.grid.items[0].id)[0]) == int(session.series.frames[5])


def test_frames_that_cannot_be_read_keep_no_other_from_showing(make_view, qtbot):
    session = session_of(make_drive(200, RATE, broken=(10,)))
    view = make_view(session)
    session.selection.replace({session.drive.fingerprint: [5, 40]})
    good = TransitionId(session.drive.fingerprint, 40)
    qtbot.waitUntil(lambda: view.grid.picture(good) is not None, timeout=20_000)
    assert view.grid.picture(TransitionId(session.drive.fingerprint, 5)) is None


def test_the_order_is_time_or_the_colouring_value(make_view, qtbot):
    session = session_of(make_drive(200, RATE))
    view = make_view(session)
    session.selection.replace({session.drive.fingerprint: np.arange(0, 60)})
    session.display.colour_by = "yaw rate"
    view.order_box.setCurrentIndex(1)
    view.order_box.activated.emit(1)
    qtbot.waitUntil(lambda: bool(view.grid.items), timeout=20_000)
    qtbot.wait(100)
    turns = [abs(session.series["yaw rate"].values[i.id.transition]) for i in view.grid.items]
    assert turns == sorted(turns, reverse=True)
    assert turns[0] == np.abs(session.series["yaw rate"].values[:60]).max()


def test_a_carried_transition_arrives_as_it_left() -> None:
    id = TransitionId("0123456789abcdef", 77)
    assert carried(mime_of(id)) == id


def test_search_finds_the_nearest_of_all_stored_drives_apart_in_time(qtbot, tmp_path: Path):
    rng = np.random.default_rng(4)
    drives = [replace(make_drive(300, RATE, name=f"d{i}"), fingerprint=f"{i:016d}") for i in range(3)]
    analyses = []
    for drive in drives:
        analysis = analyse(drive, winding_path(300, RATE), ANALYSED)
        sums = analysis.sums()
        sums.latents = rng.standard_normal(sums.latents.shape) * sums.weight[:, None]
        analysis.restore(sums, analysis.windows_done, {})
        analyses.append(analysis)
    store = ResultStore(tmp_path)
    for analysis in analyses[1:]:
        store.save(analysis)
    search = LatentSearch(tmp_path)
    try:
        with qtbot.waitSignal(search.found, timeout=20_000) as blocker:
            search.request(analyses[0], "d0", 60)
        found = blocker.args[0]
    finally:
        search.stop()
    assert found.drives == 3
    assert found.searched == sum(len(a.done) for a in analyses)
    query = analyses[0].latents[60]
    everything = [
        (float(np.linalg.norm(a.latents[t].astype(float) - query)), a.fingerprint, t, a.times[t] - a.times[0])
        for a in analyses
        for t in range(len(a.done))
    ]
    taken, wanted = [(analyses[0].fingerprint, analyses[0].times[60] - analyses[0].times[0])], []
    for distance, drive, t, at in sorted(everything):
        if all(drive != other or abs(at - when) >= 1.0 for other, when in taken):
            taken.append((drive, at))
            wanted.append((drive, t, distance))
    hits = [(hit.id.drive, hit.id.transition, hit.distance) for hit in found.hits]
    assert len(hits) >= 40
    assert [h[:2] for h in hits] == [w[:2] for w in wanted[: len(hits)]]
    np.testing.assert_allclose([h[2] for h in hits], [w[2] for w in wanted[: len(hits)]], rtol=1e-6)


def test_a_hit_in_another_drive_opens_it_there(launch, log_folder: Path, tmp_path: Path, qtbot):
    other = write_folder(tmp_path / "other drive", 30)
    app = launch(other)
    qtbot.waitUntil(
        lambda: app.session.analysis is not None and app.session.analysis.complete and app.growth.shown, timeout=60_000
    )
    fingerprint = app.session.drive.fingerprint
    app.open(log_folder)
    qtbot.waitUntil(lambda: app.session.drive.fingerprint != fingerprint, timeout=20_000)
    qtbot.waitUntil(
        lambda: app.session.analysis is not None and app.session.analysis.complete and app.growth.shown, timeout=60_000
    )
    actions, gallery = app.window.actions_, app.window.gallery
    actions["select.similar"].trigger()
    qtbot.waitUntil(lambda: app.instruments.gallery.content == "similar", timeout=20_000)
    app.memory.look()
    assert app.memory.budget.uses()["latents to search"] >= app.session.analysis.latents.nbytes
    assert app.instruments.gallery.found.drives == 2
    qtbot.waitUntil(lambda: bool(gallery.grid.items) and gallery.isVisible(), timeout=20_000)
    hit = next(i for i in app.instruments.gallery.page(0, 60) if i.id.drive == fingerprint)
    app.instruments.go_to(hit)
    qtbot.waitUntil(lambda: app.session.drive.fingerprint == fingerprint, timeout=20_000)
    assert app.timeline.frame == hit.frames[0]
    actions["select.found"].trigger()
    assert len(app.session.selection) == len(app.instruments.gallery.found.hits)
