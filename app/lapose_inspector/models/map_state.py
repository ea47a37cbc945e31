"""How the latent map is looked at: the tool in hand, the kind of map, its axes, density, and what it compares."""

from __future__ import annotations

from typing import Literal, get_args

from psygnal import Signal

from lapose_inspector.models.map_data import MapSource

Tool = Literal["move", "lasso", "box"]
TOOLS: tuple[Tool, ...] = get_args(Tool)
Method = Literal["t-sne", "pca", "directions"]
METHODS: tuple[Method, ...] = get_args(Method)
METHOD_NAMES: dict[str, str] = {"t-sne": "t-SNE", "pca": "PCA", "directions": "Axes"}
PROBES: dict[str, str] = {"speed": "Speed probe", "yaw rate": "Yaw rate probe"}
"""Directions that are fitted to a quantity: series key -> what a menu calls it."""
COMPONENTS = tuple(f"pc{i}" for i in range(1, 9))
AXES: dict[str, str] = {**PROBES, **{key: f"PC {key[2:]}" for key in COMPONENTS}}
"""What can be an axis of a map of directions: key -> name."""


class MapState:
    """Choices of the latent map that menus, keys and the panel share."""

    tool_changed = Signal(str)
    method_changed = Signal(str)
    axes_changed = Signal(tuple)
    density_changed = Signal(bool)
    by_source_changed = Signal(bool)
    compared_changed = Signal()

    def __init__(self) -> None:
        self._tool: Tool = "move"
        self._method: Method = "t-sne"
        self._axes = ("speed", "yaw rate")
        self._density = False
        self._by_source = False
        self._compared: MapSource | None = None

    @property
    def tool(self) -> Tool:
        """What dragging with the left button does; a tool stays until another is taken."""
        return self._tool

    @tool.setter
    def tool(self, value: Tool) -> None:
        if value not in TOOLS:
            raise ValueError(f"tool must be one of {', '.join(TOOLS)}, got {value!r}")
        if value != self._tool:
            self._tool = value
            self.tool_changed.emit(value)

    @property
    def method(self) -> Method:
        """How latents become points."""
        return self._method

    @method.setter
    def method(self, value: Method) -> None:
        if value not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {value!r}")
        if value != self._method:
            self._method = value
            self.method_changed.emit(value)

    @property
    def axes(self) -> tuple[str, str]:
        """Keys of AXES: the horizontal and the vertical axis of a map of directions."""
        return self._axes

    @axes.setter
    def axes(self, value: tuple[str, str]) -> None:
        if len(value) != 2 or any(key not in AXES for key in value):
            raise ValueError(f"axes must be two of {', '.join(AXES)}, got {value!r}")
        if tuple(value) != self._axes:
            self._axes = (value[0], value[1])
            self.axes_changed.emit(self._axes)

    @property
    def density(self) -> bool:
        """Whether the map shows how many transitions lie where, under faint points."""
        return self._density

    @density.setter
    def density(self, value: bool) -> None:
        if bool(value) != self._density:
            self._density = bool(value)
            self.density_changed.emit(self._density)

    @property
    def by_source(self) -> bool:
        """Whether points are coloured by the result they are of; only where two are compared."""
        return self._by_source and self._compared is not None

    @by_source.setter
    def by_source(self, value: bool) -> None:
        if bool(value) != self._by_source:
            self._by_source = bool(value)
            self.by_source_changed.emit(self._by_source)

    @property
    def compared(self) -> MapSource | None:
        """A second result on the map, beside the open drive's."""
        return self._compared

    @compared.setter
    def compared(self, value: MapSource | None) -> None:
        if value is not self._compared:
            self._compared, self._by_source = value, value is not None
            self.compared_changed.emit()
