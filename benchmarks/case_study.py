"""The worked case of docs/case-study.md: the real window driven by its keys over the sample drive, and what it says.

    LIBGL_ALWAYS_SOFTWARE=1 xvfb-run -a -s "-screen 0 1920x1080x24" python benchmarks/case_study.py

Writes the page and its pictures. Nothing in it is typed by hand but the sentences between the figures.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from functools import partial
from html import unescape
from pathlib import Path

import numpy as np
import vispy
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from waiting import wait_for

from lapose_core.evaluation.evaluate import number
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.settings import Folders
from lapose_inspector.models.triage import SORT_WORDS, Row, SortKey
from lapose_inspector.models.why_words import check_signs, predicted_motion
from lapose_inspector.screenshot import grab_window

ROOT = Path(__file__).parents[1]
CASES: tuple[tuple[str, str, SortKey], ...] = (
    ("reverse", "Reversing", "AUC@5"),
    ("medium", "Medium curves", "ATE cost"),
)
PATIENCE = 300.0  # seconds
wait = partial(wait_for, seconds=PATIENCE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder for case-study.md and its pictures")
    parser.add_argument("--log", type=Path, default=ROOT / "resources" / "sample_drive")
    options = parser.parse_args()
    QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    vispy.use("pyside6", "gl2")
    application = QApplication([])
    application.setStyle("Fusion")
    with tempfile.TemporaryDirectory() as folder:
        app = Inspector(Folders.under(Path(folder)), theme="dark", remember=False)
        app.window.resize(1440, 900)
        app.window.show()
        app.window.activateWindow()
        app.open(options.log)
        wait(lambda: app.session.drive is not None, "the drive")
        wait(lambda: app.session.analysis is not None and app.session.analysis.complete, "the analysis")
        wait(lambda: bool(np.isfinite(app.session.analysis.confidence).all()), "the confidence")
        wait(lambda: app.triage.settled and listed(app), "the triage list")
        lines = head(app)
        for tag, title, sort in CASES:
            lines += case(app, tag, title, sort, options.out)
        app.window.close()
    (options.out / "case-study.md").write_text("\n".join(lines), encoding="utf-8")


def listed(app: Inspector) -> bool:
    """Whether the list knows the confidence, too, which comes after the rest of an analysis."""
    rows = app.triage.model.rows
    return bool(rows) and all(np.isfinite(row.segment.confidence) for row in rows)


def head(app: Inspector) -> list[str]:
    info, evaluation = app.session.model_info, app.triage.model.evaluation
    assert info is not None
    assert evaluation is not None
    lines = [
        "# A worked case: where the nano model fails on the sample drive, and why",
        "",
        f"Written by `benchmarks/case_study.py`, which drives the real window with its keys: {info.name} "
        f"({info.checkpoint_hash}) at {app.session.rate:g} Hz on `{app.session.drive.name}`.",
        "",
        "How to read it: where the nearest training transitions move otherwise than the truth does, training lacks "
        "such a motion; where only its own action moves the pose, the error is in that action and not in what the head "
        "makes of the others; a sign beyond 95 % of the drive says which look at the pictures disagreed.",
        "",
        "The regime table (Analyse > Triage > Regime table) says where to look:",
        "",
        "| regime | segments | AUC@5 signed | constant-forward | skill | scale error |",
        "|---|---|---|---|---|---|",
    ]
    for name, s in [("all", evaluation.overall), *evaluation.regimes.items()]:
        if name in ("all", "straight", "gentle", "medium", "sharp", "reverse", "standstill", "hard braking"):
            lines.append(
                f"| {name} | {s.clips} | {number(s.model['auc5_signed'], 1)} | {number(s.forward['auc5_signed'], 1)} | "
                f"{number(s.skill_auc5_signed, 2)} | {number(100 * s.model['scale_error'], 0)} % |"
            )
    return [*lines, ""]


def case(app: Inspector, tag: str, title: str, sort: SortKey, out: Path) -> list[str]:
    """Filter by a tag, go to the worst segment with N, ask why with W, take the picture."""
    app.triage.model.tags = frozenset({tag})
    app.triage.model.sort = sort
    app.triage.model.choose(None)
    for key in (Qt.Key.Key_N, Qt.Key.Key_W):
        QTest.keyClick(QApplication.focusWidget() or app.window, key)
    rows = app.triage.model.shown
    if not rows:
        return [f"## {title}", "", "No segment of this drive is of the kind.", ""]
    why = app.window.why
    wait(lambda: why.shown_transition == app.session.transition, "the explanation")
    wait(lambda: app.window.video.shown_frame == app.timeline.frame, "the frame")
    wait(lambda: app.window.triage.settled, "the pictures")
    wait(lambda: not app.window.latent_map.refining, "the map")
    QTest.qWait(800)
    picture = out / f"case_{tag}.png"
    grab_window(app).save(str(picture))
    return [
        f"## {title}",
        "",
        f"The chip `{tag}` leaves {len(rows)} segment{'' if len(rows) == 1 else 's'}, sorted by *{SORT_WORDS[sort]}*; "
        "`N` goes to the worst frame of the first, `W` asks why.",
        "",
        *[f"* {words(row)}" for row in rows[:3]],
        "",
        "What the why panel says there:",
        "",
        *[f"> {line}  " for line in plain(why.top.text()).splitlines() if line.strip()],
        "",
        *[f"* {line}" for line in evidence(app)],
        "",
        f"![{title}]({picture.name})",
        "",
    ]


def evidence(app: Inspector) -> list[str]:
    """What the instruments show at the cursor, in numbers."""
    found, analysis = app.window.why.explanation, app.session.analysis
    assert found is not None
    assert analysis is not None
    speed, turn = predicted_motion(app.session, found.transition)
    near = ", ".join(f"{n.speed:.1f} m/s at {np.degrees(n.yaw_rate):+.1f} °/s" for n in found.neighbours[:3])
    s = found.sensitivity
    others = np.delete(s.translation, s.at)
    checks = [
        f"{c.name.lower()} {c.here} (usual {c.usual})" for c in check_signs(app.session, found.transition) if c.notable
    ]
    lines = [
        f"Predicted {speed:.1f} m/s at {np.degrees(turn):+.1f} °/s. The nearest training transitions: {near}.",
        f"Without its own action the pose moves by {s.translation[s.at]:.2f} m and turns by "
        f"{np.degrees(s.rotation[s.at]):.2f}°; without any other one of the window by {others.max():.2f} m at most.",
    ]
    lines.append("Beyond 95 % of this drive: " + ("; ".join(checks) if checks else "no sign of the checks") + ".")
    return [line.replace("+-", "−").replace(" -", " −") for line in lines]


def words(row: Row) -> str:
    s = row.segment
    return (
        f"{s.begin:.1f} to {s.end:.1f} s: AUC@5 {number(s.auc5, 0)} (constant-forward {number(s.auc5_forward, 0)}), "
        f"rotation {number(s.rotation, 2)}°, direction {number(s.direction, 1)}°, step length "
        f"{number(100 * s.scale, 0)} % off, costs the drive's ATE {number(s.ate_cost, 2)} m, confidence "
        f"{number(s.confidence, 2)}"
    ).replace(" -", " −")


def plain(rich: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", rich.replace("<br>", "\n")))


if __name__ == "__main__":
    main()
