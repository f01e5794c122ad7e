"""Lossless planes (the alpha channel): exact for any int32, small for smooth ones, refused when damaged."""

import dataclasses

import numpy as np
import pytest

from laconic.entropy.container import ContainerSegment
from laconic.entropy.errors import BitstreamError
from laconic.entropy.lossless import decode_lossless, encode_lossless
from laconic.entropy.planes import CRC_BYTES
from laconic.entropy.tables import TableSet, table_of_counts

VALUES = np.arange(-400, 401)
BANK = TableSet(tuple(table_of_counts(VALUES, np.exp(-np.abs(VALUES) / 2.0 ** (t / 8 - 4))) for t in range(96)))
SHAPES = ((1, 1), (1, 70), (70, 1), (2, 3), (33, 65))


def plane_of(kind: str, shape: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: shape[0], : shape[1]]
    kinds = {
        "opaque": np.full(shape, 255),
        "shape": 255 * ((y - 16) ** 2 + (x - 20) ** 2 < 150),
        "soft": np.clip(8 * x - 3 * y, 0, 255),
        "bytes": rng.integers(0, 256, shape),
        "words": rng.integers(0, 65536, shape),
        "int32": rng.integers(-(2**31), 2**31, shape),
    }
    return kinds[kind].astype(np.int32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["opaque", "shape", "soft", "bytes", "words", "int32"])
def test_round_trip(kind: str, shape: tuple[int, int]) -> None:
    plane = plane_of(kind, shape)
    assert np.array_equal(decode_lossless(encode_lossless(plane, BANK), *shape, BANK), plane)


@pytest.mark.parametrize("num_tables", [1, 7, 41])
def test_round_trip_with_few_tables(num_tables: int) -> None:
    tables = TableSet(BANK.tables[:num_tables])
    plane = plane_of("bytes", (20, 31))
    assert np.array_equal(decode_lossless(encode_lossless(plane, tables), 20, 31, tables), plane)


def test_round_trip_of_a_strided_view() -> None:
    plane = np.repeat(plane_of("bytes", (20, 31)), 2, 1)
    assert np.array_equal(decode_lossless(encode_lossless(plane[:, ::2], BANK), 20, 31, BANK), plane[:, ::2])


def test_opaque_plane_costs_less_than_half_a_byte_a_row() -> None:
    assert len(encode_lossless(plane_of("opaque", (256, 256)), BANK).payload) < 128


def test_noise_costs_at_most_half_more_than_its_bytes() -> None:
    """The worst case: the predictor widens the noise, and these tables escape what is beyond 127."""
    assert len(encode_lossless(plane_of("bytes", (128, 128)), BANK).payload) < 1.5 * 128 * 128


def test_large_plane_carries_a_crc_and_a_small_one_does_not() -> None:
    large, small = (encode_lossless(plane_of("bytes", (n, n)), BANK) for n in (128, 16))
    assert (large.has_crc, small.has_crc) == (True, False)
    assert len(large.payload) > CRC_BYTES > len(small.payload)


@pytest.mark.parametrize("kind", ["shape", "bytes", "int32"])
def test_every_cut_is_refused(kind: str) -> None:
    segment = encode_lossless(plane_of(kind, (9, 14)), BANK)
    for length in range(len(segment.payload)):
        with pytest.raises(BitstreamError):
            decode_lossless(dataclasses.replace(segment, payload=segment.payload[:length]), 9, 14, BANK)


@pytest.mark.parametrize("kind", ["soft", "bytes"])
def test_every_flipped_bit_is_refused(kind: str) -> None:
    segment = encode_lossless(plane_of(kind, (9, 14)), BANK)
    assert not segment.has_crc
    for position in range(8 * len(segment.payload)):
        flipped = bytearray(segment.payload)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(BitstreamError):
            decode_lossless(dataclasses.replace(segment, payload=bytes(flipped)), 9, 14, BANK)


def test_random_bytes_are_refused() -> None:
    rng = np.random.default_rng(1)
    for _ in range(500):
        with pytest.raises(BitstreamError):
            decode_lossless(ContainerSegment(rng.bytes(int(rng.integers(0, 200))), 4, has_crc=False), 9, 14, BANK)
