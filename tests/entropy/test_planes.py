"""Tiles as segments: exact for any groups, any prefix of channels, refused when damaged."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from laconic.entropy.container import Segment
from laconic.entropy.contexts import ContextModel
from laconic.entropy.errors import BitstreamError, ChecksumError, CorruptStreamError
from laconic.entropy.planes import CRC_BYTES, Span, TileDecoder, TileEncoder, checksum
from laconic.entropy.tables import TableSet, table_of_counts

STEP = 150
BOUNDS = (0, 3, 7, 12)


def model() -> ContextModel:
    rng = np.random.default_rng(12)
    values = np.arange(-100, 101)
    scales = 2.0 ** np.arange(-3, 6)
    return ContextModel(
        tables=TableSet(tuple(table_of_counts(values, np.exp(-np.abs(values) / s)) for s in scales)),
        pass_ends=(2, 5, 12),  # other bounds than those of the groups
        num_predicted=2,
        channel_codes=rng.integers(152, 162, 12).astype(np.int16),
        context_codes=rng.integers(-4, 4, (32, 12, 32)).astype(np.int8),
        own_weights=rng.integers(0, 9, (3, 12)).astype(np.uint8),
        ring_weights=rng.integers(0, 9, (3, 12)).astype(np.uint8),
    )


MODEL = model()


def values_of(shape: tuple[int, int], scale: float = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.round(rng.laplace(0, scale, (12, *shape)))
    values[0] += np.arange(shape[1])
    values.reshape(-1)[:: max(values.size // 7, 1)] = 5000  # escapes
    return values.astype(np.int32)


def decode(
    segments: list[Segment], spans: list[Span], shape: tuple[int, int], *, wanted: int, trimmed: bool
) -> np.ndarray:
    capacity = next(e for span in spans for e in span.bounds[1:] if e >= wanted)
    decoder = TileDecoder(wanted, (capacity, *shape), MODEL.lookup(STEP), MODEL)
    for segment, span in zip(segments, spans, strict=True):
        if span.bounds[0] < wanted:
            decoder.read(segment, span, trimmed=trimmed)
    return decoder.values()


def joined(values: np.ndarray) -> Segment:
    return TileEncoder(values, STEP, MODEL).segment(Span(BOUNDS), trim=False)


SPANS = [Span(pair) for pair in pairwise(BOUNDS)]


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 9), (16, 16)])
def test_joined_groups_round_trip(shape: tuple[int, int]) -> None:
    values = values_of(shape)
    assert np.array_equal(decode([joined(values)], [Span(BOUNDS)], shape, wanted=12, trimmed=False), values)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 9), (40, 50)])
def test_separate_groups_round_trip(shape: tuple[int, int]) -> None:
    values = values_of(shape)
    encoder = TileEncoder(values, STEP, MODEL)
    segments = [encoder.segment(span, trim=True) for span in SPANS]
    assert np.array_equal(decode(segments, SPANS, shape, wanted=12, trimmed=True), values)


def test_extreme_values_round_trip() -> None:
    rng = np.random.default_rng(0)
    values = rng.choice([-(2**31), 2**31 - 1, 0, -1], (12, 6, 6)).astype(np.int32)
    assert np.array_equal(decode([joined(values)], [Span(BOUNDS)], (6, 6), wanted=12, trimmed=False), values)


def test_values_that_are_not_contiguous_round_trip() -> None:
    values = values_of((6, 10))
    for view in (np.asfortranarray(values), np.repeat(values, 2, 2)[:, :, ::2]):
        segment = TileEncoder(view, STEP, MODEL).segment(Span(BOUNDS), trim=False)
        assert segment == joined(values)


@pytest.mark.parametrize("wanted", range(1, 13))
def test_prefix_of_a_joined_segment_is_that_of_all(wanted: int) -> None:
    values = values_of((5, 9))
    assert np.array_equal(
        decode([joined(values)], [Span(BOUNDS)], (5, 9), wanted=wanted, trimmed=False), values[:wanted]
    )


@pytest.mark.parametrize("wanted", range(1, 13))
@pytest.mark.parametrize("shape", [(61, 67), (67, 61)])
def test_prefix_of_segments_with_crc_is_that_of_all(wanted: int, shape: tuple[int, int]) -> None:
    """Such a group is read only as far as wanted, to the end of a round of lanes that fits no row or plane."""
    values = values_of(shape, scale=20)
    encoder = TileEncoder(values, STEP, MODEL)
    segments = [encoder.segment(span, trim=True) for span in SPANS]
    assert all(s.has_crc and s.lanes > 16 for s in segments)
    assert np.array_equal(decode(segments, SPANS, shape, wanted=wanted, trimmed=True), values[:wanted])


def test_channels_without_symbols_at_the_end_are_left_out() -> None:
    values = values_of((6, 6))
    values[5:7] = 0
    values[7:] = 0
    encoder = TileEncoder(values, STEP, MODEL)
    segments = [encoder.segment(span, trim=True) for span in SPANS]
    assert [s.num_channels for s in segments] == [3, 2, 0]
    assert segments[2].payload == b""
    assert np.array_equal(decode(segments, SPANS, (6, 6), wanted=12, trimmed=True), values)


def test_ideal_bits_of_groups_sum_to_the_whole() -> None:
    encoder = TileEncoder(values_of((9, 9)), STEP, MODEL)
    assert sum(encoder.ideal_bits(a, b) for a, b in pairwise(BOUNDS)) == pytest.approx(encoder.ideal_bits(0, 12))


def test_segment_carries_a_crc_from_its_limit_on() -> None:
    for side in (8, 24):
        encoder = TileEncoder(values_of((side, side)), STEP, MODEL)
        segment = encoder.segment(Span((0, 12)), trim=False)
        assert segment.has_crc == (encoder.ideal_bits(0, 12) / 8 >= CRC_BYTES)
        assert segment.has_crc == (side == 24)


def test_size_is_near_the_ideal() -> None:
    encoder = TileEncoder(values_of((64, 64), 8), STEP, MODEL)
    segment = encoder.segment(Span((0, 12)), trim=False)
    assert len(segment.payload) <= 1.01 * encoder.ideal_bits(0, 12) / 8 + 64


def test_every_flipped_bit_of_a_segment_without_crc_is_refused() -> None:
    segment = joined(values_of((4, 5)))
    assert not segment.has_crc
    for position in range(8 * len(segment.payload)):
        flipped = bytearray(segment.payload)
        flipped[position // 8] ^= 1 << position % 8
        damaged = dataclasses.replace(segment, payload=bytes(flipped))
        with pytest.raises(BitstreamError):
            decode([damaged], [Span(BOUNDS)], (4, 5), wanted=12, trimmed=False)


def test_every_cut_of_a_segment_is_refused() -> None:
    segment = joined(values_of((4, 5)))
    for length in range(len(segment.payload)):
        damaged = dataclasses.replace(segment, payload=segment.payload[:length])
        with pytest.raises(BitstreamError):
            decode([damaged], [Span(BOUNDS)], (4, 5), wanted=12, trimmed=False)


def test_groups_before_a_cut_are_kept_and_later_ones_are_zero() -> None:
    values = values_of((12, 12))
    segment = joined(values)
    intact = []
    for length in range(0, len(segment.payload), 3):
        decoder = TileDecoder(12, (12, 12, 12), MODEL.lookup(STEP), MODEL)
        with pytest.raises(BitstreamError):
            decoder.read(dataclasses.replace(segment, payload=segment.payload[:length]), Span(BOUNDS), trimmed=False)
        found = decoder.values()
        count = next((i for i, (a, b) in enumerate(pairwise(BOUNDS)) if not np.array_equal(found[a:b], values[a:b])), 3)
        assert not found[BOUNDS[count] :].any()
        intact.append(count)
    assert intact == sorted(intact)
    assert set(intact) == {0, 1, 2}


def test_wrong_mark_names_its_channels() -> None:
    values = values_of((8, 8))
    right, wrong = joined(values), values.copy()
    wrong[4, 3, 3] += 1
    # The payload of other values with the same length cannot be had, so the checksum itself is checked.
    assert checksum(values[3:7]) != checksum(wrong[3:7])
    payload = bytearray(right.payload)
    raised = set()
    for position in range(len(payload)):
        payload[position] ^= 1
        try:
            decode(
                [dataclasses.replace(right, payload=bytes(payload))], [Span(BOUNDS)], (8, 8), wanted=12, trimmed=False
            )
        except ChecksumError as err:
            raised.add(str(err).split(" of a tile")[0])
        except BitstreamError:
            pass
        payload[position] ^= 1
    assert raised >= {"channels 0 to 2", "channels 3 to 6"}


def test_more_channels_than_the_group_has_are_refused() -> None:
    segment = TileEncoder(values_of((4, 4)), STEP, MODEL).segment(SPANS[0], trim=True)
    decoder = TileDecoder(3, (3, 4, 4), MODEL.lookup(STEP), MODEL)
    with pytest.raises(CorruptStreamError, match="4 channels; at most 3"):
        decoder.read(dataclasses.replace(segment, num_channels=4), SPANS[0], trimmed=True)


def test_encoding_leaves_its_input_alone() -> None:
    values = values_of((6, 6))
    before = values.copy()
    joined(values)
    assert np.array_equal(values, before)
