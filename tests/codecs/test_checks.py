"""The laws themselves: a sound codec passes, and a codec broken in one way is caught by the law on it."""

import dataclasses
import itertools
import struct
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from laconic.codecs import checks
from laconic.codecs.checks import LawBroken, images_to_check
from laconic.codecs.media import Image
from laconic.entropy.errors import CorruptStreamError

SIGNAL = images_to_check(["RGB"])[3]
COUNTER = itertools.count()


@dataclass(frozen=True)
class Raw:
    """The samples behind a header: sound, the base of the broken ones."""

    quality: int = 1
    name: ClassVar[str] = "raw"

    def encode(self, signal):
        return struct.pack("<IIB", *signal.samples.shape) + signal.samples.tobytes()

    def decode(self, data):
        if len(data) < 9 or len(data) - 9 != np.prod(struct.unpack_from("<IIB", data), dtype=object):
            raise CorruptStreamError("the length does not match the header")
        return Image(np.frombuffer(data, np.uint8, offset=9).reshape(struct.unpack_from("<IIB", data)))


@dataclass(frozen=True)
class RawLatent(Raw):
    def analyze(self, signal):
        return signal.samples.tolist()

    def pack(self, latent):
        return super().encode(Image(np.array(latent, np.uint8)))

    def unpack(self, data, *, channels=None):
        return super().decode(data).samples.tolist()

    def synthesize(self, latent):
        return Image(np.array(latent, np.uint8))


class BadName(Raw):
    name = "Raw Codec"


class BadRepr(Raw):
    def __repr__(self):
        return "<a codec>"


class ForgetfulRepr(Raw):
    def __repr__(self):
        return "ForgetfulRepr()"


@dataclass(frozen=True)
class Unhashable(Raw):
    options: list[int] = dataclasses.field(default_factory=list)


class Unpicklable(Raw):
    def __reduce__(self):
        raise TypeError("no")


class Random(Raw):
    def encode(self, signal):
        return super().encode(signal) + bytes([next(COUNTER) % 256])


class Vandal(Raw):
    def encode(self, signal):
        signal.samples[0, 0] ^= 1
        return super().encode(signal)


class ByteArray(Raw):
    def encode(self, signal):
        return bytearray(super().encode(signal))


class Padding(Raw):
    def decode(self, data):
        samples = super().decode(data).samples
        return Image(np.pad(samples, ((0, samples.shape[0] % 2), (0, 0), (0, 0))))


class Widening(Raw):
    def decode(self, data):
        return Image(super().decode(data).samples.astype(np.uint16))


class GivesArray(Raw):
    def decode(self, data):
        return super().decode(data).samples


class Undecodable(Raw):
    def decode(self, data):
        raise CorruptStreamError("never")


class LeaksIndexError(Raw):
    def decode(self, data):
        if len(data) < 9:
            raise IndexError("out of range")
        return super().decode(data)


class SilentOnDamage(Raw):
    def decode(self, data):
        try:
            return super().decode(data)
        except CorruptStreamError:
            return None


class LosesLatent(RawLatent):
    def unpack(self, data, *, channels=None):
        latent = super().unpack(data)
        latent[0][0][0] += 1
        return latent


class PacksAnother(RawLatent):
    def pack(self, latent):
        return super().pack(latent + latent)

    def unpack(self, data, *, channels=None):
        latent = super().unpack(data)
        return latent[: len(latent) // 2]


@dataclass(frozen=True, eq=False)
class Timed:
    """A signal with a field besides its samples."""

    samples: np.ndarray
    rate_hz: int = 100


class ForgetsRate(Raw):
    def decode(self, data):
        return Timed(super().decode(data).samples, rate_hz=44)


def test_sound_codec_passes():
    checks.check_codec(Raw(quality=3), images_to_check(["L", "LA", "RGB", "RGBA"]))


def test_sound_latent_codec_passes():
    checks.check_latent_codec(RawLatent(), images_to_check())


@pytest.mark.parametrize(
    ("codec", "match"),
    [
        (BadName(), "the name of"),
        (BadRepr(), "is no value"),
        (ForgetfulRepr(quality=2), r"differs from its copy by eval\(repr\(codec\)\)"),
        (Unhashable(), "is no value.*unhashable"),
        (Unpicklable(), "is no value"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_check_value_catches(codec, match):
    with pytest.raises(LawBroken, match=match):
        checks.check_value(codec)


@pytest.mark.parametrize(
    ("codec", "match"),
    [
        (Random(), "then to .* other bytes"),
        (Vandal(), "while encoding it"),
        (ByteArray(), "to bytearray; allowed is bytes"),
    ],
)
def test_check_deterministic_catches(codec, match):
    signal = Image(SIGNAL.samples.copy())
    with pytest.raises(LawBroken, match=match):
        checks.check_deterministic(codec, signal)


@pytest.mark.parametrize(
    ("codec", "match"),
    [
        (Padding(), "gives Image 17 x 33 x 3 uint8 back as Image 18 x 33 x 3 uint8"),
        (Widening(), "back as Image 17 x 33 x 3 uint16"),
        (GivesArray(), "to ndarray"),
        (Undecodable(), "does not decode its own file"),
    ],
)
def test_check_keeps_shape_catches(codec, match):
    with pytest.raises(LawBroken, match=match):
        checks.check_keeps_shape(codec, SIGNAL)


def test_check_keeps_shape_catches_another_field():
    with pytest.raises(LawBroken, match=r"changes rate_hz of Timed .* from 100 to 44"):
        checks.check_keeps_shape(ForgetsRate(), Timed(SIGNAL.samples))


@pytest.mark.parametrize(
    ("codec", "match"),
    [
        (LeaksIndexError(), r"raises IndexError \(out of range\).*cut to 0 of 1692 bytes"),
        (SilentOnDamage(), "to NoneType; allowed is Image"),
    ],
)
def test_check_damage_catches(codec, match):
    with pytest.raises(LawBroken, match=match):
        checks.check_damage(codec, SIGNAL, seed=0)


@pytest.mark.parametrize(
    ("codec", "match"), [(LosesLatent(), "does not unpack the latent"), (PacksAnother(), "to another shape")]
)
def test_check_latent_round_trip_catches(codec, match):
    with pytest.raises(LawBroken, match=match):
        checks.check_latent_round_trip(codec, SIGNAL)


@pytest.mark.parametrize(
    "codec", [BadName(), Random(), Padding(), LeaksIndexError()], ids=lambda codec: type(codec).__name__
)
def test_check_codec_runs_every_law(codec):
    with pytest.raises(LawBroken):
        checks.check_codec(codec, [SIGNAL])


def test_check_latent_codec_runs_the_latent_law():
    with pytest.raises(LawBroken):
        checks.check_latent_codec(LosesLatent(), [SIGNAL])


def test_sample_images_are_seeded_and_odd():
    images = images_to_check(("L", "RGBA"))
    assert images == images_to_check(("L", "RGBA"))
    assert images != images_to_check(("L", "RGBA"), seed=1)
    sizes = {image.samples.shape[:2] for image in images}
    assert {(1, 1), (1, 7), (7, 1), (17, 33)} <= sizes
    assert {image.mode for image in images} == {"L", "RGBA"}
