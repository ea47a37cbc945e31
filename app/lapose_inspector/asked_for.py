"""Parts of the controller that are imported and made when a command first asks for them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

if TYPE_CHECKING:
    from lapose_inspector.exporter import Exporter
    from lapose_inspector.figures import Figures
    from lapose_inspector.inspector import Inspector
    from lapose_inspector.manifests import Manifests
    from lapose_inspector.models.settings import Folders
    from lapose_inspector.reporter import Reporter
    from lapose_inspector.tour import TourGuide


class AskedFor(QObject):
    """The inspector's base: what it has beside the parts that it is built of."""

    _folders: Folders

    @cached_property
    def exporter(self: Inspector) -> Exporter:  # type: ignore[misc]
        from lapose_inspector.exporter import Exporter

        return Exporter(self)

    @cached_property
    def figures(self: Inspector) -> Figures:  # type: ignore[misc]
        from lapose_inspector.figures import Figures

        return Figures(self)

    @cached_property
    def reporter(self: Inspector) -> Reporter:  # type: ignore[misc]
        from lapose_inspector.reporter import Reporter

        return Reporter(self, self._folders.cache_dir / "results", self._folders.data_dir / "sessions")

    @cached_property
    def manifests(self: Inspector) -> Manifests:  # type: ignore[misc]
        from lapose_inspector.manifests import Manifests

        return Manifests(self)

    @cached_property
    def tour(self: Inspector) -> TourGuide:  # type: ignore[misc]
        from lapose_inspector.tour import TourGuide

        return TourGuide(self)

    def _asked_for(self) -> list[Any]:
        """Those that are there and have a thread to end."""
        return [vars(self)[name] for name in ("exporter", "figures", "reporter", "manifests") if name in vars(self)]
