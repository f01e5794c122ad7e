"""Part "stages" of the speed benchmark: each stage of our codec beside a copy of the bytes that it must read and write.

A copy moves half the bytes that a stage has to read and write at least, so it reads and writes as many. Integers count as
int16, of which a picture has as many as samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import common
import numpy as np
from mosaics import DataSet
from numpy.typing import NDArray
from speed_parts import PROFILES
from turns import in_turns

from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.packing.layout import LayoutTile
from laconic.codecs.packing.packer import Packer
from laconic.codecs.packing.segment_reader import SegmentReading
from laconic.codecs.packing.unpacker import Unpacker
from laconic.codecs.pictures.color_choice import with_chosen_colors
from laconic.codecs.plan import Plan, begun_tile, finished_tile
from laconic.codecs.transform.picture_rows import (
    UNTILED,
    PictureRows,
    PictureRowsPart,
    coefficients_of_rows,
    integers_of_rows,
    synthesize_picture_rows,
)
from laconic.entropy.tile_symbols import TileValues

SAMPLE_BYTES, INTEGER_BYTES, FLOAT_BYTES = 3, 6, 12  # of a pixel
Span = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Stages:
    """The stages of one picture, each a call without arguments; what it starts from is made beforehand."""

    image: Image
    codec: Lcn

    def integers(self) -> None:
        for span, numbers in self._spans:
            self._make_integers(span, [self._values[n] for n in numbers])

    def coefficients(self) -> None:
        for span, _ in self._spans:
            coefficients_of_rows(self._rows, span, self._plan.model, self._room(span), self._side)

    def pack(self) -> bytes:
        packed = []
        for _, numbers in self._spans:
            packed += self._packer.pack_tiles(
                numbers, [TileValues(self._values[n]) for n in numbers], [None] * len(numbers)
            )
        return self._packer.join(packed, {}).data

    def unpack(self) -> None:
        unpacker = Unpacker(self.file, SegmentReading())
        for _ in unpacker.values(range(len(unpacker.tiles)), dtype=np.int16):
            pass

    def synthesis(self) -> None:
        samples = self.image.samples
        part = PictureRowsPart(self._whole, (0, 0), samples.shape[:2], self._plan.step_code, self.image.peak)
        synthesize_picture_rows(part, self._plan.model, np.empty_like(samples), (0, 0))

    @cached_property
    def file(self) -> bytes:
        self.integers()
        return self.pack()

    def get_ready(self) -> None:
        """Make all that is kept. The file is the codec's own, or the benchmark is wrong."""
        if self.file != self.codec.encode(self.image):
            raise RuntimeError(
                "the stages give other bytes than the codec: bring them up to date with codecs/pictures/picture_encoder.py"
            )
        _ = self._whole

    @cached_property
    def _whole(self) -> NDArray[Any]:
        """As a decoder has them: without the channels that are 0 to the last."""
        unpacker = Unpacker(self.file, SegmentReading())
        values = np.zeros((unpacker.capacity, *unpacker.grid), np.int16)
        found = list(unpacker.values(range(len(unpacker.tiles)), dtype=np.int16))
        for tile, decoded in zip(unpacker.tiles, found, strict=True):
            tile.cut(values)[: decoded.num_used] = decoded.values[: decoded.num_used]
        return values[: max(decoded.num_used for decoded in found)]

    @cached_property
    def _plan(self) -> Plan:
        return with_chosen_colors(self.codec.plan_of(self.image), self._rows)

    @cached_property
    def _rows(self) -> PictureRows:
        return PictureRows(self.image.samples, 0, self.image.height, self.image.peak)

    @property
    def _side(self) -> int:
        return UNTILED if self._plan.layout.tile_log2 is None else 1 << self._plan.layout.tile_log2

    @cached_property
    def _packer(self) -> Packer:
        return Packer(self._plan, self._plan.model.num_channels)

    @cached_property
    def _spans(self) -> list[tuple[Span, list[int]]]:
        """Rows of tiles, one at a time, and the numbers of their tiles."""
        rows: dict[Span, list[int]] = {}
        for number, tile in enumerate(self._plan.tiles):
            rows.setdefault((tile.top, tile.bottom), []).append(number)
        return list(rows.items())

    @cached_property
    def _values(self) -> list[NDArray[Any]]:
        """Room for the integers of every tile."""
        return [np.zeros(self._shape(tile), self._plan.integer_type) for tile in self._plan.tiles]

    @cached_property
    def _scratch(self) -> list[NDArray[np.float32]]:
        """Room for the coefficients of a row of tiles."""
        return [np.zeros(self._shape(self._plan.tiles[n]), np.float32) for n in self._spans[0][1]]

    def _room(self, span: Span) -> list[NDArray[np.float32]]:
        """As much of it as a row needs."""
        height = span[1] - span[0]
        shapes = [(len(part), height, part.shape[2]) for part in self._scratch]
        parts = zip(self._scratch, shapes, strict=True)
        return [part.reshape(-1)[: prod(shape)].reshape(shape) for part, shape in parts]

    def _shape(self, tile: LayoutTile) -> tuple[int, int, int]:
        return self._plan.model.num_channels, tile.bottom - tile.top, tile.right - tile.left

    def _make_integers(self, span: Span, values: list[NDArray[Any]]) -> None:
        plan = self._plan
        if not plan.optimizes:
            integers_of_rows(self._rows, span, plan.model, plan.quantizer, values, self._side)
            return
        coefficients = self._room(span)
        coefficients_of_rows(self._rows, span, plan.model, coefficients, self._side)
        for tile, integers in zip(coefficients, values, strict=True):
            finished_tile(begun_tile(tile, integers, plan), plan, None)


def stage_rows(data: DataSet, num_rounds: int) -> list[common.Row]:
    """Rows "stage": nanoseconds per pixel; for "coefficients", which are part of "integers", not of profile fast."""
    tasks: dict[tuple[str, str, str], list[Callable[[], object]]] = {}
    floor_bytes: dict[tuple[str, str], float] = {}
    for label, make in PROFILES.items():
        pictures = [Stages(image, make()) for image in data.images]
        for one in pictures:
            one.get_ready()
        file_bytes = sum(len(one.file) for one in pictures) / (data.megapixels * 1e6)
        for name, moved in _stages(pictures[0].codec, file_bytes):
            tasks[label, name, "stage"] = [getattr(one, name) for one in pictures]
            tasks[label, name, "floor"] = [_copy(moved * image.height * image.width) for image in data.images]
            floor_bytes[label, name] = moved
    seconds = in_turns(tasks, num_rounds=num_rounds)
    per_pixel = 1e3 / data.megapixels
    rows = []
    for (label, name), moved in floor_bytes.items():
        stage, floor = seconds[label, name, "stage"], seconds[label, name, "floor"]
        row: common.Row = {"kind": "stage", "data": data.name, "label": label, "stage": name, "runs": stage.num_runs}
        row |= {"ns_per_pixel": stage.times(per_pixel, 3), "floor_ns_per_pixel": floor.times(per_pixel, 3)}
        rows.append(row | {"bytes_per_pixel": round(moved, 3), "over_floor": round(stage.median / floor.median, 1)})
    return rows


def _stages(codec: Lcn, file_bytes: float) -> Iterator[tuple[str, float]]:
    """Names of the stages, and bytes of a pixel that each must read and write."""
    yield "integers", SAMPLE_BYTES + INTEGER_BYTES
    if codec.profile != "fast":
        yield "coefficients", SAMPLE_BYTES + FLOAT_BYTES
    yield "pack", INTEGER_BYTES + file_bytes
    yield "unpack", file_bytes + INTEGER_BYTES
    yield "synthesis", INTEGER_BYTES + SAMPLE_BYTES


def _copy(num_bytes: float) -> Callable[[], object]:
    source = np.ones(int(num_bytes / 2), np.uint8)
    target = np.zeros_like(source)
    return lambda: np.copyto(target, source)
