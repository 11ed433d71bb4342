"""Declaring nodes. Strict: what ComfyUI 0.3.64 does not know raises TypeError here as well."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar


class Input:
    """An input that only takes links."""

    io_type: ClassVar[str]

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        extra_dict: dict[str, Any] | None = None,
    ) -> None:
        self.id = id
        self.display_name = display_name
        self.optional = optional
        self.tooltip = tooltip
        self.lazy = lazy
        self.extra_dict = extra_dict or {}


class Output:
    """An output."""

    io_type: ClassVar[str]

    def __init__(
        self,
        id: str | None = None,
        display_name: str | None = None,
        tooltip: str | None = None,
        is_output_list: bool = False,
    ) -> None:
        self.id = id
        self.display_name = display_name
        self.tooltip = tooltip
        self.is_output_list = is_output_list


class ComfyTypeIO:
    """A type of socket."""

    io_type: ClassVar[str]
    Input: type[Input]
    Output: type[Output]


def Custom(io_type: str) -> type[ComfyTypeIO]:  # noqa: N802 - the host's name
    """A type of socket of the pack's own."""
    names = {"io_type": io_type}
    sockets = {"Input": type("Input", (Input,), names), "Output": type("Output", (Output,), names)}
    return type(io_type, (ComfyTypeIO,), names | sockets)


class Image(Custom("IMAGE")):
    """(B, H, W, C), 0..1."""


class Mask(Custom("MASK")):
    """(B, H, W), 0..1."""


class Boolean:
    """On or off."""

    class Input(Input):
        """A switch."""

        io_type = "BOOLEAN"

        def __init__(
            self,
            id: str,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            default: bool | None = None,
        ) -> None:
            super().__init__(id, display_name, optional, tooltip, lazy)
            self.default = default


class Int:
    """Whole numbers."""

    class Input(Input):
        """A field for a number."""

        io_type = "INT"

        def __init__(
            self,
            id: str,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            default: int | None = None,
            min: int | None = None,
            max: int | None = None,
            step: int | None = None,
        ) -> None:
            super().__init__(id, display_name, optional, tooltip, lazy)
            self.default, self.min, self.max, self.step = default, min, max, step

    class Output(Output):
        """A number."""

        io_type = "INT"


class Float:
    """Numbers."""

    class Input(Input):
        """A field for a number."""

        io_type = "FLOAT"

        def __init__(
            self,
            id: str,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            default: float | None = None,
            min: float | None = None,
            max: float | None = None,
            step: float | None = None,
            round: float | None = None,
        ) -> None:
            super().__init__(id, display_name, optional, tooltip, lazy)
            self.default, self.min, self.max, self.step = default, min, max, step
            self.round = round


class String:
    """Text."""

    class Input(Input):
        """A field for text."""

        io_type = "STRING"

        def __init__(
            self,
            id: str,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            multiline: bool = False,
            placeholder: str | None = None,
            default: str | None = None,
        ) -> None:
            super().__init__(id, display_name, optional, tooltip, lazy)
            self.multiline, self.placeholder, self.default = multiline, placeholder, default

    class Output(Output):
        """Text."""

        io_type = "STRING"


class Combo:
    """One of several names."""

    class Input(Input):
        """A list to choose from."""

        io_type = "COMBO"

        def __init__(
            self,
            id: str,
            options: list[str] | None = None,
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            default: str | None = None,
        ) -> None:
            super().__init__(id, display_name, optional, tooltip, lazy)
            self.options, self.default = options, default


@dataclass
class Schema:
    """What a node is."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Any] | None = None
    outputs: list[Any] | None = None
    description: str = ""
    is_output_node: bool = False

    def validate(self) -> None:
        """Raises ValueError if two inputs or outputs have the same id."""
        ids = [socket.id for socket in [*(self.inputs or ()), *(self.outputs or ())]]
        if len(set(ids)) != len(ids):
            raise ValueError(f"ids of {self.node_id} are not unique: {ids}")


class NodeOutput:
    """What a node gives."""

    def __init__(self, *args: Any) -> None:
        self.args = args

    @property
    def result(self) -> tuple[Any, ...] | None:
        """The outputs."""
        return self.args or None


class _Locked(ABCMeta):
    """Nodes have no state: the host runs a locked copy of their class."""

    def __setattr__(cls, name: str, value: object) -> None:
        if not name.startswith(("_abc_", "__")):
            raise AttributeError(f"Cannot modify class attribute {name!r}")
        super().__setattr__(name, value)


class ComfyNode(metaclass=_Locked):
    """A node."""

    @classmethod
    @abstractmethod
    def define_schema(cls) -> Schema:
        """What the host shows."""

    @classmethod
    def GET_SCHEMA(cls) -> Schema:  # noqa: N802 - the host's name
        """The schema, checked."""
        schema = cls.define_schema()
        schema.validate()
        return schema
