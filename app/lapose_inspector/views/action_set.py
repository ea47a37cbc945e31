"""The commands of `actions` as QActions: what menus, toolbar and transport share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu, QMenuBar

from lapose_inspector.actions import MENUS, Command, commands
from lapose_inspector.views.icons import icon

if TYPE_CHECKING:
    from lapose_inspector.inspector import Inspector


class ActionSet(QObject):
    """One QAction per command, added to the window so that its keys work whichever panel has the focus."""

    def __init__(self, app: Inspector, window: QMainWindow) -> None:
        super().__init__(window)
        self._app = app
        self.commands: tuple[Command, ...] = commands()
        self.actions: dict[str, QAction] = {}
        self._groups: dict[str, QActionGroup] = {}
        # Several models change in one step; one refresh follows them all.
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self.refresh)
        for command in self.commands:
            self.actions[command.id] = self._build(command, window)

    def __getitem__(self, id: str) -> QAction:
        return self.actions[id]

    def _build(self, command: Command, window: QMainWindow) -> QAction:
        action = QAction(command.text, window)
        action.setObjectName(command.id)
        action.setShortcuts([QKeySequence(key) for key in command.shortcuts])
        keys = f"  ({command.shortcuts[0]})" if command.shortcuts else ""
        action.setToolTip(f"{command.tip}{keys}")
        action.setStatusTip(command.tip)
        action.setCheckable(command.checked is not None)
        # Another role makes macOS move items called About or Quit; and Qt guesses roles from texts.
        action.setMenuRole(QAction.MenuRole.NoRole)
        if command.group:
            group = self._groups.get(command.group)
            if group is None:
                group = self._groups[command.group] = QActionGroup(self)
            group.addAction(action)
        action.triggered.connect(lambda _=False, c=command: self.run(c))
        window.addAction(action)
        return action

    def run(self, command: Command) -> None:
        """Do what ``command`` says and show its new state."""
        command.run(self._app)
        self.refresh()

    def refresh_soon(self, *_: object) -> None:
        """Bring every action up to date once the models have settled."""
        if not self._soon.isActive():
            self._soon.start()

    def refresh(self) -> None:
        """Bring checks and enabled states up to date."""
        for command in self.commands:
            action = self.actions[command.id]
            if command.checked is not None:
                action.setChecked(command.checked(self._app))
            if command.enabled is not None:
                action.setEnabled(command.enabled(self._app))
        playing, analysing = self._app.timeline.playing, self._app.analysis.running
        self._set_icon("play.toggle", "mdi6.pause" if playing else "mdi6.play")
        self._set_icon("analyse.toggle", "mdi6.pause-circle-outline" if analysing else "mdi6.brain")
        self["analyse.toggle"].setText("Pause analysis" if analysing else "Analyse")
        history = self._app.session.history
        self["annotate.undo"].setText(f"Undo {history.undo_text or ''}".strip())
        self["annotate.redo"].setText(f"Redo {history.redo_text or ''}".strip())

    def colour_icons(self) -> None:
        """Draw every icon anew in the theme's colours."""
        self._icons: dict[str, str] = {}
        for command in self.commands:
            if command.icon:
                self._set_icon(command.id, command.icon)
        self.refresh()

    def _set_icon(self, id: str, name: str) -> None:
        if self._icons.get(id) != name:
            self._icons[id] = name
            c = self._app.display.colours
            self[id].setIcon(icon(name, c.text, disabled=c.missing))

    def fill_menu_bar(self, bar: QMenuBar) -> dict[str, QMenu]:
        """Build the menus; returns them, sub-menus as "View/Colour by"."""
        menus: dict[str, QMenu] = {}
        sections: dict[str, str] = {}
        for title in MENUS:
            menus[title] = bar.addMenu(title)
            menus[title].setToolTipsVisible(True)
        for command in self.commands:
            parent = command.menu.split("/")[0]
            if command.menu not in menus:
                if sections.get(parent) != "sub" and not menus[parent].isEmpty():
                    menus[parent].addSeparator()
                sections[parent] = "sub"
                menus[command.menu] = menus[parent].addMenu(command.menu.split("/")[1])
            menu = menus[command.menu]
            if command.menu == parent:
                if sections.get(parent, command.section) != command.section:
                    menu.addSeparator()
                sections[parent] = command.section
            menu.addAction(self[command.id])
        return menus
