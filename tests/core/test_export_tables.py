"""The exported bundle, and the tables made of it, read back by other programs."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from analysis_data import MemoryDrive
from export_data import NOTES, WHEN, centres, erring, gapped
from hypothesis import given, settings
from hypothesis import strategies as st

from lapose_core.annotations import Annotation, read_annotations
from lapose_core.cli import main
from lapose_core.csv_poses import read_csv
from lapose_core.drive import LogError
from lapose_core.export.bundle import Choice, export_bundle
from lapose_core.export.files import Cancelled, replacing
from lapose_core.export.formats import FORMATS, Options, default_name, sidecar_path, write_export
from lapose_core.geometry import relative, rotation_angle
from lapose_core.inference.errors import transition_errors
from lapose_core.inference.store import write_result


def test_range_rate_and_annotations_choose_what_leaves() -> None:
    analysis = erring()
    whole = export_bundle(analysis, annotations=NOTES)
    assert len(whole) == 40
    assert [note.id for note in whole.annotations] == ["one", "two"]
    part = export_bundle(analysis, Choice(first=9, last=101, rate=1.0), annotations=NOTES)
    assert part.frames.tolist() == list(range(13, 99, 10))
    assert [note.id for note in part.annotations] == ["two"]
    # What is exported of a part is what it was in the whole: the alignment rests on all of it.
    np.testing.assert_array_equal(part.predicted, whole.predicted[2:20:2])
    np.testing.assert_array_equal(part["rotation_error"], whole["rotation_error"][2:20:2])
    assert export_bundle(analysis, Choice(severity="major"), annotations=NOTES).annotations == (NOTES[1],)
    assert export_bundle(analysis, Choice(labels=frozenset({"start"})), annotations=NOTES).annotations == (NOTES[0],)
    assert export_bundle(analysis, Choice(annotations=False), annotations=NOTES).annotations == ()
    with pytest.raises(ValueError, match=r"frames 500 to 600 hold no analysed sample.*frame 3 to 198"):
        export_bundle(analysis, Choice(first=500, last=600))
    with pytest.raises(ValueError, match="rate must be positive"):
        export_bundle(analysis, Choice(rate=0.0))


def test_errors_are_those_of_the_transitions_and_of_the_aligned_path() -> None:
    analysis = erring()
    bundle = export_bundle(analysis, Choice(alignment="sim3"))
    errors = transition_errors(analysis)
    np.testing.assert_array_equal(bundle["rotation_error"][:-1], errors.rotation)
    assert np.isnan(bundle["rotation_error"][-1])
    off = np.linalg.norm(centres(bundle.predicted) - centres(bundle.truth), axis=1)
    np.testing.assert_allclose(bundle["position_error"], off)
    assert "Sim(3), 40 of 40" in bundle.alignment
    assert bundle["next_frame"][0] == 8
    assert set(bundle["regime"][:-1]) <= {"standstill", "reverse", "straight", "gentle", "medium", "sharp"}


def test_notes_between_samples_and_at_the_ends_are_not_lost() -> None:
    edges = [Annotation(str(f), f, f, created=WHEN, modified=WHEN) for f in (0, 2, 4, 199, 202, 203)]
    bundle = export_bundle(erring(), annotations=edges)  # samples at 3, 8 ... 198
    assert (bundle.first_frame, bundle.last_frame) == (0, 202)
    assert [note.id for note in bundle.annotations] == ["0", "2", "4", "199", "202"]
    assert [note.id for note in bundle.notes_at(0)] == ["0", "2", "4"]
    assert [note.id for note in bundle.notes_at(39)] == ["199", "202"]
    part = export_bundle(erring(), Choice(first=7, last=20), annotations=edges)
    assert (part.first_frame, part.last_frame, part.frames.tolist()) == (7, 20, [8, 13, 18])


def test_confidence_goes_along_where_there_is_one(tmp_path: Path) -> None:
    analysis = erring(truth=False)
    assert np.isnan(export_bundle(analysis)["confidence"]).all()
    analysis.confidence = np.linspace(0, 1, 39)
    write_export(export_bundle(analysis), "parquet", tmp_path / "a.parquet")
    np.testing.assert_array_equal(pd.read_parquet(tmp_path / "a.parquet").confidence[:-1], analysis.confidence)


def test_pieces_stay_apart() -> None:
    bundle = export_bundle(gapped())
    runs = bundle.runs("predicted")
    assert [(r[0], r[-1]) for r in runs] == [(0, 15), (64, 79)]
    assert [(r[0], r[-1]) for r in bundle.runs("truth")] == [(0, 69), (73, 79)]
    assert set(bundle.piece.tolist()) == {-1, 0, 1}
    second = export_bundle(gapped(), Choice(segment=1))
    assert len(second) == 16
    np.testing.assert_array_equal(second.predicted, bundle.predicted[64:])


def test_the_upright_turn_takes_the_cameras_up_to_z() -> None:
    bundle = export_bundle(erring())
    np.testing.assert_allclose(bundle.upright @ [0, -1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(bundle.upright @ [0, 0, 1], [0, 1, 0], atol=1e-12)
    turned = erring()
    world = np.eye(4)
    world[:3, :3] = bundle.upright
    assert turned.truth is not None
    turned.truth = world @ turned.truth
    np.testing.assert_allclose(export_bundle(turned).upright, np.eye(3), atol=1e-12)


def test_a_table_holds_what_the_bundle_holds(tmp_path: Path) -> None:
    bundle = export_bundle(gapped(), annotations=NOTES)
    assert write_export(bundle, "parquet", tmp_path / "a.parquet") == [tmp_path / "a.parquet"]
    csv, side = write_export(bundle, "csv", tmp_path / "a.csv")
    frame = pd.read_parquet(tmp_path / "a.parquet")
    text = pd.read_csv(csv)
    assert len(frame) == len(text) == 80
    for name, unit in (("x", "_m"), ("true_z", "_m"), ("qw", ""), ("rotation_error", "_rad"), ("scale_ratio", "")):
        np.testing.assert_array_equal(frame[name], text[name + unit])
    np.testing.assert_array_equal(frame.x.isna(), ~bundle.predicted_valid)
    np.testing.assert_array_equal(frame.true_x.isna(), ~bundle.truth_valid)
    np.testing.assert_array_equal(frame.x[:16], bundle.predicted[:16, 0, 3])
    np.testing.assert_array_equal(np.stack(frame.latent[:15]), bundle.latents[:15])
    np.testing.assert_array_equal(text.latent_2[:15].astype(np.float32), bundle.latents[:15, 2])
    assert frame.latent[20] is None
    assert frame.annotations[0] == "note start"
    assert frame.annotations[4].startswith("major drift: leaves the lane")
    assert pd.isna(frame.annotations[12])
    assert frame.annotations[3] == frame.annotations[4], "frame 18 stands for 18 to 22, which the note touches"
    schema = pq.read_schema(tmp_path / "a.parquet")
    assert schema.field("rotation_error").metadata[b"unit"] == b"rad"
    assert b"OpenCV" in schema.metadata[b"lapose_axes"]
    assert [row["id"] for row in json.loads(schema.metadata[b"lapose_annotations"])] == ["one", "two"]
    assert [note.id for note in read_annotations(side)] == ["one", "two"]
    assert tuple(read_annotations(side)) == bundle.annotations


def test_our_own_reader_takes_the_exported_csv_as_poses(tmp_path: Path) -> None:
    bundle = export_bundle(erring())
    write_export(bundle, "csv", tmp_path / "a.csv")
    found = read_csv(tmp_path / "a.csv")
    np.testing.assert_array_equal(found.times, bundle.times)
    np.testing.assert_allclose(found.poses, bundle.predicted, atol=1e-12)


@given(st.integers(0, 10**6), st.text(max_size=30), st.text(max_size=12), st.booleans())
@settings(deadline=None, max_examples=25)
def test_annotations_survive_in_parquet_and_in_the_sidecar(
    tmp_path_factory: pytest.TempPathFactory, seed: int, words: str, label: str, truth: bool
) -> None:
    folder = tmp_path_factory.mktemp("notes")
    rng = np.random.default_rng(seed)
    first = int(rng.integers(3, 190))
    words, label = (t.encode("utf-8", "replace").decode() for t in (words, label))
    note = Annotation(f"id{seed}", first, first + int(rng.integers(0, 9)), label, "minor", words, WHEN, WHEN)
    bundle = export_bundle(erring(40, truth), annotations=[note])
    _, side = write_export(bundle, "csv", folder / "a.csv")
    write_export(bundle, "parquet", folder / "a.parquet")
    assert list(read_annotations(side)) == [note]
    kept = json.loads(pq.read_schema(folder / "a.parquet").metadata[b"lapose_annotations"])
    assert kept[0]["text"] == words
    assert len(pd.read_csv(folder / "a.csv")) == 40, "no text of a note breaks the lines of the table"


def test_a_given_up_export_leaves_what_was_there(tmp_path: Path) -> None:
    bundle = export_bundle(erring())
    path = tmp_path / "a.csv"
    path.write_text("old")

    def give_up(share: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        write_export(bundle, "csv", path, progress=give_up)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]

    def half() -> None:
        with replacing(path) as part:
            part.write_text("half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        half()

    def no_room() -> None:
        with replacing(path) as part:
            part.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=f"No space left.*{re.escape(str(path))}"):
        no_room()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_log_that_was_not_analysed_is_refused() -> None:
    with pytest.raises(LogError, match="give the same log"):
        export_bundle(erring(), drive=MemoryDrive(8).drive)


def test_without_truth_and_of_both_paths(tmp_path: Path) -> None:
    bundle = export_bundle(erring(truth=False))
    np.testing.assert_array_equal(bundle.predicted[0], np.eye(4))
    assert np.isnan(bundle["position_error"]).all()
    write_export(bundle, "parquet", tmp_path / "a.parquet")
    assert pd.read_parquet(tmp_path / "a.parquet").true_x.isna().all()
    with pytest.raises(ValueError, match="no true poses"):
        write_export(bundle, "tum", tmp_path / "t.tum", Options(which="truth"))


def test_the_command_line_exports_a_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analysis = erring()
    write_result(analysis, tmp_path)
    bundle = export_bundle(analysis, annotations=NOTES)
    _, side = write_export(bundle, "csv", tmp_path / "whole.csv")
    out = tmp_path / "part.parquet"
    command = ["export", tmp_path, "--to", "parquet", "--out", out, "--frames", 10, 100, "--at-rate", 1]
    assert main([str(a) for a in [*command, "--annotations", side, "--severity", "major"]]) == 0
    assert pd.read_parquet(out).frame.tolist() == list(range(13, 100, 10))
    assert "9 samples, 1 annotation," in capsys.readouterr().out
    assert main(["export", str(tmp_path), "--to", "csv", "--out", str(tmp_path / "no" / "a.csv")]) == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", "", "two words", "日本"])
def test_default_names_are_file_names(name: str, form: str) -> None:
    made = default_name(name, form)
    assert Path(made).name == made
    assert made.endswith(FORMATS[form].suffix)
    assert sidecar_path(Path(made)).name.endswith(".annotations.json")


def test_predicted_steps_are_kept_by_every_alignment() -> None:
    analysis = erring(noise=0.05)
    raw, rigid = (export_bundle(analysis, Choice(alignment=a)) for a in ("raw", "se3"))  # type: ignore[arg-type]
    difference = rotation_angle((relative(raw.predicted) @ np.linalg.inv(relative(rigid.predicted)))[:, :3, :3])
    assert difference.max() < 1e-6
