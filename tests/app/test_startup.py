"""What the opening screen does not wait for."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("torch", "open3d", "pyarrow", "pandas", "scipy", "sklearn", "openTSNE", "numba", "duckdb", "matplotlib", "cv2")


def test_the_window_comes_before_what_is_slow_to_import() -> None:
    code = f"""
import json, sys
import lapose_inspector.application, lapose_inspector.inspector, lapose_inspector.models.settings
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.strip().splitlines()[-1]) == []
