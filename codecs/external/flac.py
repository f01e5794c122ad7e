"""FLAC, by libFLAC through soundfile."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import Bytes, PathLike, choice_argument, read_bytes_argument, settle_arguments
from laconic.codecs.external._soundfile import check_sound, read_sound, to_audio, write_sound
from laconic.codecs.media import Audio
from laconic.entropy.errors import ChecksumError, CorruptStreamError, TruncatedError

_MAGIC = b"fLaC"
# RFC 9639, sections 8.1 and 8.2: behind the magic a block header of 4 bytes, then the stream information, which ends
# with the MD5 of the samples.
_DEPTH_OFFSET = 4 + 4 + 12
_MD5 = slice(4 + 4 + 18, 4 + 4 + 34)


@dataclass(frozen=True)
class Flac:
    """FLAC: lossless for samples that are multiples of 2**(1 - bits), which those of a file with as many bits are.

    Others are rounded; beyond -1 to 1 they are clipped. `bits` is 16 or 24. 1 to 8 channels. Rates: libsndfile takes
    1 to 65,535 Hz and multiples of 10 Hz up to 655,350 Hz. The samples' MD5 is checked.
    """

    bits: int = 16

    name: ClassVar[str] = "flac"

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            bits=choice_argument("FLAC bits", self.bits, (16, 24)),
        )

    def encode(self, signal: Audio) -> bytes:
        check_sound(signal, "FLAC", max_channels=8)
        scale = 1 << (self.bits - 1)
        integers = np.clip(np.rint(signal.samples.T.astype(np.float64) * scale), -scale, scale - 1).astype(np.int32)
        return write_sound(integers << (32 - self.bits), signal.sample_rate, ("FLAC", f"PCM_{self.bits}"))

    def decode(self, data: Bytes | PathLike) -> Audio:
        data = read_bytes_argument("data", data)
        if not _MAGIC.startswith(data[:4]):
            raise CorruptStreamError(f"the {len(data)} bytes are not a FLAC file")
        if len(data) < _MD5.stop:
            raise TruncatedError(f"the FLAC file ends early, after {len(data)} bytes, in its head")
        integers, sample_rate = read_sound(data, ("FLAC", ""), "int32")
        _check_md5(data, integers)
        return to_audio(integers.astype(np.float32) / np.float32(2**31), sample_rate)


def payload_bytes(data: bytes) -> int:
    """Bytes of the frames: without the metadata blocks at the start."""
    position, is_last = len(_MAGIC), False
    while not is_last and position + 4 <= len(data):
        is_last = bool(data[position] & 0x80)
        position += 4 + int.from_bytes(data[position + 1 : position + 4], "big")
    return max(0, len(data) - position)


def _check_md5(data: bytes, integers: NDArray[Any]) -> None:
    """Compare the digest of the (t, c) samples, as 32-bit fractions, with that of the head, where there is one."""
    stored = data[_MD5]
    if stored == bytes(16):
        return
    depth = 1 + ((data[_DEPTH_OFFSET] & 1) << 4 | data[_DEPTH_OFFSET + 1] >> 4)
    samples = np.ascontiguousarray(integers >> (32 - depth), "<i4").view(np.uint8).reshape(-1, 4)
    packed = np.ascontiguousarray(samples[:, : (depth + 7) // 8])
    if hashlib.md5(packed.data, usedforsecurity=False).digest() != stored:
        raise ChecksumError("the samples of the FLAC file do not match their MD5: copy the file again")
