"""Any codec of pictures at a lower resolution: reduced before it encodes, brought back after it decodes."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from laconic.codecs.arguments import (
    Bytes,
    PathLike,
    read_bytes_argument,
    real_number_argument,
    settle_arguments,
    text_argument,
    typed_argument,
)
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.media import Image
from laconic.codecs.registry import make_codec
from laconic.entropy.errors import CorruptStreamError, TruncatedError

_HEADER = struct.Struct("<HH")  # height and width before; then the file of the codec
_MAX_SIDE = 0xFFFF
_LEAST_FACTOR = 1 / 32


@dataclass(frozen=True)
class Resized:
    """The codec that this text of `laconic.codecs.registry` names, for pictures of `factor` times the sides, 1/32 to 1.

    Pillow's Lanczos filter reduces, its bicubic one brings back. The sides before, in pixels up to 65535, are 4 bytes of
    the file. Sides are rounded, at least 1. Alpha, 16 bits and metadata are as the codec holds them.

    >>> picture = Image(np.zeros((30, 50, 3), np.uint8))
    >>> codec = Resized("jpeg:quality=50", 0.5)
    >>> codec.decode(codec.encode(picture)).samples.shape
    (30, 50, 3)
    """

    codec: str
    factor: float

    name: ClassVar[str] = "resized"

    def __post_init__(self) -> None:
        factor = real_number_argument("resize", self.factor, lowest=_LEAST_FACTOR, highest=1)
        settle_arguments(self, codec=text_argument("codec", self.codec), factor=float(factor))
        make_codec(self.codec)

    def encode(self, signal: Image) -> bytes:
        typed_argument("the signal", signal, Image, "an Image: resize is for pictures")
        if max(signal.height, signal.width) > _MAX_SIDE:
            raise UnsupportedSignalError(
                f"the picture is {signal.width} x {signal.height}; resize allows sides up to {_MAX_SIDE}: cut it"
            )
        size = self._reduced(signal.height), self._reduced(signal.width)
        reduced = _with_size(signal, size, PillowImage.Resampling.LANCZOS)
        return _HEADER.pack(signal.height, signal.width) + make_codec(self.codec).encode(reduced)

    def decode(self, data: Bytes | PathLike) -> Image:
        data = read_bytes_argument("data", data)
        if len(data) < _HEADER.size:
            raise TruncatedError(f"the file has {len(data)} bytes; a resized picture has {_HEADER.size} and more")
        height, width = _HEADER.unpack_from(data)
        reduced = make_codec(self.codec).decode(data[_HEADER.size :])
        expected = self._reduced(height), self._reduced(width)
        if not isinstance(reduced, Image) or not height or not width or reduced.samples.shape[:2] != expected:
            raise CorruptStreamError(
                f"the file claims {width} x {height} pixels times {self.factor:g}, but holds {reduced.samples.shape}"
            )
        return _with_size(reduced, (height, width), PillowImage.Resampling.BICUBIC)

    def _reduced(self, side: int) -> int:
        return max(round(side * self.factor), 1)


def _with_size(image: Image, size: tuple[int, int], method: PillowImage.Resampling) -> Image:
    """The picture with (height, width)."""
    if image.samples.shape[:2] == size:
        return image
    if image.is_deep:
        planes = [_resized_plane(plane, size, method) for plane in np.moveaxis(image.samples.astype(np.float32), -1, 0)]
        samples = np.clip(np.rint(np.stack(planes, -1)), 0, 65535).astype(np.uint16)
        colors = samples if image.mode in ("L", "RGB") else samples[:, :, :-1]
        np.minimum(colors, image.peak, out=colors)
    else:
        samples = np.asarray(PillowImage.fromarray(np.asarray(image)).resize(size[::-1], method))
        samples = samples.reshape(*size, -1)
    return replace(image, samples=samples)


def _resized_plane(plane: NDArray[np.float32], size: tuple[int, int], method: PillowImage.Resampling) -> NDArray[Any]:
    return np.asarray(PillowImage.fromarray(plane).resize(size[::-1], method))
