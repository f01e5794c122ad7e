"""Sounds of any length -> .lcn files, some tiles at a time, of what is in memory or as it is read.

Bytes depend neither on how samples come nor on the number of threads (`block_analysis`). Samples are read several times:
for their level, for those of their bands, then to be encoded. Of what was encoded only the bytes are kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.loudness import SampleReading
from laconic.codecs.packing.noise_levels import NoiseLevels
from laconic.codecs.packing.packer import PackedTile, Packer
from laconic.codecs.plan import Plan, integers_of_tiles
from laconic.codecs.progress import tell_progress
from laconic.codecs.sound_metadata import SECTION_NAME, SoundMetadata
from laconic.codecs.sounds.block_analysis import SampleStretch, coefficients_of_stretch, stretches_of
from laconic.codecs.threads import threaded_map
from laconic.codecs.transform.band_levels import BandMeter
from laconic.codecs.transform.quantizer import check_quantizer_step
from laconic.entropy.tile_symbols import TileValues

if TYPE_CHECKING:
    from jaxtyping import Int


def encode_sound_blocks(read: SampleReading, plan: Plan, metadata: SoundMetadata) -> bytes:
    """The .lcn file of a sound whose samples come, each time that they are read, in blocks of at least
    `EXTRAPOLATION_SPAN`, but for the last. Raises `CodecError` where integers would be too large."""
    packer = Packer(plan, plan.model.num_channels)
    packed: dict[int, PackedTile] = {}
    passes = 1 + plan.has_noise
    meter = BandMeter.of_model(plan.model, plan.form.sample_rate)
    with threaded_map(plan.threads) as run:
        measures = []
        for end, found in run(
            lambda s: _measured(s, plan, meter), stretches_of(read(), plan) if plan.has_noise else ()
        ):
            measures.append(found)
            tell_progress(end / plan.grid[1] / passes)
        noise = meter.levels_of_measures(measures) if measures else None
        noise = noise if noise is not None and noise.levels.any() else None
        for end, tiles in run(lambda s: _packed(s, plan, noise, packer), stretches_of(read(), plan)):
            packed |= tiles
            tell_progress((passes - 1 + end / plan.grid[1]) / passes)
    section = metadata.to_bytes()
    in_order = [packed[number] for number in range(len(packed))]
    return packer.join(in_order, {SECTION_NAME: section} if section else {}, noise).data


def _measured(
    stretch: SampleStretch, plan: Plan, meter: BandMeter
) -> tuple[int, Int[NDArray[np.int16], "rows bands stretches"]]:
    """The place that ends a stretch, and how loud its bands are."""
    return stretch.right, meter.measured(coefficients_of_stretch(stretch, plan.model))


def _packed(
    stretch: SampleStretch, plan: Plan, noise: NoiseLevels | None, packer: Packer
) -> tuple[int, dict[int, PackedTile]]:
    """The place that ends a stretch, and its tiles by their numbers."""
    coefficients = coefficients_of_stretch(stretch, plan.model)
    if noise is not None:
        replace(noise, first=stretch.left).scale(coefficients, finer=True)
    check_quantizer_step(coefficients, plan.step_code, plan.model)
    numbers = [n for n, tile in enumerate(plan.tiles) if stretch.left <= tile.left < stretch.right]
    tiles = [plan.tiles[n].moved(0, -stretch.left) for n in numbers]
    values = integers_of_tiles(coefficients, tiles, plan)
    packed = packer.pack_tiles(numbers, [TileValues(tile.cut(values)) for tile in tiles], [None] * len(tiles))
    return stretch.right, dict(zip(numbers, packed, strict=True))
