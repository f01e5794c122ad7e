"""Networks of profile best for a fitted model: transform, networks and their integers, tables, costs of later symbols."""

from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from subband_scene import Layout, model_of, random_planes

torch = pytest.importorskip("torch")

from laconic.codecs import _native as codecs_native  # noqa: E402
from laconic.codecs.errors import CodecError  # noqa: E402
from laconic.codecs.fitting.closed_form import FitOptions, fit  # noqa: E402
from laconic.codecs.fitting.subband_axes import low_noise_gains, subband_axes, subband_channels  # noqa: E402
from laconic.codecs.fitting.subband_fitting import (  # noqa: E402
    FittedNetwork,
    SubbandFitOptions,
    fit_subband_contexts,
    seconds_of_fit,
)
from laconic.codecs.fitting.subband_later_costs import later_costs_of_pictures  # noqa: E402
from laconic.codecs.fitting.subband_samples import SampleChoice, samples_of_pictures  # noqa: E402
from laconic.codecs.fitting.subband_tables import (  # noqa: E402
    NUM_VALUES,
    gathered_tables,
    later_costs_by_size,
    table_sizes,
    value_counts,
)
from laconic.codecs.lcn import Lcn  # noqa: E402
from laconic.codecs.learning.context_networks import (  # noqa: E402
    ContextNetworkLearner,
    ContextSamples,
    chosen_tables,
    train_context_network,
)
from laconic.codecs.media import Image  # noqa: E402
from laconic.codecs.models.low_levels import LOW_STEP  # noqa: E402
from laconic.codecs.models.model import Model  # noqa: E402
from laconic.codecs.models.packet_tree import dyadic_tree  # noqa: E402
from laconic.codecs.transform import wavelet  # noqa: E402
from laconic.entropy import _native  # noqa: E402
from laconic.entropy.fitting.subband_inputs import is_quiet  # noqa: E402

TREE = dyadic_tree(2, 3)
OPTIONS = SubbandFitOptions(num_steps=30, num_codes=1, roundings=(0.28, 0.42), shares=(1.0,) * 6)


def texture(seed: int, planes: int = 3, shape: tuple[int, int] = (72, 80)) -> Image:
    """Soft shapes with some noise."""
    random = np.random.default_rng(seed)
    soft = random.normal(0, 1, (*shape, planes)).cumsum(0).cumsum(1)
    soft = 128 + 30 * soft / soft.std() + random.normal(0, 5, soft.shape)
    return Image(soft.clip(0, 255).astype(np.uint8))


PICTURES = [texture(1), texture(2)]


@pytest.fixture(scope="module")
def start() -> Model:
    return fit(PICTURES, "small", FitOptions(blocks="color"))


@pytest.fixture(scope="module")
def networks() -> list[FittedNetwork]:
    """Of the fit of `fitted`."""
    return []


@pytest.fixture(scope="module")
def fitted(start: Model, networks: list[FittedNetwork]) -> Model:
    return fit_subband_contexts(PICTURES, start, OPTIONS, on_network=networks.append)


# --- the transform


def colors_of(planes: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(planes).normal(size=(planes, planes)))[0]


@pytest.mark.parametrize("planes", [1, 3])
def test_unit_noise_in_a_channel_is_a_unit_of_error(planes: int) -> None:
    axes = subband_axes(colors_of(planes), TREE)
    ends = list(accumulate((len(s) for s in axes.synthesis), initial=0))
    for leaf in (0, 1, 4, 9):
        packets = np.zeros((ends[-1], 24, 24), np.float32)
        row = int(np.random.default_rng(leaf).integers(len(axes.synthesis[leaf])))
        packets[ends[leaf] : ends[leaf + 1], 12, 12] = axes.synthesis[leaf][:, row]
        assert np.linalg.norm(wavelet.synthesize_wavelet(packets, TREE, planes)) == pytest.approx(1, abs=1e-3)


def test_analysis_is_undone_by_synthesis() -> None:
    axes = subband_axes(colors_of(3), TREE)
    for analysis, synthesis in zip(axes.analysis, axes.synthesis, strict=True):
        assert np.abs(synthesis @ analysis - np.eye(len(analysis))).max() < 1e-5


@pytest.mark.parametrize("planes", [1, 3])
def test_channels_go_by_level_color_orientation_and_place(planes: int) -> None:
    rows = []  # of each row of the analysis: what its latent channel is sorted by
    for path in TREE.leaves:
        level = 3 - len(path) if len(path) == 3 and not any(path) else 4 - len(path)
        is_low = path == (0, 0, 0)
        for row in range(TREE.channels_of(path) * planes):
            place, color = divmod(row, planes)
            rows.append((0, color, 0, 0) if is_low else (4 - level, color, path[-1], place))
    channels = subband_channels(TREE, planes)
    assert sorted(channels.tolist()) == list(range(planes * 64))
    sorted_rows = [rows[i] for i in np.argsort(channels)]
    assert [row[1:] for row in sorted_rows[:planes]] == [(c, 0, 0) for c in range(planes)]
    sizes = [planes, *(3 * planes << (2 * k) for k in range(3))]
    for lo, size in zip(accumulate(sizes, initial=0), sizes, strict=False):
        assert sorted_rows[lo : lo + size] == sorted(sorted_rows[lo : lo + size])


def test_noise_of_the_low_levels_costs_what_their_gains_say() -> None:
    gains = low_noise_gains(TREE, 2)
    assert gains.shape == (7,)
    integers = np.zeros((1, 64, 64), np.int32)
    integers[0, 32, 34] = 1  # horizontally high, of the coarser level
    out = np.empty((1, 64, 64), np.int16)
    codecs_native.synthesize_low(integers, out, 1.0, np.zeros((7, 1, 3), np.float32), np.ones(7, np.float32), 0)
    packets = np.zeros((64, 64, 64), np.float32)
    packets[0] = out[0] * LOW_STEP * subband_axes(np.eye(1), TREE).synthesis[0][0, 0]
    assert np.linalg.norm(wavelet.synthesize_wavelet(packets, TREE, 1)) == pytest.approx(gains[2], abs=1e-3)


# --- tables


def test_values_are_counted_by_cell() -> None:
    counts = value_counts(np.array([0, 0, -3, 500, -500], np.int32), np.array([1, 1, 0, 2, 2]), 4)
    assert counts.shape == (4, NUM_VALUES)
    assert [counts[1, 128], counts[0, 125], counts[2, 256], counts[2, 0], counts.sum()] == [2, 1, 1, 1, 5]


def test_cells_share_at_most_256_tables_and_those_alike_share_one() -> None:
    random = np.random.default_rng(0)
    values = np.arange(-128, 129)
    scales = np.exp(random.uniform(-2, 3, 700))
    shares = np.exp(-np.abs(values) / scales[:, None])
    counts = np.rint(1000 * shares / shares.sum(1, keepdims=True))
    counts[350:] = counts[:350] * 2
    prior = np.full(counts.shape, 1e-3)
    prior[350:] *= 2
    tables, of_cell = gathered_tables(counts, prior)
    assert 100 < len(tables) <= 256
    assert sorted(set(of_cell.tolist())) == list(range(len(tables)))
    assert np.array_equal(of_cell[:350], of_cell[350:])
    # Cells have tables of about their mean magnitude.
    means = (counts * np.abs(values)).sum(1) / counts.sum(1)
    assert np.corrcoef(means, table_sizes(tables)[of_cell])[0, 1] > 0.99


def test_costs_of_later_symbols_are_0_without_data(fitted: Model) -> None:
    assert not later_costs_by_size(np.linspace(0, 3, 9), lambda *_: ()).any()
    flat = Image(np.full((96, 96, 3), 90, np.uint8))
    costs = later_costs_of_pictures([flat], fitted)
    assert fitted.networks is not None
    assert costs.shape == (len(fitted.networks.tables), 4, 3)
    assert not costs.any()


def test_costs_of_later_symbols_are_what_was_saved_by_each() -> None:
    def trials(magnitude: int, following: int, low: float, high: float) -> list[tuple[float, float]]:
        return [(4000.0, 8000.0)] if (magnitude, following) == (2, 1) else []

    costs = later_costs_by_size(np.linspace(0, 3, 9), trials)
    assert np.allclose(costs[:, 1, 1] / 65536, 0.5, rtol=0.01)
    costs[:, 1, 1] = 0
    assert not costs.any()


# --- networks


def random_samples(count: int = 5000, kinds: int = 3) -> ContextSamples:
    """Symbols as large as one of the inputs says."""
    random = np.random.default_rng(3)
    inputs = random.integers(0, 150, (count, 40), np.uint8)
    symbols = np.rint(random.laplace(0, 0.2 + inputs[:, 0] / 40)).astype(np.int32)
    return ContextSamples(
        inputs,
        symbols,
        random.integers(0, kinds, count, np.int16),
        random.integers(80, 192, count, np.int16),
        kinds,
    )


def network_inputs(samples: ContextSamples) -> tuple[np.ndarray, ...]:
    return samples.inputs.astype(np.float32), samples.kinds.astype(np.int64), samples.step_codes.astype(np.float32)


def with_rounded_biases(learner: ContextNetworkLearner) -> ContextNetworkLearner:
    """As integers have them; training keeps them as they are."""
    first = 32 * learner.weight_units[0]
    second, third = (u * w for u, w in zip(learner.unit_units, learner.weight_units[1:], strict=True))
    with torch.no_grad():
        for parameter, unit in (
            (learner.first.bias, first),
            (learner.first_kind, first),
            (learner.first_step, first / 32),
            (learner.second.bias, second),
            (learner.third.bias, third),
            (learner.third_kind, third),
            (learner.third_step, third / 32),
        ):
            parameter.copy_((parameter * unit).round() / unit)
    return learner


def test_integers_choose_the_tables_that_the_rounded_network_chooses() -> None:
    layout, step_code = Layout(1, 1, 0), 131
    learners = [with_rounded_biases(train_context_network(random_samples(kinds=kinds), 32, 60)[0]) for kinds in (1, 3)]
    model = model_of(layout, [learner.integers() for learner in learners])
    planes = random_planes(layout, (40, 50))
    tile = _native.SubbandTile(model.native, 40, 50)
    tile.load(planes, 0, len(planes))
    tables = tile.tables(model.at_step(step_code).native, model.tables.native)
    seen = 0
    for channel in range(4):
        level, kind = (1, channel - 1) if channel else (0, 0)
        inputs, symbols = tile.inputs(level, kind).reshape(-1, 40), tile.symbols(level, kind).reshape(-1)
        loud = ~is_quiet(inputs)
        same = np.ones(len(symbols), np.int16)
        samples = ContextSamples(inputs, symbols, kind * same, step_code * same, layout.kinds(level))
        ((choices, _),) = chosen_tables(learners[level], samples)
        with torch.no_grad():
            lean = learners[level](*(torch.from_numpy(a) for a in network_inputs(samples)))[:, 1].numpy()
        loud &= (lean >= 0) | (lean % 1 != 0.5)  # integers round these up, the magnitude of a float is rounded
        assert np.array_equal(tables[channel].reshape(-1)[loud], model.table_map[level].reshape(-1)[choices][loud])
        seen += np.unique(choices[loud]).size
    assert seen > 20


def test_training_learns_what_the_inputs_say() -> None:
    bits: list[float] = []
    train_context_network(random_samples(), 16, 200, on_step=lambda step, each: bits.append(each))
    assert len(bits) == 200
    assert np.mean(bits[-10:]) < np.mean(bits[:10]) - 0.5


# --- the fit


def test_fitted_model_codes_pictures_in_every_profile(start: Model, fitted: Model, tmp_path: Path) -> None:
    assert (start.networks, fitted.contexts.digest) == (None, start.contexts.digest)
    fitted.save(tmp_path / "fitted.safetensors")
    sizes = {}
    for profile in ("fast", "small", "best"):
        codec = Lcn(quality=60, model=str(tmp_path / "fitted.safetensors"), profile=profile)  # type: ignore[arg-type]
        data = codec.encode(PICTURES[0])
        decoded = codec.decode(data).samples
        assert 10 * np.log10(255**2 / np.mean((decoded.astype(float) - PICTURES[0].samples) ** 2)) > 30
        sizes[profile] = len(data)
    assert sizes["best"] < sizes["fast"]


def test_fit_goes_on_from_networks_that_are_there(
    start: Model, fitted: Model, networks: list[FittedNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[float] = []
    again = fit_subband_contexts(PICTURES, start, OPTIONS, fitted=networks[:5], on_progress=shares.append)
    assert again.fingerprint == fitted.fingerprint
    assert again.networks is not None and fitted.networks is not None
    assert np.array_equal(again.networks.later_costs, fitted.networks.later_costs)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert seconds_of_fit(2, OPTIONS, 5) < seconds_of_fit(2, OPTIONS)
    assert all(0 <= network.bits_per_symbol < 8 for network in networks)


def test_second_round_looks_at_what_an_encoder_chooses(fitted: Model) -> None:
    choice = SampleChoice(OPTIONS.shares, 4, OPTIONS.roundings)
    plain = samples_of_pictures(PICTURES[:1], fitted, choice)
    chosen = samples_of_pictures(PICTURES[:1], fitted, replace(choice, roundings=None))
    totals = [sum(int(np.abs(level.symbols).sum()) for level in samples.levels[1:]) for samples in (plain, chosen)]
    assert totals[1] < totals[0]
    assert chosen.quiet.shape == (6, 9, 32, NUM_VALUES)


def test_grey_pictures_have_a_model_too() -> None:
    pictures = [texture(5, 1, (48, 64)), texture(6, 1, (48, 64))]
    start = fit(pictures, "grey", FitOptions(blocks="color"))
    model = fit_subband_contexts(pictures, start, replace(OPTIONS, num_steps=10))
    assert model.num_planes == 1
    assert model.networks is not None
    assert len(model.networks.networks[0].third_bias) == 1
    assert len(model.networks.networks[1].third_bias) == 3


def test_pictures_without_detail_are_a_sentence(start: Model) -> None:
    flat = [Image(np.full((96, 96, 3), 90, np.uint8))]
    with pytest.raises(CodecError, match="no detail in level 1 to fit to; name more or larger ones"):
        fit_subband_contexts(flat, start, OPTIONS)
