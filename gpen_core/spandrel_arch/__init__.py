"""GPEN for programs that read their models with spandrel.

    import gpen_core

    gpen_core.spandrel_arch.install()
    model = spandrel.ModelLoader().load_from_file("GPEN-BFR-512.pth")

Nothing is registered until `install` is called.
"""

from .architecture import install

__all__ = ["install"]
