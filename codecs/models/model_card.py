"""What a model file says of itself at its head, without its arrays. Needs no numpy."""

from __future__ import annotations

import json
import struct
from typing import BinaryIO, Final

_MAX_HEADER_BYTES: Final = 1 << 20


def read_model_card(file: BinaryIO) -> dict[str, str]:
    """The text metadata of a safetensors file, which is read from its start. Raises `ValueError` and its like."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _MAX_HEADER_BYTES:
        raise ValueError(f"its header claims {length} bytes")
    card: dict[str, str] = json.loads(file.read(length))["__metadata__"]
    return card
