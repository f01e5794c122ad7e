"""SSIMULACRA2 of pictures, by the package ssimulacra2 (BSD licence; numpy and scipy)."""

from __future__ import annotations

from io import BytesIO
from typing import Final

import numpy as np

from laconic.codecs.errors import MissingDependencyError, UnsupportedSignalError
from laconic.codecs.media import Image
from laconic.tasks.measures.picture_distortion import check_sides, checked_pair

_LEAST_SIDE: Final = 8  # of its finest scale; below, the package answers 100 whatever it sees


def ssimulacra2(reference: Image, other: Image) -> float:
    """At most 100 (equal pictures); 90: no difference is seen, 70: high, 50: medium, 30: low quality; below 0 very low.

    Of colours in sRGB; alpha does not count. Raises `ValueError` where shape or sample type differ,
    `UnsupportedSignalError` for pictures of other than 8 bits or below 8 pixels a side, `MissingDependencyError`.

    Source: J. Sneyers, https://github.com/cloudinary/ssimulacra2, version 2.1.
    """
    try:
        from ssimulacra2 import compute_ssimulacra2
    except ImportError as err:
        raise MissingDependencyError(
            f"ssimulacra2 cannot be imported ({err}); install it: pip install ssimulacra2"
        ) from err
    x, _, peak = checked_pair(reference, other)
    check_sides(x, _LEAST_SIDE, "SSIMULACRA2")
    if x.dtype != np.uint8 or peak != 255:
        raise UnsupportedSignalError(
            f"samples are of {peak.bit_length()} bits; SSIMULACRA2 allows 8: convert the picture first"
        )
    return float(compute_ssimulacra2(_file(reference), _file(other)))


def _file(picture: Image) -> BytesIO:
    """As the package wants it: something to open. Uncompressed."""
    file = BytesIO()
    picture.to_pillow().convert("RGB").save(file, "PPM")
    file.seek(0)
    return file
