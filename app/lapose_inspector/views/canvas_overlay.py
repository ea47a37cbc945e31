"""Readable text and legends over an OpenGL canvas, as ordinary widgets that let the mouse through."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from lapose_inspector.models.colours import ThemeColours

Align = Qt.AlignmentFlag
CORNERS = {
    "top left": (0, 0, Align.AlignLeft | Align.AlignTop),
    "top right": (0, 2, Align.AlignRight | Align.AlignTop),
    "bottom left": (1, 0, Align.AlignLeft | Align.AlignBottom),
    "bottom right": (1, 2, Align.AlignRight | Align.AlignBottom),
}
"""Row, place in it and alignment. The rows know nothing of each other: a wide legend takes no room from the words
above it."""


LEAST = QSize(160, 100)
"""Of the panel, in pixels."""
SPARE = 0.75
"""The share of the panel's least size below which its texts need so little that it may become smaller."""


class _Pane(QWidget):
    """Holds the texts. It is as large as the overlay by hand and of fixed size, for in a layout every new text would
    lay the whole window out; it only tells the overlay where its texts need more room than it may shrink to."""

    def __init__(self, overlay: CanvasOverlay) -> None:
        super().__init__(overlay)
        self._overlay = overlay
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def event(self, event: QEvent) -> bool:
        done = super().event(event)
        layout = self.layout()
        if event.type() == QEvent.Type.LayoutRequest and layout is not None:
            needed, least = layout.minimumSize().expandedTo(LEAST), self._overlay.minimumSize()
            grows = needed.width() > least.width() or needed.height() > least.height()
            if grows or needed.width() < SPARE * least.width() or needed.height() < SPARE * least.height():
                self._overlay.setMinimumSize(needed)
        return done


class _Holder(QWidget):
    """Between a window and what is pointed out in it. It stays when that goes: the window would be laid out anew for
    each of its children that comes or goes."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)


class CanvasOverlay(QWidget):
    """Four corners for widgets, a message in the middle and a tooltip by the mouse, over a canvas that may come later:
    until then there is its ground."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stack = QGridLayout(self)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._ground = QWidget(self)
        self._ground.setAutoFillBackground(True)
        self._stack.addWidget(self._ground, 0, 0)
        self._pane = _Pane(self)
        column = QVBoxLayout(self._pane)
        column.setContentsMargins(8, 6, 8, 6)
        column.setSpacing(4)
        self._rows = QGridLayout(), QGridLayout()
        for row in self._rows:
            row.setSpacing(4)
            row.setColumnStretch(1, 1)
        self.message = QLabel(self._pane)
        self.message.setObjectName("message")
        self.message.setWordWrap(True)
        self.message.setAlignment(Align.AlignCenter)
        self.message.hide()
        column.addLayout(self._rows[0])
        column.addWidget(self.message, 1)
        column.addStretch(0)
        column.addLayout(self._rows[1])
        self.tooltip = QLabel(self)
        self.tooltip.setObjectName("tooltip")
        self.tooltip.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.tooltip.hide()
        self.setMinimumSize(LEAST)
        self._pane.raise_()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._pane.setFixedSize(self.size())

    def set_canvas(self, canvas: QWidget) -> None:
        """Put the canvas under all of it."""
        self._stack.replaceWidget(self._ground, canvas)
        self._ground.hide()
        canvas.show()  # now: by itself it would come a turn later, with the panel's colour in between
        self._pane.raise_()

    def place(self, widget: QWidget, corner: str) -> None:
        """Put a widget into one of CORNERS."""
        row, column, align = CORNERS[corner]
        widget.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._rows[row].addWidget(widget, 0, column, align)

    def label(self, corner: str, name: str) -> QLabel:
        """A text label in a corner."""
        label = QLabel(self._pane)
        label.setObjectName(name)
        label.setTextFormat(Qt.TextFormat.RichText)
        label.hide()
        self.place(label, corner)
        return label

    def say(self, text: str) -> None:
        """Show a message in the middle; empty hides it."""
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def point_out(self, widget: QWidget, position: tuple[float, float]) -> None:
        """Show a widget beside a canvas position and not over it: inside the window, for which the canvas
        itself may be too low."""
        window, holder = self.window(), widget.parentWidget()
        if not isinstance(holder, _Holder) or holder.parentWidget() is not window:
            if isinstance(holder, _Holder):
                holder.deleteLater()
            holder = _Holder(window)
            widget.setParent(holder)
        widget.adjustSize()
        at = self.mapTo(window, QPoint(int(position[0]), int(position[1])))
        x, y = at.x() + 14, at.y() + 14
        if x + widget.width() > window.width() - 4:
            x = at.x() - 14 - widget.width()
        if y + widget.height() > window.height() - 4:
            y = at.y() - 14 - widget.height()
        holder.setGeometry(max(4, x), max(4, y), widget.width(), widget.height())
        widget.move(0, 0)
        widget.show()
        holder.show()
        holder.raise_()

    def set_theme(self, colours: ThemeColours) -> None:
        # Style sheets on ground and pane alone: one on this widget would cascade over the canvas's native colours.
        self._ground.setStyleSheet(f"background: {colours.canvas};")
        chip = f"background: {_alpha(colours.canvas, 0.78)}; border-radius: 4px; padding: 2px 5px;"
        self._pane.setStyleSheet(
            f"QLabel {{ color: {colours.text}; {chip} }}"
            f"QLabel#message {{ background: transparent; color: {colours.muted}; }}"
        )
        self.tooltip.setStyleSheet(
            f"background: {colours.raised}; color: {colours.text}; border: 1px solid {colours.border};"
            "border-radius: 4px; padding: 4px 6px;"
        )


def panel_layout(panel: QWidget) -> QVBoxLayout:
    """A tool row over a canvas, without margins."""
    layout = QVBoxLayout(panel)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    return layout


def _alpha(colour: str, alpha: float) -> str:
    value = colour.lstrip("#")
    red, green, blue = (int(value[i : i + 2], 16) for i in (0, 2, 4))
    return f"rgba({red}, {green}, {blue}, {alpha})"
