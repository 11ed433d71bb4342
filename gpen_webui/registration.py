"""Everything the extension tells the host when its script is loaded, also after Reload UI."""

from __future__ import annotations

from modules import script_callbacks

from . import api, axes, face_restorer, reactor, settings, tab
from .service import SERVICE


def register() -> None:
    """Registers all entries. The host forgets callbacks at Reload UI, but not restorers."""
    face_restorer.register()
    script_callbacks.on_ui_settings(settings.register)
    script_callbacks.on_ui_tabs(tab.register)
    script_callbacks.on_app_started(api.register)
    script_callbacks.on_before_ui(_when_all_scripts_are_loaded)
    script_callbacks.on_script_unloaded(_unregister)


def _when_all_scripts_are_loaded() -> None:
    axes.register()
    reactor.apply()


def _unregister() -> None:
    face_restorer.unregister()
    reactor.remove()
    SERVICE.unload()
