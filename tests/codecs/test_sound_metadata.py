"""What a file keeps of a sound beside its samples: round trips, limits, and sections that no encoder writes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from laconic.codecs.errors import CodecError
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio
from laconic.codecs.notes import collect_notes
from laconic.codecs.sound_metadata import SECTION_NAME, SoundMetadata, tags_of
from laconic.entropy import CorruptStreamError
from laconic.entropy.container import varint

SAMPLES = np.zeros((2, 500), np.float32)
TAGS = {"title": "Ein Stück, 曲", "my own": "line\nline", "comment": "x" * 3000}


@pytest.mark.parametrize(
    "metadata",
    [
        SoundMetadata("int16"),
        SoundMetadata("int24", 0x60F),
        SoundMetadata("float32", 0xFFFFFFFF, TAGS),
        SoundMetadata(None, 0x3),
        SoundMetadata(tags={"title": ""}),
        SoundMetadata(channel_mask=np.uint32(7)),  # type: ignore[arg-type]
    ],
)
def test_metadata_comes_back(metadata: SoundMetadata) -> None:
    assert SoundMetadata.from_bytes(metadata.to_bytes()) == metadata
    decoded = Lcn().decode(Lcn().encode(Audio(SAMPLES, 8000, metadata)))
    assert isinstance(decoded, Audio)
    assert decoded.metadata == metadata


def test_nothing_to_say_takes_no_byte() -> None:
    bare, said = (Lcn().encode(Audio(SAMPLES, 8000, SoundMetadata(name))) for name in (None, "int16"))
    assert SoundMetadata().to_bytes() == b""
    assert len(said) == len(bare) + 10  # a section with its checksum
    assert Lcn().unpack(bare).metadata == {}


def test_latents_keep_metadata() -> None:
    data = Lcn().encode(Audio(SAMPLES, 8000, SoundMetadata("int24", 3, TAGS)))
    assert Lcn().pack(Lcn().unpack(data)) == data


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sample_format": "pcm16"}, "sample_format is 'pcm16'; allowed are None, 'int16', 'int24', 'float32'"),
        ({"channel_mask": -1}, "channel_mask is -1; allowed is a whole number from 0"),
        ({"channel_mask": 1 << 32}, "channel_mask is 4294967296"),
        ({"channel_mask": "front"}, "channel_mask is 'front'"),
        ({"tags": [("title", "x")]}, "tags is .* allowed is a mapping"),
        ({"tags": {"": "x"}}, "has no name"),
        ({"tags": {3: "x"}}, "has no name"),
        ({"tags": {"k" * 256: "x"}}, "has no name"),
        ({"tags": {"Title": "x"}}, "lower-case"),
        ({"tags": {"a=b": "x"}}, "lower-case"),
        ({"tags": {"é": "x"}}, "lower-case"),
        ({"tags": {"title": "a\0b"}}, "no text"),
        ({"tags": {"title": "\ud800"}}, "no text"),
        ({"tags": {"title": 4}}, "no text"),
        ({"tags": {"title": "x" * (1 << 20)}}, "1048581 bytes"),
        ({"tags": {f"k{i}": "" for i in range(1025)}}, "1025 tags"),
    ],
)
def test_what_a_file_cannot_keep_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(CodecError, match=message):
        SoundMetadata(**fields)


def _tag(key: bytes, text: bytes) -> bytes:
    return varint(len(key)) + key + varint(len(text)) + text


@pytest.mark.parametrize(
    "section",
    [
        b"",
        b"\1",
        b"\4\0",
        b"\0" + varint(1 << 32),
        b"\0\0" + _tag(b"", b"x"),
        b"\0\0" + _tag(b"Title", b"x"),
        b"\0\0" + _tag(b"title", b"\xff"),
        b"\0\0" + _tag(b"title", b"\0"),
        b"\0\0" + _tag(b"title", b"x")[:-1],
        b"\0\0" + _tag(b"title", b"x") * 2,
        b"\0\0\5titl" + varint(1 << 60),
        b"\0\0" + b"".join(_tag(b"%d" % i, b"") for i in range(1025)),
        b"\0\0" + _tag(b"title", b"x" * (1 << 20)),
    ],
)
def test_sections_that_no_encoder_writes_are_refused(section: bytes) -> None:
    latent = Lcn().analyze(Audio(SAMPLES, 8000))
    data = Lcn().pack(dataclasses.replace(latent, metadata={SECTION_NAME: section}))
    with pytest.raises(CorruptStreamError, match="metadata is damaged"):
        Lcn().unpack(data)


def test_tags_of_files_are_cleaned() -> None:
    found = [("TITLE", "x\0\0"), ("ARTIST", "a"), ("Artist", "b"), ("DATE", " "), ("COMMENT", "")]
    assert tags_of(found) == {"title": "x", "artist": "a; b"}


def test_tags_that_cannot_be_kept_are_said() -> None:
    found = [("title", "x"), ("a=b", "x"), ("huge", "x" * (1 << 20)), ("comment", "y")]
    with collect_notes() as notes:
        assert tags_of(found) == {"title": "x", "comment": "y"}
    assert notes == ["2 tags cannot be kept; allowed are 1024 short texts of 1 MiB in all"]


def test_metadata_of_another_type_is_refused() -> None:
    with pytest.raises(CodecError, match=r"metadata is .* allowed is SoundMetadata"):
        Audio(SAMPLES, 8000, {"title": "x"})  # type: ignore[arg-type]


def test_sounds_with_other_metadata_are_not_equal() -> None:
    assert Audio(SAMPLES, 8000, SoundMetadata("int16")) != Audio(SAMPLES, 8000)
    assert Audio(SAMPLES, 8000, SoundMetadata("int16")) == Audio(SAMPLES, 8000, SoundMetadata("int16"))
