"""A model of your own signals, without a graphics card: principal axes, then context weights, then counted tables.

1. Principal axes of the packets, block by block, channels scaled so that quantisation noise costs the same in each.
2. For a ladder of steps: the weights of the contexts by descent on the code length (`context_fitting`), then tables by
   counting (`table_fitting`).
3. The same again on the integers that an encoder chooses by these contexts (`rate_distortion`), and reconstruction points:
   means of what it makes each integer of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import (
    choice_argument,
    items_of_argument,
    name_argument,
    real_number_argument,
    settle_arguments,
    typed_argument,
    whole_number_argument,
    whole_numbers_argument,
)
from laconic.codecs.errors import CodecError
from laconic.codecs.fitting.fitted_contexts import (
    ContextCoding,
    fit_contexts,
    pass_ends_of_groups,
    pass_ends_of_subbands,
)
from laconic.codecs.fitting.fitted_integers import ChosenIntegers, QuantisedIntegers, centre_of_band
from laconic.codecs.fitting.low_scales import (
    analyze_low_of,
    default_low_levels,
    low_scale_codes_of,
    scale_codes_of_means,
)
from laconic.codecs.fitting.principal_axes import (
    channels_by_variance,
    noise_gains_of_axes,
    principal_axes,
    project,
    trained_axes,
)
from laconic.codecs.fitting.subband_axes import low_noise_gains, principal_colors, subband_axes, subband_channels
from laconic.codecs.fitting.usual_tunings import with_usual_tunes
from laconic.codecs.form import form_of, num_colors
from laconic.codecs.levels import OFFSETS_PER_UNIT, Levels, levels_of
from laconic.codecs.media import Audio, Cube, Image, Signal
from laconic.codecs.models.fixed_point import fixed_leaves
from laconic.codecs.models.latent_turn import turn_to_axes
from laconic.codecs.models.low_levels import MAX_LOW_LEVELS, no_low_gains, no_low_scale_codes
from laconic.codecs.models.model import NUM_SCALES, Model
from laconic.codecs.models.packet_tree import Tree, dyadic_tree, full_tree, is_dyadic
from laconic.codecs.models.tunings import NOISE_TUNE, PLAIN_TUNE
from laconic.codecs.steps import CODES_PER_SCALE, step_of_code
from laconic.codecs.transform.band_levels import BandMeter
from laconic.codecs.transform.signals import packets_of
from laconic.entropy.fitting.table_fitting import FITTED_BANDS

if TYPE_CHECKING:
    from jaxtyping import Float

Blocks = Literal["color", "leaf", "resolution", "dense"]

_PRIOR_SYMBOLS = 30.0
_MAX_SAMPLES = 40_000_000
_SHRINK_SAMPLES = 4_000_000  # of each step
_SOUND_UNIT = 1 / 32
_MAX_CUTS = 16
_MAX_CUBE_CHANNELS = 640  # by which the levels of cubes are limited: more take minutes, and more data than one has


@dataclass(frozen=True)
class FitOptions:
    """Structure of the model. `group_ends` None: cut at the blocks, and into 16 groups at most. `pass_ends` None: groups
    cut into passes of about 8 channels.

    `tree` None: three dyadic levels for pictures, eight full ones for sound; of cubes two dyadic ones for (c, h, w), five
    full ones for (c, t), of many planes fewer. `blocks`: what the projection mixes. "leaf": all planes and phases of one
    leaf of the tree (cheapest, and the smallest files), "resolution": all of one resolution, "dense": everything; "color",
    of dyadic pictures: the colours of each place only, the same everywhere, with the channels in the order of subbands, as
    networks need them. The first channels are a small picture but with "dense".
    `rounding`: the quantiser's, 0.5 is plain rounding. `projection`: analysis matrices of the blocks that were trained
    elsewhere, instead of principal axes. `low_levels`: further levels of the small picture, 0 to 2; None: two for
    pictures with up to three dyadic levels. `axes`: of a model of the same tree, in which latents are to be given. `tune`,
    of sounds: "snr" for files of one step; "machine", or None, for those that say levels of bands, by which steps go.
    `levels`, of cubes: "own" for planes far below the loudest to count for themselves, "joint" for a model of tune snr.
    """

    tree: Tree | None = None
    blocks: Blocks = "leaf"
    pass_ends: tuple[int, ...] | None = None
    group_ends: tuple[int, ...] | None = None
    rounding: float = 0.375
    projection: tuple[Float[NDArray[np.float32], "n n"], ...] | None = None
    low_levels: int | None = None
    axes: Model | None = None
    tune: str | None = None
    levels: Literal["own", "joint"] = "own"

    def __post_init__(self) -> None:
        if self.tree is not None:
            typed_argument("tree", self.tree, Tree, "a Tree or None")
        settle_arguments(
            self,
            blocks=choice_argument("blocks", self.blocks, get_args(Blocks)),
            pass_ends=None if self.pass_ends is None else whole_numbers_argument("pass_ends", self.pass_ends),
            group_ends=None if self.group_ends is None else whole_numbers_argument("group_ends", self.group_ends),
            rounding=real_number_argument("rounding", self.rounding, lowest=2**-16, highest=0.5),
            levels=choice_argument("levels", self.levels, ("own", "joint")),
            low_levels=None
            if self.low_levels is None
            else whole_number_argument("low_levels", self.low_levels, 0, MAX_LOW_LEVELS),
            tune=None if self.tune is None else choice_argument("tune", self.tune, (NOISE_TUNE, PLAIN_TUNE)),
        )
        typed_argument("axes", self.axes, (Model, type(None)), "a Model or None")
        for matrix in items_of_argument("projection", () if self.projection is None else self.projection):
            typed_argument("a matrix of the projection", matrix, np.ndarray, "an array of float32")


def fit(
    signals: Iterable[Signal],
    name: str,
    options: FitOptions | None = None,
    *,
    threads: int = 1,
    on_progress: Callable[[float], None] = lambda share: None,
) -> Model:
    """A model fitted to signals of one kind: all grey pictures, all RGB (alpha is ignored), all sounds with as many
    channels, or all cubes with as many planes. It does not depend on `threads`, each of which takes up to 160 MB.

    `on_progress` is told the share that is done of the work after reading, up to 1. Raises `CodecError` for no signals or
    signals of different kinds.
    """
    name = name_argument("name", name)
    options = (
        FitOptions() if options is None else typed_argument("options", options, FitOptions, "a FitOptions or None")
    )
    kept = _kept(signals)
    kind, num_planes = form_of(kept[0]).kind, _num_planes(kept[0])
    if options.tune is not None and kind != "sound":
        raise CodecError(f"tune is {options.tune} for signals of kind {kind}, which have one way; leave it out")
    tree = options.tree or _default_tree(kept[0])
    level = partial(levels_of, is_joint=options.levels == "joint")
    offsets = _middles(kept, num_planes, level)
    unit = _SOUND_UNIT if kind == "sound" else 1.0
    packets = [packets_of(signal, tree, level(signal, offsets), offsets) / np.float32(unit) for signal in kept]
    num_channels = num_planes * tree.num_bands**tree.depth
    for what, chosen in (("pass_ends", options.pass_ends), ("group_ends", options.group_ends)):
        if chosen and chosen[-1] != num_channels:
            raise CodecError(
                f"{what} end with {chosen[-1]}; they must end with the {num_channels} channels of the tree"
            )
    mixing = options.blocks
    if mixing == "color" and (kind != "image" or not is_dyadic(tree)):
        raise CodecError("blocks are color; allowed is that of pictures with a dyadic tree")
    blocks = _block_sizes(tree, num_planes, mixing)
    gains = noise_gains_of_axes(tree, num_planes)
    if options.projection is not None:
        axes = trained_axes(options.projection, blocks)
    elif mixing == "color":
        axes = subband_axes(principal_colors(packets, tree, num_planes), tree)
    else:
        axes = principal_axes(packets, gains, blocks, symmetric=kind == "sound" and num_planes == 2)
    if mixing == "color":
        channels = subband_channels(tree, num_planes)
    else:
        channels = channels_by_variance(axes.analysis, packets, _group_sizes(tree, num_planes, blocks))
    coefficients = [project(axes.analysis, channels, p) for p in packets]
    if kind == "sound" and options.tune != PLAIN_TUNE:
        _scale_by_levels([signal for signal in kept if isinstance(signal, Audio)], coefficients, tree, unit)
    is_small_picture = tree.dimensions == 2 and blocks[0] == num_planes
    group_ends = options.group_ends or _group_ends(_group_sizes(tree, num_planes, blocks), options.pass_ends)
    pass_ends = options.pass_ends or (
        pass_ends_of_subbands(tree, num_planes) if mixing == "color" else pass_ends_of_groups(group_ends)
    )
    low_levels = options.low_levels
    if low_levels is None:
        has_low = kind == "image" and is_small_picture and pass_ends[0] == num_planes
        low_levels = default_low_levels(tree, MAX_LOW_LEVELS) if has_low else 0
    low_gains = low_noise_gains(tree, low_levels) if low_levels else no_low_gains()
    scale_codes = _scale_codes(coefficients)  # of the small picture as latents give it, without its low levels
    if low_levels:
        analyze_low_of(coefficients, num_planes, low_gains)
    num_predicted = num_planes if is_small_picture and not low_levels else 0
    coding = ContextCoding(pass_ends, num_predicted, options.rounding, num_planes, low_levels)
    contexts_of = partial(fit_contexts, coding, threads)
    quantised = QuantisedIntegers(coefficients, num_planes, low_levels, options.rounding)

    model = Model(
        name=name,
        num_planes=num_planes,
        tree=tree,
        analysis=axes.analysis,
        synthesis=axes.synthesis,
        group_ends=group_ends,
        rounding=options.rounding,
        scale_codes=scale_codes,
        shrink=np.zeros((NUM_SCALES, 3), np.float32),
        contexts=contexts_of(quantised, lambda share: on_progress(share / 2)),
        offsets=offsets,
        channels=channels,
        fixed=fixed_leaves(tree, num_planes, axes.analysis, axes.synthesis) if kind == "image" else (),
        unit=unit,
        kind=kind,
        low_levels=low_levels,
        low_gains=low_gains,
        low_scale_codes=low_scale_codes_of(coefficients, num_planes, low_levels)
        if low_levels
        else no_low_scale_codes(),
        turn=None if options.axes is None else turn_to_axes(axes.synthesis, channels, options.axes),
    )
    # Again, on the integers that an encoder chooses by these contexts.
    integers = ChosenIntegers(coefficients, model, mapped=kind == "image")
    contexts = contexts_of(integers, lambda share: on_progress((1 + share) / 2))
    model = replace(model, contexts=contexts)
    model = replace(model, shrink=_shrink(coefficients, model))
    if kind == "image":
        model = with_usual_tunes(model, [signal for signal in kept if isinstance(signal, Image)])
    on_progress(1.0)
    return model


def _scale_by_levels(
    sounds: Sequence[Audio], coefficients: Sequence[Float[NDArray[np.float32], "d rows t"]], tree: Tree, unit: float
) -> None:
    """Coefficients in this unit to what a quantiser sees of sounds whose steps go with the levels of their bands, in
    place."""
    for sound, own in zip(sounds, coefficients, strict=True):
        meter = BandMeter.of_tree(tree, sound.num_channels, unit, sound.sample_rate)
        meter.levels(own * np.float32(unit)).scale(own, finer=True)


def _shrink(coefficients: Sequence[NDArray[np.float32]], model: Model) -> NDArray[np.float32]:
    """(96, 3): mean of |q| - |y| / step by scale and magnitude of the integers q that an encoder makes of coefficients y.

    Pulled to 0 where data is thin. Channels with low levels are not looked at.
    """
    sums, counts = np.zeros((2, NUM_SCALES, 4))
    first = model.num_planes if model.low_levels else 0
    integers = ChosenIntegers(coefficients, model)
    for band in FITTED_BANDS:
        step = float(step_of_code(centre_of_band(band)))
        rows = np.clip((model.scale_codes[first:] - centre_of_band(band)) // CODES_PER_SCALE, 0, NUM_SCALES - 1)
        chosen, seen = integers.values(band), 0
        for i in np.random.default_rng(band).permutation(len(coefficients)):
            if seen > _SHRINK_SAMPLES:
                break
            q = np.abs(chosen[i][first:])
            keys = (np.minimum(q, 3) + 4 * rows[:, None, None]).reshape(-1)
            sums += np.bincount(keys, (q - np.abs(coefficients[i][first:]) / step).reshape(-1), sums.size).reshape(
                sums.shape
            )
            counts += np.bincount(keys, minlength=counts.size).reshape(counts.shape)
            seen += q.size
    return (sums[:, 1:] / (counts[:, 1:] + _PRIOR_SYMBOLS)).astype(np.float32)


def _kept(signals: Iterable[Signal]) -> list[Signal]:
    """As many signals as the fit has room for, all of one kind."""
    kept: list[Signal] = []
    total = 0
    for signal in items_of_argument("signals", signals):
        typed_argument("a signal", signal, (Image, Audio, Cube), "an Image, Audio or Cube")
        kept.append(signal)
        if (form_of(signal).kind, _num_planes(signal)) != (form_of(kept[0]).kind, _num_planes(kept[0])):
            raise CodecError(
                f"signal {len(kept)} has {_num_planes(signal)} planes, kind {form_of(signal).kind}, the first has "
                f"{_num_planes(kept[0])}, kind {form_of(kept[0]).kind}; fit one model for each kind"
            )
        total += signal.samples.size
        if total > _MAX_SAMPLES:
            break
    if not kept:
        raise CodecError("there is no signal to fit to; name a folder with at least one")
    return kept


def _num_planes(signal: Signal) -> int:
    return num_colors(signal) if isinstance(signal, Image) else len(signal.samples)


def _default_tree(signal: Signal) -> Tree:
    if isinstance(signal, Image):
        return dyadic_tree(2, 3)
    if isinstance(signal, Audio):
        return full_tree(1, 8)
    is_flat = signal.samples.ndim == 3
    bands, depth = (4, 2) if is_flat else (2, 5)
    while depth > 1 and len(signal.samples) * bands**depth > _MAX_CUBE_CHANNELS:
        depth -= 1
    return dyadic_tree(2, depth) if is_flat else full_tree(1, depth)


def _middles(
    signals: Sequence[Signal], num_planes: int, level: Callable[[Signal, NDArray[np.float32]], Levels]
) -> NDArray[np.float32]:
    """Where planes of cubes have their middle, in units of their level; 0 of other signals."""
    middles = np.zeros(num_planes, np.float32)
    codes = [level(signal, middles).offset_codes for signal in signals if isinstance(signal, Cube)]
    return (np.median(codes, axis=0) / OFFSETS_PER_UNIT).astype(np.float32) if codes else middles


def _block_sizes(tree: Tree, num_planes: int, blocks: str) -> tuple[int, ...]:
    """Packets that the projection mixes."""
    if blocks in ("leaf", "color"):
        return tuple(num_planes * tree.channels_of(path) for path in tree.leaves)
    return tree.block_sizes(num_planes) if blocks == "resolution" else (num_planes * tree.num_bands**tree.depth,)


def _group_sizes(tree: Tree, num_planes: int, blocks: tuple[int, ...]) -> tuple[int, ...]:
    """Channels that are put in order together: those of a resolution of pictures and cubes, each block of a sound."""
    return tree.block_sizes(num_planes) if tree.dimensions == 2 and len(blocks) > 1 else blocks


def _group_ends(blocks: tuple[int, ...], pass_ends: tuple[int, ...] | None) -> tuple[int, ...]:
    """Ends of the blocks, where passes end, thinned to 16 where there are many."""
    ends = [int(e) for e in np.cumsum(blocks) if pass_ends is None or e in pass_ends]
    every = -(-len(ends) // _MAX_CUTS)
    return tuple(ends[every - 1 :: every]) if len(ends) % every == 0 else (*ends[every - 1 : -1 : every], ends[-1])


def _scale_codes(coefficients: Sequence[NDArray[np.float32]]) -> NDArray[np.int16]:
    """Scale of each channel's values: that of a Laplace density with their mean magnitude."""
    d = len(coefficients[0])
    sums = sum(np.abs(c).reshape(d, -1).sum(1, dtype=np.float64) for c in coefficients)
    means = sums / max(sum(c[0].size for c in coefficients), 1)
    return scale_codes_of_means(means)
