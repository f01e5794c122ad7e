"""Training signals: pictures without the traces of their own codec, sounds channel by channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from laconic.codecs.media import Audio, Cube, Image

_REDUCTION = 1.6  # JPEG's 8x8 blocks become 5x5 and lose their edges
_MIN_SIDE = 96
_MAX_SHIFT = 8


def training_images(paths: Sequence[Path], *, num_planes: int, seed: int = 0) -> Iterator[Image]:
    """Pictures to fit to, as grey (1) or RGB (3), alpha dropped.

    A JPEG is reduced by 1.6, or, where it is too small for that, shifted by a random 1 to 7 pixels both ways, or its
    8x8 grid would become the model's. Raises what opening a picture raises.
    """
    from PIL import Image as PillowImage

    random = np.random.default_rng(seed)
    for path in paths:
        with PillowImage.open(path) as picture:
            is_jpeg = picture.format == "JPEG"
            flat = picture.convert("L" if num_planes == 1 else "RGB")
        if is_jpeg:
            reduced = (round(flat.width / _REDUCTION), round(flat.height / _REDUCTION))
            if min(reduced) >= _MIN_SIDE:
                flat = flat.resize(reduced, PillowImage.Resampling.LANCZOS)
            elif min(flat.size) > _MAX_SHIFT:
                x, y = random.integers(1, _MAX_SHIFT, 2)
                flat = flat.crop((int(x), int(y), flat.width, flat.height))
        # Whole blocks only: extension would add symmetric detail that photographs do not have.
        flat = flat.crop((0, 0, max(flat.width // 8 * 8, 1), max(flat.height // 8 * 8, 1)))
        yield Image.from_pillow(flat)


def training_sounds(paths: Sequence[Path], *, num_channels: int, max_seconds: float = 60.0) -> Iterator[Audio]:
    """Sounds to fit to, the first `max_seconds` of each: with one channel, every channel of a file on its own; else
    only the files with so many. Raises what reading a sound raises.
    """
    from laconic.codecs.files import read_sound

    for path in paths:
        audio = read_sound(path)
        samples = audio.samples[:, : int(max_seconds * audio.sample_rate)]
        if num_channels == 1:
            yield from (Audio(np.ascontiguousarray(channel[None]), audio.sample_rate) for channel in samples)
        elif len(samples) == num_channels:
            yield Audio(np.ascontiguousarray(samples), audio.sample_rate)


def training_cubes(paths: Sequence[Path], *, array: str | None = None) -> Iterator[Cube]:
    """Cubes to fit to, of any format that `read_signal` takes as a cube, which `array` is for. Raises what reading one
    raises."""
    from laconic.codecs.files import read_signal

    for path in paths:
        signal = read_signal(path, kind="cube", array=array)
        assert isinstance(signal, Cube)
        yield signal
