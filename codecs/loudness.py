"""How loud planes of samples are: the root mean square of what is no silence, in integers and exact operations, so that it
is the same on every machine. Samples may come by blocks, as often as they are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.steps import CODES_PER_OCTAVE
from laconic.entropy.container import MAX_LEVELS

if TYPE_CHECKING:
    from jaxtyping import Float, Num

ENERGY_BLOCK: Final = 4096  # samples
_SHARED_CODES: Final = 53  # 20 dB
_SILENCE: Final = 1e6  # 60 dB
_PRECISION_BITS: Final = 16
_BLOCK_VALUES: Final = 1 << 20  # of all planes

# Gives planes (c, t) from their start on, in blocks of a multiple of `ENERGY_BLOCK` samples but for the last.
SampleReading: TypeAlias = Callable[[], Iterable[NDArray[Any]]]
_Energies: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]


def reading_of_planes(planes: Num[NDArray[Any], "c t"]) -> SampleReading:
    """Of planes that are in memory."""
    step = samples_of_block(len(planes))
    return lambda: (planes[:, at : at + step] for at in range(0, planes.shape[1], step))


def samples_of_block(num_planes: int) -> int:
    """Of each plane, of blocks that take little memory: a multiple of `ENERGY_BLOCK`."""
    return ENERGY_BLOCK * max(1, _BLOCK_VALUES // (num_planes * ENERGY_BLOCK))


def peaks_of_planes(planes: Num[NDArray[Any], "c t"]) -> Float[NDArray[np.float64], " c"]:
    """The largest magnitude of each plane."""
    largest, least = planes.max(axis=1, initial=0), planes.min(axis=1, initial=0)
    peaks: NDArray[np.float64] = np.maximum(largest, -least).astype(np.float64)
    return peaks


def level_codes_of(read: SampleReading, peaks: Float[NDArray[np.float64], " c"], bias: int) -> tuple[int, ...]:
    """One code for all planes of these peaks, or where some are more than 20 dB below the loudest, one for each."""
    exponents = [_exponent_of(peak) for peak in peaks.tolist()]
    energies = _block_energies(read, exponents)
    codes = [None if found is None else _loudness([found], exponents[i]) for i, found in enumerate(energies)]
    known = [code for code in codes if code is not None]
    if not known:
        return (0,)
    near = [code is not None and code >= max(known) - _SHARED_CODES for code in codes]
    shared = max(known) if sum(near) == 1 else _shared_loudness(read, near, exponents, energies)
    if len(peaks) > MAX_LEVELS:
        return (shared + bias,)
    return joined_codes(
        [bias + (shared if code is None or is_near else code) for code, is_near in zip(codes, near, strict=True)]
    )


def joined_codes(codes: Sequence[int]) -> tuple[int, ...]:
    """One where all are the same."""
    return tuple(codes) if len(set(codes)) > 1 else (codes[0],)


def _shared_loudness(
    read: SampleReading, near: Sequence[bool], exponents: Sequence[int | None], energies: Sequence[_Energies | None]
) -> int:
    """That of the planes that are near the loudest, in units of the largest of them."""
    largest = max(e for e, is_near in zip(exponents, near, strict=True) if is_near and e is not None)
    others = [largest if is_near and e != largest else None for e, is_near in zip(exponents, near, strict=True)]
    again = _block_energies(read, others) if any(e is not None for e in others) else others
    found = [second or first for first, second, is_near in zip(energies, again, near, strict=True) if is_near]
    return _loudness([one for one in found if isinstance(one, tuple)], largest)


def _exponent_of(peak: float) -> int | None:
    """Of the unit in which samples up to this peak are integers of 16 bits; None where all are 0."""
    return int(np.frexp(peak)[1]) - _PRECISION_BITS if peak else None


def _block_energies(read: SampleReading, exponents: Sequence[int | None]) -> list[_Energies | None]:
    """Sum of squares, in units of 4^exponent, and number of samples of every block of every plane; None for those of no
    exponent."""
    found: list[list[_Energies]] = [[] for _ in exponents]
    for planes in read():
        starts = np.arange(0, planes.shape[1], ENERGY_BLOCK)
        counts = np.diff(np.append(starts, planes.shape[1]))
        for plane, exponent, kept in zip(planes, exponents, found, strict=True):
            if exponent is not None and len(starts):
                integers = np.rint(np.ldexp(plane, -exponent)).astype(np.int64)
                kept.append((np.add.reduceat(integers * integers, starts), counts))
    return [_joined(kept) if kept else None for kept in found]


def _joined(energies: Sequence[_Energies]) -> _Energies:
    sums, counts = zip(*energies, strict=True)
    return np.concatenate(sums), np.concatenate(counts)


def _loudness(energies: Sequence[_Energies], exponent: int | None) -> int:
    """16 log2 of the root mean square of planes, rounded down.

    It is that of the loudest blocks, up to one that is 60 dB below those before it: silence does not count, however long
    it is.
    """
    assert exponent is not None
    sums, counts = _joined(energies)
    loudest_first = np.argsort(-sums / counts, kind="stable")
    sums, counts = sums[loudest_first], counts[loudest_first]
    totals, lengths = sums.cumsum(), counts.cumsum()
    is_silent = (sums / counts)[1:] * _SILENCE < (totals / lengths)[:-1]
    last = int(is_silent.argmax()) if is_silent.any() else len(sums) - 1
    total, count = int(totals[last]), int(lengths[last])
    power, unit = total**8, count**8  # 16 log2 sqrt(x) = log2 x^8
    log2 = power.bit_length() - unit.bit_length()
    log2 -= power << max(-log2, 0) < unit << max(log2, 0)
    return log2 + CODES_PER_OCTAVE * exponent
