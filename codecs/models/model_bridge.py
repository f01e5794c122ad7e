"""The latent of one model as that of another, in closed form, so that what is learned of the one reads files of the other.

Both models see the same wavelet packets p, and each place of a latent is a linear map of those of that place: x_old = A p
and x_new = N p, so x_old = A N^-1 x_new. Where only the first channels of the new latent are read, those that are missing
are estimated from what is there: x2 = m2 + C21 C11^-1 (x1 - m1), which is the least mean square for their mean m and
covariance C. Without a given one, C is what the new model's file says: its coded channels are uncorrelated, of the scales
that its tables are for, and m is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import typed_argument, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.models.latent_axes import LatentStatistics, axes_of_model, statistics_of_model
from laconic.codecs.models.model import Model

if TYPE_CHECKING:
    from jaxtyping import Float

Doubles = NDArray[np.float64]
_LEAST_WEIGHT: Final = 1e-5  # of a channel that counts: matrices are float32


@dataclass(frozen=True, eq=False)
class ModelBridge:
    """`matrix` @ x + `shift` of the first n channels x of the new latent is k channels of the old one, (k, n) and (k,).
    `lost_share`: of the energy of these k channels, what channels that were not read had and no estimate gave back, by the
    statistics that the bridge was made with."""

    matrix: Float[NDArray[np.float32], "k n"]
    shift: Float[NDArray[np.float32], " k"]
    lost_share: float

    @property
    def channels_new(self) -> int:
        """How many leading channels of the new latent are read."""
        return int(self.matrix.shape[1])

    def apply(self, latents: Float[NDArray[np.float32], "*b n h w"]) -> Float[NDArray[np.float32], "*b k h w"]:
        """Dequantised latents of the new model in the old one's channels. Raises `CodecError` for another number of
        channels."""
        latents = typed_argument("latents", latents, np.ndarray, "an array (..., channels, h, w)")
        if latents.ndim < 3 or latents.shape[-3] != self.channels_new or latents.dtype.kind != "f":
            raise CodecError(
                f"latents are {latents.dtype} of shape {latents.shape}; allowed are floats (..., {self.channels_new}, h, w)"
            )
        flat = latents.reshape(*latents.shape[:-2], -1)
        out: NDArray[np.float32] = np.matmul(self.matrix, flat, dtype=np.float32) + self.shift[:, None]
        mapped: NDArray[np.float32] = out.reshape(*latents.shape[:-3], len(self.matrix), *latents.shape[-2:])
        return mapped


def bridge_of_models(
    old: Model,
    new: Model,
    channels_old: int | None = None,
    channels_new: int | None = None,
    *,
    statistics: LatentStatistics | None = None,
) -> ModelBridge:
    """From the first `channels_new` channels of latents of a model to the first `channels_old` of another's; None: of the
    old all, of the new as many as those are made of, so that nothing is lost but by quantisation. `statistics` of latents
    of the new model, where fewer are read.

    Raises `CodecError` for models of other planes or packets than each other, and for numbers of channels that they do not
    have.

    >>> from laconic.codecs.models.zoo import load_model
    >>> bridge = bridge_of_models(load_model("rgb"), load_model("rgb_best"), 12)
    >>> bridge.matrix.shape, bridge.lost_share
    ((12, 12), 0.0)
    """
    _check_bridged(typed_argument("old", old, Model, "a Model"), typed_argument("new", new, Model, "a Model"))
    d = old.num_channels
    channels_old = d if channels_old is None else whole_number_argument("channels_old", channels_old, 1, d)
    whole = _whole_map(old, new)[:channels_old]
    if channels_new is None:
        channels_new = 1 + int(np.flatnonzero(np.abs(whole).max(0) > _LEAST_WEIGHT)[-1])
    n = whole_number_argument("channels_new", channels_new, 1, d)
    known = statistics_of_model(new) if statistics is None else _checked_statistics(statistics, d)
    mean, covariance = known.mean, known.covariance
    own, missing = covariance[:n, :n], covariance[n:, :n]
    estimate = np.linalg.lstsq(own, missing.T, rcond=1e-10)[0].T
    matrix = whole[:, :n] + whole[:, n:] @ estimate
    shift = whole[:, n:] @ (mean[n:] - estimate @ mean[:n])
    left = covariance[n:, n:] - estimate @ missing.T
    lost = np.einsum("ij,jk,ik->", whole[:, n:], left, whole[:, n:])
    energy = np.einsum("ij,jk,ik->", whole, covariance, whole)
    share = max(float(lost / energy), 0.0) if n < d and energy > 0 else 0.0
    return ModelBridge(matrix.astype(np.float32), shift.astype(np.float32), 0.0 if share < _LEAST_WEIGHT**2 else share)


def _check_bridged(old: Model, new: Model) -> None:
    if (old.kind, old.num_planes) != (new.kind, new.num_planes) or old.tree != new.tree:
        raise CodecError(
            f"model {new.name} is for {new.kind}s of {new.num_planes} planes, model {old.name} for {old.kind}s of "
            f"{old.num_planes}, or they cut them into other bands; allowed are models of the same: decode the file, "
            "and encode it with the other"
        )
    if not np.array_equal(old.offsets, new.offsets):
        raise CodecError(
            f"models {new.name} and {old.name} have other middles of planes; allowed are equal ones: encode it again"
        )


@lru_cache(maxsize=16)
def _whole_map(old: Model, new: Model) -> Doubles:
    return np.asarray(np.linalg.solve(axes_of_model(new).T, axes_of_model(old).T).T)


def _checked_statistics(statistics: Any, d: int) -> LatentStatistics:
    known: LatentStatistics = typed_argument("statistics", statistics, LatentStatistics, "LatentStatistics or None")
    shapes = np.shape(known.mean), np.shape(known.covariance)
    if shapes != ((d,), (d, d)) or not (np.isfinite(known.mean).all() and np.isfinite(known.covariance).all()):
        raise CodecError(f"statistics have shapes {shapes}; needed are finite ones of {((d,), (d, d))}")
    return known
