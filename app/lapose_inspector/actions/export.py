"""The commands of the menu Export: what leaves the program."""

from __future__ import annotations

from lapose_inspector.actions.command import Command, has_prediction, has_truth, of


def export_commands() -> list[Command]:
    rows = (
        ("predicted", "tum", "Predicted path as TUM…", ("Ctrl+E",), has_prediction),
        ("predicted", "kitti", "Predicted path as KITTI…", ("Ctrl+Shift+E",), has_prediction),
        ("truth", "tum", "True path as TUM…", (), has_truth),
        ("truth", "kitti", "True path as KITTI…", (), has_truth),
    )
    return [
        Command(
            f"export.{what}.{form}", text, of((what, form), lambda a, k: a.choose_export(*k)),
            "Export", keys,
            "mdi6.export-variant", f"Write the {what.replace('truth', 'true')} trajectory to a text file.",
            enabled=enabled, section=what,
        )
        for what, form, text, keys, enabled in rows
    ]  # fmt: skip
