"""What bench_rd.py measures: codecs by label, each at settings from below its lowest to above its highest rate."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from laconic.codecs.codec import Codec
from laconic.codecs.media import Image

OURS, LINEAR, BEST, BEST_NEURAL = "laconic", "laconic linear", "laconic best", "laconic best neural"
SEARCHED = f"{BEST_NEURAL} effort 3"


def _ours(synthesis: str) -> list[Codec[Image]]:
    from laconic.codecs.lcn import Lcn

    qualities = (15, 20, 27, 34, 41, 48, 55, 62, 70, 80, 90)
    return [Lcn(tune="psnr", quality=quality, synthesis=synthesis) for quality in qualities]


def _plain() -> list[Codec[Image]]:
    """Ours without optimised quantisation."""
    from laconic.codecs.lcn import Lcn

    return [Lcn(tune="psnr", quality=quality, effort=0) for quality in (13, 20, 27, 34, 41, 48, 55, 62, 72, 82)]


def _fast() -> list[Codec[Image]]:
    from laconic.codecs.lcn import Lcn

    return [Lcn(tune="psnr", quality=quality, profile="fast") for quality in (13, 20, 27, 34, 41, 48, 55, 62, 72, 82)]


def _best(synthesis: str) -> list[Codec[Image]]:
    from laconic.codecs.lcn import Lcn

    coarse = [
        Lcn(tune="psnr", step_code=code, profile="best", synthesis=synthesis) for code in (194, 186)
    ]  # below .1 bpp
    qualities = (15, 20, 27, 34, 41, 48, 55, 62, 70, 80, 90)
    return coarse + [Lcn(tune="psnr", quality=quality, profile="best", synthesis=synthesis) for quality in qualities]


def _searched() -> list[Codec[Image]]:
    """Few settings, since each takes long."""
    from laconic.codecs.lcn import Lcn

    qualities = (15, 30, 41, 55, 70)
    return [Lcn(tune="psnr", quality=quality, profile="best", effort=3, synthesis="neural") for quality in qualities]


def _jpeg() -> list[Codec[Image]]:
    from laconic.codecs.external.jpeg import Jpeg

    qualities = (2, 5, 9, 15, 25, 40, 60, 75, 85)
    return [Jpeg(quality=quality, optimize=True, progressive=True) for quality in qualities]


def _webp() -> list[Codec[Image]]:
    from laconic.codecs.external.webp import WebP

    return [WebP(quality=quality, method=6) for quality in (0, 2, 6, 14, 28, 45, 62, 76, 87)]


def _jpeg2000() -> list[Codec[Image]]:
    from laconic.codecs.external.jpeg2000 import Jpeg2000

    return [Jpeg2000(rate=rate) for rate in (280, 200, 140, 100, 70, 48, 34, 24, 18, 13)]


def _avif() -> list[Codec[Image]]:
    from laconic.codecs.external.avif import Avif

    return [Avif(quality=quality) for quality in (10, 20, 28, 36, 44, 52, 60, 69, 78)]


def _avif_444() -> list[Codec[Image]]:
    from laconic.codecs.external.avif import Avif

    qualities = (4, 11, 20, 31, 43, 56, 71)  # the slowest by far
    return [Avif(quality=quality, speed=4, subsampling="4:4:4", tune="psnr") for quality in qualities]


# A row is imported only when it is asked for: one codec that is missing does not stop the others.
FAMILIES: dict[str, Callable[[], list[Codec[Image]]]] = {
    OURS: partial(_ours, "neural"),
    LINEAR: partial(_ours, "linear"),
    f"{OURS} effort 0": _plain,
    f"{OURS} fast": _fast,
    BEST: partial(_best, "linear"),
    BEST_NEURAL: partial(_best, "neural"),
    SEARCHED: _searched,
    "jpeg": _jpeg,
    "webp": _webp,
    "jpeg2000": _jpeg2000,
    "avif": _avif,
    "avif-444": _avif_444,
}


# Which of ours are compared with which others of ours.
BASES = {
    OURS: (LINEAR,),
    LINEAR: (),
    BEST: (LINEAR,),
    BEST_NEURAL: (LINEAR, BEST),
    SEARCHED: (LINEAR, BEST, BEST_NEURAL),
}
