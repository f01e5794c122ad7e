"""What callers in Python hold (arrays, tensors, Pillow images, pairs) -> signals."""

from __future__ import annotations

from numbers import Real
from typing import Any

from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError
from laconic.codecs.formats.bit_depths import note_found_bit_depth
from laconic.codecs.media import Audio, Cube, Image, Signal


def signal_of_value(picture: Any, bit_depth: int = 0) -> Signal:
    """The signal that is meant, as `files.encode` says. Raises `CodecError`."""
    if isinstance(picture, Image | Audio | Cube):
        if bit_depth:
            raise CodecError(
                f"bit_depth is for arrays and Pillow images, this is {type(picture).__name__}, which has its own"
            )
        return picture
    if isinstance(picture, tuple):
        return _sound_of_pair(picture)
    is_pillow = isinstance(picture, PillowImage.Image)
    image = (
        Image.from_pillow(picture, bit_depth=bit_depth) if is_pillow else Image.from_array(picture, bit_depth=bit_depth)
    )
    if image.is_deep and not bit_depth:
        note_found_bit_depth(image.bit_depth, image.bit_depth)
    return image


def _sound_of_pair(pair: tuple[Any, ...]) -> Audio:
    """The sound of (samples, rate), as soundfile, librosa and torchaudio give it, or (rate, samples), as scipy does."""
    rates: list[Any] = [one for one in pair if isinstance(one, Real)]
    if len(pair) != 2 or len(rates) != 1:
        raise CodecError(
            "a tuple is given; allowed is a sound as (samples, rate), an array and a number: make an array of it"
        )
    samples = pair[1] if isinstance(pair[0], Real) else pair[0]
    return Audio.from_array(samples, rates[0])
