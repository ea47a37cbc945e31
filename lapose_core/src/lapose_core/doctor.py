"""What a bug report needs to know of a machine: versions, device, codecs, screen, space, and how fast it all is."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lapose_core.model.lapose import LaPose

PACKAGES = (
    "torch", "numpy", "av", "simplejpeg", "pyarrow", "numba", "safetensors", "PySide6-Essentials", "vispy", "openTSNE"
)  # fmt: skip
LIBRARIES = ("libavcodec", "libavformat", "libswscale")
COMPILERS = ("c++", "g++", "clang++", "cl")
CODECS = ("h264", "hevc", "av1", "vp9", "mpeg4", "mjpeg")
_SCREEN_PATIENCE = 60.0
"""Seconds that the inspector may take to say what it draws with."""


def facts() -> dict[str, Any]:
    """What there is, section by section; nothing in it names a user or a log."""
    return {
        "program": _program(),
        "machine": _machine(),
        "device": _device(),
        "video": _video(),
        "screen": _screen(),
        "checkpoint": _checkpoint(),
        "cache": _cache(),
    }


def _program() -> dict[str, Any]:
    out: dict[str, Any] = {"python": platform.python_version()}
    for name in ("lapose-core", "lapose-inspector", *PACKAGES):
        try:
            out[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            out[name] = None
    return out


def _machine() -> dict[str, Any]:
    name, flags = platform.processor() or platform.machine(), set()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line.partition(":") for line in info.read_text().splitlines()]
        name = next((value.strip() for key, _, value in lines if key.strip() == "model name"), name)
        flags = set(next((value.split() for key, _, value in lines if key.strip() == "flags"), []))
    out: dict[str, Any] = {"system": f"{platform.system()} {platform.release()}", "processor": name}
    out["cores"] = os.cpu_count()
    out["memory free / total MiB"] = _memory()
    out["load"] = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    out["vector instructions"] = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd") if f in flags]
    return out


def _memory() -> str | None:
    """What programs may still take, and all there is, where the system tells."""
    info = Path("/proc/meminfo")
    if not info.exists():
        return None
    found = {key: int(value.split()[0]) >> 10 for key, _, value in (s.partition(":") for s in info.open())}
    return f"{found.get('MemAvailable', 0)} / {found.get('MemTotal', 0)}"


def _device() -> dict[str, Any]:
    import torch

    from lapose_core.device import choose_device

    device = choose_device()
    out: dict[str, Any] = {"chosen": str(device), "torch built for CUDA": torch.version.cuda}
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        out["name"] = torch.cuda.get_device_name(device)
        out["capability"] = ".".join(map(str, torch.cuda.get_device_capability(device)))
        out["memory free / total MiB"] = f"{free >> 20} / {total >> 20}"
        out["bf16"] = torch.cuda.is_bf16_supported()
    out["driver"] = _driver()
    out["C++ compiler, for --compile"] = next((name for name in COMPILERS if shutil.which(name)), None)
    return out


def _driver() -> str | None:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    try:
        query = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
        return subprocess.run(query, capture_output=True, text=True, timeout=20).stdout.strip() or None
    except (OSError, subprocess.TimeoutExpired):
        return None


def _video() -> dict[str, Any]:
    import av
    from av.codec.codec import UnknownCodecError
    from av.codec.hwaccel import hwdevices_available

    def known(name: str, mode: str) -> bool:
        try:
            av.Codec(name, mode)  # type: ignore[arg-type]
        except UnknownCodecError:
            return False
        return True

    return {
        "FFmpeg": [f"{name} {'.'.join(map(str, av.library_versions[name]))}" for name in LIBRARIES],
        "decoders": [name for name in CODECS if known(name, "r")],
        "encoders": [name for name in ("libx264", "libsvtav1") if known(name, "w")],
        "hardware decoding built in": hwdevices_available(),
    }


def _screen() -> dict[str, Any]:
    """What the inspector draws with. It is asked in a process of its own: this package has no window."""
    if importlib.util.find_spec("lapose_inspector") is None:
        return {"problem": "the inspector is not installed"}
    try:
        asked = subprocess.run(
            [sys.executable, "-m", "lapose_inspector", "--doctor"],
            capture_output=True, text=True, timeout=_SCREEN_PATIENCE,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"problem": f"the inspector does not answer ({type(error).__name__})"}
    try:
        answer = json.loads(asked.stdout.strip().splitlines()[-1])
        return answer if isinstance(answer, dict) else {"problem": asked.stdout.strip()}
    except (IndexError, ValueError):
        said = (asked.stderr or asked.stdout).strip().splitlines()
        return {"problem": said[-1] if said else f"the inspector ended with {asked.returncode}"}


def _checkpoint() -> dict[str, Any]:
    from lapose_core.resources import default_checkpoint
    from lapose_core.training.checkpoints import CheckpointError, checkpoint_hash, load_checkpoint

    try:
        folder = default_checkpoint()
        config = load_checkpoint(folder).config
        size = f"{config.image_width}x{config.image_height}"
        return {"model": config.name, "hash": checkpoint_hash(folder), "image": size}
    except (ValueError, OSError, CheckpointError) as error:
        return {"problem": str(error)}


def _cache() -> dict[str, Any]:
    """Where results and previews go, if the inspector says so with the library it uses; and the space there."""
    folder = Path(tempfile.gettempdir())
    if importlib.util.find_spec("platformdirs") is not None:
        platformdirs = importlib.import_module("platformdirs")
        folder = Path(platformdirs.user_cache_dir("lapose-inspector", appauthor=False))
    used = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) if folder.is_dir() else 0
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return {
        "folder": str(folder).replace(str(Path.home()), "~"),
        "used MiB": used >> 20,
        "free MiB": shutil.disk_usage(there).free >> 20,
        "writable": os.access(there, os.W_OK),
    }


def measurements(seconds: float) -> dict[str, float | str]:
    """How fast decoding, seeking, the model and an analysis are, in about ``seconds`` and the time to make videos.

    The model has the threads that the inspector gives it.
    """
    import torch

    share, threads = seconds / 6, torch.get_num_threads()
    out: dict[str, float | str] = {}
    torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
    try:
        for measure in (_measure_video, _measure_model, _measure_analysis, _measure_attention):
            try:
                out |= measure(share)
            except Exception as error:  # a broken part is what the report is for
                out[f"{measure.__name__[9:]} problem"] = f"{type(error).__name__}: {error}"
    finally:
        torch.set_num_threads(threads)
    return out


def _rate(call: Callable[[], object], seconds: float, least: int = 2) -> float:
    """Mean seconds of a call over about ``seconds``, after one that does not count."""
    call()
    began, count = time.perf_counter(), 0
    while count < least or time.perf_counter() - began < seconds:
        call()
        count += 1
    return (time.perf_counter() - began) / count


def _measure_video(seconds: float) -> dict[str, float | str]:
    from lapose_core.frames.jpeg import Encoder, decode
    from lapose_core.frames.picture import pictures
    from lapose_core.logs import open_log
    from lapose_core.sample_video import write_log

    with tempfile.TemporaryDirectory() as folder:
        drive = open_log(write_log(Path(folder) / "sample.mp4", seconds=20.0, clip=1.0))
        source = drive.open_frames()
        began, count, picture = time.perf_counter(), 0, None
        for _, decoded in pictures(source):
            count, picture = count + 1, decoded
            if time.perf_counter() - began > seconds:
                break
        out: dict[str, float | str] = {"decode 1080p H.264 frames/s": count / (time.perf_counter() - began)}
        source.close()
        rng, times = random.Random(0), list[float]()
        began = time.perf_counter()
        while len(times) < 3 or time.perf_counter() - began < seconds:
            fresh = drive.open_frames()
            target, asked = rng.randrange(len(drive)), time.perf_counter()
            fresh.read(target)
            times.append(time.perf_counter() - asked)
            fresh.close()
        out["random frame without preview, median ms"] = 1e3 * sorted(times)[len(times) // 2]
        assert picture is not None
        encoder = Encoder()
        data = encoder.encode(picture)
        out["make a preview ms"] = 1e3 * _rate(lambda: encoder.encode(picture), seconds / 8)
        out["show a preview ms"] = 1e3 * _rate(lambda: decode(data), seconds / 8)
    return out


def _load_model() -> LaPose:
    """The checkpoint in use on the device in use, or a model of its kind: the cost does not depend on the weights."""
    from lapose_core.device import choose_device
    from lapose_core.model.config import nano
    from lapose_core.model.lapose import LaPose
    from lapose_core.resources import default_checkpoint
    from lapose_core.training.checkpoints import load_checkpoint

    try:
        return load_checkpoint(default_checkpoint(), device=choose_device())
    except ValueError:
        return LaPose(nano()).eval().to(choose_device())


def _measure_model(seconds: float) -> dict[str, float | str]:
    import torch

    from lapose_core.inference.analysis import estimate_windows

    model = _load_model()
    config, device = model.config, next(model.parameters()).device
    images = torch.rand(1, config.window, 3, config.image_height, config.image_width, device=device)
    times = torch.arange(config.window).double()[None] * 0.2
    session, pushed = model.stream(), 0

    def push() -> None:
        nonlocal pushed
        session.push(images[0, pushed % config.window], 0.2 * pushed)
        pushed += 1

    window = _rate(lambda: estimate_windows(model, images, times), seconds)
    frame = _rate(push, seconds / 2, config.window)
    return {
        f"analysis window on {device} ms": 1e3 * window,
        "stream, a frame ms": 1e3 * frame,
        "threads": str(torch.get_num_threads()),
    }


def _measure_analysis(seconds: float) -> dict[str, float | str]:
    """Decoding, resizing and the model at once at 5 Hz, as an open drive is analysed."""
    from lapose_core.inference.analysis import DriveAnalyzer
    from lapose_core.logs import open_log
    from lapose_core.sample_video import write_log

    with tempfile.TemporaryDirectory() as folder:
        drive = open_log(write_log(Path(folder) / "sample.mp4", seconds=60.0, clip=1.0))
        run = DriveAnalyzer(_load_model(), drive, 5.0, checkpoint_hash="doctor", checkpoint_name="doctor")
        steps, began = run.steps(), time.perf_counter()
        for _ in steps:
            if run.analysis.windows_done and time.perf_counter() - began > seconds:
                break
        steps.close()
        taken = time.perf_counter() - began
    return {"analysis of 1080p H.264, times real time": float(run.analysis.done.sum()) / 5.0 / taken}


def _measure_attention(seconds: float) -> dict[str, float | str]:
    """Why ``attention`` is written out on a CPU: the ratio says whether that still holds here."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    q, k, v = (torch.rand(16, 4, 106, 32) for _ in range(3))
    fused = _rate(lambda: scaled_dot_product_attention(q, k, v), seconds / 4)
    written = _rate(lambda: ((q * 32**-0.5) @ k.transpose(-1, -2)).softmax(-1) @ v, seconds / 4)
    return {"attention on CPU, fused / written out": fused / written}


def text(report: dict[str, dict[str, Any]]) -> str:
    """The report as lines to paste."""
    lines = []
    for section, values in report.items():
        lines.append(section)
        for key, value in values.items():
            shown = "–" if value is None or value == [] else value
            if isinstance(value, list) and value:
                shown = ", ".join(map(str, value))
            elif isinstance(value, float):
                shown = f"{value:.4g}"
            lines.append(f"  {key:<40} {shown}")
    return "\n".join(lines)
