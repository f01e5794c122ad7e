"""The codecs of the speed benchmark: ours and what Pillow has, from a picture in memory to bytes and back."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image

FAST, SMALL, BEST = "laconic fast", "laconic small", "laconic best"
BEST_AT_HIGH_RATE = f"{BEST}, high rate"
JPEG = "JPEG quality 75"
WEBP, AVIF = "WebP", "AVIF"


@dataclass(frozen=True)
class Contender:
    """`prepare` gives what `encode` takes, outside the timing. `decode` gives something with all its pixels decoded, of
    which `numpy.asarray` is the picture."""

    label: str
    setting: str
    prepare: Callable[[Image], Any]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def ours(label: str, codec: Lcn) -> Contender:
    return Contender(label, repr(codec), lambda image: image, codec.encode, codec.decode)


def pillow(label: str, name: str, **options: Any) -> Contender:
    """Whatever is not among `options` is Pillow's default."""

    def encode(picture: PillowImage.Image) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, name, **options)
        return buffer.getvalue()

    def decode(data: bytes) -> PillowImage.Image:
        picture = PillowImage.open(io.BytesIO(data))
        picture.load()
        return picture

    setting = f"{name}({', '.join(f'{key}={value!r}' for key, value in options.items())})"
    return Contender(label, setting, Image.to_pillow, encode, decode)


def fast(**options: Any) -> Lcn:
    return Lcn(tune="psnr", step_code=154, profile="fast", **options)


def small(**options: Any) -> Lcn:
    return Lcn(tune="psnr", step_code=149, **options)


def best(**options: Any) -> Lcn:
    return Lcn(tune="psnr", step_code=152, profile="best", **options)


def all_contenders() -> list[Contender]:
    """Near 0.6 bits per pixel on Kodak, profile best near 0.5 and 2, but JPEG as its users have it."""
    return [
        ours(FAST, fast()),
        ours(f"{FAST}, effort 0", Lcn(tune="psnr", step_code=159, profile="fast", effort=0)),
        ours(SMALL, small()),
        ours(f"{SMALL}, effort 0", Lcn(tune="psnr", step_code=153, effort=0)),
        ours(BEST, best()),
        ours(BEST_AT_HIGH_RATE, Lcn(tune="psnr", step_code=117, profile="best")),
        pillow(JPEG, "JPEG", quality=75),
        pillow(f"{JPEG}, optimised", "JPEG", quality=75, optimize=True),
        pillow(WEBP, "WEBP", quality=38),
        pillow(AVIF, "AVIF", quality=50, max_threads=1),
    ]


def jpegs() -> list[Contender]:
    """JPEG at the rates around ours, with tables for the picture, as bench_rd.py has it."""
    return [
        pillow("JPEG, optimised, progressive", "JPEG", quality=quality, optimize=True, progressive=True)
        for quality in (20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70)
    ]


def pixels(decoded: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The samples of what a contender decoded."""
    return decoded.samples if isinstance(decoded, Image) else np.asarray(decoded)
