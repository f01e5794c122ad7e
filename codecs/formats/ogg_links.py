"""Chained Ogg files (RFC 3533, section 4): one whole stream behind another, of which libsndfile reads the first only."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from laconic.codecs.notes import note

_CAPTURE = b"OggS"
_HEADER_BYTES = 27  # the last of them counts the segments, whose lengths follow
_FLAGS_AT = 5
_BEGIN, _END = 2, 4


def ogg_links(data: bytes) -> list[bytes]:
    """The parts of a file that can each be read as a file; notes where the last page is missing.

    A part begins with a page that begins a stream, behind one that does not: streams that are multiplexed begin together.
    """
    starts, is_begun, is_ended = [0], False, False
    for position, flags, end in _pages(data):
        if is_begun and flags & _BEGIN:
            starts.append(position)
        is_begun, is_ended = not flags & _BEGIN, bool(flags & _END) and end <= len(data)
    if not is_ended:
        note("the Ogg file ends early: its last page is missing; what is there was read")
    return [data[start:end] for start, end in pairwise([*starts, len(data)])]


def _pages(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Where each page starts, its flags, and where it ends; damage between pages is passed over, as libogg does."""
    position = 0
    while (position := data.find(_CAPTURE, position)) >= 0 and position + _HEADER_BYTES <= len(data):
        num_segments = data[position + _HEADER_BYTES - 1]
        body = position + _HEADER_BYTES + num_segments
        end = body + sum(data[position + _HEADER_BYTES : body])
        yield position, data[position + _FLAGS_AT], end
        position = end
