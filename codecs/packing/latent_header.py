"""The head of an .lcn file with a latent, which a lossless sound has not."""

from __future__ import annotations

from laconic.codecs.errors import UnsupportedSignalError
from laconic.entropy.container import CodecNumber, Header, Limits, Source, read_header


def read_latent_header(source: Source, limits: Limits | None) -> Header:
    """The header. Raises `BitstreamError`, and `UnsupportedSignalError` where there is no latent."""
    header = read_header(source, limits)
    if header.codec is CodecNumber.LOSSLESS_SOUND:
        raise UnsupportedSignalError(
            "the file is a lossless sound, which has no latent; allowed are other .lcn files: decode it with "
            "decode_sound, read_sound or `laconic decode`"
        )
    return header
