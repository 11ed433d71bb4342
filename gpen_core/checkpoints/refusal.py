"""Why a file is not read: raised inside this package, where the file's name is not known."""

REDOWNLOAD_HINT = "Delete it and download it again."
UNTRUSTED_HINT = (
    "It was not loaded. Use the official file, or have it saved as .safetensors by someone you "
    "trust."
)


class Refusal(Exception):  # noqa: N818 - half a sentence; the caller puts the file's name before it
    """The rest of a sentence that begins with the file's name, then what to do about it."""


def damaged(detail: str) -> Refusal:
    """The file is of a known kind, but `detail` (a clause) cannot be in a file saved properly."""
    return Refusal(f"is damaged: {detail}. {REDOWNLOAD_HINT}")


def incomplete(size: int, expected: int) -> Refusal:
    """The file ends too early: `size` of `expected` bytes are there."""
    here, whole = megabytes(size), megabytes(expected)
    if here == whole:
        here, whole = f"{size:,}", f"{expected:,} bytes"
    return Refusal(f"is incomplete ({here} of {whole}). {REDOWNLOAD_HINT}")


def reason_of(said: str) -> str:
    """What is wrong, without what to do about a file that is kept: the first sentence."""
    return said.partition(". ")[0].rstrip(".")


def megabytes(size: int) -> str:
    """`size` bytes as people read it: "284.1 MB", "1.2 kB"."""
    size = min(size, 1 << 63)  # servers may claim any length, also one that is not a float
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"
