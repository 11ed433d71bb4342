"""Picture files: read upright into RGB, written back with everything the file carried."""

from .picture import Picture, to_dtype, to_float
from .reading import MAX_PIXELS, from_image, list_pictures, read_picture
from .writing import check_writable, write_picture

__all__ = [
    "MAX_PIXELS",
    "Picture",
    "check_writable",
    "from_image",
    "list_pictures",
    "read_picture",
    "to_dtype",
    "to_float",
    "write_picture",
]
