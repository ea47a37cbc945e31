"""The package for notebooks: light to import, and the documented tour runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from export_data import NOTES, erring, gapped

import lapose_core as lp
from lapose_core.api import Result
from lapose_core.export.bundle import Choice

ROOT = Path(__file__).parents[2]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, lapose_core; print([m for m in ('torch','numpy','av','matplotlib','pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert set(dir(lp)) >= {"__version__"}
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        lp.analyse  # noqa: B018


def test_the_documented_tour_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Its blocks as one script, in a folder of its own that has the resources beside it."""
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "python_api.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert len(blocks) == 6
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/python_api.md", "exec"), names)
    said = capsys.readouterr().out
    assert "SE(3), 48 of 48 samples matched" in said
    assert "rad | camera-to-world" in said
    assert {p.name for p in tmp_path.iterdir()} == {
        "resources", "out", "drive.parquet", "drive.mcap", "part.tum", "part.tum.annotations.json", "drive.html",
        "drive.html.annotations.json",
    }  # fmt: skip
    result = names["result"]
    assert isinstance(result, Result)
    assert result.drive is not None
    assert len(result.frames) == 48


def test_rows_without_a_value_are_nan() -> None:
    result = Result(gapped())
    assert np.isnan(result.trajectory[30]).all()
    assert np.isnan(result.truth[71]).all()
    assert np.isfinite(result.trajectory[:16]).all()
    assert np.isnan(result.latents[15]).all(), "the last sample of a piece begins no transition"
    assert "32 of 80 samples predicted" in result._repr_html_()


def test_a_part_of_a_result_and_its_notes(tmp_path: Path) -> None:
    result = Result(erring()).annotated(NOTES).part(first=13, last=60)
    table = result.to_pandas()
    assert table.frame.tolist() == list(range(13, 60, 5))
    assert table.attrs["units"]["yaw_rate"] == "rad/s"
    assert [p.name for p in result.export(tmp_path / "a.csv")] == ["a.csv", "a.csv.annotations.json"]
    with pytest.raises(ValueError, match="no format has this suffix; name one of tum"):
        result.export(tmp_path / "a.docx")
    assert result.aligned("raw").choice == Choice(first=13, last=60, alignment="raw")
    assert result.evaluate() is not None
