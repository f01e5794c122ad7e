"""The pictures of the benchmarks of rate and distortion: Kodak, and two sets that nothing of ours was tuned on.

"unseen": test pictures of `imagenet_sample`, reduced by two so that their JPEG blocks are averaged away, and those of
`clic_sample` as they are. 118 pictures, 7.4 million pixels. Pictures too small for MS-SSIM are left out. "unlike_kodak":
an astronaut, a cat, a cup of coffee, a dark sky, a retina.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PillowImage

from laconic.codecs.media import Image

SETS = ("kodak", "unseen", "unlike_kodak")
_LEAST_SIDE = 161  # of MS-SSIM


@dataclass(frozen=True)
class Picture:
    """A file, read when it is asked for."""

    path: Path
    halved: bool = False

    def read(self) -> Image:
        """8-bit RGB without metadata: all codecs store pixels alone."""
        with PillowImage.open(self.path) as opened:
            picture = opened.convert("RGB")
        if self.halved:
            picture = picture.resize((picture.width // 2, picture.height // 2), PillowImage.Resampling.LANCZOS)
        return Image(Image.from_pillow(picture).samples)


def pictures_of(name: str, data: Path, count: int | None = None) -> list[Picture]:
    """The first `count` pictures of a set. `data` holds the folders of all data. Raises `FileNotFoundError`."""
    if name == "kodak":
        found = [Picture(path) for path in sorted((data / "kodak").glob("*.png"))]
    elif name == "unlike_kodak":
        found = [Picture(path) for path in sorted((data / "unlike_kodak" / "test").glob("*.png"))]
    else:
        jpegs = sorted((data / "imagenet_sample" / "test").glob("*.[jJ][pP]*[gG]"))
        found = [Picture(path, halved=True) for path in jpegs if _shorter_side(path) // 2 >= _LEAST_SIDE]
        found += [Picture(path) for path in sorted((data / "clic_sample" / "test").glob("*.png"))]
    if not found:
        raise FileNotFoundError(f"{data} holds no pictures of {name}; pass the folder that holds kodak/ as --data")
    return found[:count]


def _shorter_side(path: Path) -> int:
    with PillowImage.open(path) as opened:
        return min(opened.size)
