"""Exported TUM and KITTI files give evo's command line the errors that we give (evo is GPL: run, not imported)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from export_data import erring

from lapose_core.export.bundle import Choice, export_bundle
from lapose_core.export.formats import Options, write_export


def evo(tmp_path: Path, program: str, *arguments: object) -> str:
    command = Path(sys.executable).with_name(program)
    if not command.is_file() and shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run(
        [str(command), *map(str, arguments)],
        capture_output=True,
        text=True,
        # evo keeps settings in the home folder.
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "MPLBACKEND": "agg"},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rmse(text: str) -> float:
    found = re.search(r"rmse\s+([\d.]+)", text)
    assert found, text
    return float(found.group(1))


@pytest.mark.parametrize(("mode", "flags"), [("raw", []), ("se3", ["-a"]), ("sim3", ["-as"])])
def test_tum_gives_evo_the_same_ape(tmp_path: Path, mode: str, flags: list[str]) -> None:
    analysis = erring(noise=0.05)
    bundle = export_bundle(analysis, Choice(alignment=mode))  # type: ignore[arg-type]
    own = float(np.sqrt((bundle["position_error"] ** 2).mean()))
    assert own > 0.01
    write_export(bundle, "tum", tmp_path / "truth.tum", Options(which="truth"))
    write_export(bundle, "tum", tmp_path / "aligned.tum", Options())
    assert rmse(evo(tmp_path, "evo_ape", "tum", "truth.tum", "aligned.tum")) == pytest.approx(own, abs=1e-6)
    # Aligned by evo itself, from a file that was not.
    raw = export_bundle(analysis, Choice(alignment="raw"))
    write_export(raw, "tum", tmp_path / "raw.tum", Options())
    assert rmse(evo(tmp_path, "evo_ape", "tum", "truth.tum", "raw.tum", *flags)) == pytest.approx(own, abs=1e-6)


def test_kitti_gives_evo_the_same_ape(tmp_path: Path) -> None:
    bundle = export_bundle(erring(noise=0.05))
    write_export(bundle, "kitti", tmp_path / "truth.txt", Options(which="truth"))
    write_export(bundle, "kitti", tmp_path / "predicted.txt", Options())
    own = float(np.sqrt((bundle["position_error"] ** 2).mean()))
    assert rmse(evo(tmp_path, "evo_ape", "kitti", "truth.txt", "predicted.txt")) == pytest.approx(own, abs=1e-6)
