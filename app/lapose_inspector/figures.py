"""The part of the controller that makes figures for print of the window's panels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Slot
from PySide6.QtGui import QImage

from lapose_core.export.files import Progress, replacing, write_text
from lapose_inspector.actions.command import PANELS
from lapose_inspector.models.figure import INCH, FigureRequest, about
from lapose_inspector.views.figure_dialog import FigureDialog
from lapose_inspector.views.paper import Layout, drawn, in_light, lay_out, painted, size_on_paper
from lapose_inspector.visuals.svg_figure import finished
from lapose_inspector.workers.exporting import ExportResult
from lapose_inspector.writing import Writing

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

SETTLE = 1000
"""Milliseconds that a panel has to show what it holds, where it was hidden or has more room than before."""


class Figures(Writing[FigureDialog]):
    """Asks what figure is wanted, takes it from the panel as it stands in the light theme, and writes it."""

    thing, failure = "figure", "The figure cannot be written"

    def __init__(self, app: Inspector) -> None:
        super().__init__(app, _written)
        self._last: FigureRequest | None = None
        self._told: Callable[[str], object] | None = None

    def ask(self, panel: str | None = None) -> None:
        """Show the dialog, with ``panel`` or that of the last time chosen."""
        if self.dialog is not None:
            return
        drive, folder = self._app.session.drive, self._app.exporter.folder()
        name = "inspector" if drive is None else drive.name
        dialog = FigureDialog(self._app.window.docks, name, folder, self._last, self._app.window)
        if panel is not None:
            dialog.choose(panel)
        self._app.window.show_panel(dialog.request.panel)
        dialog.chosen.connect(self._app.window.show_panel)
        dialog.wanted.connect(self.make)
        self.show(dialog)

    @Slot(object)
    def make(self, request: FigureRequest, told: Callable[[str], object] | None = None) -> None:
        """Make a figure; a problem is shown, not raised. ``told`` hears the problem, or "", instead of the user."""
        self._last, self._told = request, told
        if self.dialog is not None:
            self.dialog.show_running(True)
        panel = self._app.window.docks[request.panel].widget()
        if panel.visibleRegion().isEmpty():
            self._app.window.show_panel(request.panel)
            QTimer.singleShot(SETTLE, self, lambda: self._begin(request))
        else:
            self._begin(request)

    def _begin(self, request: FigureRequest) -> None:
        panel = self._app.window.docks[request.panel].widget()
        shown = Layout.of(panel)
        if request.whole:
            # What comes into sight with more room may have to be read first.
            lay_out(panel, *request.room(shown.size.height()), whole=True)
            QTimer.singleShot(SETTLE, self, lambda: self._take(request, shown))
        else:
            self._take(request, shown)

    def _take(self, request: FigureRequest, shown: Layout) -> None:
        window = self._app.window
        panel = window.docks[request.panel].widget()
        try:
            with in_light(window, panel):
                lay_out(panel, *request.room(shown.size.height()), request.whole)
                scale = request.scale(panel.width())
                words = about(self._app.session, PANELS[request.panel])
                if request.form == "svg":
                    write = _svg(request, *drawn(panel, scale), *size_on_paper(panel, request.width), words)
                else:
                    write = _png(request, painted(panel, scale), words)
        except (ValueError, OSError) as error:
            self.finish(ExportResult(problem=str(error)))
            return
        finally:
            shown.put_back(panel)
        self.worker.write(write)

    @Slot(object)
    def finish(self, result: ExportResult) -> None:
        told, self._told = self._told, None
        if told is not None:
            told(result.problem)
        else:
            super().finish(result)


def _png(request: FigureRequest, image: QImage, words: str) -> Callable[[Progress], ExportResult]:
    def write(progress: Progress) -> ExportResult:
        per_metre = round(request.dpi / INCH * 1000)
        image.setDotsPerMeterX(per_metre)
        image.setDotsPerMeterY(per_metre)
        image.setText("Description", words)
        with replacing(request.path) as part:
            if not image.save(str(part), "PNG"):  # type: ignore[call-overload]
                raise OSError(f"{request.path}: cannot be written; is the disk full, or the folder read-only?")
            progress(1.0)
        return ExportResult((request.path,), f"{image.width()} x {image.height()} pixels")

    return write


def _written(result: ExportResult) -> str:
    return f"Figure written to {result.files[0]}: {result.what}"


def _svg(
    request: FigureRequest, drawing: str, family: str, width: float, height: float, words: str
) -> Callable[[Progress], ExportResult]:
    def write(progress: Progress) -> ExportResult:
        text = finished(drawing, width, height, PANELS[request.panel], words, family)
        progress(0.5)
        write_text(request.path, text)
        return ExportResult((request.path,), f"{width:g} x {height:.0f} mm")

    return write
