"""What the fit of a model of profile best starts from: the transform for its pictures, and contexts that say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.fitting.low_scales import low_scale_codes_of, scale_codes_of_means
from laconic.codecs.fitting.subband_axes import low_noise_gains, principal_colors, subband_axes, subband_channels
from laconic.codecs.levels import UNLEVELLED
from laconic.codecs.media import Image
from laconic.codecs.models.fixed_point import fixed_leaves
from laconic.codecs.models.model import NUM_SCALES as NUM_SHRINK_SCALES
from laconic.codecs.models.model import Model
from laconic.codecs.models.packet_tree import dyadic_tree
from laconic.codecs.models.zoo import load_model
from laconic.codecs.transform.signals import coefficients_of, packets_of
from laconic.entropy.fitting.subband_inputs import NUM_INPUTS
from laconic.entropy.subbands import (
    NUM_FOLLOWINGS,
    NUM_LEANS,
    NUM_SCALES,
    NUM_SHAPES,
    NUM_STEP_BANDS,
    ContextNetwork,
    SubbandModel,
)
from laconic.entropy.tables import Table, TableSet

Floats = NDArray[np.float32]
DEPTH: Final = 3
LOW_LEVELS: Final = 2
_ROUNDING: Final = 0.36
_SILENT_WIDTH: Final = 16


def subband_model(pictures: Sequence[Image], name: str) -> Model:
    """The transform for such pictures, all of as many colours and without alpha, with contexts that say nothing. Raises
    `CodecError` where there is none."""
    if not pictures:
        raise CodecError("there is no picture to fit to; name a folder with at least one")
    tree, num_planes = dyadic_tree(2, DEPTH), pictures[0].samples.shape[2]
    packets = [packets_of(p, tree, UNLEVELLED, np.zeros(num_planes, np.float32)) for p in pictures]
    axes = subband_axes(principal_colors(packets, tree, num_planes), tree)
    d = num_planes << (2 * DEPTH)
    model = Model(
        name=name,
        num_planes=num_planes,
        tree=tree,
        analysis=axes.analysis,
        synthesis=axes.synthesis,
        group_ends=tuple(num_planes << (2 * level) for level in range(DEPTH + 1)),
        rounding=_ROUNDING,
        scale_codes=np.zeros(d, np.int16),
        shrink=np.zeros((NUM_SHRINK_SCALES, 3), np.float32),
        contexts=_silent_contexts(num_planes),
        offsets=np.zeros(num_planes, np.float32),
        channels=subband_channels(tree, num_planes),
        fixed=fixed_leaves(tree, num_planes, axes.analysis, axes.synthesis),
        low_levels=LOW_LEVELS,
        low_gains=low_noise_gains(tree, LOW_LEVELS),
        low_scale_codes=np.zeros((1 + 3 * LOW_LEVELS, num_planes), np.int16),
    )
    coefficients = [coefficients_of(p, model, UNLEVELLED) for p in pictures]
    return _with_scales(model, coefficients)


def _with_scales(model: Model, coefficients: Sequence[Floats]) -> Model:
    """With scale codes of a Laplace density with the mean magnitude of each subband, and of each class of the low ones."""
    planes, levels = model.num_planes, model.low_levels
    means = np.mean([np.abs(c).mean((1, 2), dtype=np.float64) for c in coefficients], 0)
    lo = planes
    for level in range(1, DEPTH + 1):
        size, places = 3 * planes, 1 << (2 * level - 2)
        part = means[lo : lo + size * places].reshape(size, places)
        means[lo : lo + size * places] = part.mean(1).repeat(places)
        lo += size * places
    low = low_scale_codes_of(coefficients, planes, levels)
    codes = scale_codes_of_means(means)
    codes[:planes] = low[0]
    return replace(model, scale_codes=codes, low_scale_codes=low)


def _silent_contexts(num_planes: int) -> SubbandModel:
    """One table, and networks that say nothing; alpha has the tables of the shipped model for as many colours."""
    levels = DEPTH + LOW_LEVELS
    tables = TableSet((Table(-1, (16384, 32768, 16383, 1)),))
    with_alpha = load_model("grey" if num_planes == 1 else "rgb").contexts
    return SubbandModel(
        num_planes,
        DEPTH,
        LOW_LEVELS,
        tuple(_silent_network((3 if level else 1) * num_planes) for level in range(levels + 1)),
        tables,
        with_alpha.static_tables,
        np.zeros((levels + 1, NUM_SCALES, NUM_LEANS, NUM_SHAPES), np.uint8),
        np.zeros((levels + 1, 3 * num_planes, NUM_STEP_BANDS), np.uint8),
        np.zeros((1, NUM_FOLLOWINGS, 3), np.int32),
    )


def _silent_network(kinds: int) -> ContextNetwork:
    width = _SILENT_WIDTH
    return ContextNetwork(
        first=np.zeros((width, NUM_INPUTS), np.int8),
        second=np.zeros((width, width), np.int8),
        third=np.zeros((3, width), np.int8),
        first_bias=np.zeros((kinds, width), np.int32),
        second_bias=np.zeros(width, np.int32),
        third_bias=np.zeros((kinds, 3), np.int32),
        first_step=np.zeros(width, np.int32),
        third_step=np.zeros(3, np.int32),
        shifts=np.zeros(3, np.uint8),
    )
