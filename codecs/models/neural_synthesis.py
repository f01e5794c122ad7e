"""Neural synthesis: a small convolution network that repairs dequantised coefficients before the linear synthesis.

It works on the coarse grid of the latent: what it adds to each coefficient is a function of all coefficients within
`SynthesisConfig.halo` places, of the quantiser step and of which channels are there. So one network serves every quality
and every number of channels, memory is bounded by blocks, and the file is that of the linear synthesis.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic.codecs.errors import WeightsError
from laconic.codecs.steps import CODE_OF_UNIT_STEP, CODES_PER_OCTAVE

if TYPE_CHECKING:
    from jaxtyping import Float

_CONDITION_WIDTH: Final = 64
_LARGEST_SIZE: Final = 4096
_MOST_OUTPUTS: Final = 2
_UNMAPPED_SHARE: Final = 16  # of the channels, one; 4 of the 64 of each plane
_NO_STEP: Final = 1e-6  # instead of nothing, where a channel is missing
# log2(scale / step) of a channel, as the network sees it: a channel that is missing has the least.
_LEAST_LEVEL, _LARGEST_LEVEL = -5.0, 9.0
LEVELS_PER_UNIT: Final = 4.0


@dataclass(frozen=True)
class NeuralSynthesisConfig:
    """`num_channels` of the latent, `width` of the network's features, `num_blocks` of two 3x3 convolutions each.
    `num_outputs` for each coefficient: 1, what is added to it; 2, also a factor of what it is in steps. Nothing is changed
    up to the step code `finest_code`, and all of what the network says from an octave above it on; 0 is for all codes."""

    num_channels: int = 192
    width: int = 128
    num_blocks: int = 4
    num_outputs: int = 1
    finest_code: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least = 0 if name == "finest_code" else 1
            if not isinstance(value, int) or not least <= value <= _LARGEST_SIZE:
                raise WeightsError(f"{name} of a neural synthesis is {value!r}; allowed are {least} to {_LARGEST_SIZE}")
        if self.num_outputs > _MOST_OUTPUTS:
            raise WeightsError(f"num_outputs of a neural synthesis is {self.num_outputs}; allowed are 1 and 2")

    @property
    def halo(self) -> int:
        """Places around a block that its coefficients depend on."""
        return 2 * self.num_blocks

    @property
    def first_mapped(self) -> int:
        """From this channel on, local exponents apply: those before are the four coarsest places of each plane."""
        return self.num_channels // _UNMAPPED_SHARE


class NeuralSynthesis(nn.Module):
    """Coefficients as dequantised -> coefficients nearer to the picture's.

    `scales`: (d,) typical magnitude of each channel, in signal units.
    """

    scales: Tensor

    def __init__(self, config: NeuralSynthesisConfig, scales: Float[Tensor, " d"]) -> None:
        super().__init__()
        d, width = config.num_channels, config.width
        if scales.shape != (d,):
            raise WeightsError(f"the scales have shape {tuple(scales.shape)}; the network has {d} channels")
        self.config = config
        self.register_buffer("scales", scales.float())
        self.enter = nn.Conv2d(2 * d, width, 1)
        self.condition = nn.Sequential(
            nn.Linear(d, _CONDITION_WIDTH), nn.SiLU(), nn.Linear(_CONDITION_WIDTH, 2 * width * config.num_blocks)
        )
        self.blocks = nn.ModuleList(_Block(width) for _ in range(config.num_blocks))
        self.leave = nn.Conv2d(width, config.num_outputs * d, 1)
        # From here, the network changes nothing.
        for parameter in (*self.condition[2].parameters(), *self.leave.parameters()):
            nn.init.zeros_(parameter)

    def forward(
        self,
        coefficients: Float[Tensor, "b d h w"],
        steps: Float[Tensor, "b d"],
        exponents: Float[Tensor, "b h w"] | None = None,
    ) -> Float[Tensor, "b d h w"]:
        """(b, d, h, w) in signal units, missing channels 0, and quantiser steps (b, d), infinite for missing channels ->
        (b, d, h, w) float32. With `exponents` e (b, h, w), a step of channels from `first_mapped` on is at each place
        2^(-e/16) of its channel's."""
        level = torch.log2(self.scales * steps.reciprocal()).clamp(_LEAST_LEVEL, _LARGEST_LEVEL) / LEVELS_PER_UNIT
        shape = (len(steps), self.config.num_blocks, 2, self.config.width, 1, 1)
        gains_and_biases = self.condition(level).reshape(shape)
        scales, local = self.scales[:, None, None], self._local(steps, exponents)
        per_step = local.reciprocal()
        in_steps = torch.asinh(coefficients * per_step)
        # Over the scale alone, coarsely quantised fine bands would be 20 to 100.
        in_scales = coefficients / (scales + local)
        seen = torch.cat((in_steps, in_scales), 1)
        features = self.enter(seen.contiguous(memory_format=torch.channels_last))
        for i, block in enumerate(self.blocks):
            features = block(features, gains_and_biases[:, i, 0], gains_and_biases[:, i, 1])
        # What quantisation took is of the size of a step, and no larger than what the channel holds.
        reach = 1 / (per_step + 0.5 / scales)
        added, *factors = self.leave(features).float().split(self.config.num_channels, 1)
        change = added * reach
        for factor in factors:  # of what is large in steps, less: it is known well
            change = change + factor * in_steps / (per_step + _NO_STEP)
        if self.config.finest_code:
            first_octave = (self.config.finest_code - CODE_OF_UNIT_STEP) / CODES_PER_OCTAVE
            octaves = torch.log2(steps.amin(1)) - first_octave  # missing channels are guessed from what is there
            change = change * octaves.clamp(0, 1)[:, None, None, None]
        repaired: Tensor = coefficients + change
        return repaired

    def _local(self, steps: Tensor, exponents: Tensor | None) -> Tensor:
        """(b, d, 1, 1) steps of the channels, or (b, d, h, w) those at each place."""
        everywhere = steps[:, :, None, None]
        if exponents is None:
            return everywhere
        shares = torch.exp2(-exponents / CODES_PER_OCTAVE)[:, None]
        same, mapped = everywhere.tensor_split([self.config.first_mapped], 1)
        return torch.cat((same.expand(-1, -1, *shares.shape[2:]), mapped * shares), 1)

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


class _Block(nn.Module):
    """A residual block that the condition scales and shifts between its convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        inner = self.first(features) * (1 + gain) + bias
        out: Tensor = features + self.second(functional.gelu(inner))
        return out


def save_neural_synthesis(network: NeuralSynthesis, path: Path | str, card: dict[str, str]) -> None:
    """Write a safetensors file of half precision; `card` must name the fingerprint of the model it is for."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().half().contiguous() for name, tensor in network.state_dict().items()}
    # Scales may be below the least number of half precision.
    tensors["scales"] = network.scales.float().contiguous()
    save_file(tensors, path, metadata={**card, "config": json.dumps(asdict(network.config))})


def load_neural_synthesis(path: Path | str) -> tuple[NeuralSynthesis, dict[str, str]]:
    """The network and card of a file by `save_neural_synthesis`. Raises `WeightsError` for another or a damaged one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            card = dict(file.metadata() or {})
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 - not a mapping
        config = NeuralSynthesisConfig(**json.loads(card.pop("config")))
        with torch.device("meta"):  # no memory for sizes that the file does not have
            network = NeuralSynthesis(config, tensors["scales"])
        network.load_state_dict(tensors, assign=True)
    except FileNotFoundError as err:
        raise WeightsError(f"neural synthesis {path} does not exist") from err
    except (SafetensorError, LookupError, ValueError, TypeError, RuntimeError, OSError) as err:
        raise WeightsError(f"{path} is no neural synthesis: {err}") from err
    return network.eval(), card


def load_neural_synthesis_for(path: Path | str, fingerprint: str) -> NeuralSynthesis:
    """The network of a file that is for the model of this fingerprint. Raises `WeightsError` for that of another."""
    network, card = load_neural_synthesis(path)
    found = card.get("model_fingerprint", "unknown")
    if found != fingerprint:
        raise WeightsError(
            f"neural synthesis {path} is for model {found}, not for {fingerprint}; name the one that was trained with it"
        )
    return network
