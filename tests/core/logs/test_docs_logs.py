"""What docs/logs.md says: its example reader works as it stands there, and its links lead somewhere."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conformance import Conformance, Expected
from foreign_package import install
from log_files import write_pictures

import lapose_core.logs as logs
from lapose_core.drive import Image, LogError
from lapose_core.logs import open_log

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "logs.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert len(found) == 1
    return found[0]


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    entry = re.fullmatch(r'\[project.entry-points."lapose_core.logs"\]\n(\w+) = "(\w+):READER"\n', block("toml"))
    assert entry is not None
    install(tmp_path / "site", monkeypatch, entry[2], block("python"))
    TestTheExample.reader = importlib.import_module(entry[2]).READER
    yield
    del sys.modules[entry[2]]
    logs._third_party.cache_clear()


class TestTheExample(Conformance):
    """The reader in the docs, through the suite of ours."""

    def write_log(self, folder: Path) -> Expected:
        write_pictures(folder, 5, name="shot{}.png")
        times = np.array([0.0, 0.1, 0.2, 0.35, 0.4])
        index = folder / "acme.csv"
        index.write_text("".join(f"{100 + t},shot{i}.png\n" for i, t in enumerate(times)))
        files = (index, folder / "shot3.png")
        return Expected(folder, "drive", 24, 16, times, files=files, picture=picture)

    def test_it_opens_by_its_entry_point(self, tmp_path: Path) -> None:
        log = self.write_log(tmp_path / "log")
        assert open_log(log.path).format == "acme"

    def test_no_picture_is_read_outside_the_log(self, tmp_path: Path) -> None:
        log = self.write_log(tmp_path / "log")
        (log.path / "acme.csv").write_text("0,../secret.png\n")
        with pytest.raises(LogError, match="leads out"):
            open_log(log.path)


def picture(i: int) -> Image:
    return np.full((16, 24, 3), (i * 9, 255 - i, 40), np.uint8)


def test_every_link_leads_to_a_page_and_every_page_is_linked() -> None:
    linked = set(re.findall(r"\]\((logs/[^)]+)\)", TEXT))
    there = {f"logs/{page.name}" for page in (DOCS / "logs").glob("*.md")}
    assert linked == there
