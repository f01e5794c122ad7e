"""Latents <-> .lcn files: tiles, groups and their order (SPEC.md, sections 5 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from math import prod
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.latent import Latent
from laconic.codecs.model import Model
from laconic.codecs.quantizer import NUM_STEP_CODES
from laconic.codecs.transform import Form, grid_of, misfit
from laconic.codecs.zoo import load_model_of
from laconic.entropy import BitstreamError, CorruptStreamError, Limits, TruncatedError
from laconic.entropy.container import (
    CodecNumber,
    Flag,
    Header,
    Profile,
    Source,
    index_of,
    read_header,
    read_segment,
    segment_order,
    write_header,
    write_segment,
)
from laconic.entropy.lossless import decode_plane, encode_plane
from laconic.entropy.planes import CRC_BYTES, Span, TileDecoder, TileEncoder
from laconic.entropy.rans import LANES

UNTILED_SIDE = 128  # grids up to this side, in latent places, are one tile
PICTURE_TILE_LOG2 = 6
SOUND_TILE_LOG2 = 7
_MAX_TILES = 1 << 22
_PROFILES = {"fast": Profile.FAST, "small": Profile.SMALL}
_CODEC_NUMBERS = {"image": CodecNumber.IMAGE, "sound": CodecNumber.SOUND, "cube": CodecNumber.CUBE}


@dataclass(frozen=True)
class Layout:
    """How a latent is cut into segments and coded: profile "fast" by static tables, "small" by contexts.

    None: pictures and cubes go by channel groups, in one tile where they are small, else in tiles of 64x64 places;
    sounds go by time, 128 places a tile, all channels in one group.
    """

    grouping: Literal["channels", "whole"] | None = None
    progression: Literal["group", "tile"] | None = None
    tile_log2: int | None = None
    profile: Literal["fast", "small"] = "small"
    lanes: int | None = None

    def __post_init__(self) -> None:
        if self.grouping not in (None, "channels", "whole"):
            raise CodecError(f"grouping is {self.grouping!r}; allowed are 'channels', 'whole' and None")
        if self.progression not in (None, "group", "tile"):
            raise CodecError(f"progression is {self.progression!r}; allowed are 'group', 'tile' and None")
        if self.tile_log2 is not None and not 3 <= self.tile_log2 <= 16:
            raise CodecError(f"tile_log2 is {self.tile_log2}; allowed is None or 3 to 16")
        if self.profile not in _PROFILES:
            raise CodecError(f"profile is {self.profile!r}; allowed are 'fast' and 'small'")
        if self.lanes is not None and self.lanes not in LANES:
            raise CodecError(f"lanes is {self.lanes!r}; allowed are None, {', '.join(map(str, LANES))}")

    @property
    def file_profile(self) -> Profile:
        return _PROFILES[self.profile]

    def resolved(self, kind: str, grid: tuple[int, int]) -> Layout:
        """The same with every None replaced by the choice for this kind of signal, but for `tile_log2` of one tile."""
        is_sound = kind == "sound"
        tile_log2 = self.tile_log2
        if tile_log2 is None and max(grid) > UNTILED_SIDE:
            tile_log2 = SOUND_TILE_LOG2 if is_sound else PICTURE_TILE_LOG2
        return Layout(
            grouping=self.grouping or ("whole" if is_sound else "channels"),
            progression=self.progression or ("tile" if is_sound else "group"),
            tile_log2=tile_log2,
            profile=self.profile,
            lanes=self.lanes,
        )


@dataclass(frozen=True)
class Tile:
    """Bounds in latent places."""

    top: int
    left: int
    bottom: int
    right: int

    def cut(self, planes: NDArray[Any]) -> NDArray[Any]:
        return planes[..., self.top : self.bottom, self.left : self.right]

    def pixels(self, factor: int, size: tuple[int, ...]) -> Tile:
        """The same bounds in pixels of a picture of this size."""
        return Tile(
            self.top * factor, self.left * factor, min(self.bottom * factor, size[0]), min(self.right * factor, size[1])
        )


def tiles_of(height: int, width: int, tile_log2: int | None) -> list[Tile]:
    """Tiles of a latent grid in raster order."""
    if tile_log2 is None:
        return [Tile(0, 0, height, width)]
    side = 1 << tile_log2
    return [
        Tile(y, x, min(y + side, height), min(x + side, width))
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


def group_bounds(model: Model, num_channels: int, *, whole: bool) -> tuple[int, ...]:
    """(0, ..., num_channels): bounds of the channel groups of a file with so many channels."""
    return (0, *(e for e in model.group_ends if e < num_channels and not whole), num_channels)


def pack(latent: Latent, model: Model, layout: Layout) -> bytes:
    """The latent as a file."""
    _check_latent(latent, model)
    d, height, width = latent.values.shape
    for name, block in latent.metadata.items():
        if len(block) > Limits().max_metadata_bytes:
            raise CodecError(f"{name} has {len(block)} bytes; allowed are {Limits().max_metadata_bytes}: leave it out")
    layout = layout.resolved(model.kind, (height, width))
    tiles = tiles_of(height, width, layout.tile_log2)
    rules = model.contexts.at_step(latent.step_code)
    encoders = [TileEncoder(tile.cut(latent.values), rules, layout.file_profile, layout.lanes) for tile in tiles]
    bounds = group_bounds(model, d, whole=layout.grouping == "whole")
    joined = len(tiles) == 1 and width > 0 and _is_small(encoders[0], bounds)
    segments = list(_latent_segments(encoders, bounds, layout, joined=joined)) if width else []
    if latent.alpha is not None:
        alpha = latent.alpha.astype(np.int32)
        cuts = (t.pixels(model.tree.factor, alpha.shape).cut(alpha) for t in tiles)
        planes = (encode_plane(cut, model.contexts.static_tables) for cut in cuts)
        first = len(segments)
        segments += [write_segment(s, first + i, with_channels=False) for i, s in enumerate(planes)]
    header = Header(
        codec=_CODEC_NUMBERS[model.kind],
        fingerprint=latent.fingerprint,
        step_code=latent.step_code,
        shape=latent.size,
        flags=_flags(latent, layout, joined=joined),
        profile=layout.file_profile,
        tile_log2=layout.tile_log2,
        stored_channels=d if d < model.num_channels else None,
        metadata=latent.metadata,
        index=index_of([len(s) for s in segments]),
        sample_rate=latent.sample_rate,
        sample_type=latent.sample_type,
    )
    return write_header(header) + b"".join(segments)


def _check_latent(latent: Latent, model: Model) -> None:
    """Refuse a latent that no reader would take back."""
    form = Form(model.kind, latent.size, latent.sample_type, latent.sample_rate)
    if reason := misfit(form, model):
        raise CodecError(f"the latent does not fit model {model.name}: {reason}")
    grid = grid_of(form, model)
    if not 1 <= len(latent.values) <= model.num_channels or latent.values.shape[1:] != grid:
        raise CodecError(
            f"the latent has shape {latent.values.shape}; needed are 1 to {model.num_channels} channels of {grid}"
        )
    if latent.alpha is not None and latent.alpha.shape != latent.size:
        raise CodecError(f"alpha has shape {latent.alpha.shape}, the picture {latent.size}; they must agree")
    if not 0 <= latent.step_code < NUM_STEP_CODES:
        raise CodecError(f"step_code is {latent.step_code}; allowed is 0 to {NUM_STEP_CODES - 1}")


def _is_small(encoder: TileEncoder, bounds: tuple[int, ...]) -> bool:
    """Whether all groups together are expected below `CRC_BYTES`; looks at no more of them than it takes to know."""
    bits = 0.0
    for lo, hi in pairwise(bounds):
        bits += encoder.ideal_bits(lo, hi)
        if bits / 8 >= CRC_BYTES:
            return False
    return True


def _latent_segments(
    encoders: list[TileEncoder], bounds: tuple[int, ...], layout: Layout, *, joined: bool
) -> Iterator[bytes]:
    if joined:
        yield write_segment(encoders[0].segment(Span(bounds)), 0, with_channels=True)
        return
    order = segment_order(len(encoders), len(bounds) - 1, tile_major=layout.progression == "tile")
    for number, (tile, group) in enumerate(order):
        segment = encoders[tile].segment(Span(bounds[group : group + 2]))
        yield write_segment(segment, number, with_channels=True)


def _flags(latent: Latent, layout: Layout, *, joined: bool) -> Flag:
    flags = Flag(0)
    for flag, is_set in (
        (Flag.JOINED, joined),
        (Flag.WHOLE, layout.grouping == "whole"),
        (Flag.TILE_MAJOR, layout.progression == "tile"),
        (Flag.ALPHA, latent.alpha is not None),
        (Flag.DEEP, latent.sample_type == "uint16"),
    ):
        flags |= flag if is_set else Flag(0)
    return flags


def unpack(
    data: bytes | BinaryIO,
    *,
    model: str | None = None,
    channels: int | None = None,
    limits: Limits | None = None,
    allow_partial: bool = False,
) -> tuple[Latent, Model]:
    """The latent of a file and its model. See `Sandwich.unpack`."""
    source = Source(data)
    header = read_header(source, limits)
    found = load_model_of(header.fingerprint, model)
    return _Reader(source, header, found, channels, allow_partial=allow_partial).read(), found


def _form_of(header: Header) -> Form:
    if header.codec is CodecNumber.IMAGE:
        return Form("image", header.shape, "uint16" if header.bit_depth == 16 else "uint8", 0)
    return Form(
        "sound" if header.codec is CodecNumber.SOUND else "cube", header.shape, header.sample_type, header.sample_rate
    )


class _Reader:
    """Reads the segments of one file in order, only as many as the wanted channels need."""

    def __init__(
        self, source: Source, header: Header, model: Model, channels: int | None, *, allow_partial: bool
    ) -> None:
        self._source, self._header, self._model = source, header, model
        self._allow_partial = allow_partial
        self._damage: list[str] = []
        stored = header.stored_channels or model.num_channels
        if stored > model.num_channels:
            raise CorruptStreamError(f"the file stores {stored} channels; its model has {model.num_channels}")
        if channels is not None and not 1 <= channels <= stored:
            raise CodecError(f"channels is {channels}; allowed is 1 to the {stored} that the file stores")
        self._wanted = stored if channels is None else channels
        self._is_part = channels is not None
        self._with_alpha = header.has_alpha and channels is None
        self._bounds = group_bounds(model, stored, whole=Flag.WHOLE in header.flags)
        form = _form_of(header)
        if reason := misfit(form, model):
            raise CorruptStreamError(f"the file names model {model.name}, which does not fit: {reason}")
        self._form, self._grid = form, grid_of(form, model)
        self._joined = Flag.JOINED in header.flags
        num_groups = 1 if self._joined else len(self._bounds) - 1
        self._check_number(num_groups)
        self._tiles = tiles_of(*self._grid, header.tile_log2)
        self._rules = model.contexts.at_step(header.step_code)
        tile_major = Flag.TILE_MAJOR in header.flags
        num_tiles = len(self._tiles) if self._grid[1] else 0
        self._order = list(segment_order(num_tiles, num_groups, tile_major=tile_major))
        self._starts = self._segment_starts()

    def read(self) -> Latent:
        decoders: dict[int, TileDecoder] = {}
        last = len(self._order) - 1
        if not self._with_alpha:
            last = max(
                (i for i, (_, group) in enumerate(self._order) if self._bounds[group] < self._wanted), default=-1
            )
        for number, (tile, group) in enumerate(self._order[: last + 1]):
            if tile not in decoders:
                decoders[tile] = self._tile_decoder(self._tiles[tile])
            self._guarded(number, partial(self._read_planes, number, decoders[tile], group))
        alpha = self._read_alpha() if self._with_alpha else None
        if self._wanted == self._bounds[-1] and self._with_alpha == self._header.has_alpha:
            self._guarded(len(self._order) + len(self._tiles) * self._header.has_alpha, self._expect_end)
        values = np.zeros((self._wanted, *self._grid), np.int32)
        for tile, decoder in decoders.items():
            self._tiles[tile].cut(values)[...] = decoder.values()
        return self._latent(values, alpha)

    def _check_number(self, num_groups: int) -> None:
        """Refuse a layout of more segments than there are bytes, before anything is made for them."""
        side = 1 << (self._header.tile_log2 or 0)
        num_tiles = prod(-(-n // side) for n in self._grid) if self._header.tile_log2 else 1
        if num_tiles > 1 and self._joined:
            raise CorruptStreamError(f"the file has {num_tiles} tiles in a layout for one")
        # Whoever wants few channels may hold the head of the file only.
        wanted_groups = 1 if self._is_part else num_groups + self._header.has_alpha
        num_segments = num_tiles * wanted_groups if self._grid[1] else 0
        remaining = self._source.remaining()
        if num_tiles > _MAX_TILES or (
            remaining is not None and not self._allow_partial and num_segments * (1 if self._joined else 2) > remaining
        ):
            raise TruncatedError(
                f"the file claims {num_segments} segments and has {remaining} bytes left for them; copy it again"
            )

    def _segment_starts(self) -> list[int] | None:
        """Where each segment begins and the last ends, from the index."""
        index = self._header.index
        if index is None:
            return None
        starts = list(accumulate(index, initial=self._source.position))
        remaining = self._source.remaining()
        if len(index) != len(self._order) + len(self._tiles) * self._header.has_alpha or starts[-1] >= 1 << 63:
            raise CorruptStreamError(f"the index lists {len(index)} segments, the layout has another number")
        may_be_cut = self._allow_partial or self._is_part
        if remaining is not None and not may_be_cut and starts[-1] - starts[0] > remaining:
            raise TruncatedError(f"the index lists {starts[-1] - starts[0]} bytes, the file has {remaining} left")
        return starts

    def _tile_decoder(self, tile: Tile) -> TileDecoder:
        capacity = next(e for e in self._bounds if e >= self._wanted)
        shape = (capacity, tile.bottom - tile.top, tile.right - tile.left)
        return TileDecoder(self._wanted, shape, self._rules, self._header.profile)

    def _read_planes(self, number: int, decoder: TileDecoder, group: int) -> None:
        allow_cut = self._allow_partial and self._joined
        was_intact, decoder.is_intact = decoder.is_intact, False  # until this group is read
        segment = read_segment(self._source, number, with_channels=True, allow_cut=allow_cut)
        if not was_intact:
            raise CorruptStreamError("it needs an earlier group of its tile, which is damaged")
        bounds = self._bounds if self._joined else self._bounds[group : group + 2]
        if bounds[0] < self._wanted:
            decoder.read(segment, Span(bounds))
        decoder.is_intact = True

    def _read_alpha(self) -> NDArray[Any]:
        """The alpha plane, opaque where it cannot be read."""
        dtype = np.dtype(self._form.sample_type)
        largest = int(np.iinfo(dtype).max)
        alpha = np.full(self._header.shape, largest, np.int32)
        for i, tile in enumerate(self._tiles):
            area = tile.pixels(self._model.tree.factor, self._header.shape).cut(alpha)
            number = len(self._order) + i
            self._guarded(number, partial(self._read_alpha_tile, number, area))
        return alpha.astype(dtype)

    def _read_alpha_tile(self, number: int, area: NDArray[Any]) -> None:
        segment = read_segment(self._source, number, with_channels=False)
        height, width = area.shape
        plane = decode_plane(segment, height, width, self._model.contexts.static_tables)
        largest = np.iinfo(self._form.sample_type).max
        if plane.min() < 0 or plane.max() > largest:
            raise CorruptStreamError(f"alpha runs from {plane.min()} to {plane.max()}; allowed is 0 to {largest}")
        area[...] = plane

    def _expect_end(self) -> None:
        if self._source.read_up_to(1):
            raise CorruptStreamError(f"bytes follow the last segment at byte {self._source.position - 1}")

    def _guarded(self, number: int, read: Callable[[], None]) -> None:
        """Run a read; where partial results are allowed, note its error and go on with the next segment."""
        try:
            if self._starts is not None and self._source.position != self._starts[number]:
                if not self._allow_partial:
                    raise CorruptStreamError(f"segment {number} is not where the index says")
                self._source.seek(self._starts[number])
            read()
        except BitstreamError as err:
            if not self._allow_partial:
                raise
            self._damage.append(f"segment {number}: {err}")

    def _latent(self, values: NDArray[np.int32], alpha: NDArray[Any] | None) -> Latent:
        header = self._header
        return Latent(
            values=values,
            step_code=header.step_code,
            fingerprint=header.fingerprint,
            shrink=self._model.shrink_of(header.step_code, len(values)),
            size=header.shape,
            sample_type=self._form.sample_type,
            unit=self._model.unit,
            sample_rate=header.sample_rate,
            alpha=alpha,
            metadata=header.metadata,
            damage=tuple(self._damage),
        )
