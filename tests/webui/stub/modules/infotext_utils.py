"""Buttons that send pictures between tabs."""

import gradio as gr

bindings = []


def quote(text):
    text = str(text)
    return f'"{text}"' if "," in text or ":" in text or "\n" in text else text


class ParamBinding:
    def __init__(self, paste_button, tabname, source_image_component=None):
        self.paste_button = paste_button
        self.tabname = tabname
        self.source_image_component = source_image_component


def create_buttons(tabs):
    return {tab: gr.Button(f"Send to {tab}") for tab in tabs}


def register_paste_params_button(binding):
    bindings.append(binding)
