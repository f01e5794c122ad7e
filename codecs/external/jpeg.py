"""JPEG, by libjpeg-turbo through Pillow."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from PIL import ImageFile

from laconic.codecs.arguments import (
    Bytes,
    PathLike,
    choice_argument,
    flag_argument,
    read_bytes_argument,
    settle_arguments,
    whole_number_argument,
)
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.external._pillow import check_kind, read_image, write_image
from laconic.codecs.media import Image

_Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]
_BUFFER_LOCK = threading.Lock()


@dataclass(frozen=True)
class Jpeg:
    """JPEG at a libjpeg quality of 1 to 100. 8-bit grey and RGB; ICC and EXIF are kept.

    `optimize` computes Huffman tables for the picture, `progressive` orders the coefficients by importance,
    `subsampling` is that of the colour planes: "4:4:4", "4:2:2" or "4:2:0".
    """

    quality: int = 75
    optimize: bool = True
    progressive: bool = True
    subsampling: _Subsampling = "4:2:0"

    name: ClassVar[str] = "jpeg"
    usual_curves: ClassVar = {"image": ("quality=3|8|20|45|80",)}

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            quality=whole_number_argument("JPEG quality", self.quality, 1, 100),
            optimize=flag_argument("JPEG optimize", self.optimize),
            progressive=flag_argument("JPEG progressive", self.progressive),
            subsampling=choice_argument("JPEG subsampling", self.subsampling, get_args(_Subsampling)),
        )

    def encode(self, signal: Image) -> bytes:
        check_kind(signal, "JPEG", ("8-bit L", "8-bit RGB"))
        options: dict[str, object] = {
            "quality": self.quality,
            "optimize": self.optimize,
            "progressive": self.progressive,
            "subsampling": self.subsampling,
        }
        try:
            return write_image(signal, "JPEG", options)
        except UnsupportedSignalError:
            # Optimised files leave libjpeg in one piece, for which Pillow reserves 1 to 2 bytes per pixel; dense
            # pictures need more. The size of that buffer is a global of Pillow and its only handle.
            if not (self.optimize or self.progressive):
                raise
            return _write_with_large_buffer(signal, options)

    def decode(self, data: Bytes | PathLike) -> Image:
        data = read_bytes_argument("data", data)
        return read_image(data, "JPEG")


def _write_with_large_buffer(image: Image, options: dict[str, object]) -> bytes:
    """Write once more, with room for 4 bytes per sample of the padded picture.

    A coefficient takes at most 27 bits (16 of Huffman code, 11 of value), and pictures are padded to whole blocks of
    16 x 16 samples.
    """
    padded_samples = image.samples.shape[2] * (image.height + 15) * (image.width + 15)
    num_bytes = 4 * padded_samples + sum(map(len, image.metadata.values())) + 2**16
    with _BUFFER_LOCK:
        usual = ImageFile.MAXBLOCK
        ImageFile.MAXBLOCK = max(usual, num_bytes)
        try:
            return write_image(image, "JPEG", options)
        finally:
            ImageFile.MAXBLOCK = usual
