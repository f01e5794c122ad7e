"""How far decoded samples are from those that were encoded."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.encoding_target import EncodingTarget

if TYPE_CHECKING:
    from jaxtyping import Num


@dataclass(frozen=True)
class SampleErrors:
    """Sum of squares of samples, sum of squares of their errors, and the largest magnitude of an error."""

    energy: float
    error_energy: float
    max_error: float

    @property
    def snr_db(self) -> float:
        """`inf` without errors, `-inf` where only silence has some."""
        if not self.error_energy:
            return math.inf
        return 10 * math.log10(self.energy / self.error_energy) if self.energy else -math.inf

    @property
    def prd_percent(self) -> float:
        """0 without errors, `inf` where only silence has some."""
        if not self.error_energy:
            return 0.0
        return 100 * math.sqrt(self.error_energy / self.energy) if self.energy else math.inf

    def excess_of(self, target: EncodingTarget) -> float:
        """Octaves by which errors are larger than allowed; not above 0 where the target is kept."""
        if target.snr_db is not None:
            return (target.snr_db - self.snr_db) / (20 * math.log10(2))
        if target.prd_percent is not None:
            return _octaves(self.prd_percent, target.prd_percent)
        assert target.max_error is not None
        return _octaves(self.max_error, target.max_error)

    def said_of(self, target: EncodingTarget) -> str:
        """The error of which a target speaks, in words."""
        if target.snr_db is not None:
            return f"an SNR of {self.snr_db:.2f} dB"
        if target.prd_percent is not None:
            return f"a PRD of {self.prd_percent:.4g} %"
        return f"a largest error of {self.max_error:.6g}"


def sample_errors(pairs: Iterable[tuple[Num[NDArray[Any], "*sides"], Num[NDArray[Any], "*sides"]]]) -> SampleErrors:
    """Of samples and what they decode to, part by part."""
    energy = error_energy = largest = 0.0
    for samples, decoded in pairs:
        known = samples.astype(np.float64).ravel()
        errors = decoded.astype(np.float64).ravel() - known
        energy += float(known @ known)
        error_energy += float(errors @ errors)
        largest = max(largest, float(np.abs(errors).max(initial=0)))
    return SampleErrors(energy, error_energy, largest)


def _octaves(found: float, allowed: float) -> float:
    """Not above 0 where `found` is not above `allowed`, whatever rounding does."""
    if found <= allowed:
        return -math.inf if not found else min(math.log2(found / allowed), 0.0)
    return math.log2(found / allowed) if allowed and found < math.inf else math.inf
