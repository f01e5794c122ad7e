"""The neural synthesis of one model as a start for that of another, which has the same packets in other axes.

Within each leaf the coefficients of one model are an orthonormal turn of those of the other. What the network sees and
gives is turned with them, as far as that is linear; its blocks stay. Of the gain over the linear synthesis half is there
before any step (rgb to rgb_best, bsds500/val).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from laconic.codecs.errors import WeightsError
from laconic.codecs.learning.tensor_encoder import TensorEncoderModel, tensor_steps_of_codes
from laconic.codecs.models.neural_synthesis import LEVELS_PER_UNIT, NeuralSynthesis

if TYPE_CHECKING:
    from jaxtyping import Float

_MIDDLE_CODE: Final = 150  # what depends on the step is turned as if it were this one


def turned_synthesis(
    network: NeuralSynthesis, source: TensorEncoderModel, target: TensorEncoderModel
) -> NeuralSynthesis:
    """A network for `target` that does about what `network` does for `source`. Raises `WeightsError` where the models are
    not of the same tree and planes."""
    if source.tree != target.tree or source.num_planes != target.num_planes:
        raise WeightsError(
            "the axes of two models can be turned into each other only where their trees and planes agree"
        )
    turn = _turn_between(source, target)
    step = float(tensor_steps_of_codes(torch.tensor([_MIDDLE_CODE])))
    own, new = source.scales.double(), target.scales.double()
    state = {name: tensor.double() for name, tensor in network.state_dict().items()}

    in_steps, in_scales = state["enter.weight"][:, :, 0, 0].tensor_split(2, 1)
    seen = (in_steps @ turn, (in_scales / (own + step)) @ turn * (new + step))
    state["enter.weight"] = torch.cat(seen, 1)[:, :, None, None]

    back = turn.T * (1 / (1 / step + 0.5 / own))
    reach = 1 / (1 / step + 0.5 / new)
    state["leave.weight"] = (back @ state["leave.weight"][:, :, 0, 0] / reach[:, None])[:, :, None, None]
    state["leave.bias"] = back @ state["leave.bias"] / reach

    # Levels are logarithms: that of a channel is about the mean of those that it is made of.
    shares, weight = turn.square(), state["condition.0.weight"]
    offset = own.log2() - shares @ new.log2()
    state["condition.0.weight"] = weight @ shares
    state["condition.0.bias"] = state["condition.0.bias"] + weight @ offset / LEVELS_PER_UNIT

    turned = NeuralSynthesis(network.config, target.scales)
    turned.load_state_dict({**state, "scales": target.scales})
    return turned


def _turn_between(source: TensorEncoderModel, target: TensorEncoderModel) -> Float[Tensor, "d d"]:
    """(d, d) float64: coefficients of `target` -> those of `source`, both in the order of their latents."""
    turn = torch.zeros((len(source.channels), len(target.channels)), dtype=torch.float64)
    first = 0
    for analysis, synthesis in zip(source.analysis, target.synthesis, strict=True):
        rows = slice(first, first + len(analysis))
        turn[source.channels[rows][:, None], target.channels[rows]] = analysis.double() @ synthesis.double()
        first = rows.stop
    return turn
