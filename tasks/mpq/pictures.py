"""What the tasks on pictures share: reading as 8-bit RGB, cropping and resizing as their models expect it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from laconic.codecs.files import read_image
from laconic.codecs.media import Image

if TYPE_CHECKING:
    from jaxtyping import UInt


def read_rgb_pictures(path: Path) -> Image:
    """A picture as 8-bit RGB without metadata, which every codec can hold and which would count as bytes."""
    image = Image(read_image(path).samples)
    return image if image.mode == "RGB" else Image.from_pillow(image.to_pillow().convert("RGB"))


def centre_square(image: Image, share: float) -> Image:
    """The square in the middle whose side is this share of the shorter side."""
    side = round(share * min(image.width, image.height))
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return Image(image.samples[top : top + side, left : left + side])


def resized(image: Image, size: tuple[int, int]) -> UInt[NDArray[np.uint8], "h w 3"]:
    """(h, w, 3) of this size (width, height): bilinear, with the antialiasing of Pillow."""
    return np.asarray(image.to_pillow().resize(size, PillowImage.Resampling.BILINEAR))


def resized_bicubic(image: Image, size: tuple[int, int]) -> UInt[NDArray[np.uint8], "h w 3"]:
    """The same by cubic splines."""
    return np.asarray(image.to_pillow().resize(size, PillowImage.Resampling.BICUBIC))
