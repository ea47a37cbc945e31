"""A dock with a title bar of its own, so that all panels look alike in both themes."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt, QTimer
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QMainWindow, QSizePolicy, QToolButton, QWidget

from lapose_inspector.models.colours import ThemeColours
from lapose_inspector.views.icons import icon

TITLE_HEIGHT = 31
"""Pixels: room for a combo box, and the same for the panels that have none."""

TITLE_WIDTH = 250
"""Pixels below which a title never goes. With more controls than that a title may still be narrower than they want, for
three such panels side by side would make the window wider than a small screen."""


def in_sight(panel: QWidget) -> bool:
    """Whether a panel can be seen. Qt leaves one behind a tab visible, far outside of the window."""
    window = panel.window()
    return panel.isVisible() and window.rect().intersects(QRect(panel.mapTo(window, QPoint()), panel.size()))


class _TitleBar(QWidget):
    def minimumSizeHint(self) -> QSize:
        hint = super().minimumSizeHint()
        return QSize(min(hint.width(), TITLE_WIDTH), hint.height())


class PanelDock(QDockWidget):
    """A panel in a dock: drag by the title, double click to float, buttons to float and close.

    A panel's row of controls, its attribute ``tools``, moves into the title bar: a row less is a tenth more of
    picture in a small window. One that has a method ``look`` is called by it when it may have come into sight, or left
    it, as behind another tab.
    """

    def __init__(self, key: str, title: str, panel: QWidget, window: QMainWindow) -> None:
        super().__init__(title, window)
        self.setObjectName(f"dock.{key}")
        bar = _TitleBar()
        bar.setObjectName("panelTitle")
        bar.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        bar.setMinimumHeight(TITLE_HEIGHT)
        row = QHBoxLayout(bar)
        row.setContentsMargins(9, 2, 4, 2)
        row.setSpacing(2)
        name = QLabel(title)
        name.setObjectName("panelName")
        row.addWidget(name)
        tools: QWidget | None = getattr(panel, "tools", None)
        if tools is None:
            row.addStretch(1)
        else:
            row.addWidget(tools, 1)
        self._float, self._close = QToolButton(), QToolButton()
        self._float.setToolTip("Float this panel, or dock it again")
        self._close.setToolTip("Close this panel (View > Panels brings it back)")
        self._float.clicked.connect(lambda: self.setFloating(not self.isFloating()))
        self._close.clicked.connect(self.close)
        for button in (self._float, self._close):
            button.setObjectName("panelButton")
            button.setAutoRaise(True)
            row.addWidget(button)
        self.setTitleBarWidget(bar)
        panel.setObjectName(panel.objectName() or "panelBody")
        # Without this attribute a subclass of QWidget paints no background from the style sheet.
        panel.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setWidget(panel)
        look = getattr(panel, "look", None)
        if look is not None:
            # In the next turn: Qt tells it before the panel has its place. A single shot whose panel goes before it
            # comes would keep the panel's method, and so the window, alive.
            self._soon = QTimer(self, singleShot=True, interval=0)
            self._soon.timeout.connect(look)
            self.visibilityChanged.connect(self._soon.start)

    def colour(self, c: ThemeColours) -> None:
        """Take a theme's colours."""
        self._float.setIcon(icon("mdi6.dock-window", c.muted, active=c.text))
        self._close.setIcon(icon("mdi6.close", c.muted, active=c.text))
