"""The commands of the sub-menu Analyse > Compare: with what the prediction is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapose_inspector.actions.command import Command, has_drive, of

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector


def _compares(app: Inspector) -> bool:
    return app.session.comparison.other is not None


def compare_commands() -> list[Command]:
    menu = "Analyse/Compare"
    out = [
        Command(
            "compare.file", "With a trajectory file…", lambda a: a.comparer.choose_file(), menu, (),
            "mdi6.file-compare", "Compare with the poses of a TUM, KITTI or CSV file on the drive's clock.",
            enabled=has_drive,
        ),
        Command(
            "compare.checkpoint", "With a checkpoint…", lambda a: a.comparer.choose_checkpoint(), menu, (),
            "mdi6.database-sync-outline",
            "Compare with another checkpoint's analysis at the same rate, stored or made now.", enabled=has_drive,
        ),
        Command(
            "compare.stored", "With a stored result…", lambda a: a.comparer.choose_stored(), menu, (),
            "mdi6.history", "Choose among the results of other checkpoints on this drive at this rate.",
            enabled=lambda a: a.session.analysis is not None,
        ),
    ]  # fmt: skip
    out += [
        Command(
            f"compare.{key}", text, of(key, lambda a, k: a.comparer.compare_reference(k)), menu, (),
            icon, tip, enabled=has_drive,
        )
        for key, text, icon, tip in (
            ("opencv", "With OpenCV (classical)", "mdi6.camera-metering-matrix",
             "Compute a classical reference from feature matches in the background; it is no ground truth."),
            ("colmap", "With COLMAP (classical)", "mdi6.cube-scan",
             "Compute a reference by structure from motion in the background: slow, and no ground truth."),
        )
    ]  # fmt: skip
    out += [
        Command(
            "compare.set", "Over the whole set", lambda a: a.comparer.toggle_set(), menu, (),
            "mdi6.folder-multiple-outline",
            "Compare the two checkpoints on every drive of the set; those not analysed yet are, in the background.",
            lambda a: a.session.comparison.whole_set is not None, enabled=lambda a: a.comparer.can_compare_set,
            section="parts",
        ),
        Command(
            "compare.manifest", "Clips of a training manifest…", lambda a: a.comparer.choose_manifest(), menu, (),
            "mdi6.school-outline",
            "Give the figures of the clips that a training manifest holds, and of all others, beside each other.",
            enabled=_compares, section="parts",
        ),
        Command(
            "compare.cancel", "Cancel", lambda a: a.comparer.cancel(), menu, (), "mdi6.stop-circle-outline",
            "Give up what is being computed; a stored part of an analysis is kept.",
            enabled=lambda a: bool(a.session.comparison.doing),
        ),
        Command(
            "compare.clear", "With nothing", lambda a: a.comparer.clear(), menu, (), "mdi6.close",
            "Take the second trajectory away.", enabled=_compares,
        ),
    ]  # fmt: skip
    return out
