"""Latents -> .lcn files, tile by tile (SPEC.md, sections 5 and 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.formats.bit_depths import DEPTHS
from laconic.codecs.latent import Latent
from laconic.codecs.models.latent_turn import coded_channels_for
from laconic.codecs.models.model import Model
from laconic.codecs.models.tunings import usual_tuning_code
from laconic.codecs.notes import note
from laconic.codecs.packing.layout import layout_channels, layout_group_bounds
from laconic.codecs.packing.noise_levels import NoiseLevels, check_noise_levels
from laconic.codecs.plan import Plan
from laconic.entropy import Limits
from laconic.entropy.container import (
    CodecNumber,
    Flag,
    Header,
    Profile,
    container_segment_order,
    index_of,
    write_container_segment,
    write_header,
)
from laconic.entropy.lossless import encode_lossless
from laconic.entropy.planes import CRC_BYTES, PlanesEncoder, PlaneSpan
from laconic.entropy.tile_symbols import TileValues

if TYPE_CHECKING:
    from jaxtyping import UInt

_CODEC_NUMBERS = {"image": CodecNumber.IMAGE, "sound": CodecNumber.SOUND, "cube": CodecNumber.CUBE}


@dataclass(frozen=True)
class PackedTile:
    """Segments of one tile, group by group, and that of its alpha."""

    groups: tuple[bytes, ...]
    alpha: bytes | None
    is_joined: bool


@dataclass(frozen=True, repr=False)
class PackedFile:
    """A file, and how far a reader of few channels reads: `stops[g]` bytes from its start hold the channel groups up to
    g, of which `bounds` are the bounds; `model` is that of the file, None for one that codes in the axes of its latents."""

    data: bytes
    bounds: tuple[int, ...]
    stops: tuple[int, ...]
    model: Model | None = None

    def head_bytes(self, channels: int) -> int:
        """Bytes from the start that hold the first `channels` of `Latent.dequantize`, 1 to those of the file, without
        alpha.

        Raises `CodecError` for another number.
        """
        channels = whole_number_argument("channels", channels, 1, self.bounds[-1])
        if self.model is not None:
            channels = min(coded_channels_for(self.model, channels), self.bounds[-1])
        return next(stop for end, stop in zip(self.bounds[1:], self.stops, strict=True) if end >= channels)


class Packer:
    """Makes the file of one signal. Tiles may be packed in any order, also at the same time."""

    def __init__(self, plan: Plan, num_channels: int) -> None:
        """`num_channels` are the latent channels that the file stores."""
        self.tiles = plan.tiles
        self._plan, self._model, self._layout = plan, plan.model, plan.layout
        self._num_channels = num_channels
        self._rules = plan.model.rules_at(plan.step_code, plan.layout.file_profile)
        self._bounds = layout_group_bounds(plan.model, num_channels, whole=plan.layout.grouping == "whole")
        self._is_tile_major = plan.layout.progression == "tile"

    def pack_tiles(
        self,
        numbers: Sequence[int],
        tiles: Sequence[TileValues],
        alpha: Sequence[UInt[NDArray[Any], "height width"] | None],
    ) -> list[PackedTile]:
        """`tiles` are those with these numbers; `alpha`: their pixels, (height, width)."""
        encoders = PlanesEncoder.of_tiles(tiles, self._rules, self._layout.file_profile, self._layout.lanes)
        return [self._packed(*tile) for tile in zip(numbers, encoders, alpha, strict=True)]

    def _packed(self, number: int, encoder: PlanesEncoder, alpha: NDArray[Any] | None) -> PackedTile:
        num_groups, num_tiles = len(self._bounds) - 1, len(self.tiles)
        is_joined = num_tiles == 1 and _is_small(encoder, self._bounds)
        spans = [PlaneSpan(self._bounds)] if is_joined else [PlaneSpan(pair) for pair in pairwise(self._bounds)]
        numbers = [
            number * num_groups + g if self._is_tile_major else g * num_tiles + number for g in range(len(spans))
        ]
        groups = tuple(
            write_container_segment(encoder.segment(span), n, with_channels=True)
            for span, n in zip(spans, numbers, strict=True)
        )
        if alpha is None:
            return PackedTile(groups, None, is_joined)
        first = 1 if is_joined else num_groups * num_tiles
        plane = encode_lossless(alpha.astype(np.int32), self._model.contexts.static_tables)
        return PackedTile(groups, write_container_segment(plane, first + number, with_channels=False), is_joined)

    def join(
        self, packed: Sequence[PackedTile], metadata: dict[str, bytes], noise: NoiseLevels | None = None
    ) -> PackedFile:
        """The file of all tiles, in the order of `tiles`. Raises `CodecError` for metadata that no reader would take."""
        for name, block in metadata.items():
            if len(block) > Limits().max_metadata_bytes:
                raise CodecError(
                    f"{name} has {len(block)} bytes; allowed are {Limits().max_metadata_bytes}: leave it out"
                )
        num_groups = len(packed[0].groups) if packed else 0
        order = list(container_segment_order(len(packed), num_groups, tile_major=self._is_tile_major))
        segments = [packed[tile].groups[group] for tile, group in order]
        segments += [tile.alpha for tile in packed if tile.alpha is not None]
        header = Header(
            codec=_CODEC_NUMBERS[self._model.kind],
            fingerprint=self._model.fingerprint,
            step_code=self._plan.step_code,
            shape=self._plan.form.size,
            flags=self._flags(packed),
            profile=self._layout.file_profile,
            tile_log2=self._layout.tile_log2,
            stored_channels=self._num_channels if self._num_channels < self._model.num_channels else None,
            metadata=metadata,
            index=index_of([len(s) for s in segments]),
            sample_rate=self._plan.form.sample_rate,
            sample_type=self._plan.form.sample_type,
            level_codes=self._plan.form.levels.codes,
            offset_codes=self._plan.form.levels.offset_codes,
            stored_depth=self._stored_depth,
            color_axes=None if self._model.colors is None else self._model.colors.numbers,
            tuning=self._tuning,
            place_weights=None if self._plan.places is None else self._plan.places.packed(),
            packed_model=self._plan.packed_model,
            noise_levels=None if noise is None else noise.packed(self._model.contexts.static_tables),
        )
        head = write_header(header)
        return PackedFile(
            b"".join([head, *segments]), self._bounds, self._stops(len(head), order, segments), self._model
        )

    @property
    def _tuning(self) -> int | None:
        """What the file says of its tuning: nothing where it is the usual one."""
        code = 0 if self._model.tuned is None else self._model.tuned.code
        return None if code == usual_tuning_code(self._model) else code

    @property
    def _stored_depth(self) -> int | None:
        """What the file says of the bit depth: nothing where it is that of the samples."""
        form = self._plan.form
        return form.bit_depth if form.sample_type == "uint16" and 0 < form.bit_depth < 16 else None

    def _stops(self, start: int, order: Sequence[tuple[int, int]], segments: Sequence[bytes]) -> tuple[int, ...]:
        """Where the last segment of the groups up to each one ends, in a file whose segments begin at `start`."""
        stops = [start] * (len(self._bounds) - 1)
        for (_, group), segment in zip(order, segments, strict=False):  # those of alpha come after
            start += len(segment)
            stops[group] = start
        return tuple(accumulate(stops, max))

    def _flags(self, packed: Sequence[PackedTile]) -> Flag:
        flags = Flag(0)
        for flag, is_set in (
            (Flag.JOINED, any(tile.is_joined for tile in packed)),
            (Flag.WHOLE, self._layout.grouping == "whole"),
            (Flag.TILE_MAJOR, self._is_tile_major),
            (Flag.ALPHA, any(tile.alpha is not None for tile in packed)),
            (Flag.DEEP, self._plan.form.sample_type == "uint16"),
        ):
            flags |= flag if is_set else Flag(0)
        return flags


def pack(latent: Latent, plan: Plan) -> PackedFile:
    """The latent as a file; it fits the plan. Channels that end among some that are coded together are rounded up, which is
    noted."""
    values = _rounded_up(latent.values, plan)
    packer = Packer(plan, len(values))
    tiles = [TileValues(tile.cut(values)) for tile in packer.tiles]
    alpha: list[NDArray[Any] | None] = [None] * len(tiles)
    if latent.alpha is not None:
        alpha = [tile.pixels(plan.model.tree.factor, latent.size).cut(latent.alpha) for tile in packer.tiles]
    packed = packer.pack_tiles(range(len(tiles)), tiles, alpha)
    return packer.join(packed, dict(latent.metadata), latent.noise)


def leading_latent(latent: Latent, channels: int, model: Model, profile: Profile) -> Latent:
    """No more of a latent than the first `channels` of `dequantize` are made of, which is all that it then gives; `pack`
    makes a smaller file of it, in this profile. Raises `CodecError` for more channels than there are."""
    channels = whole_number_argument("channels", channels, 1, latent.num_channels)
    stored = layout_channels(model, coded_channels_for(model, channels), profile)
    return replace(latent, values=latent.values[:stored], shrink=latent.shrink[:stored], wanted=channels)


def _rounded_up(values: NDArray[np.int32], plan: Plan) -> NDArray[np.int32]:
    """The channels, with as many of zeros as the last subband, or those with low levels, lack."""
    profile = plan.layout.file_profile
    count, stored = len(values), layout_channels(plan.model, len(values), profile)
    if stored == count:
        return values
    where = "inside a subband, and profile best stores whole ones"
    if profile is not Profile.BEST:
        where = "among those with low levels, which are stored together"
    note(f"{count} channels end {where}: {stored} channels were stored, the last {stored - count} of zeros")
    return np.concatenate([values, np.zeros((stored - count, *values.shape[1:]), np.int32)])


def check_latent_to_pack(latent: Latent, plan: Plan) -> None:
    """Raises `CodecError` for a latent that no reader would take back."""
    most = plan.model.num_channels
    if not 1 <= len(latent.values) <= most or latent.values.shape[1:] != plan.grid:
        raise CodecError(f"the latent has shape {latent.values.shape}; needed are 1 to {most} channels of {plan.grid}")
    if not latent.levels.fit(plan.form.size[0], has_offsets=plan.model.kind == "cube"):
        raise CodecError(f"the latent has {latent.levels}, which a {plan.model.kind} of size {latent.size} cannot have")
    if latent.noise is not None:
        check_noise_levels(latent.noise, plan.grid, plan.model)
    if latent.bit_depth not in (0, *DEPTHS.get(latent.sample_type, ())):
        raise CodecError(f"the latent has {latent.bit_depth} bits a colour in {latent.sample_type} samples")
    if latent.alpha is not None and latent.alpha.shape != latent.size:
        raise CodecError(f"alpha has shape {latent.alpha.shape}, the picture {latent.size}; they must agree")


def _is_small(encoder: PlanesEncoder, bounds: tuple[int, ...]) -> bool:
    """Whether all groups together are expected below `CRC_BYTES`; looks at no more of them than it takes to know."""
    bits = 0.0
    for lo, hi in pairwise(bounds):
        bits += encoder.ideal_bits(lo, hi)
        if bits / 8 >= CRC_BYTES:
            return False
    return True
