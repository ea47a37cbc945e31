"""Runs the benchmarks and writes the tables of docs/performance.md from what they print.

    python benchmarks/run_all.py [--short] [--runs 5] [--only stream,pipeline]

``--short`` takes some ten minutes on two cores with nothing else going on, the full setting an hour and a half. Every
JSON line is appended to docs/performance.jsonl as it comes, so an interrupted run keeps what it has; ``--tables``
writes the tables anew without running anything. Those that open the window get a virtual screen where there is none.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
LINES, PAGE = HERE.parent / "docs" / "performance.jsonl", HERE.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures: benchmarks/run_all.py -->", "<!-- end of figures -->"
# script and variant: whether it opens a window, short options, full options
BENCHMARKS: dict[str, tuple[bool, list[str], list[str]]] = {
    "stream": (False, ["--short"], []),
    "pipeline": (False, ["--short", "--proxy"], ["--proxy"]),
    "scrub": (False, ["--seconds", "60", "--reads", "60", "--seeks", "500"], []),
    "scrub medium": (
        False,
        ["--preset", "medium", "--seconds", "60", "--reads", "60", "--seeks", "500"],
        ["--preset", "medium"],
    ),
    "startup": (True, ["--short"], []),
    "heartbeat": (True, ["--short"], []),
    "latent_search": (False, ["--short"], []),
    "latent_map": (True, ["--short"], []),
    "panels": (True, ["--short"], []),
    "drag": (True, ["--short"], []),
    "soak": (True, ["--short"], []),
}
ONCE = ("soak",)
"""Benchmarks that are long: run once."""


def run(name: str, short: bool) -> dict[str, Any] | None:
    """One run's figures; None, with the reason on stderr, where it failed."""
    window, quick, full = BENCHMARKS[name]
    command = [sys.executable, str(HERE / f"{name.split()[0]}.py"), *(quick if short else full)]
    if window and not os.environ.get("DISPLAY") and shutil.which("xvfb-run"):
        command = ["xvfb-run", "-a", "-s", "-screen 0 1920x1080x24", *command]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if not lines:
        print(done.stderr[-2000:], file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(lines[-1])
    return {**found, "setting": "short" if short else "full", "date": time.strftime("%Y-%m-%d")}


def flat(line: dict[str, Any]) -> dict[str, float]:
    """The numbers of a line by dotted name, ratios first."""
    out: dict[str, float] = {}

    def collect(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                collect(f"{prefix}.{key}" if prefix else key, each)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            out[prefix] = float(value)

    for key in ("ratios", "figures"):
        collect("", line.get(key, {}))
    rest = ("ratios", "figures", "machine", "benchmark", "setting", "date")
    collect("", {k: v for k, v in line.items() if k not in rest})
    return out


def tables(lines: list[dict[str, Any]]) -> str:
    """For every benchmark the median and the range over its runs: those of the full setting, and the short ones."""
    out = []
    for name in BENCHMARKS:
        mine = [line for line in lines if line["benchmark"] == name]
        out += [f"### {name}", ""]
        if not mine:
            out += ["not run yet", ""]
        for setting in ("full", "short"):
            if runs := [line for line in mine if line["setting"] == setting]:
                out += table(runs, next((x["machine"] for x in lines if "machine" in x), {}))
    return "\n".join(out)


def table(runs: list[dict[str, Any]], machine: dict[str, Any]) -> list[str]:
    """One setting's runs, with the machine they were made on where they name it."""
    last = runs[-1]
    machine = last.get("machine") or machine
    where = f"{machine.get('cpu', 'unknown processor')}, {machine.get('cores', '?')} cores"
    said = f"{len(runs)} run{'s' * (len(runs) > 1)}, {last['setting']} setting, {last['date']}, {where}"
    loads = [line["machine"]["load"] for line in runs if line.get("machine", {}).get("load") is not None]
    if loads:
        said += f"; load of the machine at the end {min(loads):.1f} to {max(loads):.1f}"
    out = [said, "", "| figure | median | least | most |", "|---|---|---|---|"]
    numbers = [flat(line) for line in runs]
    for key in numbers[-1]:
        values = [n[key] for n in numbers if key in n]
        out.append(f"| {key} | {np.median(values):.4g} | {min(values):.4g} | {max(values):.4g} |")
    return [*out, ""]


def write_page() -> None:
    """Put the tables of every line so far between their marks in docs/performance.md."""
    lines = [json.loads(text) for text in LINES.read_text().splitlines()] if LINES.exists() else []
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables(lines)}\n{END}{after}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--short", action="store_true")
    options.add_argument("--runs", type=int, default=1)
    options.add_argument("--only", default=",".join(BENCHMARKS))
    options.add_argument("--fresh", action="store_true", help="forget earlier lines")
    options.add_argument("--tables", action="store_true", help="only write the tables anew")
    given = options.parse_args()
    if given.fresh:
        LINES.unlink(missing_ok=True)
    failed = []
    for name in [] if given.tables else given.only.split(","):
        for _ in range(1 if name in ONCE else given.runs):
            line = run(name, given.short)
            if line is None:
                failed.append(name)
                break
            with LINES.open("a") as file:
                file.write(json.dumps(line) + "\n")
    write_page()
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
