"""Models that code in other axes than those of their latents: the turn itself, latents of all profiles in the same axes,
files of models with a turn."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laconic.codecs.errors import CodecError, WeightsError
from laconic.codecs.files import read_image
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models.latent_turn import LatentTurn, turn_to_axes
from laconic.codecs.models.model import Model
from laconic.codecs.models.zoo import load_model

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def picture() -> Image:
    return Image(np.ascontiguousarray(read_image(DATA / "kodim05_crop.png").samples[:93, :120]))


def turn_of() -> LatentTurn:
    """Of blocks of 2 and 3, whose channels lie between each other."""
    rng = np.random.default_rng(0)
    matrices = tuple(rng.normal(size=(n, n)).astype(np.float32) for n in (2, 3))
    return LatentTurn(matrices, np.array([1, 0, 4, 2, 3], np.uint16), np.array([0, 2, 4, 1, 3], np.uint16))


# The turn


def test_a_turn_is_one_product_a_block() -> None:
    turn, coefficients = turn_of(), np.random.default_rng(1).normal(size=(5, 3, 4)).astype(np.float32)
    expected = np.zeros((5, 5))
    for rows, matrix in ((slice(0, 2), turn.matrices[0]), (slice(2, 5), turn.matrices[1])):
        expected[np.ix_(turn.channels[rows], turn.coded[rows])] = matrix
    found = turn.turned(coefficients, 5)
    np.testing.assert_allclose(found, np.einsum("rc,chw->rhw", expected, coefficients), atol=1e-5)
    for count in range(1, 6):
        assert np.array_equal(turn.turned(coefficients, count), found[:count])
        assert np.array_equal(turn.turned(coefficients[: turn.coded_for(count)], count), found[:count])


def test_coded_channels_are_those_of_all_blocks_that_channels_are_in() -> None:
    assert [turn_of().coded_for(count) for count in range(1, 6)] == [2, 5, 5, 5, 5]


def test_missing_coded_channels_count_as_0() -> None:
    turn, coefficients = turn_of(), np.ones((5, 1, 1), np.float32)
    coefficients[3:] = 0
    assert np.array_equal(turn.turned(coefficients[:3], 5), turn.turned(coefficients, 5))


def test_turn_to_own_axes_changes_nothing() -> None:
    model = load_model("rgb_best")
    turn = turn_to_axes(model.synthesis, model.channels, model)
    coefficients = np.random.default_rng(2).normal(size=(192, 2, 2)).astype(np.float32)
    np.testing.assert_allclose(turn.turned(coefficients, 192), coefficients, atol=1e-4)


def test_axes_that_do_not_fit_are_refused() -> None:
    model, axes = load_model("rgb"), load_model("rgb_best")
    for synthesis, wrong in ((axes.synthesis, model), (axes.synthesis[:-1], axes)):
        with pytest.raises(WeightsError, match="it has no axes for this model"):
            turn_to_axes(synthesis, axes.channels, wrong)


def changed(**changes: Any) -> LatentTurn:
    turn = load_model("rgb").turn
    assert turn is not None
    return dataclasses.replace(turn, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"matrices": (np.eye(3, dtype=np.float32),)}, "has a turn of shapes"),
        ({"matrices": tuple(np.full((n, n), np.nan, np.float32) for n in (3,) * 4 + (12,) * 3 + (48,) * 3)}, "finite"),
        ({"channels": np.zeros(192, np.uint16)}, "an order of channels that is none of 0 to 191"),
        ({"channels": np.arange(3, dtype=np.uint16)}, "an order of channels that is none of 0 to 191"),
        ({"channels": np.arange(192, dtype=np.uint16)[::-1].copy()}, "does not keep the small picture in the first"),
    ],
)
def test_turns_that_do_not_fit_the_model_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        dataclasses.replace(load_model("rgb"), turn=changed(**changes))


def test_a_model_file_holds_the_turn(tmp_path: Path) -> None:
    model = load_model("rgb")
    model.save(tmp_path / "turned.safetensors")
    loaded = Model.load(tmp_path / "turned.safetensors")
    assert loaded.turn is not None and model.turn is not None
    assert loaded.fingerprint == model.fingerprint
    assert np.array_equal(loaded.turn.channels, model.turn.channels)
    assert all(np.array_equal(a, b) for a, b in zip(loaded.turn.matrices, model.turn.matrices, strict=True))
    matrices = (model.turn.matrices[0] * np.float32(1.01), *model.turn.matrices[1:])
    others = [None, changed(matrices=matrices), changed(channels=model.turn.channels[[1, 0, *range(2, 192)]])]
    prints = {dataclasses.replace(model, turn=turn).fingerprint for turn in others}
    assert len(prints | {model.fingerprint}) == 4


# Latents


@pytest.mark.parametrize("profile", ["fast", "small"])
def test_latents_of_all_profiles_are_in_the_same_axes(profile: str, picture: Image) -> None:
    """But for quantisation, at the finest steps."""
    turned = Lcn(step_code=60, effort=0, profile=profile).analyze(picture)  # type: ignore[arg-type]
    best = Lcn(step_code=60, effort=0, profile="best").analyze(picture)
    assert (turned.turn is None, best.turn is None) == (False, True)
    found, expected = turned.dequantize(), best.dequantize()
    # Errors of rounding add up in a turn, which keeps lengths about as they are.
    assert np.sqrt(np.square(found - expected).mean()) < 1.2 * turned.step
    assert np.abs(found - expected).max() < 20 * turned.step
    assert np.abs(turned.points() - best.points())[12:].max() > 100 * turned.step


@pytest.mark.parametrize("profile", ["fast", "small", "best"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 11, 12, 13, 20, 48, 49, 100, 192])
def test_few_channels_are_the_first_of_all(channels: int, profile: str, picture: Image) -> None:
    codec = Lcn(quality=70, profile=profile)  # type: ignore[arg-type]
    data = codec.encode(picture)
    whole, some = codec.unpack(data), codec.unpack(data, channels=channels)
    assert whole.num_channels == 192
    assert some.num_channels == channels <= len(some.values)
    assert np.array_equal(some.values, whole.values[: len(some.values)])
    assert np.array_equal(some.dequantize(), whole.dequantize()[:channels])


def test_packed_few_channels_keep_what_they_are_made_of(picture: Image) -> None:
    codec = Lcn(quality=70)
    some = codec.unpack(codec.encode(picture), channels=5)
    assert len(some.values) > 5
    again = codec.unpack(codec.pack(some), channels=5)
    assert np.array_equal(again.dequantize(), some.dequantize())
    assert again == some


@pytest.mark.parametrize("wanted", [0, 193, 2.5])
def test_wanted_channels_outside_the_values_are_refused(wanted: object, picture: Image) -> None:
    latent = Lcn().analyze(picture)
    with pytest.raises(CodecError, match="wanted is"):
        dataclasses.replace(latent, wanted=wanted)  # type: ignore[arg-type]
