"""How differently a network sees a decoded picture and its original: distances of features at several depths.

As in Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018, but for the
weights of channels, which are learned there: here each channel counts by what it varies over photographs.
`feature_variances.safetensors` holds that, of the depths of each network over the 25 training photographs of a sample of
ImageNet; `benchmarks/images/feature_variances.py` makes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.media import Image
from laconic.tasks.measures.feature_network import FeatureNetwork

if TYPE_CHECKING:
    from jaxtyping import Float32

VARIANCES: Final = Path(__file__).with_name("feature_variances.safetensors")
_LEAST_SHARE = (
    0.1  # of the mean variance, added to all, so that channels that hardly ever speak are not all that counts
)

Array = NDArray[np.float32]


def feature_distances(network: FeatureNetwork, original: Image, decoded: Image) -> dict[str, float]:
    """Distances at depths of the network; 0 for equal pictures, about 2 for two that have nothing to do with each other.

    At each depth the squared difference of the features, mean over places, is divided by the variance of the channel
    plus a tenth of the mean variance; the distance is the mean over channels. The original's features are kept, as many
    decoded pictures follow one original. A depth that the pictures are too small for is left out.

    Raises `ValueError` where shape or sample type differ, and like `FeatureNetwork.features`.
    """
    if (original.samples.shape, original.samples.dtype) != (decoded.samples.shape, decoded.samples.dtype):
        raise ValueError(
            f"the picture to compare is {decoded.samples.dtype} of shape {decoded.samples.shape}; allowed is what the "
            f"original has, {original.samples.dtype} of shape {original.samples.shape}: decode to the same size"
        )
    before = _features_of_original(network, _Original(_digest(original), original))
    after = network.features(decoded, network.depths)
    return {depth: _distance(before[depth], after[depth], _scales(network)[depth]) for depth in before}


def channel_variances(
    network: FeatureNetwork, pictures: Iterable[Image], depths: Sequence[str]
) -> dict[str, Float32[Array, " c"]]:
    """Variances of the channels at these depths over places and pictures, each picture with the same weight."""
    moments: dict[str, list[NDArray[Any]]] = {depth: [] for depth in depths}
    for picture in pictures:
        for depth, features in network.features(picture, depths).items():
            wide = features.astype(np.float64)
            moments[depth].append(np.stack([wide.mean(1), np.square(wide).mean(1)]))
    means = {depth: np.mean(found, axis=0) for depth, found in moments.items()}
    return {depth: np.asarray(squares - mean**2, np.float32) for depth, (mean, squares) in means.items()}


@dataclass(frozen=True)
class _Original:
    digest: bytes
    picture: Image = field(compare=False)


def _digest(picture: Image) -> bytes:
    samples = picture.samples
    return hashlib.blake2b(samples.tobytes(), key=str((samples.shape, samples.dtype)).encode()).digest()


@lru_cache(maxsize=4)
def _features_of_original(network: FeatureNetwork, original: _Original) -> dict[str, Array]:
    return network.features(original.picture, network.depths)


@lru_cache(maxsize=4)
def _scales(network: FeatureNetwork) -> dict[str, Array]:
    """What squared differences of each channel are divided by."""
    from safetensors.numpy import load_file

    stored = load_file(VARIANCES)
    variances = {depth: stored[f"{network.name}.{depth}"] for depth in network.depths}
    return {depth: found + np.float32(_LEAST_SHARE) * found.mean() for depth, found in variances.items()}


def _distance(before: Array, after: Array, scales: Array) -> float:
    return float(np.mean(np.square(before - after).mean(axis=1) / scales, dtype=np.float64))
