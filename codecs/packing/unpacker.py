"""Latents <- .lcn files: all tiles or some, all channels or the first (SPEC.md, sections 5 and 6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import shown
from laconic.codecs.errors import CodecError
from laconic.codecs.form import Form, Kind, grid_of_form, misfit_of_form
from laconic.codecs.latent import Latent
from laconic.codecs.levels import Levels
from laconic.codecs.models.latent_turn import coded_channels_for
from laconic.codecs.models.model import Model
from laconic.codecs.models.tunings import tuned_model, weighing_places
from laconic.codecs.models.turned_colors import turned_model, turning_misfit
from laconic.codecs.models.zoo import load_model_of
from laconic.codecs.packing.latent_header import read_latent_header
from laconic.codecs.packing.layout import LayoutTile, layout_group_bounds, tiles_of
from laconic.codecs.packing.noise_levels import NoiseLevels, unpacked_noise_levels
from laconic.codecs.packing.place_weights import unpacked_place_weights
from laconic.codecs.packing.segment_reader import Found, SegmentReader, SegmentReading, source_of_segments
from laconic.codecs.sound_metadata import SECTION_NAME, SoundMetadata
from laconic.codecs.threads import ThreadedMap
from laconic.entropy import BitstreamError, CorruptStreamError, TruncatedError
from laconic.entropy.container import (
    CodecNumber,
    ContainerSegment,
    Flag,
    Header,
    Source,
    container_segment_order,
)
from laconic.entropy.lossless import decode_lossless
from laconic.entropy.planes import PlanesDecoder, PlaneSpan, read_planes_together

if TYPE_CHECKING:
    from jaxtyping import Bool, Int, UInt

_MAX_TILES = 1 << 22
MOST_TOGETHER: Final = 16  # tiles that are decoded side by side; more are no faster


def unpack(unpacker: Unpacker) -> Latent:
    """The latent of a file. See `Lcn.unpack`."""
    values = np.empty((unpacker.capacity, *unpacker.grid), np.int32)
    everything = range(len(unpacker.tiles))
    for _ in unpacker.values(everything, outs=[tile.cut(values) for tile in unpacker.tiles]):
        pass  # int32 holds all values, so they are where they belong
    alpha = None
    if unpacker.has_alpha:
        alpha = unpacker.opaque()
        for i, plane in zip(everything, unpacker.alpha(everything), strict=True):
            unpacker.pixels_of(i).cut(alpha)[...] = plane
    unpacker.expect_end()
    return latent_of_values(unpacker, values[: unpacker.num_channels], unpacker.header.shape, alpha)


def latent_of_values(
    unpacker: Unpacker,
    values: Int[NDArray[np.int32], "d h w"],
    size: tuple[int, ...],
    alpha: UInt[NDArray[Any], "height width"] | None = None,
) -> Latent:
    """These values, of all places or of a stretch of a sound, with what the file says of them; `size` is that of the
    signal they stand for."""
    header = unpacker.header
    return Latent(
        values=values,
        step_code=header.step_code,
        fingerprint=header.fingerprint,
        shrink=unpacker.model.shrink_of(header.step_code, unpacker.num_channels),
        size=size,
        sample_type=unpacker.form.sample_type,
        unit=unpacker.model.unit,
        sample_rate=header.sample_rate,
        levels=unpacker.form.levels,
        alpha=alpha,
        metadata=header.metadata,
        bit_depth=unpacker.form.bit_depth,
        damage=unpacker.damage,
        low=unpacker.model.low_at(header.step_code),
        turn=unpacker.model.turn,
        wanted=unpacker.wanted,
        colors=unpacker.model.colors,
        tuned=unpacker.model.tuned,
        places=unpacker.places,
        noise=unpacker.noise,
        unmapped=unpacker.unmapped(LayoutTile(0, 0, *unpacker.grid)),
        packed_model=header.packed_model,
    )


@dataclass(frozen=True, eq=False)
class UnpackedTile:
    """(channels, h, w) values of the first channels; those from `num_used` on, and those that are not there, are 0."""

    values: Int[NDArray[Any], "d h w"]
    num_used: int


class Unpacker:
    """Reads the tiles of one file, no more segments than the wanted channels and tiles need.

    Segments are sought by the file's index where it has one and can seek; else they are read in order and kept. `model` is
    that of the file with its tuning and colours, `base` the same without these colours.
    """

    def __init__(self, data: bytes | BinaryIO, reading: SegmentReading, *, model: str | None = None) -> None:
        """The wanted channels are those of the latent's axes; `num_channels` will be those that they are made of."""
        self._source = Source(source_of_segments(data) if reading.allow_partial else data)
        self.header = header = read_latent_header(self._source, reading.limits)
        self.base = tuned_model(load_model_of(header.fingerprint, model, header.packed_model), header.tuning)
        if header.place_weights is not None:
            self.base = weighing_places(self.base)
        self.model = found = _model_of(header, self.base)
        self._reading = reading
        self._damage: list[tuple[int, str]] = []
        self._blind: list[LayoutTile] = []  # tiles that lack channels of which the map of steps is made
        stored = header.stored_channels or found.num_channels
        if stored > found.num_channels:
            raise CorruptStreamError(f"the file stores {stored} channels; its model has {found.num_channels}")
        channels = reading.channels
        if channels is not None and channels > stored:
            raise CodecError(f"channels is {shown(channels)}; allowed is 1 to the {stored} that the file stores")
        self.wanted = channels  # of the latent
        self.num_channels = stored if channels is None else min(coded_channels_for(found, channels), stored)
        if reading.scale_log2:
            self.num_channels = min(self.num_channels, found.channels_at(reading.scale_log2))
        self.has_alpha = header.has_alpha and channels is None
        self._bounds = layout_group_bounds(found, stored, whole=Flag.WHOLE in header.flags)
        self.capacity = next(e for e in self._bounds if e >= self.num_channels)  # channels that decoding fills
        self.form = _form_of(header)
        if SECTION_NAME in header.metadata:
            SoundMetadata.from_bytes(header.metadata[SECTION_NAME])  # raises where it is damaged
        if reason := misfit_of_form(self.form, found):
            raise CorruptStreamError(f"the file names model {found.name}, which does not fit: {reason}")
        self.grid = grid_of_form(self.form, found)
        self._joined = Flag.JOINED in header.flags
        num_groups = 1 if self._joined else len(self._bounds) - 1
        self._check_number(num_groups)
        weights, noise = header.place_weights, header.noise_levels
        self.places = None if weights is None else unpacked_place_weights(weights, self.grid)
        self._noise = None if noise is None else unpacked_noise_levels(noise, self.grid, self.base)
        self.tiles = tiles_of(*self.grid, header.tile_log2) if self.grid[1] else []
        self._rules = found.rules_at(header.step_code, header.profile)
        tile_major = Flag.TILE_MAJOR in header.flags
        self._order = list(container_segment_order(len(self.tiles), num_groups, tile_major=tile_major))
        self._numbers: list[list[int]] = [[] for _ in self.tiles]  # wanted segments of each tile
        for number, (tile, group) in enumerate(self._order):
            if self._bounds[group] < self.num_channels:
                self._numbers[tile].append(number)
        counts = len(self._order), len(self.tiles) * header.has_alpha
        self._segments = SegmentReader(self._source, header, counts, reading)

    @property
    def damage(self) -> tuple[str, ...]:
        """What could not be read so far, in the order of the file."""
        return tuple(text for _, text in sorted(self._damage))

    @property
    def noise(self) -> NoiseLevels | None:
        """Levels of the bands of a sound, where the file has them; 0 where all that is there was found to be damaged."""
        return self._noise if self._noise is None or not self._blind else self._noise.without(self._blind, self.grid)

    def unmapped(self, places: LayoutTile) -> Bool[NDArray[np.bool_], "h w"] | None:
        """Which of these places have steps as if they differed nowhere, since a tile that says how is damaged there or next
        to there; None for none."""
        wide = [LayoutTile(t.top - 1, t.left - 1, t.bottom + 1, t.right + 1).within(places) for t in self._blind]
        if self.model.tuned is None or not any(t.top < t.bottom and t.left < t.right for t in wide):
            return None
        out = np.zeros((places.bottom - places.top, places.right - places.left), np.bool_)
        for tile in wide:
            tile.moved(-places.top, -places.left).cut(out)[...] = True
        return out

    @property
    def num_bytes_read(self) -> int:
        """Of the file, so far."""
        return self._source.num_bytes_read

    def leave_out_details(self, tiles: Iterable[int]) -> None:
        """Of these tiles, values of the lowest channels alone are wanted from now on, as far as segments are cut there."""
        for tile in tiles:
            self._numbers[tile] = [
                number for number in self._numbers[tile] if self._bounds[self._order[number][1]] < self.model.num_planes
            ]

    def values(
        self,
        tiles: Sequence[int],
        *,
        run: ThreadedMap = map,
        dtype: type[np.signedinteger[Any]] = np.int32,
        outs: Sequence[Int[NDArray[Any], "d h w"] | None] | None = None,
        together: int = MOST_TOGETHER,
    ) -> Iterator[UnpackedTile]:
        """Values of each of these tiles, of `dtype`, int16 or int32, but for tiles where they do not fit.

        `outs`: arrays of that type, (`capacity`, h, w), in which to put those of a tile, None for an array of its own.
        `together`: how many one call of `run` decodes.
        """
        found = self._segments.fetch([number for tile in tiles for number in self._numbers[tile]])
        places = list(outs) if outs is not None else [None] * len(tiles)
        batches = []
        for _, alike in groupby(range(len(tiles)), lambda i: len(self._numbers[tiles[i]])):
            run_of = list(alike)
            for i in range(run_of[0], run_of[-1] + 1, together):
                end = min(i + together, run_of[-1] + 1)
                batches.append((tiles[i:end], places[i:end]))
        return chain.from_iterable(run(lambda batch: self._decode(*batch, found, dtype), batches))

    def alpha(self, tiles: Sequence[int], *, run: ThreadedMap = map) -> Iterator[UInt[NDArray[Any], "height width"]]:
        """Alpha in the pixels of each of these tiles, opaque where it cannot be read."""
        found = self._segments.fetch([len(self._order) + tile for tile in tiles])
        return run(lambda tile: self._decode_alpha(tile, found), tiles)

    def pixels_of(self, tile: int) -> LayoutTile:
        """Bounds of a tile in pixels."""
        return self.tiles[tile].pixels(self.model.tree.factor, self.header.shape)

    def opaque(self) -> UInt[NDArray[Any], "height width"]:
        """An alpha plane that hides nothing."""
        return np.full(self.header.shape, np.iinfo(self.form.sample_type).max, self.form.sample_type)

    def expect_end(self) -> None:
        """Refuse bytes after the last segment, where all were read."""
        is_all = self.num_channels == self._bounds[-1] and self.has_alpha == self.header.has_alpha
        if is_all and (excess := self._segments.excess()):
            self._note(self._segments.count, excess)

    def _check_number(self, num_groups: int) -> None:
        """Refuse a layout of more segments than there are bytes, before anything is made for them."""
        side = 1 << (self.header.tile_log2 or 0)
        num_tiles = prod(-(-n // side) for n in self.grid) if self.header.tile_log2 else 1
        if num_tiles > 1 and self._joined:
            raise CorruptStreamError(f"the file has {num_tiles} tiles in a layout for one")
        wanted_groups = 1 if self._reading.may_be_head else num_groups + self.header.has_alpha
        num_segments = num_tiles * wanted_groups if self.grid[1] else 0
        remaining = self._source.remaining()
        if num_tiles > _MAX_TILES or (
            remaining is not None
            and not self._reading.allow_partial
            and num_segments * (1 if self._joined else 2) > remaining
        ):
            raise TruncatedError(
                f"the file claims {num_segments} segments and has {remaining} bytes left for them; copy it again"
            )

    def _decode(
        self,
        tiles: Sequence[int],
        outs: Sequence[NDArray[Any] | None],
        found: dict[int, Found],
        dtype: type[np.signedinteger[Any]],
    ) -> list[UnpackedTile]:
        """Some tiles, group by group, side by side as far as they are whole."""
        decoders = []
        for tile, out in zip(tiles, outs, strict=True):
            bounds = self.tiles[tile]
            shape = (self._num_stored(tile, found), bounds.bottom - bounds.top, bounds.right - bounds.left)
            if out is not None:
                out[...] = 0
            decoders.append(
                PlanesDecoder(self.num_channels, shape, self._rules, self.header.profile, dtype=dtype, out=out)
            )
        for numbers in zip(*(self._numbers[tile] for tile in tiles), strict=True):
            group = self._order[numbers[0]][1]
            span = PlaneSpan(self._bounds if self._joined else self._bounds[group : group + 2])
            segments = [found[number] for number in numbers]
            whole = [s for s in segments if isinstance(s, ContainerSegment)]
            if len(whole) == len(tiles) > 1 and all(decoder.is_intact for decoder in decoders):
                try:
                    read_planes_together(decoders, whole, span.groups[0])
                    continue
                except BitstreamError:
                    pass  # one by one, to find out which
            for number, decoder, segment in zip(numbers, decoders, segments, strict=True):
                self._read_alone(number, decoder, segment, span)
        return [UnpackedTile(decoder.values(), decoder.num_used) for decoder in decoders]

    def _num_stored(self, tile: int, found: dict[int, Found]) -> int:
        """Channels to make room for: up to the last that segments of a tile say they have, and all predicted ones."""
        least = max(self.model.contexts.num_predicted, 1)
        heads = [(self._bounds[self._order[number][1]], found[number]) for number in self._numbers[tile]]
        ends = [first + one.num_channels for first, one in heads if isinstance(one, ContainerSegment)]
        return min(max(least, *ends), self.capacity) if ends else min(least, self.capacity)

    def _read_alone(self, number: int, decoder: PlanesDecoder, segment: Found, span: PlaneSpan) -> None:
        try:
            whole = _whole(segment)
            if not decoder.is_intact:
                raise CorruptStreamError("it needs an earlier group of its tile, which is damaged")
            decoder.read(whole, span)
        except BitstreamError as err:
            decoder.is_intact = False
            if span.groups[0][0] < 4 * self.model.num_planes:
                self._blind.append(self.tiles[self._order[number][0]])
            self._note(number, err)

    def _decode_alpha(self, tile: int, found: dict[int, Found]) -> NDArray[Any]:
        bounds, number = self.pixels_of(tile), len(self._order) + tile
        dtype = np.dtype(self.form.sample_type)
        largest = int(np.iinfo(dtype).max)
        height, width = bounds.bottom - bounds.top, bounds.right - bounds.left
        try:
            plane = decode_lossless(_whole(found[number]), height, width, self.model.contexts.static_tables)
            if plane.min() < 0 or plane.max() > largest:
                raise CorruptStreamError(f"alpha runs from {plane.min()} to {plane.max()}; allowed is 0 to {largest}")
        except BitstreamError as err:
            self._note(number, err)
            return np.full((height, width), largest, dtype)
        return plane.astype(dtype)

    def _note(self, number: int, err: BitstreamError) -> None:
        """Go on without a segment where partial results are allowed."""
        if not self._reading.allow_partial:
            raise err
        self._damage.append((number, f"segment {number}: {err}"))


def _whole(found: Found) -> ContainerSegment:
    if isinstance(found, BitstreamError):
        raise found
    return found


def _model_of(header: Header, model: Model) -> Model:
    """The model in the colours of the file."""
    if header.color_axes is None:
        return model
    if reason := turning_misfit(model):
        raise CorruptStreamError(f"the file turns the colours of model {model.name}, which cannot be: {reason}")
    return turned_model(model, header.color_axes)


def _form_of(header: Header) -> Form:
    if header.codec is CodecNumber.IMAGE:
        sample_type = "uint16" if Flag.DEEP in header.flags else "uint8"
        return Form("image", header.shape, sample_type, 0, bit_depth=header.bit_depth)
    kind: Kind = "sound" if header.codec is CodecNumber.SOUND else "cube"
    levels = Levels(header.level_codes, header.offset_codes)
    return Form(kind, header.shape, header.sample_type, header.sample_rate, levels)
