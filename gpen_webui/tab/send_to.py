"""Buttons that send a restored picture to the host's other tabs."""

from __future__ import annotations

from typing import Any

from .. import host

TARGETS = ("img2img", "inpaint", "extras")


def send_buttons(gallery: Any) -> None:
    """One button for each tab, where the host has its send-to machinery."""
    infotext = host.infotexts("create_buttons", "register_paste_params_button", "ParamBinding")
    if infotext is None:
        return
    buttons = infotext.create_buttons(list(TARGETS))
    for target, button in buttons.items():
        infotext.register_paste_params_button(
            infotext.ParamBinding(
                paste_button=button, tabname=target, source_image_component=gallery
            )
        )
