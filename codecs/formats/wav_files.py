"""What soundfile does not do of WAV: the channel mask and all texts in, and files that keep them out.

Layout by Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" (RIFF, LIST INFO) and "Multiple Channel
Audio Data and WAVE Files" (WAVE_FORMAT_EXTENSIBLE).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.notes import note
from laconic.codecs.sound_metadata import SoundHead

if TYPE_CHECKING:
    from jaxtyping import Num

WAV_MAGICS = (b"RIFF", b"RIFX", b"RF64")
_PCM, _IEEE_FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SUBFORMAT_END = bytes.fromhex("000010008000 00aa00389b71")  # of a GUID that begins with one of the first two
_EXTENSIBLE_BYTES = 40  # of the fmt chunk
_BITS = {"int16": 16, "int24": 24, "float32": 32}
_MAX_U16, _MAX_U32 = (1 << 16) - 1, (1 << 32) - 1
_MAX_CHUNKS = 1024
_MAX_INFO_BYTES = 1 << 22
_OTHER_TEXT = "info:"  # begins the names of tags that have none of their own, as in "info:ieng"
_TAGS = {
    "INAM": "title",
    "IART": "artist",
    "IPRD": "album",
    "ICRD": "date",
    "ICMT": "comment",
    "IGNR": "genre",
    "ITRK": "tracknumber",
    "ICOP": "copyright",
    "ISFT": "software",
}
_IDS = {tag: name for name, tag in _TAGS.items()}


class Readable(Protocol):
    """As much of a file as is needed here."""

    def read(self, count: int, /) -> bytes: ...

    def seek(self, offset: int, /) -> int: ...

    def tell(self) -> int: ...


def read_wav_metadata(file: Readable) -> tuple[int, list[tuple[str, str]]]:
    """Channel mask, 0 where there is none, and names and texts of tags of a WAV file; what is damaged is left out."""
    file.seek(0)
    order = ">" if file.read(12)[:4] == b"RIFX" else "<"
    mask, texts = 0, list[tuple[str, str]]()
    for name, size in _chunks(file, order):
        if name == b"fmt ":
            body = file.read(min(size, _EXTENSIBLE_BYTES))
            if len(body) == _EXTENSIBLE_BYTES and struct.unpack_from(order + "H", body)[0] == _EXTENSIBLE:
                (mask,) = struct.unpack_from(order + "I", body, 20)
        elif name == b"LIST" and size <= _MAX_INFO_BYTES:
            texts += _info_texts(file.read(size), order)
    return mask, texts


def _chunks(file: Readable, order: str) -> Iterator[tuple[bytes, int]]:
    """Name and size of each chunk, its body next in the file. Those of a stream of no known length are its last."""
    for _ in range(_MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        name, size = struct.unpack(order + "4sI", head)
        body_at = file.tell()
        yield name, size
        file.seek(body_at + size + size % 2)


def _info_texts(body: bytes, order: str) -> Iterator[tuple[str, str]]:
    position = 4
    while body[:4] == b"INFO" and position + 8 <= len(body):
        name, size = struct.unpack_from(order + "4sI", body, position)
        text = body[position + 8 : position + 8 + size].split(b"\0")[0]
        position += 8 + size + size % 2
        identifier = name.decode("latin-1")
        yield _TAGS.get(identifier, _OTHER_TEXT + identifier.strip().lower()), text_of(text)


def text_of(data: bytes) -> str:
    """A text that should be UTF-8, of Windows' characters where it is not."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def wav_head(head: SoundHead, sample_format: str) -> bytes:
    """What stands before the samples of a WAV file, which ends with `wav_end`.

    Raises `UnsupportedSignalError` where the format does not hold them; tags that it has no place for are left out with
    a note.
    """
    bits, length, channels = _BITS[sample_format], head.length, head.num_channels
    chunks = [(b"fmt ", _format_chunk(head, sample_format))]
    if sample_format == "float32":
        chunks.append((b"fact", struct.pack("<I", min(length, _MAX_U32))))
    if info := _info_chunk(head.metadata.tags):
        chunks.append((b"LIST", info))
    parts = [name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for name, body in chunks]
    num_bytes = channels * length * bits // 8
    size = 4 + sum(map(len, parts)) + 8 + num_bytes + num_bytes % 2
    if size > _MAX_U32 or channels * bits // 8 > _MAX_U16:
        raise UnsupportedSignalError(
            f"{channels} channels of {length} samples of {bits} bits are more than a WAV file holds; allowed are 4 GiB and "
            f"{_MAX_U16} bytes for the samples of one time: split the sound"
        )
    riff = b"RIFF" + struct.pack("<I", size) + b"WAVE"
    return riff + b"".join(parts) + b"data" + struct.pack("<I", num_bytes)


def wav_samples(frames: Num[NDArray[Any], "t c"], sample_format: str) -> bytes:
    """Frames, int16, int32 of 24 bits, or float32, as they stand in a WAV file."""
    data = np.ascontiguousarray(frames, frames.dtype.newbyteorder("<"))
    if sample_format == "int24":
        data = data.view(np.uint8).reshape(*frames.shape, 4)[:, :, :3]
    return data.tobytes()


def wav_end(head: SoundHead, sample_format: str) -> bytes:
    """What stands behind the samples of a WAV file: a chunk has an even number of bytes."""
    return b"\0" * (head.num_channels * head.length * _BITS[sample_format] // 8 % 2)


def _format_chunk(head: SoundHead, sample_format: str) -> bytes:
    """Plain where there is no channel mask, since more programs read that."""
    bits, mask, rate = _BITS[sample_format], head.metadata.channel_mask, head.sample_rate
    tag = _IEEE_FLOAT if sample_format == "float32" else _PCM
    block = head.num_channels * bits // 8 & _MAX_U16
    fields = head.num_channels & _MAX_U16, rate, min(rate * block, _MAX_U32), block, bits
    if not mask:
        return struct.pack("<HHIIHH", tag, *fields) + (b"\0\0" if tag == _IEEE_FLOAT else b"")
    end = struct.pack("<HHII", _EXTENSIBLE_BYTES - 18, bits, mask, tag) + _SUBFORMAT_END
    return struct.pack("<HHIIHH", _EXTENSIBLE, *fields) + end


def _info_chunk(tags: Mapping[str, str]) -> bytes:
    """The texts of a LIST chunk, b"" where there are none."""
    out, lost = b"", []
    for tag, text in tags.items():
        name = _IDS.get(tag, tag.removeprefix(_OTHER_TEXT).upper())
        if tag not in _IDS and not (tag.startswith(_OTHER_TEXT) and len(name) == 4 and name.isalnum()):
            lost.append(tag)
            continue
        body = text.encode() + b"\0"
        out += name.encode() + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    if lost:
        note(f"a WAV file has no place for the tags {', '.join(lost)}; a .flac file keeps all")
    return b"INFO" + out if out else b""
