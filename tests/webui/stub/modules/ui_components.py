"""Components of the WebUI's own."""

import gradio as gr


class InputAccordion(gr.Checkbox):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
