"""Small sound files of every container, which damage is done to."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image, features
from safetensors.torch import save

from gpen_core.conversion.onnx_graph import build_model
from gpen_core.network.config import GpenConfig
from gpen_core.network.synthetic_weights import passthrough_state, random_state

CONTAINERS = ("zip", "legacy", "safetensors", "onnx", "pictures")

FAULTY = "faulty"
"""No container: its files are empty, and what stands in for their reader has every fault."""

_TINY = GpenConfig(8, 1, 1 / 64, 16, 2)
_SMALL = GpenConfig(64, 1, 1 / 64, 16, 4)
"""ONNX graphs are known as GPEN's by no fewer layers of their mapping network."""


@cache
def sound_files(container: str) -> tuple[bytes, ...]:
    """Small files that are read without complaint, and one .pth that holds code."""
    makers = {
        "zip": lambda: _torch_files(zipped=True),
        "legacy": lambda: _torch_files(zipped=False),
        "safetensors": _safetensors_files,
        "onnx": _onnx_files,
        "pictures": _picture_files,
        FAULTY: list[bytes],
    }
    return tuple(makers[container]())


def _plain_state() -> dict[str, Any]:
    numbers = torch.linspace(-1, 1, 600)
    state = {"a.weight": numbers[:500].reshape(5, 100), "a.bias": torch.ones(300).half()}
    return {"g_ema": {**state, "shared": numbers[500:].view(10, 10).t(), "n": torch.tensor(7)}}


def _saved(content: object, zipped: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


class _Evil:
    """Writes a file when it is unpickled by anything that follows its instructions."""

    def __reduce__(self) -> tuple[object, ...]:
        return open, ("code", "w")


def _torch_files(zipped: bool) -> list[bytes]:
    contents = (_plain_state(), random_state(_TINY), {"a": torch.ones(4), "b": _Evil()})
    return [_saved(content, zipped) for content in contents]


def _safetensors_files() -> list[bytes]:
    plain = {name: value.contiguous() for name, value in _plain_state()["g_ema"].items()}
    return [save(plain, {"task": "restoration"}), save(random_state(_TINY))]


def _onnx_files() -> list[bytes]:
    states = (passthrough_state(_SMALL), random_state(_SMALL))
    models = [
        build_model(state, _SMALL, half, 17, {}) for state in states for half in (False, True)
    ]
    return [model.SerializeToString() for model in models]


def _picture_files() -> list[bytes]:
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (40, 60, 4), np.uint8)
    colour, alpha = Image.fromarray(pixels[..., :3]), Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        *(
            (image, "PNG", {})
            for image in (colour, alpha, colour.convert("L"), colour.convert("P"))
        ),
        *((image, "JPEG", {"exif": exif}) for image in (colour, colour.convert("CMYK"))),
        (colour, "JPEG", {"progressive": True}),
        *(
            (image, "WEBP", {"lossless": lossless})
            for image in (colour, alpha)
            for lossless in (0, 1)
        ),
        *(
            (colour, "TIFF", {"compression": kind})
            for kind in (None, "tiff_lzw", "jpeg", "packbits")
        ),
        (alpha, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (colour.convert("1"), "TIFF", {"compression": "group4"}),
        *((colour.convert(mode), "BMP", {}) for mode in ("RGB", "P", "1")),
        (colour, "GIF", {"save_all": True, "append_images": [colour]}),
        *([(alpha, "AVIF", {})] if features.check("avif") else ()),
    ]
    files: list[bytes] = []
    for image, kind, options in kinds:
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        files.append(stream.getvalue())
    deep = chance.integers(0, 65536, (40, 60, 3), np.uint16)
    for ending, samples in ((".png", deep), (".tiff", deep), (".png", deep[..., 0])):
        files.append(cv2.imencode(ending, samples)[1].tobytes())
    return files
