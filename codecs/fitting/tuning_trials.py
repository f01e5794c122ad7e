"""What a tuning is worth: bytes at equal score, and at equal squared error, against files without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.form import form_of, grid_of_form
from laconic.codecs.latent import Latent
from laconic.codecs.learning.picture_score import PictureScore, tensor_of_picture
from laconic.codecs.levels import UNLEVELLED
from laconic.codecs.media import Image
from laconic.codecs.models.tunings import Tuning, tuned_model, tuning_code_of
from laconic.codecs.packing.layout import Layout
from laconic.codecs.packing.packer import pack
from laconic.codecs.plan import Plan, planned_integers
from laconic.codecs.transform.rate_distortion import DEFAULT_EFFORT
from laconic.codecs.transform.signals import coefficients_of, latent_of, signal_of

if TYPE_CHECKING:
    from jaxtyping import Float

    from laconic.codecs.models.model import Model

TRIAL_CODES: Final = (184, 170, 156, 142)  # about 0.15 to 1.3 bits a pixel of photographs
_NUM_VALUES: Final = 64  # at which curves are compared
_LEAST_ERROR: Final = 1e-12

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrialFile:
    """A picture encoded by `plan`, by profile best where its model has networks, else by profile small."""

    plan: Plan
    latent: Latent

    @property
    def num_bytes(self) -> int:
        return len(pack(self.latent, self.plan).data)

    @property
    def decoded(self) -> Image:
        """By linear synthesis."""
        signal = signal_of(self.latent, self.plan.model)
        assert isinstance(signal, Image)
        return signal


def trial_file(picture: Image, model: Model, step_code: int) -> TrialFile:
    """The picture, in the colours of the model, at a step."""
    form = form_of(picture)
    grid = grid_of_form(form, model)
    layout = Layout(profile="small" if model.networks is None else "best").resolved(model, grid)
    plan = Plan(form, model, grid, step_code, layout, DEFAULT_EFFORT)
    values = planned_integers(coefficients_of(picture, model, UNLEVELLED), plan)
    return TrialFile(plan, latent_of(picture, values, plan))


@dataclass(frozen=True)
class Trial:
    """Of a tuning: bytes in percent more, so below 0 fewer, at equal score and at equal squared error."""

    tuning: Tuning
    score_percent: float
    psnr_percent: float


class TuningTrials:
    """Trials of tunings of a model on pictures. Raises `CodecError` for a score that is none."""

    def __init__(self, model: Model, pictures: Sequence[Image], score: PictureScore) -> None:
        self._model, self._score = model, score
        self._pictures = [_Judged(picture, score) for picture in pictures]
        plain = replace(model, tunings=())  # so that files do not say that they have none
        self._plain = [self._curves(picture, plain) for picture in self._pictures]

    def trial(self, tuning: Tuning) -> Trial:
        alone = replace(self._model, tunings=(tuning,))
        model = tuned_model(alone, tuning_code_of(alone, tuning.name))
        gaps = [
            [rate_gap(*pair) for pair in zip(plain, self._curves(picture, model), strict=True)]
            for plain, picture in zip(self._plain, self._pictures, strict=True)
        ]
        return Trial(tuning, *(_mean_percent(column, self._score) for column in zip(*gaps, strict=True)))

    def _curves(self, judged: _Judged, model: Model) -> tuple[Float[Array, "2 n"], Float[Array, "2 m"]]:
        """Log bytes and log distances, by the score and by squared error."""
        files = [trial_file(judged.picture, model, code) for code in TRIAL_CODES]
        rows = [(file.num_bytes, *judged.distances(file.decoded)) for file in files]
        num_bytes, distances, errors = np.array(rows, np.float64).T
        return _curve(num_bytes, distances), _curve(num_bytes, errors)


class _Judged:
    """A picture, and how far decoded ones are from it."""

    def __init__(self, picture: Image, score: PictureScore) -> None:
        self.picture, self._score = picture, score
        self._pixels = tensor_of_picture(picture)
        self._least = score.value(self._pixels, self._pixels)

    def distances(self, decoded: Image) -> tuple[float, float]:
        """By the score, over what it gives equal pictures, and by mean squared error."""
        error = np.subtract(self.picture.samples, decoded.samples, dtype=np.float64) / self.picture.peak
        number = self._score.value(self._pixels, tensor_of_picture(decoded))
        return number - self._least, float(np.mean(np.square(error)))


def rate_gap(plain: Float[Array, "2 n"], tuned: Float[Array, "2 m"]) -> float:
    """Mean difference of log bytes over the log distances that both reach, nan where there are none. Curves are log bytes,
    rising, over log distances, straight in between."""
    rates, goods = zip(*((rate, np.maximum.accumulate(-log)) for rate, log in (plain, tuned)), strict=True)
    if min(len(good) for good in goods) == 0:
        return float("nan")
    first, last = max(good[0] for good in goods), min(good[-1] for good in goods)
    if first >= last:
        return float("nan")
    at = np.linspace(first, last, _NUM_VALUES)
    before, after = (np.interp(at, good, rate) for good, rate in zip(goods, rates, strict=True))
    return float(np.mean(after - before))


def _curve(num_bytes: Array, distances: Array) -> Float[Array, "2 n"]:
    """Without points that are as good as the original, of which there is no logarithm."""
    order = np.argsort(num_bytes, kind="stable")
    order = order[distances[order] > _LEAST_ERROR]
    return np.log(np.stack([num_bytes, distances])[:, order])


def _mean_percent(gaps: Sequence[float], score: PictureScore) -> float:
    used = np.array(gaps)[np.isfinite(gaps)]
    if not len(used):
        raise CodecError(
            f"score {score.name} does not fall with the bytes of any picture; allowed is a distance, smaller the nearer a "
            "decoded picture is"
        )
    return 100 * float(np.expm1(used.mean()))
