"""docs/results.json, and docs/results.md with its pictures, which are made of that file alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lapose_core.drive import LogError
from lapose_core.experiments.plots import PLOTS
from lapose_core.experiments.record import dumps, read_record
from lapose_core.experiments.sections import SECTIONS, TITLES
from lapose_core.experiments.targets import targets
from lapose_core.export.files import write_text

FORMAT, VERSION = "lapose-results", 1

_FIELDS = ("name", "key", "toy", "date", "seconds", "settings", "rows")

Results = dict[str, dict[str, Any]]  # experiment -> its record

_HEAD = """# Results

Written by `lapose experiments report` from [results.json](results.json); do not edit. Measured by `lapose experiments
run nano`.

The synthetic test split is worlds, textures and cameras that neither training nor the choice of the recipe saw.
**Skill** is (AUC - AUC of constant-forward) / (100 - AUC of constant-forward) of the signed AUC@5: 0 is what an
estimate scores that never looks at a picture, 1 is perfect. Brackets are 95 % bootstrap intervals over clips. AUC is
over all pairs of a clip's frames and signed (backwards for forwards is wrong); standing clips are left out of AUC,
ATE-S and scale. ATE is after SE(3) alignment of each clip, ATE-S with both trajectories divided by the mean distance
from their first camera. The scale error is the median, everything else a mean over clips.
The time under a section is that of the run which wrote it: what an earlier run had left of it is not counted.
"""


def collect(folder: Path, path: Path) -> None:
    """Put the experiments of ``folder`` into the file ``path``; those that only the file has stay there.

    Raises:
        LogError: where there is nothing to collect, or the file is not one of ours.
    """
    results = _experiments(path) if path.is_file() else {}
    for name in TITLES:
        record = read_record(folder / f"{name}.json")
        if record is not None:
            results[name] = _checked(record, name, folder / f"{name}.json")
    if not results:
        raise LogError(f"{folder}: no experiment is here; make them with 'lapose experiments run nano'")
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = {name: _checked(results[name], name, path) for name in TITLES if name in results}
    write_text(path, dumps({"format": FORMAT, "version": VERSION, "experiments": ordered}))


def read_results(path: Path) -> Results:
    """The records of a results file.

    Raises:
        LogError: where it is missing or not one of ours.
    """
    return {name: _checked(record, name, path) for name, record in _experiments(path).items()}


def _experiments(path: Path) -> Results:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise LogError(f"{path}: field 'format' or 'version' is not {FORMAT!r} {VERSION}; it is another program's")
        experiments = document["experiments"]
        return {name: experiments[name] for name in TITLES if name in experiments}
    except FileNotFoundError:
        raise LogError(f"{path}: no such file; 'lapose experiments report' without --from makes it") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LogError(f"{path}: not readable as results ({error!r}); make it again") from error


def _checked(record: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    missing = [field for field in _FIELDS if field not in record]
    if missing or record["name"] != name:
        what = f"has no field {missing[0]!r}" if missing else f"is that of {record['name']!r}"
        raise LogError(f"{path}: the record of {name!r} {what}; run the experiment again")
    return record


def write_results(results: Results, out: Path) -> None:
    """Write ``out/results.md`` and the pictures in ``out/results``; pictures of what was not run are removed."""
    pictures = out / "results"
    pictures.mkdir(parents=True, exist_ok=True)
    for name, draw in PLOTS.items():
        path = pictures / f"{name}.png"
        if not draw(results, path):
            path.unlink(missing_ok=True)
    write_text(out / "results.md", markdown(results, pictures))


def markdown(results: Results, pictures: Path) -> str:
    """The page about results whose pictures have been drawn."""
    parts = [_HEAD, _measured(results), "## Targets\n", targets(results)]
    for name, title in TITLES.items():
        parts.append(f"## {title}\n")
        record = results.get(name)
        if record is None:
            parts.append(f"Not run (`lapose experiments run nano --only {name}`).\n")
            continue
        parts.append(SECTIONS[name](record, results))
        notes = record.get("notes") or []
        parts += [f"- Left out: {note}\n" for note in notes]
        parts += [
            f"![{title}](results/{picture}.png)\n"
            for picture in PLOTS
            if picture.split("-")[0] == name and (pictures / f"{picture}.png").is_file()
        ]
        parts.append(f"<sub>`{name}`, {record['date']}, {_minutes(record['seconds'])}</sub>\n")
    return "\n".join(parts).rstrip() + "\n"


def _measured(results: Results) -> str:
    by_checkpoint: dict[str, list[str]] = {}
    for name, record in results.items():
        settings = record["settings"]
        for kind in ("checkpoint", "backbone", "codec"):
            if kind in settings:
                by_checkpoint.setdefault(f"{kind} `{settings[kind]}`", []).append(name)
                break
    lines = [f"- {what}: {', '.join(names)}" for what, names in by_checkpoint.items()]
    several = sum(what.startswith("checkpoint") for what in by_checkpoint) > 1
    if several:
        lines.append("- **These are several checkpoints: figures of different ones do not compare.**")
    toys = [name for name, record in results.items() if record["toy"]]
    if toys:
        lines.append(f"- **Toy size (`--quick`), which says nothing of the method: {', '.join(toys)}.**")
    missing = [name for name in TITLES if name not in results]
    lines.append(f"- Not run: {', '.join(missing)}" if missing else "- All experiments were run.")
    return "\n".join(lines) + "\n"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
