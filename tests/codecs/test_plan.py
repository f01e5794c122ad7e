"""One plan for every kind of signal, found once; and integers that are the same whichever way they are made."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.fitting.closed_form import fit
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Cube, Image, Signal
from laconic.codecs.plan import planned_integers
from laconic.codecs.transform.signals import coefficients_of

RANDOM = np.random.default_rng(9)
PICTURE = Image(RANDOM.integers(0, 256, (150, 1200, 3), np.uint8))
SIGNALS = {
    "picture": PICTURE,
    "16 bits": Image(RANDOM.integers(0, 65536, (90, 130, 3)).astype(np.uint16)),
    "sound": Audio(RANDOM.normal(0, 0.1, (1, 60_000)).astype(np.float32), 16_000),
    "stereo": Audio(RANDOM.normal(0, 0.1, (2, 30_000)).astype(np.float32), 44_100),
}
BEST = Lcn(profile="best", tile_log2=4, threads=2)
CODECS = {
    "plain": Lcn(),
    "small tiles": Lcn(tile_log2=3),
    "fast": Lcn(profile="fast"),
    "fast in small tiles": Lcn(profile="fast", tile_log2=3),
    "rounded": Lcn(effort=0),
    "threads": Lcn(effort=2, tile_log2=4, threads=2),
}


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("signal", SIGNALS.values(), ids=SIGNALS)
def test_integers_of_the_plan_are_those_of_the_file(codec: Lcn, signal: Signal) -> None:
    check_plan(codec, signal)


def test_integers_of_profile_best_are_those_of_the_file() -> None:
    for signal in (Image(PICTURE.samples[:, :300]), SIGNALS["16 bits"]):
        check_plan(BEST, signal)


def check_plan(codec: Lcn, signal: Signal) -> None:
    plan = codec.plan_of(signal)
    latent = codec.unpack(codec.encode(signal))
    coefficients = coefficients_of(signal, plan.model, plan.form.levels)
    if latent.noise is not None:
        latent.noise.scale(coefficients, finer=True)
    assert np.array_equal(planned_integers(coefficients, plan), latent.values)
    assert np.array_equal(codec.analyze(signal).values, latent.values)


@pytest.fixture(scope="module")
def cube_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "cube.safetensors"
    cubes = [Cube(RANDOM.normal(0, 1, (3, 40, 40)).astype(np.float32)) for _ in range(3)]
    fit(cubes, "cube").save(path)
    return path


def test_cubes_have_the_same_plan(cube_model: Path) -> None:
    cube = Cube(RANDOM.normal(0, 1, (3, 30, 50)).astype(np.float32))
    codec = Lcn(model=str(cube_model), tile_log2=3)
    plan = codec.plan_of(cube)
    assert (plan.grid, plan.form.kind, len(plan.tiles)) == ((8, 13), "cube", 2)
    assert np.array_equal(
        planned_integers(coefficients_of(cube, plan.model, plan.form.levels), plan), codec.analyze(cube).values
    )


def test_nothing_is_left_to_choose() -> None:
    picture, sound = (Lcn().plan_of(signal).layout for signal in (PICTURE, SIGNALS["sound"]))
    assert (picture.grouping, picture.progression, picture.tile_log2) == ("channels", "group", 6)
    assert (sound.grouping, sound.progression, sound.tile_log2) == ("whole", "tile", 8)


def test_a_signal_that_does_not_fit_has_no_plan() -> None:
    with pytest.raises(UnsupportedSignalError, match="takes 1 colour planes, the picture has 3"):
        Lcn(model="grey").plan_of(PICTURE)
    with pytest.raises(UnsupportedSignalError, match="kind image"):
        Lcn(model="grey").analyze(SIGNALS["sound"])


def calls_of(work: Callable[[], object]) -> Counter[str]:
    """How often each function of the package is entered."""
    found: Counter[str] = Counter()

    def note(frame, event, _argument):  # type: ignore[no-untyped-def]
        if event == "call" and "laconic" in frame.f_code.co_filename + frame.f_globals.get("__name__", ""):
            found[frame.f_code.co_qualname] += 1

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


@pytest.mark.parametrize("name", ["picture", "sound"])
def test_encoding_asks_for_nothing_twice(name: str) -> None:
    calls = calls_of(lambda: Lcn().encode(SIGNALS[name]))
    once = (
        "load_model",
        "form_of",
        "misfit_of_form",
        "grid_of_form",
        "Layout.resolved",
        "tiles_of",
        "rate_distortion_thresholds_for",
    )
    assert {function: calls[function] for function in once} == dict.fromkeys(once, 1)


@pytest.mark.parametrize("name", ["picture", "sound"])
def test_decoding_opens_a_file_once(name: str) -> None:
    data = Lcn().encode(SIGNALS[name])
    calls = calls_of(lambda: Lcn().decode(data))
    assert {function: calls[function] for function in ("Unpacker.__init__", "read_header", "load_model_of")} == {
        "Unpacker.__init__": 1,
        "read_header": 1,
        "load_model_of": 1,
    }
