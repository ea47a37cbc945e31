"""What is remembered, and what a damaged file does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapose_core.logs.reader import LogOptions
from lapose_inspector.models.settings import RECENT_LIMIT, Folders, Settings, SettingsFile


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "new" / "folder")
    settings = Settings(theme="light", rate=4.0, checkpoint=Path("/models/nano"))
    settings.remember(Path("/logs/a b.mp4"), "drive 3", LogOptions("front", Path("/logs/a.tum"), None, -0.25, "flu"))
    file.save(settings)
    assert file.load() == settings


def test_a_program_run_apart_leaves_the_users_folders_alone(tmp_path: Path) -> None:
    own = Folders.under(tmp_path)
    places = (own.config_dir, own.cache_dir, own.data_dir)
    assert len(set(places)) == 3
    assert all(place.is_relative_to(tmp_path) for place in places)


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    assert SettingsFile(tmp_path).load() == Settings()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 2}',
        '{"rate": -1}',
        '{"theme": "pink"}',
        "\x00\xff",
        '{"recent": [{"path": 3}]}',
    ],
)
def test_a_bad_file_is_set_aside_and_the_start_goes_on(tmp_path: Path, text: str) -> None:
    file = SettingsFile(tmp_path)
    file.path.write_text(text, encoding="utf-8")
    assert file.load() == Settings()
    assert not file.path.exists()
    assert (tmp_path / "settings.json.bad").read_text(encoding="utf-8") == text
    file.save(Settings(theme="light"))
    assert file.load().theme == "light"


def test_fields_of_a_newer_program_are_ignored(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path)
    file.path.write_text(json.dumps({"version": 1, "theme": "light", "telepathy": True}))
    assert file.load().theme == "light"


def test_a_folder_that_cannot_be_written_is_not_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    SettingsFile(in_the_way / "below").save(Settings())
    assert "cannot be written" in caplog.text


@given(st.lists(st.integers(0, 30)))
def test_recent_logs_are_the_newest_once_each(opened: list[int]) -> None:
    settings = Settings()
    for number in opened:
        settings.remember(Path(f"/logs/{number}"))
    expected = list(dict.fromkeys(reversed(opened)))[:RECENT_LIMIT]
    assert [r.path.name for r in settings.recent] == [str(n) for n in expected]
    if opened:
        settings.forget(Path(f"/logs/{opened[-1]}"))
        assert settings.last_log is None
        assert str(opened[-1]) not in [r.path.name for r in settings.recent]
