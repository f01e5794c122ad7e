"""Crops of training pictures, without the traces of the pictures' own codec.

Every picture is kept as it is, or reduced, or both, each prepared by the learner (as coefficients, say) from a
shifted, mirrored or turned view, so that JPEG's grid falls anywhere. With every batch, one of them is prepared anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from laconic.codecs.errors import CodecError
from laconic.codecs.learning.learner import Cutting

_MAX_SHIFT = 7
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm")


def find_pictures(folders: Sequence[Path]) -> list[Path]:
    """All picture files in folders, searched in depth, in order. Raises `CodecError` where there is none."""
    found = [p for folder in folders for p in sorted(folder.rglob("*")) if p.suffix.lower() in _SUFFIXES]
    if not found:
        raise CodecError(f"there is no picture in {', '.join(map(str, folders))}; allowed are {', '.join(_SUFFIXES)}")
    return found


def read_pictures(paths: Sequence[Path], *, reductions: Sequence[float]) -> list[Tensor]:
    """(3, h, w) uint8, each picture at each of its reductions."""
    from PIL import Image as PillowImage

    pictures = []
    for path in paths:
        with PillowImage.open(path) as file:
            picture = file.convert("RGB")
        for reduction in reductions:
            size = (max(round(picture.width / reduction), 1), max(round(picture.height / reduction), 1))
            scaled = picture if reduction == 1 else picture.resize(size, PillowImage.Resampling.LANCZOS)
            pictures.append(torch.from_numpy(np.asarray(scaled).transpose(2, 0, 1).copy()))
    return pictures


def planes_of(picture: Tensor) -> Tensor:
    """uint8 samples -> float32 in [-0.5, 0.5]."""
    return picture.float() / 255 - 0.5


class CropPool:
    """Batches of crops, the same for the same seed and number of the step, wherever a run was interrupted.

    Pictures without room for the largest shift are left out. Raises `CodecError` where none is large enough.
    """

    def __init__(self, pictures: Sequence[Tensor], cutting: Cutting, *, seed: int, first_step: int = 0) -> None:
        self._cutting, self._seed = cutting, seed
        least = cutting.least_side + _MAX_SHIFT
        self._pictures = [p for p in pictures if min(p.shape[1:]) >= least]
        if not self._pictures:
            raise CodecError(f"none of {len(pictures)} training pictures has sides of {least} pixels; name larger ones")
        count = len(self._pictures)
        # The last step before the first that made each view anew.
        self._views = [self._view(i, first_step - 1 - (first_step - 1 - i) % count) for i in range(count)]

    def __len__(self) -> int:
        return len(self._pictures)

    def batch(self, step: int, batch_size: int) -> Tensor:
        """(b, c, crop, crop) float32."""
        renewed = step % len(self._views)
        self._views[renewed] = self._view(renewed, step)
        random, side = np.random.default_rng((self._seed, step, 1)), self._cutting.crop
        shape = (batch_size, self._views[0].shape[0], side, side)
        out = torch.empty(shape).contiguous(memory_format=torch.channels_last)
        for item in out:
            view = self._views[random.integers(len(self._views))]
            y, x = (int(random.integers(n - side + 1)) for n in view.shape[1:])
            item.copy_(view[:, y : y + side, x : x + side])
        return out

    def _view(self, index: int, step: int) -> Tensor:
        """Of one picture, as the step made it; views from before the first step are all the same."""
        random = np.random.default_rng((self._seed, index, max(step, -1) + 1, 2))
        y, x, mirrored, turned = random.integers((_MAX_SHIFT + 1, _MAX_SHIFT + 1, 2, 2))
        picture = planes_of(self._pictures[index][:, y:, x:])
        picture = picture.flip(2) if mirrored else picture
        return self._cutting.prepare(picture.transpose(1, 2).contiguous() if turned else picture.contiguous())
