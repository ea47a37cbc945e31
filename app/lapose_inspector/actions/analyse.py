"""The commands of the menu Analyse: the model and its run over the drive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapose_inspector.actions.command import Command, has_prediction, of
from lapose_inspector.models.forward_state import HEATS, KIND_NAMES, Kind
from lapose_inspector.models.session import DEVICE_NAMES, RATES, Device

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector


DEVICE_TIPS: dict[Device, str] = {
    "auto": "the fastest device there is",
    "cuda": "an NVIDIA graphics card",
    "mps": "an Apple graphics processor",
    "cpu": "the processor",
}


def analyse_commands() -> list[Command]:
    out = [
        Command(
            "analyse.toggle", "Analyse / pause", lambda a: a.toggle_analysis(), "Analyse", ("F5",),
            "mdi6.brain", "Run the model over the drive from the cursor on, or pause it.",
            lambda a: a.analysis.running, enabled=lambda a: a.session.drive is not None and a.model.loaded,
            section="run",
        ),
        Command(
            "analyse.cancel", "Cancel", lambda a: a.cancel(), "Analyse", (),
            "mdi6.stop-circle-outline",
            "Give up opening a log, or stop the analysis or the checks after it; what is done is kept.",
            enabled=lambda a: a.analysis.running or a.analysis.checking or a.opener.busy, section="run",
        ),
        Command(
            "analyse.checkpoint", "Checkpoint…", lambda a: a.model.choose_checkpoint(), "Analyse", (),
            "mdi6.database-outline", "Choose the folder of another trained model.", section="model",
        ),
        Command(
            "analyse.camera", "Use the log's camera", lambda a: a.set_use_camera(not a.session.use_camera), "Analyse",
            (), "mdi6.camera-iris",
            "Tell the model the field of view and camera height that the log knows; without, it guesses them.",
            lambda a: a.session.use_camera, section="model",
        ),
        Command(
            "analyse.compiled", "Compile the model", lambda a: a.model.set_compiled(not a.settings.compiled), "Analyse",
            (), "mdi6.cog-play-outline",
            "Load the model through torch.compile: it takes up to minutes, and may pay on a graphics card.",
            lambda a: a.settings.compiled, section="model",
        ),
    ]  # fmt: skip
    out += [
        Command(
            f"analyse.device.{device}", DEVICE_NAMES[device], of(device, lambda a, d: a.model.choose_device(d)),
            "Analyse/Device", (), "mdi6.chip", f"Run the model on {tip}.",
            of(device, lambda a, d: bool(a.model.device == d)), group="device",
            enabled=of(device, lambda a, d: a.session.has_device(d)),
        )
        for device, tip in DEVICE_TIPS.items()
    ]  # fmt: skip
    out += _forward()
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


def _forward() -> list[Command]:
    """What the forward dynamics panel predicts under, and how far on."""
    menu = "Analyse/Forward dynamics"

    def take(app: Inspector, kind: Kind) -> None:
        app.instruments.forward.kind = kind
        app.window.show_panel("forward")

    def possible(app: Inspector, kind: Kind) -> bool:
        return has_prediction(app) and (kind != "chosen" or app.instruments.forward.chosen is not None)

    out = [
        Command(
            f"forward.{kind}", f"{KIND_NAMES[kind]} action", of(kind, take), menu, (), icon, tip,
            of(kind, lambda a, k: bool(a.instruments.forward.kind == k)), group="action",
            enabled=of(kind, possible),
        )
        for kind, icon, tip in (
            ("inferred", "mdi6.eye-outline", "Predict the next frame under the action that the model inferred."),
            ("zero", "mdi6.numeric-0-circle-outline", "Predict the next frame as if nothing happened."),
            ("mirrored", "mdi6.flip-horizontal", "Predict the next frame with left and right exchanged."),
            ("chosen", "mdi6.hand-pointing-right", "Predict the next frame under the action of the chosen moment."),
        )
    ]  # fmt: skip
    return [
        *out,
        Command(
            "forward.hold", "Hold the action at the cursor", lambda a: a.instruments.hold_action(), menu, ("Ctrl+H",),
            "mdi6.pin-outline", "Predict under the action of this moment, wherever the cursor goes next.",
            enabled=lambda a: a.instruments.can_search(),
        ),
        Command(
            "forward.selected", "Use the action of the selected point", lambda a: a.instruments.use_selected(), menu,
            ("Ctrl+U",), "mdi6.selection-marker", "Predict the frame at the cursor under the selected moment's action.",
            enabled=lambda a: has_prediction(a) and len(a.session.selection) > 0,
        ),
        Command(
            "forward.film", "Roll out", lambda a: a.instruments.toggle_film(), menu, ("Ctrl+Shift+F",),
            "mdi6.filmstrip", "Let the model go on from its own predictions.",
            lambda a: a.instruments.forward.film, enabled=has_prediction,
        ),
        Command(
            "forward.reset", "Reset the action", lambda a: a.instruments.forward.reset(), menu, (), "mdi6.restore",
            "Back to the inferred action, one step on.", enabled=lambda a: not a.instruments.forward.plain,
        ),
        *(
            Command(
                f"forward.heat.{key}", f"Show {name.lower()}",
                of(key, lambda a, k: setattr(a.instruments.forward, "heat", k)), menu, (), "mdi6.heat-wave",
                f"The last picture of the panel shows: {name.lower()}.",
                of(key, lambda a, k: bool(a.instruments.forward.heat == k)), group="heat", section="heat",
            )
            for key, name in HEATS.items()
        ),
    ]  # fmt: skip
