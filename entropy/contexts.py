"""Which table codes which symbol: integer rules over what is already decoded (SPEC.md, section 4).

The planes of a tile, (d, h, w) integers, are coded in *passes*: runs of channels. The symbols of a pass see all earlier
passes, at their own place and its eight neighbours, as one *bucket* of activity; nothing inside the pass. So a pass is
one index plane and one run of the coder, and any prefix of passes decodes alone.

    table = (channel code - step code + context code[step band, channel, bucket]) >> 1, clamped to the table set

All codes count sixteenths of an octave of scale. The first `num_predicted` channels are coded as residuals of the median
edge detector.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laconic.entropy import _native
from laconic.entropy.tables import TableSet

NUM_BUCKETS = 32
NUM_STEP_BANDS = 32
STEPS_PER_BAND = 8
CODES_PER_TABLE = 2
_MAX_MAGNITUDE = 15


@dataclass(frozen=True, eq=False)
class ContextModel:
    """Integer tables and rules for the planes of one model, d channels.

    `pass_ends`: last channel + 1 of each pass, ascending, ending with d. `num_predicted`: leading channels coded as
    prediction residuals, all within the first pass. `channel_codes`: (d,) int16. `context_codes`: (32, d, 32) int8, by
    step band and bucket. `own_weights`, `ring_weights`: (passes, d) uint8, of which pass k uses the channels before it.
    Raises ValueError where they do not fit together.
    """

    tables: TableSet
    pass_ends: tuple[int, ...]
    num_predicted: int
    channel_codes: NDArray[np.int16]
    context_codes: NDArray[np.int8]
    own_weights: NDArray[np.uint8]
    ring_weights: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if not self.pass_ends or any(a >= b for a, b in pairwise((0, *self.pass_ends))):
            raise ValueError(f"pass ends are {self.pass_ends}; they must ascend from at least 1")
        if not 0 <= self.num_predicted <= self.pass_ends[0]:
            raise ValueError(f"{self.num_predicted} predicted channels; allowed is 0 to {self.pass_ends[0]}")
        d, passes = self.num_channels, len(self.pass_ends)
        expected = {
            "channel_codes": ((d,), np.int16),
            "context_codes": ((NUM_STEP_BANDS, d, NUM_BUCKETS), np.int8),
            "own_weights": ((passes, d), np.uint8),
            "ring_weights": ((passes, d), np.uint8),
        }
        for name, (shape, dtype) in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(f"{name} is {array.dtype} {array.shape}; needed is {np.dtype(dtype)} {shape}")

    @property
    def num_channels(self) -> int:
        return self.pass_ends[-1]

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of everything that decides a table: equal digests decode each other's streams."""
        sha = hashlib.sha256(self.tables.digest)
        sha.update(
            struct.pack(f"<{len(self.pass_ends) + 2}H", len(self.pass_ends), *self.pass_ends, self.num_predicted)
        )
        sha.update(self.channel_codes.astype("<i2").tobytes())
        for array in (self.context_codes, self.own_weights, self.ring_weights):
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.digest()

    def passes(self, num_channels: int) -> list[tuple[int, int, int]]:
        """(pass, first channel, last channel + 1) of the passes that the first `num_channels` channels need."""
        bounds = list(pairwise((0, *self.pass_ends)))
        return [(k, lo, min(hi, num_channels)) for k, (lo, hi) in enumerate(bounds) if lo < num_channels]

    def lookup(self, step_code: int) -> NDArray[np.uint8]:
        """Table of every channel and bucket at one step: (d, 32)."""
        # Codes are those of the middle of a band; between two middles they run linearly.
        band, phase = divmod(step_code - STEPS_PER_BAND // 2, STEPS_PER_BAND)
        below = self.context_codes[max(band, 0)].astype(np.int64)
        above = self.context_codes[min(band + 1, NUM_STEP_BANDS - 1)].astype(np.int64)
        context = ((STEPS_PER_BAND - phase) * below + phase * above + STEPS_PER_BAND // 2) // STEPS_PER_BAND
        return self.tables_of_codes(self.channel_codes[:, None] + context, step_code)

    def tables_of_codes(self, codes: NDArray[np.integer[Any]], step_code: int) -> NDArray[np.uint8]:
        """Table numbers of scale codes at one step."""
        relative = (codes.astype(np.int64) - step_code) // CODES_PER_TABLE
        return np.clip(relative, 0, len(self.tables) - 1).astype(np.uint8)

    def pass_indices(self, coded: NDArray[np.int32], pass_number: int, lookup: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Tables of a pass, one for each value: (channels of `lookup`, h, w).

        `coded` is (d, h, w) with at least the channels before the pass filled in; `lookup` holds the rows of the
        channels to be coded.
        """
        before = 0 if pass_number == 0 else self.pass_ends[pass_number - 1]
        own, ring = self.own_weights[pass_number, :before], self.ring_weights[pass_number, :before]
        buckets = buckets_of(coded, own, ring)
        indices = np.empty((len(lookup), buckets.size), np.uint8)
        _native.index_plane(buckets.reshape(-1), lookup, indices.reshape(-1))
        return indices.reshape(len(lookup), *buckets.shape)


def prediction_residuals(plane: NDArray[np.int32]) -> NDArray[np.int32]:
    """Residuals of the median edge detector over an (h, w) plane; wraps modulo 2**32."""
    residuals = np.empty(plane.shape, np.int32)
    _native.prediction_residuals(np.ascontiguousarray(plane), residuals)
    return residuals


def undo_prediction(residuals: NDArray[np.int32]) -> None:
    """Turn the residuals of an (h, w) plane into its values, in place."""
    _native.undo_prediction(residuals)


def buckets_of(coded: NDArray[np.int32], own: NDArray[np.uint8], ring: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bucket of every place, (h, w), from the first len(own) channels of (d, h, w) symbols."""
    buckets = np.zeros(coded.shape[1:], np.uint8)
    if len(own):
        _native.activity_buckets(coded, own, ring, buckets)
    return buckets


def activity_magnitudes(coded: NDArray[np.int32]) -> NDArray[np.int32]:
    """What a symbol adds to the activity before weighting: its magnitude, at most 15."""
    return np.minimum(np.abs(coded), _MAX_MAGNITUDE)


def ring_sums(planes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sum over the eight neighbours of every place of (d, h, w); nothing lies outside."""
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)))
    h, w = planes.shape[1:]
    around = sum(padded[:, y : y + h, x : x + w] for y in range(3) for x in range(3))
    return np.asarray(around - planes)
