"""A real ComfyUI with this pack in it, and a browser that opens its page."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds
READY = "window.app?.graph && window.app.extensionManager && document.querySelector('canvas')"


def free_port():
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def answers(address):
    try:
        with urllib.request.urlopen(f"{address}/object_info/GPENDetectFaces", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """Where ComfyUI serves; its folders are its own."""
    base = tmp_path_factory.mktemp("comfyui")
    for name in ("custom_nodes", "input", "models"):
        (base / name).mkdir()
    (base / "custom_nodes" / "gpen").symlink_to(ROOT)
    port = free_port()
    command = [sys.executable, "main.py", "--cpu", "--port", str(port), "--disable-api-nodes"]
    command += ["--base-directory", str(base), "--database-url", f"sqlite:///{base}/db.sqlite"]
    if frontend := os.environ.get("COMFYUI_FRONTEND"):
        command += ["--front-end-root", frontend]
    with (
        (base / "log").open("w+") as log,
        subprocess.Popen(command, cwd=os.environ["COMFYUI_PATH"], stdout=log, stderr=log) as host,
    ):
        found, end = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
        while not answers(found):
            if host.poll() is not None or time.monotonic() > end:
                host.kill()
                pytest.exit(f"ComfyUI does not start:\n{(base / 'log').read_text()}", returncode=1)
            time.sleep(1)
        yield found
        host.terminate()


@pytest.fixture(scope="session")
def page(address):
    """ComfyUI's page, ready to work with."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ["GPEN_CHROMIUM"], args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(address, timeout=PATIENCE * 1000)
        page.wait_for_function(READY, timeout=PATIENCE * 1000)
        yield page
        browser.close()
