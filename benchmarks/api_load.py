"""What many callers at once do to the WebUI's API: memory, threads, the wait of the next one.

    python benchmarks/api_load.py --parallel 4 12 24

The API is served by uvicorn in a process of its own, with the stub of a host that the tests use and
a small seeded model. Memory is read from /proc, so this needs Linux. Three things are measured:

* so many callers at once, each with a picture of 36 megapixels,
* memory and threads before large pictures, after the first, and after all,
* callers who hang up at once, and the wait of one who comes after them.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (str(ROOT), str(ROOT / "tests" / "webui" / "stub"))
ATTEMPTS = 120


def build_parser() -> argparse.ArgumentParser:
    """The arguments."""
    parser = argparse.ArgumentParser(description="Many callers at once of the WebUI's API.")
    parser.add_argument("--parallel", type=int, nargs="*", default=[4, 12, 24], metavar="CALLERS")
    parser.add_argument("--megapixels", type=float, default=36)
    parser.add_argument("--route", choices=("detect", "restore"), default="restore")
    parser.add_argument("--hang-ups", type=int, default=200, metavar="CALLERS")
    parser.add_argument("--most-memory", type=float, default=12, metavar="GB")
    parser.add_argument("--middleware", action="store_true", help="with A1111's kind of it")
    parser.add_argument("--serve", nargs=2, metavar=("PORT", "MODELS"), help=argparse.SUPPRESS)
    return parser


def serve(port: int, models: str, middleware: bool) -> None:
    """The server's process: a plain FastAPI app with the stub of a host."""
    import uvicorn
    from fastapi import FastAPI, Request
    from modules import paths, shared

    shared.cmd_opts.api = True
    paths.models_path = models
    from gpen_webui.api import routes

    shared.opts.gpen_detector = "embedded"
    app = FastAPI()
    if middleware:

        @app.middleware("http")
        async def pass_on(request: Request, call_next: Any) -> Any:
            return await call_next(request)

    routes.register(None, app)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def write_model(models: Path) -> None:
    """A small seeded model where the host keeps models."""
    import torch

    from gpen_core.network.config import GpenConfig
    from gpen_core.network.synthetic_weights import random_state

    folder = models / "GPEN"
    folder.mkdir(parents=True)
    torch.save(random_state(GpenConfig(64, 1, 0.125)), folder / "GPEN-tiny.pth")


def picture(megapixels: float) -> str:
    """A photo with one face in a plain surrounding, square, as JPEG in base64."""
    from PIL import Image
    from skimage import data

    side = round((megapixels * 1e6) ** 0.5)
    whole = Image.new("RGB", (side, side), (120, 130, 140))
    face = Image.fromarray(data.astronaut()[:256, 96:352])
    place = max(256, side // 4)
    whole.paste(face.resize((place, place)), (side // 8, side // 8))
    buffer = io.BytesIO()
    whole.save(buffer, "JPEG", quality=90)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


class Server:
    """The process that serves, and what it takes."""

    def __init__(self, models: Path, most: float, middleware: bool) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        size = int(most * 1e9)
        command = [sys.executable, __file__, "--serve", str(self.port), str(models)]
        self.process = subprocess.Popen(
            command + ["--middleware"] * middleware,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(SOURCES)},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
        )
        for _ in range(ATTEMPTS):
            if self.answers():
                return
            time.sleep(0.5)
        raise SystemExit("the server does not answer")

    def answers(self) -> bool:
        """Whether it has started."""
        try:
            return self.ask("info") == 200
        except OSError:
            return False

    def ask(self, route: str, body: dict[str, Any] | None = None) -> int:
        """The status of an answer, which is read wholly; 0 if the server hung up."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/gpen/v1/{route}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=1800) as answer:
                answer.read()
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except (ConnectionResetError, ConnectionAbortedError):
            return 0

    def hang_up(self, route: str, body: dict[str, Any]) -> None:
        """Asks and is gone at once."""
        data = json.dumps(body).encode()
        head = (
            f"POST /gpen/v1/{route} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.port)) as line:
            line.sendall(head.encode() + data)

    def forget_peak(self) -> None:
        """Lets the peak of the memory count anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5", "ascii")

    def takes(self) -> dict[str, float]:
        """Memory now and its peak, in MB, and threads."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines()
        facts = dict(line.split(":", 1) for line in lines if ":" in line)
        memory = {name: int(facts[name].split()[0]) / 1e3 for name in ("VmRSS", "VmHWM")}
        return {**memory, "Threads": int(facts["Threads"])}

    def stop(self) -> None:
        """Ends the process."""
        self.process.terminate()
        self.process.wait()


def say(what: str, server: Server, more: str = "") -> None:
    """One line of figures."""
    takes = server.takes()
    print(
        f"{what:34} now {takes['VmRSS']:6.0f} MB  peak {takes['VmHWM']:6.0f} MB  "
        f"{takes['Threads']:3.0f} threads  {more}",
        flush=True,
    )


def all_at_once(server: Server, count: int, route: str, body: dict[str, Any]) -> None:
    """So many callers at the same time."""
    answers: list[int] = []
    callers = [
        threading.Thread(target=lambda: answers.append(server.ask(route, body)))
        for _ in range(count)
    ]
    server.forget_peak()
    began = time.perf_counter()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    statuses = ", ".join(f"{many} × {status}" for status, many in sorted(Counter(answers).items()))
    say(f"{count} at once", server, f"{time.perf_counter() - began:5.1f} s  answers: {statuses}")


def after_hang_ups(server: Server, count: int, body: dict[str, Any]) -> None:
    """How long a caller waits who comes after many that are gone."""
    began = time.perf_counter()
    server.ask("detect", body)
    alone = time.perf_counter() - began
    server.forget_peak()
    for _ in range(count):
        server.hang_up("detect", body)
    began = time.perf_counter()
    status = server.ask("detect", body)
    waited = time.perf_counter() - began
    say(f"after {count} who hung up", server, f"{waited:.1f} s, alone {alone:.1f} s, got {status}")


def main() -> None:
    """Measures and prints."""
    arguments = build_parser().parse_args()
    if arguments.serve:
        serve(int(arguments.serve[0]), arguments.serve[1], arguments.middleware)
        return
    small = {"image": picture(1), "minimum_size": 100}
    large = {"image": picture(arguments.megapixels), "minimum_size": 400}
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder))
        server = Server(Path(folder), arguments.most_memory, arguments.middleware)
        try:
            server.ask(arguments.route, small)
            say("after a small picture", server)
            server.ask(arguments.route, large)
            say(f"after one of {arguments.megapixels:g} megapixels", server)
            for count in arguments.parallel:
                all_at_once(server, count, arguments.route, large)
            time.sleep(5)
            say("five seconds later", server)
            after_hang_ups(server, arguments.hang_ups, small)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
