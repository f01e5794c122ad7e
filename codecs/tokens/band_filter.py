"""A source, with bands as loud as they are asked to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.tokens.band_logs import BLOCK, NUM_BINS, SCALE_LOG2, UNITS
from laconic.codecs.tokens.voice_source import mixed_spectra, samples_of_spectra, spectra, voice_source

if TYPE_CHECKING:
    from jaxtyping import Complex, Float, Int

_ROUNDS: Final = 4
_PACE: Final = 0.8  # of what is missing, in each round
_LARGEST_CHANGE: Final = 3.0
_SOFTEST: Final = 1e-12
_AT_A_TIME: Final = 1024
_AROUND: Final = 8  # blocks beyond, on which those depend


def filtered_source(
    levels: Float[NDArray[np.float64], "n b"],
    pitch: Int[NDArray[np.integer], " n"],
    edges: Int[NDArray[np.int64], " e"],
) -> Float[NDArray[np.float32], " t"]:
    """Blocks of 256 samples whose bands are as loud as `levels`, in the units of `band_logs`, say."""
    natural = np.log(2) * (levels / UNITS - SCALE_LOG2)
    pulses, noise = voice_source(pitch)
    out = np.empty(len(noise), np.float32)
    for first in range(0, len(levels), _AT_A_TIME):
        start, end = max(0, first - _AROUND), min(len(levels), first + _AT_A_TIME + _AROUND)
        blocks, places = slice(start, end), slice(start * BLOCK, end * BLOCK)
        source = mixed_spectra(pulses[places], noise[places], pitch[blocks])
        part = _filtered(source, natural[blocks], edges)
        last = min(len(levels), first + _AT_A_TIME)
        out[first * BLOCK : last * BLOCK] = part[(first - start) * BLOCK : (last - start) * BLOCK]
    return out


def _filtered(
    source: Complex[NDArray[np.complex128], "n 256"],
    natural: Float[NDArray[np.float64], "n b"],
    edges: NDArray[np.int64],
) -> Float[NDArray[np.float64], " t"]:
    """Gains of bands, corrected by what came of them, as blocks overlap and bins of neighbouring bands share a gain."""
    slopes = _slopes(edges)
    gains = natural - _levels(source, edges)
    for _ in range(_ROUNDS - 1):
        heard = spectra(samples_of_spectra(source * np.exp(gains / 2 @ slopes)))
        gains += _PACE * (natural - _levels(heard, edges)).clip(-_LARGEST_CHANGE, _LARGEST_CHANGE)
    return samples_of_spectra(source * np.exp(gains / 2 @ slopes))


def _levels(
    blocks: Complex[NDArray[np.complex128], "n 256"], edges: NDArray[np.int64]
) -> Float[NDArray[np.float64], "n b"]:
    """Natural logarithms of mean powers."""
    powers = blocks.real**2 + blocks.imag**2
    return np.asarray(np.log(np.add.reduceat(powers, edges[:-1], axis=1) / np.diff(edges) + _SOFTEST))


def _slopes(edges: NDArray[np.int64]) -> Float[NDArray[np.float64], "b 256"]:
    """Values of bands -> of bins, on lines between the middles of bands."""
    middles = (edges[:-1] + edges[1:] - 1) / 2
    return np.stack([np.interp(np.arange(NUM_BINS), middles, one) for one in np.eye(len(middles))])
