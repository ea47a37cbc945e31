"""One experiment's result as a file: measured once for each set of settings."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lapose_core.evaluation.evaluate import without_nan
from lapose_core.experiments.context import Context
from lapose_core.export.files import write_text

T = TypeVar("T")
DIGITS = 6  # significant ones of what is written


@dataclass(frozen=True)
class Experiment:
    """One measurement.

    Attributes:
        name: of its file.
        settings: everything that decides the result, as plain values.
        run: measures; what it returns has ``rows``, a list of plain dicts, and may have more beside them. Raises
            Unavailable where something it needs is not here.
    """

    name: str
    settings: Callable[[Context], dict[str, Any]]
    run: Callable[[Context], dict[str, Any]]


def measure(experiment: Experiment, context: Context) -> bool:
    """Run an experiment unless ``out/NAME.json`` holds its result for these very settings; whether it ran.

    The time that is written counts the attempts that were interrupted as well.

    Raises:
        Unavailable: where something it needs is not here.
    """
    path = context.out / f"{experiment.name}.json"
    settings = plain(experiment.settings(context))
    digest = key(settings)
    before = read_record(path)
    if before is not None and before.get("key") == digest:
        return False
    clock = context.work / f"{experiment.name}-{digest}.seconds"  # of attempts that were interrupted
    earlier, began = _number(clock), time.monotonic()
    try:
        found = plain(experiment.run(context))
    except BaseException:
        context.work.mkdir(parents=True, exist_ok=True)
        clock.write_text(f"{earlier + time.monotonic() - began:.1f}")
        raise
    record = {
        "name": experiment.name,
        "key": digest,
        "toy": context.toy,
        "date": datetime.date.today().isoformat(),
        "seconds": round(earlier + time.monotonic() - began, 1),
        "settings": settings,
        **found,
    }
    write_text(path, dumps(record))
    return True


def _number(path: Path) -> float:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return 0.0


def key(settings: Any) -> str:
    """16 hex digits that change with any setting."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def read_record(path: Path) -> dict[str, Any] | None:
    """The record in ``path``, None where there is none or it is not readable as one."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def remembered(path: Path, compute: Callable[[], T]) -> T:
    """What ``path`` holds as JSON, else what ``compute`` gives, kept there: the long parts of an experiment."""
    try:
        found: T = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = plain(compute())
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, dumps(found))
    return found


def plain(value: Any) -> Any:
    """The same nesting as JSON gives it back: lists, text keys, None for what is not finite, six digits."""
    return json.loads(json.dumps(_rounded(without_nan(value)), allow_nan=False))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    if isinstance(value, float) and value and math.isfinite(value):
        return round(value, max(0, DIGITS - 1 - math.floor(math.log10(abs(value)))))
    return value


def dumps(value: Any) -> str:
    """JSON with a line for each field of the two outer levels and for each dict in a list."""
    return _lines(value, 0) + "\n"


def _lines(value: Any, depth: int) -> str:
    pad, end = " " * (depth + 1), " " * depth
    if isinstance(value, dict) and value and depth < 4:
        fields = [f"{pad}{json.dumps(k)}: {_lines(v, depth + 1)}" for k, v in value.items()]
        if any("\n" in f for f in fields) or depth < 2:
            return "{\n" + ",\n".join(fields) + f"\n{end}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(pad + json.dumps(v) for v in value) + f"\n{end}]"
    return json.dumps(value)
