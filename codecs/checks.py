"""The laws of a codec as a test kit, for ours and for plugins: `check_codec(MyCodec(), sample_images())`, or
`sample_sounds()`.

A function returns when the law holds and raises `LawBroken` with one sentence when not. Errors that a codec raises by
itself on a whole, undamaged signal pass through unchanged. A crash of the process or an endless loop on damaged data
cannot be caught here: run the kit under a time limit.
"""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import choice_argument, items_of_argument, whole_number_argument
from laconic.codecs.codec import Codec, LatentCodec
from laconic.codecs.errors import CodecError
from laconic.codecs.media import MODES, Audio, Image, Samples
from laconic.entropy.errors import BitstreamError

if TYPE_CHECKING:
    from jaxtyping import Shaped

_NUM_RANDOM_CUTS = 8
_NUM_FLIPS = 48
_SIZES = ((1, 1), (1, 7), (7, 1), (17, 33), (40, 48))
_MAX_CHANNELS = 1 << 10
_SOUND_LENGTHS = (1, 7, 1151, 6001)


class Signal(Protocol):
    """What the laws need of a signal: a dataclass (`Image`, `Audio`) with its samples in an array."""

    @property
    def samples(self) -> Shaped[NDArray[Any], " ..."]: ...


S = TypeVar("S", bound=Signal)


class LawBroken(AssertionError):  # noqa: N818 (it names what happened, as the laws are named)
    """A codec breaks one of the laws; the message says which, on what."""


def check_codec(codec: Codec[S], signals: Iterable[S], *, seed: int = 0) -> None:
    """Check every law of `Codec` on these signals, which the codec must be able to hold."""
    check_value(codec)
    for signal in signals:
        check_deterministic(codec, signal)
        check_keeps_shape(codec, signal)
        check_damage(codec, signal, seed=seed)


def check_latent_codec(codec: LatentCodec[S], signals: Sequence[S], *, seed: int = 0) -> None:
    """Check every law of `LatentCodec`, those of `Codec` included."""
    check_codec(codec, signals, seed=seed)
    for signal in signals:
        check_latent_round_trip(codec, signal)


def check_value(codec: Codec[Any]) -> None:
    """A codec is a value: hashable, equal to `eval(repr(codec))` and to its pickled copy, with a name for the registry.

    `repr` is evaluated with the names of the codec's own module.
    """
    kind = type(codec)
    if not isinstance(codec.name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", codec.name):
        raise LawBroken(f"the name of {codec!r} is {codec.name!r}; allowed are lower-case letters, digits and _ . -")
    namespace = dict(vars(sys.modules[kind.__module__])) if kind.__module__ in sys.modules else {}
    namespace[kind.__name__] = kind
    try:
        hash(codec)
        copies = {"eval(repr(codec))": eval(repr(codec), namespace), "its pickle": pickle.loads(pickle.dumps(codec))}
    except Exception as err:
        raise LawBroken(f"{codec!r} is no value, as it cannot be hashed, evaluated or pickled: {err}") from err
    for origin, other in copies.items():
        if other != codec or hash(other) != hash(codec):
            raise LawBroken(f"{codec!r} differs from its copy by {origin}, which is {other!r}")


def check_deterministic(codec: Codec[S], signal: S) -> None:
    """Encoding gives the same bytes each time, also from a copy of codec and signal, and leaves the signal alone."""
    original = copy.deepcopy(signal)
    first = codec.encode(signal)
    if type(first) is not bytes:
        raise LawBroken(f"{codec!r} encodes {_describe(signal)} to {type(first).__name__}; allowed is bytes")
    if not _same_signal(signal, original):
        raise LawBroken(f"{codec!r} changes {_describe(signal)} while encoding it")
    for other in (codec, pickle.loads(pickle.dumps(codec))):
        second = other.encode(original)
        if second != first:
            raise LawBroken(
                f"{codec!r} encodes {_describe(signal)} to {len(first)} bytes, then to {len(second)} other bytes"
            )


def check_keeps_shape(codec: Codec[S], signal: S) -> None:
    """`decode(encode(x))` has the type, shape, sample type and other fields (sample rate) of x; not its metadata."""
    data = codec.encode(signal)
    try:
        decoded = codec.decode(data)
    except (BitstreamError, CodecError) as err:
        raise LawBroken(f"{codec!r} does not decode its own file of {_describe(signal)}: {err}") from err
    if type(decoded) is not type(signal):
        raise LawBroken(f"{codec!r} decodes its file of {_describe(signal)} to {type(decoded).__name__}")
    if decoded.samples.shape != signal.samples.shape or decoded.samples.dtype != signal.samples.dtype:
        raise LawBroken(f"{codec!r} gives {_describe(signal)} back as {_describe(decoded)}")
    for field in _other_fields(signal):
        before, after = getattr(signal, field), getattr(decoded, field)
        if before != after:
            raise LawBroken(f"{codec!r} changes {field} of {_describe(signal)} from {before!r} to {after!r}")


def check_damage(codec: Codec[S], signal: S, *, seed: int = 0) -> None:
    """A cut or flipped file raises `BitstreamError` or `CodecError` or decodes to some signal, nothing else."""
    data = codec.encode(signal)
    for damage, damaged in _damaged(data, np.random.default_rng(seed)):
        try:
            decoded = codec.decode(damaged)
        except (BitstreamError, CodecError):
            continue
        except Exception as err:
            raise LawBroken(
                f"{codec!r} raises {type(err).__name__} ({err}) for its file of {_describe(signal)}, {damage}; "
                "allowed are BitstreamError and CodecError"
            ) from err
        if type(decoded) is not type(signal):
            raise LawBroken(
                f"{codec!r} decodes its file of {_describe(signal)}, {damage}, to {type(decoded).__name__}; "
                f"allowed is {type(signal).__name__}"
            )


def check_latent_round_trip(codec: LatentCodec[S], signal: S) -> None:
    """`unpack(pack(z)) == z` exactly, and `pack(analyze(x))` is a file that `decode` takes."""
    latent = codec.analyze(signal)
    data = codec.pack(latent)
    if codec.unpack(data) != latent:
        raise LawBroken(f"{codec!r} does not unpack the latent of {_describe(signal)} as it was packed")
    if codec.decode(data).samples.shape != signal.samples.shape:
        raise LawBroken(f"{codec!r} decodes the packed latent of {_describe(signal)} to another shape")


def images_to_check(modes: Iterable[str] = ("L", "RGB"), *, seed: int = 0) -> tuple[Image, ...]:
    """Small 8-bit pictures, smooth with some noise, in sizes that break codecs: 1 x 1, single rows and columns, odd.

    `modes` are "L", "LA", "RGB" and "RGBA". The same seed gives the same pictures.
    """
    rng = np.random.default_rng(whole_number_argument("seed", seed, 0))
    modes = [choice_argument("a mode", mode, MODES) for mode in items_of_argument("modes", modes)]
    return tuple(Image(_sample_array(rng, (*size, MODES.index(mode) + 1))) for mode in modes for size in _SIZES)


def sounds_to_check(
    sample_rates: Iterable[int] = (8000, 16000, 44100, 48000), *, num_channels: Iterable[int] = (1, 2), seed: int = 0
) -> tuple[Audio, ...]:
    """Short sounds: tones with some noise, in lengths that break codecs (one sample, odd), and silence.

    Not among them: 0 samples, which some formats do not hold. The same seed gives the same sounds.
    """
    rng = np.random.default_rng(whole_number_argument("seed", seed, 0))
    counts = [
        whole_number_argument("num_channels", count, 1, _MAX_CHANNELS)
        for count in items_of_argument("num_channels", num_channels)
    ]
    rates = [
        whole_number_argument("a sample rate", rate, 1) for rate in items_of_argument("sample_rates", sample_rates)
    ]
    sounds = []
    for rate in rates:
        for channels in counts:
            sounds += [Audio(_tones(rng, (channels, length), rate), rate) for length in _SOUND_LENGTHS]
            sounds.append(Audio(np.zeros((channels, 2000), np.float32), rate))
    return tuple(sounds)


def _tones(rng: np.random.Generator, shape: tuple[int, int], rate: int) -> NDArray[np.float32]:
    """(channels, t) below full scale, a chord of its own in each channel."""
    c, t = np.ogrid[: shape[0], : shape[1]]
    chord = sum(np.sin(2 * np.pi * (f + 30 * c) * t / rate + c) for f in (220, 331, 1250))
    return (0.2 * chord + rng.normal(0, 0.01, shape)).astype(np.float32)


def _sample_array(rng: np.random.Generator, shape: tuple[int, int, int]) -> Samples:
    y, x, c = np.ogrid[: shape[0], : shape[1], : shape[2]]
    smooth = 128 + 80 * np.sin(0.21 * x + 0.4 * c) * np.cos(0.13 * y + 0.9 * c)
    return np.clip(smooth + rng.normal(0, 8, shape), 0, 255).astype(np.uint8)


def _damaged(data: bytes, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Pairs of a description and a damaged copy: cuts (to nothing, in the head, anywhere, one byte) and single bits."""
    num_bytes = len(data)
    cuts = {0, 1, num_bytes // 2, num_bytes - 1, *map(int, rng.integers(0, num_bytes, _NUM_RANDOM_CUTS))}
    for length in sorted(cut for cut in cuts if 0 <= cut < num_bytes):
        yield f"cut to {length} of {num_bytes} bytes", data[:length]
    for index in range(_NUM_FLIPS):
        # Half of the flips hit the first 64 bytes, where headers are.
        position = int(rng.integers(0, num_bytes if index % 2 else min(64, num_bytes)))
        bit = int(rng.integers(0, 8))
        flipped = bytearray(data)
        flipped[position] ^= 1 << bit
        yield f"bit {bit} of byte {position} flipped", bytes(flipped)


def _same_signal(first: Signal, second: Signal) -> bool:
    return np.array_equal(first.samples, second.samples) and all(
        getattr(first, field) == getattr(second, field) for field in _other_fields(first)
    )


def _other_fields(signal: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(signal) if field.name not in ("samples", "metadata")]


def _describe(signal: Signal) -> str:
    shape = " x ".join(map(str, signal.samples.shape))
    return f"{type(signal).__name__} {shape} {signal.samples.dtype}"
