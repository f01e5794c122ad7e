"""How many bits the colours of pictures really have: those of 16-bit samples are often fewer, as with 12-bit scanners.

A quality refers to the range of these bits. They are what the caller says, else what the file's tag says, else what the
largest colour needs: of the file, or, where many are encoded, of all files of a folder, so that they stay comparable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from laconic.codecs.arguments import shown, whole_number_argument
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.notes import note

if TYPE_CHECKING:
    from jaxtyping import UInt

    from laconic.codecs.media import Samples

DEPTHS: Final = {"uint8": (8,), "uint16": tuple(range(9, 17))}  # by sample type
FULL_DEPTH: Final = 16
STORED_DEPTHS: Final = range(9, FULL_DEPTH)  # that a tag can say; the depth of the samples themselves says nothing
UNUSED: Final = "its samples have 8 bits; --bit-depth (bit_depth=) is for samples of 16"
# What a caller says of 16-bit pictures: their depth, 0 for nothing, or who is asked where a file does not tell.
BitDepth = int | Callable[[], int]


def wanted_bit_depth(bit_depth: BitDepth) -> BitDepth:
    """What a caller wants, its number as an int. Raises `CodecError` for no number and nobody to ask."""
    return bit_depth if callable(bit_depth) else whole_number_argument("bit_depth", bit_depth, 0)


def check_bit_depth(sample_type: str, bit_depth: int) -> None:
    """Raise `UnsupportedSignalError` for a depth that samples of this type, "uint8" or "uint16", cannot have."""
    allowed = DEPTHS[sample_type]
    if bit_depth not in allowed:
        between = f"{allowed[0]} to {allowed[-1]}" if len(allowed) > 1 else str(allowed[0])
        raise UnsupportedSignalError(f"bit_depth is {shown(bit_depth)}; allowed for {sample_type} samples is {between}")


def check_bit_depth_of_colors(samples: UInt[Samples, "h w c"], bit_depth: int) -> None:
    """Raise `UnsupportedSignalError` where a colour of samples (h, w, c) needs more bits."""
    if bit_depth >= 8 * samples.itemsize:
        return
    largest = _largest_color(samples)
    if largest >> bit_depth:
        raise UnsupportedSignalError(
            f"a sample is {largest}, above the {(1 << bit_depth) - 1} of {bit_depth} bits; "
            f"allowed as bit depth (--bit-depth) is {largest.bit_length()} to {FULL_DEPTH}"
        )


def bit_depth_of(samples: UInt[Samples, "h w c"]) -> int:
    """Bits that the largest colour of samples (h, w, c) needs, as far as their type allows."""
    allowed = DEPTHS["uint8" if samples.itemsize == 1 else "uint16"]
    return allowed[-1] if len(allowed) == 1 else max(allowed[0], _largest_color(samples).bit_length())


def settled_bit_depth(least: int, tagged: int, wanted: BitDepth) -> int:
    """The depth of a picture of 16-bit samples that need `least` bits, in a file whose tag says `tagged`, 0 for nothing.

    Says by a note where it is found by the samples.
    """
    if not callable(wanted) and wanted:
        return wanted
    if least <= tagged:
        return tagged
    if tagged:
        note(f"its tag says {tagged} bits a colour, its samples need {least}, which were taken")
        return least
    depth = max(least, wanted()) if callable(wanted) else least
    note_found_bit_depth(least, depth, "in its folder" if callable(wanted) else "of them")
    return depth


def bit_depth_read(samples: UInt[Samples, "h w c"], tagged: int, wanted: BitDepth) -> int:
    """The depth of a picture that was read, of samples (h, w, c), as `settled_bit_depth`; 8 of 8-bit samples."""
    if samples.itemsize == 1:
        note_unused_bit_depth(wanted)
        return bit_depth_of(samples)
    return settled_bit_depth(bit_depth_of(samples), tagged, wanted)


def note_found_bit_depth(least: int, depth: int, whose: str = "of them") -> None:
    """Say that a depth was found by samples, those of them, which need `least` bits, or of a folder."""
    if min(least, depth) < FULL_DEPTH:
        note(
            f"its 16-bit samples count as {depth} bits, by the largest {whose}; --bit-depth (bit_depth=) says otherwise"
        )


def note_unused_bit_depth(wanted: BitDepth) -> None:
    """Say that a depth was given for a picture of 8 bits."""
    if not callable(wanted) and wanted:
        note(UNUSED)


def with_alpha_of_full_bit_depth(
    samples: UInt[Samples, "h w c"], largest: int, *, back: bool = False
) -> UInt[Samples, "h w c"]:
    """Samples (h, w, c) whose alpha, 0 to `largest`, runs over all of their type, to the nearest; or `back` from there."""
    most = int(np.iinfo(samples.dtype).max)
    if not has_alpha(samples) or largest == most:
        return samples
    before, after = (most, largest) if back else (largest, most)
    spread = samples.copy()
    spread[:, :, -1] = rescaled_to_bit_depth(samples[:, :, -1], before, after)
    return spread


def rescaled_to_bit_depth(samples: UInt[Samples, "*shape"], before: int, after: int) -> UInt[Samples, "*shape"]:
    """Samples 0 to `before` as 0 to `after`, both at most 65535, to the nearest."""
    wide = (samples.astype(np.uint32) * np.uint32(after) + np.uint32(before // 2)) // np.uint32(before)
    return wide.astype(np.uint8) if samples.dtype == np.uint8 else wide.astype(np.uint16)


def has_alpha(samples: UInt[Samples, "h w c"]) -> bool:
    return samples.shape[2] in (2, 4)


def _largest_color(samples: Samples) -> int:
    """Alpha, which keeps all bits of its samples, left out."""
    return int(samples[:, :, : samples.shape[2] - has_alpha(samples)].max())
