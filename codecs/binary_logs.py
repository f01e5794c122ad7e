"""Binary logarithms in equal parts of an octave, rounded down: by roots, which round alike on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float, Int


def binary_logs(values: Float[NDArray[np.float64], "*n"], parts_log2: int) -> Int[NDArray[np.int64], "*n"]:
    """`2**parts_log2` times the logarithm of each of some values above 0."""
    num_parts = 1 << parts_log2
    mantissas, exponents = np.frexp(values)
    powers = np.ones(num_parts)
    root = 2.0
    for bit in reversed(range(parts_log2)):
        root = float(np.sqrt(root))
        powers[(np.arange(num_parts) >> bit & 1) == 1] *= root
    phases = np.searchsorted(powers / 2, mantissas, side="right") - 1
    return np.asarray(num_parts * (exponents.astype(np.int64) - 1) + phases, np.int64)
