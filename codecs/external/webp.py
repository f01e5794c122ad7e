"""WebP, by libwebp through Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from laconic.codecs.arguments import (
    Bytes,
    PathLike,
    flag_argument,
    read_bytes_argument,
    settle_arguments,
    whole_number_argument,
)
from laconic.codecs.external._pillow import check_alpha_is_used, check_kind, read_image, write_image
from laconic.codecs.media import Image


@dataclass(frozen=True)
class WebP:
    """WebP at quality 0 to 100, `method` 0 (fast) to 6 (small). 8-bit RGB and RGBA; ICC and EXIF are kept.

    With `lossless`, every sample comes back and quality is the effort spent. The alpha channel is lossless always. The
    format has neither grey nor fully opaque alpha: such pictures are refused, as they could not keep their shape.
    """

    quality: int = 75
    method: int = 6
    lossless: bool = False

    name: ClassVar[str] = "webp"
    usual_curves: ClassVar = {"image": ("quality=0|10|35|65|85",)}

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            quality=whole_number_argument("WebP quality", self.quality, 0, 100),
            method=whole_number_argument("WebP method", self.method, 0, 6),
            lossless=flag_argument("WebP lossless", self.lossless),
        )

    def encode(self, signal: Image) -> bytes:
        check_kind(signal, "WebP", ("8-bit RGB", "8-bit RGBA"))
        check_alpha_is_used(signal, "WebP")
        options = {
            "quality": self.quality,
            "method": self.method,
            "lossless": self.lossless,
            "exact": self.lossless,  # or the colours under zero alpha are lost
        }
        return write_image(signal, "WEBP", options)

    def decode(self, data: Bytes | PathLike) -> Image:
        data = read_bytes_argument("data", data)
        return read_image(data, "WEBP")
