"""Sounds without loss: the same samples back, or one clear sentence."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from laconic.codecs import LcnLossless, SoundMetadata, decode_sound, encode
from laconic.codecs.checks import check_codec
from laconic.codecs.errors import CodecError, UnknownModelError, UnsupportedSignalError
from laconic.codecs.files import read_sound, signal_bytes
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Image
from laconic.codecs.registry import decoder_class, make_codec
from laconic.codecs.sounds import lossless_encoder
from laconic.codecs.sounds.integer_samples import integers_of_sound, samples_of_integers
from laconic.codecs.sounds.lossless_decoder import LosslessSound, SegmentReading
from laconic.codecs.sounds.sound_part import LosslessSoundPart
from laconic.entropy import BitstreamError, ChecksumError, CorruptStreamError, LimitError, Limits, TruncatedError
from laconic.entropy.container import CodecNumber, Flag, Header, Source, read_header, write_header
from laconic.tasks.cli import app

RATE = 16_000
STRETCH = 1 << 16


def sound(integers: Any, bits: int = 16, rate: int = RATE, **options: Any) -> Audio:
    values: NDArray[Any] = np.atleast_2d(np.asarray(integers))
    return Audio((values / 2.0 ** (bits - 1)).astype(np.float32), rate, **options)


def tones(channels: int, length: int, bits: int = 16, *, seed: int = 0) -> Audio:
    t, c = np.arange(length), np.arange(channels)[:, None]
    peak = 2 ** (bits - 1)
    waves = np.sin(t * (0.05 + 0.01 * c)) * 0.4 + np.sin(t * 0.31 + c) * 0.2
    noise = np.random.default_rng(seed).normal(0, 0.003, (channels, length))
    return sound(np.floor((waves + noise) * peak), bits)


NOISE = np.random.default_rng(3)
SOUNDS = {
    "one sample": sound([-7]),
    "two samples": sound([[5, -6], [32767, -32768]]),
    "a block": tones(2, 64),
    "a block and one": tones(2, 65),
    "silence": sound(np.zeros((2, 5000))),
    "a constant": sound(np.full((1, 3000), -1234)),
    "full scale": sound(np.tile([32767, -32768], (2, 2000))),
    "full scale, 24 bits": sound(np.tile([2**23 - 1, -(2**23)], (1, 2000)), 24),
    "noise": sound(NOISE.integers(-32768, 32768, (2, 3000))),
    "noise, 24 bits": sound(NOISE.integers(-(2**23), 2**23, (2, 3000)), 24),
    "one lowest bit of 24": sound([0, 0, 1, 0, -1, 0], 24),
    "8 bits": sound(256 * NOISE.integers(-128, 128, (1, 2000))),
    "one click": sound(np.where(np.arange(4000) == 2000, 30000, 0)),
    "loud after silence": sound(np.concatenate([np.zeros(3000), NOISE.integers(-32768, 32768, 3000)])),
    "equal channels": sound(np.repeat(NOISE.integers(-9000, 9000, (1, 2000)), 2, axis=0)),
    "8 channels": tones(8, 1500),
    "8 channels, 24 bits": tones(8, 700, 24),
    "65 channels": tones(65, 80),
    "two stretches": tones(1, STRETCH + 5),
}
each_sound = pytest.mark.parametrize("name", SOUNDS)


@each_sound
@pytest.mark.parametrize("effort", [1, 2])
def test_samples_come_back_to_the_bit(name: str, effort: int) -> None:
    codec = LcnLossless(effort=effort)
    assert codec.decode(codec.encode(SOUNDS[name])) == SOUNDS[name] or name.endswith("24 bits") or "of 24" in name
    assert np.array_equal(codec.decode(codec.encode(SOUNDS[name])).samples, SOUNDS[name].samples)


@pytest.mark.parametrize("channels", [1, 2])
def test_no_samples_come_back(channels: int) -> None:
    empty = Audio(np.zeros((channels, 0), np.float32), RATE)
    assert LcnLossless().decode(LcnLossless().encode(empty)) == empty


def test_laws_hold() -> None:
    check_codec(LcnLossless(), [tones(1, 1), tones(2, 300), tones(1, 2000), sound(np.zeros((2, 100)))])


def test_threads_and_effort_give_files_of_their_own_size_only() -> None:
    long = tones(2, 2 * STRETCH + 100)
    assert LcnLossless(threads=3).encode(long) == LcnLossless().encode(long)
    assert len(LcnLossless(effort=2).encode(long)) <= len(LcnLossless().encode(long))


def test_noise_and_silence_have_the_size_that_they_must() -> None:
    noise = SOUNDS["noise"]
    assert len(LcnLossless().encode(noise)) < 2 * noise.samples.size + 50
    assert len(LcnLossless().encode(SOUNDS["noise, 24 bits"])) < 3 * noise.samples.size + 50
    assert len(LcnLossless().encode(sound(np.zeros((2, STRETCH))))) < 300


@pytest.mark.parametrize(
    ("samples", "what"),
    [([0.0, 0.1], "sample 1 of channel 0 is 0.1"), ([1.0], "is 1;"), ([-1.5], "is -1.5"), ([2.0**-24], "is 5.96")],
)
def test_other_samples_are_refused(samples: list[float], what: str) -> None:
    with pytest.raises(UnsupportedSignalError, match=r"16 or 24 bits.*leave lossless out") as caught:
        LcnLossless().encode(Audio(np.array([samples], np.float32), RATE))
    assert what in str(caught.value)


def test_too_many_channels_and_other_signals_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lossless_encoder, "MAX_LOSSLESS_CHANNELS", 7)
    with pytest.raises(UnsupportedSignalError, match="8 channels; a lossless file holds 7"):
        LcnLossless().encode(SOUNDS["8 channels"])
    with pytest.raises(CodecError, match="Image"):
        LcnLossless().encode(Image(np.zeros((3, 3, 1), np.uint8)))  # type: ignore[arg-type]


def test_integers_have_16_bits_where_these_are_enough() -> None:
    assert [integers_of_sound(SOUNDS[name]).bits for name in ("silence", "8 bits", "one lowest bit of 24")] == [
        16,
        16,
        24,
    ]
    for audio in SOUNDS.values():
        assert np.array_equal(samples_of_integers(integers_of_sound(audio)), audio.samples)


@pytest.mark.parametrize(
    ("said", "kept"), [(None, "int24"), ("int16", "int24"), ("int24", "int24"), ("float32", "float32")]
)
def test_a_decoded_file_has_all_bits(said: str | None, kept: str) -> None:
    audio = Audio(SOUNDS["noise, 24 bits"].samples, RATE, SoundMetadata(said, 3, {"title": "a"}))
    decoded = LcnLossless().decode(LcnLossless().encode(audio))
    assert decoded.metadata == SoundMetadata(kept, 3, {"title": "a"})
    assert np.array_equal(read_sound(signal_bytes(decoded, ".wav")).samples, audio.samples)


def test_everything_that_reads_sounds_reads_it(tmp_path: Path) -> None:
    audio = SOUNDS["two stretches"]
    path = tmp_path / "a.lcn"
    path.write_bytes(encode(audio, lossless=True))
    with path.open("rb") as file:
        found = [Lcn().decode(path), decode_sound(path), decode_sound(file), read_sound(path)]
    assert found == [audio] * 4
    assert decoder_class(path.read_bytes()) is LcnLossless
    assert make_codec("lcn-lossless:effort=2") == LcnLossless(effort=2)


@pytest.mark.parametrize(
    ("start", "length"), [(0, 100), (STRETCH - 3, 7), (STRETCH + 1, 4), (500, 0), (STRETCH + 5, 0)]
)
def test_a_stretch_is_cut_from_the_whole(start: int, length: int) -> None:
    audio = SOUNDS["two stretches"]
    part = decode_sound(encode(audio, lossless=True), start_seconds=start / RATE, seconds=length / RATE)
    assert np.array_equal(part.samples, audio.samples[:, start : start + length])


def test_a_stretch_reads_its_segments_only() -> None:
    audio = sound(NOISE.integers(-32768, 32768, (1, 17 * STRETCH)))
    file = io.BytesIO(encode(audio, lossless=True))
    read, plain = 0, file.read

    def counted(size: int = -1) -> bytes:
        nonlocal read
        found = plain(size)
        read += len(found)
        return found

    file.read = counted  # type: ignore[method-assign]
    part = decode_sound(file, start_seconds=9 * STRETCH / RATE, seconds=0.1)
    assert np.array_equal(part.samples, audio.samples[:, 9 * STRETCH :][:, : part.samples.shape[1]])
    assert read < 3 * 2 * STRETCH


def test_latents_are_refused_in_one_sentence() -> None:
    data = encode(SOUNDS["silence"], lossless=True)
    for call in (Lcn().unpack, Lcn().decode_area, Lcn().open_area):
        with pytest.raises(UnsupportedSignalError, match="a lossless sound, which has no latent"):
            call(data)


@pytest.mark.parametrize("option", [{"quality": 50}, {"max_bytes": 100}, {"model": "speech"}, {"tune": "machine"}])
def test_options_of_lossy_files_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(CodecError, match=r"lossless and .* exclude each other"):
        encode(SOUNDS["silence"], lossless=True, **option)
    with pytest.raises(CodecError, match="effort"):
        encode(SOUNDS["silence"], lossless=True, effort=3)
    with pytest.raises(UnsupportedSignalError, match="lossless is for sounds, this is Image"):
        encode(np.zeros((5, 5), np.uint8), lossless=True)


# Damage


def test_a_cut_file_loses_its_end_only() -> None:
    audio = tones(1, 3 * STRETCH)
    data = encode(audio, lossless=True)
    cut = data[: len(data) * 3 // 4]
    with pytest.raises(TruncatedError):
        Lcn().decode(cut)
    partial = decode_sound(cut, allow_partial=True)
    assert np.array_equal(partial.samples[:, : 2 * STRETCH], audio.samples[:, : 2 * STRETCH])
    assert not partial.samples[:, 2 * STRETCH :].any()
    kept = LosslessSound(cut, SegmentReading(allow_partial=True))
    LosslessSoundPart(kept, 0, kept.header.shape[1]).audio()
    assert [text.split(":")[0] for text in kept.damage] == ["segment 2"]


@pytest.mark.parametrize("name", ["a block and one", "8 channels", "noise, 24 bits", "silence"])
def test_changed_bytes_are_found(name: str) -> None:
    data = encode(SOUNDS[name], lossless=True)
    rng = np.random.default_rng(1)
    for place in [*range(40), *rng.integers(0, len(data), 150).tolist()]:
        changed = bytearray(data)
        changed[place % len(data)] ^= 1 << int(rng.integers(0, 8))
        try:
            found = LcnLossless().decode(bytes(changed))
        except (BitstreamError, UnknownModelError):
            continue
        assert np.array_equal(found.samples, SOUNDS[name].samples)  # bits that say nothing: step code, profile


def header_of(**options: Any) -> bytes:
    fields = {"shape": (1, 100), "sample_rate": RATE, "sound_bits": 16, "tile_log2": 16, **options}
    return write_header(Header(CodecNumber.LOSSLESS_SOUND, b"abcd", 0, **fields))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"shape": (0, 5)}, CorruptStreamError),
        ({"shape": (4097, 5), "tile_log2": 3}, CorruptStreamError),
        ({"shape": (65, 5)}, CorruptStreamError),
        ({"sound_bits": 0}, CorruptStreamError),
        ({"sound_bits": 25}, CorruptStreamError),
        ({"tile_log2": None}, CorruptStreamError),
        ({"flags": Flag.JOINED}, CorruptStreamError),
        ({"flags": Flag.ALPHA}, CorruptStreamError),
        ({"stored_channels": 1}, CorruptStreamError),
        ({"noise_levels": b"123"}, CorruptStreamError),
        ({"sample_rate": 0}, CorruptStreamError),
        ({"shape": (2, 1 << 40)}, LimitError),
    ],
)
def test_headers_that_no_encoder_writes_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        read_header(Source(header_of(**options)))


def test_claims_are_checked_before_memory_is_taken() -> None:
    with pytest.raises(UnknownModelError, match="61626364"):
        LcnLossless().decode(header_of())
    data = encode(tones(1, 10), lossless=True)
    fingerprint = read_header(Source(data)).fingerprint
    fields = {"shape": (1, 1 << 29), "sample_rate": RATE, "sound_bits": 16, "tile_log2": 3}
    claim = write_header(Header(CodecNumber.LOSSLESS_SOUND, fingerprint, 0, **fields))  # type: ignore[arg-type]
    with pytest.raises(TruncatedError, match="claims 67108864 segments"):
        LcnLossless().decode(claim)
    with pytest.raises(LimitError):
        decode_sound(data, limits=Limits(max_pixels=9))


def test_bytes_after_the_last_segment_are_refused() -> None:
    with pytest.raises(CorruptStreamError, match="bytes follow the last segment"):
        LcnLossless().decode(encode(tones(1, 10), lossless=True) + b"\0")


def test_samples_have_a_checksum() -> None:
    data = encode(SOUNDS["a constant"], lossless=True)
    steps = data.index(struct.pack("<4B", 74, 65, 70, 200)) + 1
    with pytest.raises((ChecksumError, CorruptStreamError)):
        LcnLossless().decode(data[:steps] + bytes([255, 255, 255]) + data[steps + 3 :])


# The command line


def run(*arguments: object) -> tuple[int, str]:
    """Exit code, and all that is said."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_command_line_gives_back_the_samples(tmp_path: Path) -> None:
    for name, extension in (("8 channels", ".wav"), ("noise, 24 bits", ".flac")):
        source, packed, result = tmp_path / f"a{extension}", tmp_path / "a.lcn", tmp_path / f"b{extension}"
        source.write_bytes(signal_bytes(LcnLossless().decode(LcnLossless().encode(SOUNDS[name])), extension))
        assert run("encode", source, "-o", packed, "--lossless", "-f")[0] == 0
        assert "lossless        yes" in run("info", packed)[1]
        assert run("decode", packed, "-o", result)[0] == 0
        assert read_sound(result) == read_sound(source)
        assert np.array_equal(read_sound(result).samples, SOUNDS[name].samples)


def test_command_line_says_what_is_wrong(tmp_path: Path) -> None:
    packed = tmp_path / "a.lcn"
    packed.write_bytes(encode(SOUNDS["silence"], lossless=True))
    code, said = run("decode", packed, "--channels", 3)
    assert code == 1 and "which has no latent channels" in said
    packed.write_bytes(packed.read_bytes()[:-3])
    code, said = run("decode", packed, "--allow-partial")
    assert code == 0 and "decoded without segment 0" in said


def test_a_header_is_read_without_numpy() -> None:
    code = "import sys; from laconic.entropy.container import read_header; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
