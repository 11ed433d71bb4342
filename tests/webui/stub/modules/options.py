"""The settings and their descriptions."""


class OptionInfo:
    def __init__(
        self,
        default=None,
        label="",
        component=None,
        component_args=None,
        onchange=None,
        section=None,
        refresh=None,
        comment_before="",
        comment_after="",
        infotext=None,
        restrict_api=False,
        category_id=None,
    ):
        self.default = default
        self.label = label
        self.component = component
        self.component_args = component_args
        self.section = section
        self.category_id = category_id
        self.restrict_api = restrict_api
        self.comment_after = comment_after
        self.reload_ui = False

    def info(self, info):
        self.comment_after += f"<span class='info'>({info})</span>"
        return self

    def needs_reload_ui(self):
        self.reload_ui = True
        return self


class Options:
    def __init__(self, data):
        self.__dict__["data"] = data
        self.__dict__["data_labels"] = {}

    def __getattr__(self, name):
        data = self.__dict__.get("data", {})
        if name in data:
            return data[name]
        labels = self.__dict__.get("data_labels", {})
        if name in labels:
            return labels[name].default
        raise AttributeError(name)

    def __setattr__(self, name, value):
        self.data[name] = value

    def add_option(self, key, info):
        assert isinstance(info, OptionInfo)
        assert key not in self.data_labels, f"{key} is added twice"
        self.data_labels[key] = info
