"""Another package that brings a log reader, as pip would install it."""

from __future__ import annotations

from pathlib import Path

import pytest

import lapose_core.logs as logs


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str) -> None:
    """Another package on the import path that offers ``READER`` of its module ``name``."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[lapose_core.logs]\n{name} = {name}:READER\n")
    monkeypatch.syspath_prepend(str(folder))
    logs._third_party.cache_clear()
