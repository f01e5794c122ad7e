"""What a file keeps of a sound beside its samples: how they were stored, the loudspeakers, texts (SPEC.md, section 6.3).

Without numpy, so that a file's head can be shown without importing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from laconic.codecs.arguments import optional_choice_argument, settle_arguments, shown, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.notes import note
from laconic.entropy.container import Source, varint
from laconic.entropy.errors import BitstreamError, CorruptStreamError

SAMPLE_FORMATS = ("int16", "int24", "float32")  # by their number in a file, from 1
BITS_OF_SAMPLES = {"int16": 16, "int24": 24}  # of those that are integers
SECTION_NAME = "sound"  # in `Header.metadata` and `Latent.metadata`
_MAX_TAGS = 1024
_MAX_KEY_BYTES = 255
_MAX_TAG_BYTES = 1 << 20  # of all tags together, keys included


@dataclass(frozen=True)
class SoundMetadata:
    """`sample_format`: how the file stored its samples, "int16", "int24" or "float32", None where that is not known: of
    arrays, and of MP3, Vorbis and Opus, which store none. `channel_mask`: the loudspeaker of each channel, a bit for each
    as in WAVE_FORMAT_EXTENSIBLE (0x60F is 5.1 with side speakers); 0 says nothing. `tags`: texts by their names ("title",
    "artist", "album", "date", "comment", "genre", "tracknumber", ...), which are lower-case ASCII without "=".

    Raises `CodecError` for anything else, and for more than 1024 tags or 2**20 bytes of them.
    """

    sample_format: str | None = None
    channel_mask: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        optional_choice_argument("sample_format", self.sample_format, SAMPLE_FORMATS)
        settle_arguments(self, channel_mask=whole_number_argument("channel_mask", self.channel_mask, 0, (1 << 32) - 1))
        if not isinstance(self.tags, Mapping):
            raise CodecError(f"tags is {shown(self.tags)}; allowed is a mapping of names to texts")
        for key, text in self.tags.items():
            if reason := _misfit(key, text):
                raise CodecError(f"the tag {shown(key)} {reason}")
        if len(self.tags) > _MAX_TAGS or _num_bytes(self.tags) > _MAX_TAG_BYTES:
            raise CodecError(
                f"there are {len(self.tags)} tags of {_num_bytes(self.tags)} bytes; "
                f"allowed are {_MAX_TAGS} of {_MAX_TAG_BYTES} bytes: leave some out"
            )

    def to_bytes(self) -> bytes:
        """The unpacked section of a file; b"" where it says nothing."""
        if self == SoundMetadata():
            return b""
        number = 1 + SAMPLE_FORMATS.index(self.sample_format) if self.sample_format else 0
        texts = (text.encode() for tag in self.tags.items() for text in tag)
        return bytes([number]) + varint(self.channel_mask) + b"".join(varint(len(text)) + text for text in texts)

    @classmethod
    def from_bytes(cls, section: bytes) -> SoundMetadata:
        """What a section says. Raises `CorruptStreamError`."""
        source = Source(section)
        try:
            number, mask, tags = source.read(1, "the sample format")[0], source.varint("the channel mask"), {}
            while source.position < len(section):
                key, text = _text(source), _text(source)
                if key in tags:
                    raise CorruptStreamError(f"the tag {key!r} is there twice")
                tags[key] = text
            if number > len(SAMPLE_FORMATS):
                raise CorruptStreamError(f"sample format {number} is unknown")
            return cls(SAMPLE_FORMATS[number - 1] if number else None, mask, tags)
        except (BitstreamError, CodecError, UnicodeDecodeError) as err:
            raise CorruptStreamError(f"the section of a sound's metadata is damaged: {err}") from err


@dataclass(frozen=True)
class SoundHead:
    """What a file of sound says before its samples: `length` is those of a channel, `sample_rate` in Hz."""

    num_channels: int
    length: int
    sample_rate: int
    metadata: SoundMetadata


def tags_of(found: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Tags of the names and texts of a file: those of one name joined, empty ones left out, and with a note those that a
    `SoundMetadata` does not hold."""
    texts: dict[str, str] = {}
    for key, text in found:
        clean = text.strip(" \0")
        if clean:
            name = key.lower()
            texts[name] = f"{texts[name]}; {clean}" if name in texts else clean
    kept: dict[str, str] = {}
    num_left = _MAX_TAG_BYTES
    for key, text in texts.items():
        size = _num_bytes({key: text}) if not _misfit(key, text) else _MAX_TAG_BYTES + 1
        if len(kept) < _MAX_TAGS and size <= num_left:
            kept[key], num_left = text, num_left - size
    if lost := len(texts) - len(kept):
        note(f"{lost} tag{'s' * (lost > 1)} cannot be kept; allowed are {_MAX_TAGS} short texts of 1 MiB in all")
    return kept


def _misfit(key: object, text: object) -> str | None:
    """Why these are no tag, None where they are."""
    if not isinstance(key, str) or not 1 <= len(key) <= _MAX_KEY_BYTES:
        return f"has no name of 1 to {_MAX_KEY_BYTES} characters"
    if any(not " " <= char <= "}" or char == "=" or char.isupper() for char in key):
        return "has a name with other characters than lower-case ASCII without '='"
    if not isinstance(text, str) or "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        return "has a value that is no text"
    return None


def _num_bytes(tags: Mapping[str, str]) -> int:
    return sum(len(key) + len(text.encode()) for key, text in tags.items())


def _text(source: Source) -> str:
    return source.read(source.varint("the length of a text"), "a text").decode()
