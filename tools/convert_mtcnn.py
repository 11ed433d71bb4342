"""Writes `gpen_core/detection/mtcnn/mtcnn.safetensors` from the wheel of facenet-pytorch 2.6.0.

The wheel is only opened as an archive, never installed or imported:

    pip download --no-deps facenet-pytorch==2.6.0
    python tools/convert_mtcnn.py facenet_pytorch-2.6.0-py3-none-any.whl

The tensors keep their names under a prefix per network ("pnet.conv1.weight") and are stored as
float16, which moves a landmark by less than 0.1 pixel and halves the file.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file

OUTPUT = Path(__file__).parents[1] / "gpen_core" / "detection" / "mtcnn" / "mtcnn.safetensors"
SOURCES = {
    "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
"""sha256 of each `facenet_pytorch/data/<network>.pt` inside the wheel."""


def read_network(wheel: zipfile.ZipFile, network: str) -> dict[str, torch.Tensor]:
    """The tensors of one network of the wheel, refused if they are not the known ones."""
    content = wheel.read(f"facenet_pytorch/data/{network}.pt")
    found = hashlib.sha256(content).hexdigest()
    if found != SOURCES[network]:
        raise SystemExit(f"{network}.pt in the wheel has sha256 {found}, not {SOURCES[network]}")
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def convert(wheel_path: Path, output: Path) -> None:
    """Writes the tensors of all three networks to one float16 safetensors file."""
    with zipfile.ZipFile(wheel_path) as wheel:
        tensors = {
            f"{network}.{name}": tensor.half().contiguous()
            for network in SOURCES
            for name, tensor in read_network(wheel, network).items()
        }
    save_file(tensors, output, metadata={"license": "MIT"})


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Convert the MTCNN weights for gpen_core.")
    parser.add_argument("wheel", type=Path, help="facenet_pytorch-2.6.0-py3-none-any.whl")
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"default: {OUTPUT}")
    arguments = parser.parse_args()
    convert(arguments.wheel, arguments.output)


if __name__ == "__main__":
    main()
