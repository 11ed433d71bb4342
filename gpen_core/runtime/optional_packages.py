"""Optional packages, imported only when what they do is asked for."""

import importlib
import importlib.util
from types import ModuleType

from ..errors import MissingPackageError

_INSTALL = {
    "cv2": "pip install opencv-python",
    "facexlib": "pip install --no-deps facexlib",
    "torchvision": "install the torchvision that belongs to the installed torch",
    "spandrel": "pip install spandrel",
    "onnxruntime": "pip install onnxruntime-gpu (or onnxruntime, without an NVIDIA GPU)",
}


def is_installed(module: str) -> bool:
    """Whether a top-level module can be found; it is not imported."""
    return importlib.util.find_spec(module) is not None


def require(module: str, purpose: str) -> ModuleType:
    """Imports `module` for `purpose` (such as "YuNet face detection").

    Raises:
        MissingPackageError: it is not installed or fails to import; the message says what needs
            it, why the import failed and how to install it.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:
        # A broken binary package raises anything at import.
        package = module.partition(".")[0]
        # It may only lack another one: spandrel does not import with a torchvision that is broken.
        lacking = next((name for name in _INSTALL if name in str(error)), package)
        raise MissingPackageError(
            f"{purpose} needs the package {package}, which cannot be imported ({error}). "
            f"To fix it: {_INSTALL.get(lacking, f'pip install {lacking}')}."
        ) from error
