"""A panel's row of controls, which gives up its captions where there is no room for them."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QWidget

from lapose_inspector.views.combo_box import ComboBox

ICON = QSize(18, 18)


class ToolRow(QFrame):
    """Choices with a caption before them, and buttons. A choice's tooltip says what it is of, for where its caption is
    hidden: a choice that is cut off says nothing at all."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("tools")
        self.layout_ = QHBoxLayout(self)
        self.layout_.setContentsMargins(12, 0, 6, 0)
        self.layout_.setSpacing(4)
        self._captions: list[QLabel] = []

    def add_choice(self, caption: str, box: ComboBox) -> None:
        """Append a box, with a caption where there is room for one."""
        label = QLabel(caption, self)
        label.setBuddy(box)
        self._captions.append(label)
        self.layout_.addWidget(label)
        self.layout_.addWidget(box)

    def add(self, widget: QWidget, stretch: int = 0) -> None:
        """Append a widget."""
        self.layout_.addWidget(widget, stretch)

    def add_button(self, tip: str, *, checkable: bool = False) -> QToolButton:
        """Append a button for an icon; the first line of its tooltip names it."""
        button = QToolButton(self)
        button.setToolTip(tip)
        button.setAccessibleName(tip.split("\n")[0])
        button.setAutoRaise(True)
        button.setCheckable(checkable)
        button.setIconSize(ICON)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.layout_.addWidget(button)
        return button

    def add_action(self, action: QAction) -> None:
        """Append a command of the menus as an icon."""
        button = QToolButton(self)
        button.setDefaultAction(action)
        button.setIconSize(QSize(16, 16))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.layout_.addWidget(button)

    def event(self, event: QEvent) -> bool:
        known = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:  # something in the row came, went, or has another text
            self._fit()
        return known

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        roomy = self._needed() <= self.width()
        for caption in self._captions:
            if caption.isHidden() == roomy:
                caption.setVisible(roomy)

    def _needed(self) -> int:
        """Pixels that the row needs with its captions."""
        margins, widths = self.layout_.contentsMargins(), []
        for index in range(self.layout_.count()):
            item = self.layout_.itemAt(index)
            widget = None if item is None else item.widget()
            if widget is not None and (widget in self._captions or not widget.isHidden()):
                hint = widget.minimumSizeHint() if isinstance(widget, ComboBox) else widget.sizeHint()
                widths.append(hint.width())
        spacing = self.layout_.spacing() * max(len(widths) - 1, 0)
        return sum(widths) + spacing + margins.left() + margins.right()
