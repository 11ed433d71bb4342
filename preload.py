"""Flags that the WebUI adds to its own."""

import argparse


def preload(parser: argparse.ArgumentParser) -> None:
    """Called by the WebUI before it reads its command line."""
    parser.add_argument(
        "--gpen-models-path", type=str, default=None, help="folder with GPEN models"
    )
