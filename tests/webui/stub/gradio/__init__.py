"""Components that only remember what they were given, and refuse what gradio would refuse."""

__version__ = "3.41.2"

made = []

_COMMON = {"value", "label", "info", "elem_id", "visible", "interactive"}


class _Component:
    allowed = frozenset()
    allowed_from_4 = frozenset()
    events = frozenset()

    def __init__(self, value=None, **kwargs):
        allowed = _COMMON | self.allowed
        if not __version__.startswith("3."):
            allowed = allowed | self.allowed_from_4
        unknown = set(kwargs) - allowed
        if unknown:
            raise TypeError(f"{type(self).__name__} got unexpected arguments {unknown}")
        # A function is asked anew whenever the page is loaded.
        self.load = value if callable(value) else None
        value = value() if callable(value) else value
        self.value, self.kwargs, self.calls = value, kwargs, {}
        made.append(self)

    def _listen(self, event, fn=None, inputs=None, outputs=None, **kwargs):
        known = "_js" if __version__.startswith("3.") else "js"
        unknown = set(kwargs) - {known, "show_progress", "queue"}
        if unknown:
            raise TypeError(f"{event}() got unexpected arguments {unknown}")
        self.calls[event] = {"fn": fn, "inputs": inputs, "outputs": outputs, **kwargs}

    def click(self, fn=None, inputs=None, outputs=None, **kwargs):
        assert "click" in self.events
        self._listen("click", fn, inputs, outputs, **kwargs)

    def change(self, fn=None, inputs=None, outputs=None, **kwargs):
        assert "change" in self.events
        self._listen("change", fn, inputs, outputs, **kwargs)


class _Container(_Component):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Blocks(_Container):
    allowed = frozenset({"analytics_enabled"})


class Row(_Container):
    allowed = frozenset({"equal_height"})


class Column(_Container):
    pass


class Accordion(_Container):
    allowed = frozenset({"open"})


class Checkbox(_Component):
    events = frozenset({"change"})


class Textbox(_Component):
    allowed = frozenset({"lines"})


class Slider(_Component):
    allowed = frozenset({"minimum", "maximum", "step"})


class Dropdown(_Component):
    allowed = frozenset({"choices"})


class Radio(_Component):
    allowed = frozenset({"choices"})
    events = frozenset({"change"})


class Button(_Component):
    allowed = frozenset({"variant", "size", "scale", "min_width"})
    events = frozenset({"click"})


class Image(_Component):
    allowed = frozenset({"type", "image_mode", "height"})
    allowed_from_4 = frozenset({"format"})
    events = frozenset({"change"})


class Gallery(_Component):
    allowed = frozenset({"columns"})
    allowed_from_4 = frozenset({"format", "type"})


class File(_Component):
    allowed = frozenset({"file_count"})


class HTML(_Component):
    pass


class State(_Component):
    pass


def update(**changes):
    """What a function returns to change a component, or, without changes, to leave it alone."""
    return {"__type__": "update", **changes}
