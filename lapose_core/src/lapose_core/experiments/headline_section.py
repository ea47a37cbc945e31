"""What results.md says of the synthetic test split."""

from __future__ import annotations

from typing import Any

from lapose_core.experiments.tables import INFORMED, Row, pick, pose_table, table, text, with_interval
from lapose_core.experiments.targets import AUTHORS_MAP

Record = dict[str, Any]


def headline(record: Record, results: dict[str, Record]) -> str:
    rows, coverage = record["rows"], record["coverage"]
    test = record["settings"]["test"]
    out = [
        f"{test['clips']} clips of {test['frames']} frames, {test['size'][0]}x{test['size'][1]}, worlds of seeds from "
        f"{test['first_seed']:,}. Frame rates from 1 to 10 Hz, some clips uneven in time. The model is told nothing of "
        f'the camera, as in the paper\'s protocol; "{INFORMED}" is told its true field of view and height.\n',
        pose_table(["method"], [([row["method"]], row) for row in _methods(rows, results)]),
    ]
    for name, c in coverage.items():
        out.append(
            f"- {name}: {c['method']}, on the first {c['clips']} clips; places {100 * c['frames']:.0f} % of their "
            "frames, the others are filled with constant velocity. Metric scale, from the road and the camera's true "
            f"height, in {c['scaled_clips']}; the others have no ATE-M and no scale error.\n"
        )
    own = [row for row in rows if row["method"] == "model"]
    out.append("The model by regime, and by the clip's frame rate:\n")
    out.append(pose_table(["regime"], [([row["regime"]], row) for row in own]))
    informed = [INFORMED] if pick(rows, method=INFORMED) else []
    for name in (*informed, *coverage):
        out.append(f"{name[0].upper()}{name[1:]}, by regime:\n")
        out.append(pose_table(["regime"], [([r["regime"]], r) for r in rows if r["method"] == name]))
    return "\n".join(out) + "\n" + _latents(record) + "\n" + _map(record)


def _methods(rows: list[Row], results: dict[str, Record]) -> list[Row]:
    """One row a method: the model, constant-forward, the network from scratch, classical geometry."""
    model = pick(rows, method="model", regime="all")
    assert model is not None
    figures = {**model["forward"], "fov_error": None}
    found = [model, {**model, "method": "constant-forward", "figures": figures, "intervals": {}, "skill": 0.0}]
    efficiency = results.get("label_efficiency", {}).get("rows", [])
    most = max((row["labels"] for row in efficiency), default=0)
    for row in efficiency:
        if row["labels"] == most:
            what = "from scratch" if row["backbone"] == "scratch" else "frozen latents"
            found.append({**row, "method": f"{what}, {most} labels, {row['steps']} steps"})
    others = [row for row in rows if row["regime"] == "all" and row["method"] != "model"]
    return found + others


def _latents(record: Record) -> str:
    found = record["latents"]
    names = [name.removeprefix("probe_").removesuffix("_r2") for name in found if name.endswith("_r2")]
    probes = table(
        ["ridge probe", "R²", "R², ordinary", "Spearman"],
        (
            [n.replace("_", " "), *(text(found[f"probe_{n}_{f}"], 2) for f in ("r2", "r2_ordinary", "spearman"))]
            for n in names
        ),
    )
    return (
        f"Cross-entropy of the next frame's codes {text(found['ce'], 3)} nats (copying the frame before: "
        f"{text(found['ce_copy'], 3)}); with shuffled actions {text(found['dce_shuffle'], 3)} more, with zero actions "
        f"{text(found['dce_zero'], 3)} more. Effective rank of the latent {text(found['effective_rank'], 1)}. Ridge "
        "probes from one latent action to the motion, fitted on training clips and scored on the test split; ordinary "
        f"transitions turn less than 3.5° and move 0.2 to 6 m:\n\n{probes}"
    )


def _map(record: Record) -> str:
    found = record["map"]
    names = list(AUTHORS_MAP)
    rows = [
        [r["map"], str(r["clips"]), *(_figure(r[name]) for name in names), text(r["majority"], 2)]
        for r in found["rows"]
    ]
    settings = record["settings"]["map"]
    notes = "".join(f"- Left out: {note}\n" for note in found["notes"])
    header = ["map", "clips", "speed R²", "speed Spearman", "yaw R²", "yaw Spearman", "turns", "majority class"]
    return (
        f"Map quality: motion read off the 10 nearest neighbours of other clips, {settings['rate']:g} Hz; PCA is the "
        f"app's first map. The authors' row is their published map, by the same code:\n\n{table(header, rows)}{notes}"
    )


def _figure(figure: dict[str, float]) -> str:
    return with_interval(figure["value"], [figure["low"], figure["high"]], 2)
