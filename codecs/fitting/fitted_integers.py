"""Integers that contexts are fitted to: of all signals at the centre of a step band, made when asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.models.model import Model
from laconic.codecs.models.tunings import tuned_model
from laconic.codecs.steps import step_of_code
from laconic.codecs.transform.rate_distortion import DEFAULT_EFFORT, optimize_low_planes, optimize_rate_distortion
from laconic.entropy.contexts import STEPS_PER_BAND
from laconic.entropy.fitting.context_rules import symbols_of
from laconic.entropy.low_planes import join_low_planes, split_low_planes

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]
_USUAL_TUNING = 5 << 4  # a map of this strength, and no offsets


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
        return _Made(len(self._coefficients), lambda index: self._of(index, centre_of_band(band)))

    def in_place(self, band: int) -> Sequence[Int[Integers, "d _ _"]]:
        """Of all channels, the low band as residuals of its prediction: as contexts see them."""

        def make(index: int) -> Integers:
            values = self._of(index, centre_of_band(band))
            apart = symbols_of(split_low_planes(values[: self._num_planes], self._low_levels), self._num_planes)
            values[: self._num_planes] = join_low_planes(apart, self._low_levels, *values.shape[1:])
            return values

        return _Made(len(self._coefficients), make)

    def low_values(self, band: int) -> Sequence[Int[Integers, "n _ _"]]:
        """Of the channels with low levels, put apart."""

        def make(index: int) -> Integers:
            planes = self._of_low(self._coefficients[index][: self._num_planes], centre_of_band(band))
            return split_low_planes(planes, self._low_levels)

        return _Made(len(self._coefficients), make)

    @abstractmethod
    def _of(self, index: int, code: int) -> Integers:
        """Those of a signal."""

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

    def _of(self, index: int, code: int) -> Integers:
        return _rounded(self._coefficients[index], code, self._rounding)

    def _of_low(self, coefficients: Floats, code: int) -> Integers:
        return _rounded(coefficients, code, self._rounding)


class ChosenIntegers(FittedIntegers):
    """Those that an encoder chooses by a model. `mapped`: of pictures, two of three with a map of steps of the usual
    strength, since contexts serve files with and without."""

    def __init__(self, coefficients: Sequence[Float[Floats, "d _ _"]], model: Model, *, mapped: bool = False) -> None:
        super().__init__(coefficients, model.num_planes, model.low_levels)
        self._model = replace(model, unit=1.0)
        self._tuned = tuned_model(self._model, _USUAL_TUNING).tuned if mapped else None

    def _of(self, index: int, code: int) -> Integers:
        model, coefficients = self._model, self._coefficients[index]
        values = _rounded(coefficients, code, 0.5)
        if plain := model.contexts.num_predicted:
            values[:plain] = _rounded(coefficients[:plain], code, model.rounding)
        if self._tuned is None or index % 3 == 0 or len(values) <= (first := self._tuned.first_mapped):
            optimize_rate_distortion(values, coefficients, code, model, effort=DEFAULT_EFFORT)
            return values
        optimize_rate_distortion(values[:first], coefficients[:first], code, model, effort=DEFAULT_EFFORT)
        exponents = self._tuned.exponents(values, code)
        assert exponents is not None
        seen = coefficients.copy()
        self._tuned.scale_mapped(seen[first:], exponents)
        values[first:] = _rounded(seen[first:], code, 0.5)
        optimize_rate_distortion(values, seen, code, model, effort=DEFAULT_EFFORT, first=first)
        return values

    def _of_low(self, coefficients: Floats, code: int) -> Integers:
        values = _rounded(coefficients, code, 0.5)
        optimize_low_planes(values, coefficients, code, self._model, effort=DEFAULT_EFFORT)
        return values


def _rounded(coefficients: Floats, code: int, rounding: float) -> Integers:
    magnitudes = np.floor(np.abs(coefficients) / step_of_code(code) + np.float32(rounding))
    return np.copysign(magnitudes, coefficients).astype(np.int32)


class _Made(Sequence[Integers]):
    """What a function makes of each number, when it is asked for."""

    def __init__(self, length: int, make: Callable[[int], Integers]) -> None:
        self._length, self._make = length, make

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Integers: ...
    @overload
    def __getitem__(self, index: slice) -> list[Integers]: ...
    def __getitem__(self, index: int | slice) -> Integers | list[Integers]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._make(range(self._length)[index])
