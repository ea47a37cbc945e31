"""Real windows on a real display: these tests run under xvfb-run where there is no screen."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import vispy
from app_drives import RATE, write_folder
from hypothesis import settings
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtWidgets import QApplication

from lapose_inspector.application import display_problem
from lapose_inspector.inspector import Inspector
from lapose_inspector.models.settings import Folders

# Both must be set before the first QApplication, which pytest-qt makes.
QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
vispy.use("pyside6", "gl2")

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "data"
SAMPLE = HERE.parents[1] / "resources" / "sample_drive"

IGNORED_QT_MESSAGES = (
    # Xvfb has no window manager to grant a window the focus or the place it asks for.
    r"This plugin does not support (raise|propagateSizeHints)\(\)",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A Qt warning fails the test that caused it."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))
            item.add_marker(pytest.mark.qt_log_ignore(*IGNORED_QT_MESSAGES))


@pytest.fixture(scope="session", autouse=True)
def _display() -> None:
    problem = display_problem()
    assert problem is None, problem


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with random weights: fast, and wrong in a way no test minds."""
    import torch

    from lapose_core.model.config import tiny
    from lapose_core.model.lapose import LaPose
    from lapose_core.training.checkpoints import save_checkpoint

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    save_checkpoint(LaPose(tiny()), folder)
    return folder


@pytest.fixture(scope="session")
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image folder of 40 frames at 10 Hz with poses."""
    return write_folder(tmp_path_factory.mktemp("logs") / "small drive", 40)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    """Settings and results of this test alone."""
    monkeypatch.setenv("LAPOSE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("LAPOSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LAPOSE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LAPOSE_CACHE", str(tmp_path / "listings"))
    return Folders()


@pytest.fixture
def kitti() -> Path:
    """The real KITTI drive; the test is skipped where it is absent."""
    path = SHARED / "kitti_odometry"
    if not path.is_dir():
        pytest.skip(f"{path} is absent")
    return path


@pytest.fixture
def sample_drive() -> Path:
    """The sample drive that comes with the program."""
    return SAMPLE


Launch = Callable[..., Inspector]


@pytest.fixture
def launch(qtbot, folders: Folders, checkpoint: Path) -> Iterator[Launch]:
    """Start the program as __main__ does, with a window on the screen; ended after the test."""
    started: list[Inspector] = []

    def start(
        log: Path | None = None,
        *,
        frame: int = 0,
        size: tuple[int, int] = (1280, 800),
        keep: bool = True,
        **options,
    ) -> Inspector:
        options.setdefault("checkpoint", checkpoint)
        options.setdefault("rate", RATE)  # the small drives' own: a transition for every frame
        app = Inspector(folders, **options)
        if keep:
            started.append(app)
        app.window.resize(*size)
        app.window.show()
        # Keys reach the shortcuts of the active window only; an early error's dialog takes that place.
        app.window.activateWindow()
        qtbot.waitUntil(lambda: QApplication.activeWindow() is not None, timeout=30_000)
        if log is not None:
            app.open(log, frame=frame)
            qtbot.waitUntil(lambda: app.session.drive is not None, timeout=20_000)
            qtbot.waitUntil(app.window.actions_["play.toggle"].isEnabled, timeout=30_000)
        return app

    yield start
    while started:
        end(started.pop())


def end(app: Inspector) -> None:
    """Close the window as the user does, and let Qt delete what is left."""
    app.window.close()
    app.window.deleteLater()
    app.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    QCoreApplication.processEvents()
    gc.collect()
