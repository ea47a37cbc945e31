"""Here also so that pytest puts this folder on the import path: the tests in logs/ share its helpers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from lapose_core.logs.index import ENVIRONMENT

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv(ENVIRONMENT, str(folder))
    return folder
