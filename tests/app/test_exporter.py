"""Exporting from the window: the dialog, the file, giving up, and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton

from lapose_core.annotations import Annotation, AnnotationSet, read_annotations, to_json
from lapose_core.export.formats import FORMATS
from lapose_core.geometry import matrix_from_quaternion
from lapose_inspector.inspector import Inspector
from lapose_inspector.views.dialogs import ErrorDialog
from lapose_inspector.views.export_dialog import ExportDialog

NOTES = (Annotation("a", 2, 4, "blur", "minor", "rain"), Annotation("b", 30, 39, "drift", "critical"))


@pytest.fixture
def app(launch, log_folder: Path, qtbot) -> Inspector:
    app = launch(log_folder)
    qtbot.waitUntil(
        lambda: app.session.analysis is not None and app.session.analysis.complete and app.growth.shown, timeout=120_000
    )
    return app


def dialog_of(app: Inspector) -> ExportDialog:
    assert app.exporter.dialog is not None
    return app.exporter.dialog


def click(button: QPushButton) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_the_menu_offers_every_format(app: Inspector) -> None:
    for key in FORMATS:
        app.window.actions_[f"export.{key}"].trigger()
        assert dialog_of(app).form.currentData() == key
        assert Path(dialog_of(app).destination.text()).suffix == FORMATS[key].suffix
    app.exporter.dialog.reject()
    assert app.exporter.dialog is None


def test_a_stretch_is_exported_with_its_annotations(app: Inspector, tmp_path: Path, qtbot) -> None:
    app.session.annotations.bring_in(NOTES)
    app.timeline.seek(10)
    app.timeline.set_loop_start()
    app.timeline.seek(35)
    app.timeline.set_loop_end()
    app.exporter.ask("csv")
    dialog = dialog_of(app)
    assert (dialog.first.value(), dialog.last.value()) == (10, 35), "the loop range is what one works on"
    dialog.rate.setCurrentIndex(dialog.rate.findData(5.0))
    dialog.notes.setCurrentText("Major or graver")
    assert "small_drive.csv.annotations.json" in dialog.note.text()
    dialog.destination.setText(str(tmp_path / "part.csv"))
    click(dialog.export_button)
    qtbot.waitUntil(lambda: app.exporter.dialog is None, timeout=20_000)
    table = pd.read_csv(tmp_path / "part.csv")
    assert table.frame.tolist() == list(range(10, 36, 2))
    assert [n.id for n in read_annotations(tmp_path / "part.csv.annotations.json")] == ["b"]
    assert "13 samples written" in app.window.status.currentMessage()
    app.exporter.ask()
    assert dialog_of(app).form.currentData() == "csv", "the format of the last time"
    assert Path(dialog_of(app).destination.text()).parent == tmp_path, "and its folder"


def test_the_true_path_has_every_frame_whatever_the_rate(app: Inspector, tmp_path: Path, qtbot) -> None:
    app.set_rate(5.0)
    app.exporter.ask("tum")
    dialog = dialog_of(app)
    dialog.options.which.setCurrentIndex(1)
    dialog.destination.setText(str(tmp_path / "t.tum"))
    click(dialog.export_button)
    qtbot.waitUntil(lambda: app.exporter.dialog is None, timeout=20_000)
    drive = app.session.drive
    rows = np.loadtxt(tmp_path / "t.tum")
    assert rows[:, 0] == pytest.approx(drive.timestamps)
    assert rows[:, 1:4] == pytest.approx(drive.poses[:, :3, 3], abs=1e-9)
    assert matrix_from_quaternion(rows[:, 4:]) == pytest.approx(drive.poses[:, :3, :3], abs=1e-9)


def test_a_problem_stays_in_the_dialog_and_can_be_mended(app: Inspector, tmp_path: Path, qtbot) -> None:
    app.exporter.ask("tum")
    dialog = dialog_of(app)
    dialog.destination.setText(str(tmp_path / "absent" / "p.tum"))
    click(dialog.export_button)
    qtbot.waitUntil(lambda: "no such folder" in dialog.problem.text(), timeout=20_000)
    assert dialog.export_button.isEnabled()
    (tmp_path / "absent").mkdir()
    click(dialog.export_button)
    qtbot.waitUntil(lambda: app.exporter.dialog is None, timeout=20_000)
    assert len(np.loadtxt(tmp_path / "absent" / "p.tum")) == 40


def test_a_choice_that_makes_no_sense_cannot_be_exported(app: Inspector) -> None:
    app.exporter.ask("tum")
    dialog = dialog_of(app)
    dialog.first.setValue(20)
    dialog.last.setValue(10)
    assert not dialog.export_button.isEnabled()
    assert "comes after" in dialog.note.text()
    dialog.last.setValue(30)
    assert dialog.export_button.isEnabled()
    dialog.destination.setText(" ")
    assert not dialog.export_button.isEnabled()


def test_without_an_analysis_only_the_truth_leaves(launch, log_folder: Path, tmp_path: Path, qtbot) -> None:
    app = launch(log_folder, analyse=False)
    app.exporter.ask("parquet")
    dialog = dialog_of(app)
    dialog.destination.setText(str(tmp_path / "t.parquet"))
    click(dialog.export_button)
    qtbot.waitUntil(lambda: app.exporter.dialog is None, timeout=20_000)
    table = pd.read_parquet(tmp_path / "t.parquet")
    assert len(table) == 40
    assert table.x.isna().all()
    assert table.true_x.notna().all()


def test_the_rows_are_those_of_the_format(app: Inspector) -> None:
    app.exporter.ask("mp4")
    options = dialog_of(app).options
    assert options.subtitles.isVisible()
    assert options.panels["map"].isVisible()
    assert not options.which.isVisible()
    for box in options.panels.values():
        box.setChecked(False)
    assert not dialog_of(app).export_button.isEnabled()
    dialog_of(app).choose("png")
    assert options.panel.isVisible()
    assert not options.panels["map"].isVisible()
    dialog_of(app).choose("glb")
    assert not options.cloud.isVisible(), "the log has no lidar"
    dialog_of(app).choose("geojson")
    assert not dialog_of(app).export_button.isEnabled()
    assert "not known where on the Earth" in dialog_of(app).note.text()


def test_a_video_can_be_given_up(app: Inspector, tmp_path: Path, qtbot) -> None:
    app.exporter.ask("mp4")
    dialog = dialog_of(app)
    out = tmp_path / "out"
    out.mkdir()
    dialog.destination.setText(str(out / "a.mp4"))
    click(dialog.export_button)
    qtbot.waitUntil(lambda: dialog.bar.value() > 0, timeout=60_000)
    assert not dialog.form.isEnabled()
    assert dialog.close_button.text() == "Cancel"
    click(dialog.close_button)
    assert dialog.close_button.text() == "Close"
    qtbot.waitUntil(lambda: not list(out.iterdir()), timeout=30_000)
    assert app.exporter.dialog is dialog, "the choice is kept, to be changed and tried again"


def test_an_exported_sidecar_restores_the_notes(app: Inspector, tmp_path: Path, qtbot) -> None:
    app.session.annotations.bring_in(NOTES)
    app.exporter.ask("csv")
    dialog_of(app).destination.setText(str(tmp_path / "a.csv"))
    click(dialog_of(app).export_button)
    qtbot.waitUntil(lambda: app.exporter.dialog is None, timeout=20_000)
    app.session.annotations.remove("b")
    app.exporter.import_notes(tmp_path / "a.csv.annotations.json")
    found = {n.id: (n.first_frame, n.last_frame, n.label, n.severity, n.text) for n in app.session.annotations.notes}
    assert found == {n.id: (n.first_frame, n.last_frame, n.label, n.severity, n.text) for n in NOTES}
    app.session.history.undo()
    assert [n.id for n in app.session.annotations.notes] == ["a"]


def test_notes_of_another_drive_are_refused(app: Inspector, tmp_path: Path) -> None:
    path = tmp_path / "n.json"
    other = AnnotationSet("0" * 16, "a longer drive", {"z": Annotation("z", 3, 4000)})
    path.write_text(to_json(other))
    app.exporter.import_notes(path)
    (shown,) = app.window.findChildren(ErrorDialog)
    assert "last_frame: 4000, but the last frame of small drive is 39" in shown.message.text()
    assert "a longer drive" in shown.message.text()
    shown.close()
    assert len(app.session.annotations.notes) == 0
    path.write_text(to_json(AnnotationSet("0" * 16, "a copy", {"z": Annotation("z", 3, 4)})))
    app.exporter.import_notes(path)
    assert len(app.session.annotations.notes) == 1
    assert "another copy of the log (a copy)" in app.window.status.currentMessage()


def test_a_panel_is_saved_as_it_is_shown(app: Inspector, tmp_path: Path) -> None:
    for key in ("window", "trajectory", "tracks"):
        app.exporter.save_picture(key, tmp_path / f"{key}.png")
        with Image.open(tmp_path / f"{key}.png") as image:
            assert len(image.convert("RGB").getcolors(1 << 24)) > 20
    app.exporter.save_picture("window", tmp_path / "absent" / "a.png")
    (shown,) = app.window.findChildren(ErrorDialog)
    assert "is the folder there?" in shown.message.text()
    shown.close()
