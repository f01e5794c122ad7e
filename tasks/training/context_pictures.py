"""The pictures of recipe `contexts`: which they are, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from laconic.codecs.errors import CodecError
from laconic.codecs.media import Image
from laconic.tasks.training.crops import find_pictures_for_crops

# Folders below the data folder, and every how many-th picture of each is taken.
_DATA: Final[Mapping[str, int]] = {"bsds500/train": 1, "clothing10/train": 3, "imagenet_sample/train": 1}
_REDUCTIONS: Final = (1.0, 1.5)
_SHIFTS: Final = (1, 8)
_LEAST_SIDE: Final = 32  # five levels have something to say


def find_context_pictures(data: Path, *, all_pictures: bool = False) -> tuple[list[Path], tuple[str, ...]]:
    """Pictures of the recipe's folders below `data`, or all of those in it, and the names of the folders. Raises
    `CodecError` where there is none."""
    if all_pictures:
        return find_pictures_for_crops([data]), (str(data),)
    found = [path for folder, every in _DATA.items() for path in find_pictures_for_crops([data / folder])[::every]]
    return found, tuple(_DATA)


def read_context_pictures(paths: Sequence[Path], *, colors: int, seed: int) -> list[Image]:
    """Pictures as grey (1) or RGB (3), each as it is or reduced by 1.5, without a random 1 to 7 pixels at the left and the
    top, so that JPEG's block grid falls anywhere. Those with a side below 32 pixels are left out. Raises `CodecError` where
    none is left, and what opening a picture raises."""
    from PIL import Image as PillowImage

    random, pictures = np.random.default_rng(seed), []
    for path in paths:
        with PillowImage.open(path) as file:
            picture = file.convert("RGB" if colors == 3 else "L")
        reduction = random.choice(_REDUCTIONS)
        y, x = random.integers(*_SHIFTS, 2)
        if reduction != 1:
            size = (max(round(picture.width / reduction), 1), max(round(picture.height / reduction), 1))
            picture = picture.resize(size, PillowImage.Resampling.LANCZOS)
        samples = np.ascontiguousarray(np.asarray(picture)[y:, x:])
        if min(samples.shape[:2]) >= _LEAST_SIDE:
            pictures.append(Image.from_array(samples))
    if not pictures:
        raise CodecError(
            f"none of {len(paths)} training pictures has sides of {_LEAST_SIDE} pixels when it is reduced and cut; name "
            "larger ones"
        )
    return pictures
