"""Lines of text as scans of receipts show them: printed in a font, faded, turned, blurred, noisy, cut out, kept as JPEG."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFilter, ImageFont

LINE_HEIGHT = 32  # pixels
_MARGIN = 0.08  # of its height, above and below an annotated line
_MOST_ASPECT = 40
_ROOM = 12  # pixels around a text while it is turned and blurred
_TEST_LETTERS = "AWgp0"


def fonts_below(folders: Sequence[Path]) -> list[Path]:
    """Font files with Latin letters, upright and in their usual or bold weight, in the order of names."""
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.suffix.lower() in (".ttf", ".otf"))
    slanted = ("italic", "oblique", "slanted", "chorus", "cmex", "cmmi", "cmsy", "display", "math", "stixsiz", "nonuni")
    return [file for file in files if not any(word in file.name.lower() for word in slanted) and _has_latin(file)]


def _has_latin(file: Path) -> bool:
    try:
        font = ImageFont.truetype(str(file), 24)
        masks = [bytes(font.getmask(letter)) for letter in _TEST_LETTERS]
    except OSError:
        return False
    return len(set(masks)) == len(masks) and all(any(mask) for mask in masks)


def line_of_scan(picture: PillowImage.Image, box: tuple[int, int, int, int]) -> PillowImage.Image:
    """A line cut out by its box, (left, top, right, bottom), with a small margin, grey and 32 pixels high."""
    left, top, right, bottom = box
    margin = max(round((bottom - top) * _MARGIN), 1)
    area = (max(left - margin, 0), max(top - margin, 0))
    area += (min(right + margin, picture.width), min(bottom + margin, picture.height))
    return at_line_height(picture.convert("L").crop(area))


def at_line_height(line: PillowImage.Image) -> PillowImage.Image:
    """Scaled to 32 rows, and at least 8 columns."""
    width = round(line.width * LINE_HEIGHT / max(line.height, 1))
    width = min(max(width, 8), _MOST_ASPECT * LINE_HEIGHT)
    return line.resize((width, LINE_HEIGHT), PillowImage.Resampling.LANCZOS)


def printed_line(text: str, fonts: Sequence[Path], random: np.random.Generator) -> PillowImage.Image:
    """A grey picture, 32 pixels high, of a text in one of these fonts, as a scan has it."""
    ink = _ink(text, fonts[int(random.integers(len(fonts)))], random)
    ink = _turned(ink, random)
    left, top, right, bottom = _box_of_ink(ink, random)
    pixels = _scanned(np.asarray(ink, np.float32) / 255, random)[top:bottom, left:right]
    if random.random() < 0.15:
        pixels = _with_neighbour(pixels.copy(), random)
    line = PillowImage.fromarray(pixels.round().astype(np.uint8))
    if random.random() < 0.8:
        line = _as_jpeg(line, int(random.integers(25, 95)))
    return at_line_height(line)


@lru_cache(maxsize=512)
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)


def _ink(text: str, path: Path, random: np.random.Generator) -> PillowImage.Image:
    """White letters on black, of 10 to 34 pixels, some stretched, some far apart."""
    size = int(random.integers(14, 38))
    font = _font(path, size)
    spacing = float(random.choice([0, 0, 0, 1])) * float(random.uniform(0, 0.25)) * size
    advances = [font.getlength(letter) + spacing for letter in text] if spacing else []
    width = math.ceil(sum(advances) if spacing else font.getlength(text)) + 2 * _ROOM
    picture = PillowImage.new("L", (width, 2 * size + 2 * _ROOM), 0)
    draw = ImageDraw.Draw(picture)
    if not spacing:
        draw.text((_ROOM, _ROOM), text, font=font, fill=255)
    x = float(_ROOM)
    for letter, advance in zip(text, advances, strict=False):
        draw.text((x, _ROOM), letter, font=font, fill=255)
        x += advance
    stretch = float(np.exp(random.normal(-0.08, 0.22)))
    return picture.resize((max(round(width * stretch), 4), picture.height), PillowImage.Resampling.BICUBIC)


def _turned(ink: PillowImage.Image, random: np.random.Generator) -> PillowImage.Image:
    """Turned by a degree or so about its middle, and slanted a little."""
    angle, slant = math.radians(float(random.normal(0, 0.5))), float(random.normal(0, 0.04))
    # A long line leaves its row when turned; scans of receipts were cut out straight.
    angle = float(np.clip(angle, -3 / ink.width, 3 / ink.width))
    cx, cy = ink.width / 2, ink.height / 2
    matrix = (1.0, slant, -slant * cy, math.sin(angle), 1.0, -math.sin(angle) * cx)
    return ink.transform(ink.size, PillowImage.Transform.AFFINE, matrix, PillowImage.Resampling.BICUBIC)


def _scanned(ink: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Grey values 0 to 255 of ink 0 to 1: faded in places, thick or thin, blurred, noisy."""
    if random.random() < 0.35:
        ink = ink * _clouds(ink.shape, random)
    if random.random() < 0.25:  # rows that the head of a thermal printer missed
        ink = ink * (random.random(ink.shape[0]) > random.uniform(0, 0.15))[:, None]
    if random.random() < 0.3:
        ink = ink * (random.random(ink.shape) > random.uniform(0, 0.3))
    ink = _blurred(ink, float(random.uniform(0.2, 1.2)))
    if random.random() < 0.6:  # scanners raise the contrast: letters become thick or thin
        threshold, slope = random.uniform(0.2, 0.6), random.uniform(4, 16)
        ink = 1 / (1 + np.exp(-slope * (ink - threshold)))
        ink = (ink - ink.min()) / max(float(ink.max() - ink.min()), 1e-3)
    paper = random.uniform(200, 256)
    dark = paper - random.uniform(80, paper) if random.random() < 0.5 else random.uniform(0, 70)
    values = paper + (dark - paper) * ink
    if random.random() < 0.3:
        values = values - random.uniform(0, 40) * _clouds(ink.shape, random)
    values = values + random.normal(0, 1, ink.shape) * random.choice([0, 2, 5, 12])
    return np.asarray(np.clip(values, 0, 255), np.float32)


def _blurred(ink: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    picture = PillowImage.fromarray((np.clip(ink, 0, 1) * 255).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def _clouds(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    """Smooth values from about .3 to 1."""
    coarse = random.uniform(0.25, 1.3, (2, max(shape[1] // 24, 2))).clip(0.3, 1)
    picture = PillowImage.fromarray((coarse * 255).astype(np.uint8))
    return np.asarray(picture.resize((shape[1], shape[0]), PillowImage.Resampling.BICUBIC), np.float32) / 255


def _box_of_ink(ink: PillowImage.Image, random: np.random.Generator) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) with margins as annotators left them, or cut a little short."""
    left, top, right, bottom = ink.point(lambda value: 255 * (value > 80)).getbbox() or (0, 0, *ink.size)
    height = max(bottom - top, 6)
    before, above, after, below = (random.uniform(-0.03, 0.22, 4) * height).round().astype(int).tolist()
    if height < 10 or random.random() < 0.3:  # boxes of small letters and of marks reach as high as capitals do
        above += int(random.uniform(0.1, 0.5) * height)
    return max(left - before, 0), max(top - above, 0), min(right + after, ink.width), min(bottom + below, ink.height)


def _with_neighbour(pixels: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """A strip of the line above or below at the edge, which here is a strip of the line itself, moved."""
    row, count = int(random.integers(len(pixels) // 4, 3 * len(pixels) // 4)), int(random.integers(1, 4))
    strip = np.roll(pixels[row : row + count], int(random.integers(pixels.shape[1])), axis=1)
    place = slice(0, len(strip)) if random.random() < 0.5 else slice(len(pixels) - len(strip), None)
    pixels[place] = np.minimum(pixels[place], strip)
    return pixels


def _as_jpeg(line: PillowImage.Image, quality: int) -> PillowImage.Image:
    file = io.BytesIO()
    line.save(file, "JPEG", quality=quality)
    file.seek(0)
    return PillowImage.open(file).convert("L")
