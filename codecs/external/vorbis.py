"""Vorbis in Ogg, by libvorbis through soundfile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from laconic.codecs.arguments import Bytes, PathLike, read_bytes_argument, settle_arguments
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.external._ogg import read_pages, write_pages
from laconic.codecs.external._soundfile import check_sound, compression_level, read_sound, to_audio, write_sound
from laconic.codecs.media import Audio
from laconic.entropy.errors import CorruptStreamError

_FORMAT = ("OGG", "VORBIS")
_MAX_RATE_HZ = 200_000  # libvorbis has no setup beyond and crashes (soundfile issue 187)


@dataclass(frozen=True)
class Vorbis:
    """Vorbis, 1 or 2 channels, up to 200 kHz, any length.

    `compression_level` is libsndfile's, 0 (large) to 1 (small): 1 - level is a tenth of the quality number of oggenc
    (0.6 is -q 4). Music at 44.1 kHz stereo takes about 60 kbit/s at 1, 140 at 0.5, 410 at 0. The codebooks are part of
    every file: 2 to 4 KB. The stream's serial number, random in libvorbis' examples and libsndfile, is fixed.
    """

    compression_level: float = 0.6

    name: ClassVar[str] = "vorbis"
    usual_curves: ClassVar = {"sound": ("compression_level=1|0.75|0.5|0.3",)}

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            compression_level=compression_level("Vorbis compression_level", self.compression_level),
        )

    def encode(self, signal: Audio) -> bytes:
        check_sound(signal, "Vorbis", max_channels=2, allows_empty=True)
        if signal.sample_rate > _MAX_RATE_HZ:
            raise UnsupportedSignalError(
                f"the sample rate is {signal.sample_rate} Hz; Vorbis allows 1 to {_MAX_RATE_HZ}: resample it first"
            )
        level = self.compression_level
        return write_pages(
            read_pages(write_sound(signal.samples.T, signal.sample_rate, _FORMAT, compression_level=level))
        )

    def decode(self, data: Bytes | PathLike) -> Audio:
        data = read_bytes_argument("data", data)
        pages = read_pages(data)
        if not pages[0].body.startswith(b"\x01vorbis"):
            raise CorruptStreamError(f"the {len(data)} bytes are not a Vorbis file: they hold another Ogg stream")
        return to_audio(*read_sound(data, _FORMAT))
