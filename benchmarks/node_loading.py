"""How long ComfyUI takes to load the node pack, beside what it has loaded already.

    PYTHONPATH=tests/comfyui/stub python benchmarks/node_loading.py --rounds 7

The host is whatever ComfyUI is on that path. Every round is a process copied from one that has
torch, NumPy and the host's modules, as any ComfyUI has; what importing torch took there is the
baseline. Processor time, so that other programs count little. Needs POSIX.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import importlib.util
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOST = ("folder_paths", "comfy.utils", "comfy.model_management", "comfy_api.latest")


def build_parser() -> argparse.ArgumentParser:
    """The arguments."""
    parser = argparse.ArgumentParser(description="Time to load the node pack in ComfyUI.")
    parser.add_argument("--rounds", type=int, default=7)
    return parser


def import_seconds(*names: str) -> float:
    """Processor seconds that importing modules takes."""
    begin = time.process_time()
    for name in names:
        importlib.import_module(name)
    return time.process_time() - begin


def load_pack() -> None:
    """What ComfyUI does with a folder in custom_nodes."""
    name = f"{ROOT}_pack".replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    nodes = asyncio.run(asyncio.run(module.comfy_entrypoint()).get_node_list())
    for node in nodes:
        node.GET_SCHEMA()


def copied_run() -> float:
    """Seconds that loading takes in a copy of this process, where it is loaded for the first time.

    The garbage collector's walk through all of torch is left out, as it comes at any time.
    """
    reading, writing = os.pipe()
    if os.fork() == 0:
        gc.collect()
        gc.freeze()
        begin = time.process_time()
        load_pack()
        os.write(writing, repr(time.process_time() - begin).encode())
        os._exit(0)
    os.wait()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return float(pipe.read())


def main() -> None:
    """Prints the seconds and their share of what importing torch takes."""
    arguments = build_parser().parse_args()
    torch_seconds = import_seconds("numpy", "PIL.Image", "torch")
    import_seconds(*HOST)
    seconds = statistics.median(copied_run() for _ in range(arguments.rounds))
    print(f"torch: {torch_seconds:.3f} s")
    print(f"node pack: {seconds:.3f} s, {seconds / torch_seconds:.1%} of torch's")


if __name__ == "__main__":
    main()
