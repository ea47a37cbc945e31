"""Write docs/case-study.md: find nano's reversing and medium-curvature failures in the real window, explain, annotate.

Run it from the repository's root with a display (or under xvfb-run): ``python docs/case_study.py``. Every figure and
picture in the report comes from this run; the keys pressed are those a user presses.
"""

from __future__ import annotations

import html
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from lapose_inspector.application import display_problem, make_application

HERE = Path(__file__).parent
OUT = HERE / "case-study"
CASES = {"reverse": "wrong speed", "medium": "wrong turn"}
"""Tag of the triage list -> label of the note that the worst such segment gets."""
PATIENCE = 600.0


@dataclass(frozen=True)
class Case:
    """What the window showed of the worst segment with one tag."""

    tag: str
    frames: tuple[int, int]
    seconds: tuple[float, float]
    worst: int
    tags: tuple[str, ...]
    figures: dict[str, float]
    why: str
    forward: str
    reference: tuple[float, float]
    note: str
    picture: str


def wait(ready: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Let the window work until ``ready``."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {seconds:g} s")
        QTest.qWait(50)


def plain(text: str) -> str:
    """A label's rich text as sentences."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def study(app, tag: str, label: str) -> Case:  # type: ignore[no-untyped-def]
    """Go to the worst segment with ``tag``, look at it with every instrument, and write a note."""
    from lapose_inspector.screenshot import grab_window
    from lapose_inspector.views.annotation_dialog import AnnotationDialog

    window, session, triage = app.window, app.session, app.triage.model
    triage.tags = frozenset({tag})
    triage.choose(None)
    window.activateWindow()
    wait(window.actions_["triage.next"].isEnabled, f"a segment tagged {tag}")
    QTest.keyClick(window, Qt.Key.Key_N)
    row = next(row for row in triage.shown if row.id == triage.current)
    segment = row.segment
    wait(lambda: app.timeline.frame == segment.worst_frame, "the segment's worst frame")
    QTest.keyClick(window, Qt.Key.Key_W)
    wait(lambda: window.why.shown_transition == session.transition, "the why panel")
    forward_said = lambda: window.forward.shown_transition == session.transition  # noqa: E731
    window.show_panel("forward")
    wait(forward_said, "the forward model's picture")
    loss = session.analysis.cross_entropy
    at = session.transition
    rank = float((loss[np.isfinite(loss)] < loss[at]).mean())
    forward = f"{loss[at]:.2f} nats per code, more than {100 * rank:.0f} % of this drive's transitions"

    part = slice(segment.start, segment.stop - 1)
    errors = session.comparison.result
    reference = tuple(
        float(np.degrees(np.nanmedian(values[part])))
        for values in (errors.errors_b.rotation, errors.errors_b.direction)
    )
    figures = {
        "AUC@5 signed": segment.auc5,
        "rotation, median °": segment.rotation,
        "direction, median °": segment.direction,
        "scale, median %": 100 * segment.scale,
        "ATE cost, m": segment.ate_cost,
        "confidence": segment.confidence,
    }
    for frame, key in ((segment.first_frame, Qt.Key.Key_I), (segment.last_frame, Qt.Key.Key_O)):
        app.timeline.seek(frame)
        QTest.keyClick(window, key)
    app.timeline.seek(segment.worst_frame)
    QTest.keyClick(window, Qt.Key.Key_A)
    dialog = next(d for d in window.findChildren(AnnotationDialog) if d.isVisible())
    note = (
        f"{tag}: rotation {segment.rotation:.2f}°, direction {segment.direction:.1f}°, "
        f"scale {100 * segment.scale:+.0f} % in the median; worst at frame {segment.worst_frame}"
    )
    dialog.label.setCurrentText(label)
    dialog.severity.setCurrentIndex(2)
    QTest.keyClicks(dialog.text, note)
    QTest.keyClick(dialog.text, Qt.Key.Key_Return)
    window.show_panel("why")
    wait(lambda: window.why.shown_transition == session.transition, "the why panel")
    QTest.qWait(1500)
    picture = f"{tag}.png"
    grab_window(app).save(str(OUT / picture))
    return Case(
        tag, (segment.first_frame, segment.last_frame), (segment.begin, segment.end), segment.worst_frame,
        tuple(sorted(segment.tags)), figures, f"{plain(window.why.top.text())} {plain(window.why.bottom.text())}",
        forward, reference, note, picture,
    )  # fmt: skip


def number(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"


def section(case: Case, whole: dict[str, float]) -> str:
    """One case in Markdown."""
    rotation, direction = case.figures["rotation, median °"], case.figures["direction, median °"]
    scale = case.figures["scale, median %"]
    shares = {
        f"the turn (rotation {rotation:.2f}°, {rotation / whole['rotation']:.1f} times the drive's median)":
            rotation / whole["rotation"],
        f"the direction of travel ({direction:.1f}°, {direction / whole['direction']:.1f} times the drive's median)":
            direction / whole["direction"],
        f"the length of the steps ({scale:+.0f} %, the drive's median size is {whole['scale']:.0f} %)":
            abs(scale) / whole["scale"],
    }  # fmt: skip
    main = max(shares, key=lambda words: shares[words])
    signed = "It has the sign of the motion right." if direction < 90 else "It takes the motion for its opposite."
    better = "nearer to" if case.reference[0] < rotation else "further from"
    told = "do tell" if case.reference[0] < rotation else "hardly tell"
    rows = "\n".join(f"| {name} | {number(value)} |" for name, value in case.figures.items())
    return f"""## {case.tag.capitalize()}

Filter the triage list by the tag **{case.tag}**, press N: frames {case.frames[0]} to {case.frames[1]}
({case.seconds[0]:.1f} to {case.seconds[1]:.1f} s), worst at frame {case.worst}; tagged {", ".join(case.tags)}.

| figure of the segment | |
|---|---|
{rows}

What stands out against the rest of the drive is {main}. {signed} The OpenCV reference, which is no truth, has
{case.reference[0]:.2f}° of rotation and {case.reference[1]:.1f}° of direction error here in the median: in rotation
it is {better} the truth than nano, so the pictures {told} more than nano takes from
them. The forward model needs {case.forward}.

The why panel (W) at the worst frame says:

> {case.why}

Marked with I and O, noted with A: “{case.note}”.

![The window at the {case.tag} segment's worst frame](case-study/{case.picture})
"""


def main() -> int:
    problem = display_problem()
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("CONFIG", "DATA", "CACHE"):
            os.environ.setdefault(f"LAPOSE_{name}_DIR", str(Path(folder) / name.lower()))
        application = make_application()
        from lapose_inspector.inspector import Inspector
        from lapose_inspector.models.settings import Folders

        app = Inspector(Folders(), theme="dark", rate=5.0, remember=False)
        window, session = app.window, app.session
        window.resize(1440, 900)
        window.move(0, 0)
        window.show()
        window.reset_layout()
        window.activateWindow()
        app.tour.open_sample()
        wait(lambda: session.analysis is not None and session.analysis.complete, "the analysis")
        wait(lambda: app.triage.settled and bool(app.triage.model.rows), "the triage list")
        wait(lambda: bool(np.isfinite(session.analysis.confidence).all()), "the confidence")
        app.comparer.compare_reference("opencv")
        wait(lambda: session.comparison.result is not None, "the OpenCV reference")
        wait(lambda: app.triage.settled, "the triage list")
        cases = [study(app, tag, label) for tag, label in CASES.items()]
        manifest = OUT / "misses.manifest.json"
        app.window.notes.filter.setText("")
        stretches = len(session.annotations.notes)
        errors = session.errors
        whole = {
            "rotation": float(np.degrees(np.nanmedian(errors.rotation))),
            "direction": float(np.degrees(np.nanmedian(errors.direction))),
            "scale": 100 * float(np.nanmedian(np.abs(errors.scale_ratio - 1))),
        }
        info = session.model_info
        app.manifests.write(Path(folder) / manifest.name, "notes")
        wait(lambda: (Path(folder) / manifest.name).exists(), "the manifest")
        rows = {row.name: row for row in session.comparison.result.rows}
        auc = rows["AUC@5 signed"]
        text = f"""# A worked case: what nano misses on the sample drive

Written by `python docs/case_study.py`, which drives the real window; every figure below comes from that run.
Model **{info.name}** ({info.checkpoint_hash}), {session.rate:g} Hz, sample drive of {len(session.drive)} frames with
exact ground truth. Over the whole drive nano is {whole["rotation"]:.2f}° off in rotation,
{whole["direction"]:.1f}° in direction and {whole["scale"]:.0f} % in step length (medians over transitions).
AUC@5 signed over {auc.clips} clips of 16 samples: nano {auc.a:.1f}, OpenCV reference {auc.b:.1f}, difference
{auc.difference:+.1f} [{auc.low:+.1f}, {auc.high:+.1f}] (95 %, paired bootstrap over clips). One drive of
{auc.clips} clips shows where to look, and proves nothing about others.

{chr(10).join(section(case, whole) for case in cases)}
## What becomes of it

The {stretches} notes lie in the user's data folder, not in the log. *Annotate › Training manifest › From the notes*
writes them as a manifest; `lapose shards --manifest misses.manifest.json --out shards` cuts clips that cover them, and
`lapose train posttrain --data shards` takes these. *Analyse › Compare › With a checkpoint* then shows what the new
checkpoint gained on them and what it lost elsewhere: the table's choice “Not …” is everything else.
"""
        (HERE / "case-study.md").write_text(text, encoding="utf-8")
        app.close()
        application.processEvents()
    print(f"{HERE / 'case-study.md'} written")
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a library call that nothing can end may still run
