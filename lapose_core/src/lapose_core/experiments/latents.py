"""What the latent actions know without a head: cross-entropies, linear probes, and their map."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapose_core import geometry
from lapose_core.evaluation.map_quality import map_quality
from lapose_core.experiments.context import Context, Unavailable
from lapose_core.model.lapose import LaPose
from lapose_core.training.cache import CachedClips
from lapose_core.training.posttrain import frozen_latents
from lapose_core.training.pretrain import collect, latent_quality, motion_probes

MAPS = ("t-SNE", "PCA")


def probes(context: Context, model: LaPose, train: CachedClips, test: CachedClips) -> dict[str, float]:
    """Cross-entropies and spread of the latents of test clips, and probes fitted on training clips, scored on these."""
    count = np.arange(min(context.sizes.quality_clips, len(test)))
    latents, figures = collect(model, test, count)
    quality = latent_quality(latents, test.poses[count], test.times[count])
    figures |= {k: v for k, v in quality.items() if not k.startswith("probe_")}
    parts = []
    for data, limit in ((train, context.sizes.probe_clips), (test, len(test))):
        clips = np.arange(min(limit, len(data)))
        parts.append((frozen_latents(model, data, clips), data.poses[clips], data.times[clips]))
    return figures | motion_probes(parts[0], parts[1])


def maps(context: Context, model: LaPose, data: CachedClips) -> dict[str, Any]:
    """Map quality of the latents of evenly spaced clips, beside that of the authors' map where it is here.

    ``rows`` holds the figures; ``points`` the t-SNE (or, without openTSNE, the PCA) to draw: x, y, speed in metres a
    transition, yaw in radians.
    """
    clips = np.arange(min(context.sizes.map_clips, len(data)))
    latents = frozen_latents(model, data, clips).double().cpu().numpy()
    frames = latents.shape[1] + 1
    relative = np.stack([geometry.relative(p) for p in data.poses[clips, :frames].numpy()]).reshape(-1, 4, 4)
    speed = np.linalg.norm(relative[:, :3, 3], axis=1)
    yaw = geometry.yaw(relative[:, :3, :3])
    owner = np.repeat(clips, frames - 1)
    rows, notes, drawn = [], [], np.zeros((0, 2))
    for name in MAPS:
        try:
            points = _projected(name, latents.reshape(len(owner), -1))
        except Unavailable as error:
            notes.append(str(error))
            continue
        rows.append({"map": name, "clips": len(clips), **asdict(map_quality(points, owner, speed, yaw))})
        drawn = drawn if len(drawn) else points
    try:
        rows.append(_authors(context))
    except Unavailable as error:
        notes.append(str(error))
    drawn = drawn / max(float(np.abs(drawn).max()), 1e-12)
    columns = {"x": drawn[:, 0], "y": drawn[:, 1], "speed": speed, "yaw": yaw}
    return {"rows": rows, "notes": notes, "points": {k: np.round(v, 4).tolist() for k, v in columns.items()}}


def _projected(name: str, latents: NDArray[np.float64]) -> NDArray[np.float64]:
    """A map [M, 2] of latents [M, A]: their principal components, or t-SNE begun from these, as in the app."""
    centred = latents - latents.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    flat: NDArray[np.float64] = centred @ axes[:2].T
    if name == "PCA":
        return flat
    try:
        from openTSNE import TSNE
    except ImportError:
        raise Unavailable("the t-SNE of the latents: openTSNE is not installed; pip install openTSNE") from None
    start = flat / max(float(flat[:, 0].std()), 1e-12) * 1e-4
    perplexity = min(30.0, (len(latents) - 1) / 4)
    return np.asarray(TSNE(perplexity=perplexity, initialization=start, n_jobs=1, random_state=7).fit(latents))


def _authors(context: Context) -> dict[str, Any]:
    """The same figures of the map that the authors published."""
    import json

    data = json.loads((context.shared_folder("authors_map") / "tsne_data.json").read_text())
    points, clips = np.c_[data["x"], data["y"]], np.array(data["batch"])
    quality = map_quality(points, clips, np.array(data["translation_mag"]), np.array(data["yaw"]))
    return {"map": "authors", "clips": len(np.unique(clips)), **asdict(quality)}
