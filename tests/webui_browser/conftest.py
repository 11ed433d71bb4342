"""The tab, served as a WebUI serves it, and a browser that opens it."""

import base64
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from skimage import data

from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import detail_state, random_state

PATIENCE = 30_000  # milliseconds
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
)
PIXELS = """async image => {
    const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
    return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
}"""
CLOSED_STREAM = "AbortError: signal is aborted without reason"
"""What gradio 4's own page may say when it closes the stream of answers after an event."""

expect.set_options(timeout=PATIENCE)


class Tab:
    """What a person does and sees in the tab."""

    def __init__(self, page):
        self.page = page
        self.problems = []
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("console", self._listen)

    def _listen(self, message):
        if message.type == "error":
            self._note(message.text)

    def _note(self, problem):
        if not problem.startswith(CLOSED_STREAM):
            self.problems.append(problem)

    def part(self, name, inside=""):
        # The first: gradio 3 gives the frame around a component the same id.
        whole = self.page.locator(f"#gpen_{name}").first
        return whole.locator(inside) if inside else whole

    def upload(self, photo, name="photo"):
        self.part(name, "input[type=file]").set_input_files(photo)
        expect(self.part(name, "img")).to_be_visible()

    def choose_task(self, title):
        self.part("mode").get_by_label(title, exact=True).check()

    def press(self, name):
        self.part(name).click()

    def unfold(self, title):
        self.page.locator(".label-wrap").filter(has_text=title).click()

    def write(self, name, text):
        self.part(name, "textarea, input").first.fill(text)

    def choose(self, name, choice):
        self.part(name, "input").first.click()
        self.page.locator("ul.options li").filter(has_text=choice).click()

    def says(self, *texts):
        """Waits until the lines below the results hold the texts."""
        for text in texts:
            expect(self.part("log")).to_contain_text(text)

    def pictures(self, name):
        """The pictures shown in a part, as the browser got them."""
        return [
            Image.open(io.BytesIO(base64.b64decode(image.evaluate(PIXELS))))
            for image in self.part(name, "img").all()
        ]

    def click_picture(self, name, *points):
        """Clicks, at once one after the other, where points of the picture are shown."""
        self.part(name, "img").scroll_into_view_if_needed()
        left, top, scale = self.part(name, "img").evaluate(
            """image => {
                const box = image.getBoundingClientRect();
                const scale = Math.min(
                    box.width / image.naturalWidth, box.height / image.naturalHeight);
                return [box.x + (box.width - scale * image.naturalWidth) / 2,
                        box.y + (box.height - scale * image.naturalHeight) / 2, scale];
            }"""
        )
        for x, y in points:
            self.page.mouse.click(left + scale * x, top + scale * y)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """The host's folder of models: one that sharpens, one that is none, one for each task."""
    models = tmp_path_factory.mktemp("models")
    folder = models / "GPEN"
    folder.mkdir()
    config = GpenConfig(64, 1, 0.125)
    torch.save(detail_state(config, fine=1.0), folder / "GPEN-tiny.pth")
    for name in ("Colorization", "Inpainting", "Seg2face"):
        torch.save(random_state(config), folder / f"GPEN-{name}.pth")
    (folder / "GPEN-spoilt.pth").write_bytes(b"<b>no model</b>")
    return models


@pytest.fixture(scope="session")
def address(models, tmp_path_factory):
    """Where the tab is served."""
    home = tmp_path_factory.mktemp("home")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GPEN_", "GRADIO_", "XDG_"))}
    quiet = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(home / "gradio")}
    environment = {**kept, **quiet, "HOME": str(home), "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, str(Path(__file__).with_name("serve.py")), str(models)]
    with (
        (home / "log").open("w+") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            cwd=home,
            text=True,
        ) as server,
    ):
        found = next((line for line in server.stdout if line.startswith("serving ")), None)
        if found is None:
            log.seek(0)
            pytest.exit(f"the tab cannot be served:\n{log.read()}", returncode=1)
        yield found.split()[1]
        server.stdin.close()


@pytest.fixture(scope="session")
def browser():
    chromium = os.environ.get("GPEN_CHROMIUM")
    if not chromium:
        pytest.exit("run these tests with make test-webui, which looks for Chromium", returncode=1)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def host(browser, address):
    """What the host was asked to do so far: host()."""
    with_requests = browser.new_context()

    def ask():
        return with_requests.request.get(f"{address}stub").json()

    yield ask
    with_requests.close()


def answer_emptily(route):
    """Answers for other servers, of which gradio wants fonts and scripts."""
    kind = "css" if route.request.resource_type == "stylesheet" else "javascript"
    route.fulfill(body="", content_type=f"text/{kind}")


@pytest.fixture
def tab(browser, address):
    """The tab in a new page; the page may not have shown any error."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.route(lambda url: not url.startswith((address, "data:", "blob:")), answer_emptily)
    tab = Tab(page)
    page.goto(address, wait_until="domcontentloaded")
    expect(tab.part("restore")).to_be_visible()
    yield tab
    page.close()
    assert tab.problems == []


@pytest.fixture(scope="session")
def face():
    """A photo of one face, RGB 256×256."""
    return Image.fromarray(data.astronaut()[:256, 96:352])


@pytest.fixture(scope="session")
def couple(face):
    """The same face twice, RGB 256×512."""
    pixels = np.asarray(face)
    return Image.fromarray(np.concatenate([pixels, pixels[:, ::-1]], 1))


@pytest.fixture
def save(tmp_path):
    """Writes a picture for uploading: save(picture, name) is its file."""

    def write(picture, name):
        picture.save(tmp_path / name)
        return tmp_path / name

    return write
