"""Learned contexts: the numpy rules are those of the coder, weights and tables fit what they are learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.entropy import ContextModel, Table, TableSet, rans
from laconic.entropy.contexts import NUM_LEVELS, ContextWeights, residuals_of_context_prediction
from laconic.entropy.fitting.context_fitting import fit_context_weights
from laconic.entropy.fitting.context_rules import (
    context_rule_leans,
    context_rule_levels,
    context_rule_scales,
    symbols_of,
)
from laconic.entropy.fitting.table_fitting import FITTED_BANDS, FittedPart, fit_context_model

Planes = NDArray[np.int32]
PASS_ENDS = (2, 7, 12)


def random_weights(seed: int, pass_ends: tuple[int, ...] = PASS_ENDS) -> ContextWeights:
    rng = np.random.default_rng(seed)
    d, passes, features = pass_ends[-1], len(pass_ends), 2
    own, ring = rng.integers(0, 40, (2, passes, features, d), dtype=np.uint8)
    for k, before in enumerate((0, *pass_ends[:-1])):
        own[k, :, before:] = ring[k, :, before:] = 0
    return ContextWeights(
        pass_ends=pass_ends,
        num_predicted=0,
        base=rng.integers(1, 300, (32, d), dtype=np.uint16),
        neighbour_weights=rng.integers(0, 86, (d, 6), dtype=np.uint8),
        lean_weights=rng.integers(-63, 64, (d, 4)).astype(np.int8),
        feature_weights=rng.integers(0, 5000, (d, features), dtype=np.uint16),
        own_weights=own,
        ring_weights=ring,
    )


@pytest.mark.parametrize("seed", range(6))
def test_numpy_rules_are_those_of_the_coder(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = random_weights(seed)
    symbols = np.round(rng.laplace(0, rng.choice([0.5, 3, 40]), (12, 9, 4 + seed))).astype(np.int32)
    tables = TableSet(tuple(Table(-1, (1, 1, 65534)) for _ in range(256)))
    # Places of every symbol in coding order, by coding their numbers where no lean turns the sign.
    scales = context_rule_scales(symbols, weights, weights.base[16])
    leans, negated = context_rule_leans(symbols, weights, scales)
    by_level = np.tile(np.arange(NUM_LEVELS, dtype=np.uint8), (4, 1))
    by_lean = np.repeat(np.arange(4, dtype=np.uint8)[:, None], NUM_LEVELS, axis=1)
    for table_map, expected in ((by_level, context_rule_levels(scales)), (by_lean, leans)):
        model = ContextModel(
            **vars(weights),
            tables=tables,
            static_tables=tables,
            static_index=np.zeros((32, 12), np.uint8),
            table_map=table_map,
        )
        values, found, fronts = model.at_step(8 * 16 + 4).code(symbols, 0, 12)
        order = coding_order(symbols.shape[1:], [2, 5, 5])
        assert len(fronts) and np.array_equal(found, expected.reshape(-1)[order])
        assert np.array_equal(values, np.where(negated, -symbols, symbols).reshape(-1)[order])


def coding_order(grid: tuple[int, int], passes: Sequence[int]) -> NDArray[np.int64]:
    """Flat places of (d, h, w) symbols in coding order (SPEC.md, section 4.2)."""
    h, w = grid
    order: list[tuple[int, ...]] = []
    first = 0
    for number, count in enumerate(passes):
        rows = max(1, min(64 // count, h, w // 2))
        for y in range(h):
            for x in range(w):
                front = (y // rows) * max(w, 2) + x + 2 * (y % rows)
                order += [(number, front, y % rows, c, y, x) for c in range(first, first + count)]
        first += count
    return np.array([(c * h + y) * w + x for *_, c, y, x in sorted(order)])


def lively(d: int, h: int, w: int, seed: int = 0) -> NDArray[np.float64]:
    """Coefficients whose scale changes from place to place, alike in all channels, and whose rows resemble each other."""
    rng = np.random.default_rng(seed)
    level = np.exp2(np.repeat(np.repeat(rng.normal(0, 1.5, (-(-h // 6), -(-w // 6))), 6, 0), 6, 1)[:h, :w])
    values = rng.laplace(0, 1, (d, h, w)) * level
    values[:, 1:] += 0.6 * values[:, :-1]
    return values * np.geomspace(1, 0.2, d)[:, None, None]


def integers(coefficients: Sequence[NDArray[np.float64]]) -> Callable[[int], list[Planes]]:
    return lambda band: [np.trunc(c * 2.0 ** ((160 - 8 * band) / 16) * 2).astype(np.int32) for c in coefficients]


def fitted(coefficients: Sequence[NDArray[np.float64]], **options: int) -> ContextModel:
    given = {"pass_ends": PASS_ENDS, "num_predicted": 0, "rounding": 0.375, **options}
    weights = fit_context_weights(integers(coefficients), **given)  # type: ignore[arg-type]
    return fit_context_model(FittedPart(integers(coefficients), weights), 0.375)


def bits(model: ContextModel, symbols: Planes, band: int) -> tuple[float, float]:
    """With contexts, and with static tables."""
    rules = model.at_step(8 * band + 4)
    values, tables, _ = rules.code(symbols, 0, len(symbols))
    static = sum(
        rans.ideal_bits(plane, model.static_tables, int(t))
        for plane, t in zip(symbols, rules.static_index, strict=True)
    )
    return rans.ideal_bits(values, model.tables, tables), static


@pytest.fixture(scope="module")
def learned() -> ContextModel:
    return fitted([lively(12, 40, 48, seed) for seed in range(4)])


@pytest.mark.parametrize(("band", "most"), [(12, 0.96), (18, 0.9), (24, 0.9)])
def test_contexts_save_what_there_is_to_save(learned: ContextModel, band: int, most: float) -> None:
    (other,) = integers([lively(12, 40, 48, 99)])(band)
    with_contexts, static = bits(learned, other, band)
    assert with_contexts < most * static


def test_without_structure_contexts_cost_little() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.laplace(0, 1, (12, 40, 48)) for _ in range(5)]
    (other,) = integers(noise[:1])(18)
    with_contexts, static = bits(fitted(noise[1:]), other, 18)
    assert with_contexts < 1.01 * static


def test_leans_learn_the_sign(learned: ContextModel) -> None:
    assert (learned.lean_weights[:, 1] > 0).mean() > 0.8  # rows resemble the row above
    assert np.abs(learned.lean_weights[:, 1].astype(int)).mean() > np.abs(learned.lean_weights[:, 0].astype(int)).mean()


def test_fit_is_the_same_again(learned: ContextModel) -> None:
    assert fitted([lively(12, 40, 48, seed) for seed in range(4)]).digest == learned.digest


def test_passes_look_at_earlier_channels_only(learned: ContextModel) -> None:
    for k, before in enumerate((0, *PASS_ENDS[:-1])):
        for weights in (learned.own_weights, learned.ring_weights):
            assert not weights[k, :, before:].any()
    assert learned.own_weights[1:].any() or learned.ring_weights[1:].any()


def test_levels_fall_as_steps_grow(learned: ContextModel) -> None:
    base = learned.base.astype(int)
    assert (np.diff(base[list(FITTED_BANDS)].mean(1)) < 0).all()
    assert (base[0] >= base[9]).all() and base.min() >= 1


@pytest.mark.parametrize("shape", [(12, 1, 1), (12, 1, 30), (12, 30, 1), (12, 5, 4)])
def test_small_and_silent_signals_are_taken(shape: tuple[int, int, int]) -> None:
    for values in (np.zeros(shape), lively(*shape)):
        model = fitted([values])
        (symbols,) = integers([values])(18)
        with_contexts, _ = bits(model, symbols, 18)
        assert np.isfinite(with_contexts)


def test_predicted_channels_become_residuals() -> None:
    values = integers([lively(3, 8, 9)])(16)[0]
    symbols = symbols_of(values, 2)
    for c in range(2):
        assert np.array_equal(symbols[c], residuals_of_context_prediction(np.ascontiguousarray(values[c])))
    assert np.array_equal(symbols[2], values[2])
