"""What each log format costs to open and to read; a line of JSON a format, and the table of docs/logs.md.

    .venv/bin/python benchmarks/formats.py [FORMAT ...] [--logs FOLDER] [--table]

Without ``--logs`` a short drive is rendered and written in each format first (``rendered_logs.py``); with it, the logs
of an earlier run are taken from FOLDER, or written there. Times are of one thread: ``list_s`` and ``open_s`` until the
drive is there, ``first_picture_s`` both and the first frame decoded, ``cpu_s`` the processor time of the same, all
after the modules are imported. ``pose_error`` is the largest distance in metres, and in the entries of the rotation,
from the poses that the log was written from.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from rendered_logs import WRITERS, Rendered, write

from lapose_core.drive import Drive
from lapose_core.geometry import invert
from lapose_core.logs import LogOptions, find_reader, list_drives
from lapose_core.logs.sanity import check_poses


def measure(name: str, log: Path) -> dict[str, object]:
    """Open a log twice, the second time with everything imported, and read its frames in and out of order."""
    for _ in range(2):
        began, cpu = time.perf_counter(), time.process_time()
        _, listings = list_drives(log)
        listed = time.perf_counter()
        drive = find_reader(log).open(log, listings[0].key, LogOptions())
        opened = time.perf_counter()
        source = drive.open_frames()
        source.read(0)
        shown, spent = time.perf_counter() - began, time.process_time() - cpu
        source.close()
    out: dict[str, object] = {
        "format": name,
        "reader": drive.format,
        "frames": len(drive),
        "size": f"{drive.width}x{drive.height}",
        "list_s": round(listed - began, 3),
        "open_s": round(opened - listed, 3),
        "first_picture_s": round(shown, 3),
        "cpu_s": round(spent, 3),
    }
    out |= speeds(drive)
    check = check_poses(drive)
    out["poses"] = "none" if drive.poses is None else f"{int(np.asarray(drive.pose_valid).sum())} of {len(drive)}"
    out["pose_error"] = None if drive.poses is None else pose_error(drive)
    out["check"] = "" if check is None else check.words
    out["notes"] = list(drive.notes)
    return out


def speeds(drive: Drive) -> dict[str, float]:
    """Frames a second in order, of the clock and of processor time, and the latter of a read at random."""
    source = drive.open_frames()
    began, cpu = time.perf_counter(), time.process_time()
    count = sum(1 for _ in source.iterate())
    wall, spent = time.perf_counter() - began, time.process_time() - cpu
    source.close()
    source = drive.open_frames()
    order = np.random.default_rng(0).permutation(len(drive))[:20]
    took = []
    for i in order:
        start = time.process_time()
        source.read(int(i))
        took.append(time.process_time() - start)
    source.close()
    return {
        "frames_per_s": round(count / wall, 1),
        "frames_per_cpu_s": round(count / spent, 1),
        "random_read_ms": round(1000 * float(np.median(took)), 1),
    }


def pose_error(drive: Drive) -> float:
    """The largest difference from the poses that were written, from the first frame on."""
    truth = Rendered((16, 16)).world.poses[: len(drive)]
    assert drive.poses is not None
    found = invert(drive.poses[:1]) @ drive.poses
    return float(np.abs(found - invert(truth[:1]) @ truth)[drive.pose_valid].max())


def table(rows: list[dict[str, object]]) -> str:
    """The rows as docs/logs.md has them."""
    heads = ("format", "frames", "frames/s", "random read", "first picture", "largest error of a pose")
    lines = [f"| {' | '.join(heads)} |", "|---|" + "--:|" * 5]
    for r in rows:
        error = "no poses" if r["pose_error"] is None else f"{float(str(r['pose_error'])):.0e}"
        size = str(r["size"]).replace("x", "×")
        cells = (r["format"], size, r["frames_per_cpu_s"], f"{r['random_read_ms']} ms", f"{r['cpu_s']} s", error)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    """Measure the formats that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", default=list(WRITERS), metavar="FORMAT")
    parser.add_argument("--logs", type=Path, metavar="FOLDER")
    parser.add_argument("--table", action="store_true", help="print the table of docs/logs.md in the end")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.formats:
            root = options.logs or Path(scratch)
            paths = root / f"{name}.txt"
            if not paths.is_file():
                paths.write_text(str(write(name, root).relative_to(root)))
            try:
                rows.append(measure(name, root / paths.read_text()))
            except Exception as error:
                rows.append({"format": name, "problem": f"{type(error).__name__}: {error}"})
            print(json.dumps(rows[-1]), flush=True)
    if options.table:
        print(table([r for r in rows if "problem" not in r]))


if __name__ == "__main__":
    main()
