"""Signals of files at one size, as arrays and tensors that fit in batches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import (
    choice_argument,
    positive_number_argument,
    settle_arguments,
    typed_argument,
    whole_number_argument,
)
from laconic.codecs.errors import CodecError, missing_torch_error
from laconic.codecs.files import read_image, read_sound
from laconic.codecs.form import MediaKind, num_colors
from laconic.codecs.formats.bit_depths import UNUSED, BitDepth, check_bit_depth
from laconic.codecs.media import Audio, Image
from laconic.codecs.notes import collect_notes, note
from laconic.codecs.pictures.lanczos import lanczos_square

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped
    from torch import Tensor

_DEVIATION = 64  # about that of photographs, of 255
FULL_SCALE = 255 / _DEVIATION  # of pictures as arrays: what white is more than black
_MAX_SIDE = 1 << 14
_MAX_RATE_HZ = 768_000
_MAX_SECONDS = 86_400
_MOST_SOUND_CHANNELS = 2
_KINDS: tuple[MediaKind, ...] = ("image", "sound")
_MAX_SOUND_SAMPLES = 1 << 28


@dataclass(frozen=True)
class Framing:
    """What a signal is cut to, so that signals fit in one batch; None keeps what the file has.

    Pictures: shorter side resized to `size` pixels (Lanczos), then the square of `crop` pixels from the centre, by default
    of `size`; without `size`, this square as it is in the file. 8 bits of the `bit_depth` of 16-bit ones, 0 for what each
    file says or its largest colour needs. Sound: mixed to mono, or with `sound_channels` 2 kept in
    stereo, of which both are the same where the file has one; resampled to `sample_rate_hz` and cut or filled with silence
    to `seconds`. Raises `CodecError` for values outside.
    """

    size: int | None = None
    sample_rate_hz: int | None = None
    seconds: float | None = None
    bit_depth: int = 0
    crop: int | None = None
    sound_channels: int = 1

    def __post_init__(self) -> None:
        if self.size is not None:
            settle_arguments(self, size=whole_number_argument("size", self.size, 1, _MAX_SIDE))
        if self.crop is not None:
            settle_arguments(self, crop=whole_number_argument("crop", self.crop, 1, self.size or _MAX_SIDE))
        if self.sample_rate_hz is not None:
            settle_arguments(
                self, sample_rate_hz=whole_number_argument("sample_rate_hz", self.sample_rate_hz, 1, _MAX_RATE_HZ)
            )
        if self.seconds is not None:
            settle_arguments(self, seconds=positive_number_argument("seconds", self.seconds, highest=_MAX_SECONDS))
        settle_arguments(
            self, sound_channels=whole_number_argument("sound_channels", self.sound_channels, 1, _MOST_SOUND_CHANNELS)
        )
        settle_arguments(self, bit_depth=whole_number_argument("bit_depth", self.bit_depth, 0))
        if self.bit_depth:
            check_bit_depth("uint16", self.bit_depth)


def read_signal(
    path: Path | str | BinaryIO, kind: MediaKind, framing: Framing, *, model: str | None = None, series: BitDepth = 0
) -> Image | Audio:
    """A file, by its path or open, as RGB picture or mono sound of the wanted size; alpha and metadata are dropped, turned
    pictures upright.

    `series`: who is asked for the bit depth where neither framing nor file say it.
    Raises `OSError`, `BitstreamError` or `CodecError`.
    """
    kind = choice_argument("kind", kind, _KINDS)
    typed_argument("framing", framing, Framing, "a Framing")
    if kind == "sound":
        return framed(read_sound(path, model=model), framing)
    with collect_notes() as notes:
        image = read_image(path, model=model, bit_depth=framing.bit_depth or series)
    for sentence in notes:
        if sentence != UNUSED:  # a framing is for pictures of any depth
            note(sentence)
    return framed(image, framing)


def framed(signal: Image | Audio, framing: Framing) -> Image | Audio:
    """A signal in memory as `read_signal` gives that of a file. Raises `CodecError`."""
    typed_argument("the signal", signal, (Image, Audio), "an Image or Audio")
    typed_argument("framing", framing, Framing, "a Framing")
    return _framed_sound(signal, framing) if isinstance(signal, Audio) else _framed_picture(signal, framing)


def _framed_picture(image: Image, framing: Framing) -> Image:
    if image.is_deep:
        deep = image.samples[:, :, : num_colors(image)].astype(np.uint32)
        image = Image(((deep * 255 + image.peak // 2) // image.peak).astype(np.uint8), image.metadata)
    upright = image.upright()
    colors = upright.samples[:, :, : num_colors(upright)].astype(np.uint8, copy=False)
    rgb = np.broadcast_to(colors, (*colors.shape[:2], 3))
    size, crop = framing.size, framing.crop or framing.size
    height, width = rgb.shape[:2]
    if size is not None and crop is not None:
        return Image(lanczos_square(np.ascontiguousarray(rgb), min(height, width) * (crop / size), crop))
    if crop is not None:
        if crop > min(height, width):
            raise CodecError(
                f"the picture has {width} x {height} pixels, crop is {crop}; allowed is no more than its shorter side: "
                "give a size that pictures are resized to before"
            )
        left, top = (width - crop) // 2, (height - crop) // 2
        rgb = rgb[top : top + crop, left : left + crop]
    return Image(np.array(rgb))


def _framed_sound(sound: Audio, framing: Framing) -> Audio:
    samples = _mixed_sound(sound, framing.sound_channels)
    if framing.seconds is not None:  # what comes later cannot matter
        samples = samples[:, : math.ceil(framing.seconds * sound.sample_rate)]
    rate = framing.sample_rate_hz or sound.sample_rate
    if rate != sound.sample_rate:
        samples = np.stack([resampled_for_framing(channel, sound.sample_rate, rate) for channel in samples])
    if framing.seconds is not None:
        length = round(framing.seconds * rate)
        if not 1 <= length <= _MAX_SOUND_SAMPLES:
            raise CodecError(f"{framing.seconds} s at {rate} Hz are {length} samples; allowed is 1 to 2**28")
        samples = np.pad(samples[:, :length], ((0, 0), (0, max(length - samples.shape[1], 0))))
    return Audio(np.ascontiguousarray(samples), rate)


def _mixed_sound(sound: Audio, num_channels: int) -> Float[NDArray[np.float32], "channels t"]:
    """Raises `CodecError` for a sound of more than two channels where two are wanted."""
    if num_channels == 1:
        mixed: Float[NDArray[np.float32], "channels t"] = sound.samples.mean(axis=0, dtype=np.float32, keepdims=True)
        return mixed
    if len(sound.samples) > num_channels:
        raise CodecError(
            f"the sound has {len(sound.samples)} channels, sound_channels is {num_channels}; allowed are files of no more, "
            "or 1"
        )
    return np.broadcast_to(sound.samples.astype(np.float32), (num_channels, sound.samples.shape[1]))


def resampled_for_framing(
    samples: Float[NDArray[np.float32], " t"], rate_hz: int, new_rate_hz: int
) -> Float[NDArray[np.float32], " resampled"]:
    """The same sound at another rate: its spectrum cut or extended, after a mirrored copy that joins the ends."""
    if rate_hz == new_rate_hz or not len(samples):
        return samples
    divisor = math.gcd(rate_hz, new_rate_hz)
    block, new_block = rate_hz // divisor, new_rate_hz // divisor
    # Lengths before and after are whole blocks, and a product of small factors, which the transform is fast for.
    num_blocks = _smooth(-(-len(samples) // block))
    held = np.pad(samples, (0, num_blocks * block - len(samples)), mode="edge")
    length = num_blocks * new_block
    spectrum = np.fft.rfft(np.concatenate([held, held[::-1]]).astype(np.float64))[: length + 1]
    out = np.fft.irfft(spectrum, 2 * length) * (new_block / block)
    return np.ascontiguousarray(out[: -(-len(samples) * new_block // block)], np.float32)


def _smooth(count: int) -> int:
    """The next power of two or three times a power of two."""
    power = 1 << (count - 1).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= count else power


def framed_array(signal: Image | Audio) -> Float[NDArray[np.float32], "c h w"]:
    """(3, h, w) of a picture, (1, 1, t) of a sound, scaled to a deviation near 1 by constants."""
    if isinstance(signal, Audio):
        return signal.samples[None] * np.float32(8)  # speech and everyday sounds have an RMS around 1/8
    planes = np.ascontiguousarray(np.moveaxis(signal.samples, -1, 0), np.float32)
    planes -= np.float32(127.5)
    planes /= np.float32(_DEVIATION)
    return planes


def framed_tensor(array: Shaped[NDArray[Any], "*shape"]) -> Shaped[Tensor, "*shape"]:
    """The same memory as a tensor. Raises `MissingDependencyError`."""
    missing_torch_error("training")
    from torch import from_numpy

    return from_numpy(array)
