"""Random contexts of profiles fast and small, with and without low levels, and what the reference decoder takes of them."""

import dataclasses
from types import ModuleType
from typing import Any

import numpy as np
from subband_scene import laplace_tables

from laconic.codecs.models.low_levels import no_low_gains, no_low_scale_codes
from laconic.codecs.models.model import Model
from laconic.entropy.contexts import ContextModel
from laconic.entropy.tables import TableSet

TABLES, STATIC_TABLES = laplace_tables(36), laplace_tables(9)


def random_contexts(
    num_channels: int,
    *,
    num_planes: int = 3,
    low_levels: int = 0,
    seed: int = 0,
    features: int = 2,
    low_pass_ends: tuple[int, ...] | None = None,
) -> ContextModel:
    """Of models of so many channels, of which the first `num_planes` have low levels; passes hold 5 channels, but for the
    first and low ones."""
    rng = np.random.default_rng(seed)
    low = None
    if low_levels:
        num_low = num_planes << (2 * low_levels)
        ends = low_pass_ends or (num_planes, *range(num_planes + 7, num_low, 7), num_low)
        low = _random_part(rng, ends, num_planes, features)
    first = num_planes if low_levels else 2
    ends = (*range(first, num_channels, 5), num_channels)
    return _random_part(rng, ends, 0 if low_levels else 2, features, low=low)


def _random_part(
    rng: np.random.Generator,
    pass_ends: tuple[int, ...],
    num_predicted: int,
    features: int,
    *,
    low: ContextModel | None = None,
    tables: TableSet = TABLES,
) -> ContextModel:
    d, passes = pass_ends[-1], len(pass_ends)
    return ContextModel(
        tables=tables,
        static_tables=STATIC_TABLES,
        pass_ends=pass_ends,
        num_predicted=num_predicted,
        static_index=rng.integers(0, 9, (32, d)).astype(np.uint8),
        base=rng.integers(10, 300, (32, d)).astype(np.uint16),
        neighbour_weights=rng.integers(0, 80, (d, 6)).astype(np.uint8),
        lean_weights=rng.integers(-60, 60, (d, 4)).astype(np.int8),
        feature_weights=rng.integers(0, 20000, (d, features)).astype(np.uint16),
        own_weights=rng.integers(0, 90, (passes, features, d)).astype(np.uint8),
        ring_weights=rng.integers(0, 30, (passes, features, d)).astype(np.uint8),
        table_map=rng.integers(0, len(tables), (4, 96)).astype(np.uint8),
        low=low,
    )


def raw_of(arrays: dict[str, np.ndarray]) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in arrays.items()}


def low_pass_ends_of(contexts: ContextModel) -> list[int]:
    return [] if contexts.low is None else list(contexts.low.pass_ends)


def reference_model(
    reference: ModuleType, contexts: ContextModel, *, num_planes: int, depth: int, subbands: object = None
) -> Any:
    """The `Model` of the reference decoder for pictures with these contexts."""
    raw = raw_of(contexts.to_arrays())
    low = contexts.low
    return reference.Model(
        fingerprint=b"",
        kind="image",
        num_planes=num_planes,
        dimensions=2,
        depth=depth,
        group_ends=[],
        tables=reference.read_tables(raw["tables"])[0],
        static_tables=reference.read_tables(raw["static_tables"])[0],
        contexts=reference.read_contexts(raw, list(contexts.pass_ends), contexts.num_predicted),
        has_integer_matrices=False,
        low_levels=contexts.low_levels,
        low=None if low is None else reference.read_contexts(raw, list(low.pass_ends), num_planes, "low."),
        subbands=subbands,
    )


def without_low_levels(model: Model) -> Model:
    """The transform in integers is the same with and without; low levels are in floats (`test_low_levels`)."""
    contexts = dataclasses.replace(model.contexts, low=None)
    return dataclasses.replace(
        model,
        contexts=contexts,
        low_levels=0,
        low_gains=no_low_gains(),
        low_scale_codes=no_low_scale_codes(),
        tunings=(),
    )
