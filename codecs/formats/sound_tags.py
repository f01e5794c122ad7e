"""What files of other formats say of a sound beside its samples: how they are stored, loudspeakers, texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from laconic.codecs.formats.vorbis_comments import FLAC_MAGIC, OGG_MAGIC, read_flac_metadata, read_ogg_metadata
from laconic.codecs.formats.wav_files import WAV_MAGICS, Readable, read_wav_metadata
from laconic.codecs.sound_metadata import SoundMetadata, tags_of

# libsndfile's subtypes. Integers of less than 16 bits fit into 16; the float32 that they are read as holds 24 of them.
_INT24 = frozenset(["PCM_24", "PCM_32", "ALAC_20", "ALAC_24", "DWVW_24"])
_FLOAT32 = frozenset(["FLOAT", "DOUBLE"])
_WITHOUT_SAMPLES = frozenset(["VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III"])


@dataclass(frozen=True)
class Stored:
    """What libsndfile says of a file beside its samples; `tags` are the ten that it knows."""

    sample_rate: int
    num_channels: int
    subtype: str
    tags: Mapping[str, str]


def stored_in(opened: Any, tags: Mapping[str, str]) -> Stored:
    """Of a `soundfile.SoundFile`, and the tags of its end, which it may not have seen."""
    found = {**tags, **opened.copy_metadata()}
    return Stored(int(opened.samplerate), int(opened.channels), str(opened.subtype), found)


def read_sound_metadata(file: Readable, stored: Stored) -> SoundMetadata:
    """Of a file that can seek and what libsndfile says of it. Tags that cannot be kept are left out with a note."""
    file.seek(0)
    magic = file.read(4)
    if magic in WAV_MAGICS:
        mask, texts = read_wav_metadata(file)
    elif magic == FLAC_MAGIC:
        mask, texts = read_flac_metadata(file, stored.num_channels)
    elif magic == OGG_MAGIC:
        mask, texts = read_ogg_metadata(file)
    else:
        mask, texts = 0, list(stored.tags.items())
    return SoundMetadata(_sample_format(stored.subtype), mask, tags_of(texts))


def _sample_format(subtype: str) -> str | None:
    if subtype in _WITHOUT_SAMPLES:
        return None
    if subtype in _FLOAT32:
        return "float32"
    return "int24" if subtype in _INT24 else "int16"
