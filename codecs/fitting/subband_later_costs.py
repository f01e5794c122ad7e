"""What symbols of subbands cost those after them, for encoders, found by trial on pictures (SPEC.md, section 4.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.fitting.subband_samples import integers_of_picture
from laconic.codecs.fitting.subband_tables import later_costs_by_size, table_sizes
from laconic.codecs.levels import UNLEVELLED
from laconic.codecs.media import Image
from laconic.codecs.models.model import Model
from laconic.codecs.transform.quantizer import inverse_quantizer_step
from laconic.codecs.transform.signals import coefficients_of
from laconic.entropy import _native, rans
from laconic.entropy.subbands import SubbandModel

if TYPE_CHECKING:
    from jaxtyping import Int

Ints = NDArray[np.int32]
_TRIAL_CODES: Final = (108, 124, 140, 156)
_TRIAL_SHARE: Final = 0.03  # of the symbols that are changed at once
_TRIAL_SIDE: Final = 160
_FEWEST: Final = 4  # symbols of a trial
_LARGEST: Final = 3  # magnitude that is told apart
_EITHER: Final = 0.14  # so much below the nearest integer, in steps, a symbol may be that or the one below


def later_costs_of_pictures(pictures: Sequence[Image], model: Model) -> Int[Ints, "tables 4 3"]:
    """What symbols cost later ones, as a `SubbandModel` has it, by trial on these pictures: some that could be either of
    two integers are the smaller one, and what that saves beyond themselves is shared among them. 0 without data."""
    contexts = model.networks
    assert contexts is not None
    sizes = table_sizes(contexts.tables)
    trials = list(_trials(pictures, model))
    random = np.random.default_rng(0)

    def cost_of(magnitude: int, following: int, low: float, high: float) -> Iterator[tuple[float, float]]:
        for trial in trials:
            size = sizes[trial.tables]
            fits = trial.nearest >= _LARGEST if magnitude == _LARGEST else trial.nearest == magnitude
            fits &= (size >= low) & (size < high) & (trial.followings == following)
            fits &= random.random(fits.shape) < _TRIAL_SHARE
            if (count := int(fits.sum())) < _FEWEST:
                continue
            larger, smaller = (
                np.where(fits, trial.signs * (trial.nearest - k), trial.planes).astype(np.int32) for k in (0, 1)
            )
            own = [_own_bits(planes[fits], trial.tables[fits], contexts) for planes in (larger, smaller)]
            whole = [_bits(planes, trial.code, contexts)[0] for planes in (larger, smaller)]
            yield whole[0] - whole[1] - (own[0] - own[1]), count

    return later_costs_by_size(sizes, cost_of)


@dataclass(frozen=True, eq=False)
class _Trial:
    """A part of a picture: its integers, their tables, what follows; `nearest` magnitudes of those that could be either of
    two integers, 0 of others, and the signs."""

    planes: Ints
    code: int
    tables: NDArray[np.uint8]
    followings: NDArray[np.uint8]
    nearest: NDArray[np.int64]
    signs: NDArray[np.int64]


def _trials(pictures: Sequence[Image], model: Model) -> Iterator[_Trial]:
    contexts = model.networks
    assert contexts is not None
    for i, picture in enumerate(pictures):
        code = _TRIAL_CODES[i % len(_TRIAL_CODES)]
        part = Image.from_array(np.ascontiguousarray(picture.samples[:_TRIAL_SIDE, :_TRIAL_SIDE]))
        coefficients = coefficients_of(part, model, UNLEVELLED)
        planes = integers_of_picture(coefficients, model, code, model.rounding)
        ratios = coefficients * np.float32(inverse_quantizer_step(code, model))
        nearest = np.floor(np.abs(ratios) + 0.5).astype(np.int64)
        nearest[nearest - np.abs(ratios) < _EITHER] = 0
        nearest[: model.num_planes] = 0
        followings = _native.subband_followings(contexts.native, np.minimum(np.abs(planes), 255))
        yield _Trial(
            planes, code, _bits(planes, code, contexts)[1], followings, nearest, np.sign(ratios).astype(np.int64)
        )


def _own_bits(symbols: Ints, tables: NDArray[np.uint8], contexts: SubbandModel) -> float:
    """Of symbols, whichever their sign."""
    both = (np.ascontiguousarray(s, np.int32) for s in (symbols, -symbols))
    return sum(rans.ideal_bits(s, contexts.tables, np.ascontiguousarray(tables)) for s in both) / 2


def _bits(planes: Ints, step_code: int, contexts: SubbandModel) -> tuple[float, NDArray[np.uint8]]:
    """The ideal bits of a picture, and the table of each symbol in (d, h, w)."""
    rules = contexts.at_step(step_code)
    tile = _native.SubbandTile(contexts.native, *planes.shape[1:])
    tile.load(planes, 0, len(planes))
    values, tables, _ = rules.code(tile, 0, len(planes))
    return rans.ideal_bits(values, contexts.tables, tables), tile.tables(rules.native, contexts.tables.native)
