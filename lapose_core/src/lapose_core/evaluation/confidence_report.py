"""docs/confidence.md and its pictures, from the measurements alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lapose_core.evaluation.confidence import Quality
from lapose_core.evaluation.confidence_data import FRAMES, Measured
from lapose_core.evaluation.numbers import number
from lapose_core.experiments.drawing import BLUE, GREEN, GREY, ORANGE, new_figure, save
from lapose_core.export.files import write_text
from lapose_core.inference.confidence import PARTS, WORST_SHARE, ConfidenceModel

_WORDS = {
    "overlapping windows": "spread of rotation and translation between the windows that saw the transition",
    "time reversal": "how far the motion of the reversed clip is from undoing it",
    "other frame rate": "how far the motion seen at half the rate is from the two transitions after one another",
    "forward prediction": "cross-entropy of the next frame's codes, and what of it such a motion and picture do not "
    "explain",
    "what the action explains": "cross-entropy under a zero action less that under the action",
    "distance to training": "distance of the latent to the nearest one of the training clips",
    "motion and picture": "predicted speed, step and turn, the time that it takes, mean luminance, gradient",
    "known camera": "how much of it the log told the model: nothing, the field of view, the height too",
}


def write_confidence_report(
    path: Path,
    checkpoint: str,
    model: ConfidenceModel,
    calibrate: Measured,
    held_out: Quality,
    told: Mapping[str, Quality],
    ablation: Sequence[tuple[str, float, float]],
    real: Mapping[str, Quality],
    rate: float,
) -> None:
    """Write the report to ``path`` and its pictures to ``<stem>_*.png`` beside it.

    Args:
        told: the held-out drives by what of their camera the model knew.

    Raises:
        OSError: where the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    curve, bars = path.with_name(f"{path.stem}_quality.png"), path.with_name(f"{path.stem}_parts.png")
    _quality_figure(held_out, real, curve)
    _parts_figure(ablation, held_out.auroc, bars)
    low, high = held_out.interval
    used = {part for part, names in PARTS.items() if set(names) & set(model.weights)}
    drives = len(np.unique(calibrate.drive))
    lines = [
        "# Confidence without labels",
        "",
        f"Written by `lapose confidence` for the checkpoint `{checkpoint}` ({model.checkpoint_hash}). Every transition "
        "gets a number between 0 and 1 from what the model sees alone: the probability that its pose error is not "
        f"beyond {model.worst_degrees:.1f}°, which the worst {100 * WORST_SHARE:.0f} % of the calibration transitions "
        "are. Pose error: the larger of rotation and signed direction error; a standing transition (below 0.1 m) that "
        "is predicted to move counts as missed.",
        "",
        f"Calibrated on {len(calibrate) // max(1, len(told))} transitions of {drives} synthetic drives of {FRAMES} "
        f"frames at 1 to 10 Hz, tested on {held_out.transitions // max(1, len(told))} of {held_out.drives} others, "
        f"{_times(len(told))}. The model was trained on none of these worlds, and the test chose nothing. Any other "
        "checkpoint is *not calibrated* and has no confidence until the command was run for it.",
        "",
        "The looks that it needs come after the analysis (in the window by themselves, in `lapose analyze` with "
        "`--confidence`) and cost about as much time as the analysis. `lapose confidence [LOG...]` writes this page, "
        "`confidence.json` and the reference of training latents beside the checkpoint; rendering and encoding the "
        "drives takes minutes once, a new pose head on the same backbone seconds.",
        "",
        "## How good it is",
        "",
        "| drives | transitions | AUROC of the worst tenth [95 %] | worst tenth beyond | Brier | bad: said | bad: is |",
        "|---|---|---|---|---|---|---|",
        _row("held-out synthetic", held_out),
        *(_row(f"of these: {words}", one) for words, one in told.items() if len(told) > 1),
        *(_row(f"{name}, {rate:g} Hz", one) for name, one in real.items()),
        "",
        "AUROC: the probability that a transition of the drives' own worst tenth is less trusted than one of the "
        "others; the interval is by bootstrap over drives. *Bad* is beyond the calibrated threshold: what the "
        "confidence says on average beside what is. On real drives the ranking is what counts; a threshold in degrees "
        "that was set on synthetic drives need not be theirs, and neighbouring transitions of one drive are alike: a "
        "single drive gives no interval.",
        "",
        f"![Risk-coverage and reliability]({curve.name})",
        "",
        "Left: keep only the most trusted share of the transitions, and how many of those kept are of the worst tenth; "
        "the oracle knows the errors. Right: reliability, bins of equally many transitions.",
        "",
        "## What carries it",
        "",
        f"What is used, together: {held_out.auroc:.3f} [{low:.3f}, {high:.3f}]. A part is left out where the errors of "
        "calibration drives that took no part in the fit are predicted no worse without it. Each row is fitted anew.",
        "",
        "| part | what it is | AUROC alone | AUROC of all others | used |",
        "|---|---|---|---|---|",
        *(
            f"| {part} | {_WORDS[part]} | {number(a, 3)} | {number(b, 3)} | {'yes' if part in used else 'no'} |"
            for part, a, b in ablation
        ),
        "",
        f"![AUROC of the parts]({bars.name})",
        "",
        _honestly(ablation, held_out, used),
        "",
    ]
    write_text(path, "\n".join(lines))


def _row(name: str, q: Quality) -> str:
    low, high = q.interval
    span = f" [{low:.3f}, {high:.3f}]" if np.isfinite(low) else ""
    return (
        f"| {name} | {q.transitions} | {number(q.auroc, 3)}{span} | {q.worst_degrees:.1f}° | {q.brier:.3f} | "
        f"{100 * q.expected_share:.0f} % | {100 * q.bad_share:.0f} % |"
    )


def _times(cameras: int) -> str:
    if cameras < 2:
        return "each with the camera unknown to the model"
    return "each seen with the camera unknown to the model, with its field of view known, and with its height too"


def _honestly(ablation: Sequence[tuple[str, float, float]], held_out: Quality, used: set[str]) -> str:
    alone = max(ablation, key=lambda row: row[1])
    missed = max(ablation, key=lambda row: held_out.auroc - row[2])
    left = [part for part, *_ in ablation if part not in used]
    goal = "reaches" if held_out.auroc >= 0.85 else "falls short of"
    return (
        f"The whole {goal} the target of 0.85. The best single part is *{alone[0]}* ({alone[1]:.3f}); the part that "
        f"the others miss most is *{missed[0]}* ({held_out.auroc - missed[2]:+.3f}). The parts overlap: a difference "
        "in the last row of digits is within the interval above. "
        + (f"Left out, because they carry nothing beside the others: {', '.join(left)}." if left else "")
    )


def _quality_figure(held_out: Quality, real: Mapping[str, Quality], path: Path) -> None:
    figure = new_figure(9.0, 3.8)
    left, right = figure.subplots(1, 2)
    left.plot(held_out.coverage, 100 * held_out.risk, color=BLUE, label="held-out synthetic")
    left.plot(held_out.coverage, 100 * held_out.oracle, color=GREY, linestyle=":", label="oracle")
    left.axhline(100 * WORST_SHARE, color=GREY, linewidth=0.8)
    for colour, (name, one) in zip((ORANGE, GREEN), real.items(), strict=False):
        left.plot(one.coverage, 100 * one.risk, color=colour, label=name)
    left.set_xlabel("share kept, the most trusted first")
    left.set_ylabel("of the worst tenth among those kept, %")
    left.legend(frameon=False, fontsize=8)
    right.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    for colour, (name, one) in zip(
        (BLUE, ORANGE, GREEN), {"held-out synthetic": held_out, **real}.items(), strict=False
    ):
        said, true, _ = zip(*one.bins, strict=True)
        right.plot(said, true, "o-", color=colour, markersize=4, label=name)
    right.set_xlabel("confidence")
    right.set_ylabel("share that is good")
    right.set_xlim(0, 1.02)
    right.set_ylim(0, 1.02)
    right.legend(frameon=False, fontsize=8, loc="lower right")
    save(figure, path)


def _parts_figure(ablation: Sequence[tuple[str, float, float]], whole: float, path: Path) -> None:
    figure = new_figure(7.5, 3.2)
    axes = figure.subplots()
    places = np.arange(len(ablation))
    axes.barh(places - 0.2, [row[1] for row in ablation], 0.36, color=BLUE, label="alone")
    axes.barh(places + 0.2, [row[2] for row in ablation], 0.36, color=ORANGE, label="all but it")
    axes.axvline(whole, color=GREY, linestyle=":", label="all")
    axes.set_yticks(places, [row[0] for row in ablation], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0.5, 1.0)
    axes.set_xlabel("AUROC of the worst tenth, held-out drives")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    save(figure, path)
