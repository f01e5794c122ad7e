"""Channel mask and tags of files of other formats: in, through an .lcn file, and out; and what is damaged there."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from laconic.codecs.files import encode, read_sound, signal_bytes
from laconic.codecs.formats.vorbis_comments import copy_with_comments, read_flac_metadata, read_ogg_metadata
from laconic.codecs.formats.wav_files import read_wav_metadata
from laconic.codecs.media import Audio
from laconic.codecs.notes import collect_notes
from laconic.codecs.sound_metadata import SoundHead, SoundMetadata

RATE_HZ = 44_100
NAMES = ("title", "artist", "album", "date", "comment", "genre", "tracknumber", "copyright", "software")
TAGS = {name: f"{name} – 曲 {number}" for number, name in enumerate(NAMES)}


def silence(channels: int = 1) -> np.ndarray:
    return np.zeros((channels, 600), np.float32)


def sound(metadata: SoundMetadata, channels: int = 1) -> Audio:
    return Audio(silence(channels), RATE_HZ, metadata)


def through(audio: Audio, extension: str) -> Audio:
    """As an .lcn file, then as one with this extension, read again."""
    decoded = read_sound(io.BytesIO(encode(audio)))
    return read_sound(io.BytesIO(signal_bytes(decoded, extension)))


def wav(*chunks: tuple[bytes, bytes], order: str = "<", channels: int = 1) -> io.BytesIO:
    """A WAV file of two samples of 16 bits with these chunks before them."""
    plain = struct.pack(order + "HHIIHH", 1, channels, RATE_HZ, 2 * channels * RATE_HZ, 2 * channels, 16)
    found = [] if any(name == b"fmt " for name, _ in chunks) else [(b"fmt ", plain)]
    body = b"WAVE"
    for name, data in (*found, *chunks, (b"data", bytes(4 * channels))):
        body += name + struct.pack(order + "I", len(data)) + data + b"\0" * (len(data) % 2)
    return io.BytesIO((b"RIFX" if order == ">" else b"RIFF") + struct.pack(order + "I", len(body)) + body)


def info(*texts: tuple[bytes, bytes], order: str = "<") -> tuple[bytes, bytes]:
    body = b"INFO"
    for name, text in texts:
        body += name + struct.pack(order + "I", len(text)) + text + b"\0" * (len(text) % 2)
    return b"LIST", body


@pytest.mark.parametrize("extension", [".wav", ".flac"])
@pytest.mark.parametrize(("channels", "mask"), [(6, 0x60F), (1, 0x4), (2, 0x3), (6, 0x3F), (8, 0xFF), (4, 0x80000033)])
def test_channel_mask_comes_back(extension: str, channels: int, mask: int) -> None:
    audio = sound(SoundMetadata("int24", mask), channels)
    assert through(audio, extension).metadata == audio.metadata


def test_channel_mask_stands_where_microsoft_says() -> None:
    data = signal_bytes(sound(SoundMetadata("int16", 0x60F), 6), ".wav")
    assert soundfile.SoundFile(io.BytesIO(data)).format == "WAVEX"
    tag, channels = struct.unpack_from("<HH", data, 20)
    extension_bytes, bits, mask = struct.unpack_from("<HHI", data, 36)
    assert (tag, channels, extension_bytes, bits, mask) == (0xFFFE, 6, 22, 16, 0x60F)
    assert data[44:60] == bytes.fromhex("0100000000001000800000aa00389b71")  # KSDATAFORMAT_SUBTYPE_PCM


def test_extensible_float_is_read_by_libsndfile() -> None:
    samples = np.linspace(-2, 2, 1200, dtype=np.float32).reshape(2, 600)
    data = signal_bytes(Audio(samples, RATE_HZ, SoundMetadata("float32", 0x3)), ".wav")
    file = soundfile.SoundFile(io.BytesIO(data))
    assert (file.format, file.subtype) == ("WAVEX", "FLOAT")
    assert np.array_equal(file.read(dtype="float32").T, samples)


def test_mask_that_flac_has_by_itself_is_not_written() -> None:
    assert b"MASK" not in signal_bytes(sound(SoundMetadata("int16", 0x3F), 6), ".flac")
    assert b"WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x60F" in signal_bytes(sound(SoundMetadata("int16", 0x60F), 6), ".flac")


@pytest.mark.parametrize("extension", [".wav", ".flac"])
def test_tags_come_back_and_libsndfile_reads_them(extension: str) -> None:
    audio = sound(SoundMetadata("int16", tags=TAGS))
    assert through(audio, extension).metadata == audio.metadata
    found = soundfile.SoundFile(io.BytesIO(signal_bytes(audio, extension))).copy_metadata()
    assert {name: text.rstrip("\0") for name, text in found.items()} == TAGS


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("AIFF", "PCM_16"), ("MP3", None)],
)
def test_tags_that_libsndfile_writes_are_read(container: str, subtype: str | None) -> None:
    file = io.BytesIO()
    rate = 48_000 if subtype == "OPUS" else RATE_HZ
    with soundfile.SoundFile(file, "w", rate, 1, format=container, subtype=subtype) as target:
        target.title, target.artist = "A title", "Someone"
        target.write(silence().T)
    file.seek(0)
    tags = read_sound(file).metadata.tags
    assert (tags["title"], tags["artist"]) == ("A title", "Someone")


def test_other_names_stay_in_flac_and_are_said_of_wav() -> None:
    tags = {"title": "x", "my own": "y", "isrc": "DE-A00", "info:ieng": "someone"}
    audio = sound(SoundMetadata("int16", tags=tags))
    assert through(audio, ".flac").metadata.tags == tags
    with collect_notes() as notes:
        assert through(audio, ".wav").metadata.tags == {"title": "x", "info:ieng": "someone"}
    assert notes == ["a WAV file has no place for the tags my own, isrc; a .flac file keeps all"]


def test_texts_of_big_endian_and_other_alphabets_are_read() -> None:
    texts = info((b"INAM", b"Tr\xe4gt\0\0"), (b"IART", "Süß".encode()), (b"IENG", b"e"), order=">")
    _, found = read_wav_metadata(wav(texts, order=">"))
    assert found == [("title", "Trägt"), ("artist", "Süß"), ("info:ieng", "e")]


def test_texts_after_the_samples_are_read() -> None:
    file = io.BytesIO(wav().getvalue() + info((b"INAM", b"late"))[1].join([b"LIST\20\0\0\0", b""]))
    assert read_wav_metadata(file)[1] == [("title", "late")]


def test_damaged_chunks_of_texts_cost_no_samples() -> None:
    for body in (b"", b"INF", b"INFO", b"INFOINAM", b"INFOINAM\xff\xff\xff\x7fabc", b"adtlnote\0\0\0\0"):
        audio = read_sound(wav((b"LIST", body)))
        assert audio.samples.shape == (1, 2)
        assert set(audio.metadata.tags) <= {"title"}


def test_sizes_that_are_no_sizes_end_the_search() -> None:
    data = bytearray(wav(info((b"INAM", b"x"))).getvalue())
    at = data.index(b"data")
    data[at + 4 : at + 8] = b"\xff\xff\xff\xff"  # as streaming encoders write it
    assert read_wav_metadata(io.BytesIO(data)) == (0, [("title", "x")])
    for length in range(len(data)):
        mask, texts = read_wav_metadata(io.BytesIO(data[:length]))
        assert mask == 0
        assert texts in ([], [("title", "")], [("title", "x")])


def test_mask_of_a_plain_or_short_format_chunk_is_none() -> None:
    head = struct.pack("<HHIIHHHHI", 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16, 22, 16, 0x60F)
    assert read_wav_metadata(wav((b"fmt ", head + bytes(16))))[0] == 0
    assert read_wav_metadata(wav((b"fmt ", b"\xfe\xff" + head[2:])))[0] == 0
    assert read_wav_metadata(wav((b"fmt ", b"\xfe\xff" + head[2:] + bytes(16))))[0] == 0x60F


def test_flac_says_the_loudspeakers_by_the_number_of_channels() -> None:
    file = io.BytesIO()
    soundfile.write(file, silence(6).T, RATE_HZ, format="FLAC", subtype="PCM_16")
    file.seek(0)
    assert read_sound(file).metadata.channel_mask == 0x3F


@pytest.mark.parametrize("text", ["", "0x", "many", "-1", "0", str(1 << 32)])
def test_mask_that_is_no_number_is_left_out(text: str) -> None:
    flac = io.BytesIO()
    head = SoundHead(2, 0, RATE_HZ, SoundMetadata(tags={"waveformatextensible_channel_mask": text}))
    copy_with_comments(io.BytesIO(b"fLaC\x80\0\0\0"), flac, head)
    assert read_flac_metadata(flac, 2) == (0, [])


def test_texts_of_one_name_are_joined_and_pictures_said() -> None:
    comments = [b"ARTIST=a", b"artist=b", b"TITLE=x=y", b"nothing", b"METADATA_BLOCK_PICTURE=AAAA"]
    body = struct.pack("<II", 0, len(comments)) + b"".join(struct.pack("<I", len(c)) + c for c in comments)
    original = signal_bytes(sound(SoundMetadata("int16")), ".flac")
    block = bytes([4]) + len(body).to_bytes(3, "big") + body
    picture = bytes([6 | 0x80]) + (32).to_bytes(3, "big") + struct.pack(">I", 3) + bytes(28)
    samples = original.index(b"\xff\xf8", 42)
    data = original[:42] + block + picture + original[samples:]  # 42 bytes of magic and stream information
    with collect_notes() as notes:
        assert read_sound(io.BytesIO(data)).metadata.tags == {"artist": "a; b", "title": "x=y"}
    assert notes == ["the cover picture is not kept; keep the file for it"]


def test_damaged_flac_and_ogg_heads_end_the_search() -> None:
    flac = signal_bytes(sound(SoundMetadata("int16", 0x4, TAGS)), ".flac")
    ogg = io.BytesIO()
    with soundfile.SoundFile(ogg, "w", RATE_HZ, 1, format="OGG", subtype="VORBIS") as target:
        target.title = "A title"
        target.write(silence().T)
    for length in range(0, 600, 7):
        mask, texts = read_flac_metadata(io.BytesIO(flac[:length]), 1)
        assert mask in (0, 4)
        assert len(texts) <= len(TAGS)
        mask, texts = read_ogg_metadata(io.BytesIO(ogg.getvalue()[:length]))
        assert mask == 0
        assert len(texts) <= 2


def test_comments_over_several_pages_are_read() -> None:
    tags = {"title": "x", "comment": "long " * 30_000}
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", RATE_HZ, 1, format="OGG", subtype="VORBIS") as target:
        target.title, target.comment = tags["title"], tags["comment"]
        target.write(silence().T)
    assert read_ogg_metadata(file)[1] == [("TITLE", "x"), ("COMMENT", tags["comment"])]
