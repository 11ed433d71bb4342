"""GPEN in the WebUI (Automatic1111, Forge and their kin), on top of `gpen_core`.

Only `host` and `settings` know how a WebUI differs from another; `service` holds the one loaded
model; each other module is one entry: the face restorer, Extras, generation, the tab, the API.
"""

from __future__ import annotations


def register() -> None:
    """Registers all entries with the host; called at its start and at each Reload UI.

    The host forgets callbacks at Reload UI, but not face restorers.
    """
    from modules import script_callbacks

    from . import settings
    from .api import routes
    from .controls import model_choices
    from .generation import face_restorer
    from .generation.script import add_axes
    from .service import SERVICE
    from .tab import page

    def complete() -> None:  # once the scripts of all extensions are loaded
        add_axes()
        face_restorer.wrap_reactor()

    def unregister() -> None:
        face_restorer.unregister()
        SERVICE.unload()

    face_restorer.register()
    script_callbacks.on_ui_settings(lambda: settings.add_page(model_choices))
    script_callbacks.on_ui_tabs(page.register)
    script_callbacks.on_app_started(routes.register)
    script_callbacks.on_before_ui(complete)
    script_callbacks.on_script_unloaded(unregister)
