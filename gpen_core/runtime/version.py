"""The version of this package, for everything that names it; the same as in pyproject.toml."""

__version__ = "0.1.0"
