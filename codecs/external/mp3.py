"""MP3, by LAME and mpg123 through soundfile."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from laconic.codecs.arguments import Bytes, PathLike, choice_argument, read_bytes_argument, settle_arguments
from laconic.codecs.external._soundfile import (
    check_rate,
    check_sound,
    compression_level,
    read_sound,
    to_audio,
    write_sound,
)
from laconic.codecs.media import Audio
from laconic.entropy.errors import TruncatedError

_FORMAT = ("MP3", "MPEG_LAYER_III")
_Mode = Literal["variable", "average"]
_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
# The tag of LAME lies behind 4 bytes of header and 9 to 32 of side information of the first frame.
_TAG_OFFSETS = range(13, 37)
_TAG_HAS_BYTES = 2
_TAG_BYTES = 156  # 120 of Xing's, 36 of LAME's; zeros fill the frame


@dataclass(frozen=True)
class Mp3:
    """MP3, 1 or 2 channels, at the rates of MPEG-1, 2 and 2.5: 8 to 48 kHz.

    `compression_level` is libsndfile's, 0 (large) to below 1 (small). In the `bitrate_mode` "variable" it is a tenth
    of LAME's quality number (0.2 is V2): music at 44.1 kHz stereo takes about 240 kbit/s at 0, 140 at 0.4, 60 at 0.95.
    "average" aims at 320 - 288 * level kbit/s from 32 kHz on, whatever the number of channels. The LAME tag, counted
    as all bytes, keeps the exact length and the delay, which decoding takes away; constant bit rates are not offered,
    as their smaller frames have no room for it.
    """

    compression_level: float = 0.4
    bitrate_mode: _Mode = "variable"

    name: ClassVar[str] = "mp3"
    usual_curves: ClassVar = {"sound": ("bitrate_mode=average,compression_level=0.99|0.94|0.85|0.7",)}

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            compression_level=compression_level("MP3 compression_level", self.compression_level, below_one=True),
            bitrate_mode=choice_argument("MP3 bitrate_mode", self.bitrate_mode, get_args(_Mode)),
        )

    def encode(self, signal: Audio) -> bytes:
        check_sound(signal, "MP3", max_channels=2)
        check_rate(signal, "MP3", _RATES_HZ)
        return write_sound(
            signal.samples.T,
            signal.sample_rate,
            _FORMAT,
            compression_level=self.compression_level,
            bitrate_mode=self.bitrate_mode,
        )

    def decode(self, data: Bytes | PathLike) -> Audio:
        """Return the signal, of damaged frames what mpg123 makes of them. Raises as `Codec`."""
        data = read_bytes_argument("data", data)
        _check_length(data)
        return to_audio(*read_sound(data, _FORMAT))


def payload_bytes(data: bytes) -> int:
    """Bytes of the frames with sound: without the first, which holds only the tag, where there is one."""
    tag = _tag_offset(data)
    if tag is None:
        return len(data)
    second = data.find(data[:2], tag + _TAG_BYTES)  # frames of one file start alike: sync word, version, layer
    return len(data) - second if second > 0 else 0


def _check_length(data: bytes) -> None:
    """Refuse a file that is shorter than its tag says, which mpg123 reads without a word."""
    tag = _tag_offset(data)
    if tag is None or len(data) < tag + 16:
        return
    flags = int.from_bytes(data[tag + 4 : tag + 8], "big")
    if not flags & _TAG_HAS_BYTES:
        return
    (num_bytes,) = struct.unpack_from(">I", data, tag + (12 if flags & 1 else 8))  # behind the number of frames
    if len(data) < num_bytes:
        raise TruncatedError(f"the MP3 file ends early, after {len(data)} of {num_bytes} bytes")


def _tag_offset(data: bytes) -> int | None:
    """Where "Xing" or "Info" stands in the first frame."""
    found = (offset for offset in _TAG_OFFSETS if data[offset : offset + 4] in (b"Xing", b"Info"))
    return next(found, None)
