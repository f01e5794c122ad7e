"""Opus in Ogg, by libopus through soundfile."""

from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass
from typing import ClassVar

from laconic.codecs.arguments import Bytes, PathLike, read_bytes_argument, settle_arguments
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.external._ogg import Page, read_pages, write_pages
from laconic.codecs.external._resampling import resampled_frames
from laconic.codecs.external._soundfile import check_sound, compression_level, read_sound, to_audio, write_sound
from laconic.codecs.media import Audio
from laconic.entropy.errors import CorruptStreamError

_FORMAT = ("OGG", "OPUS")
_RATES_HZ = (8000, 12000, 16000, 24000, 48000)
# RFC 7845, section 5.1: the "input sample rate" of the identification header, which is for information only.
_RATE_OFFSET = 12
_HEAD_BYTES = 19


@dataclass(frozen=True)
class Opus:
    """Opus, 1 or 2 channels, up to 48 kHz.

    `compression_level` is libsndfile's, 0 (large) to 1 (small): 256 - 250 * level kbit/s for each channel, on average
    about kept. Opus itself knows 8, 12, 16, 24 and 48 kHz. **Other rates are resampled here**, by scipy's polyphase
    filter, to the next higher of these and back: the file's head names the original rate, and its length is that one
    which the number of samples of the stream leaves. The time for it is part of encoding and decoding. The stream's
    serial number, random in libsndfile, is fixed, and its padding of the empty tags (0.7 KB) is left out.
    """

    compression_level: float = 0.8

    name: ClassVar[str] = "opus"
    usual_curves: ClassVar = {"sound": ("compression_level=0.99|0.96|0.9|0.8",)}

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            compression_level=compression_level("Opus compression_level", self.compression_level),
        )

    def encode(self, signal: Audio) -> bytes:
        """Return the file. Raises as `Codec`, and `MissingDependencyError` where scipy is needed and absent."""
        check_sound(signal, "Opus", max_channels=2)
        rate = next((rate for rate in _RATES_HZ if rate >= signal.sample_rate), None)
        if rate is None:
            raise UnsupportedSignalError(
                f"the sample rate is {signal.sample_rate} Hz; Opus allows 1 to {_RATES_HZ[-1]}: resample it first"
            )
        frames = resampled_frames(signal.samples.T, signal.sample_rate, rate, codec="Opus")
        data = write_sound(frames, rate, _FORMAT, compression_level=self.compression_level)
        head, tags, *others = read_pages(data)
        body = head.body[:_RATE_OFFSET] + struct.pack("<I", signal.sample_rate) + head.body[_RATE_OFFSET + 4 :]
        return write_pages([dataclasses.replace(head, body=body), _without_padding(tags), *others])

    def decode(self, data: Bytes | PathLike) -> Audio:
        """Return the signal, of a head without a rate or one over 48 kHz with 48 kHz. Raises as `Codec` and `encode`."""
        data = read_bytes_argument("data", data)
        head = read_pages(data)[0].body
        if not head.startswith(b"OpusHead") or len(head) < _HEAD_BYTES:
            raise CorruptStreamError(f"the {len(data)} bytes are not an Opus file: they hold another Ogg stream")
        (rate,) = struct.unpack_from("<I", head, _RATE_OFFSET)
        frames, stream_rate = read_sound(data, _FORMAT)
        if not 0 < rate <= stream_rate:
            return to_audio(frames, stream_rate)
        # n = ceil(m * stream_rate / rate) samples came of m, and of no other number, as stream_rate >= rate.
        num_samples = len(frames) * rate // stream_rate
        return to_audio(resampled_frames(frames, stream_rate, rate, codec="Opus")[:num_samples], rate)


def _without_padding(tags: Page) -> Page:
    """The page of the comment header (RFC 7845, section 5.2) without what follows its last comment."""
    position = 8
    position += 4 + int.from_bytes(tags.body[position : position + 4], "little")  # the vendor
    num_comments = int.from_bytes(tags.body[position : position + 4], "little")
    position += 4
    for _ in range(num_comments):
        position += 4 + int.from_bytes(tags.body[position : position + 4], "little")
    return tags.with_packet(tags.body[:position])
