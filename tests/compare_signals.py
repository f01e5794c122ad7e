"""What a file holds by its peer's own decode (Pillow, soundfile), and how a decode of ours differs from it.

Pixels are compared upright and with colours multiplied by alpha, at the quality `QUALITY`, whose error has bounds that do
not depend on the content. Each difference is a `Difference`: of a kind, and in words.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import ExifTags, ImageCms, ImageOps
from PIL import Image as PillowImage

from laconic.codecs.formats.pillow_pixels import LAYOUT_TAGS

QUALITY = 90
# Of white noise, which is the worst case, quality 90 keeps 45.9 dB of pictures and 50.9 dB of sounds.
_MIN_PICTURE_DB, _MIN_SOUND_DB = 42.0, 44.0  # some less, for signals of a few samples
_MAX_PIXEL_ERROR = 20 / 255
_MAX_SHIFT = 1.5 / 255  # of a channel's mean
_MAX_LEVEL_GAP_DB = 20.0  # channels that differ by less share a level
_BLOCK_SAMPLES = 1 << 16
_MAX_LAG_SAMPLES = 1 << 16
_ORIENTATION = ExifTags.Base.Orientation
_OTHER_BLOCKS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
# What a note has to speak of to have said a difference.
_SAID = {
    "pixels": r"CMYK|viewers show them dark",
    "icc": r"ICC|profile|metadata",
    "exif": r"EXIF|metadata",
    "frames": r"frames? was|pages? was|first frame|first of",
    "depth": r"bits a colour",
    "samples": r"clipp|stream|link|bits",
    "length": r"stream|link|ends|samples|size",
}


@dataclass(frozen=True)
class Difference:
    """Between a file and its decode: `kind` is one of those of `_SAID`, or of those that no note excuses."""

    kind: str
    text: str

    def is_said(self, notes: Sequence[str]) -> bool:
        """Whether one of the notes tells it."""
        pattern = _SAID.get(self.kind)
        return pattern is not None and any(re.search(pattern, note) for note in notes)


@dataclass(frozen=True)
class Picture:
    """Upright pixels (h, w, 4), RGB and alpha from 0 to 1, and what stands beside them. `is_deep`: above 8 bits."""

    pixels: NDArray[np.float32]
    icc: bytes
    exif: dict[int, str]
    num_frames: int
    is_deep: bool


@dataclass(frozen=True)
class Sound:
    """Samples (channels, t), full scale -1 to 1."""

    samples: NDArray[np.float64]
    rate_hz: int


def read_peer(path: Path) -> Picture | Sound | None:
    """The file as the peer decodes it; None where neither reads it."""
    with suppress(Exception):  # each of Pillow's readers has its own
        return read_picture(path)
    with suppress(soundfile.SoundFileError, ValueError):
        return read_sound(path)
    return None


def read_picture(path: Path) -> Picture:
    """By Pillow. Raises what Pillow raises."""
    with PillowImage.open(path) as opened:
        opened.load()
        num_frames = 1 if opened.format == "PSD" else _num_frames(opened)
        exif = _exif(opened)
        picture = ImageOps.exif_transpose(opened)
    is_deep = picture.mode.startswith("I")
    icc = picture.info.get("icc_profile") or b""
    return Picture(_pixels(picture), bytes(icc), exif, num_frames, is_deep)


def read_sound(path: Path) -> Sound:
    """By soundfile, in blocks, as the number of samples need not be known; without seeking, which fails at such an end."""
    with soundfile.SoundFile(io.BytesIO(path.read_bytes())) as file:  # by its content: a name in .raw wants more
        file.seekable = lambda: False
        blocks = [np.zeros((0, file.channels))]
        while len(block := file.read(_BLOCK_SAMPLES, always_2d=True)):
            blocks.append(block)
        return Sound(np.concatenate(blocks).T, file.samplerate)


def differences(expected: Picture | Sound, found: Picture | Sound) -> Iterator[Difference]:
    """All that a decode lacks or has otherwise."""
    if isinstance(expected, Picture) and isinstance(found, Picture):
        yield from _picture_differences(expected, found)
    elif isinstance(expected, Sound) and isinstance(found, Sound):
        yield from _sound_differences(expected, found)
    else:
        yield Difference("signal", f"a {type(expected).__name__} became a {type(found).__name__}")


def _picture_differences(expected: Picture, found: Picture) -> Iterator[Difference]:
    if expected.pixels.shape != found.pixels.shape:
        yield Difference("size", f"{_size(expected)} became {_size(found)}")
        return
    yield from _pixel_differences(expected.pixels, found.pixels)
    if expected.icc != found.icc:
        yield Difference("icc", f"an ICC profile of {len(expected.icc)} bytes became one of {len(found.icc)}")
    if wrong := sorted(tag for tag, value in expected.exif.items() if found.exif.get(tag) != value):
        yield Difference("exif", f"EXIF tags {wrong[:8]} are lost or others")
    if expected.num_frames > 1:
        yield Difference("frames", f"{expected.num_frames} frames became 1")


def _pixel_differences(expected: NDArray[np.float32], found: NDArray[np.float32]) -> Iterator[Difference]:
    alpha = found[:, :, 3] - expected[:, :, 3]
    if np.abs(alpha).max() > _MAX_PIXEL_ERROR:
        yield Difference("alpha", f"alpha is wrong by up to {255 * np.abs(alpha).max():.0f} of 255")
        return
    error = found[:, :, :3] * found[:, :, 3:] - expected[:, :, :3] * expected[:, :, 3:]
    psnr_db = -10 * np.log10(max(float(np.mean(np.square(error, dtype=np.float64))), 1e-12))
    largest, shift = np.abs(error).max(), np.abs(error.mean(axis=(0, 1), dtype=np.float64)).max()
    if psnr_db < _MIN_PICTURE_DB or largest > _MAX_PIXEL_ERROR or shift > _MAX_SHIFT:
        text = f"PSNR {psnr_db:.1f} dB, largest error {255 * largest:.0f}, shift {255 * shift:.1f} of 255"
        yield Difference("pixels", text)


def _sound_differences(expected: Sound, found: Sound) -> Iterator[Difference]:
    if expected.rate_hz != found.rate_hz:
        yield Difference("rate", f"{expected.rate_hz} Hz became {found.rate_hz} Hz")
    if len(expected.samples) != len(found.samples):
        yield Difference("channels", f"{len(expected.samples)} channels became {len(found.samples)}")
        return
    length = min(expected.samples.shape[1], found.samples.shape[1])
    if length < expected.samples.shape[1]:
        yield Difference("length", f"{expected.samples.shape[1]} samples became {length}")
    if length:  # what is beyond the peer's end the peer has not read
        yield from _sample_differences(expected.samples[:, :length], found.samples[:, :length])


def _sample_differences(expected: NDArray[np.float64], found: NDArray[np.float64]) -> Iterator[Difference]:
    energy, error = np.mean(expected**2, axis=1), np.mean((found - expected) ** 2, axis=1)
    level = np.maximum(energy, energy.max() * 10 ** (-_MAX_LEVEL_GAP_DB / 10))
    rounding = 2.0**-30 / 12  # of 16 bits
    for channel in np.flatnonzero(error > level * 10 ** (-_MIN_SOUND_DB / 10) + rounding):
        snr_db = 10 * np.log10(max(energy[channel], 1e-30) / error[channel])
        lag = _lag(expected[channel], found[channel])
        yield Difference("samples", f"channel {channel} has SNR {snr_db:.1f} dB, and is best at a lag of {lag}")


def _lag(expected: NDArray[np.float64], found: NDArray[np.float64]) -> int:
    """Samples by which the second is later, by the largest correlation."""
    size = 2 * min(len(expected), _MAX_LAG_SAMPLES)
    spectra = [np.fft.rfft(samples[: size // 2], size) for samples in (expected, found)]
    best = int(np.argmax(np.fft.irfft(np.conj(spectra[0]) * spectra[1], size)))
    return best - size if best > size // 2 else best


def _num_frames(picture: PillowImage.Image) -> int:
    try:
        return int(getattr(picture, "n_frames", 1))
    except Exception:  # damage after the first
        return 1


def _exif(picture: PillowImage.Image) -> dict[int, str]:
    """Values of the tags, in words, without those that lay out a file and the orientation, which pixels show."""
    try:
        exif = picture.getexif()
        tags: dict[int, Any] = dict(exif)
        for block in _OTHER_BLOCKS:
            tags |= {block << 16 | tag: value for tag, value in exif.get_ifd(block).items()}
    except Exception:  # damaged blocks raise nearly anything
        return {}
    left_out = {*LAYOUT_TAGS, _ORIENTATION, *_OTHER_BLOCKS}
    return {tag: _words(value) for tag, value in tags.items() if tag not in left_out}


def _words(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, float) and value.is_integer():  # writers choose the type of a number
        value = int(value)
    return str(value).rstrip("\0 ")


def _pixels(picture: PillowImage.Image) -> NDArray[np.float32]:
    if picture.mode.startswith("I"):
        return _grey_pixels(np.asarray(picture), picture.info.get("transparency"))
    if picture.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        picture = ImageCms.profileToProfile(picture, *profiles, outputMode="RGB")
    elif picture.mode in ("CMYK", "YCbCr", "HSV"):
        picture = picture.convert("RGB")
    elif picture.mode == "F":
        return _grey_pixels(np.asarray(picture) * 257, None)
    return np.asarray(picture.convert("RGBA"), np.float32) / 255


def _grey_pixels(grey: NDArray[Any], key: Any) -> NDArray[np.float32]:
    """16-bit grey, with a transparent value where `key` is one."""
    planes = [grey / np.float32(65535)] * 3
    alpha = np.ones(grey.shape, np.float32) if key is None else (grey != key).astype(np.float32)
    return np.stack([*planes, alpha], axis=2).astype(np.float32)


def _size(picture: Picture) -> str:
    height, width, _ = picture.pixels.shape
    return f"{width}x{height}"
