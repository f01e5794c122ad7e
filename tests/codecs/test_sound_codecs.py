"""The sound codecs of other libraries: the laws, no delay at any rate and setting, and what is particular to each."""

import dataclasses
import io
import struct
import sys

import numpy as np
import pytest
import soundfile

from laconic.codecs.checks import LawBroken, check_codec, check_keeps_shape, check_value, sounds_to_check
from laconic.codecs.errors import CodecError, MissingDependencyError, UnsupportedSignalError
from laconic.codecs.external import Flac, Mp3, Opus, Vorbis, _ogg, _soundfile, flac, mp3
from laconic.codecs.media import Audio
from laconic.codecs.registry import codec_class, make_codec
from laconic.entropy.errors import (
    BitstreamError,
    ChecksumError,
    CorruptStreamError,
    LimitError,
    TruncatedError,
    UnsupportedVersionError,
)
from laconic.tasks.measures.sound_distortion import snr_db

CODECS = [Flac(), Mp3(), Opus(), Vorbis()]
BY_NAME = {"argvalues": CODECS, "ids": [codec.name for codec in CODECS]}
MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@pytest.fixture(autouse=True)
def _quiet(capfd):
    """mpg123 tells of damage on stderr."""
    yield
    capfd.readouterr()


def noise(rate: int, seconds: float = 0.5, channels: int = 2, peak: float = 0.5) -> Audio:
    """Noise below a third of half the rate: a waveform that only its own copy at the same place matches."""
    taps = np.sinc(np.arange(-30, 31) * 0.3) * np.hanning(61)
    white = np.random.default_rng(3).normal(size=(channels, round(rate * seconds)))
    samples = np.stack([np.convolve(channel, taps, "same") for channel in white])
    return Audio((samples * peak / np.abs(samples).max()).astype(np.float32), rate)


def delay(reference: Audio, other: Audio) -> float:
    """By how many samples `other` comes later: the top of the cross-correlation, a parabola through three points."""
    size = 2 * reference.samples.shape[1]
    spectra = [np.fft.rfft(audio.samples[0], size) for audio in (reference, other)]
    correlation = np.fft.irfft(spectra[0].conj() * spectra[1])
    top = int(correlation.argmax())
    before, at, after = (float(correlation[(top + step) % size]) for step in (-1, 0, 1))
    lag = (top + size // 2) % size - size // 2
    return lag + 0.5 * (before - after) / (before - 2 * at + after)


@pytest.mark.parametrize(
    "codec",
    [Flac(), Flac(bits=24), Mp3(0.5), Mp3(0.95, "average"), Opus(0.6), Opus(1.0), Vorbis(0.0), Vorbis(1.0)],
    ids=repr,
)
def test_laws_hold(codec):
    check_codec(codec, sounds_to_check((8000, 44100)))
    for sound in sounds_to_check((16000, 22050, 48000), seed=1):
        check_keeps_shape(codec, sound)


@pytest.mark.parametrize("codec", **BY_NAME)
def test_name_is_the_key_of_the_registry(codec):
    assert make_codec(codec.name) == codec
    assert codec_class(codec.name) is type(codec)


def test_options_are_parsed_by_the_registry():
    assert make_codec("mp3:compression_level=0.25,bitrate_mode=average") == Mp3(0.25, "average")
    assert make_codec("flac:bits=24") == Flac(24)


# --- Delay, length, rate ---


@pytest.mark.parametrize("mode", ["variable", "average"])
@pytest.mark.parametrize("rate", MP3_RATES_HZ)
def test_mp3_has_no_delay(rate, mode):
    sound = noise(rate)
    for level in (0.0, 0.5, 0.9):
        codec = Mp3(level, mode)
        assert abs(delay(sound, codec.decode(codec.encode(sound)))) < 0.05, codec


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 96000])
def test_vorbis_has_no_delay(rate):
    sound = noise(rate)
    for level in (0.0, 0.5, 1.0):
        assert abs(delay(sound, Vorbis(level).decode(Vorbis(level).encode(sound)))) < 0.1, level


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000])
def test_opus_has_no_delay(rate):
    sound = noise(rate)
    for level in (0.0, 0.5, 0.75):
        assert abs(delay(sound, Opus(level).decode(Opus(level).encode(sound)))) < 0.05, level
    # Below, its speech coder with a resampler of its own is up to 2 samples early at 48 kHz, which is the codec's.
    assert abs(delay(sound, Opus(0.95).decode(Opus(0.95).encode(sound)))) < 2


@pytest.mark.parametrize("codec", [Mp3(0.0), Opus(0.0), Vorbis(0.0)], ids=repr)
@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_high_rate_is_close_everywhere(codec, rate):
    sound = noise(rate, seconds=2)
    decoded = codec.decode(codec.encode(sound))
    assert snr_db(sound, decoded) > 15
    for start in range(0, sound.samples.shape[1] - 2000, 2000):
        cut = slice(start, start + 2000)
        assert snr_db(sound.samples[:, cut], decoded.samples[:, cut]) > 10


def test_mp3_is_read_at_once():
    # Reading in pieces loses bits that frames keep in the ones before them, where the loudness changes.
    loudness = np.repeat(np.random.default_rng(5).uniform(0.01, 1, 40), 2205)
    sound = Audio((noise(22050, 4, 1).samples * loudness).astype(np.float32), 22050)
    data = Mp3(0.6).encode(sound)
    frames, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    assert np.abs(Mp3().decode(data).samples[0] - frames).max() < 1e-6  # the damage is 0.03


@pytest.mark.parametrize("codec", **BY_NAME)
@pytest.mark.parametrize("rate", [8000, 44100])
def test_length_is_kept(codec, rate):
    lengths = [1, 2, 3, 146, 147, 148, 159, 160, 161, 575, 576, 577, 1105, 1152, 1153, 16384, 16385, 20011]
    for length in lengths:
        check_keeps_shape(codec, Audio(noise(rate, 3, 1).samples[:, :length], rate))


def test_opus_keeps_length_at_every_rate_that_is_resampled():
    for rate in (1000, 7999, 11025, 22050, 32000, 44100, 47999):
        for length in (1, 2, 997, 1000, 1001):
            check_keeps_shape(Opus(), Audio(np.full((1, length), 0.1, np.float32), rate))


def test_vorbis_keeps_no_samples_and_the_others_refuse_them():
    empty = Audio(np.zeros((2, 0), np.float32), 44100)
    assert Vorbis().decode(Vorbis().encode(empty)) == empty
    for codec in (Flac(), Mp3(), Opus()):
        with pytest.raises(UnsupportedSignalError, match="0 samples"):
            codec.encode(empty)


@pytest.mark.parametrize("codec", **BY_NAME)
@pytest.mark.parametrize("channels", [1, 2])
def test_silence_stays_silent(codec, channels):
    silence = Audio(np.zeros((channels, 44100), np.float32), 44100)
    decoded = codec.decode(codec.encode(silence))
    assert np.abs(decoded.samples).max() < 1e-4


@pytest.mark.parametrize("codec", **BY_NAME)
def test_channels_stay_in_their_place(codec):
    t = np.arange(22050) / 44100
    stereo = Audio(np.stack([0.5 * np.sin(2 * np.pi * 300 * t), np.zeros(22050)]).astype(np.float32), 44100)
    left, right = codec.decode(codec.encode(stereo)).samples
    assert np.abs(left).max() > 0.3
    assert np.abs(right).max() < 0.05


@pytest.mark.parametrize(
    ("low", "high"), [(Mp3(0.95), Mp3(0.1)), (Mp3(0.9, "average"), Mp3(0.1, "average")), (Opus(0.95), Opus(0.5))]
)
@pytest.mark.parametrize("rate", [16000, 44100])
def test_operating_point_trades_bytes_for_error(low, high, rate):
    sound = noise(rate, 1)
    small, large = low.encode(sound), high.encode(sound)
    assert len(small) < 0.8 * len(large)
    assert snr_db(sound, low.decode(small)) < snr_db(sound, high.decode(large))


def test_opus_bit_rate_is_what_its_docstring_says():
    for level in (0.5, 0.8):
        for channels in (1, 2):
            data = Opus(level).encode(noise(48000, 3, channels))
            assert 8 * len(data) / 3000 == pytest.approx((256 - 250 * level) * channels, rel=0.1)


# --- Signals that are refused ---


@pytest.mark.parametrize(
    ("codec", "rate", "channels", "match"),
    [
        (Mp3(), 96000, 2, "sample rate is 96000 Hz; MP3 allows 8000"),
        (Mp3(), 44100, 3, "3 channels; MP3 allows 1 to 2"),
        (Opus(), 96000, 1, "sample rate is 96000 Hz; Opus allows 1 to 48000"),
        (Opus(), 48000, 3, "3 channels; Opus"),
        (Vorbis(), 200_001, 1, "sample rate is 200001 Hz; Vorbis allows 1 to 200000"),
        (Vorbis(), 48000, 3, "3 channels; Vorbis"),
        (Flac(), 48000, 9, "9 channels; FLAC allows 1 to 8"),
        (Flac(), 700_000, 1, "at 700000 Hz cannot be written as PCM_16"),
    ],
)
def test_sound_that_the_format_does_not_hold_is_refused(codec, rate, channels, match):
    with pytest.raises(UnsupportedSignalError, match=match):
        codec.encode(Audio(np.zeros((channels, 100), np.float32), rate))


@pytest.mark.parametrize("codec", **BY_NAME)
def test_peak_that_ends_lame_is_refused(codec):
    with pytest.raises(UnsupportedSignalError, match="samples reach 10000"):
        codec.encode(Audio(np.full((1, 100), -10000, np.float32), 44100))


@pytest.mark.parametrize("codec", [Mp3(), Opus(), Vorbis()], ids=repr)
def test_sound_beyond_full_scale_is_not_clipped(codec):
    sound = noise(44100, peak=4.0)
    assert snr_db(sound, codec.decode(codec.encode(sound))) > 5
    assert np.abs(codec.decode(codec.encode(sound)).samples).max() > 2


# --- FLAC ---


@pytest.mark.parametrize("bits", [16, 24])
def test_flac_gives_every_sample_back(bits):
    scale = 1 << (bits - 1)
    integers = np.random.default_rng(0).integers(-scale, scale, (3, 5000))
    integers[:, :2] = [[-scale, scale - 1]] * 3
    sound = Audio((integers / scale).astype(np.float32), 48000)
    assert Flac(bits).decode(Flac(bits).encode(sound)) == sound


def test_flac_rounds_and_clips():
    sound = Audio(np.array([[0.3 / 32768, 0.7 / 32768, 1.5, -1.5]], np.float32), 8000)
    assert np.array_equal(Flac().decode(Flac().encode(sound)).samples[0] * 32768, [0, 1, 32767, -32768])


def test_flac_checks_its_md5():
    data = bytearray(Flac().encode(noise(8000)))
    data[26] ^= 1
    with pytest.raises(ChecksumError, match="MD5"):
        Flac().decode(bytes(data))
    data[26:42] = bytes(16)  # "not known"
    assert Flac().decode(bytes(data)) == Flac().decode(Flac().encode(noise(8000)))


def test_flac_reads_other_depths():
    buffer = io.BytesIO()
    soundfile.write(buffer, np.arange(-128, 128, dtype=np.int16) << 8, 8000, "PCM_S8", format="FLAC")
    assert np.array_equal(Flac().decode(buffer.getvalue()).samples[0] * 128, np.arange(-128, 128))


# --- Damage ---


@pytest.mark.parametrize("codec", **BY_NAME)
def test_truncated_file_raises_at_every_length(codec):
    data = codec.encode(noise(8000, 0.05, 1))
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            codec.decode(data[:length])


@pytest.mark.parametrize("codec", [Mp3(), Opus(), Vorbis()], ids=repr)
def test_file_without_its_last_tenth_is_called_truncated(codec):
    data = codec.encode(noise(44100))
    with pytest.raises(TruncatedError, match="ends early, after"):
        codec.decode(data[: len(data) * 9 // 10])


@pytest.mark.parametrize("codec", **BY_NAME)
@pytest.mark.parametrize("data", [b"\0" * 1000, b"RIFF" + bytes(100), b"OggS" + bytes(300), b"fLaC" + bytes(300)])
def test_foreign_bytes_raise(codec, data):
    with pytest.raises(BitstreamError):
        codec.decode(data)


@pytest.mark.parametrize("codec", **BY_NAME)
def test_empty_data_is_truncated(codec):
    with pytest.raises(TruncatedError):
        codec.decode(b"")


@pytest.mark.parametrize("reader", **BY_NAME)
@pytest.mark.parametrize("writer", **BY_NAME)
def test_file_of_another_format_raises(reader, writer):
    if reader is not writer:
        with pytest.raises(CorruptStreamError, match="are not a"):
            reader.decode(writer.encode(noise(44100)))


@pytest.mark.parametrize("codec", **BY_NAME)
def test_file_over_the_limit_raises(codec, monkeypatch):
    data = codec.encode(noise(8000))
    monkeypatch.setattr(_soundfile, "_MAX_VALUES", 7999)
    with pytest.raises(LimitError, match="2 channels of 4000 samples; allowed are 7999"):
        codec.decode(data)


@pytest.mark.parametrize("codec", [Opus(), Vorbis()], ids=repr)
def test_each_page_of_ogg_is_checked(codec):
    data = codec.encode(noise(44100, 1.5))
    pages = _ogg.read_pages(data)
    assert len(pages) > 3
    assert _ogg.write_pages(pages) == data
    with pytest.raises(CorruptStreamError, match="page 2 of the Ogg file is number 3"):
        codec.decode(_ogg.write_pages([*pages[:2], *pages[3:]]))
    with pytest.raises(TruncatedError, match="last page is missing"):
        codec.decode(_ogg.write_pages(pages[:-1]))
    with pytest.raises(ChecksumError):
        codec.decode(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UnsupportedVersionError, match="version 1"):
        codec.decode(data[:4] + b"\1" + data[5:])


def test_ogg_checksum_is_that_of_other_writers():
    # RFC 3533 gives no example: a page as libogg wrote it into a file of libsndfile (identification header of Opus).
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros((1000, 2)), 48000, "OPUS", format="OGG")
    assert [page.sequence for page in _ogg.read_pages(buffer.getvalue())] == [0, 1, 2]


def test_opus_head_names_the_original_rate():
    pages = _ogg.read_pages(Opus().encode(noise(44100)))
    assert struct.unpack_from("<I", pages[0].body, 12) == (44100,)
    assert pages[1].body.startswith(b"OpusTags")
    assert len(pages[1].body) < 100  # libsndfile's padding is left out


@pytest.mark.parametrize(("rate", "given"), [(0, 8000), (96000, 48000)])
def test_opus_without_a_usable_original_rate_is_given_as_it_is(rate, given):
    head, *others = _ogg.read_pages(Opus().encode(noise(48000)))
    body = head.body[:12] + struct.pack("<I", rate) + head.body[16:]
    decoded = Opus().decode(_ogg.write_pages([dataclasses.replace(head, body=body), *others]))
    assert decoded.sample_rate == given


def test_opus_names_what_resampling_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert Opus().encode(noise(48000))
    with pytest.raises(MissingDependencyError, match=r"Opus at 44100 Hz is resampled with scipy.*pip install scipy"):
        Opus().encode(noise(44100))


# --- Payload ---


def test_payload_leaves_out_what_is_not_sound():
    sound = noise(44100, 1)
    mp3_data, flac_data = Mp3().encode(sound), Flac().encode(sound)
    first = len(mp3_data) - mp3.payload_bytes(mp3_data)
    assert mp3_data[first] == 0xFF  # the next frame's sync word
    assert b"Xing" in mp3_data[:first]
    assert 100 < first < 1500
    start = len(flac_data) - flac.payload_bytes(flac_data)
    assert flac_data[start : start + 2] == b"\xff\xf8"
    opus_data = Opus().encode(sound)
    num_pages = len(_ogg.read_pages(opus_data))
    assert 0 < len(opus_data) - _ogg.payload_bytes(opus_data) < 110 + num_pages * (27 + 255)


# --- Options ---


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Mp3(1.0), "MP3 compression_level is 1.0; allowed is a finite number from 0 to below 1"),
        (lambda: Mp3(-0.1), "MP3 compression_level is -0.1"),
        (lambda: Mp3(bitrate_mode="constant"), "MP3 bitrate_mode is 'constant'; allowed are 'variable', 'average'"),
        (lambda: Opus(1.1), "Opus compression_level is 1.1; allowed is a finite number from 0 to 1"),
        (lambda: Opus(float("nan")), "Opus compression_level is nan"),
        (lambda: Opus("0.5"), "Opus compression_level is '0.5'"),
        (lambda: Vorbis(True), "Vorbis compression_level is True"),
        (lambda: Flac(20), "FLAC bits is 20; allowed are 16, 24"),
        (lambda: Flac(16.0), "FLAC bits is 16.0"),
    ],
)
def test_bad_option_is_refused_in_one_sentence(make, match):
    with pytest.raises(CodecError, match=match):
        make()


def test_integer_levels_are_values_too():
    check_value(Mp3(0))
    check_value(Opus(1))


# --- The kit for sounds ---


@dataclasses.dataclass(frozen=True)
class ForgetsRate(Flac):
    def decode(self, data):
        return Audio(super().decode(data).samples, 8000)


@dataclasses.dataclass(frozen=True)
class AddsSamples(Flac):
    def decode(self, data):
        decoded = super().decode(data)
        return Audio(np.pad(decoded.samples, ((0, 0), (0, 7))), decoded.sample_rate)


def test_laws_of_sounds_catch_another_rate_and_length():
    sound = sounds_to_check((16000,))[3]
    with pytest.raises(LawBroken, match=r"changes sample_rate of Audio 1 x 6001 float32 from 16000 to 8000"):
        check_keeps_shape(ForgetsRate(), sound)
    with pytest.raises(LawBroken, match="Audio 1 x 6001 float32 back as Audio 1 x 6008"):
        check_keeps_shape(AddsSamples(), sound)


def test_sample_sounds_are_seeded_and_odd():
    sounds = sounds_to_check()
    assert sounds == sounds_to_check()
    assert sounds != sounds_to_check(seed=1)
    assert {sound.sample_rate for sound in sounds} == {8000, 16000, 44100, 48000}
    assert {sound.num_channels for sound in sounds} == {1, 2}
    assert {1, 7} < {sound.samples.shape[1] for sound in sounds}
    assert any(not sound.samples.any() for sound in sounds)
    assert max(np.abs(sound.samples).max() for sound in sounds) < 1
