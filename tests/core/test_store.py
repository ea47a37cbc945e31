"""Results on disk: round trips, exact resumption, and files that are damaged or not ours."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from analysis_data import empty_analysis, winding_path, windows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapose_core.inference.result import DriveAnalysis
from lapose_core.inference.store import (
    RESULT,
    SAMPLES,
    TRANSITIONS,
    ResultStore,
    StoreError,
    read_result,
    write_result,
)

FIELDS = (
    "frames", "times", "done", "relative", "latents", "fov", "scale", "cross_entropy",
    "translation_spread", "rotation_spread",
)  # fmt: skip


def same(a: DriveAnalysis, b: DriveAnalysis, atol: float = 0.0) -> None:
    for name in FIELDS:
        left, right = getattr(a, name), getattr(b, name)
        assert left.dtype == right.dtype, name
        # A spread is the root of a difference of squares: where there is none, it is rounding.
        tolerance = max(atol, 1e-7 * ("spread" in name) * (atol > 0))
        assert np.allclose(left, right, rtol=0, atol=tolerance, equal_nan=True), name
    assert a.windows_done == b.windows_done
    assert a.failed_windows == b.failed_windows


def partial(samples: int, window: int = 16, *, keep: int | None = None, truth: bool = False) -> DriveAnalysis:
    path = winding_path(samples)
    analysis = empty_analysis(samples, window, truth=path if truth else None)
    analysis.merge_all(windows_of(analysis, path, noise=0.1)[:keep])
    return analysis


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    samples=st.integers(2, 70),
    window=st.integers(2, 17),
    share=st.sets(st.integers(0, 80)),
    failed=st.dictionaries(st.integers(0, 80), st.text(max_size=30), max_size=3),
    name=st.text(max_size=20),
    truth=st.booleans(),
)
def test_any_partial_result_comes_back_as_it_was(
    tmp_path: Path, samples: int, window: int, share: set[int], failed: dict[int, str], name: str, truth: bool
) -> None:
    path = winding_path(samples)
    analysis = empty_analysis(samples, window, truth=path if truth else None)
    analysis.drive_name = name
    for w in windows_of(analysis, path, noise=0.1):
        if w.index in share:
            analysis.merge(w)
    for index, reason in failed.items():
        if index < analysis.n_windows:
            analysis.fail(index, reason)
    store = ResultStore(tmp_path)
    store.save(analysis)
    loaded = store.load(analysis.key)
    assert loaded is not None
    same(analysis, loaded)
    assert loaded.drive_name == name
    assert (loaded.truth is None) == (not truth)
    if truth:
        assert np.array_equal(loaded.truth, path)
        assert np.array_equal(loaded.truth_valid, np.ones(samples, bool))


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_resumed_analysis_equals_an_uninterrupted_one(tmp_path: Path, stop: int) -> None:
    path = winding_path(70)
    whole = empty_analysis(70)
    windows = windows_of(whole, path, noise=0.1)
    whole.merge_all(windows)

    first = empty_analysis(70)
    first.merge_all(windows[:stop])
    write_result(first, tmp_path / "r")
    resumed = read_result(tmp_path / "r")
    assert resumed.pending() == list(range(stop, len(windows)))
    resumed.merge_all(windows[stop:])
    same(whole, resumed, atol=1e-9)
    assert resumed.complete


def test_the_description_says_how_far_the_analysis_got(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    write_result(partial(40, keep=1), folder)
    assert {p.name for p in folder.iterdir()} == {RESULT, SAMPLES, TRANSITIONS}
    told = json.loads((folder / RESULT).read_text())
    assert (told["complete"], told["windows"], told["windows_done"]) == (False, 4, 1)
    analysis = partial(40)
    write_result(analysis, folder)
    assert {p.name for p in folder.iterdir()} == {RESULT, SAMPLES, TRANSITIONS}
    assert json.loads((folder / RESULT).read_text())["complete"]
    assert read_result(folder).complete


def test_another_result_in_the_same_folder_replaces_all_of_it(tmp_path: Path) -> None:
    write_result(partial(40), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    other = partial(50, keep=2)
    write_result(other, tmp_path)
    same(other, read_result(tmp_path))
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_table_reads_without_this_program(tmp_path: Path) -> None:
    analysis = partial(40, keep=2)
    write_result(analysis, tmp_path)
    table = pq.read_table(tmp_path / TRANSITIONS).to_pydict()
    assert table["done"] == analysis.done.tolist()
    assert table["tx"][0] == analysis.relative[0, 0, 3]
    assert table["tx"][-1] is None
    assert table["frame_to"] == analysis.frames[1:].tolist()
    assert json.loads((tmp_path / RESULT).read_text())["rate_hz"] == 2.0


def test_results_are_kept_apart_by_log_view_checkpoint_and_rate(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    analysis = partial(20)
    key = analysis.key
    assert store.load(key) is None
    assert store.save(analysis) == tmp_path / "0123456789abcdef_76543210_fedcba98_2"
    assert store.load(replace(key, rate=2.5)) is None
    assert store.load(replace(key, checkpoint_hash="other")) is None
    assert store.load(replace(key, view="other")) is None
    assert store.load(replace(key, fingerprint="other")) is None
    loaded = store.load(key)
    assert loaded is not None
    assert loaded.key == key == loaded.snapshot().key
    for name in ("../../etc", "a/b", "", "a_b"):
        with pytest.raises(ValueError, match="no key"):
            store.path_of(replace(key, fingerprint=name))
    for name in ("../../etc", "a/b", "a_b"):
        with pytest.raises(ValueError, match="no key"):
            store.path_of(replace(key, view=name))


def test_a_result_from_before_views_were_kept_is_set_aside_with_a_word(tmp_path: Path) -> None:
    messages: list[str] = []
    store = ResultStore(tmp_path, report=messages.append)
    analysis = partial(20)
    key = analysis.key
    analysis.view = ""
    folder = store.save(analysis)
    assert folder.name == "0123456789abcdef_fedcba98_2"
    meta = json.loads((folder / RESULT).read_text())
    del meta["view"]
    (folder / RESULT).write_text(json.dumps(meta))
    assert read_result(folder).view == ""
    assert store.load(key) is None
    assert store.load(key) is None
    assert len(messages) == 1
    assert "camera or crop" in messages[0]
    assert "anew" in messages[0]


def damaged(tmp_path: Path) -> tuple[ResultStore, DriveAnalysis, Path, list[str]]:
    messages: list[str] = []
    store = ResultStore(tmp_path / "store", report=messages.append)
    analysis = partial(40, truth=True)
    return store, analysis, store.save(analysis), messages


def reload(store: ResultStore, analysis: DriveAnalysis) -> DriveAnalysis | None:
    return store.load(analysis.key)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([RESULT, SAMPLES, TRANSITIONS]), data=st.data())
def test_no_damage_to_a_file_can_crash_the_reader(tmp_path: Path, name: str, data: st.DataObject) -> None:
    shutil.rmtree(tmp_path / "store", ignore_errors=True)
    store, analysis, folder, messages = damaged(tmp_path)
    content = bytearray((folder / name).read_bytes())
    if data.draw(st.booleans(), label="cut"):
        content = content[: data.draw(st.integers(0, len(content) - 1), label="at")]
    else:
        for _ in range(data.draw(st.integers(1, 8), label="flips")):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / name).write_bytes(bytes(content))
    loaded = reload(store, analysis)
    if loaded is None:
        assert len(messages) == 1
        assert not folder.exists()
        assert len(list(store.folder.glob("*.bad"))) == 1
    else:
        assert len(loaded) == 40


def edit_meta(folder: Path, **values: object) -> None:
    meta = json.loads((folder / RESULT).read_text())
    (folder / RESULT).write_text(json.dumps({**meta, **values}))


def edit_column(folder: Path, name: str, column: str, values: pa.Array | None) -> None:
    table = pq.read_table(folder / name)
    i = table.column_names.index(column)
    table = table.remove_column(i) if values is None else table.set_column(i, column, values)
    pq.write_table(table, folder / name)


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    good = tmp_path / "good"
    write_result(partial(40, truth=True), good)

    def message(change) -> str:
        folder = tmp_path / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(good, folder)
        change(folder)
        with pytest.raises(StoreError) as caught:
            read_result(folder)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "not the folder of a result" in message(lambda f: (f / RESULT).unlink())
    assert "incomplete" in message(lambda f: (f / TRANSITIONS).unlink())
    assert "schema" in message(lambda f: edit_meta(f, schema=99))
    assert "schema" in message(lambda f: (f / RESULT).write_text("[]"))
    assert "rate_hz" in message(lambda f: edit_meta(f, rate_hz=-1))
    assert "window" in message(lambda f: edit_meta(f, window="16"))
    assert "fingerprint" in message(lambda f: edit_meta(f, fingerprint=None))
    assert "frame: 40 values, expected 41" in message(lambda f: edit_meta(f, samples=41))
    assert "sum_latent" in message(lambda f: edit_meta(f, latent_dim=6))
    assert "weights" in message(lambda f: edit_meta(f, window=12))
    assert "sum_fov" in message(lambda f: edit_column(f, TRANSITIONS, "sum_fov", None))
    nan = pa.array(np.full(39, np.nan))
    assert "not finite" in message(lambda f: edit_column(f, TRANSITIONS, "sum_fov", nan))
    late = pa.array(np.zeros(40))
    assert "time: must increase" in message(lambda f: edit_column(f, SAMPLES, "time", late))


def test_a_result_under_a_wrong_name_and_a_file_in_its_place_are_set_aside(tmp_path: Path) -> None:
    store, analysis, folder, messages = damaged(tmp_path)
    other = replace(analysis.key, fingerprint="ffffffff")
    folder.rename(store.path_of(other))
    assert store.load(other) is None
    assert "another log" in messages[0]
    folder.write_text("what is this")
    assert reload(store, analysis) is None
    store.save(analysis)
    (folder / RESULT).write_text("{")
    assert reload(store, analysis) is None
    assert len(list(store.folder.glob("*.bad*"))) == 3
    store.save(analysis)
    assert reload(store, analysis) is not None


def test_a_save_that_fails_leaves_the_one_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = partial(40, keep=2)
    write_result(analysis, tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OSError, match="no space"):
        write_result(partial(40), tmp_path)
    monkeypatch.undo()
    same(analysis, read_result(tmp_path))
    assert {p.name for p in tmp_path.iterdir()} == {RESULT, SAMPLES, TRANSITIONS}
