"""Which lidar points the 3D panel shows, as a choice in its row of controls."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from lapose_inspector.models.display import CLOUD_NAMES, CLOUDS
from lapose_inspector.models.session import Session
from lapose_inspector.views.combo_box import ComboBox


class LidarBox(ComboBox):
    """Follows ``session.display.cloud``; what is chosen goes straight there."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        for key in CLOUDS:
            self.addItem(CLOUD_NAMES[key], key)
        self.setToolTip("Lidar points: of the frame at the cursor, or of the whole drive along a path")
        self.activated.connect(self._choose)
        session.display.cloud_changed.connect(self._show_mode)
        self._show_mode()

    @property
    def available(self) -> bool:
        """Whether the drive has point clouds."""
        return self._session.drive is not None and self._session.drive.point_cloud is not None

    def close_panel(self) -> None:
        """Let go of the session."""
        self._session.display.cloud_changed.disconnect(self._show_mode)

    def _choose(self, index: int) -> None:
        self._session.display.cloud = self.itemData(index)

    def _show_mode(self, _: str = "") -> None:
        self.setCurrentIndex(self.findData(self._session.display.cloud))
