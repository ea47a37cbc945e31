"""How fluid the latent map is at 100,000 points: hover, lasso, recolouring, selection and drawing in a real window.

    python benchmarks/latent_map.py [--count 100000] [--tsne]

Needs a display (xvfb-run will do). Figures: median and maximum of each in milliseconds, and the processor's own
milliseconds, which other programs do not lengthen; the OpenGL renderer is named, since a software one draws on the CPU
and thins the points. ``--tsne`` adds how long its map takes and how much memory, and the longest that the window stood
still meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from measure import parser, report

from lapose_inspector.application import make_application


def session_of(count: int):
    """A session with a made-up drive of ``count`` transitions whose latents wander as a drive's do."""
    from pathlib import Path

    from lapose_core.drive import Drive
    from lapose_core.inference.result import DriveAnalysis
    from lapose_inspector.models.session import Session

    drive = Drive(
        name="made up", path=Path("/nowhere"), format="benchmark", width=480, height=224,
        timestamps=np.arange(count + 1) / 10.0, open_frames=lambda: None, fingerprint="0" * 16,  # type: ignore[arg-type,return-value]
    )  # fmt: skip
    rng = np.random.default_rng(0)
    analysis = DriveAnalysis.for_drive(
        drive, 10.0, window=16, latent_dim=50, checkpoint_hash="0" * 16, checkpoint_name="made up"
    )
    analysis.done[:] = True
    analysis.latents[:] = np.cumsum(rng.standard_normal((count, 50), np.float32) * 0.1, axis=0)
    analysis.relative[:, 2, 3] = 1 + np.abs(np.cumsum(rng.standard_normal(count) * 0.01))
    analysis.windows_done = set(range(analysis.n_windows))
    session = Session()
    session.rate = 10.0
    session.open(drive)
    session.set_analysis(analysis)
    return session


def refine(view, application) -> dict[str, object]:
    """Figures of t-SNE in the background, from the choice to its last picture."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun, own = time.perf_counter(), time.process_time()
    last, still = begun, 0.0
    view.set_method("t-sne")
    while view.refining:
        application.processEvents()
        now = time.perf_counter()
        still, last = max(still, now - last), now
        time.sleep(0.005)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "tsne_s": time.perf_counter() - begun,
        "tsne_cpu_s": time.process_time() - own,
        "tsne_longest_still_ms": 1000 * still,
        "tsne_more_memory_mib": (after - before) / 1024,
    }


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--count", type=int, default=100_000)
    asked.add_argument("--tsne", action="store_true", help="measure t-SNE too: some minutes")
    options = asked.parse_args()
    if options.short:
        options.count = min(options.count, 20_000)
    application = make_application()
    from lapose_inspector.views.latent_map_view import LatentMapView
    from lapose_inspector.visuals.renderer import renderer_name

    session = session_of(options.count)
    view = LatentMapView(session)
    view.set_method("pca")
    view.resize(620, 420)
    view.show()
    begun = time.perf_counter()
    while view.projection is None:
        application.processEvents()
    figures: dict[str, object] = {"points": options.count, "first_map_s": time.perf_counter() - begun}
    for _ in range(20):
        application.processEvents()
    figures["opengl"] = renderer_name()
    rng = np.random.default_rng(1)
    places = view.scene.pixels(view.projection.points[rng.integers(0, options.count, 50)])
    width, height = view.canvas.size
    angles = np.linspace(0, 2 * np.pi, 120)
    lasso = np.array([width / 2, height / 2]) + 90 * np.stack([np.cos(angles), np.sin(angles)], 1)
    keys = ("speed", "time", "yaw rate", "cross-entropy")
    chosen = {session.drive.fingerprint: rng.choice(options.count, options.count // 4, replace=False)}

    def measure(name: str, does: Callable[[int], object], times: int = 10) -> None:
        taken, worked = [], []
        for number in range(times):
            start, own = time.perf_counter(), time.process_time()
            does(number)
            taken.append(1000 * (time.perf_counter() - start))
            worked.append(1000 * (time.process_time() - own))
        figures[f"{name}_ms"], figures[f"{name}_max_ms"] = float(np.median(taken)), max(taken)
        figures[f"{name}_cpu_ms"] = float(np.median(worked))

    measure("hover", lambda i: view.pointer.pick((float(places[i, 0]), float(places[i, 1]))), 50)
    measure("lasso", lambda i: view._on_select(lasso, "replace" if i % 2 else "subtract"))
    measure("select", lambda i: session.selection.replace(chosen if i % 2 else {}))
    measure("cursor", lambda i: session.timeline.seek(97 * (i + 1)), 50)
    measure("recolour", lambda i: setattr(session.display, "colour_by", keys[i % 4]))
    measure("draw", lambda i: view.canvas.native.grabFramebuffer())

    def pan(_: int) -> None:
        view.scene.view.camera.pan((0.2, 0.1))
        view.canvas.native.grabFramebuffer()

    def zoom(number: int) -> None:
        view.scene.view.camera.zoom(0.8 if number < 5 else 1.25)
        view.canvas.native.grabFramebuffer()

    measure("pan", pan)
    measure("zoom", zoom)
    measure("density", lambda _: setattr(view.map_state, "density", not view.map_state.density))
    measure("draw_density", lambda _: view.canvas.native.grabFramebuffer())
    if options.tsne:
        figures |= refine(view, application)
    view.close_panel()
    report("latent_map", {}, figures)


if __name__ == "__main__":
    main()
