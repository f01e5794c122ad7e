"""How the error of decoded pixels depends on each coefficient, by linear or neural synthesis: what a search needs.

Around points z that decode to D(z), the squared error to the pixels x is, as far as small changes of z change D(z) by
vectors as long as themselves,

    |z' - aim|^2 + constant,    aim = z - D'(z)^T (D(z) - x)

so integers for `aim`, chosen as if each coefficient stood alone, are integers for the pixels. Packets of 9/7 wavelets come
near it; at the borders of a picture, where they are mirrored, changes are up to four times as long, and half of the step
is taken.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.learning.tensor_encoder import TensorEncoderModel
from laconic.codecs.transform.rate_distortion import PRICE

if TYPE_CHECKING:
    from jaxtyping import Float

    from laconic.codecs.models.model import Model
    from laconic.codecs.models.neural_synthesis import NeuralSynthesis

_BLOCK: Final = 128  # places a side that go through the network together: about 0.5 GB
_WAVELET_REACH: Final = 4  # places around a block, beyond what a network sees: of the pixels that matter
_LINEAR_REACH: Final = 12  # the same without a network, with low levels
_BORDER_SHARE: Final = 0.5

Floats = NDArray[np.float32]


class DecoderGradient:
    """Of pictures by a model at a step, decoded by a network, or linearly with None. Raises `CodecError` for a model whose
    projection is not cut at the leaves of its tree."""

    def __init__(self, model: Model, network: NeuralSynthesis | None, step_code: int) -> None:
        self._encoder, self._network = tensor_encoder_of(model), network
        self._reach = _LINEAR_REACH if network is None else network.config.halo + _WAVELET_REACH
        self._steps = torch.from_numpy(model.steps_at(step_code).copy())[None]

    def aims(self, points: Float[Floats, "d h w"], pixels: Float[Floats, "c _ _"]) -> Float[Floats, "d h w"]:
        """Dequantised coefficients (d, h, w) -> the aims of all. `pixels` (c, h', w') in [-0.5, 0.5] are those of the
        places, without what lies below and right of the picture."""
        _, height, width = points.shape
        out = np.empty_like(points)
        for top, left in product(range(0, height, _BLOCK), range(0, width, _BLOCK)):
            bottom, right = min(top + _BLOCK, height), min(left + _BLOCK, width)
            reach = self._reach
            first, start = max(top - reach, 0), max(left - reach, 0)
            block = (slice(first, min(bottom + reach, height)), slice(start, min(right + reach, width)))
            found = self._of_block(points[:, *block], self._pixels_of(block, pixels))
            inner = (slice(top - first, bottom - first), slice(left - start, right - start))
            out[:, top:bottom, left:right] = found[:, *inner]
        return out

    def _pixels_of(self, block: tuple[slice, slice], pixels: Floats) -> Floats:
        side = self._encoder.tree.factor
        rows, columns = (slice(part.start * side, part.stop * side) for part in block)
        return pixels[:, rows, columns]

    def _of_block(self, points: Floats, pixels: Floats) -> Floats:
        variables = torch.from_numpy(np.ascontiguousarray(points))[None].requires_grad_()
        repaired = variables if self._network is None else self._network(variables, self._steps)
        height, width = pixels.shape[1:]
        decoded = self._encoder.planes(repaired)[:, :, :height, :width]
        error = (decoded - torch.from_numpy(np.ascontiguousarray(pixels))[None]).square().sum()
        (slope,) = torch.autograd.grad(0.5 * error, variables)
        for edge in (0, -1):
            slope[:, :, edge] *= _BORDER_SHARE
            slope[:, :, :, edge] *= _BORDER_SHARE
        found: NDArray[Any] = (variables.detach() - slope)[0].numpy()
        return found


def tensor_encoder_of(model: Model) -> TensorEncoderModel:
    """The transform of a model as tensors. Raises `CodecError` for a projection that is not cut at the tree's leaves."""
    sizes = [model.num_planes * model.tree.channels_of(path) for path in model.tree.leaves]
    if sizes != [len(a) for a in model.analysis]:
        raise CodecError(
            f"model {model.name} has no block for each leaf, which gradients of pixels (effort 3, fit --score) need; "
            "choose effort 2, or fit a model with --blocks leaf"
        )
    return TensorEncoderModel(
        num_planes=model.num_planes,
        tree=model.tree,
        analysis=tuple(torch.from_numpy(matrix) for matrix in model.analysis),
        synthesis=tuple(torch.from_numpy(matrix) for matrix in model.synthesis),
        channels=torch.from_numpy(model.channels.astype(np.int64)),
        scale_codes=torch.from_numpy(model.scale_codes.astype(np.int64)),
        shrink=torch.from_numpy(model.shrink),
        num_predicted=model.num_planes,
        rounding=model.rounding,
        price=PRICE,
        low_levels=model.low_levels,
        turn=(),  # coefficients are those that are coded
        turn_channels=torch.from_numpy(model.channels.astype(np.int64)),
        fingerprint=model.fingerprint.hex(),
    )
