"""What results.md says of each experiment: its record, and the others where one belongs beside it, to Markdown."""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean, stdev
from typing import Any

from lapose_core.experiments.headline_section import headline
from lapose_core.experiments.tables import Row, pose_cells, pose_table, table, text

Record = dict[str, Any]

TITLES = {
    "headline": "Synthetic test split",
    "seeds": "Three seeds",
    "label_efficiency": "Label efficiency",
    "out_of_domain": "Out of domain",
    "bottleneck": "Bottleneck width",
    "frame_rates": "Frame rates",
    "time_reversal": "Time reversal",
    "kitti": "KITTI, zero-shot",
    "motion_statistics": "Motion of the synthetic world beside real drives",
    "leaks": "Leak check",
}


def seeds(record: Record, results: dict[str, Record]) -> str:
    rows, out = record["rows"], []
    for stage in dict.fromkeys(row["repeated"] for row in rows):
        lines = []
        for regime in ("all", "medium", "reverse"):
            some = [r for r in rows if r["repeated"] == stage and r["regime"] == regime]
            lines += [([f"{regime}, seed {r['seed']}"], r) for r in some]
        out += [f"Repeated: {stage}.\n", pose_table(["regime"], lines), _spread(rows, stage)]
    return "\n".join(out)


def _spread(rows: list[Row], stage: str) -> str:
    names = ("auc5_signed", "auc30_signed", "ate_s", "ate_m", "scale_error", "fov_error")
    some = [r for r in rows if r["repeated"] == stage and r["regime"] == "all"]
    cells = []
    for name in ("skill", *names):
        values = [r["skill"] if name == "skill" else r["figures"][name] for r in some]
        known = [v for v in values if v is not None]
        spread = f"{mean(known):.4g} ± {stdev(known):.2g}" if len(known) > 1 else "–"
        cells.append(f"{name.replace('_', ' ')} {spread}")
    return f"All clips, mean ± standard deviation over {len(some)} seeds: {'; '.join(cells)}.\n"


def label_efficiency(record: Record, results: dict[str, Record]) -> str:
    crossing, settings = record["crossing"], record["settings"]
    lead = [r for r in record["rows"] if r["skill"] is not None]
    says = (
        f"The lines cross at about {crossing:.0f} labelled clips: below, pretraining wins."
        if crossing is not None
        else f"There is no count up to which pretraining wins and beyond which it loses ({_ahead(lead)})."
    )
    rows = [([f"{r['labels']}", r["backbone"], str(r["steps"])], r) for r in record["rows"]]
    if not settings["scratch"]:
        return (
            f"A head on frozen latents by the number of labelled clips, in steps of {settings['batch']} clips.\n\n"
            f"{pose_table(['labels', 'backbone', 'steps'], rows)}"
        )
    return (
        f"A head on frozen latents against the same network from scratch, on the same labels, in steps of "
        f"{settings['batch']} clips. A step of the whole network takes about 30 times as long as one of the "
        f"head, so it gets fewer of them and still most of the time; neither has converged. {says}\n\n"
        f"{pose_table(['labels', 'backbone', 'steps'], rows)}"
    )


def _ahead(rows: list[Row]) -> str:
    wins = []
    for labels in sorted({r["labels"] for r in rows}):
        skill = {r["backbone"]: r["skill"] for r in rows if r["labels"] == labels}
        if len(skill) == 2:
            wins.append(f"{labels}: {'frozen' if skill['frozen'] > skill['scratch'] else 'scratch'} ahead")
    return "; ".join(wins)


def out_of_domain(record: Record, results: dict[str, Record]) -> str:
    settings = record["settings"]
    rows = [([r["domain"], r["backbone"]], r) for r in sorted(record["rows"], key=_domain_order(record))]
    return (
        f"Labels: {record['labels']} clips, {settings['labels']['of']}; {settings['steps']} steps of "
        f"{settings['batch']} clips. The backbone was pretrained on all conditions without labels; no "
        "training saw the textures of these worlds. Training cameras see 45° to 85°, narrow is 32° to 40°, wide 95° to "
        "110°. KITTI's clips overlap, hence no interval.\n\n" + pose_table(["domain", "backbone"], rows)
    )


def _domain_order(record: Record) -> Callable[[Row], int]:
    order = list(dict.fromkeys(r["domain"] for r in record["rows"]))
    return lambda row: order.index(row["domain"])


def bottleneck(record: Record, results: dict[str, Record]) -> str:
    pre, post = record["settings"]["pretraining"], record["settings"]["posttraining"]
    header = ["width", "CE, nats", "shuffled +", "clips", "AUC@5", "forward", "skill", "AUC@30", "ATE-S ×10⁻²"]
    rows = []
    for r in record["rows"]:
        label = f"none ({r['latent']})" if r["width"] is None else str(r["width"])
        rows.append([label, text(r["ce"], 3), text(r["dce_shuffle"], 3), *pose_cells(r)[:6]])
    return (
        f"Short pretraining of {pre['steps']} steps each (and {pre['motion_steps']} of the motion stage) on the same "
        f"codec, then {post['steps']} steps of a head on the frozen latents of {post['labels']} labelled "
        f"clips.\n\n{table(header, rows)}"
    )


def frame_rates(record: Record, results: dict[str, Record]) -> str:
    rows = [([f"{r['rate']:g} Hz", r["camera"]], r) for r in record["rows"]]
    return f"The beginnings of the same drives, evenly spaced.\n\n{pose_table(['rate', 'camera'], rows)}"


def time_reversal(record: Record, results: dict[str, Record]) -> str:
    c = record["consistency"]
    rows = [([r["direction"]], r) for r in record["rows"]]
    closing = "No transition moves.\n"
    if c["transitions"]:
        closing = (
            f"T(t→t+1) · T(t+1→t) over {c['transitions']} moving transitions leaves a rotation of "
            f"{text(c['rotation_median'], 2)}° in the median ({text(c['rotation_p90'], 2)}° at the 90th percentile) "
            f"and {text(100 * c['length_median'], 1)} % of the step's length ({text(100 * c['length_p90'], 1)} %).\n"
        )
    rate = record["settings"]["rate"]
    return f"The same clips and the same clips backwards, {rate:g} Hz.\n\n{pose_table(['direction'], rows)}\n{closing}"


def kitti(record: Record, results: dict[str, Record]) -> str:
    out = []
    for drive in dict.fromkeys(r["drive"] for r in record["rows"]):
        some = [r for r in record["rows"] if r["drive"] == drive]
        some.sort(key=lambda r: (r["rate"], r["regime"] != "all"))
        lines = []
        for r in some:
            lines.append(([f"{r['rate']:g} Hz", r["regime"], r["method"]], r))
        frames = dict(record["settings"]["drives"]).get(drive)
        out.append(
            f"{drive}, {frames} frames. Turning: mean |curvature| of 0.001 1/m or more. Clips overlap: no intervals.\n"
        )
        out.append(pose_table(["rate", "clips of", "method"], lines))
    for c in record["coverage"]:
        out.append(
            f"- {c['method']} at {c['rate']:g} Hz, true intrinsics: places {100 * c['frames']:.0f} % of the frames; "
            f"metric scale in {c['scaled_clips']} of {c['clips']} clips.\n"
        )
    return "\n".join(out)


def motion_statistics(record: Record, results: dict[str, Record]) -> str:
    covered = record["covered"]
    drives = list(next(iter(covered.values())))
    rows = [[q.replace("_", " "), *(_percent(found[d]) for d in drives)] for q, found in covered.items()]
    return (
        f"Share of each real drive's values inside the synthetic world's distribution ({record['settings']['worlds']} "
        f"worlds, its thinnest tails left out):\n\n{table(['', *drives], rows)}"
    )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def leaks(record: Record, results: dict[str, Record]) -> str:
    parts = ("seeds", "layouts", "furniture", "looks", "textures")
    rows = [
        [r["against"], str(r["training"]), str(r["opened"]), str(r["test"]), *(str(r[p]) for p in parts)]
        for r in record["rows"]
    ]
    return (
        "How many of each the test worlds share with those that were trained on, and with the held-out ones that were "
        "watched during training (which draw from the same bank of textures as the test worlds):\n\n"
        + table(["worlds", "seeds compared", "opened", "test worlds", *(f"shared {p}" for p in parts)], rows)
    )


SECTIONS: dict[str, Callable[[Record, dict[str, Record]], str]] = {
    "headline": headline,
    "seeds": seeds,
    "label_efficiency": label_efficiency,
    "out_of_domain": out_of_domain,
    "bottleneck": bottleneck,
    "frame_rates": frame_rates,
    "time_reversal": time_reversal,
    "kitti": kitti,
    "motion_statistics": motion_statistics,
    "leaks": leaks,
}
