"""The texts of FLAC and Ogg files, Vorbis comments (RFC 9639, section 8.6; RFC 7845, section 5.2; RFC 3533, section 6), in,
and those of FLAC out: soundfile gives and takes ten names only, and no channel mask.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from typing import BinaryIO

from laconic.codecs.formats.wav_files import Readable, text_of
from laconic.codecs.notes import note
from laconic.codecs.sound_metadata import SoundHead

FLAC_MAGIC, OGG_MAGIC = b"fLaC", b"OggS"
_COMMENT_BLOCK, _PICTURE_BLOCK = 4, 6
_LAST_BLOCK = 0x80
_MASK = "waveformatextensible_channel_mask"  # in which FLAC's own encoder keeps it
_ENCODER = "encoder"  # of the file, as the vendor is, and not of the sound
_PICTURES = ("metadata_block_picture", "coverart", "coverartmime")
_MAX_BYTES = (1 << 24) - 1  # of a block of FLAC
_PACKET_HEADS = (b"\3vorbis", b"OpusTags")  # of the second packet of a stream
# What FLAC says by the number of channels alone (RFC 9639, section 9.1.3).
_FLAC_MASKS = {3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F}


def read_flac_metadata(file: Readable, num_channels: int) -> tuple[int, list[tuple[str, str]]]:
    """Channel mask and names and texts of tags of a FLAC file; that it has a picture is noted, since it is not kept."""
    file.seek(len(FLAC_MAGIC))
    texts: list[tuple[str, str]] = []
    for kind, body in _blocks(file):
        if kind == _COMMENT_BLOCK:
            texts += _comments(body)
        elif kind == _PICTURE_BLOCK:
            _note_picture()
    return _with_mask(texts, _FLAC_MASKS.get(num_channels, 0))


def read_ogg_metadata(file: Readable) -> tuple[int, list[tuple[str, str]]]:
    """Channel mask and names and texts of tags of the first stream of an Ogg file."""
    file.seek(0)
    packet = _second_packet(file)
    head = next((head for head in _PACKET_HEADS if packet.startswith(head)), None)
    return _with_mask(list(_comments(packet[len(head) :])) if head else [], 0)


def copy_with_comments(flac: BinaryIO, target: BinaryIO, head: SoundHead) -> None:
    """A FLAC file to another with these tags instead of its own, and the mask where it is not that of so many channels."""
    texts = dict(head.metadata.tags)
    mask = head.metadata.channel_mask
    if mask and mask != _FLAC_MASKS.get(head.num_channels):
        texts[_MASK] = f"0x{mask:X}"
    comments = [f"{name.upper()}={text}".encode() for name, text in texts.items()]
    body = struct.pack("<I", len(comments)) + b"".join(struct.pack("<I", len(c)) + c for c in comments)
    vendor, kept = b"\0\0\0\0", []
    flac.seek(len(FLAC_MAGIC))
    for kind, block in _blocks(flac):
        if kind == _COMMENT_BLOCK:
            vendor = block[: 4 + _size_at(block, 0)]
        else:
            kept.append((kind, block))
    kept.append((_COMMENT_BLOCK | _LAST_BLOCK, vendor + body))
    blocks = (bytes([kind]) + len(block).to_bytes(3, "big") + block for kind, block in kept)
    target.write(FLAC_MAGIC + b"".join(blocks))
    shutil.copyfileobj(flac, target)


def _blocks(file: Readable) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each block before the samples of a FLAC file, as far as they are there."""
    while len(head := file.read(4)) == 4:
        kind, size = head[0], int.from_bytes(head[1:], "big")
        yield kind & ~_LAST_BLOCK, file.read(size)
        if kind & _LAST_BLOCK:
            return


def _second_packet(file: Readable) -> bytes:
    """That of the first stream of an Ogg file, b"" where there is none of at most 16 MiB."""
    serial, number, packet = b"", 0, b""
    while len(head := file.read(27)) == 27 and head[:4] == OGG_MAGIC and len(packet) <= _MAX_BYTES:
        sizes = file.read(head[26])
        body = file.read(sum(sizes))
        serial = serial or head[14:18]
        if head[14:18] != serial:
            continue
        position = 0
        for size in sizes:
            packet += body[position : position + size] if number else b""
            position += size
            if size < 255:  # the end of a packet
                if number:
                    return packet
                number = 1
    return b""


def _comments(body: bytes) -> Iterator[tuple[str, str]]:
    """Names and texts, as far as they are there."""
    start = 4 + _size_at(body, 0)
    count, start = _size_at(body, start), start + 4
    while count > 0 and start + 4 + _size_at(body, start) <= len(body):
        end = start + 4 + _size_at(body, start)
        name, _, text = text_of(body[start + 4 : end]).partition("=")
        count, start = count - 1, end
        yield name, text


def _size_at(body: bytes, position: int) -> int:
    return int.from_bytes(body[position : position + 4], "little")


def _with_mask(texts: list[tuple[str, str]], mask: int) -> tuple[int, list[tuple[str, str]]]:
    """Channel mask, this one where no text says it, and the other texts; pictures among them are left out with a note."""
    kept = []
    for name, text in texts:
        if name.lower() == _MASK:
            mask = _number(text) or mask
        elif name.lower() in _PICTURES:
            _note_picture()
        elif name.lower() != _ENCODER:
            kept.append((name, text))
    return mask, kept


def _number(text: str) -> int:
    """Of a channel mask; 0 where it is none."""
    try:
        number = int(text, 0)
    except ValueError:
        return 0
    return number if 0 < number < 1 << 32 else 0


def _note_picture() -> None:
    note("the cover picture is not kept; keep the file for it")
