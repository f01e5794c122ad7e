"""What the tasks on sound share: reading, transcripts, one channel at the rate of the model."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import MissingDependencyError
from laconic.codecs.files import read_sound
from laconic.codecs.media import Audio

if TYPE_CHECKING:
    from jaxtyping import Float


def read_bare(path: Path) -> Audio:
    """A sound without metadata, which would count as bytes."""
    audio = read_sound(path)
    return Audio(audio.samples, audio.sample_rate)


def read_transcripts(folder: Path) -> dict[str, str]:
    """What is said in each file of a folder of AN4, in the order of its transcripts.csv. Raises `OSError`."""
    with (folder / "transcripts.csv").open(newline="") as file:
        return {row["file"]: row["transcript"] for row in csv.DictReader(file)}


def mono_at(audio: Audio, sample_rate: int) -> Float[NDArray[np.float32], " t"]:
    """(t,) mean of the channels, resampled by scipy's polyphase filter. Raises `MissingDependencyError`."""
    samples: NDArray[np.float32] = audio.samples.mean(axis=0)
    if audio.sample_rate == sample_rate:
        return samples
    try:
        from scipy.signal import resample_poly
    except ImportError as err:
        raise MissingDependencyError(f"scipy cannot be imported ({err}); install it: pip install scipy") from err
    divisor = math.gcd(audio.sample_rate, sample_rate)
    resampled = resample_poly(samples, sample_rate // divisor, audio.sample_rate // divisor)
    return np.asarray(resampled, np.float32)
