"""The look of the widgets: a palette and one style sheet, made from a theme's colours."""

from __future__ import annotations

from PySide6.QtGui import QColor, QPalette

from lapose_inspector.models.colours import ThemeColours


def qt_palette(c: ThemeColours) -> QPalette:
    """The Qt palette of a theme, for everything that the style sheet does not name."""
    role = QPalette.ColorRole
    palette = QPalette()
    for target, colour in (
        (role.Window, c.window),
        (role.WindowText, c.text),
        (role.Base, c.panel),
        (role.AlternateBase, c.raised),
        (role.Text, c.text),
        (role.Button, c.raised),
        (role.ButtonText, c.text),
        (role.ToolTipBase, c.raised),
        (role.ToolTipText, c.text),
        (role.PlaceholderText, c.muted),
        (role.Highlight, c.accent),
        (role.HighlightedText, c.on_accent),
        (role.Link, c.accent),
        (role.Mid, c.border),
        (role.Dark, c.border),
        (role.Light, c.raised),
    ):
        palette.setColor(target, QColor(colour))
    for target in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, target, QColor(c.muted))
    return palette


def style_sheet(c: ThemeColours) -> str:
    """The style sheet of the main window and of everything in it."""
    return f"""
* {{ font-size: 12px; }}
QMainWindow, QDialog {{ background: {c.window}; color: {c.text}; }}
QMainWindow::separator {{ background: {c.window}; width: 5px; height: 5px; }}
QMainWindow::separator:hover {{ background: {c.accent}; }}
QLabel {{ background: transparent; color: {c.text}; }}
QLabel[muted="true"] {{ color: {c.muted}; }}
QLabel[warning="true"] {{ color: {c.warning}; }}
QToolTip {{ background: {c.raised}; color: {c.text}; border: 1px solid {c.border}; padding: 4px 6px; }}

QMenuBar {{ background: {c.window}; color: {c.text}; padding: 1px 4px; }}
QMenuBar::item {{ background: transparent; padding: 4px 9px; border-radius: 4px; }}
QMenuBar::item:selected {{ background: {c.raised}; }}
QMenu {{ background: {c.panel}; color: {c.text}; border: 1px solid {c.border}; padding: 4px; }}
QMenu::item {{ padding: 5px 26px 5px 8px; border-radius: 4px; }}
QMenu::icon {{ padding-left: 6px; }}
QMenu::item:selected {{ background: {c.accent}; color: {c.on_accent}; }}
QMenu::item:disabled {{ color: {c.muted}; background: transparent; }}
QMenu::separator {{ height: 1px; background: {c.border}; margin: 4px 6px; }}

QToolBar {{ background: {c.window}; border: none; padding: 2px 6px 4px 6px; spacing: 4px; }}
QToolBar::separator {{ background: {c.border}; width: 1px; margin: 5px 6px; }}
QToolButton {{ background: transparent; color: {c.text}; border: 1px solid transparent; border-radius: 5px;
    padding: 4px 6px; }}
QToolButton:hover {{ background: {c.raised}; border-color: {c.border}; }}
QToolButton:pressed {{ background: {c.border}; }}
QToolButton:checked {{ background: {c.raised}; border-color: {c.accent}; }}
QToolButton:disabled {{ color: {c.muted}; }}
QToolButton::menu-indicator {{ image: none; }}

QPushButton {{ background: {c.raised}; color: {c.text}; border: 1px solid {c.border}; border-radius: 5px;
    padding: 5px 14px; }}
QPushButton:hover {{ border-color: {c.accent}; }}
QPushButton:default {{ background: {c.accent}; color: {c.on_accent}; border-color: {c.accent}; }}
QPushButton:disabled, QPushButton:default:disabled {{ background: {c.raised}; color: {c.muted};
    border-color: {c.border}; }}
QComboBox {{ background: {c.raised}; color: {c.text}; border: 1px solid {c.border}; border-radius: 5px;
    padding: 3px 8px; min-height: 18px; }}
QComboBox:disabled {{ color: {c.muted}; }}
QComboBox:hover {{ border-color: {c.accent}; }}
QComboBox::drop-down {{ border: none; width: 18px; }}
QComboBox QAbstractItemView {{ background: {c.panel}; color: {c.text}; border: 1px solid {c.border};
    selection-background-color: {c.accent}; selection-color: {c.on_accent}; outline: none; }}
QLineEdit, QPlainTextEdit, QTextBrowser {{ background: {c.panel}; color: {c.text};
    border: 1px solid {c.border}; border-radius: 5px; padding: 5px 7px;
    selection-background-color: {c.accent}; selection-color: {c.on_accent}; }}
QLineEdit:focus {{ border-color: {c.accent}; }}
QListWidget, QListView, QTreeView, QTableView, QScrollArea {{ background: {c.panel}; color: {c.text};
    border: 1px solid {c.border}; border-radius: 5px; outline: none; }}
QListWidget::item {{ padding: 5px 8px; border-radius: 4px; }}
QListWidget::item:selected {{ background: {c.accent}; color: {c.on_accent}; }}
QCheckBox, QRadioButton {{ color: {c.text}; spacing: 6px; }}
QCheckBox::indicator, QListWidget::indicator {{ width: 13px; height: 13px; border: 1px solid {c.muted};
    border-radius: 3px; background: {c.panel}; }}
QCheckBox::indicator:checked, QListWidget::indicator:checked {{ background: {c.accent}; border-color: {c.accent}; }}

QFrame#notice {{ background: {c.raised}; border-bottom: 1px solid {c.warning}; }}
QAbstractSpinBox {{ background: {c.panel}; color: {c.text}; border: 1px solid {c.border}; border-radius: 5px;
    padding: 3px 6px; min-height: 18px; }}
QAbstractSpinBox:disabled {{ color: {c.muted}; }}
QAbstractSpinBox QLineEdit {{ border: none; padding: 0 0 0 5px; background: transparent; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ width: 0; border: none; }}
QAbstractSpinBox:focus {{ border-color: {c.accent}; }}

QDockWidget {{ color: {c.text}; }}
QWidget#panelTitle {{ background: {c.panel}; border-bottom: 1px solid {c.border}; }}
QWidget#panelTitle QLabel#panelName {{ font-weight: 600; }}
QWidget#panelTitle QToolButton#panelButton {{ padding: 1px; border-radius: 3px; }}
QFrame#tools QLabel {{ color: {c.muted}; }}
QFrame#tools QToolButton {{ padding: 2px; }}
QToolButton#chip {{ border: 1px solid {c.border}; border-radius: 9px; padding: 1px 7px; color: {c.muted}; }}
QToolButton#chip:checked {{ border-color: {c.accent}; color: {c.text}; }}
QFrame#tools QComboBox {{ padding: 1px 8px; }}
QWidget#panelBody {{ background: {c.panel}; }}

QWidget#transport {{ background: {c.panel}; border-top: 1px solid {c.border}; }}
QStatusBar {{ background: {c.window}; color: {c.text}; border-top: 1px solid {c.border}; min-height: 26px; }}
QStatusBar::item {{ border: none; }}
QProgressBar {{ background: {c.raised}; border: 1px solid {c.border}; border-radius: 4px; color: {c.text};
    text-align: center; max-height: 14px; }}
QProgressBar::chunk {{ background: {c.accent}; border-radius: 3px; }}

QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {c.border}; border-radius: 4px; min-height: 24px; min-width: 24px; }}
QScrollBar::handle:hover {{ background: {c.muted}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QTreeWidget::item {{ padding: 3px 2px; }}
QTreeWidget::item:selected {{ background: {c.accent}; color: {c.on_accent}; }}
QTabBar {{ qproperty-drawBase: 0; }}
QTabBar::tab {{ background: {c.window}; color: {c.muted}; padding: 5px 12px; border: none; }}
QTabBar::tab:selected {{ background: {c.panel}; color: {c.text}; border-bottom: 2px solid {c.accent}; }}
QHeaderView {{ background: {c.raised}; }}
QTableView::item {{ padding: 2px 6px; }}
QTableView::item:selected {{ background: {c.raised}; color: {c.text}; }}
QHeaderView::section {{ background: {c.raised}; color: {c.muted}; border: none; padding: 4px 8px; }}
"""
