"""Every export of the sample drive: size, time, and whether somebody else's program reads it back.

    python benchmarks/export.py [--out out/exports] [--rate 5]

Prints a Markdown table, and one JSON line at the end. Formats that need a place on the Earth are written of the drive
with an invented one: the synthetic world has none.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

import lapose_core as lp
from lapose_core.annotations import Annotation, new_id
from lapose_core.export.formats import FORMATS, Options, default_name, write_export
from lapose_core.geodesy import GeodeticOrigin

ROOT = Path(__file__).parents[1]


def by_evo(path: Path) -> str:
    truth = path.with_name("truth.tum")
    command = [str(Path(sys.executable).with_name("evo_ape")), "tum", str(truth), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rmse = next(line.split()[1] for line in done.stdout.splitlines() if line.split()[:1] == ["rmse"])
    return f"evo_ape: rmse {float(rmse):.4f} m"


def by_evo_kitti(path: Path) -> str:
    command = [str(Path(sys.executable).with_name("evo_traj")), "kitti", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return "evo_traj: " + next(line.strip() for line in done.stdout.splitlines() if "poses" in line)


def by_pandas(path: Path) -> str:
    import pandas as pd

    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return f"pandas: {table.shape[0]} x {table.shape[1]}"


def by_mcap(path: Path) -> str:
    from mcap.reader import make_reader
    from mcap_protobuf.decoder import DecoderFactory

    count = 0
    with path.open("rb") as file:
        for schema, channel, message in make_reader(file, validate_crcs=True).iter_messages():
            assert schema is not None
            if channel.message_encoding == "json":
                json.loads(message.data)
            else:
                DecoderFactory().decoder_for("protobuf", schema)(message.data)  # type: ignore[misc]
            count += 1
    return f"mcap reader: {count} messages; our reader: {len(lp.open_log(path))} frames"


def by_rerun(path: Path) -> str:
    from rerun.chunk import RrdReader

    reader = RrdReader(path)
    chunks = sum(1 for _ in reader.stream())
    return f"rerun SDK: {chunks} chunks, {len(reader.blueprints())} blueprint"


def by_open3d(path: Path) -> str:
    import open3d as o3d
    import torch  # noqa: F401

    if path.suffix == ".ply":
        lines = o3d.io.read_line_set(str(path))
        return f"open3d: {len(lines.points)} points, {len(lines.lines)} edges"
    if path.suffix == ".pcd":
        return f"open3d: {len(o3d.io.read_point_cloud(str(path)).points)} points"
    return f"open3d: {len(o3d.io.read_triangle_mesh(str(path)).triangles)} triangles"


def by_json(path: Path) -> str:
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    return f"json: {len(features)} features"


def by_xml(path: Path) -> str:
    return f"ElementTree: {sum(1 for _ in ElementTree.parse(path).iter())} elements"


def by_browser(path: Path) -> str:
    import shutil
    import tempfile

    browser = shutil.which("chromium")
    if browser is None:
        return "no chromium here"
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--dump-dom"]
        done = subprocess.run([*command, path.resolve().as_uri()], capture_output=True, text=True, check=True)
    return f"chromium: {done.stdout.count('<svg')} figures, {done.stdout.count('<img')} pictures"


def by_ffmpeg(path: Path) -> str:
    import av

    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(str(path)) as container:
        words = sum(1 for p in container.demux(container.streams.subtitles) if p.size > 2)
    return f"FFmpeg: {frames} frames, {words} subtitles"


def by_pillow(path: Path) -> str:
    from PIL import Image

    with Image.open(path) as image:
        return f"Pillow: {image.width} x {image.height}"


READERS: dict[str, Callable[[Path], str]] = {
    "tum": by_evo, "kitti": by_evo_kitti, "csv": by_pandas, "parquet": by_pandas, "mcap": by_mcap, "rrd": by_rerun,
    "ply": by_open3d, "pcd": by_open3d, "glb": by_open3d, "geojson": by_json, "kml": by_xml, "gpx": by_xml,
    "html": by_browser, "mp4": by_ffmpeg, "svg": by_xml, "png": by_pillow,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "exports")
    parser.add_argument("--rate", type=float, default=5.0)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    drive = lp.open_log(ROOT / "resources" / "sample_drive")
    level = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    drive = replace(drive, geodetic_origin=GeodeticOrigin(52.5, 13.4, 34.0, level, "invented"))
    began = time.perf_counter()
    result = lp.analyze(drive, rate=chosen.rate)
    seconds = time.perf_counter() - began
    notes = [
        Annotation(new_id(), 30, 70, "drift", "major", "the prediction leaves the lane"),
        Annotation(new_id(), 60, 120, "blur", "minor"),
    ]
    bundle = result.annotated(notes).bundle
    write_export(bundle, "tum", chosen.out / "truth.tum", Options(which="truth"))
    print(
        f"{drive.name}: {len(drive)} frames, {len(bundle)} samples at {chosen.rate:g} Hz, analysed in {seconds:.1f} s\n"
    )
    print("| format | written by | read back by | size, kB | time, s | processor, s |\n|---|---|---|---|---|---|")
    rows = []
    for key, known in FORMATS.items():
        path = chosen.out / default_name(drive.name, key)
        began, busy = time.perf_counter(), time.process_time()
        files = write_export(bundle, key, path)
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
        row = {
            "format": key,
            "written_by": f"{known.module.removeprefix('lapose_core.export.')}.{known.function.lstrip('_')}",
            "read_back_by": READERS[key](path),
            "kilobytes": round(path.stat().st_size / 1000, 1),
            "seconds": round(seconds, 2),
            "cpu_seconds": round(busy, 2),
            "sidecar": len(files) > 1,
        }
        rows.append(row)
        print(
            "| {format} | {written_by} | {read_back_by} | {kilobytes} | {seconds} | {cpu_seconds} |".format(**row),
            flush=True,
        )
    print(json.dumps({"benchmark": "export", "drive": drive.name, "samples": len(bundle), "formats": rows}))


if __name__ == "__main__":
    main()
