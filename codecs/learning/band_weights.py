"""What an error in each band of a picture's coefficients costs by a score.

Near the original a score L is quadratic in the errors e of the coefficients, L = e^T H e / 2, so with its gradient G = H e
at the decoded picture, band b has <G_b, e_b> / 2 of it, and each unit of its squared error costs

    w_b = <G_b, e_b> / |e_b|^2.

Sums over pictures and steps count each alike. At equal bytes the steps that are best go with w_b^(-1/2), where errors are
those of fine steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.fitting.tuning_trials import trial_file
from laconic.codecs.learning.decoder_gradient import tensor_encoder_of
from laconic.codecs.learning.picture_score import PictureScore, tensor_of_picture, with_three_colors

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from laconic.codecs.media import Image
    from laconic.codecs.models.model import Model
    from laconic.codecs.models.tunings import Tuning

LOW_BAND: Final = "low"
_DIAGONAL: Final = 3  # of the quarters of a split
_LEAST_WEIGHT: Final = 1e-3  # of the largest: bands that a score hardly sees, or whose errors help it by chance

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bands:
    """`names` of bands and the band `of_channel` (d,): of each level, what is horizontal or vertical, "1", and diagonal,
    "1d", all colours together; the low band with the levels below it."""

    names: tuple[str, ...]
    of_channel: Int[NDArray[np.intp], " d"]

    def sums(self, values: Float[NDArray[Any], "d h w"]) -> Float[Array, " bands"]:
        """Of all values of each band."""
        by_channel = values.sum((1, 2), dtype=np.float64)
        return np.asarray(np.bincount(self.of_channel, by_channel, len(self.names)), np.float64)

    def offsets_of(self, tuning: Tuning) -> dict[str, int]:
        """Those of a tuning whose bands have one each, by name."""
        found = {name: int(tuning.offsets[self.of_channel == band][0]) for band, name in enumerate(self.names)}
        return found | ({LOW_BAND: int(tuning.low_offsets[0])} if len(tuning.low_offsets) else {})


def bands_of_model(model: Model) -> Bands:
    """Those of a picture model."""
    by_row: list[str] = []
    for path in model.tree.leaves:
        by_row += [_band_of_leaf(path)] * (model.num_planes * model.tree.channels_of(path))
    names = tuple(sorted(set(by_row), reverse=True))
    of_channel = np.empty(model.num_channels, np.intp)
    of_channel[model.channels] = [names.index(name) for name in by_row]
    return Bands(names, of_channel)


def _band_of_leaf(path: Sequence[int]) -> str:
    """By the first split whose low quarter it is not in."""
    for level, quarter in enumerate(path, 1):
        if quarter:
            return f"{level}{'d' * (quarter == _DIAGONAL)}"
    return LOW_BAND


@dataclass(frozen=True, eq=False)
class BandWeights:
    """`shares` (bands,) of a score's numbers, `errors` of squared errors, `nonzeros` of the integers that are not 0: what
    each is a mean of adds up to 1."""

    bands: Bands
    shares: Float[Array, " bands"]
    errors: Float[Array, " bands"]
    nonzeros: Float[Array, " bands"]

    @cached_property
    def octaves(self) -> Float[Array, " bands"]:
        """(bands,) by how many octaves a unit of squared error costs more than the mean over integers that are not 0: a
        band's bits change with its step by one for each of these and octave, so with offsets in proportion all bits
        together stay about the same."""
        weights = self.shares / np.maximum(self.errors, np.finfo(np.float64).tiny)
        logs = np.log2(np.maximum(weights, _LEAST_WEIGHT * weights.max()))
        return np.asarray(logs - np.average(logs, weights=self.nonzeros))


def band_weights(
    model: Model, pictures: Iterable[Image], score: PictureScore, step_codes: Sequence[int]
) -> BandWeights:
    """Of pictures whose sides are multiples of the model's grid, in files of these steps. Raises `CodecError` for a score
    that is none, and for a model whose projection is not cut at the leaves of its tree."""
    bands = bands_of_model(model)
    sums = np.zeros((3, len(bands.names)))
    measure = _Measure(model, score, bands)
    for picture in pictures:
        for code in step_codes:
            found = measure.of_file(picture, code)
            totals = found.sum(1, keepdims=True)
            if (totals > 0).all():
                sums += found / totals
    if not sums.any():
        raise CodecError(
            f"score {score.name} does not grow with the errors of any of the pictures; allowed is a distance, smaller the "
            "nearer a decoded picture is"
        )
    shares, errors, nonzeros = sums / sums.sum(1, keepdims=True)
    return BandWeights(bands, shares, errors, nonzeros)


class _Measure:
    def __init__(self, model: Model, score: PictureScore, bands: Bands) -> None:
        self._model, self._score, self._bands = model, score, bands
        self._encoder = tensor_encoder_of(model)

    def of_file(self, picture: Image, step_code: int) -> Float[Array, "3 bands"]:
        """Sums over the bands: gradient times error, squared error, integers that are not 0."""
        latent = trial_file(picture, self._model, step_code).latent
        original = tensor_of_picture(picture)
        points = torch.from_numpy(latent.points())[None].requires_grad_()
        decoded = (self._encoder.planes(points) + 0.5).clamp(0, 1)
        gradient = self._score.gradient(original, with_three_colors(decoded), points)
        with torch.no_grad():
            # Those of the low levels are in the places of the low band, so that errors are too.
            exact = self._encoder.coefficients(original[:, : self._model.num_planes] - 0.5)
            error = points - exact
        parts = (gradient * error)[0].detach(), error[0].square(), torch.from_numpy((latent.values != 0) * 1.0)
        return np.stack([self._bands.sums(part.numpy()) for part in parts])
