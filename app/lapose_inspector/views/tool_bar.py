"""The bar of commands along the top: open, analyse, at which rate and with which model, views, help."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QLabel, QSizePolicy, QToolBar, QToolButton, QWidget

from lapose_inspector.models.session import RATES, Session
from lapose_inspector.views.action_set import ActionSet
from lapose_inspector.views.combo_box import ComboBox


class FixedBar(QToolBar):
    """A bar that stays where it is; with ``whole`` it is a frame for that one widget and nothing else."""

    def __init__(self, title: str, name: str, parent: QWidget, whole: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self.setObjectName(name)
        self.setMovable(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        if whole is not None:
            self.setStyleSheet("QToolBar { padding: 0; margin: 0; }")
            self.whole = self.addWidget(whole)


class ToolBar(FixedBar):
    """Buttons of commands, and between them the session's rate and model.

    Args:
        session: whose rate and model are shown.
        actions: the commands.
        set_rate: called with the rate in Hz that the user chooses.
    """

    def __init__(
        self, session: Session, actions: ActionSet, set_rate: Callable[[float], object], parent: QWidget
    ) -> None:
        super().__init__("Commands", "toolbar", parent)
        self._session = session
        self.setIconSize(QSize(20, 20))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        for id in ("file.open", "file.open_folder", "file.information"):
            self.addAction(actions[id])
        self.addSeparator()
        self.addAction(actions["analyse.toggle"])
        button = self.widgetForAction(actions["analyse.toggle"])
        assert isinstance(button, QToolButton)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setMinimumWidth(128)
        self.rate = ComboBox()
        self.rate.setToolTip("Analysis rate: frames per second of the drive that the model sees")
        self.rate.setMinimumWidth(76)
        self.rate.activated.connect(lambda i: set_rate(self.rate.itemData(i)))
        self.addWidget(_caption("Rate"))
        self.addWidget(self.rate)
        self.addSeparator()
        self.addWidget(_caption("Checkpoint"))
        self.checkpoint = QToolButton()
        self.checkpoint.clicked.connect(actions["analyse.checkpoint"].trigger)
        self.addWidget(self.checkpoint)
        spacer = QWidget()
        spacer.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.addWidget(spacer)
        for id in ("view.follow", "view.top", "view.reset"):
            self.addAction(actions[id])
        self.addSeparator()
        for id in ("help.palette", "help.shortcuts", "view.theme"):
            self.addAction(actions[id])
        session.model_changed.connect(self._show_checkpoint)
        session.rate_changed.connect(self._show_rate)
        self._show_rate(session.rate)
        self._show_checkpoint()

    def close_panel(self) -> None:
        """Let go of the session."""
        self._session.model_changed.disconnect(self._show_checkpoint)
        self._session.rate_changed.disconnect(self._show_rate)

    def _show_checkpoint(self) -> None:
        info = self._session.model_info
        self.checkpoint.setText("none" if info is None else info.name)
        self.checkpoint.setToolTip(
            "Choose a trained model"
            if info is None
            else f"{info.name} ({info.checkpoint_hash}): {info.parameters / 1e6:.1f} million parameters, "
            f"{info.window} frames of {info.image_size[0]}×{info.image_size[1]}. Click to choose another."
        )

    def _show_rate(self, rate: float) -> None:
        self.rate.clear()
        for offered in sorted({*RATES, rate}):
            self.rate.addItem(f"{offered:g} Hz", offered)
        self.rate.setCurrentIndex(self.rate.findData(rate))


def _caption(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("muted", True)
    label.setContentsMargins(6, 0, 4, 0)
    return label
