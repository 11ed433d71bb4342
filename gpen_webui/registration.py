"""Everything the extension tells the host when its script is loaded, also after Reload UI."""

from __future__ import annotations

from modules import script_callbacks

from . import settings
from .api import routes
from .controls import model_choices
from .generation import axes, face_restorer, reactor
from .service import SERVICE
from .tab import page


def register() -> None:
    """Registers all entries. The host forgets callbacks at Reload UI, but not restorers."""
    face_restorer.register()
    script_callbacks.on_ui_settings(lambda: settings.add_page(model_choices))
    script_callbacks.on_ui_tabs(page.register)
    script_callbacks.on_app_started(routes.register)
    script_callbacks.on_before_ui(_when_all_scripts_are_loaded)
    script_callbacks.on_script_unloaded(_unregister)


def _when_all_scripts_are_loaded() -> None:
    axes.register()
    reactor.apply()


def _unregister() -> None:
    face_restorer.unregister()
    reactor.remove()
    SERVICE.unload()
