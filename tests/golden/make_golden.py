"""Write the golden files and packets: `python tests/golden/make_golden.py [--force [NAME]]`.

Golden files say what version 1 of the format and the shipped models are, and what packets are: their bytes never change.
So this script is run on purpose, never by a test; it adds the files that are missing and refuses to replace one without
`--force`, which is right only when the format or a shipped model changes; with NAME it replaces those with this in their
name, as in `--force _best`. `tests/test_golden.py` reads what it wrote.

Signals and arrays are computed in integers (no library's random numbers, no libm), or cut from `tests/data`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from laconic.codecs.fitting.closed_form import FitOptions, fit
from laconic.codecs.latent import Latent
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Cube, Image, Signal
from laconic.codecs.models.packet_tree import dyadic_tree, full_tree
from laconic.codecs.sound_metadata import SoundMetadata
from laconic.codecs.sounds.lossless_codec import LcnLossless
from laconic.entropy.packets import decode_array, encode_array
from laconic.entropy.tables import Table, TableSet, frequencies_of_counts

FOLDER = Path(__file__).parent / "v1"
PACKET_FOLDER = Path(__file__).parent / "packets"
LOSSLESS_FOLDER = Path(__file__).parent / "lossless"
MODEL_FOLDER = Path(__file__).parent / "models"  # of cubes, for which there are no shipped ones
TABLES = "tables.bin"
INDEX = "golden.json"
_DATA = Path(__file__).parents[1] / "data"
_PEAK = {8: 255, 16: 65535}


# Models of packets, which were the usual ones.
_MONO, _STEREO, _SPEECH = ({"model": name, "tune": "snr"} for name in ("mono", "stereo", "speech"))


@dataclass(frozen=True)
class Case:
    """One golden file: a signal, the options of the codec, and how many channels are kept (None: all). Of those that
    `chooses_colors`, the colours are the picture's own."""

    name: str
    signal: Callable[[], Signal]
    options: Mapping[str, Any] = field(default_factory=dict)
    channels: int | None = None
    chooses_colors: bool = False
    is_kept = True
    file_suffix = ".lcn"

    @property
    def codec(self) -> Lcn:
        return Lcn(
            **{k: str(MODEL_FOLDER / v) if str(v).endswith(".safetensors") else v for k, v in self.options.items()}
        )

    @property
    def expression(self) -> str:
        """The codec as one would write it, and what is kept or chosen."""
        call = f"Lcn({', '.join(f'{k}={v!r}' for k, v in self.options.items())})"
        if self.chooses_colors:
            return f"{call}, own colours"
        return call if self.channels is None else f"{call}, {self.channels} channels"

    def encode(self) -> bytes:
        """The file's bytes."""
        codec = self.codec
        if self.chooses_colors:
            return codec.encode(self.signal())
        latent = codec.analyze(self.signal())
        if self.channels is not None:
            kept = slice(0, self.channels)
            latent = dataclasses.replace(latent, values=latent.values[kept], shrink=latent.shrink[kept])
        return codec.pack(latent)


# Pictures


def _hashed(shape: tuple[int, ...], seed: int) -> NDArray[np.uint64]:
    """32 well mixed bits for each place: the finaliser of SplitMix64 (Steele et al. 2014), its upper half."""
    counter = np.arange(int(np.prod(shape)), dtype=np.uint64) + np.uint64(seed << 32)
    mixed = counter * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ mixed >> np.uint64(31)).reshape(shape) >> np.uint64(32)


def _samples(values: NDArray[Any], bits: int) -> NDArray[Any]:
    return values.astype(np.uint8 if bits == 8 else np.uint16)


def noise(h: int, w: int, c: int, *, bits: int = 8) -> Image:
    """White noise over the full range."""
    return Image(_samples(_hashed((h, w, c), seed=c) >> np.uint64(32 - bits), bits))


def ramp(h: int, w: int, c: int, *, bits: int = 8) -> Image:
    """Slopes of another direction in each channel with some noise; a last even channel fades from transparent on."""
    y, x, k = np.indices((h, w, c))
    slope = (y * (k + 1) * 5 + x * (3 - k) * 7) % 256 * 3 // 4
    values = slope + (_hashed((h, w, c), seed=9) % np.uint64(40)).astype(np.int64)
    if c in (2, 4):
        values[:, :, -1] = np.clip((x[:, :, 0] - w // 4) * 12, 0, 255)
    values = np.clip(values, 0, 255)
    return Image(_samples(values * 257 + values % 7 * (values < 255) if bits == 16 else values, bits))


def scanned(image: Image, bits: int) -> Image:
    """A picture of 16 bits with the colours of fewer, as scanners make them, in the same samples."""
    samples, c = image.samples.copy(), image.samples.shape[2]
    samples[:, :, : c - (c in (2, 4))] >>= np.uint16(16 - bits)
    return Image(samples, bit_depth=bits)


def flat(h: int, w: int, level: tuple[int, ...]) -> Image:
    """One colour."""
    return Image(np.broadcast_to(np.array(level, np.uint8), (h, w, len(level))).copy())


def checks(h: int, w: int, c: int) -> Image:
    """Black and white squares of 8 pixels: at a small step, coefficients and their residuals are as large as can be."""
    y, x, _ = np.indices((h, w, c))
    return Image(_samples((y // 8 + x // 8) % 2 * 255, 8))


def photo(h: int, w: int, *, grey: bool = False, top: int = 0, left: int = 0, metadata: Any = None) -> Image:
    """A piece of a photograph."""
    with PillowImage.open(_DATA / "kodim05_crop.png") as picture:
        rgb = np.asarray(picture.convert("RGB"))[top : top + h, left : left + w].astype(np.int64)
    values = (rgb @ np.array([[77], [150], [29]])) >> 8 if grey else rgb
    return Image(_samples(values, 8), metadata or {})


def tinted(h: int, w: int, *, bits: int = 8) -> Image:
    """A piece of a photograph in other colours, of which nearly all is between two."""
    rgb = photo(h, w).samples.astype(np.int64)
    values = np.stack([rgb[:, :, 1], rgb.sum(2) // 12 + 20, 255 - rgb[:, :, 0]], 2)
    return Image(_samples(values * 257 if bits == 16 else values, bits))


def see_through(h: int, w: int) -> Image:
    """One colour under noise as alpha: the alpha segment is long."""
    alpha = noise(h, w, 1).samples
    return Image(np.concatenate([flat(h, w, (200, 90, 30)).samples, alpha], axis=2))


def sound(
    channels: int,
    length: int,
    gains: Sequence[float] | None = None,
    rate: int = 44_100,
    metadata: SoundMetadata | None = None,
) -> Audio:
    """Triangles that are like each other in all channels, with noise that comes and goes."""
    t = np.arange(length, dtype=np.int64)
    rows = []
    for c in range(channels):
        waves = sum(np.abs((t * f + 900 * c) % 8192 - 4096) - 2048 for f in (40, 97, 301 + 55 * c))
        noise_values = (_hashed((length,), seed=40 + c) % np.uint64(2001)).astype(np.int64) - 1000
        rows.append((waves + noise_values * (t // 700 % 3)) / 32768)
    scaled = np.array(rows).reshape(channels, length) * np.array(gains or (1,) * channels)[:, None]
    return Audio(scaled.astype(np.float32), rate, metadata or SoundMetadata())


def cube(shape: tuple[int, ...], dtype: type, scale: float = 1, shift: float = 0) -> Cube:
    """Slopes with noise, other ones in each plane, 0 to 160 in units of `scale`."""
    indices = np.indices(shape)
    slope = sum(indices[axis] * (indices[0] * axis + 3) for axis in range(1, len(shape))) % 240
    values = np.abs(slope - 120) + (_hashed(shape, seed=70) % np.uint64(41)).astype(np.int64)
    return Cube((values * scale + shift).astype(dtype))


def unequal_cube(shape: tuple[int, ...]) -> Cube:
    """Planes of other units, the last of one value."""
    samples = cube(shape, np.float32).samples
    samples[0] = samples[0] * np.float32(2.0**-9) - 3
    samples[-1] = np.float32(0.1)
    return Cube(samples)


_METADATA = {"icc": b"not a real profile, but it stays as it is " * 9, "exif": b"Exif\x00\x00" + bytes(range(40))}
_TAGS = {"title": "Trägt: 24 bits", "artist": "nobody", "my own": "words " * 40}
_FAST = {"profile": "fast"}
_WHOLE = {"grouping": "whole"}
_TUNES = ("psnr", "machine", "eye")  # besides the default
_BEST = {"profile": "best"}
_PLANES = {"model": "planes.safetensors"}
_LINES = {"model": "lines.safetensors"}
_BY_TILE = {"progression": "tile"}

CASES = (
    # Sizes
    Case("rgb_1x1", lambda: flat(1, 1, (255, 128, 3))),
    Case("grey_1x1", lambda: flat(1, 1, (77,))),
    Case("rgba_1x1_transparent", lambda: flat(1, 1, (255, 128, 3, 0))),
    Case("rgb_1x7", lambda: ramp(1, 7, 3), {"quality": 90}),
    Case("rgb_7x1", lambda: ramp(7, 1, 3), {"quality": 90}),
    Case("grey_33x17", lambda: ramp(33, 17, 1)),
    Case("rgb_17x33_q5", lambda: ramp(17, 33, 3), {"quality": 5}),
    Case("rgb_17x33_q100", lambda: ramp(17, 33, 3), {"quality": 100}),
    Case("rgb_3x1100", lambda: ramp(3, 1100, 3), {"quality": 30}),
    Case("rgb_flat_1300x1100", lambda: flat(1300, 1100, (120, 121, 200))),
    # Samples
    Case("grey_alpha_19x23", lambda: ramp(19, 23, 2), {"quality": 70}),
    Case("rgb_alpha_24x40", lambda: ramp(24, 40, 4)),
    Case("rgb_alpha_long_96x72", lambda: see_through(96, 72)),
    Case("grey_16bit_21x30", lambda: ramp(21, 30, 1, bits=16), {"quality": 90}),
    Case("rgb_16bit_30x21", lambda: ramp(30, 21, 3, bits=16), {"quality": 75}),
    Case("rgb_alpha_16bit_18x26", lambda: ramp(18, 26, 4, bits=16), {"quality": 60}),
    Case("grey_12bit_21x30", lambda: scanned(ramp(21, 30, 1, bits=16), 12), {"quality": 90}),
    Case("rgb_10bit_tiled_70x90", lambda: scanned(ramp(70, 90, 3, bits=16), 10), {"quality": 30, "tile_log2": 3}),
    Case("rgb_alpha_9bit_18x26", lambda: scanned(ramp(18, 26, 4, bits=16), 9), {"quality": 60}),
    # Qualities and steps
    *(Case(f"rgb_photo_q{q}", lambda: photo(64, 96), {"quality": q}) for q in (5, 25, 50, 75, 95)),
    Case("grey_photo_q60", lambda: photo(64, 96, grey=True), {"quality": 60}),
    Case("rgb_photo_step255", lambda: photo(64, 96, top=50), {"step_code": 255}),
    Case("rgb_photo_step40", lambda: photo(40, 40, left=120), {"step_code": 40}),
    Case("grey_noise_step0", lambda: noise(32, 24, 1), {"step_code": 0}),
    Case("rgb_noise_step90", lambda: noise(56, 64, 3), {"step_code": 90}),
    Case("rgb_noise_whole_step90", lambda: noise(60, 66, 3), {"step_code": 90, "grouping": "whole"}),
    Case("rgb_noise_16bit_step0", lambda: noise(24, 24, 3, bits=16), {"step_code": 0}),
    Case("rgb_checks_step0", lambda: checks(64, 48, 3), {"step_code": 0}),
    # Layouts
    Case("rgb_photo_whole", lambda: photo(64, 96), _WHOLE),
    Case("rgb_photo_whole_q100", lambda: photo(64, 96, left=90), {"quality": 100, **_WHOLE}),
    Case("rgb_photo_tiled", lambda: photo(128, 150), {"quality": 40, "tile_log2": 3}),
    Case("rgb_photo_tiled_by_tile", lambda: photo(128, 150), {"quality": 40, "tile_log2": 3, **_BY_TILE}),
    Case("rgb_photo_tiled_whole", lambda: photo(128, 150), {"quality": 40, "tile_log2": 3, **_WHOLE, **_BY_TILE}),
    Case("grey_photo_tiled", lambda: photo(80, 70, grey=True), {"quality": 30, "tile_log2": 3}),
    Case("rgb_photo_one_tile", lambda: photo(50, 60), {"quality": 40, "tile_log2": 16, **_BY_TILE}),
    Case("rgb_alpha_tiled", lambda: ramp(90, 70, 4), {"quality": 20, "tile_log2": 3}),
    # Fewer channels
    *(Case(f"rgb_photo_{n}_channels", lambda: photo(64, 96), {"quality": 60}, n) for n in (3, 12, 20)),
    Case("rgb_photo_tiled_12_channels", lambda: photo(100, 80), {"tile_log2": 3}, 12),
    Case("grey_alpha_5_channels", lambda: ramp(30, 30, 2), {"quality": 80}, 5),
    # Static tables, and other efforts
    Case("rgb_photo_fast", lambda: photo(64, 96), _FAST),
    Case("rgb_photo_fast_whole_q90", lambda: photo(64, 96), {"quality": 90, **_FAST, **_WHOLE}),
    Case("grey_photo_fast_tiled", lambda: photo(80, 70, grey=True), {"quality": 30, "tile_log2": 3, **_FAST}),
    Case("rgb_noise_fast_step0", lambda: noise(24, 40, 3), {"step_code": 0, **_FAST}),
    Case("rgb_photo_fast_12_channels", lambda: photo(64, 96), _FAST, 12),
    Case("rgb_photo_fast_33x47", lambda: photo(33, 47), _FAST),
    Case("rgb_photo_33x47_q80", lambda: photo(33, 47, top=20), {"quality": 80}),
    *(Case(f"rgb_photo_effort_{n}", lambda: photo(64, 96), {"effort": n}) for n in (0, 2)),
    # Networks
    Case("rgb_best_1x1", lambda: flat(1, 1, (255, 128, 3)), _BEST),
    Case("rgb_best_1x7_q90", lambda: ramp(1, 7, 3), {"quality": 90, **_BEST}),
    Case("rgb_best_24x17", lambda: photo(24, 17), _BEST),
    Case("rgb_best_17x24_q95", lambda: photo(17, 24, top=90), {"quality": 95, **_BEST}),
    Case("rgb_best_24x24_q5_effort_0", lambda: photo(24, 24, left=60), {"quality": 5, "effort": 0, **_BEST}),
    Case("rgb_best_whole_24x24_q80", lambda: photo(24, 24, top=50), {"quality": 80, **_WHOLE, **_BEST}),
    Case("rgb_best_noise_step0", lambda: noise(16, 24, 3), {"step_code": 0, **_BEST}),
    Case("rgb_best_alpha_24x20", lambda: ramp(24, 20, 4), _BEST),
    Case("rgb_best_16bit_20x24_q75", lambda: ramp(20, 24, 3, bits=16), {"quality": 75, **_BEST}),
    Case("rgb_best_3x200_tiled", lambda: ramp(3, 200, 3), {"tile_log2": 3, **_BY_TILE, **_BEST}),
    Case("rgb_best_own_colours_66x64", lambda: tinted(66, 64), _BEST, chooses_colors=True),
    Case(
        "rgb_best_own_colours_16bit_64x80_q85",
        lambda: tinted(64, 80, bits=16),
        {"quality": 85, "tile_log2": 3, **_BEST},
        chooses_colors=True,
    ),
    *(Case(f"rgb_best_{n}_channels", lambda: photo(24, 24), {"quality": 80, **_BEST}, n) for n in (3, 16)),
    Case("grey_best_24x17", lambda: photo(24, 17, grey=True), _BEST),
    Case("grey_best_9x17_q90", lambda: ramp(9, 17, 1), {"quality": 90, **_BEST}),
    Case("rgb_best_small_33x47", lambda: photo(33, 47), {"model": "rgb_best", "quality": 70}),
    Case("rgb_best_fast_33x47", lambda: photo(33, 47), {"model": "rgb_best", "quality": 70, **_FAST}),
    # Sections
    *(Case(f"rgb_photo_tune_{t}", lambda: photo(64, 96), {"tune": t, "quality": 40}) for t in _TUNES),
    *(Case(f"rgb_photo_fast_tune_{t}", lambda: photo(48, 64), {"tune": t, **_FAST}) for t in _TUNES),
    *(Case(f"rgb_best_24x40_tune_{t}", lambda: photo(24, 40), {"tune": t, **_BEST}) for t in _TUNES),
    *(Case(f"grey_photo_tune_{t}", lambda: photo(40, 48, grey=True), {"tune": t}) for t in _TUNES),
    Case("grey_best_9x24_tune_machine", lambda: photo(9, 24, grey=True), {"tune": "machine", **_BEST}),
    Case("rgb_photo_tiled_tune_machine", lambda: photo(128, 150), {"quality": 30, "tile_log2": 3, "tune": "machine"}),
    Case("rgb_16bit_tune_machine", lambda: ramp(40, 41, 3, bits=16), {"quality": 30, "tune": "machine"}),
    Case("rgb_photo_20_channels_tune_eye", lambda: photo(64, 96), {"tune": "eye"}, 20),
    Case("rgb_metadata", lambda: photo(16, 24, metadata=_METADATA)),
    Case("grey_metadata_tiled", lambda: photo(90, 70, grey=True, metadata=_METADATA), {"quality": 20, "tile_log2": 3}),
    # Sounds
    Case("sound_empty", lambda: sound(1, 0), _MONO),
    Case("sound_1_sample", lambda: sound(2, 1), {**_STEREO, "quality": 90}),
    Case("sound_silence", lambda: sound(2, 3000, (0, 0)), _STEREO),
    Case("sound_speech", lambda: sound(1, 5001, rate=16_000), _SPEECH),
    Case("sound_speech_fast_q80", lambda: sound(1, 2500, rate=8000), {**_SPEECH, "quality": 80, **_FAST}),
    Case("sound_stereo", lambda: sound(2, 6000), _STEREO),
    Case("sound_mono_q100", lambda: sound(1, 1500), {**_MONO, "quality": 100}),
    Case("sound_tiled", lambda: sound(1, 40_000), {**_MONO, "quality": 20}),
    Case("sound_effort_0_step120", lambda: sound(2, 1100), {**_STEREO, "step_code": 120, "effort": 0}),
    Case("sound_quiet", lambda: sound(1, 4000, (2.0**-14,)), _MONO),
    Case("sound_loud", lambda: sound(2, 4000, (3e9, 2e9)), _STEREO),
    Case("sound_unequal", lambda: sound(2, 4000, (1, 2.0**-9)), _STEREO),
    Case("sound_6_channels", lambda: sound(6, 3000, (1, 1, 0.5, 0.01, 0, 0.9)), _MONO),
    Case(
        "sound_20_channels_by_group",
        lambda: sound(1, 4000),
        {**_MONO, "grouping": "channels", "progression": "group"},
        20,
    ),
    Case("sound_24_bits", lambda: sound(1, 3000, metadata=SoundMetadata("int24")), _MONO),
    Case("sound_5_1_side", lambda: sound(6, 1200, metadata=SoundMetadata("int16", 0x60F)), _MONO),
    Case("sound_tags", lambda: sound(2, 1000, metadata=SoundMetadata("float32", 0, _TAGS)), _STEREO),
    Case("sound_tags_short", lambda: sound(1, 300, metadata=SoundMetadata(None, 4, {"title": "Ω"})), _MONO),
    Case(
        "sound_speech_tune_machine",
        lambda: sound(1, 5001, rate=16_000),
        {"model": "speech", "quality": 20, "tune": "machine"},
    ),
    Case("sound_mdct_speech", lambda: sound(1, 5001, rate=16_000)),
    Case("sound_mdct_stereo", lambda: sound(2, 6000), {"quality": 30}),
    Case("sound_mdct_stereo_silence", lambda: sound(2, 5000, (0, 0))),
    Case("sound_mdct_6_channels_fast", lambda: sound(6, 3000, (1, 1, 0.5, 0.01, 0, 0.9)), {"quality": 70, **_FAST}),
    Case(
        "sound_mdct_tiled_tune_snr",
        lambda: sound(1, 40_000, rate=16_000),
        {"quality": 20, "tune": "snr", "tile_log2": 4},
    ),
    Case("sound_6_channels_tune_machine", lambda: sound(6, 3000), {"model": "mono", "quality": 30, "tune": "machine"}),
    # Cubes
    Case("cube_uint8", lambda: cube((3, 21, 18), np.uint8), _PLANES),
    Case("cube_uint16_q90", lambda: cube((3, 16, 30), np.uint16, 200), {"quality": 90, **_PLANES}),
    Case("cube_int16", lambda: cube((3, 33, 12), np.int16, 99, -20_000), _PLANES),
    Case("cube_float32", lambda: cube((3, 20, 20), np.float32, 2.0**-20), _PLANES),
    Case("cube_unequal", lambda: unequal_cube((3, 20, 24)), _PLANES),
    Case("cube_zeros", lambda: cube((3, 9, 9), np.float32, 0), _PLANES),
    Case("cube_tiled_fast", lambda: cube((3, 40, 70), np.uint8), {"tile_log2": 3, **_FAST, **_PLANES}),
    Case("cube_lines", lambda: cube((2, 700), np.int16, 30, 500), _LINES),
    Case("cube_lines_of_one_value", lambda: cube((2, 100), np.float32, 0, 0.3), _LINES),
    Case("cube_lines_unequal_q95", lambda: unequal_cube((2, 500)), {"quality": 95, **_LINES}),
)


# Packets


@dataclass(frozen=True)
class PacketCase:
    """One golden packet: an array, the tables of its values, and options of `encode_array`.

    Of packets that are not kept, being large, only the hash is.
    """

    name: str
    values: Callable[[], NDArray[Any]]
    indices: Callable[[], int | NDArray[np.uint8]]
    options: Mapping[str, Any] = field(default_factory=dict)
    is_kept: bool = True
    file_suffix = ".packet"

    def encode(self) -> bytes:
        """The packet's bytes."""
        return encode_array(self.values(), packet_tables(), self.indices(), **self.options)

    def decode(self, data: bytes, **options: Any) -> NDArray[Any]:
        """The integers of a packet, or with `dtype` and `step` its floats."""
        decoded: NDArray[Any] = decode_array(data, packet_tables(), self.indices(), **options)
        return decoded


NEARLY_CERTAIN, STEEP, STAIRS_1, STAIRS_2, STAIRS_4, FLAT, FAR, ONE_BIT = range(8)


def packet_tables() -> TableSet:
    """The tables of all packets; those with stairs halve every 1, 2 or 4 values from 0."""
    tables = [Table(0, (65535, 1)), Table(-1, (400, 64000, 400, 736))]
    for width, largest in ((1, 10), (2, 24), (4, 127)):
        counts = [1 << max(16 - abs(value) // width, 0) for value in range(-largest, largest + 1)]
        tables.append(Table(-largest, tuple(frequencies_of_counts([*counts, 1]).tolist())))
    tables += [Table(-128, (256,) * 256), Table(1 << 30, (4096,) * 16), Table(0, (32768, 32768))]
    return TableSet(tuple(tables))


def stairs(*shape: int, width: int = 1, seed: int = 0) -> NDArray[np.int32]:
    """Integers that halve in frequency every `width` from 0, either sign."""
    bits = _hashed((*shape, 24), seed=100 + seed)
    steps = np.cumprod(bits[..., :20] % np.uint64(2), axis=-1).sum(axis=-1).astype(np.int64)
    magnitudes = steps * width + (bits[..., 20] % np.uint64(width)).astype(np.int64)
    return np.where(bits[..., 21] % np.uint64(2) == 1, -magnitudes, magnitudes).astype(np.int32)


def _numbers(*shape: int, end: int = 8) -> NDArray[np.uint8]:
    """Table numbers below `end`."""
    return (_hashed(shape, seed=77) % np.uint64(end)).astype(np.uint8)


def _edges() -> NDArray[np.int32]:
    """Around the wide escape and the ends of i32."""
    near = [32766, 32767, 32768, -32766, -32767, -32768, -32769, 65534, 65535, 65536, -65536]
    return np.array([*near, 2**31 - 1, -(2**31), 2**31 - 2, 1 - 2**31, 0, 1, -1], np.int32)


def _halves(dtype: type[np.floating[Any]]) -> NDArray[Any]:
    """Multiples of 1/8, so that with a step of 1/4 half of them lie between two integers."""
    return (stairs(30, 40, width=4, seed=5) / 8).astype(dtype)


_ROWS = {"chunk_symbols": 200}

PACKET_CASES = (
    PacketCase("nothing", lambda: np.empty(0, np.int32), lambda: 0),
    PacketCase("one_value", lambda: np.array([5], np.int32), lambda: STAIRS_1),
    PacketCase("one_escape", lambda: np.array([-300], np.int32), lambda: STEEP),
    PacketCase("one_symbol_alphabet", lambda: np.zeros(300, np.int8), lambda: NEARLY_CERTAIN),
    PacketCase("one_symbol_alphabet_long", lambda: np.zeros(100_000, np.int8), lambda: NEARLY_CERTAIN),
    PacketCase("one_symbol_alphabet_escapes", lambda: stairs(300), lambda: NEARLY_CERTAIN),
    PacketCase("escapes_narrow", lambda: stairs(200, width=300), lambda: STAIRS_2),
    PacketCase("escapes_wide", _edges, lambda: STAIRS_2),
    PacketCase("escapes_one_bit", lambda: stairs(40), lambda: ONE_BIT),
    PacketCase("table_far_from_0", lambda: stairs(100) + np.int32((1 << 30) + 7), lambda: FAR),
    PacketCase("table_of_256_entries", lambda: stairs(500, width=16).astype(np.int16), lambda: FLAT),
    PacketCase("rows_12x25", lambda: stairs(12, 25), lambda: _numbers(12)),
    PacketCase("rows_3x4x25", lambda: stairs(3, 4, 25, seed=1), lambda: _numbers(3, 4, end=6)),
    PacketCase("each_300", lambda: stairs(300, seed=2), lambda: _numbers(300)),
    PacketCase("each_one_value", lambda: stairs(1, seed=2), lambda: _numbers(1)),
    PacketCase("chunks_of_one_table", lambda: stairs(950), lambda: STAIRS_1, _ROWS),
    PacketCase("chunks_of_long_rows", lambda: stairs(3, 450), lambda: _numbers(3, end=6), _ROWS),
    PacketCase("chunks_of_rows_as_long", lambda: stairs(3, 200), lambda: _numbers(3, end=6), _ROWS),
    PacketCase("chunks_of_short_rows", lambda: stairs(10, 45), lambda: _numbers(10), _ROWS),
    PacketCase("chunks_of_each", lambda: stairs(500, seed=3), lambda: _numbers(500), _ROWS),
    PacketCase("lanes_8", lambda: stairs(1600, width=4).astype(np.int8), lambda: STAIRS_4),
    PacketCase("lanes_16", lambda: stairs(2500, width=4), lambda: STAIRS_4),
    PacketCase("lanes_16_crc", lambda: stairs(35, 100, width=4), lambda: _numbers(35, end=6)),
    PacketCase("lanes_32_crc", lambda: stairs(15_000, width=4), lambda: STAIRS_4),
    PacketCase("lanes_64_crc", lambda: stairs(400, 600, width=4), lambda: STAIRS_4, is_kept=False),
    PacketCase("lanes_64_crc_each", lambda: stairs(200_000, width=4), lambda: _numbers(200_000, end=6), is_kept=False),
    PacketCase("float32_step_quarter", lambda: _halves(np.float32), lambda: STAIRS_4, {"step": 0.25}),
    PacketCase("float32_step_tenth", lambda: _halves(np.float32), lambda: STAIRS_4, {"step": 0.1}),
    PacketCase("float16_step_quarter", lambda: _halves(np.float16), lambda: STAIRS_4, {"step": 0.25}),
)


# Lossless sounds


@dataclass(frozen=True)
class LosslessCase:
    """One file of a sound without loss."""

    name: str
    signal: Callable[[], Audio]
    is_kept = True
    file_suffix = ".lcn"

    def encode(self) -> bytes:
        """The file's bytes."""
        return LcnLossless().encode(self.signal())


def whole(audio: Audio, bits: int, *, zeros: int = 0) -> Audio:
    """The sound with samples of so many bits, of which the lowest are 0."""
    unit = 2 ** (bits - 1 - zeros)
    samples = np.clip(np.floor(audio.samples.astype(np.float64) * unit), -unit, unit - 1) / unit
    return dataclasses.replace(audio, samples=samples.astype(np.float32))


def white(channels: int, length: int, bits: int, *, zeros: int = 0) -> Audio:
    """White noise of full scale, of which the lowest bits are 0."""
    values = (_hashed((channels, length), seed=90) >> np.uint64(32 - bits + zeros)).astype(np.int64) << zeros
    return Audio(((values - (1 << (bits - 1))) / 2.0 ** (bits - 1)).astype(np.float32), 48_000)


LOSSLESS_CASES = (
    LosslessCase("empty", lambda: sound(2, 0)),
    LosslessCase("one_sample", lambda: whole(sound(1, 1), 16)),
    LosslessCase("silence", lambda: sound(2, 3000, (0, 0))),
    LosslessCase("speech", lambda: whole(sound(1, 2001, rate=16_000), 16)),
    LosslessCase("stereo", lambda: whole(sound(2, 3000), 16)),
    LosslessCase("stereo_24_bits", lambda: whole(sound(2, 1500, metadata=SoundMetadata("int24")), 24)),
    LosslessCase("full_scale_24_bits", lambda: whole(sound(1, 700, (1000,)), 24)),
    LosslessCase("zero_bits", lambda: whole(sound(2, 900), 16, zeros=5)),
    LosslessCase("8_channels", lambda: whole(sound(8, 400, (1, 1, 0.5, 0.01, 0, 0.9, 2, 1)), 16)),
    LosslessCase("noise", lambda: white(3, 200, 16, zeros=3)),
    LosslessCase("70_channels", lambda: whole(sound(70, 70), 16)),
)


# Hashes


def digest(array: NDArray[Any] | None) -> str | None:
    """SHA-256 of an array's little-endian bytes in row-major order."""
    if array is None:
        return None
    return hashlib.sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def record(case: Case, data: bytes) -> dict[str, Any]:
    """What `golden.json` says of a file."""
    latent: Latent = case.codec.unpack(data)
    axes = {} if latent.colors is None else {"color_axes": list(latent.colors.numbers)}
    return {
        "codec": case.expression,
        "model": latent.fingerprint.hex(),
        "num_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "latent_shape": list(latent.values.shape),
        "latent_sha256": digest(latent.values.astype(np.int32)),
        "alpha_sha256": digest(latent.alpha),
        "size": list(latent.size),
        "sample_rate": latent.sample_rate,
        "levels": [list(latent.levels.codes), list(latent.levels.offset_codes)],
        "samples_sha256": digest(case.codec.synthesize(latent).samples),
        **axes,
    }


def record_lossless(case: LosslessCase, data: bytes) -> dict[str, Any]:
    """What `golden.json` says of a lossless sound."""
    decoded = LcnLossless().decode(data)
    return {
        "num_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": list(decoded.samples.shape),
        "sample_rate": decoded.sample_rate,
        "samples_sha256": digest(decoded.samples),
    }


def record_packet(case: PacketCase, data: bytes) -> dict[str, Any]:
    """What `golden.json` says of a packet. Floats are those of `decode_array` with the case's step."""
    step = case.options.get("step", 1.0)
    return {
        "options": dict(case.options),
        "input_type": str(case.values().dtype),
        "num_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "num_values": case.values().size,
        "values_sha256": digest(case.decode(data)),
        "float32_sha256": digest(case.decode(data, dtype=np.float32, step=step)),
        "float16_sha256": digest(case.decode(data, dtype=np.float16, step=step)),
    }


def read_index(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """The records by name; none where the folder is still empty."""
    path = folder / INDEX
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write(
    folder: Path, cases: Sequence[Any], record_of: Callable[[Any, bytes], dict[str, Any]], *, force: str | None
) -> list[str]:
    """Write the files that are missing, and those with `force` in their name; returns the names of those that it did not
    replace."""
    folder.mkdir(parents=True, exist_ok=True)
    records, refused = read_index(folder), []
    for case in cases:
        data = case.encode()
        path, new = folder / f"{case.name}{case.file_suffix}", record_of(case, data)
        is_there = path.exists() if case.is_kept else case.name in records
        if _is_forced(case.name, force) or (not is_there and records.get(case.name, new) == new):
            if case.is_kept:
                path.write_bytes(data)
            records[case.name] = new
        elif records.get(case.name) != new or not is_there or (case.is_kept and path.read_bytes() != data):
            refused.append(case.name)
    text = json.dumps(records, indent=1) + "\n"
    (folder / INDEX).write_text(text, encoding="utf-8", newline="\n")
    return refused


def _is_forced(name: str, force: str | None) -> bool:
    return force is not None and force in name


def write_tables(*, force: str | None) -> list[str]:
    """Write the packets' tables where they are missing, or with `force` in their name."""
    path, data = PACKET_FOLDER / TABLES, packet_tables().to_bytes()
    if _is_forced(TABLES, force) or not path.exists():
        path.write_bytes(data)
    return [] if path.read_bytes() == data else [TABLES]


def write_models() -> None:
    """Write the models of cubes where they are missing; another machine may fit other ones."""
    MODEL_FOLDER.mkdir(exist_ok=True)
    fits = {"planes": ((3, 64, 64), dyadic_tree(2, 2)), "lines": ((2, 4096), full_tree(1, 3))}
    for name, (shape, tree) in fits.items():
        path = MODEL_FOLDER / f"{name}.safetensors"
        if not path.exists():
            fit([cube(shape, np.float32)], name, FitOptions(tree=tree)).save(path)


def main() -> None:
    """Write the files of all cases, print what there is."""
    if len(sys.argv) > 3 or sys.argv[1:2] not in ([], ["--force"]):
        sys.exit(f"unknown arguments {sys.argv[1:]}; allowed is --force, or --force NAME")
    force = None if len(sys.argv) == 1 else "".join(sys.argv[2:])
    write_models()
    refused = write(FOLDER, CASES, record, force=force)
    refused += write(PACKET_FOLDER, PACKET_CASES, record_packet, force=force) + write_tables(force=force)
    refused += write(LOSSLESS_FOLDER, LOSSLESS_CASES, record_lossless, force=force)
    suffixes = {
        FOLDER: Case.file_suffix,
        PACKET_FOLDER: PacketCase.file_suffix,
        LOSSLESS_FOLDER: LosslessCase.file_suffix,
    }
    for folder, suffix in suffixes.items():
        sizes = [path.stat().st_size for path in folder.glob(f"*{suffix}")]
        print(f"{len(sizes)} files, {sum(sizes)} bytes in {folder}")
    if refused:
        sys.exit(f"not replaced, though they would change now: {', '.join(refused)}; see the docstring for --force")


if __name__ == "__main__":
    main()
