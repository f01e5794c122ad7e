"""Crops of training signals of any number of axes: pictures and cubes (c, h, w), sounds (c, t).

Every signal is prepared by the learner (as coefficients, say) from a shifted view, so that the grid of a codec that it went
through before, JPEG's say, falls anywhere; pictures are kept as they are, or reduced, or both, and are mirrored or turned
too. With every batch, one of them is prepared anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from laconic.codecs.errors import CodecError
from laconic.codecs.learning.learner import LearnerCutting

if TYPE_CHECKING:
    from jaxtyping import Float, Num, UInt

_MAX_SHIFT = 7
_LARGEST = {torch.uint8: 255, torch.uint16: 65535}
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm")


def find_pictures_for_crops(folders: Sequence[Path]) -> list[Path]:
    """All picture files in folders, searched in depth, in order. Raises `CodecError` where there is none."""
    found = [p for folder in folders for p in sorted(folder.rglob("*")) if p.suffix.lower() in _SUFFIXES]
    if not found:
        raise CodecError(f"there is no picture in {', '.join(map(str, folders))}; allowed are {', '.join(_SUFFIXES)}")
    return found


def read_pictures_for_crops(paths: Sequence[Path], *, reductions: Sequence[float]) -> list[UInt[Tensor, "3 h w"]]:
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


def planes_of_crops(signal: Num[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Samples as float32: unsigned ones in [-0.5, 0.5], int16 in [-0.5, 0.5), floats as they are."""
    if signal.dtype in _LARGEST:
        return signal.float() / _LARGEST[signal.dtype] - 0.5
    return signal.float() / (1 << 16) if signal.dtype == torch.int16 else signal.float()


class CropPool:
    """Batches of crops, the same for the same seed and number of the step, wherever a run was interrupted.

    `signals` are (c, *n), all of as many channels and axes. Those of two axes beside the channels are mirrored and turned:
    they are pictures, or planes like them; a sound played backwards is none. Signals without room for the largest shift are
    left out. Raises `CodecError` where none is large enough, and for signals that fit in no batch.
    """

    def __init__(
        self, signals: Sequence[Num[Tensor, " c *sides"]], cutting: LearnerCutting, *, seed: int, first_step: int = 0
    ) -> None:
        self._cutting, self._seed = cutting, seed
        self._num_axes = _num_axes(signals)
        least = cutting.least_side + _MAX_SHIFT
        self._signals = [signal for signal in signals if min(signal.shape[1:]) >= least]
        if not self._signals:
            what = (
                "pictures has sides of {} pixels" if self._num_axes == 2 else "signals has {} samples along each axis"
            )
            raise CodecError(f"none of {len(signals)} training {what.format(least)}; name larger ones")
        count = len(self._signals)
        # The last step before the first that made each view anew.
        self._views = [self._view(i, first_step - 1 - (first_step - 1 - i) % count) for i in range(count)]

    def __len__(self) -> int:
        return len(self._signals)

    def batch(self, step: int, batch_size: int) -> Float[Tensor, "b c *sides"]:
        """(b, c, crop, ...) float32, as many axes as the signals have."""
        renewed = step % len(self._views)
        self._views[renewed] = self._view(renewed, step)
        random, side = np.random.default_rng((self._seed, step, 1)), self._cutting.crop
        out = torch.empty((batch_size, self._views[0].shape[0], *[side] * self._num_axes))
        out = out.contiguous(memory_format=torch.channels_last) if self._num_axes == 2 else out
        for item in out:
            view = self._views[random.integers(len(self._views))]
            starts = [int(random.integers(n - side + 1)) for n in view.shape[1:]]
            item.copy_(view[(slice(None), *(slice(start, start + side) for start in starts))])
        return out

    def _view(self, index: int, step: int) -> Tensor:
        """Of one signal, as the step made it; views from before the first step are all the same."""
        random = np.random.default_rng((self._seed, index, max(step, -1) + 1, 2))
        is_plane = self._num_axes == 2
        draws = random.integers((*[_MAX_SHIFT + 1] * self._num_axes, *[2, 2] * is_plane))
        starts, (mirrored, turned) = draws[: self._num_axes], draws[self._num_axes :] if is_plane else (0, 0)
        view = planes_of_crops(self._signals[index][(slice(None), *(slice(start, None) for start in starts))])
        view = view.flip(-1) if mirrored else view
        return self._cutting.prepare(view.transpose(-2, -1).contiguous() if turned else view.contiguous())


def _num_axes(signals: Sequence[Tensor]) -> int:
    """How many axes all signals have beside their channels."""
    forms = sorted({(signal.ndim - 1, len(signal)) for signal in signals})
    if len(forms) != 1 or forms[0][0] < 1:
        seen = ", ".join(f"{channels} channels of {axes} axes" for axes, channels in forms) or "none"
        raise CodecError(
            f"training signals have {seen}; allowed are as many channels and axes in all, at least one axis"
        )
    return forms[0][0]
