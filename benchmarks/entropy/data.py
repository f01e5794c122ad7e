"""Data sets of the entropy benchmark, each with the ideal code length under the model that it was drawn from.

(a) 12 planes of int8, one distribution each, alternating Gaussian and Laplace; (b) zero-mean Gaussians, each symbol with
its own of 64 scales, as a hyperprior gives them; (c) 1,000 small latents of 12 x 256 symbols of the planes' distributions;
sparse planes, ternary, of a given entropy. All are seeded. A model is the exact probability of each integer, as the
density's integral over a bin of width 1; it is not rounded, so that a coder's tables count as its overhead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GAUSSIAN_SIGMAS = (0.6, 1.0, 1.6, 2.5, 4.0, 6.5)
LAPLACE_SCALES = (0.35, 0.6, 1.0, 1.6, 2.5, 4.0)
SCALE_TABLE: Floats = np.geomspace(0.11, 256, 64)
SPARSE_BITS = (0.02, 0.05, 0.1, 0.2)
WIDEST = 4096  # models of (b) cover -WIDEST..WIDEST; beyond it a Gaussian of scale 256 has less than 1e-56
_LOWEST, _HIGHEST = -128, 127
_SMALLEST = 1e-300  # keeps the logarithm finite where no symbol falls


@dataclass(frozen=True)
class DataSet:
    """`values` with `indices` into the models; `models[i]` holds the probabilities of `first`, `first` + 1 and so on.

    `indices` has the shape of a leading or inner part of `values` (one model per row) or all of it.
    """

    name: str
    values: NDArray[np.int8] | NDArray[np.int16]
    indices: NDArray[np.uint8]
    models: Floats
    first: int

    @property
    def support(self) -> NDArray[np.int64]:
        """The integers that the models' columns belong to."""
        return np.arange(self.first, self.first + self.models.shape[1])

    def head(self, num_columns: int) -> DataSet:
        """The first symbols along the last axis."""
        per_symbol = self.indices.shape == self.values.shape
        indices = self.indices[..., :num_columns] if per_symbol else self.indices
        return DataSet(self.name, self.values[..., :num_columns], indices, self.models, self.first)

    def symbol_indices(self) -> NDArray[np.uint8]:
        """One index for each value."""
        if self.indices.shape == self.values.shape:
            return self.indices
        return np.broadcast_to(self.indices[:, None], self.values.shape)

    def ideal_bits(self) -> float:
        """Code length of the values under the unrounded models."""
        num_models, width = self.models.shape
        at = self.symbol_indices().astype(np.int64) * width + (self.values.astype(np.int64) - self.first)
        counts = np.bincount(at.ravel(), minlength=num_models * width)
        return float(-(counts * np.log2(np.maximum(self.models.ravel(), _SMALLEST))).sum())


def planes(num_columns: int) -> DataSet:
    """Data set (a): (12, num_columns) of int8."""
    rng = np.random.default_rng(20_240_501)
    values = np.stack([_draw(rng, kind, scale, num_columns) for kind, scale in _plane_kinds()])
    return DataSet("a", values, np.arange(len(values), dtype=np.uint8), _plane_models(), _LOWEST)


def hyperprior(num_symbols: int) -> DataSet:
    """Data set (b): int16, scales of log-normal distribution rounded to the nearest of 64."""
    rng = np.random.default_rng(20_240_502)
    scales = np.exp(rng.normal(math.log(0.9), 1.1, num_symbols)).clip(0.11, 60.0)
    step = math.log(SCALE_TABLE[-1] / SCALE_TABLE[0]) / (len(SCALE_TABLE) - 1)
    indices = np.rint(np.log(scales / SCALE_TABLE[0]) / step).astype(np.uint8)
    values = np.rint(rng.normal(0.0, SCALE_TABLE[indices])).astype(np.int16)
    support = np.arange(-WIDEST, WIDEST + 1)
    return DataSet("b", values, indices, np.stack([_gaussian(support, s) for s in SCALE_TABLE]), -WIDEST)


def blobs(num_blobs: int) -> list[DataSet]:
    """Data set (c): sets of (12, 256) of int8."""
    rng = np.random.default_rng(20_240_503)
    drawn = np.stack([_draw(rng, kind, scale, num_blobs * 256) for kind, scale in _plane_kinds()])
    values = drawn.reshape(12, num_blobs, 256).transpose(1, 0, 2).copy()
    models = _plane_models()
    return [DataSet("c", blob, np.arange(12, dtype=np.uint8), models, _LOWEST) for blob in values]


def sparse(bits_per_symbol: float, num_symbols: int) -> DataSet:
    """One plane, (1, num_symbols), of -1, 0 and 1 whose entropy is `bits_per_symbol`."""
    low, high = 0.0, 1 / 3
    while high - low > 1e-15:
        middle = (low + high) / 2
        low, high = (middle, high) if _ternary_entropy(middle) < bits_per_symbol else (low, middle)
    rng = np.random.default_rng(20_240_504)
    drawn = rng.random((1, num_symbols))
    values = (drawn < low).astype(np.int8) - (drawn >= 1 - low).astype(np.int8)
    return DataSet("sparse", values, np.zeros(1, np.uint8), np.array([[low, 1 - 2 * low, low]]), -1)


def _plane_kinds() -> list[tuple[str, float]]:
    pairs = zip(GAUSSIAN_SIGMAS, LAPLACE_SCALES, strict=True)
    return [kind for sigma, scale in pairs for kind in (("gaussian", sigma), ("laplace", scale))]


def _plane_models() -> Floats:
    support = np.arange(_LOWEST, _HIGHEST + 1)
    models = [_gaussian(support, s) if kind == "gaussian" else _laplace(support, s) for kind, s in _plane_kinds()]
    return np.stack(models)


def _draw(rng: np.random.Generator, kind: str, scale: float, num_symbols: int) -> NDArray[np.int8]:
    drawn = rng.normal(0.0, scale, num_symbols) if kind == "gaussian" else rng.laplace(0.0, scale, num_symbols)
    return np.rint(drawn).clip(_LOWEST, _HIGHEST).astype(np.int8)


def _gaussian(support: NDArray[np.int64], sigma: float) -> Floats:
    # By the tail beyond |x|, whose differences stay exact where those of the distribution function vanish.
    def tail(x: float) -> float:
        return 0.5 * math.erfc(x / (sigma * math.sqrt(2)))

    return np.array([tail(abs(k) - 0.5) - tail(abs(k) + 0.5) for k in support.tolist()])


def _laplace(support: NDArray[np.int64], scale: float) -> Floats:
    distance = np.abs(support)
    outer = np.sinh(0.5 / scale) * np.exp(-distance / scale)
    return np.where(distance == 0, -math.expm1(-0.5 / scale), outer)


def _ternary_entropy(share: float) -> float:
    return -2 * share * math.log2(share) - (1 - 2 * share) * math.log2(1 - 2 * share)
