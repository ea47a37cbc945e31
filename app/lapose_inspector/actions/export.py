"""The commands of the menu Export: what leaves the program."""

from __future__ import annotations

from lapose_core.export.formats import FORMATS
from lapose_inspector.actions.command import PANELS, Command, has_drive, of


def export_commands() -> list[Command]:
    return [
        Command(
            "export.dialog", "Export…", lambda a: a.exporter.ask(), "Export", ("Ctrl+E",), "mdi6.export-variant",
            "Write the paths, errors, latents and annotations for other programs.", enabled=has_drive, section="any",
        ),
        *(
            Command(
                f"export.{form.key}", f"{form.title}…", of(form.key, lambda a, key: a.exporter.ask(key)),
                "Export", (), "mdi6.export-variant", form.tip, enabled=has_drive, section=form.group,
            )
            for form in FORMATS.values()
        ),
        Command(
            "export.reports", "Report of drives…", lambda a: a.reporter.ask(), "Export", (), "mdi6.file-chart-outline",
            "One page on several analysed drives, of this data set or any: figures over all, and each by itself.",
            section="panels",
        ),
        Command(
            "export.figure", "Figure of a panel…", lambda a: a.figures.ask(), "Export", ("Ctrl+Shift+E",),
            "mdi6.printer-outline", "Any panel as it stands, black on white and at print size: PNG or SVG.",
            section="panels",
        ),
        *(
            Command(
                f"export.shown.{key}", title, of(key, lambda a, key: a.exporter.ask_picture(key)),
                "Export/As shown", (), "mdi6.camera-outline", f"Save {title.lower()} as it is now as a PNG.",
            )
            for key, title in {"window": "The window", **PANELS}.items()
        ),
    ]  # fmt: skip
