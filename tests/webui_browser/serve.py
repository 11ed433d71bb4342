"""Serves the tab "GPEN" as a WebUI would: the host is the stub, gradio and the page are real.

    python serve.py MODELS

prints "serving" and the page's address, and serves it until its input is closed. Under /stub it
tells what the host was asked to do.
"""

import importlib.util
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import gradio as gr

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WEBUI_TESTS = HERE.parent / "webui"
PATIENCE = 60.0


def load_webui():
    """The stub of a host, with the extension loaded into it."""
    # Behind the real gradio, which the stub's folder has too.
    sys.path[:0] = [str(ROOT)]
    sys.path.append(str(WEBUI_TESTS / "stub"))
    spec = importlib.util.spec_from_file_location("webui_tests", WEBUI_TESTS / "conftest.py")
    tests = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tests)
    webui = tests.WebUI()
    if webui.gradio is not gr or not hasattr(gr, "routes"):
        raise SystemExit("serve.py needs the real gradio: run make test-webui")
    return webui


class Waiting:
    """An upscaler that works until it is interrupted."""

    def __init__(self, state):
        self.state = state
        self.started = False

    def upscale(self, image, scale, path):
        self.started = True
        end = time.monotonic() + PATIENCE
        while not self.state.interrupted:
            if time.monotonic() > end:
                raise TimeoutError("nobody interrupted")
            time.sleep(0.02)
        return image


def put_into_page(javascript, css):
    """Writes scripts and styles into every page that gradio serves, where hosts write theirs."""
    original = gr.routes.templates.TemplateResponse

    def respond(*args, **kwargs):
        page = original(*args, **kwargs)
        scripts = "".join(f"<script>{source}</script>" for source in javascript)
        page.body = page.body.replace(b"</head>", f"{scripts}</head>".encode())
        page.body = page.body.replace(b"</body>", f"<style>{css}</style></body>".encode())
        page.init_headers()
        return page

    gr.routes.templates.TemplateResponse = respond


def build_page(tabs):
    with gr.Blocks(analytics_enabled=False, title="WebUI") as page, gr.Tabs(elem_id="tabs"):
        for tab, label, name in tabs:
            with gr.TabItem(label, id=name, elem_id=f"tab_{name}"):
                tab.render()
    return page


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def keep_to_itself():
    """Stops gradio 4 from writing a .pyi file beside each module that derives a component."""
    if hasattr(gr, "component_meta"):
        gr.component_meta.create_or_modify_pyi = lambda *_: None


def main(models):
    keep_to_itself()
    webui = load_webui()
    webui.paths.models_path = models
    upscaler = Waiting(webui.state)
    entry = SimpleNamespace(name="Waiting", scaler=upscaler, data_path=None)
    webui.shared.sd_upscalers.append(entry)
    webui.load()
    webui.tell("ui_settings")
    put_into_page(
        [
            path.read_text("utf-8")
            for path in [HERE / "host.js", *sorted((ROOT / "javascript").glob("*.js"))]
        ],
        (ROOT / "style.css").read_text("utf-8"),
    )
    page = build_page([tab for tabs in webui.tell("ui_tabs") for tab in tabs])
    app, address, _ = page.queue(64).launch(
        server_name="127.0.0.1",
        server_port=free_port(),
        prevent_thread_lock=True,
        quiet=True,
        show_api=False,
    )
    app.add_api_route(
        "/stub",
        lambda: {
            "gradio": gr.__version__,
            "jobs": webui.state.jobs,
            "saved": [saved["info"] for saved in webui.images.saved],
            "upscaling": upscaler.started,
        },
    )
    print("serving", address, flush=True)  # noqa: T201 - the caller reads it
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
