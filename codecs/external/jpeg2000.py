"""JPEG 2000, by OpenJPEG through Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from laconic.codecs.arguments import (
    Bytes,
    PathLike,
    flag_argument,
    read_bytes_argument,
    real_number_argument,
    settle_arguments,
)
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.external._pillow import check_kind, read_image, write_image
from laconic.codecs.media import Image
from laconic.entropy.errors import TruncatedError

# ISO/IEC 15444-1, annex A: a codestream begins with the markers SOC and SIZ and ends with EOC; no packet contains EOC.
_SOC_SIZ = b"\xff\x4f\xff\x51"
_EOC = b"\xff\xd9"
_COMPONENT_COUNT = 40  # offset of Csiz from SOC; per component follow Ssiz, XRsiz and YRsiz, a byte each


@dataclass(frozen=True)
class Jpeg2000:
    """JPEG 2000 (.jp2) at a compression ratio: `rate` 20 means 1/20 of the raw bytes, 1 no truncation.

    8-bit grey, grey + alpha, RGB and RGBA, and 16-bit grey. `mct` decorrelates the colours; `irreversible` takes the
    9/7 wavelet, else the 5/3 one, which with rate 1 is lossless. Alpha is coded like a colour. Pillow writes neither
    ICC nor EXIF into this format: they are dropped.
    """

    rate: float = 20.0
    mct: bool = True
    irreversible: bool = True

    name: ClassVar[str] = "jpeg2000"
    usual_curves: ClassVar = {"image": ("rate=240|120|60|30|12",)}

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            rate=real_number_argument("JPEG 2000 rate", self.rate, lowest=1),
            mct=flag_argument("JPEG 2000 mct", self.mct),
            irreversible=flag_argument("JPEG 2000 irreversible", self.irreversible),
        )

    def encode(self, signal: Image) -> bytes:
        check_kind(signal, "JPEG 2000", ("8-bit L", "8-bit LA", "8-bit RGB", "8-bit RGBA", "16-bit L"))
        options = {
            "quality_mode": "rates",
            "quality_layers": [float(self.rate)],
            "mct": int(self.mct),
            "irreversible": self.irreversible,
        }
        return write_image(signal, "JPEG2000", options)

    def decode(self, data: Bytes | PathLike) -> Image:
        data = read_bytes_argument("data", data)
        _check_codestream(data)
        return read_image(data, "JPEG2000")


def _check_codestream(data: bytes) -> None:
    """Refuse what Pillow reads wrongly without a word: a file without its end, colours of more than 8 bits."""
    start = data.find(_SOC_SIZ)
    if start < 0:
        return  # no codestream at all: left to the parser, which names the problem
    if data.rfind(_EOC) < start:
        raise TruncatedError(f"the JPEG 2000 file ends early, after {len(data)} bytes: its end marker is missing")
    header = data[start + _COMPONENT_COUNT : start + _COMPONENT_COUNT + 2 + 3 * 4]
    num_components = int.from_bytes(header[:2], "big")
    bit_depths = [(precision & 0x7F) + 1 for precision in header[2 : 2 + 3 * num_components : 3]]
    if num_components > 1 and max(bit_depths, default=8) > 8:
        raise UnsupportedSignalError(
            f"the JPEG 2000 file has colours of {max(bit_depths)} bits, which would be read with 8 bits only; "
            "allowed are 8-bit colour and 16-bit grey: convert the file"
        )
