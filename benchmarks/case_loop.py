"""Write docs/case-loop.md: what becomes of the failures that docs/case-study.md finds.

A classical second opinion on the worst reversing and the worst medium-curvature segment, a note on each, a training
manifest of the notes and the clips that it gives, all by the real window's keys and commands. Run it from the
repository's root with a display (or under xvfb-run): ``python benchmarks/case_loop.py``. The page's second half is
``case_training.py``'s.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from waiting import wait_for

from lapose_inspector.application import display_problem, make_application

DOCS = Path(__file__).parents[1] / "docs"
CASES = {"reverse": "", "medium": "reverse"}
"""Tag of the triage list -> tag that the segment must not have as well."""
PATIENCE = 600.0
wait = partial(wait_for, seconds=PATIENCE)
TRAINING = "## The next training set"
"""Where the second half of the page begins."""


@dataclass(frozen=True)
class Case:
    """What the window showed of the worst segment with one tag."""

    tag: str
    presses: int
    frames: tuple[int, int]
    seconds: tuple[float, float]
    worst: int
    figures: dict[str, float]
    reference: tuple[float, float, float]
    """The same for the OpenCV reference: degrees, degrees, per cent."""
    note: str
    picture: str


def study(app, tag: str, without: str) -> Case:  # type: ignore[no-untyped-def]
    """Go to the worst segment with ``tag`` and not ``without``, ask the reference, write a note."""
    from lapose_inspector.screenshot import grab_window
    from lapose_inspector.views.annotation_dialog import AnnotationDialog

    window, session, triage = app.window, app.session, app.triage.model
    triage.tags = frozenset({tag})
    triage.choose(None)
    window.activateWindow()
    wait(window.actions_["triage.next"].isEnabled, f"a segment tagged {tag}")
    presses = 0
    while True:
        QTest.keyClick(window, Qt.Key.Key_N)
        presses += 1
        segment = next(row for row in triage.shown if row.id == triage.current).segment
        if without not in segment.tags:
            break
    wait(lambda: app.timeline.frame == segment.worst_frame, "the segment's worst frame")
    part = slice(segment.start, segment.stop - 1)
    theirs = session.comparison.result.errors_b
    rotation, direction = (float(np.degrees(np.nanmedian(v[part]))) for v in (theirs.rotation, theirs.direction))
    reference = (rotation, direction, 100 * float(np.nanmedian(theirs.scale_ratio[part] - 1)))
    figures = {"rotation": segment.rotation, "direction": segment.direction, "scale": 100 * segment.scale}
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
    # The lengths of the steps are further off than their directions, each in its own measure of much.
    slow = abs(segment.scale) / 0.1 > segment.direction / 5.0
    dialog.label.setCurrentText("wrong speed" if slow else "wrong direction")
    dialog.severity.setCurrentIndex(2)
    QTest.keyClicks(dialog.text, note)
    QTest.keyClick(dialog.text, Qt.Key.Key_Return)
    window.show_panel("compare" if tag == "reverse" else "notes")
    wait(lambda: window.video.shown_frame == app.timeline.frame, "the frame")
    QTest.qWait(1500)
    picture = f"case_loop_{tag}.png"
    grab_window(app).save(str(DOCS / picture))
    return Case(
        tag, presses, (segment.first_frame, segment.last_frame), (segment.begin, segment.end), segment.worst_frame,
        figures, reference, note, picture,
    )  # fmt: skip


def section(case: Case) -> str:
    """One case in Markdown."""
    rotation, direction, scale = (case.figures[name] for name in ("rotation", "direction", "scale"))
    nearer = "nearer to" if case.reference[0] < rotation else "further from"
    told = "do tell more of the turn" if case.reference[0] < rotation else "hardly tell more of the turn"
    pressed = "`N`" if case.presses == 1 else f"`N` {case.presses} times, past what reverses as well,"
    return f"""## {case.tag.capitalize()}

With the chip `{case.tag}`, {pressed} goes to frames {case.frames[0]} to {case.frames[1]} ({case.seconds[0]:.1f} to
{case.seconds[1]:.1f} s), worst at frame {case.worst}.

| median over the segment | nano | OpenCV reference |
|---|---|---|
| rotation error | {rotation:.2f}° | {case.reference[0]:.2f}° |
| direction error | {direction:.1f}° | {case.reference[1]:.1f}° |
| step length | {scale:+.0f} % | {case.reference[2]:+.0f} % |

The reference is {nearer} the truth than nano in rotation: the pictures {told} than nano takes from them.
`I` and `O` at the segment's ends, `A`, and the note “{case.note}” is kept.

![{case.tag}]({case.picture})
"""


def main() -> int:
    problem = display_problem()
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        for name in ("CONFIG", "DATA", "CACHE"):
            os.environ.setdefault(f"LAPOSE_{name}_DIR", str(Path(folder) / name.lower()))
        application = make_application()
        from lapose_core.cli import main as run_command
        from lapose_core.training.shards import Shards
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
        app.comparer.compare_reference("opencv")
        wait(lambda: session.comparison.result is not None, "the OpenCV reference")
        wait(lambda: app.triage.settled, "the triage list")
        cases = [study(app, tag, without) for tag, without in CASES.items()]
        app.window.notes.filter.setText("")
        manifest, shards = Path(folder) / "misses.manifest.json", Path(folder) / "shards"
        app.manifests.write(manifest, "notes")
        wait(manifest.exists, "the manifest")
        if run_command(["shards", "--manifest", str(manifest), "--out", str(shards), "--stride", "4"]) != 0:
            raise RuntimeError("lapose shards refused the manifest")
        clips = len(Shards(shards))
        info = session.model_info
        auc = next(row for row in session.comparison.result.rows if row.name == "AUC@5 signed")
        text = f"""# The worked case goes on: a second opinion, notes, and the next training set

Written by `benchmarks/case_loop.py`, which drives the real window: **{info.name}** ({info.checkpoint_hash}) at
{session.rate:g} Hz on the sample drive. It takes up where `case-study.md` ends.

*Analyse › Compare › With OpenCV* gives a second trajectory. {session.comparison.other.how}
{" ".join(session.comparison.other.notes)} Over {auc.clips} clips of 16 samples AUC@5 signed is {auc.a:.1f} for
{info.name} and {auc.b:.1f} for the reference; the difference is {auc.difference:+.1f} [{auc.low:+.1f}, {auc.high:+.1f}]
(95 %, paired bootstrap over clips). One drive of {auc.clips} clips shows where to look, and proves nothing
about others.

{chr(10).join(section(case) for case in cases)}
## From notes to clips

*Annotate › Training manifest › From the notes* writes the {len(session.annotations.notes)} notes as a manifest.
`lapose shards --manifest misses.manifest.json --out shards --stride 4` cut {clips} clips of 16 frames from it in this
run, and `lapose train posttrain --data shards` takes them. So few clips are an example of the way and no training set.

"""
        page = DOCS / "case-loop.md"
        _, *training = page.read_text(encoding="utf-8").split(TRAINING) if page.is_file() else [""]
        page.write_text(text + TRAINING.join(["", *training]), encoding="utf-8")
        app.close()
        application.processEvents()
    print(f"{DOCS / 'case-loop.md'} written")
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a library call that nothing can end may still run
