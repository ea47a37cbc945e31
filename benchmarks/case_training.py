"""The second half of docs/case-loop.md: the reversing that nano misses becomes a training set, and what that changed.

    xvfb-run -a python benchmarks/case_training.py --general runs/shards/train --held-out runs/shards/held_out

The real window analyses a set of synthetic drives, filters its triage list, writes the manifest and, once two heads are
trained (one with the manifest's clips, one without: else any gain could be that of more training), compares both with
the bundled checkpoint on that set and on one that nobody triaged. ``--general`` are the clips of ``make nano``. What is
rendered, analysed and trained is kept in ``--work``: run again it goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from waiting import wait_for

from lapose_inspector.application import display_problem, make_application

DOCS = Path(__file__).parents[1] / "docs"
SETS = {"train": (12, 8_000_000), "test": (8, 8_100_000)}
"""Drives and first seed of each set: worlds that nothing was trained on or chosen by."""
RATE = 5.0
FILTER = "auc<60"
PATIENCE = 5400.0
wait = partial(wait_for, seconds=PATIENCE)


@dataclass(frozen=True)
class Gain:
    """A row of the tab *Gained and lost*, as the window shows it."""

    part: str
    clips: str
    a: str
    b: str
    difference: str
    interval: str


def command(*words: object) -> None:
    """Run a ``lapose`` command, or fail."""
    from lapose_core.cli import main as run_command

    if run_command([str(word) for word in words]) != 0:
        raise RuntimeError(f"lapose {' '.join(map(str, words))} failed")


def render(work: Path) -> None:
    """The two sets of drives."""
    for name, (drives, seed) in SETS.items():
        if not (work / name / "done").is_file():
            command(
                "synth", "--out", work / name, "--drives", drives, "--seconds", 20, "--rate", RATE, "--seed", seed,
                "--reverse", "True", "--workers", 1,
            )  # fmt: skip
            (work / name / "done").touch()


def train(options: argparse.Namespace, checkpoint: Path) -> dict[str, Path]:
    """Go on with the head, with the manifest's clips among the others and without; the checkpoints by name."""
    work: Path = options.work
    if not (work / "misses" / "shards.json").is_file():
        command("shards", "--manifest", work / "misses.manifest.json", "--out", work / "misses", "--stride", 4)
    found = {}
    for name, data in {"with": [options.general, work / "misses"], "without": [options.general]}.items():
        found[name] = work / f"nano {name} the misses"
        if not (found[name] / "evaluation.json").is_file():
            mix = ["--mix", 1 - options.share, options.share] if name == "with" else []
            command(
                "train", "posttrain", "--pretrained", checkpoint, "--data", *data, *mix, "--keep-head",
                "--held-out", options.held_out, "--out", found[name], "--cache", options.cache,
                "--training.steps", options.steps, "--training.rate", options.rate,
                "--training.evaluate-every", options.steps, "--device", "cpu",
            )  # fmt: skip
    return found


def open_set(app, path: Path) -> None:  # type: ignore[no-untyped-def]
    """Open the first drive of a set and list the whole of it."""
    listings = app.opener.dataset.listings
    app.open(path)
    wait(lambda: app.opener.dataset.listings not in ((), listings) and not app.opener.busy, "the list of drives")
    app.opener.choose_drive(app.opener.dataset.listings[0].key)
    wait(lambda: app.opener.dataset.current is not None, "the first drive")
    wait(lambda: app.session.analysis is not None and app.session.analysis.complete, "its analysis")


def analyse(app) -> None:  # type: ignore[no-untyped-def]
    """Have the set's other drives analysed from the triage list."""
    model, actions = app.triage.model, app.window.actions_
    model.whole_set = True
    app.window.show_panel("triage")
    wait(lambda: app.triage.settled and bool(model.rows), "the triage list")
    if model.missing:
        wait(actions["triage.analyse_set"].isEnabled, "the command to analyse the set")
        actions["triage.analyse_set"].trigger()
        wait(lambda: not model.doing and not model.missing, "the set's analyses")
    wait(lambda: app.triage.settled, "the triage list")


def compare(app, checkpoint: Path, manifest: Path | None) -> list[Gain]:  # type: ignore[no-untyped-def]
    """The tab *Gained and lost* of a checkpoint over the whole set."""
    session, view = app.session, app.window.compare
    app.comparer.clear()
    session.comparison.marks.clear()
    app.comparer.compare_checkpoint(checkpoint)
    wait(lambda: session.comparison.result is not None, "the comparison")
    wait(app.window.actions_["compare.set"].isEnabled, "the command to compare over the set")
    app.window.actions_["compare.set"].trigger()
    wait(lambda: session.comparison.whole_set is not None, "the comparison over the set")
    if manifest is not None:
        app.comparer.mark_manifest(manifest)
        wait(lambda: bool(session.comparison.marks), "the manifest")
    view.tabs.setCurrentWidget(view.gains)
    rows = [view.gains.topLevelItem(i) for i in range(view.gains.topLevelItemCount())]
    return [Gain(*(row.text(column) for column in range(6))) for row in rows]


def picture(app, name: str) -> None:  # type: ignore[no-untyped-def]
    from lapose_inspector.screenshot import grab_window

    QTest.qWait(1500)
    app.window.status.clearMessage()  # it names a folder of this machine
    grab_window(app).save(str(DOCS / name))


def look_at_worst(app) -> None:  # type: ignore[no-untyped-def]
    """Go to the first segment of the list, in whichever drive it is."""
    session, row = app.session, app.triage.model.shown[0]
    QTest.keyClick(app.window, Qt.Key.Key_N)
    wait(lambda: session.drive is not None and session.drive.fingerprint == row.drive.fingerprint, "the worst drive")
    wait(lambda: session.analysis is not None and session.analysis.complete, "its analysis")
    wait(lambda: app.triage.settled and bool(app.triage.model.shown), "the triage list")


def table(found: dict[str, list[Gain]]) -> str:
    """Gains with and without the manifest's clips beside each other; of kinds without a moving clip there are none."""
    lines = [
        "| clips | n | before | with the misses | gained [95 %] | without them | gained [95 %] |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    control = {gain.part: gain for gain in found["without"]}
    for gain in found["with"]:
        other = control[gain.part]
        if gain.clips == "0":
            continue
        lines.append(
            f"| {gain.part} | {gain.clips} | {gain.a} | {gain.b} | {gain.difference} [{gain.interval}] | {other.b} | "
            f"{other.difference} [{other.interval}] |"
        )
    return "\n".join(lines)


def summary(inside: dict[str, list[Gain]], outside: dict[str, list[Gain]], paths: dict[str, Path]) -> str:
    """What was gained and lost where, beside the same of the head that did not see the misses."""

    def both(found: dict[str, list[Gain]], part: str) -> str:
        first, control = (next(g for g in found[name] if g.part == part) for name in ("with", "without"))
        return f"{first.difference} [{first.interval}], without them {control.difference} [{control.interval}]"

    before, better, control = (
        json.loads((path / "evaluation.json").read_text())["camera_known"]["model"]["auc5_signed"]
        for path in paths.values()
    )
    held = f"{better - before:+.1f}, without them {control - before:+.1f}; no intervals".replace("-", "−")
    return f"""* On the clips of the misses: {both(inside, "of misses")}.
* On reversing in worlds that nobody triaged: {both(outside, "reverse")}.
* On the set's other clips: {both(inside, "Not of misses")}.
* On the clips held out from the first training: {held}."""


def held_out(paths: dict[str, Path]) -> str:
    """The clips of ``make nano`` that are held out: figures of ``lapose train posttrain``, the camera known."""
    lines = ["| held-out clips | n | " + " | ".join(paths) + " |", "|---|--:|" + "--:|" * len(paths)]
    records = {name: json.loads((path / "evaluation.json").read_text())["camera_known"] for name, path in paths.items()}
    first = next(iter(records.values()))
    for regime in ("all", "straight", "gentle", "medium", "sharp", "reverse"):
        of = {name: r if regime == "all" else r["regimes"].get(regime) for name, r in records.items()}
        if all(of.values()):
            count = first["clips"] if regime == "all" else first["regimes"][regime]["clips"]
            scores = " | ".join(f"{row['model']['auc5_signed']:.1f}" for row in of.values())
            lines.append(f"| {regime} | {count} | {scores} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--general", type=Path, default=Path("runs/shards/train"), help="clips of the first training")
    parser.add_argument("--held-out", type=Path, default=Path("runs/shards/held_out"))
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="frozen inputs of those clips")
    parser.add_argument("--work", type=Path, default=Path("runs/case_loop"))
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--share", type=float, default=0.2, help="of the clips drawn, from the manifest")
    options = parser.parse_args()
    problem = display_problem()
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    options.work.mkdir(parents=True, exist_ok=True)
    for name in ("CONFIG", "DATA", "CACHE"):
        os.environ.setdefault(f"LAPOSE_{name}_DIR", str(options.work / name.lower()))
    render(options.work)
    application = make_application()
    from lapose_core.resources import default_checkpoint
    from lapose_core.training.shards import Shards
    from lapose_inspector.inspector import Inspector
    from lapose_inspector.models.settings import Folders

    app = Inspector(Folders(), theme="dark", rate=RATE, remember=False)
    window, triage = app.window, app.triage.model
    window.resize(1440, 900)
    window.move(0, 0)
    window.show()
    window.reset_layout()
    window.activateWindow()
    open_set(app, options.work / "train")
    analyse(app)
    segments = len(triage.rows)
    triage.tags = frozenset({"reverse"})
    reversing = len(triage.shown)
    triage.text = FILTER
    window.triage.filter.setText(FILTER)
    missed = triage.shown
    before = sum(row.segment.auc5 for row in missed) / len(missed)
    drives = len({row.key for row in missed})
    manifest = options.work / "misses.manifest.json"
    manifest.unlink(missing_ok=True)
    app.manifests.write(manifest, "triage")
    wait(manifest.exists, "the manifest")
    look_at_worst(app)
    picture(app, "case_loop_misses.png")
    checkpoint = default_checkpoint()
    trained = train(options, checkpoint)
    inside = {name: compare(app, path, manifest) for name, path in reversed(trained.items())}
    window.show_panel("compare")
    picture(app, "case_loop_gains.png")
    open_set(app, options.work / "test")
    outside = {name: compare(app, path, None) for name, path in reversed(trained.items())}
    clips, general = len(Shards(options.work / "misses")), len(Shards(options.general))
    info = app.session.model_info
    paths = {"before": checkpoint, "with the misses": trained["with"], "without them": trained["without"]}
    text = f"""## The next training set

The same on a set, by `benchmarks/case_training.py`: {SETS["train"][0]} synthetic drives of 20 s, in each of which the
car reverses, from worlds that nothing was trained on; {info.name} ({info.checkpoint_hash}) at {RATE:g} Hz. The switch
*Set* of the triage list says which drives have no results and analyses them in the background.

The chip `reverse` and the filter `{FILTER}` leave {len(missed)} of {segments} segments ({reversing} of them reversing),
in {drives} drives, of mean AUC@5 signed {before:.1f}: the reversing that {info.name} misses. *Annotate › Training
manifest › From the triage list* writes them.

![The reversing that is missed](case_loop_misses.png)

```sh
lapose shards --manifest misses.manifest.json --out misses --stride 4          # {clips} clips of 16 frames
lapose train posttrain --pretrained resources/nano --keep-head --data train misses \\
    --mix {1 - options.share:g} {options.share:g} --held-out held_out --out better \\
    --training.steps {options.steps} --training.rate {options.rate:g}
```

`train` are the {general} clips that {info.name} was trained on, so that nothing else is forgotten. A second head goes
on equally long without the misses: only what the first gains beyond it is owed to them. *Analyse › Compare › With a
checkpoint*, *Over the whole set* and *Clips of a training manifest* then give, as AUC@5 signed:

{table(inside)}

![Gained and lost](case_loop_gains.png)

The misses are training clips now: what is gained on them says that they were learned, not that reversing was. That is
for {SETS["test"][0]} drives of other worlds to say, in which the car reverses too and which nobody triaged:

{table(outside)}

And the clips held out from the first training (`evaluation.json` of each checkpoint, AUC@5 signed, the camera known):

{held_out(paths)}

In short, gained in AUC@5 signed [95 %]:

{summary(inside, outside, paths)}
"""
    (options.work / "training.json").write_text(
        json.dumps({k: {n: [vars(g) for g in v] for n, v in d.items()} for k, d in (("in", inside), ("out", outside))})
    )
    path = DOCS / "case-loop.md"
    kept = path.read_text(encoding="utf-8").split("## The next training set")[0]
    path.write_text(kept + text, encoding="utf-8")
    app.close()
    application.processEvents()
    print(f"{path} written")
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a library call that nothing can end may still run
