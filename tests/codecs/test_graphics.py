"""Drawn pictures are told from photographs by some rows, whole or as they come."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from laconic.codecs.media import Audio, Image
from laconic.codecs.notes import collect_hints
from laconic.codecs.pictures.graphics import (
    RowsWatchedForGraphics,
    graphics_hint_for,
    is_drawn,
    rows_judged_for_graphics,
)

DATA = Path(__file__).parents[1] / "data"
SIZE = (320, 240)


def flat() -> PillowImage.Image:
    picture = PillowImage.new("RGB", SIZE, (230, 220, 200))
    draw = ImageDraw.Draw(picture)
    for i in range(12):
        draw.ellipse([25 * i, 15 * i, 25 * i + 60, 15 * i + 50], fill=(20 * i, 255 - 20 * i, 90))
    return picture


def text() -> PillowImage.Image:
    picture = PillowImage.new("L", SIZE, 255)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=12)
    for y in range(4, SIZE[1] - 16, 15):
        draw.text((4, y), f"{y} drawn letters with smooth edges, line after line", font=font, fill=0)
    return picture


def pixel_art() -> PillowImage.Image:
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (9, 3), dtype=np.uint8)
    return PillowImage.fromarray(colours[rng.integers(0, 9, (60, 80))].repeat(4, 0).repeat(4, 1))


def mask() -> PillowImage.Image:
    """Numbers of classes, one apart."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    return PillowImage.fromarray((x // 40 + y // 60).astype(np.uint8))


def photograph() -> PillowImage.Image:
    with PillowImage.open(DATA / "kodim05_crop.png") as picture:
        return picture.convert("RGB")


def cut_out() -> PillowImage.Image:
    """A photograph before a white ground, as shops show their goods."""
    picture = PillowImage.new("RGB", (400, 400), (255, 255, 255))
    picture.paste(photograph().resize((200, 200)), (100, 100))
    return picture


def noise() -> PillowImage.Image:
    return PillowImage.fromarray(np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8))


def ramp() -> PillowImage.Image:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    return PillowImage.fromarray(((x + y) // 3).astype(np.uint8))


def tiny() -> PillowImage.Image:
    return flat().crop((0, 0, 8, 8))


def empty() -> PillowImage.Image:
    return PillowImage.new("RGB", SIZE, (9, 9, 9))


def judged(picture: PillowImage.Image, *, bit_depth: int = 8) -> bool:
    samples = Image.from_pillow(picture).samples
    if bit_depth > 8:
        samples = (samples.astype(np.uint32) * ((1 << bit_depth) - 1) // 255).astype(np.uint16)
    return is_drawn(rows_judged_for_graphics(samples), bit_depth)


@pytest.mark.parametrize("make", [flat, text, pixel_art, mask])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_drawings_are_told(make, mode):
    assert judged(make().convert(mode))


@pytest.mark.parametrize("make", [photograph, cut_out, noise, ramp, tiny, empty])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_others_are_not(make, mode):
    assert not judged(make().convert(mode))


@pytest.mark.parametrize("make", [flat, text, pixel_art, mask, photograph, cut_out, noise, ramp])
@pytest.mark.parametrize("bit_depth", [12, 16])
def test_depth_does_not_matter(make, bit_depth):
    assert judged(make(), bit_depth=bit_depth) == judged(make())


@pytest.mark.parametrize("height", [1, 2, 9, 10, 11, 240])
@pytest.mark.parametrize("count", [1, 7, 240])
def test_rows_that_come_are_judged_as_the_whole(height, count):
    samples = np.random.default_rng(height).integers(0, 256, (height, 30, 3), dtype=np.uint8)

    class Rows:
        height, width = samples.shape[:2]
        at = 0

        def read_rows(self, number):
            self.at += number
            return samples[self.at - number : self.at]

    watched, tops = RowsWatchedForGraphics(Rows()), range(0, height, count)
    read = [watched.read_rows(min(count, height - top)) for top in tops]
    assert np.array_equal(np.concatenate(read), samples)
    assert np.array_equal(watched.judged, rows_judged_for_graphics(samples))


def test_the_hint_is_for_drawn_pictures_only():
    with collect_hints() as hints:
        graphics_hint_for(Image.from_pillow(photograph()))
        graphics_hint_for(Audio(np.zeros((1, 9), np.float32), 8000))
        assert hints == []
        graphics_hint_for(Image.from_pillow(flat()))
    assert hints == [
        "drawn, not photographed: a lossless format (png, webp) or avif would be smaller at the same quality"
    ]
