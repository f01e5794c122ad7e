"""AVIF, by libavif and libaom through Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from laconic.codecs.arguments import (
    Bytes,
    PathLike,
    choice_argument,
    optional_choice_argument,
    read_bytes_argument,
    settle_arguments,
    whole_number_argument,
)
from laconic.codecs.external._pillow import check_alpha_is_used, check_kind, read_image, write_image
from laconic.codecs.media import Image

_Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]
_Tune = Literal["psnr", "ssim", "iq"]


@dataclass(frozen=True)
class Avif:
    """AVIF at quality 0 to 100, `speed` 0 (small) to 10 (fast). 8-bit grey, RGB and RGBA; ICC and EXIF are kept.

    `subsampling` is that of the colour planes. `tune` is what libaom optimises: "psnr", "ssim", "iq", or None for the
    library's choice, which is not the same in all its versions (of late "iq"): name it when results are compared. One
    thread, as the bytes would else depend on the number of processors; no automatic tiles, which cost bytes. The
    orientation is stored as a transform, so the EXIF block may come back reordered. Fully opaque alpha is refused, as
    the format drops it.
    """

    quality: int = 50
    speed: int = 6
    subsampling: _Subsampling = "4:2:0"
    tune: _Tune | None = None

    name: ClassVar[str] = "avif"
    usual_curves: ClassVar = {
        "image": ("quality=5|20|35|50|70", "quality=5|20|35|50|70,subsampling=4:4:4,tune=psnr"),
    }

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            quality=whole_number_argument("AVIF quality", self.quality, 0, 100),
            speed=whole_number_argument("AVIF speed", self.speed, 0, 10),
            subsampling=choice_argument("AVIF subsampling", self.subsampling, get_args(_Subsampling)),
            tune=optional_choice_argument("AVIF tune", self.tune, get_args(_Tune)),
        )

    def encode(self, signal: Image) -> bytes:
        check_kind(signal, "AVIF", ("8-bit L", "8-bit RGB", "8-bit RGBA"))
        check_alpha_is_used(signal, "AVIF")
        options: dict[str, object] = {
            "quality": self.quality,
            "speed": self.speed,
            "subsampling": "4:0:0" if signal.mode == "L" else self.subsampling,
            "codec": "aom",
            "max_threads": 1,
            "autotiling": False,
        }
        if self.tune is not None:
            options["advanced"] = {"tune": self.tune}
        return write_image(signal, "AVIF", options)

    def decode(self, data: Bytes | PathLike) -> Image:
        data = read_bytes_argument("data", data)
        image = read_image(data, "AVIF")
        if image.mode == "RGB" and _is_monochrome(data):  # older Pillows (11.3, 12.0) give grey files as RGB
            return Image(image.samples[:, :, :1].copy(), image.metadata)
        return image


def _is_monochrome(data: bytes) -> bool:
    """Whether the first AV1 configuration says so: bit 4 of its third byte (AV1-ISOBMFF, section 2.3.3)."""
    start = data.find(b"av1C") + 4
    return start >= 4 and len(data) > start + 2 and bool(data[start + 2] & 0x10)
