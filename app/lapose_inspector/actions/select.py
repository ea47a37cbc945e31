"""The commands of the menu Select: the latent map's tools, and what is selected with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapose_inspector.actions.command import Command, has_prediction, of
from lapose_inspector.models.map_state import METHOD_NAMES

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector


def select_commands() -> list[Command]:
    def anything(app: Inspector) -> bool:
        return len(app.session.selection) > 0

    def steps(app: Inspector) -> bool:
        return app.instruments.can_step()

    out = [
        Command(
            f"select.tool.{tool}", text, of(tool, lambda a, t: a.instruments.take(t)), "Select", (key,), icon, tip,
            of(tool, lambda a, t: bool(a.instruments.map.tool == t)), group="tool", section="tool",
        )
        for tool, text, key, icon, tip in (
            ("move", "Move the map", "V", "mdi6.cursor-move", "Dragging on the latent map moves it."),
            ("lasso", "Lasso", "S", "mdi6.lasso",
             "Dragging on the latent map draws a lasso; Shift adds to the selection, Alt takes away."),
            ("box", "Box", "B", "mdi6.selection-drag",
             "Dragging on the latent map draws a box; Shift adds to the selection, Alt takes away."),
        )
    ]  # fmt: skip
    out += [
        Command(
            "select.all", "Select all", lambda a: a.instruments.select_all(), "Select", ("Ctrl+A",),
            "mdi6.select-all", "Select every transition on the latent map.", enabled=has_prediction, section="set",
        ),
        Command(
            "select.invert", "Invert selection", lambda a: a.instruments.invert(), "Select", ("Ctrl+Shift+A",),
            "mdi6.select-inverse", "Swap selected and not among the transitions on the latent map.",
            enabled=has_prediction, section="set",
        ),
        Command(
            "select.clear", "Clear selection", lambda a: a.session.selection.clear(), "Select", (),
            "mdi6.selection-off", "Select nothing. Esc does the same while something is selected.",
            enabled=anything, section="set",
        ),
        Command(
            "select.escape", "Let go", lambda a: a.instruments.escape(), "Select", ("Esc",), "mdi6.keyboard-esc",
            "Give up one thing: a lasso being drawn, opening a log, the selection, the analysis.",
            section="set",
        ),
        Command(
            "select.next", "Next selected", lambda a: a.instruments.step(1), "Select", ("Shift+N",),
            "mdi6.arrow-right-bold-box-outline", "Move the cursor to the next selected transition.",
            enabled=steps, section="step",
        ),
        Command(
            "select.previous", "Previous selected", lambda a: a.instruments.step(-1), "Select", ("Shift+P",),
            "mdi6.arrow-left-bold-box-outline", "Move the cursor to the selected transition before it.",
            enabled=steps, section="step",
        ),
        Command(
            "select.similar", "Transitions like this one", lambda a: a.instruments.find_similar(), "Select",
            ("Ctrl+F",), "mdi6.image-search-outline",
            "Find the transitions nearest in latent space to the one at the cursor, in every drive analysed so far.",
            enabled=lambda a: a.instruments.can_search(), section="find",
        ),
        Command(
            "select.found", "Select what was found", lambda a: a.instruments.select_found(), "Select", (),
            "mdi6.selection-search", "Select the transitions of the newest search.",
            enabled=lambda a: a.instruments.gallery.found is not None, section="find",
        ),
        Command(
            "select.gallery", "Gallery", lambda a: a.window.show_panel("gallery"), "Select", ("Ctrl+G",),
            "mdi6.view-grid-outline", "Show the frame pairs of the selected transitions.", section="find",
        ),
        Command(
            "select.keep", "Keep as named set…", lambda a: a.instruments.ask_keep(), "Select", ("Ctrl+Shift+K",),
            "mdi6.content-save-outline", "Give the selection a name, to select it again later.",
            enabled=anything, section="named",
        ),
        Command(
            "select.recall", "Select a named set…", lambda a: a.instruments.ask_recall(), "Select",
            ("Ctrl+K",), "mdi6.playlist-check", "Select what was kept under a name.",
            enabled=lambda a: bool(a.session.selection.sets), section="named",
        ),
    ]  # fmt: skip
    out += [
        Command(
            f"select.map.{key}", f"Map by {name}" if key != "directions" else "Map by chosen directions",
            of(key, lambda a, k: setattr(a.instruments.map, "method", k)), "Select/Latent map", (),
            "mdi6.scatter-plot-outline", tip, of(key, lambda a, k: bool(a.instruments.map.method == k)), group="map",
        )
        for (key, name), tip in zip(
            METHOD_NAMES.items(),
            (
                "Place transitions so that neighbours in latent space are neighbours on the map.",
                "Place transitions along the two directions of the largest variance.",
                "Place transitions along probes of speed and yaw rate, or along principal components.",
            ),
            strict=True,
        )
    ]  # fmt: skip
    out += [
        Command(
            "select.map.density", "Density", lambda a: a.instruments.toggle_density(), "Select/Latent map", ("D",),
            "mdi6.blur", "Show on the latent map how many transitions lie where.",
            lambda a: a.instruments.map.density,
        ),
    ]  # fmt: skip
    out += [
        Command(
            "select.map.compare", "Compare on the map…", lambda a: a.instruments.ask_compare(), "Select/Latent map", (),
            "mdi6.compare", "Show another drive, or another model on this drive, on the same map.",
            enabled=has_prediction,
        ),
        Command(
            "select.map.alone", "Stop comparing on the map", lambda a: a.instruments.stop_comparing(),
            "Select/Latent map", (), "mdi6.compare-remove", "Show only the open drive on the latent map.",
            enabled=lambda a: a.instruments.map.compared is not None,
        ),
    ]  # fmt: skip
    return out
