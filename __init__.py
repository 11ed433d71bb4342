"""GPEN face restoration as a ComfyUI node pack. Harmless to import anywhere else."""

from importlib.util import find_spec

# ComfyUI loads this file as a package of its own and has folder_paths; test runners and WebUIs that
# stumble over it have not both.
if __package__ and find_spec("folder_paths") is not None:
    from .nodes.extension import comfy_entrypoint

    WEB_DIRECTORY = "./web"
    __all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
