"""A page about one analysed drive: figures beside constant-forward, regimes, plots; one file, no network."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from lapose_core.annotations import Annotation
from lapose_core.drive import Drive
from lapose_core.evaluation.aligned import AlignedSegment, aligned_segment, analysis_clips
from lapose_core.evaluation.evaluate import METRIC_SETTINGS, Clip, Evaluation, Summary, evaluate_clips
from lapose_core.evaluation.metrics import Alignment
from lapose_core.evaluation.numbers import number
from lapose_core.evaluation.regimes import TRANSITION_NAMES, transition_regimes
from lapose_core.evaluation.report_plots import latent_svg, tracks_svg, trajectory_svg
from lapose_core.evaluation.report_segments import SHOWN, Thumbnails, notes_section, worst_section, worst_segments
from lapose_core.evaluation.segments import Segment
from lapose_core.export.files import Progress, no_progress, write_text
from lapose_core.inference.result import DriveAnalysis
from lapose_core.palette import PREDICTION, TRUTH

_ROWS = (  # figure, its name, unit, factor, digits, what it says
    (
        "auc5_signed",
        "AUC@5, signed",
        "",
        1.0,
        1,
        "larger of rotation and direction error, all pairs, up to 5°",
    ),
    ("auc5", "AUC@5, unsigned", "", 1.0, 1, "as published: backwards for forwards counts as right"),
    ("auc30_signed", "AUC@30, signed", "", 1.0, 1, "up to 30°"),
    ("auc30", "AUC@30, unsigned", "", 1.0, 1, ""),
    ("rra5", "RRA@5", "%", 1.0, 1, "pairs with rotation error below 5°"),
    ("rta5_signed", "RTA@5, signed", "%", 1.0, 1, "pairs with direction error below 5°"),
    (
        "ate_s",
        "ATE-S, origin",
        "×10⁻²",
        100.0,
        2,
        "scale removed by the mean distance from the clip's first camera",
    ),
    ("ate_s_centroid", "ATE-S, centroid", "×10⁻²", 100.0, 2, "the same by the distance from the centroid"),
    ("ate_s_step", "ATE-S, step", "×10⁻²", 100.0, 2, "the same by the mean step"),
    ("ate_m", "ATE-M", "m", 1.0, 2, "metric, after SE(3) alignment of each clip"),
    ("scale_error", "scale error, median", "", 1.0, 3, "|predicted step / true step − 1|"),
    ("rpe_translation", "RPE translation", "m/s", 1.0, 3, "relative pose over one second"),
    ("rpe_rotation", "RPE rotation", "°/s", 1.0, 3, ""),
)

_CSS = f"""
:root {{ color-scheme: light; }}
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1d2330; background: #fff; margin: 0 auto;
  max-width: 1080px; padding: 24px; }}
h1 {{ font-size: 26px; margin: 0 0 4px; overflow-wrap: anywhere; }}
h2 {{ font-size: 18px; margin: 32px 0 8px; border-bottom: 1px solid #d4d9e1; padding-bottom: 4px; }}
p {{ margin: 6px 0; }}
.muted {{ color: #657084; font-size: 13.5px; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }}
th, td {{ padding: 4px 10px; text-align: right; border-bottom: 1px solid #e9ecf1; white-space: nowrap; }}
th {{ font-weight: 600; color: #4b5363; }}
th:first-child, td:first-child, .words {{ text-align: left; }}
.words {{ white-space: normal; color: #657084; font-size: 13px; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 8px 0; }}
dt {{ color: #657084; }} dd {{ margin: 0; overflow-wrap: anywhere; }}
.wide {{ overflow-x: auto; }}
.figure svg {{ max-width: 100%; height: auto; }}
.pair {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 16px; }}
.frames {{ display: grid; grid-template-columns: repeat(4, 1fr); gap: 6px; }}
.frames img {{ width: 100%; display: block; border-radius: 3px; }}
.frames figure {{ margin: 0; }} .frames figcaption {{ font-size: 12px; color: #657084; }}
.key {{ display: inline-block; width: 22px; height: 4px; vertical-align: middle; margin: 0 6px 0 12px; }}
.prediction {{ background: {PREDICTION}; }} .truth {{ background: {TRUTH}; }}
.shots td {{ vertical-align: top; }}
.shots img {{ width: 200px; display: block; border-radius: 3px; }}
details {{ border-top: 1px solid #d4d9e1; padding: 8px 0; }}
summary {{ font-size: 18px; cursor: pointer; }}
.warning {{ background: #fff4e0; border-left: 4px solid #e6a23c; padding: 6px 12px; }}
"""


@dataclass(frozen=True)
class Subject:
    """An analysed drive to report on, with its log for pictures, and its annotations."""

    analysis: DriveAnalysis
    drive: Drive | None = None
    annotations: tuple[Annotation, ...] = ()


def write_report(
    analysis: DriveAnalysis,
    out: Path,
    *,
    alignment: Alignment = "se3",
    drive: Drive | None = None,
    annotations: tuple[Annotation, ...] = (),
    progress: Progress = no_progress,
) -> Evaluation | None:
    """Write ``out``, one HTML file that opens without a network; returns the figures, None without ground
    truth.

    The truth is the one the analysis carries; ``drive`` only lends pictures.

    Raises:
        ValueError: where nothing is analysed yet, or ``out`` cannot be a file.
    """
    body, clips = _body(Subject(analysis, drive, annotations), alignment, progress)
    title = (
        f"<h1>{escape(analysis.drive_name)}</h1><p class=muted>LA-Pose report {_key(analysis.truth is not None)}</p>"
    )
    write_text(out, _page(analysis.drive_name, title + body))
    return evaluate_clips(clips) if clips else None


def write_set_report(
    subjects: Sequence[Subject], out: Path, *, alignment: Alignment = "se3", progress: Progress = no_progress
) -> Evaluation | None:
    """Write ``out``, one HTML file about several drives: figures over all of them, the worst segments of all, a line a
    drive, and below each drive's own report, folded; returns the figures over all, None without ground truth.

    Raises:
        ValueError: where a drive has nothing analysed, or ``out`` cannot be a file.
    """
    bodies, clips, lines = [], [], []
    worst: list[tuple[Segment, Thumbnails]] = []
    with contextlib.ExitStack() as open_logs:
        for number_, subject in enumerate(subjects):
            analysis = subject.analysis

            def told(share: float, done: int = number_) -> None:
                progress((done + share) / len(subjects))

            told(0.0)
            body, own = _body(subject, alignment, told)
            clips += own
            lines.append(_line(subject, evaluate_clips(own) if own else None))
            name = escape(analysis.drive_name)
            bodies.append(f"<details id=d{number_}><summary>{name}</summary>{body}</details>")
            pictures = open_logs.enter_context(Thumbnails(subject.drive))
            worst += [(segment, pictures) for segment in worst_segments(analysis, subject.drive)]
        worst.sort(key=lambda row: (not np.isfinite(row[0].auc5), row[0].auc5, row[0].confidence))
        shown = worst_section(worst[: 3 * SHOWN], name_drives=True)
    evaluation = evaluate_clips(clips) if clips else None
    some = any(subject.analysis.truth is not None for subject in subjects)
    words = f"{len(subjects)} drives"
    head = (
        f"<h1>{words}</h1><p class=muted>LA-Pose report {_key(some)}</p>{_figures(subjects[0].analysis, evaluation)}"
        f"{_regimes([s.analysis for s in subjects], evaluation) if evaluation else ''}"
        "<h2>Drives</h2><div class=wide><table><tr><th>drive</th><th>clips</th><th>AUC@5 signed</th><th>forward</th>"
        f"<th>skill</th><th>ATE-M, m</th><th>scale error</th><th>annotations</th></tr>{''.join(lines)}</table></div>"
        f"{shown}<h2>Each drive</h2>{''.join(bodies)}"
    )
    write_text(out, _page(words, head))
    return evaluation


def _body(subject: Subject, alignment: Alignment, progress: Progress = no_progress) -> tuple[str, list[Clip]]:
    """A drive's sections, and its clips with known truth."""
    analysis, drive = subject.analysis, subject.drive
    pieces = analysis.segments()
    if not pieces:
        raise ValueError(f"{analysis.drive_name}: nothing is analysed yet, so there is nothing to report")
    segments = [aligned_segment(analysis, a, b, alignment) for a, b in pieces]
    clips = analysis_clips(analysis, analysis.window)
    evaluation = evaluate_clips(clips) if clips else None
    progress(0.3)
    with Thumbnails(drive) as pictures:
        worst = worst_section([(segment, pictures) for segment in worst_segments(analysis, drive)])
    progress(0.5)
    notes = notes_section(subject.annotations, drive, analysis)
    progress(0.6)
    plots = _plots(analysis, segments)
    progress(0.8)
    body = [
        _head(analysis, segments, drive),
        _figures(analysis, evaluation),
        _regimes([analysis], evaluation) if evaluation else "",
        worst,
        notes,
        plots,
        _pictures(drive, analysis) if drive is not None else "",
        _method(analysis, segments, evaluation),
    ]
    progress(0.95)
    return "\n".join(part for part in body if part), clips


def _page(name: str, body: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(name)} · LA-Pose report</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<style>{_CSS}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _key(truth: bool) -> str:
    key = '<span class="key prediction"></span>prediction'
    return key + '<span class="key truth"></span>truth' if truth else key


def _line(subject: Subject, evaluation: Evaluation | None) -> str:
    name = f"<td>{escape(subject.analysis.drive_name)}</td>"
    if evaluation is None:
        cells = ["–"] * 6
    else:
        s = evaluation.overall
        cells = [
            f"{s.clips}",
            number(s.model["auc5_signed"], 1),
            number(s.forward["auc5_signed"], 1),
            number(s.skill_auc5_signed, 2),
            number(s.model["ate_m"], 2),
            number(s.model["scale_error"], 2),
        ]
    return f"<tr>{name}" + "".join(f"<td>{c}</td>" for c in [*cells, str(len(subject.annotations))]) + "</tr>"


def _definitions(pairs: list[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs) + "</dl>"


def _head(analysis: DriveAnalysis, segments: list[AlignedSegment], drive: Drive | None) -> str:
    done = int(analysis.done.sum())
    seconds = float(analysis.times[-1] - analysis.times[0])
    length = float(np.linalg.norm(analysis.relative[analysis.done, :3, 3], axis=1).sum())
    pairs = [
        # Its name and not its path: a report travels.
        ("log", Path(analysis.drive_path).name),
        ("model", f"{analysis.checkpoint_name}, checkpoint {analysis.checkpoint_hash}"),
        ("rate", f"{analysis.rate:g} Hz asked for; {len(analysis)} samples over {seconds:.1f} s"),
        ("analysed", f"{done} of {len(analysis.done)} transitions, predicted path {length:.1f} m"),
        ("alignment", _alignment(analysis, segments)),
    ]
    if drive is not None:
        pairs.insert(1, ("frames", f"{len(drive)}, {drive.width}x{drive.height}, {drive.rate:.3g} Hz"))
    warnings = ""
    if analysis.failed_windows:
        reason = next(iter(analysis.failed_windows.values()))
        warnings += (
            f'<p class="warning">{len(analysis.failed_windows)} of {analysis.n_windows} windows have no '
            f"result. The first: {escape(reason)}</p>"
        )
    if len(segments) > 1:
        how = (
            "Each is aligned by itself, which flatters a trajectory."
            if any(s.similarity for s in segments)
            else "Each begins at the same place, for want of a truth that could tell where."
        )
        warnings += f'<p class="warning">The prediction is in {len(segments)} pieces that do not join. {how}</p>'
    return _definitions(pairs) + warnings


def _alignment(analysis: DriveAnalysis, segments: list[AlignedSegment]) -> str:
    """The alignment in words, and the error of the whole drive's trajectory under it."""
    longest = max(segments, key=lambda s: s.stop - s.start)
    words = longest.alignment if len(segments) == 1 else f"longest piece: {longest.alignment}"
    matched = [s for s in segments if s.similarity is not None]
    if analysis.truth is None or not matched:
        return words
    squared = [((s.poses[:, :3, 3] - analysis.truth[s.start : s.stop, :3, 3])[s.matched] ** 2).sum(1) for s in matched]
    return f"{words}; root mean square distance {np.sqrt(np.concatenate(squared).mean()):.2f} m"


def _figures(analysis: DriveAnalysis, evaluation: Evaluation | None) -> str:
    if evaluation is None:
        why = (
            "The log has no ground-truth poses, so there are no pose errors to report."
            if analysis.truth is None
            else "No stretch of the analysed drive has known poses for long enough to make a clip."
        )
        entropy = analysis.cross_entropy[analysis.done]
        pairs = [("forward model", f"{number(float(entropy.mean()), 3)} nats per code, mean over transitions")]
        several = analysis.done & (analysis.translation_spread > 0)
        if several.any():
            metres = float(np.median(analysis.translation_spread[several]))
            degrees = float(np.degrees(np.median(analysis.rotation_spread[several])))
            words = f"{metres:.3f} m and {degrees:.3f}°, median standard deviation where windows overlap"
            pairs.append(("windows disagree by", words))
        return f"<h2>Figures</h2><p>{why} What the model says of itself:</p>{_definitions(pairs)}"
    s = evaluation.overall
    rows = []
    for name, label, unit, factor, digits, words in _ROWS:
        model, forward, low, high = (
            number(factor * v, digits) for v in (s.model[name], s.forward[name], *s.intervals[name])
        )
        span = "–" if low == "–" else f"[{low}, {high}]"
        rows.append(
            f"<tr><td>{label}</td><td>{model}</td><td>{span}</td><td>{forward}</td><td>{unit}</td>"
            f"<td class=words>{words}</td></tr>"
        )
    standing = s.clips - s.counted
    note = f"{s.clips} clips of up to {analysis.window} samples"
    if standing:
        note += f"; {standing} of them stand still and are left out of all but ATE-M and RPE"
    skill = number(s.skill_auc5_signed, 3)
    return (
        "<h2>Figures, beside constant-forward</h2>"
        f"<p>Skill over constant-forward (AUC@5 signed): <b>{skill}</b>"
        "<span class=muted> — 1 is perfect, 0 is no better than never looking at a picture.</span></p>"
        "<div class=wide><table><tr><th>figure</th><th>model</th><th>95 %</th><th>constant forward</th>"
        f"<th></th><th class=words></th></tr>{''.join(rows)}</table></div><p class=muted>{note}.</p>"
    )


def _regimes(analyses: Sequence[DriveAnalysis], evaluation: Evaluation) -> str:
    def row(name: str, s: Summary) -> str:
        low, high = s.intervals["auc5_signed"]
        span = f" [{number(low, 1)}, {number(high, 1)}]" if np.isfinite(low) else ""
        cells = [
            f"{s.clips}",
            f"{s.counted}",
            f"{number(s.model['auc5_signed'], 1)}{span}",
            number(s.forward["auc5_signed"], 1),
            number(s.skill_auc5_signed, 2),
            number(100 * s.model["ate_s"], 2),
            number(s.model["ate_m"], 2),
            number(s.forward["ate_m"], 2),
            number(s.model["scale_error"], 2),
        ]
        return f"<tr><td>{escape(name)}</td>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>"

    rows = [row("all", evaluation.overall), *(row(n, s) for n, s in evaluation.regimes.items())]
    counts: Counter[str] = Counter()
    for analysis in analyses:
        if analysis.truth is not None and analysis.truth_valid is not None:
            known = analysis.truth_valid[:-1] & analysis.truth_valid[1:]
            counts.update(transition_regimes(analysis.truth, analysis.times)[known].tolist())
    transitions = ", ".join(f"{name} {counts[name]}" for name in TRANSITION_NAMES if counts[name])
    return (
        "<h2>By motion regime</h2><div class=wide><table><tr><th>regime</th><th>clips</th><th>counted</th>"
        "<th>AUC@5 signed [95 %]</th><th>forward</th><th>skill</th><th>ATE-S ×10⁻²</th><th>ATE-M, m</th>"
        f"<th>forward</th><th>scale error</th></tr>{''.join(rows)}</table></div>"
        f"<p class=muted>Transitions with known motion: {escape(transitions)}. A clip counts in every "
        "regime it belongs to; intervals are over clips and need at least two.</p>"
    )


def _plots(analysis: DriveAnalysis, segments: list[AlignedSegment]) -> str:
    latent = latent_svg(analysis)
    caption = f"Alignment: {escape(_alignment(analysis, segments))}."
    right = (
        "<div class=figure><h2>Latent actions</h2>"
        f"{latent}<p class=muted>Their principal components; one point a transition.</p></div>"
        if latent
        else ""
    )
    return (
        "<div class=pair><div class=figure><h2>Trajectory from above</h2>"
        f"{trajectory_svg(analysis, segments)}<p class=muted>{caption}</p></div>{right}</div>"
        f"<div class=figure><h2>Over time</h2>{tracks_svg(analysis)}</div>"
    )


def _pictures(drive: Drive, analysis: DriveAnalysis) -> str:
    """Eight frames over the drive, shrunk, inside the page. A frame that cannot be read is passed over."""
    chosen = np.unique(analysis.frames[np.linspace(0, len(analysis) - 1, 8).round().astype(int)])
    shown = []
    with Thumbnails(drive, 320) as pictures:
        for frame in chosen.tolist():
            image = pictures.image(frame)
            seconds = drive.timestamps[frame] - drive.timestamps[0]
            if image:
                shown.append(f"<figure>{image}<figcaption>frame {frame}, {seconds:.1f} s</figcaption></figure>")
    return f"<h2>Frames</h2><div class=frames>{''.join(shown)}</div>" if shown else ""


def _method(analysis: DriveAnalysis, segments: list[AlignedSegment], evaluation: Evaluation | None) -> str:
    pairs = [
        ("trajectory", _alignment(analysis, segments)),
        (
            "stitching",
            f"windows of {analysis.window} samples overlap by half and are blended, so the clips' figures "
            "are of the blended trajectory; `lapose evaluate` gives those of single windows",
        ),
    ]
    if evaluation is not None:
        pairs.append(("errors over time", "of single transitions; they need no alignment"))
        pairs += [(key.replace("_", " "), str(value)) for key, value in METRIC_SETTINGS.items()]
    return f"<h2>How these figures were made</h2>{_definitions(pairs)}"
