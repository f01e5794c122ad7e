"""A tuning (`models.tunings`) learned from a score: offsets from its gradients, the strength of the map by trial."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from laconic.codecs.errors import CodecError
from laconic.codecs.fitting.tuning_trials import Trial, TuningTrials
from laconic.codecs.form import check_form_fits, form_of, num_colors
from laconic.codecs.learning.band_weights import LOW_BAND, BandWeights, band_weights
from laconic.codecs.learning.picture_score import PictureScore
from laconic.codecs.media import Image
from laconic.codecs.models.tunings import MAX_COARSER, Tuning, check_new_tuning

if TYPE_CHECKING:
    from jaxtyping import Int
    from numpy.typing import NDArray

    from laconic.codecs.models.model import Model

_GRADIENT_CODES: Final = (178, 160, 142)
_STRENGTHS: Final = (0, 3, 5, 7)
_SCALES: Final = (1.0, 0.5, 0.25)  # of the offsets
_LARGEST_SIDE: Final = 384  # of pictures
_CODES_PER_OCTAVE_OF_WEIGHT: Final = 8  # steps go with the square root
_MOST_OFFSET: Final = 32


@dataclass(frozen=True)
class ScoreTuningOptions:
    """`share` of the offsets that weights of bands alone would give, as their errors are not all small; the most that a
    tuning may cost at equal squared error, `max_psnr_cost`, in percent of the bytes."""

    share: float = 0.5
    max_psnr_cost: float = 8.0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or not 0 <= self.max_psnr_cost <= 100:
            raise CodecError(
                f"share is {self.share} and max_psnr_cost {self.max_psnr_cost}; allowed are 0 to 1 and 0 to 100"
            )


def fit_tuning(
    model: Model,
    pictures: Sequence[Image],
    score: PictureScore,
    name: str,
    options: ScoreTuningOptions,
    *,
    on_weights: Callable[[BandWeights], None] = lambda weights: None,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> Tuning:
    """Named `name`, for pictures (central crops of them) in the model's colours; fewer than some dozens say little.
    `on_weights` and `on_trial` are told what is found on the way.

    Raises `CodecError` for no pictures, for a score that is none, and where no trial gains anything within the cost.
    """
    check_new_tuning(model, name)
    cuts = [_central_crop(picture, model) for picture in pictures]
    if not cuts:
        raise CodecError("there are no pictures to fit a tuning to; name some dozens")
    weights = band_weights(model, cuts, score, _GRADIENT_CODES)
    on_weights(weights)
    trials = TuningTrials(model, cuts, score)
    found: list[Trial] = []
    for scale in _SCALES:
        whole = tuning_of_weights(model, weights, name, scale * options.share)
        of_scale = _trials_of_strengths(trials, whole, options.max_psnr_cost, on_trial)
        found += of_scale
        if min(of_scale, key=_score_of).psnr_percent <= options.max_psnr_cost:
            break
    return _best(found, score, options.max_psnr_cost).tuning


def _trials_of_strengths(
    trials: TuningTrials, tuning: Tuning, max_psnr_cost: float, on_trial: Callable[[Trial], None]
) -> list[Trial]:
    """Those with the map at some strengths, and at the one after the best that is allowed."""

    def tried(strength: int) -> Trial:
        trial = trials.trial(replace(tuning, strength=strength))
        on_trial(trial)
        return trial

    found = [tried(strength) for strength in _STRENGTHS]
    allowed = [trial for trial in found if trial.psnr_percent <= max_psnr_cost]
    if allowed:
        found.append(tried(min(allowed, key=_score_of).tuning.strength + 1))
    return found


def _best(trials: Sequence[Trial], score: PictureScore, max_psnr_cost: float) -> Trial:
    best = min((t for t in trials if t.psnr_percent <= max_psnr_cost), key=_score_of, default=None)
    if best is None or best.score_percent >= 0:
        raise CodecError(
            f"score {score.name} gains nothing by any tuning that costs at most {max_psnr_cost:g} % at equal PSNR; allow "
            "more (--max-psnr-cost), or a smaller --share"
        )
    return best


def _score_of(trial: Trial) -> float:
    return trial.score_percent


def tuning_of_weights(model: Model, weights: BandWeights, name: str, share: float) -> Tuning:
    """Without a map, with this share of what the weights alone would give: all channels of a band have one offset, all low
    levels that of the low band."""
    bands = weights.bands
    raw = np.rint(share * _CODES_PER_OCTAVE_OF_WEIGHT * weights.octaves)
    by_band = np.clip(raw, -_MOST_OFFSET, _MOST_OFFSET).astype(np.int16)
    mapped_by = bands.of_channel[model.num_planes : 4 * model.num_planes]
    by_band[mapped_by] = np.maximum(by_band[mapped_by], -MAX_COARSER)
    offsets: Int[NDArray[np.int16], " d"] = by_band[bands.of_channel]
    low = np.zeros(len(model.low_gains), np.int16)
    if len(low):
        low[:] = by_band[bands.names.index(LOW_BAND)]
        offsets[: model.num_planes] = 0
    return Tuning(name, 0, offsets, low)


def _central_crop(picture: Image, model: Model) -> Image:
    """Colours of at most `_LARGEST_SIDE` pixels a side, whole places of the latent."""
    check_form_fits(form_of(picture), num_colors(picture), model)
    factor = model.tree.factor
    height, width = (min(side, _LARGEST_SIDE) // factor * factor for side in (picture.height, picture.width))
    if not height or not width:
        raise CodecError(
            f"a picture has {picture.height} by {picture.width} pixels; needed are {factor} a side and more"
        )
    top, left = (picture.height - height) // 2, (picture.width - width) // 2
    cut = picture.samples[top : top + height, left : left + width, : model.num_planes]
    return Image(cut.copy(), bit_depth=picture.bit_depth)
