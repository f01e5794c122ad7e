"""A file of sound as libsndfile reads all of it: without tags in front, sizes told, chained streams apart."""

from __future__ import annotations

import io
from typing import BinaryIO

from laconic.codecs.formats.foreign_files import refuse_foreign
from laconic.codecs.formats.libsndfile import LibsndfileInput
from laconic.codecs.formats.ogg_links import ogg_links
from laconic.codecs.formats.sample_sizes import with_known_sample_size

_ID3_HEAD_BYTES = 10  # id3.org, ID3v2.4, section 3.1
_ID3_HAS_FOOTER = 0x10
_HEAD_BYTES = 16
_OTHER_STARTS = (b"fLaC", b"OggS", b"RIFF", b"RIFX", b"RF64", b"FORM", b"riff", b"caff")


def is_mpeg(head: bytes) -> bool:
    """Whether a frame of MPEG sound may start so: eleven bits set, then a version, a layer, a bit rate and a sample rate
    that are not reserved (ISO/IEC 11172-3, 2.4.2.3).
    """
    if len(head) < 3 or head[0] != 0xFF or head[1] < 0xE0:
        return False
    return head[1] & 0x18 != 0x08 and head[1] & 0x06 != 0 and head[2] & 0xF0 != 0xF0 and head[2] & 0x0C != 0x0C


def sound_parts(file: BinaryIO) -> list[LibsndfileInput]:
    """What is to be read one after the other. Raises `UnsupportedSignalError` for other formats behind an ID3 tag."""
    start = _end_of_id3(file)
    file.seek(start)
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if start:
        refuse_foreign(head)
    if is_mpeg(head) or (start and not head.startswith(_OTHER_STARTS)):  # padding may stand between tag and frames
        return [LibsndfileInput(file, may_be_mpeg=True)]
    if start:
        file = io.BytesIO(_rest(file, start))
    if head.startswith(b"OggS"):
        return [LibsndfileInput(io.BytesIO(link)) for link in ogg_links(_rest(file, 0))]
    return [LibsndfileInput(with_known_sample_size(file))]


def _end_of_id3(file: BinaryIO) -> int:
    """Where the file goes on behind the ID3v2 tags that it starts with."""
    position = 0
    while True:
        file.seek(position)
        head = file.read(_ID3_HEAD_BYTES)
        if len(head) < _ID3_HEAD_BYTES or not head.startswith(b"ID3"):
            return position
        size = sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:]))
        position += _ID3_HEAD_BYTES * (2 if head[5] & _ID3_HAS_FOOTER else 1) + size


def _rest(file: BinaryIO, position: int) -> bytes:
    file.seek(position)
    return file.read()
