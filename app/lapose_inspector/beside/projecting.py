"""Latent actions to points of a map: PCA, probes and t-SNE.

Both keep their orientation from one result to the next: a new map is turned and mirrored onto the last one
(orthogonal Procrustes over the transitions they share), so the eye does not lose its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapose_inspector.beside.calls import Stale
from lapose_inspector.models.map_data import MapData
from lapose_inspector.models.map_state import AXES, COMPONENTS, PROBES, Method
from lapose_inspector.models.thinning import SOFTWARE_POINTS, thinned

Targets = Mapping[str, tuple[str, str, str, NDArray[np.float64]]]
"""What probes may be fitted to: key -> name, unit, what the values are of, values [n]."""

EVERY = 25
"""t-SNE iterations between two pictures of it."""
EXAGGERATED, REFINED = 150, 500
"""t-SNE iterations with and without early exaggeration. Begun from PCA they settle sooner than the 250 and
750 that a random start is given."""
HIDDEN = EXAGGERATED + 50
"""Iterations of which no pictures are sent: exaggeration folds the map up before it unfolds."""
MOST = 10_000
"""Transitions that t-SNE lays out: 15 s of processor time; time and memory of 100,000 would be ten times that."""
NEIGHBOURS = 3
"""Known transitions among which one that t-SNE did not lay out is placed."""
SEED = 7


@dataclass(frozen=True)
class Projection:
    """A map of some transitions.

    Attributes:
        method: how it was made.
        transitions: [n] ids of the transitions (see ``models.map_data``), increasing; of a single drive, indices.
        points: [n, 2] float32, centred, with an r.m.s. radius of 10: only relations mean something.
        axes: what the two axes are, for the captions.
        note: what else must be said about them.
        progress: 0..1; below 1 more pictures of the same map follow.
    """

    method: Method
    transitions: NDArray[np.int64]
    points: NDArray[np.float32]
    axes: tuple[str, str]
    progress: float = 1.0
    note: str = ""

    def trail(self, end: int, first: int) -> slice:
        """The rows up to ``end`` and back to transition ``first``, or to a gap, which would be drawn as a jump."""
        run = self.transitions[: end + 1]
        start = int(np.searchsorted(run, first))
        gaps = np.flatnonzero(np.diff(run[start:]) > 1)
        return slice(start + (int(gaps[-1]) + 1 if len(gaps) else 0), end + 1)

    @cached_property
    def tree(self) -> Any:
        """A k-d tree of the points, for what lies under the mouse. Made in the worker's thread."""
        from scipy.spatial import cKDTree

        return cKDTree(self.points)

    @cached_property
    def thinned(self) -> NDArray[np.int64]:
        """Rows of at most SOFTWARE_POINTS points that leave the map its shape. Made in the worker's thread."""
        return thinned(self.points, SOFTWARE_POINTS)

    @cached_property
    def extent(self) -> NDArray[np.float32]:
        """Least and most coordinates [2, 2] of the points. Made in the worker's thread."""
        return np.stack([self.points.min(axis=0), self.points.max(axis=0)])


def pca(latents: NDArray[np.float32], transitions: NDArray[np.int64], previous: Projection | None = None) -> Projection:
    """The two directions of the largest variance of latents [n, A].

    Axes keep their meaning: a component may be mirrored to agree with ``previous``, never mixed with another.
    """
    centred = latents.astype(np.float64) - latents.mean(axis=0, dtype=np.float64)
    # A is at most 1,536 and n may be 100,000: the covariance is the small matrix.
    values, vectors = np.linalg.eigh(centred.T @ centred)
    order = np.argsort(values)[::-1][:2]
    points = centred @ vectors[:, order]
    total = max(float(values.clip(0).sum()), 1e-30)
    shares = values[order].clip(0) / total
    if points.shape[1] < 2:
        points, shares = np.pad(points, ((0, 0), (0, 1))), np.append(shares, 0.0)
    anchor = _shared(transitions, previous) if previous is not None and previous.method == "pca" else None
    for axis in (0, 1):
        if anchor is not None:
            mine, theirs = points[anchor[0], axis], anchor[1][:, axis]
            flip = float((mine - mine.mean()) @ (theirs - theirs.mean())) < 0
        else:
            flip = bool(points[np.argmax(np.abs(points[:, axis])), axis] < 0)
        if flip:
            points[:, axis] *= -1
    axes = (f"PC 1 ({shares[0]:.0%} of variance)", f"PC 2 ({shares[1]:.0%})")
    return Projection("pca", transitions, _scaled(points), axes)


def along(
    latents: NDArray[np.float32], transitions: NDArray[np.int64], axes: tuple[str, str], targets: Targets
) -> Projection:
    """Coordinates of latents [n, A] along two directions: principal components, or probes of ``targets``.

    A probe that cannot be fitted gives its place to a principal component, whose name the caption then has.
    """
    from lapose_core.inference.directions import principal_directions, probe_directions

    components = {d.key: d for d in principal_directions(latents, len(COMPONENTS))}
    wanted = {key: (name, unit, values) for key, (name, unit, _, values) in targets.items() if key in axes}
    known = {**components, **{d.key: d for d in probe_directions(latents, wanted)}}
    columns, captions, sources = [], [], set()
    for key, other in zip(axes, ("pc1", "pc2")):
        direction = known.get(key) or components.get(other)
        if direction is None:  # latents of a single dimension
            columns.append(np.zeros(len(latents)))
            captions.append("nothing: the latents have one dimension")
            continue
        coordinate = direction.coordinate(latents)
        columns.append((coordinate - coordinate.mean()) / max(float(coordinate.std()), 1e-12) * 10.0 / 2**0.5)
        if direction.key in targets:
            name, unit, source, _ = targets[direction.key]
            captions.append(f"{name} probe, {unit} (R² {direction.share:.2f})".replace("-", "−"))
            sources.add(source)
        else:
            missing = f"; {AXES[key].lower()} cannot be fitted" if key != direction.key else ""
            captions.append(f"{direction.name} ({direction.share:.0%} of variance{missing})")
    points = np.stack(columns, 1).astype(np.float32)
    note = f"probes fitted to {' and '.join(sorted(sources))}, R² on held-out stretches" if sources else ""
    return Projection("directions", transitions, points, (captions[0], captions[1]), note=note)


def extend(latents: NDArray[np.float32], transitions: NDArray[np.int64], previous: Projection) -> Projection:
    """The previous map with transitions that it does not know placed among their neighbours."""
    points = _embed(latents, transitions, np.zeros((len(latents), 2)), previous).astype(np.float32)
    return Projection(previous.method, transitions, points, previous.axes, previous.progress, previous.note)


def tsne(
    latents: NDArray[np.float32],
    transitions: NDArray[np.int64],
    previous: Projection | None = None,
    *,
    show: Callable[[Projection | float], None] = lambda picture: None,
    stale: Stale = lambda: False,
) -> Projection | None:
    """t-SNE of latents [n, A], begun from ``previous`` where there is one and from PCA otherwise.

    Transitions that ``previous`` does not know start at the mean of their three nearest neighbours in it. Of more than
    MOST a sample is laid out, and the others stand among their nearest neighbours in it.
    ``show`` gets pictures of the growing map, and before them the progress alone, 0..1.

    Returns:
        the finished map, or None when ``stale`` said that nobody wants it any more.
    """
    count = len(latents)
    if count > MOST:
        return _sampled(latents, transitions, previous, show, stale)
    start = pca(latents, transitions).points.astype(np.float64)
    if previous is not None:
        start = _embed(latents, transitions, start, previous)
    if count < 5 or float(np.ptp(latents, axis=0).max(initial=0.0)) == 0.0:
        return Projection("t-sne", transitions, _scaled(start), ("t-SNE 1", "t-SNE 2"))
    # Imported here, in a process beside the window: it takes Python's lock for a second or two.
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN

    wide = np.ascontiguousarray(latents, np.float64)
    perplexity = min(30.0, (count - 1) / 4)
    affinities = PerplexityBasedNN(wide, perplexity=perplexity, n_jobs=1, random_state=SEED)
    if stale():
        return None
    init = start - start.mean(axis=0)
    init = init / max(float(init[:, 0].std()), 1e-12) * 1e-4
    # On a grid it takes half the time for 10,000 points, and longer for a few hundred.
    gradient = "fft" if count > 2000 else "bh"
    embedding = TSNEEmbedding(init, affinities, n_jobs=1, random_state=SEED, negative_gradient_method=gradient)
    done = 0

    def picture(progress: float, points: Any) -> Projection:
        turned = _turned(_scaled(np.asarray(points)), transitions, previous)
        return Projection("t-sne", transitions, turned, ("t-SNE 1", "t-SNE 2"), progress)

    def on_iterations(iteration: int, error: float, points: Any) -> bool:
        if stale():
            return True
        if iteration % EVERY:
            return False
        share = min((done + iteration) / (EXAGGERATED + REFINED), 0.999)
        show(picture(share, points) if done + iteration > HIDDEN else share)
        return False

    options: dict[str, Any] = {"callbacks": [on_iterations], "callbacks_every_iters": 1, "inplace": True}
    embedding.optimize(EXAGGERATED, exaggeration=12, momentum=0.5, **options)
    done = EXAGGERATED
    if not stale():
        embedding.optimize(REFINED, momentum=0.8, **options)
    return None if stale() else picture(1.0, embedding)


def refine(
    latents: NDArray[np.float32],
    transitions: NDArray[np.int64],
    previous: Projection | None,
    *,
    tell: Callable[[Projection | float], None],
    stale: Stale,
) -> Projection | None:
    """``tsne``, called in a process beside the window."""
    return tsne(latents, transitions, previous, show=tell, stale=stale)


def _sampled(
    latents: NDArray[np.float32],
    transitions: NDArray[np.int64],
    previous: Projection | None,
    show: Callable[[Projection | float], None],
    stale: Stale,
) -> Projection | None:
    from lapose_core.inference.nearest import nearest_of_each

    # Evenly through the drives: neighbours in time are neighbours on the map, and no stretch may be missing.
    rows = np.unique(np.linspace(0, len(latents) - 1, MOST).round().astype(np.int64))
    others = np.setdiff1d(np.arange(len(latents)), rows)
    # Once, for all pictures: it takes seconds.
    near, apart = [], []
    for block in np.array_split(others, max(1, len(others) // 2000)):
        if stale():
            return None
        found = nearest_of_each(latents[block], latents[rows], NEIGHBOURS)
        near.append(found[0])
        apart.append(found[1])
    nearest, distance = np.concatenate(near), np.concatenate(apart)
    weights = 1.0 / np.maximum(distance, 1e-9)
    weights /= weights.sum(axis=1, keepdims=True)
    note = f"t-SNE of {len(rows):,}; the others stand among the nearest of these"

    def whole(part: Projection) -> Projection:
        points = np.empty((len(latents), 2), np.float32)
        points[rows] = part.points
        points[others] = (part.points[nearest] * weights[..., None]).sum(axis=1)
        return Projection("t-sne", transitions, points, part.axes, part.progress, note)

    def show_whole(picture: Projection | float) -> None:
        show(whole(picture) if isinstance(picture, Projection) else picture)

    part = tsne(latents[rows], transitions[rows], previous, show=show_whole, stale=stale)
    return None if part is None else whole(part)


def _scaled(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Centred, with an r.m.s. radius of 10: t-SNE's own unit grows with every iteration."""
    centred = points - points.mean(axis=0)
    radius = float(np.sqrt((centred**2).sum(1).mean()))
    return (centred * (10.0 / radius if radius > 0 else 1.0)).astype(np.float32)


def _shared(
    transitions: NDArray[np.int64], previous: Projection
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Rows of the new map whose transition the previous one knows, and its points; None if under three."""
    _, mine, theirs = np.intersect1d(transitions, previous.transitions, return_indices=True)
    return (mine, previous.points[theirs].astype(np.float64)) if len(mine) >= 3 else None


def _turned(
    points: NDArray[np.float32], transitions: NDArray[np.int64], previous: Projection | None
) -> NDArray[np.float32]:
    """Points [n, 2] rotated and mirrored onto the previous map (orthogonal Procrustes)."""
    anchor = _shared(transitions, previous) if previous is not None else None
    if anchor is None:
        return points
    mine = points[anchor[0]].astype(np.float64)
    u, _, vt = np.linalg.svd((mine - mine.mean(0)).T @ (anchor[1] - anchor[1].mean(0)))
    return (points @ (u @ vt)).astype(np.float32)


def _embed(
    latents: NDArray[np.float32],
    transitions: NDArray[np.int64],
    fallback: NDArray[np.float64],
    previous: Projection,
) -> NDArray[np.float64]:
    """The previous map's points [n, 2], and for new transitions the mean of their nearest known ones."""
    anchor = _shared(transitions, previous)
    if anchor is None:
        return fallback
    rows, known = anchor
    out = np.empty((len(latents), 2))
    out[rows] = known
    new = np.setdiff1d(np.arange(len(latents)), rows)
    if len(new):
        from lapose_core.inference.nearest import nearest_of_each

        out[new] = known[nearest_of_each(latents[new], latents[rows], min(NEIGHBOURS, len(rows)))[0]].mean(axis=1)
    return out


def targets_of(data: MapData) -> Targets:
    """What probes are fitted to: the true quantity where every source has it, else the model's own."""
    out = {}
    for key in PROBES:
        shown, true = [], []
        for source in data.sources:
            series = source.series.series.get(key)
            if series is None:
                continue
            known = source.known
            shown.append(series.shown[known])
            if series.shown_truth is not None:
                true.append(series.shown_truth[known])
        if len(shown) < len(data.sources) or not data.sources:
            continue
        of_truth = len(true) == len(shown) and bool(np.isfinite(np.concatenate(true)).sum() >= 20)
        series = data.sources[0].series[key]
        what = "ground truth" if of_truth else "the model's own prediction"
        name = series.label.split(" (")[0]
        out[key] = (name, series.unit, what, np.concatenate(true if of_truth else shown))
    return out
