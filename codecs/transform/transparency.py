"""What lies under alpha 0 is never seen, so it may cost as little as possible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.form import has_alpha
from laconic.codecs.media import Image

Floats = NDArray[np.float32]


def fill_transparent(image: Image) -> Image:
    """The picture with the colour under alpha 0 replaced by a smooth continuation of what is visible.

    A picture without alpha stays as it is. Each level of a pyramid of means fills the holes of the finer one.
    """
    if not has_alpha(image):
        return image
    visible = image.samples[:, :, -1] > 0
    if visible.all():
        return image
    colors = image.samples[:, :, :-1].astype(np.float32) * visible[:, :, None]
    filled = _push_pull(colors, visible.astype(np.float32))
    samples = image.samples.copy()
    samples[:, :, :-1][~visible] = np.floor(filled[~visible] + np.float32(0.5)).astype(samples.dtype)
    return replace(image, samples=samples)


def _push_pull(sums: Floats, weights: Floats) -> Floats:
    """Means (h, w, c) of weighted sums, holes filled from coarser and coarser means."""
    h, w = weights.shape
    if h == 1 and w == 1:
        return (sums / np.maximum(weights, 1)[:, :, None]).astype(np.float32)
    padding = ((0, h % 2), (0, w % 2))
    s = np.pad(sums, (*padding, (0, 0)))
    n = np.pad(weights, padding)
    coarse_sums = s[0::2, 0::2] + s[0::2, 1::2] + s[1::2, 0::2] + s[1::2, 1::2]
    coarse_weights = n[0::2, 0::2] + n[0::2, 1::2] + n[1::2, 0::2] + n[1::2, 1::2]
    coarse = _push_pull(coarse_sums, coarse_weights).repeat(2, 0).repeat(2, 1)[:h, :w]
    here = weights[:, :, None] > 0
    return np.where(here, sums / np.maximum(weights, 1)[:, :, None], coarse).astype(np.float32)
