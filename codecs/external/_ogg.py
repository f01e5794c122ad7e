"""Ogg pages (RFC 3533): checked before decoding, and rewritten so that encoding is deterministic.

libsndfile draws the serial number of a stream at random, and libogg leaves damaged pages out without a word.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from laconic.entropy.errors import ChecksumError, CorruptStreamError, TruncatedError, UnsupportedVersionError

# RFC 3533, section 6: "OggS", version, flags, granule position, serial, sequence number, checksum, number of segments.
_HEADER = struct.Struct("<4sBBqIIIB")
_CRC_OFFSET = 22
_END_OF_STREAM = 4
_SERIAL = 1
_REVERSED_BYTES = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Page:
    """A page without what can be computed: its serial number and its checksum."""

    flags: int
    granule: int
    sequence: int
    lacing: bytes
    body: bytes

    def with_packet(self, packet: bytes) -> Page:
        """The page with this one packet, of less than 65,025 bytes, in place of what it holds."""
        lacing = b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])
        return dataclasses.replace(self, lacing=lacing, body=packet)


def read_pages(data: bytes) -> list[Page]:
    """The pages of a file that holds one whole stream.

    Raises `TruncatedError`, also where the last page is missing, `ChecksumError`, `CorruptStreamError` for other bytes
    and for missing pages, `UnsupportedVersionError`.
    """
    pages: list[Page] = []
    position, serial = 0, None
    while position < len(data) or not pages:
        page, page_serial, position = _read_page(data, position)
        serial = page_serial if serial is None else serial
        if page_serial != serial or page.sequence != len(pages):
            raise CorruptStreamError(
                f"page {len(pages)} of the Ogg file is number {page.sequence} of stream {page_serial}; "
                f"allowed are the pages of stream {serial} in order: copy the file again, or split it"
            )
        pages.append(page)
    if not pages[-1].flags & _END_OF_STREAM:
        raise TruncatedError(f"the Ogg file ends early, after {len(data)} bytes: its last page is missing")
    return pages


def write_pages(pages: Iterable[Page]) -> bytes:
    """The file of these pages, with a fixed serial number."""
    return b"".join(_page_bytes(page) for page in pages)


def payload_bytes(data: bytes) -> int:
    """Bytes of the audio packets: without page headers and the format's header packets (granule position 0)."""
    return sum(len(page.body) for page in read_pages(data) if page.granule != 0)


def _read_page(data: bytes, position: int) -> tuple[Page, int, int]:
    """The page at this position, its serial number, and the position behind it."""
    head = data[position : position + _HEADER.size]
    if not b"OggS".startswith(head[:4]):
        raise CorruptStreamError(f"the {len(data)} bytes are not an Ogg file from byte {position} on")
    lacing_start = position + _HEADER.size
    lacing = data[lacing_start : lacing_start + (head[-1] if len(head) == _HEADER.size else 0)]
    end = lacing_start + len(lacing) + sum(lacing)
    if len(head) < _HEADER.size or len(lacing) < head[-1] or len(data) < end:
        raise TruncatedError(f"the Ogg file ends early, after {len(data)} bytes, within a page")
    _, version, flags, granule, serial, sequence, checksum, _ = _HEADER.unpack(head)
    if version != 0:
        raise UnsupportedVersionError(f"the Ogg page at byte {position} has version {version}; allowed is 0")
    zeroed = data[position : position + _CRC_OFFSET] + bytes(4) + data[position + _CRC_OFFSET + 4 : end]
    if _crc(zeroed) != checksum:
        raise ChecksumError(f"the Ogg page at byte {position} does not match its checksum: copy the file again")
    return Page(flags, granule, sequence, lacing, data[lacing_start + len(lacing) : end]), serial, end


def _page_bytes(page: Page) -> bytes:
    fields = (b"OggS", 0, page.flags, page.granule, _SERIAL, page.sequence)
    content = page.lacing + page.body
    checksum = _crc(_HEADER.pack(*fields, 0, len(page.lacing)) + content)
    return _HEADER.pack(*fields, checksum, len(page.lacing)) + content


def _crc(data: bytes) -> int:
    """Ogg's checksum: polynomial 0x04C11DB7, most significant bit first, start 0, no final inversion.

    zlib has the same polynomial least significant bit first, start and end inverted: so the bits of each byte and of
    the result are reversed, and both inversions undone.
    """
    reflected = zlib.crc32(data.translate(_REVERSED_BYTES), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)
