"""A picture of a pack: samples of it, decoded small, in a grid, each with its class; of sounds, their spectrograms."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import typed_argument, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Image
from laconic.codecs.pictures.picture_decoder import SCALES
from laconic.codecs.threads import default_threads, threaded_map
from laconic.tasks.datasets.framing import Framing, framed
from laconic.tasks.datasets.pack_statistics import spaced_rows
from laconic.tasks.datasets.stored_samples import StoredSamples

if TYPE_CHECKING:
    from jaxtyping import Float, UInt
    from PIL import Image as PillowImage

THUMBNAIL_SIDE = 112
_GAP, _LABEL_HEIGHT, _FONT_SIZE = 6, 18, 12
_BACKGROUND, _INK, _DAMAGED = (250, 250, 250), (30, 30, 30), (215, 175, 175)
_MOST_SAMPLES = 1024
_NUM_FFT, _RANGE_DB = 512, 80.0
# From quiet to loud; lightness rises evenly, so that it reads in grey as well (after matplotlib's "magma").
_RAMP = np.array([(0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191)], np.float64)

Thumbnail = NDArray[np.uint8]


def contact_sheet(samples: StoredSamples, *, num_samples: int = 60, model: str | None = None) -> tuple[Image, int]:
    """A sheet of evenly spaced samples, and how many of them could not be decoded, which are left empty.

    Raises `CodecError` for the number.
    """
    typed_argument("samples", samples, StoredSamples, "the StoredSamples of a packed folder")
    rows = spaced_rows(len(samples), whole_number_argument("num_samples", num_samples, 1, _MOST_SAMPLES))
    with threaded_map(default_threads()) as run:
        thumbnails = list(run(partial(_thumbnail, samples, model), rows))
    titles = [samples.class_name(row) or samples.index.key[row] for row in rows]
    return _sheet(thumbnails, titles), sum(thumbnail is None for thumbnail in thumbnails)


def sound_thumbnail(sound: Audio) -> UInt[Thumbnail, "side side 3"]:
    """The spectrogram of a sound: time to the right, frequency in octaves upwards, 80 dB from quiet to loud."""
    samples = typed_argument("sound", sound, Audio, "an Audio").samples.mean(axis=0, dtype=np.float64)
    starts = np.linspace(0, max(len(samples) - _NUM_FFT, 0), THUMBNAIL_SIDE).astype(int)
    padded = np.pad(samples, (0, max(_NUM_FFT - len(samples), 0)))
    frames = np.stack([padded[start : start + _NUM_FFT] for start in starts]) * np.hanning(_NUM_FFT)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    bins = np.geomspace(1, _NUM_FFT // 2, THUMBNAIL_SIDE)
    level = 10 * np.log10(_between(power, bins) + 1e-12)
    loudness = np.clip((level - level.max()) / _RANGE_DB + 1, 0, 1) if level.max() > -110 else np.zeros_like(level)
    return _coloured(loudness.T[::-1])


def _thumbnail(samples: StoredSamples, model: str | None, row: int) -> Thumbnail | None:
    """A sample decoded small, as (side, side, 3); None for one that is damaged: the sheet is of the others."""
    try:
        data, codec = samples.lcn(row), Lcn(model=model)
        if samples.index.kind == "sound":
            sound = codec.decode(data)
            return sound_thumbnail(sound) if isinstance(sound, Audio) else None
        return np.asarray(framed(_small_picture(data, codec), Framing(size=THUMBNAIL_SIDE)).samples)
    except (ValueError, OSError):  # bad bytes and bad indices alike
        return None


def _small_picture(data: bytes, codec: Lcn) -> Image:
    """The picture at the coarsest scale that a thumbnail does not enlarge."""
    part = codec.open_area(data)
    side = min(part.shape[:2])
    for scale in sorted(SCALES, reverse=True):
        if side // scale >= THUMBNAIL_SIDE:
            try:
                return codec.decode_area(data, scale=scale)[0]
            except CodecError:  # a scale that its model does not have
                continue
    return part.image()


def _between(power: Float[NDArray[np.float64], "t f"], bins: Float[NDArray[np.float64], " n"]) -> NDArray[np.float64]:
    low = np.minimum(bins.astype(int), power.shape[1] - 2)
    share = bins - low
    between: NDArray[np.float64] = power[:, low] * (1 - share) + power[:, low + 1] * share
    return between


def _coloured(values: Float[NDArray[np.float64], "h w"]) -> Thumbnail:
    stops = np.linspace(0, 1, len(_RAMP))
    planes = [np.interp(values, stops, _RAMP[:, plane]) for plane in range(3)]
    return np.round(np.stack(planes, axis=-1)).astype(np.uint8)


def _sheet(thumbnails: list[Thumbnail | None], titles: list[str]) -> Image:
    from PIL import Image as PillowImage
    from PIL import ImageDraw, ImageFont

    columns = math.ceil(math.sqrt(len(thumbnails) * 1.4))
    rows = math.ceil(len(thumbnails) / columns)
    width, height = THUMBNAIL_SIDE + _GAP, THUMBNAIL_SIDE + _LABEL_HEIGHT + _GAP
    sheet = PillowImage.new("RGB", (columns * width + _GAP, rows * height + _GAP), _BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_SIZE)
    for i, (thumbnail, title) in enumerate(zip(thumbnails, titles, strict=True)):
        left, top = _GAP + i % columns * width, _GAP + i // columns * height
        sheet.paste(_tile(thumbnail), (left, top))
        if thumbnail is None:
            draw.text((left + _GAP, top + THUMBNAIL_SIDE // 2 - _FONT_SIZE), "damaged", fill=_INK, font=font)
        fitting = _fitting(title, lambda text: draw.textlength(text, font=font))
        draw.text((left, top + THUMBNAIL_SIDE + 1), fitting, fill=_INK, font=font)
    return Image(np.array(sheet))


def _tile(thumbnail: Thumbnail | None) -> PillowImage.Image:
    from PIL import Image as PillowImage

    if thumbnail is None:
        return PillowImage.new("RGB", (THUMBNAIL_SIDE, THUMBNAIL_SIDE), _DAMAGED)
    return PillowImage.fromarray(thumbnail)


def _fitting(title: str, length_of: Callable[[str], float]) -> str:
    """As much of a title as fits below a thumbnail; characters that are none to print become "?"."""
    text = "".join(letter if letter.isprintable() else "?" for letter in title[:80])
    if length_of(text) <= THUMBNAIL_SIDE:
        return text
    while text and length_of(text + "...") > THUMBNAIL_SIDE:
        text = text[:-1]
    return text + "..."
