"""Sounds of any length -> .lcn files, some tiles at a time, of what is in memory or as it is read.

Bytes depend neither on how samples come nor on the number of threads (`block_analysis`). Samples are read several times:
for their levels, then to be encoded. Of what was encoded only the bytes are kept, and how loud noise is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.packing.noise_levels import NoiseLevels
from laconic.codecs.packing.packer import PackedTile, Packer
from laconic.codecs.plan import Plan, integers_of_tiles
from laconic.codecs.progress import tell_progress
from laconic.codecs.sound_metadata import SECTION_NAME, SoundMetadata
from laconic.codecs.sounds.block_analysis import SampleStretch, coefficients_of_stretch, stretches_of
from laconic.codecs.steps import step_of_code
from laconic.codecs.threads import threaded_map
from laconic.codecs.transform.lost_noise import NoiseMeasures, measured_noise, noise_levels_of_measures
from laconic.codecs.transform.quantizer import check_quantizer_step
from laconic.entropy.tile_symbols import TileValues

if TYPE_CHECKING:
    from jaxtyping import Float


def encode_sound_blocks(
    blocks: Iterable[Float[NDArray[np.float32], "c t"]], plan: Plan, metadata: SoundMetadata
) -> bytes:
    """The .lcn file of a sound whose samples come in blocks of at least `EXTRAPOLATION_SPAN`, but for the last. Raises
    `CodecError` where integers would be too large."""
    packer = Packer(plan, plan.model.num_channels)

    def encode(stretch: SampleStretch) -> _EncodedStretch:
        return _encoded(stretch, plan, packer)

    packed: dict[int, PackedTile] = {}
    measures: list[NoiseMeasures] = []
    with threaded_map(plan.threads) as run:
        for stretch in run(encode, stretches_of(blocks, plan)):
            packed |= stretch.tiles
            measures += () if stretch.measures is None else (stretch.measures,)
            tell_progress(stretch.end / plan.grid[1])
    section = metadata.to_bytes()
    noise = _levels_of(measures)
    in_order = [packed[number] for number in range(len(packed))]
    return packer.join(in_order, {SECTION_NAME: section} if section else {}, noise).data


@dataclass(frozen=True, eq=False)
class _EncodedStretch:
    """`tiles` by their numbers, up to the place `end`, and what noise in their zeros is made of, where the file says it."""

    tiles: dict[int, PackedTile]
    measures: NoiseMeasures | None
    end: int


def _encoded(stretch: SampleStretch, plan: Plan, packer: Packer) -> _EncodedStretch:
    coefficients = coefficients_of_stretch(stretch, plan.model)
    check_quantizer_step(coefficients, plan.step_code, plan.model)
    numbers = [n for n, tile in enumerate(plan.tiles) if stretch.left <= tile.left < stretch.right]
    tiles = [plan.tiles[n].moved(0, -stretch.left) for n in numbers]
    values = integers_of_tiles(coefficients, tiles, plan)
    packed = packer.pack_tiles(numbers, [TileValues(tile.cut(values)) for tile in tiles], [None] * len(tiles))
    measures = None
    if plan.has_noise:
        measures = measured_noise(
            coefficients, values, float(step_of_code(plan.step_code)) * plan.model.unit, plan.model
        )
    return _EncodedStretch(dict(zip(numbers, packed, strict=True)), measures, stretch.right)


def _levels_of(measures: list[NoiseMeasures]) -> NoiseLevels | None:
    """None where all are 0."""
    if not measures:
        return None
    noise = noise_levels_of_measures(measures)
    return noise if noise.levels.any() else None
