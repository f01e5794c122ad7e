"""AVIF files of 10 and 12 bits, through imagecodecs where it is installed; Pillow gives 8 bits of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from laconic.codecs.formats.bit_depths import with_alpha_of_full_bit_depth
from laconic.codecs.notes import note

if TYPE_CHECKING:
    from jaxtyping import UInt

    from laconic.codecs.media import Samples


def avif_depth(head: bytes) -> int:
    """Bits of a sample of an AVIF file that starts so.

    AV1 in ISO base media, 2.3.3: bit 6 of the third byte of an av1C box is high_bitdepth, bit 5 twelve_bit.
    """
    boxes = head.partition(b"mdat")[0].split(b"av1C")[1:]
    return max((8 + 2 * bool(box[2] & 0x40) + 2 * (box[2] & 0x60 == 0x60) for box in boxes if len(box) > 2), default=8)


def read_deep_avif(data: bytes, depth: int, frame: int) -> UInt[Samples, "h w c"] | None:
    """Samples (h, w, c) of a frame, of so many bits; None, with a note, where nothing here can read them."""
    try:
        from imagecodecs import avif_decode
    except ImportError:
        note(f"its {depth} bits a colour became 8; pip install imagecodecs reads all of them")
        return None
    samples = np.asarray(avif_decode(data, index=frame)).astype(np.uint16)
    return with_alpha_of_full_bit_depth(samples[:, :, None] if samples.ndim == 2 else samples, (1 << depth) - 1)
