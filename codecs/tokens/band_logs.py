"""How loud bands of speech are, block by block, in logarithmic units: whole numbers that are the same on every machine.

A block's power at a frequency is that of its MDCT coefficient, of the same blocks as the latents of `speech_mdct`, and of
its counterpart with sines, which an MDCT of the reversed sound gives. The power does not tremble as the square of the
coefficient alone does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.binary_logs import binary_logs
from laconic.codecs.models.packet_tree import mdct_tree
from laconic.codecs.tokens.speech_samples import FULL_SCALE
from laconic.codecs.transform.mdct import analyze_mdct

if TYPE_CHECKING:
    from jaxtyping import Int

BLOCK: Final = 256
NUM_BINS: Final = BLOCK
UNITS_LOG2: Final = 5
UNITS: Final = 1 << UNITS_LOG2  # of an octave of energy: 0.09 dB
SCALE_LOG2: Final = 34  # of powers of samples from -1 to 1, as integers
_FLOOR: Final = 1 << 6  # nothing is softer: 84 dB below a coefficient of 1
_TREE: Final = mdct_tree(BLOCK.bit_length() - 1)


def band_logs(
    samples: Int[NDArray[np.int64], " t"], edges: Int[NDArray[np.int64], " e"]
) -> Int[NDArray[np.int64], "n b"]:
    """Of blocks of 256 samples of 16 bits, the last filled with zeros, the mean power of bands between `edges`, in bins of
    31.25 Hz: in `UNITS` of an octave."""
    line = np.pad(samples, (0, -len(samples) % BLOCK)).astype(np.float32) / np.float32(FULL_SCALE)
    cosines = _coefficients(line)
    sines = _coefficients(line[::-1])[:, ::-1]
    sums = np.add.reduceat(cosines * cosines + sines * sines, edges[:-1], axis=0).T
    widths = np.diff(edges)
    return log_units(np.maximum(sums, _FLOOR * widths)) - log_units(widths)


def log_units(values: Int[NDArray[np.int64], "*n"]) -> Int[NDArray[np.int64], "*n"]:
    """`UNITS` times the binary logarithm of whole numbers above 0, rounded down."""
    return binary_logs(values.astype(np.float64), UNITS_LOG2)


def _coefficients(line: NDArray[np.float32]) -> Int[NDArray[np.int64], "k n"]:
    scaled = analyze_mdct(line[None], _TREE) * np.float32(1 << SCALE_LOG2 // 2)
    return np.asarray(np.rint(scaled), np.int64)
