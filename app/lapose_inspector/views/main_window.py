"""The main window: panels in docks, menus, toolbar, transport and status bar."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QMainWindow,
    QSizePolicy,
    QTabBar,
    QTabWidget,
    QWidget,
)

from lapose_inspector import theme
from lapose_inspector.actions import PANELS
from lapose_inspector.models.display import Display
from lapose_inspector.models.settings import RecentLog
from lapose_inspector.models.turn_signal import Connectable
from lapose_inspector.views.action_set import ActionSet
from lapose_inspector.views.annotations_view import AnnotationsView
from lapose_inspector.views.compare_view import CompareView
from lapose_inspector.views.dataset_browser import DatasetBrowser
from lapose_inspector.views.forward_view import ForwardView
from lapose_inspector.views.gallery_view import GalleryView
from lapose_inspector.views.latent_map_view import LatentMapView
from lapose_inspector.views.notice_bar import NoticeBar
from lapose_inspector.views.panel import PanelDock
from lapose_inspector.views.status_bar import StatusBar
from lapose_inspector.views.tool_bar import FixedBar, ToolBar
from lapose_inspector.views.tracks_view import TracksView
from lapose_inspector.views.trajectory_view import TrajectoryView
from lapose_inspector.views.transport import Transport
from lapose_inspector.views.triage_view import TriageView
from lapose_inspector.views.video_view import VideoView
from lapose_inspector.views.why_view import WhyView

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector

LAYOUT_VERSION = 4
"""Of saved dock states; a state of another version is not restored."""

COME_LATER = ("drives", "notes", "gallery", "compare")
"""Panels that come when there is something in them."""

BROWSER_WIDTH = 320
"""Pixels: a drive's thumbnail and room for its name."""

THREE_COLUMNS = 1400
"""Pixels of the window's width from which the triage list stands beside the video by itself."""


class MainWindow(QMainWindow):
    """Everything on screen. It shows the inspector's models and calls its commands; it decides nothing."""

    dropped = Signal(object)
    """Path of a file or folder dropped on the window."""
    closing = Signal()

    def __init__(self, app: Inspector) -> None:
        super().__init__()
        self._app, session = app, app.session
        self._browser_came = False
        self._keeps_colours = False
        self.setWindowTitle("LA-Pose Inspector")
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(True)
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self.resize(1440, 900)

        self.video = VideoView(session, app.frames)
        self.trajectory = TrajectoryView(session)
        self.latent_map = LatentMapView(session, app.instruments.map)
        self.latent_map.elsewhere.connect(app.instruments.go_to)
        self.latent_map.carrying.connect(lambda: self.show_panel("forward"))
        self.forward = ForwardView(session, app.reconstruction, app.instruments.forward_worker, app.instruments.forward)
        self.forward.action_dropped.connect(app.instruments.use_action)
        self.tracks = TracksView(session)
        self.gallery = GalleryView(session, app.instruments.gallery, app.instruments.open_drive)
        self.gallery.chosen.connect(app.instruments.go_to)
        self.actions_ = ActionSet(app, self)
        opener = app.opener
        self.browser = DatasetBrowser(session, opener.dataset, opener.previews, self.actions_["analyse.cancel"])
        self.browser.drive_chosen.connect(opener.choose_drive)
        self.browser.camera_chosen.connect(opener.choose_camera)
        self.browser.pose_topic_chosen.connect(opener.choose_pose_topic)
        self.why = WhyView(session, app.explanation)
        self.notes = AnnotationsView(session, self.actions_)
        self.triage = TriageView(session, app.triage.model, app.triage.pictures, self.actions_)
        self.triage.row_chosen.connect(app.triage.go_to)
        self.compare = CompareView(session, self.actions_)
        self.compare.frame_chosen.connect(session.timeline.seek)
        self.compare.stretch_opened.connect(session.timeline.set_loop)
        self.compare.file_changed.connect(app.comparer.compare_file)
        self.compare.drive_chosen.connect(app.opener.choose_drive)
        self.panels = (
            self.browser, self.triage, self.video, self.trajectory, self.latent_map, self.forward, self.tracks,
            self.notes, self.gallery, self.compare, self.why,
        )  # fmt: skip
        widgets: tuple[QWidget, ...] = self.panels
        self.docks = {key: PanelDock(key, PANELS[key], panel, self) for key, panel in zip(PANELS, widgets, strict=True)}

        self.menus = self.actions_.fill_menu_bar(self.menuBar())
        self.recent_menu = self.menus["File"].addMenu("Open recent")
        self.menus["File"].insertMenu(self.actions_["file.information"], self.recent_menu)
        self.recent_menu.aboutToShow.connect(self._fill_recent)
        self.tool_bar = ToolBar(session, self.actions_, app.set_rate, self)
        self.addToolBar(self.tool_bar)
        self.notice = NoticeBar(session, self.actions_["file.poses"])
        self._add_notice(self.notice)
        self.transport = Transport(session, self.actions_)
        self._add_bottom_bar(self.transport)
        for notes in (self.notes, self.transport.band):
            notes.note_chosen.connect(app.annotator.go_to)
            notes.note_opened.connect(app.annotator.edit_note)
        self.transport.band.range_drawn.connect(app.annotator.ask)
        self.status = StatusBar(session, self.actions_)
        self.setStatusBar(self.status)
        self._arrange()
        for dock in self.docks.values():
            dock.visibilityChanged.connect(self.actions_.refresh_soon)

        session.drive_changed.connect(self._show_title)
        for signal in self._state_signals():
            signal.connect(self.actions_.refresh_soon)
        app.display.theme_changed.connect(self._show_theme)

    @property
    def display(self) -> Display:
        """The theme and what else is chosen of how things are shown."""
        return self._app.display

    def show_state(self) -> None:
        """Show everything as the models have it now. Called once, when the inspector knows its window."""
        self._show_theme(self._app.display.theme)

    def _state_signals(self) -> tuple[Connectable, ...]:
        """What may enable, disable or check a command."""
        app, session, display = self._app, self._app.session, self._app.display
        return (
            session.drive_changed, session.analysis_changed, session.model_changed, session.rate_changed,
            app.opener.dataset.changed, app.timeline.playing_changed, app.timeline.loop_changed,
            app.timeline.speed_changed, app.timeline.every_frame_changed,
            display.alignment_changed, display.colour_by_changed, display.cloud_changed, display.cloud_colour_changed,
            display.follow_changed,
            display.overlay_changed, session.selection.changed, session.selection.sets_changed,
            app.instruments.map.tool_changed, app.instruments.map.method_changed, app.instruments.map.density_changed,
            app.instruments.map.compared_changed,
            app.instruments.forward.changed, app.instruments.forward.heat_changed,
            session.history.changed, session.annotations.changed, session.comparison.changed,
            session.comparison.progress_changed, app.triage.model.changed, app.triage.model.progress_changed,
            session.annotations.current_changed, session.annotations.marks_changed,
        )  # fmt: skip

    def _add_notice(self, widget: NoticeBar) -> None:
        bar = FixedBar("Notice", "noticeBar", self, widget)
        widget.shown.connect(bar.setVisible)
        widget.shown.connect(bar.whole.setVisible)
        self.addToolBarBreak()
        self.addToolBar(bar)
        widget.show_problems()

    def _add_bottom_bar(self, widget: QWidget) -> None:
        widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.addToolBar(Qt.ToolBarArea.BottomToolBarArea, FixedBar("Transport", "transportBar", self, widget))

    def _arrange(self) -> None:
        """The first layout: video over 3D, map over forward dynamics, tracks along the bottom."""
        top, bottom = Qt.DockWidgetArea.TopDockWidgetArea, Qt.DockWidgetArea.BottomDockWidgetArea
        docks = self.docks
        for dock in docks.values():
            dock.setFloating(False)
            self.removeDockWidget(dock)
        # Not in the left area: without a central widget that grows by a separator at every change of layout.
        self.addDockWidget(top, docks["triage"])
        self.splitDockWidget(docks["triage"], docks["video"], Qt.Orientation.Horizontal)
        self.splitDockWidget(docks["video"], docks["map"], Qt.Orientation.Horizontal)
        self.splitDockWidget(docks["video"], docks["trajectory"], Qt.Orientation.Vertical)
        self.splitDockWidget(docks["map"], docks["forward"], Qt.Orientation.Vertical)
        self.tabifyDockWidget(docks["forward"], docks["why"])
        self.tabifyDockWidget(docks["forward"], docks["notes"])
        self.tabifyDockWidget(docks["triage"], docks["drives"])
        self.tabifyDockWidget(docks["forward"], docks["compare"])
        self.addDockWidget(bottom, docks["tracks"])
        self.tabifyDockWidget(docks["forward"], docks["gallery"])
        for key, dock in docks.items():
            # Most logs hold one drive; the list comes by itself where there are more.
            several = key == "drives" and len(self._app.opener.dataset.listings) > 1
            roomy = key != "triage" or self.width() >= THREE_COLUMNS
            dock.setVisible(several or (roomy and key not in COME_LATER))
        docks["forward"].raise_()
        self._share_room()

    def _share_room(self) -> None:
        """Divide the window among the docks by fixed shares."""
        down = Qt.Orientation.Vertical
        docks, room = self.docks, max(300, self.height() - 150)
        rows = [round(room * share) for share in (0.36, 0.36, 0.28)]
        self._share_columns()
        self.resizeDocks([docks["video"], docks["trajectory"], docks["tracks"]], rows, down)
        # Four pictures need more room than a cloud of points.
        self.resizeDocks([docks["map"], docks["forward"]], [round(room * share) for share in (0.29, 0.43)], down)

    def _share_columns(self) -> None:
        """Divide the width among the drives, the video and the map by fixed shares."""
        docks, width = [self.docks["video"], self.docks["map"]], self.width()
        widths = []
        left = next((self.docks[key] for key in ("triage", "drives") if not self.docks[key].isHidden()), None)
        if left is not None:
            docks.insert(0, left)
            widths.append(min(BROWSER_WIDTH, width // 4))
            width -= widths[0]
        share = 0.58 if left is None else 0.52  # the map's controls need their room
        widths += [round(width * share), round(width * (1 - share))]
        self.resizeDocks(docks, widths, Qt.Orientation.Horizontal)

    def reset_layout(self) -> None:
        """Put every panel back where it was at first."""
        self._arrange()

    def toggle_panel(self, key: str) -> None:
        """Show or hide the panel ``key`` of PANELS."""
        dock = self.docks[key]
        dock.setVisible(dock.isHidden())
        if not dock.isHidden():
            dock.raise_()

    def show_panel(self, key: str) -> None:
        """Show a panel, in front where it is behind another tab."""
        dock = self.docks[key]
        if dock.isHidden():
            dock.show()
            if key in ("drives", "triage"):
                # Only once it is laid out can it be given its width.
                QTimer.singleShot(0, self, self._share_columns)
                self._browser_came = True
        dock.raise_()

    def choose_drive(self) -> None:
        """Show the data set's drives, ready to type a filter."""
        self.show_panel("drives")
        self.browser.focus_filter()

    def panel_shown(self, key: str) -> bool:
        """Whether a panel is open, be it behind another tab."""
        return not self.docks[key].isHidden()

    def toggle_full_screen(self) -> None:
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()

    def save_layout(self) -> tuple[str, str]:
        """Geometry and dock state, base64."""
        state = self.saveState(LAYOUT_VERSION)
        return _encode(self.saveGeometry()), _encode(state)

    def restore_layout(self, geometry: str, state: str) -> None:
        """What ``save_layout`` gave; anything else changes nothing."""
        self.restoreGeometry(_decode(geometry))
        if _decode(state) != self.saveState(LAYOUT_VERSION):  # Qt leaves tabs behind each time
            self.restoreState(_decode(state), LAYOUT_VERSION)
        for bar in self.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
            if bar.count() < 2 and self.rect().intersects(bar.geometry()):
                bar.move(-bar.width(), -bar.height())

    def close_panels(self) -> None:
        """Let every panel go of the models and of its canvas; the window is done for after this."""
        app, session = self._app, self._app.session
        for panel in (*self.panels, self.notice):
            panel.close_panel()
        self.tool_bar.close_panel()
        self.transport.close_panel()
        self.status.close_panel()
        session.drive_changed.disconnect(self._show_title)
        app.display.theme_changed.disconnect(self._show_theme)
        for signal in self._state_signals():
            signal.disconnect(self.actions_.refresh_soon)

    def show_running(self, running: bool) -> None:
        """Whether an analysis is going on."""
        self.status.set_running(running)
        self.actions_.refresh_soon()

    def show_checking(self, checking: bool) -> None:
        """Whether the analysed drive is looked at again, for its confidence."""
        self.status.set_checking(checking)
        self.actions_.refresh_soon()

    def show_opening(self, opening: bool) -> None:
        """Whether a log is being listed or opened."""
        self.status.set_opening(opening)
        if not opening and self._browser_came:
            # What a drive brings into the panels moves their borders once more.
            self._browser_came = False
            QTimer.singleShot(100, self, self._share_columns)
        self.actions_.refresh_soon()

    def _show_title(self) -> None:
        drive = self._app.session.drive
        self.setWindowTitle("LA-Pose Inspector" if drive is None else f"{drive.name} – LA-Pose Inspector")

    @contextlib.contextmanager
    def keeping_its_colours(self) -> Iterator[None]:
        """While a panel shows another theme, for a figure."""
        self._keeps_colours = True
        try:
            yield
        finally:
            self._keeps_colours = False

    def _show_theme(self, _: str) -> None:
        if self._keeps_colours:
            return
        colours = self._app.display.colours
        self.setPalette(theme.qt_palette(colours))
        self.setStyleSheet(theme.style_sheet(colours))
        self.actions_.colour_icons()
        for dock in self.docks.values():
            dock.colour(colours)

    def _fill_recent(self) -> None:
        self.recent_menu.clear()
        recent = self._app.settings.recent
        for entry in recent:
            self.recent_menu.addAction(_recent_text(entry), self._opener(entry))
        if not recent:
            self.recent_menu.addAction("No recent logs").setEnabled(False)

    def _opener(self, entry: RecentLog) -> Callable[[], None]:
        return lambda: self._app.opener.open_again(entry)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths[0])

    def closeEvent(self, event: QCloseEvent) -> None:
        self.closing.emit()
        super().closeEvent(event)


def _recent_text(entry: RecentLog) -> str:
    text = f"{entry.name}   {entry.path.parent}"
    return text.replace("&", "&&")


def _encode(data: QByteArray) -> str:
    return base64.b64encode(data.data()).decode()


def _decode(text: str) -> QByteArray:
    try:
        return QByteArray(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return QByteArray()
