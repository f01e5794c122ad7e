"""Integers that contexts are fitted to: of all signals at the centre of a step band, made when asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.models.model import Model
from laconic.codecs.steps import step_of_code
from laconic.codecs.transform.rate_distortion import DEFAULT_EFFORT, optimize_low_planes, optimize_rate_distortion
from laconic.entropy.contexts import STEPS_PER_BAND
from laconic.entropy.fitting.context_rules import symbols_of
from laconic.entropy.low_planes import join_low_planes, split_low_planes

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]


def centre_of_band(band: int) -> int:
    """The step code in the middle of a step band."""
    return band * STEPS_PER_BAND + STEPS_PER_BAND // 2


class FittedIntegers(ABC):
    """Integers of signals' coefficients, (d, h, w) each, by step band. With `low_levels`, the first `num_planes` channels
    have these."""

    def __init__(self, coefficients: Sequence[Float[Floats, "d _ _"]], num_planes: int, low_levels: int) -> None:
        self._coefficients = coefficients
        self._num_planes, self._low_levels = num_planes, low_levels

    def values(self, band: int) -> Sequence[Int[Integers, "d _ _"]]:
        """Of all channels."""
        return _Made(self._coefficients, lambda coefficients: self._of(coefficients, centre_of_band(band)))

    def in_place(self, band: int) -> Sequence[Int[Integers, "d _ _"]]:
        """Of all channels, the low band as residuals of its prediction: as contexts see them."""

        def make(coefficients: Floats) -> Integers:
            values = self._of(coefficients, centre_of_band(band))
            apart = symbols_of(split_low_planes(values[: self._num_planes], self._low_levels), self._num_planes)
            values[: self._num_planes] = join_low_planes(apart, self._low_levels, *values.shape[1:])
            return values

        return _Made(self._coefficients, make)

    def low_values(self, band: int) -> Sequence[Int[Integers, "n _ _"]]:
        """Of the channels with low levels, put apart."""

        def make(coefficients: Floats) -> Integers:
            planes = self._of_low(coefficients[: self._num_planes], centre_of_band(band))
            return split_low_planes(planes, self._low_levels)

        return _Made(self._coefficients, make)

    @abstractmethod
    def _of(self, coefficients: Floats, code: int) -> Integers: ...

    @abstractmethod
    def _of_low(self, coefficients: Floats, code: int) -> Integers:
        """Those of the channels with low levels."""


class QuantisedIntegers(FittedIntegers):
    """Those of plain quantisation."""

    def __init__(
        self, coefficients: Sequence[Float[Floats, "d _ _"]], num_planes: int, low_levels: int, rounding: float
    ) -> None:
        super().__init__(coefficients, num_planes, low_levels)
        self._rounding = rounding

    def _of(self, coefficients: Floats, code: int) -> Integers:
        return _rounded(coefficients, code, self._rounding)

    def _of_low(self, coefficients: Floats, code: int) -> Integers:
        return self._of(coefficients, code)


class ChosenIntegers(FittedIntegers):
    """Those that an encoder chooses by a model."""

    def __init__(self, coefficients: Sequence[Float[Floats, "d _ _"]], model: Model) -> None:
        super().__init__(coefficients, model.num_planes, model.low_levels)
        self._model = replace(model, unit=1.0)

    def _of(self, coefficients: Floats, code: int) -> Integers:
        model = self._model
        values = _rounded(coefficients, code, 0.5)
        if plain := model.contexts.num_predicted:
            values[:plain] = _rounded(coefficients[:plain], code, model.rounding)
        optimize_rate_distortion(values, coefficients, code, model, effort=DEFAULT_EFFORT)
        return values

    def _of_low(self, coefficients: Floats, code: int) -> Integers:
        values = _rounded(coefficients, code, 0.5)
        optimize_low_planes(values, coefficients, code, self._model, effort=DEFAULT_EFFORT)
        return values


def _rounded(coefficients: Floats, code: int, rounding: float) -> Integers:
    magnitudes = np.floor(np.abs(coefficients) / step_of_code(code) + np.float32(rounding))
    return np.copysign(magnitudes, coefficients).astype(np.int32)


class _Made(Sequence[Integers]):
    """What a function makes of each item, when it is asked for."""

    def __init__(self, items: Sequence[Floats], make: Callable[[Floats], Integers]) -> None:
        self._items, self._make = items, make

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Integers: ...
    @overload
    def __getitem__(self, index: slice) -> list[Integers]: ...
    def __getitem__(self, index: int | slice) -> Integers | list[Integers]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._make(self._items[index])
