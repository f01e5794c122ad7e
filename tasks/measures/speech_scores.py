"""How good decoded speech sounds, and how much of it is understood, as standards and their packages compute it.

Both compare mono speech, (t,), with its original, and give `nan` where they are not defined.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import MissingDependencyError
from laconic.tasks.measures.sound_distortion import checked_pair

if TYPE_CHECKING:
    from jaxtyping import Float

PESQ_RATE_HZ: Final = 16000
# The package holds 50 utterances and writes beyond them unasked; they begin at least .42 s apart.
_MAX_SECONDS = 20


def pesq_mos(reference: Float[NDArray[Any], " t"], other: Float[NDArray[Any], " t"]) -> float:
    """Wideband PESQ (ITU-T P.862.2) of speech at 16 kHz: 1.02 to 4.64, the opinion of listeners that it foresees.

    Speech of more than 20 s is measured in equal pieces of at most that, and the mean is of those where PESQ is defined;
    it is not in pieces without speech, in silence and below a quarter of a second. Raises `ValueError` where the shapes
    differ, `MissingDependencyError` without the package pesq.
    """
    try:
        from pesq import PesqError, pesq
    except ImportError as err:
        raise MissingDependencyError(f"pesq cannot be imported ({err}); install it: pip install pesq") from err
    (x,), (y,) = checked_pair(reference, other)
    num_pieces = math.ceil(len(x) / (_MAX_SECONDS * PESQ_RATE_HZ))
    found = []
    for one, two in zip(np.array_split(x, num_pieces), np.array_split(y, num_pieces), strict=True):
        if one.any() and two.any():
            value = float(pesq(PESQ_RATE_HZ, one, two, "wb", on_error=PesqError.RETURN_VALUES))
            found += [value] * (value > 0)  # errors are negative
    return float(np.mean(found)) if found else math.nan


def stoi(reference: Float[NDArray[Any], " t"], other: Float[NDArray[Any], " t"], sample_rate: int) -> float:
    """Short-time objective intelligibility: about 0 (nothing is understood) to 1.

    Not defined for less than 30 frames of 26 ms, half overlapping, that are not silent. Raises `ValueError` where the
    shapes differ, `MissingDependencyError` without the package pystoi.

    Source: Taal, Hendriks, Heusdens, Jensen, IEEE TASLP 19(7), 2011.
    """
    try:
        from pystoi import stoi as package_stoi
    except ImportError as err:
        raise MissingDependencyError(f"pystoi cannot be imported ({err}); install it: pip install pystoi") from err
    (x,), (y,) = checked_pair(reference, other)
    if not x.any():
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(package_stoi(x, y, sample_rate))
        except RuntimeWarning:  # by which it says that it is not defined, and gives a number all the same
            return math.nan
