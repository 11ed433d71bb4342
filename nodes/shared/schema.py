"""Parts that the schemas of nodes share. Ids and order of inputs are part of saved workflows."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...gpen_core.detection.detector import Detector
from ...gpen_core.detection.options import DETECTION_LIMITS, DetectionOptions
from ...gpen_core.errors import OptionError
from ...gpen_core.restoration.change_detection import DEFAULT_THRESHOLD
from ...gpen_core.restoration.options import CHOICES, HELP, RESTORATION_LIMITS, RestorationOptions
from ...gpen_core.runtime.ranges import Range
from .values import DetectorSocket, Faces, FacesSocket, GpenModel, ModelSocket

_RESTORATION = RestorationOptions()
_DETECTION = DetectionOptions()

_IDS = {"colour": "colour_match", "faces": "face_numbers", "mask": "mask_type"}
"""Ids of widgets that are not the names of their options."""

_DETECTION_TOOLTIPS = {
    "confidence": "least score of a face; 0 takes the detector's own default",
    "minimum_size": "faces smaller than this many pixels (longer side of the box) are left alone",
    "maximum_count": "at most so many faces per image, the largest; 0 for all",
}

_HIGHEST = 16384
"""Upper end of a widget whose option has none; the host requires one."""

_TYPES: Mapping[str, tuple[type, Callable[[Any], Any] | None, str]] = {
    "INT": (Real, int, "a whole number"),
    "FLOAT": (Real, float, "a number"),
    "STRING": (str, str, "text"),
    "COMBO": (str, str, "one of the names it offers"),
    "MASK": (Tensor, None, "a MASK"),
    ModelSocket.io_type: (GpenModel, None, "a model from Load GPEN Model"),
    DetectorSocket.io_type: (Detector, None, "a detector from Load Face Detector"),
    FacesSocket.io_type: (Faces, None, "faces from Detect Faces"),
}
"""Of each kind of input the type that values may have, the one that a widget's are given to the
node in, and its name in messages."""


def node_schema(aliases: Sequence[str], **fields: Any) -> io.Schema:
    """What the host shows of a node.

    Args:
        aliases: other words under which the host's search finds it, in lower case.
        fields: of `io.Schema`.
    """
    if "search_aliases" in io.Schema.__dataclass_fields__:  # which older hosts do not know
        fields["search_aliases"] = list(aliases)
    return io.Schema(category="image/faces", **fields)


def checks_types(execute: Callable[..., io.NodeOutput]) -> Callable[..., io.NodeOutput]:
    """Has a node's `execute` refuse values that are of another type than its inputs.

    The host checks numbers and texts in a workflow, but not what comes over links, and not what
    programs send in place of a link.

    Raises:
        OptionError: a value is of another type; raised by what this returns.
    """

    defaults = {name: each.default for name, each in inspect.signature(execute).parameters.items()}

    @functools.wraps(execute)
    def checked(node: type[io.ComfyNode], /, **values: Any) -> io.NodeOutput:
        for each in node.define_schema().inputs or ():
            if each.id in values:
                value = values[each.id]
                # An unconnected socket may be sent as None, which is its default.
                if value is not defaults.get(each.id, inspect.Parameter.empty):
                    values[each.id] = _checked(each, value)
        return execute(node, **values)

    return checked


def _checked(widget: Any, value: Any) -> Any:
    if widget.io_type not in _TYPES:
        return value
    kind, convert, what = _TYPES[widget.io_type]
    if not isinstance(value, kind):
        raise OptionError(f"{widget.id} must be {what}, not {type(value).__name__}")
    if widget.io_type == "INT" and value % 1 != 0:  # true of infinities and NaN
        raise OptionError(f"{widget.id} must be {what}, not {value}")
    return value if convert is None else convert(value)


def output(socket: Any, id: str, name: str, tooltip: str) -> Any:
    """An output; unlike its name, its id is not that of any input of the same node."""
    return socket.Output(id, display_name=name, tooltip=tooltip)


def images() -> Any:
    """The images to work on."""
    return io.Image.Input("image", tooltip="the images, one or a batch")


def model(tooltip: str = "from Load GPEN Model") -> Any:
    """A loaded model."""
    return ModelSocket.Input("model", tooltip=tooltip)


def known_detector() -> Any:
    """A detector, if one is connected."""
    return DetectorSocket.Input(
        "detector", optional=True, tooltip="without one, the best installed is taken"
    )


def known_faces() -> Any:
    """Faces to use in place of a search."""
    return FacesSocket.Input(
        "faces", optional=True, tooltip="faces found or selected before; none are searched"
    )


def mask(tooltip: str) -> Any:
    """A part of the images, if one is connected; `tooltip` says what happens there."""
    return io.Mask.Input("mask", optional=True, tooltip=tooltip)


def restoration_widgets(*options: str, optional: bool = False) -> list[Any]:
    """The widgets of fields of `RestorationOptions`; one of a later release must be optional."""
    return [_restoration_widget(option, optional) for option in options]


def _restoration_widget(option: str, optional: bool) -> Any:
    name, default, tooltip = _IDS.get(option, option), getattr(_RESTORATION, option), HELP[option]
    if option in RESTORATION_LIMITS:
        return number_widget(name, RESTORATION_LIMITS[option], default, tooltip)
    if option in CHOICES:
        return choice_widget(name, CHOICES[option], tooltip, default, optional)
    return io.String.Input(name, default=default, tooltip=tooltip)


def restoration_options(**widgets: Any) -> RestorationOptions:
    """The options from the values of `restoration_widgets`, by the ids of the widgets.

    Raises:
        OptionError: a value is not allowed.
    """
    option_of = {widget: option for option, widget in _IDS.items()}
    return RestorationOptions(**{option_of.get(name, name): v for name, v in widgets.items()})


def detection_widgets(*options: str) -> list[Any]:
    """The widgets of numbers of `DetectionOptions`; 0 means None."""
    return [
        number_widget(
            option,
            DETECTION_LIMITS[option],
            getattr(_DETECTION, option) or 0,
            _DETECTION_TOOLTIPS[option],
        )
        for option in options
    ]


def choice_widget(
    name: str,
    choices: Iterable[str],
    tooltip: str,
    default: str | None = None,
    optional: bool = False,
) -> Any:
    """A widget for one of several names; by default the first."""
    options = list(choices)
    return io.Combo.Input(
        name, options=options, default=default or options[0], tooltip=tooltip, optional=optional
    )


def change_from(tooltip: str) -> Any:
    """From which change on a face counts as swapped."""
    return number_widget("change_from", Range(0, 1, 0.005), DEFAULT_THRESHOLD, tooltip)


def number_widget(name: str, allowed: Range, default: float, tooltip: str) -> Any:
    """A widget for the numbers of a range, whole ones if its steps are whole, and its default."""
    low, high = min(allowed.low, default), min(allowed.high, _HIGHEST)
    if allowed.step >= 1:
        return io.Int.Input(
            name, default=int(default), min=int(low), max=int(high), tooltip=tooltip
        )
    return io.Float.Input(
        name,
        default=float(default),
        min=float(low),
        max=float(high),
        step=allowed.step,
        round=False if allowed.step < 0.01 else None,  # frontends round to the step's digits
        tooltip=tooltip,
    )
