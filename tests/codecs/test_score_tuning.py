"""Tunings learned from a score: weights of bands against what is known of them, trials against files, bad scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402
from torch.nn import functional  # noqa: E402

from laconic.codecs.errors import CodecError, UnsupportedSignalError  # noqa: E402
from laconic.codecs.files import read_image  # noqa: E402
from laconic.codecs.fitting import score_tuning  # noqa: E402
from laconic.codecs.fitting.closed_form import FitOptions, fit  # noqa: E402
from laconic.codecs.fitting.score_tuning import ScoreTuningOptions, fit_tuning, tuning_of_weights  # noqa: E402
from laconic.codecs.fitting.tuning_trials import TRIAL_CODES, Trial, TuningTrials, rate_gap, trial_file  # noqa: E402
from laconic.codecs.lcn import Lcn  # noqa: E402
from laconic.codecs.learning.band_weights import BandWeights, band_weights, bands_of_model  # noqa: E402
from laconic.codecs.learning.picture_score import PictureScore, tensor_of_picture  # noqa: E402
from laconic.codecs.learning.tensor_ms_ssim import LEAST_SIDE, ms_ssim_losses  # noqa: E402
from laconic.codecs.media import Image  # noqa: E402
from laconic.codecs.models.model import Model  # noqa: E402
from laconic.codecs.models.packet_tree import dyadic_tree, full_tree  # noqa: E402
from laconic.codecs.models.tunings import MAX_SETS, Tuning, check_new_tuning, tuned_model  # noqa: E402
from laconic.codecs.models.zoo import load_model  # noqa: E402
from laconic.tasks.measures.picture_distortion import ms_ssim  # noqa: E402

CROP = Path(__file__).parents[1] / "data" / "kodim05_crop.png"
PHOTOGRAPH = Image(np.ascontiguousarray(read_image(CROP).samples[:120, :152]))
GREY = Image(np.ascontiguousarray(PHOTOGRAPH.samples[:, :, 1:2]))
CODES = (170, 150)
NO_OFFSETS = np.zeros(16, np.int16), np.zeros(0, np.int16)  # of the model without low levels


def squared_error(original: Tensor, decoded: Tensor) -> Tensor:
    return (original - decoded).square().mean()


def coarse_error(original: Tensor, decoded: Tensor) -> Tensor:
    """Blind to what is finer than four pixels, about the two finest levels."""
    return functional.avg_pool2d(original - decoded, 4).square().mean()


@pytest.fixture(scope="module")
def plain_model() -> Model:
    """Without low levels and networks."""
    return fit([GREY], "plain", FitOptions(tree=dyadic_tree(2, 2), low_levels=0))


@pytest.mark.parametrize("sides", [(161, 163), (200, 180), (161, 200), (176, 177)])
def test_ms_ssim_is_that_of_arrays(sides: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    x = np.cumsum(random.integers(-9, 10, (*sides, 3)), axis=1) % 256
    one, other = (np.clip(x + random.normal(0, s, x.shape), 0, 255).astype(np.uint8) for s in (0, 20))
    tensors = [tensor_of_picture(Image(samples)) for samples in (one, other)]
    assert float(ms_ssim_losses(*tensors)) == pytest.approx(1 - ms_ssim(one, other), abs=2e-5)
    assert float(ms_ssim_losses(tensors[0], tensors[0])) == pytest.approx(0, abs=1e-6)


def test_ms_ssim_has_a_gradient_even_of_opposites() -> None:
    x = torch.rand((1, 1, LEAST_SIDE, LEAST_SIDE), generator=torch.Generator().manual_seed(0))
    y = (1 - x).requires_grad_()
    (slope,) = torch.autograd.grad(ms_ssim_losses(x, y), y)
    assert torch.isfinite(slope).all()


def test_ms_ssim_of_a_small_picture_is_refused() -> None:
    x = torch.zeros((1, 3, 160, 200))
    with pytest.raises(UnsupportedSignalError, match=r"\(160, 200\) pixels; MS-SSIM needs 161"):
        ms_ssim_losses(x, x)


@pytest.mark.parametrize("name", ["rgb", "rgb_best", "grey"])
def test_all_bands_weigh_the_same_in_squared_error(name: str) -> None:
    picture = GREY if name == "grey" else PHOTOGRAPH
    weights = band_weights(load_model(name), [picture], PictureScore("mse", squared_error), CODES)
    assert weights.bands.names == ("low", "3d", "3", "2d", "2", "1d", "1")
    assert np.abs(weights.octaves).max() < 0.2
    assert [part.sum() for part in (weights.shares, weights.errors, weights.nonzeros)] == pytest.approx([1] * 3)


def test_bands_that_a_score_does_not_see_weigh_less(plain_model: Model) -> None:
    weights = band_weights(plain_model, [GREY], PictureScore("coarse", coarse_error), CODES)
    octaves = dict(zip(weights.bands.names, weights.octaves.tolist(), strict=True))
    assert octaves["low"] > octaves["2"] > octaves["2d"] > octaves["1"] > octaves["1d"]
    assert np.average(weights.octaves, weights=weights.nonzeros) == pytest.approx(0)


def test_bands_of_a_full_tree_are_those_of_its_first_splits() -> None:
    model = fit([GREY], "full", FitOptions(tree=full_tree(2, 2)))
    bands = bands_of_model(model)
    sizes = dict(zip(bands.names, np.bincount(bands.of_channel).tolist(), strict=True))
    assert sizes == {"low": 1, "2d": 1, "2": 2, "1d": 4, "1": 8}


def made_up_weights(model: Model, octaves_of_low: float) -> BandWeights:
    """The low band and level 3 weigh so much more or less than the others."""
    bands = bands_of_model(model)
    is_coarse = np.array([name in ("low", "3", "3d", "2") for name in bands.names])
    even = np.full(len(bands.names), 1 / len(bands.names))
    return BandWeights(bands, np.where(is_coarse, 2.0**octaves_of_low, 1.0), even, even)


@pytest.mark.parametrize("octaves", [-30.0, -9.0, 1.0, 9.0])
@pytest.mark.parametrize("name", ["rgb_best", "grey", "plain"])
def test_every_weight_makes_a_tuning_that_models_take(name: str, octaves: float, plain_model: Model) -> None:
    model = plain_model if name == "plain" else load_model(name)
    tuning = tuning_of_weights(model, made_up_weights(model, octaves), "x", 1.0)
    tuned = tuned_model(replace(model, tunings=(tuning,)), 1)
    assert tuned.tuned is not None and tuned.tuned.offsets.any()
    first = tuning.low_offsets if model.low_levels else tuning.offsets[: model.num_planes]
    assert len(set(first.tolist())) == 1 and np.sign(first[0]) == np.sign(octaves)


def test_offsets_are_the_square_root_of_weights() -> None:
    model = load_model("rgb_best")
    weights = made_up_weights(model, 2.0)
    for share, apart in ((1.0, 16), (0.5, 8), (0.0, 0)):
        offsets = weights.bands.offsets_of(tuning_of_weights(model, weights, "x", share))
        assert offsets["low"] - offsets["1"] == offsets["3"] - offsets["2d"] == apart


def test_files_of_trials_are_those_of_the_codec(tmp_path: Path) -> None:
    model = load_model("rgb_best")
    tuning = replace(tuning_of_weights(model, made_up_weights(model, 1.0), "own", 0.5), strength=5)
    tuned = replace(model, tunings=(tuning,))
    tuned.save(tmp_path / "m.safetensors")
    codec = Lcn(model=str(tmp_path / "m.safetensors"), step_code=158, profile="best", tune="own")
    file = trial_file(PHOTOGRAPH, tuned_model(tuned, 5 << 4 | 1), 158)
    latent = codec.analyze(PHOTOGRAPH)
    assert file.latent == latent
    assert file.num_bytes == len(codec.pack(latent))
    assert np.array_equal(file.decoded.samples, codec.decode(codec.pack(latent)).samples)


def test_rate_gap() -> None:
    rates, errors = np.array([1.0, 2.0, 3.0]), np.array([-1.0, -2.0, -3.0])
    plain = np.stack([rates, errors])
    assert rate_gap(plain, plain) == 0
    assert rate_gap(plain, np.stack([rates - 0.25, errors])) == pytest.approx(-0.25)
    assert rate_gap(plain, np.stack([rates, errors + 0.5])) == pytest.approx(0.5)  # worse, so more bytes
    assert math.isnan(rate_gap(plain, np.stack([rates, errors - 9])))
    assert math.isnan(rate_gap(plain, np.zeros((2, 0))))


def test_a_trial_of_nothing_changes_nothing(plain_model: Model) -> None:
    trials = TuningTrials(plain_model, [GREY], PictureScore("coarse", coarse_error))
    nothing = Tuning("x", 0, *NO_OFFSETS)
    assert trials.trial(nothing) == Trial(nothing, 0.0, 0.0)
    assert trials.trial(replace(nothing, strength=9)).psnr_percent > 1


def test_a_tuning_gains_what_it_is_fitted_to() -> None:
    model, score, shown = load_model("rgb_best"), PictureScore("coarse", coarse_error), []
    tunings = [
        fit_tuning(model, [PHOTOGRAPH], score, "own", ScoreTuningOptions(max_psnr_cost=6), on_trial=shown.append)
        for _ in range(2)
    ]
    first, again = tunings
    assert (first.name, first.strength) == ("own", again.strength)
    assert np.array_equal(first.offsets, again.offsets) and np.array_equal(first.low_offsets, again.low_offsets)
    numbers = [(trial.score_percent, trial.psnr_percent) for trial in shown]
    assert numbers[: len(numbers) // 2] == numbers[len(numbers) // 2 :]
    best = min((t for t in shown if t.psnr_percent <= 6), key=lambda t: t.score_percent)
    assert best.score_percent < -2
    assert np.array_equal(best.tuning.offsets, first.offsets) and best.tuning.strength == first.strength
    assert first.low_offsets[0] > first.offsets[-1]


def test_offsets_are_halved_where_they_cost_too_much(plain_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_tuning, "_STRENGTHS", (0,))
    shown: list[Trial] = []
    options, score = ScoreTuningOptions(max_psnr_cost=0), PictureScore("coarse", coarse_error)
    with pytest.raises(CodecError, match="gains nothing by any tuning that costs at most 0 %"):
        fit_tuning(plain_model, [GREY], score, "own", options, on_trial=shown.append)
    spans = [np.ptp(trial.tuning.offsets) for trial in shown]
    assert [round(spans[0] / span) for span in spans] == [1, 2, 4]


def test_squared_error_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_tuning, "_STRENGTHS", (3,))
    with pytest.raises(CodecError, match="score mse gains nothing"):
        fit_tuning(load_model("rgb"), [PHOTOGRAPH], PictureScore("mse", squared_error), "x", ScoreTuningOptions())


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, y: 0.5, "gives float; allowed is a tensor of one number"),
        (lambda x, y: (x - y).square(), r"gives a tensor of shape \(1, 3, 120, 152\)"),
        (lambda x, y: (x - y).sum() * math.nan, "gives nan; allowed are finite"),
        (lambda x, y: (x - y).detach().square().mean(), "gives no gradient"),
        (lambda x, y: (x * torch.ones(1, requires_grad=True)).mean(), "gives no gradient"),
        (lambda x, y: (y - y.detach()).square().mean().sqrt(), "gives a gradient that is not finite"),
        (lambda x, y: x.nothing, "fails on pictures of shape .* AttributeError"),
        (lambda x, y: -(x - y).square().mean(), "does not grow with the errors"),
    ],
)
def test_scores_that_are_none_are_refused(function: Callable[[Tensor, Tensor], Any], message: str) -> None:
    with pytest.raises(CodecError, match=f"score bad {message}"):
        fit_tuning(load_model("rgb"), [PHOTOGRAPH], PictureScore("bad", function), "x", ScoreTuningOptions())


def test_a_score_that_does_not_fall_with_bytes_is_refused(plain_model: Model) -> None:
    score = PictureScore("flat", lambda x, y: 0 * (x - y).sum())
    with pytest.raises(CodecError, match="score flat does not fall with the bytes"):
        TuningTrials(plain_model, [GREY], score).trial(Tuning("x", 3, *NO_OFFSETS))


def test_what_cannot_be_tuned_is_refused(plain_model: Model) -> None:
    for name in ("", "psnr"):
        with pytest.raises(CodecError, match="the name of the tuning is"):
            check_new_tuning(plain_model, name)
    with pytest.raises(CodecError, match="kind sound"):
        check_new_tuning(load_model("mono"), "x")
    full = replace(plain_model, tunings=tuple(Tuning(f"t{n}", 1, *NO_OFFSETS) for n in range(MAX_SETS)))
    with pytest.raises(CodecError, match="has tune t3 already"):
        check_new_tuning(full, "t3")
    with pytest.raises(CodecError, match="has 15 tunings, which are all"):
        check_new_tuning(full, "x")


def test_pictures_that_do_not_fit_are_refused(plain_model: Model) -> None:
    score = PictureScore("mse", squared_error)
    for pictures, message in (
        ([], "no pictures"),
        ([Image(GREY.samples[:3])], "needed are 4 a side"),
        ([PHOTOGRAPH], "plain"),
    ):
        with pytest.raises(CodecError, match=message):
            fit_tuning(plain_model, pictures, score, "x", ScoreTuningOptions())
    dense = fit([GREY], "dense", FitOptions(tree=dyadic_tree(2, 2), blocks="dense"))
    with pytest.raises(CodecError, match="no block for each leaf, which gradients of pixels"):
        fit_tuning(dense, [GREY], score, "x", ScoreTuningOptions())
    with pytest.raises(CodecError, match="share is 2"):
        ScoreTuningOptions(share=2)


def test_trials_reach_from_coarse_to_fine() -> None:
    sizes = [trial_file(PHOTOGRAPH, load_model("rgb"), code).num_bytes for code in TRIAL_CODES]
    assert sizes == sorted(sizes) and sizes[-1] > 4 * sizes[0]
