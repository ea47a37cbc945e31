"""The commands of the menu Analyse: the model and its run over the drive."""

from __future__ import annotations

from lapose_inspector.actions.command import Command, of
from lapose_inspector.models.session import RATES


def analyse_commands() -> list[Command]:
    out = [
        Command(
            "analyse.toggle", "Analyse / pause", lambda a: a.toggle_analysis(), "Analyse", ("F5",),
            "mdi6.brain", "Run the model over the drive from the cursor on, or pause it.",
            lambda a: a.analysis.running, enabled=lambda a: a.session.drive is not None and a.has_model,
            section="run",
        ),
        Command(
            "analyse.cancel", "Cancel", lambda a: a.cancel(), "Analyse", (),
            "mdi6.stop-circle-outline",
            "Give up opening a log, or stop the analysis within one window; what is done is kept.",
            enabled=lambda a: a.analysis.running or a.opener.busy, section="run",
        ),
        Command(
            "analyse.checkpoint", "Checkpoint…", lambda a: a.choose_checkpoint(), "Analyse", (),
            "mdi6.database-outline", "Choose the folder of another trained model.", section="model",
        ),
        Command(
            "analyse.camera", "Use the log's camera", lambda a: a.set_use_camera(not a.session.use_camera), "Analyse",
            (), "mdi6.camera-iris",
            "Tell the model the field of view and camera height that the log knows; without, it guesses them.",
            lambda a: a.session.use_camera, section="model",
        ),
    ]  # fmt: skip
    out += [
        Command(
            f"analyse.rate.{rate:g}", f"{rate:g} Hz", of(rate, lambda a, r: a.set_rate(r)),
            "Analyse/Rate", (),
            "mdi6.sine-wave", f"Analyse {rate:g} frames per second of the drive.",
            of(rate, lambda a, r: bool(a.session.rate == r)), group="rate",
        )
        for rate in RATES
    ]  # fmt: skip
    return out
