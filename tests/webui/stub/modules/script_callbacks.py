"""Callbacks by event; without the name that newer WebUIs accept and others refuse."""

callbacks = {}


def _event(event):
    def register(callback):
        callbacks.setdefault(event, []).append(callback)

    return register


on_app_started = _event("app_started")
on_before_ui = _event("before_ui")
on_script_unloaded = _event("script_unloaded")
on_ui_settings = _event("ui_settings")
on_ui_tabs = _event("ui_tabs")
