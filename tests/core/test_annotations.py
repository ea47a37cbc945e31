"""Annotations: what the sidecar keeps, and that no writer loses another's notes."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapose_core.annotations import (
    Annotation,
    AnnotationError,
    AnnotationSet,
    merge_annotations,
    new_id,
    read_annotations,
    to_json,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def note(id: str = "a", first: int = 3, last: int = 9, text: str = "", at: int = 0) -> Annotation:
    time = NOON + timedelta(seconds=at)
    return Annotation(id, first, last, "reverse", "major", text, NOON, time, (3, 6))


def test_sidecar_keeps_every_field(tmp_path: Path) -> None:
    notes = AnnotationSet("f00d", "drive").put(note(text="Straße ↔ 橋\nnew line"), NOON)
    written = merge_annotations(tmp_path / "new" / "notes.json", notes)
    assert read_annotations(tmp_path / "new" / "notes.json") == written == notes


def test_in_order_of_frames() -> None:
    notes = AnnotationSet("f")
    for id, first, last in (("late", 9, 9), ("long", 2, 8), ("short", 2, 3)):
        notes = notes.put(note(id, first, last))
    assert [n.id for n in notes] == ["short", "long", "late"]
    assert [n.id for n in notes.at(3)] == ["short", "long"]


def test_two_writers_keep_each_others_notes(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    mine = merge_annotations(path, AnnotationSet("f").put(note("mine")))
    theirs = merge_annotations(path, AnnotationSet("f").put(note("theirs")))
    assert {n.id for n in theirs} == {"mine", "theirs"}
    mine = merge_annotations(path, mine.remove("mine"))
    assert [n.id for n in mine] == ["theirs"]
    # The other writer still has the deleted note; the deletion is later than that note.
    assert [n.id for n in merge_annotations(path, theirs)] == ["theirs"]


def test_later_edit_counts_and_undeletes() -> None:
    base = AnnotationSet("f").put(note("a", text="old"), NOON)
    edited = base.put(note("a", text="new"), NOON + timedelta(seconds=5))
    gone = base.remove("a", NOON + timedelta(seconds=3))
    assert edited.merged(gone) == gone.merged(edited) == edited
    assert len(gone.merged(base)) == 0
    again = gone.put(note("a"), NOON)
    assert again.notes["a"].modified > gone.deleted["a"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.integers(0, 2)), max_size=12))
def test_order_of_merging_does_not_matter(steps: list[tuple[str, int, int]]) -> None:
    sets = []
    for id, at, kind in steps:
        if kind:
            sets.append(AnnotationSet("f", notes={id: note(id, text=str(kind), at=at)}))
        else:
            sets.append(AnnotationSet("f", deleted={id: NOON + timedelta(seconds=at)}))
    forwards = backwards = AnnotationSet("f")
    for part in sets:
        forwards = forwards.merged(part)
    for part in reversed(sets):
        backwards = part.merged(backwards)
    assert forwards == backwards == forwards.merged(backwards)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"format": "other"}, "format"),
        ({"version": 2}, "version"),
        ({"fingerprint": 3}, "fingerprint"),
        ({"annotations": {}}, "annotations"),
        ({"annotations": [7]}, r"annotations\[0\]"),
        ({"annotations": [{"id": "a"}]}, r"annotations\[0\]: first_frame"),
        ({"deleted": {"a": "yesterday"}}, "deleted"),
    ],
)
def test_errors_name_file_and_field(tmp_path: Path, change: dict[str, object], field: str) -> None:
    path = tmp_path / "notes.json"
    path.write_text(json.dumps({**json.loads(to_json(AnnotationSet("f"))), **change}))
    with pytest.raises(AnnotationError, match=f"notes.json: {field}"):
        read_annotations(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("first_frame", -1), ("last_frame", 2), ("severity", "bad"), ("text", 3), ("modified", "noon"),
     ("modified", "2026-01-01T00:00:00"), ("transitions", ["x"]), ("id", "")],
)  # fmt: skip
def test_errors_of_a_row_name_its_field(tmp_path: Path, field: str, value: object) -> None:
    data = json.loads(to_json(AnnotationSet("f").put(note())))
    data["annotations"][0][field] = value
    path = tmp_path / "notes.json"
    path.write_text(json.dumps(data))
    with pytest.raises(AnnotationError, match=rf"notes.json: annotations\[0\]: {field}"):
        read_annotations(path)
    before = path.read_bytes()
    with pytest.raises(AnnotationError):
        merge_annotations(path, AnnotationSet("f"))
    assert path.read_bytes() == before


def test_notes_of_another_drive_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    merge_annotations(path, AnnotationSet("one").put(note()))
    with pytest.raises(AnnotationError, match="fingerprint"):
        merge_annotations(path, AnnotationSet("two"))


def _add_notes(path: Path, count: int) -> None:
    for _ in range(count):
        merge_annotations(path, AnnotationSet("f").put(replace(note(), id=new_id())))


def test_writers_at_one_moment_lose_nothing(tmp_path: Path) -> None:
    path, context = tmp_path / "notes.json", multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add_notes, args=(path, 20)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert len(read_annotations(path)) == 40
