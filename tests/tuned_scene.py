"""Models with a tune of their own and pictures on which maps of steps do much, for the tests of tuned steps."""

import dataclasses
from pathlib import Path

import numpy as np

from laconic.codecs.media import Image
from laconic.codecs.models.model import Model
from laconic.codecs.models.tunings import Tuning
from laconic.codecs.models.zoo import load_model

OWN = "own"  # the tune


def offsets_of(model: Model, seed: int = 0) -> np.ndarray:
    """One for each subband: of the finest levels coarser, of the others of either sign, as large as is allowed."""
    rng, planes = np.random.default_rng(seed), model.num_planes
    out = np.zeros(model.num_channels, np.int16)
    at = planes
    for level in range(model.tree.depth, 0, -1):
        size = 4 ** (model.tree.depth - level)
        for kind in range(3 * planes):
            coarsest = int(rng.choice([-16, -5, 0, 4, 9]))
            out[at : at + size] = coarsest if level == model.tree.depth else (-12 if kind % 3 == 2 else -8) // level
            at += size
    return out


def bare_model(name: str) -> Model:
    """A shipped one without tunings."""
    return dataclasses.replace(load_model(name), tunings=())


def own_tuning(model: Model, strength: int = 6) -> Tuning:
    low_offsets = np.array([3, -4, 0, 6, 2, 2, -1], np.int16)[: len(model.low_gains)]
    return Tuning(OWN, strength, offsets_of(model), low_offsets)


def own_model(name: str) -> Model:
    """A shipped one with the tune alone."""
    model = bare_model(name)
    return dataclasses.replace(model, tunings=(own_tuning(model),))


def save_own(name: str, folder: Path) -> str:
    path = folder / f"{name}.safetensors"
    own_model(name).save(path)
    return str(path)


def lively_picture(size: tuple[int, int], channels: int = 3, dtype: type = np.uint8, seed: int = 0) -> Image:
    """Smooth to the left, with edges and ever more texture to the right; alpha is a ramp with a step."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    colors = channels - (channels in (2, 4))
    texture = random.normal(0, 60, (*size, colors)) * (x / size[1])[..., None] ** 2
    edges = 70 * ((x // 13 + y // 9) % 3 == seed % 3)[..., None] * (y > size[0] // 3)[..., None]
    samples = 90 + 30 * np.sin(y[..., None] / 17 + np.arange(colors)) + edges + texture
    if channels != colors:
        alpha = np.where(x > size[1] // 2, 255, 40 + y % 200)
        samples = np.dstack([samples, alpha])
    peak = int(np.iinfo(dtype).max)
    return Image((samples.clip(0, 255) / 255 * peak).astype(dtype))
