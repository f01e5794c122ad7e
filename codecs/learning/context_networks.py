"""The networks of profile best: trained on the bits of the tables that they choose, then with their integers in the loop.

A network's three numbers, a scale, a lean and a shape, choose a table when they are rounded. While it is trained the bits
are the mean of those of the eight tables around, by how near they are, which has gradients; tables are mixtures of two
logistic densities, learned along. For the last part of the training weights and activations are rounded as they will be,
with gradients that pass through (SPEC.md, section 4.4).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from laconic.entropy.fitting.subband_inputs import NUM_INPUTS, SIGN_INPUTS
from laconic.entropy.subbands import NUM_LEANS, NUM_SCALES, NUM_SHAPES, ContextNetwork

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt

NUM_CHOICES: Final = NUM_SCALES * NUM_LEANS * NUM_SHAPES
_INPUT_UNIT: Final = 32.0
_SIGN_OF_ZERO: Final = 128.0
_MIDDLE_CODE: Final = 128
_OUTER_SHARE: Final = 0.9995  # of numbers that need not be clipped
_LARGEST_SCALE_LOG2: Final = 12
_ROUNDED_FROM: Final = 0.7  # of the training
_WARM_UP: Final = 100
_RATES: Final = (3e-3, 1e-2)  # of networks and of tables
_CALIBRATED: Final = 50_000  # samples that units are chosen by
_AT_ONCE: Final = 1 << 18


@dataclass(frozen=True, eq=False)
class ContextSamples:
    """Symbols of one level and what is around them: `inputs` (n, 40), `symbols` (n,), `kinds` (n,) and the step codes (n,)
    of their files. `kinds` go up to `num_kinds` - 1."""

    inputs: UInt[NDArray[np.uint8], "n 40"]
    symbols: Int[NDArray[np.int32], " n"]
    kinds: Int[NDArray[np.int16], " n"]
    step_codes: Int[NDArray[np.int16], " n"]
    num_kinds: int


class TableDensities(nn.Module):
    """A mixture of two discretised logistic densities for each scale, lean and shape."""

    def __init__(self) -> None:
        super().__init__()
        scales = torch.arange(NUM_SCALES).float().view(-1, 1, 1)
        leans = torch.arange(NUM_LEANS).float().view(1, -1, 1)
        zeros = torch.zeros(NUM_SCALES, NUM_LEANS, NUM_SHAPES)
        self.log_scale = nn.Parameter(zeros + (scales / 4 - 4) * math.log(2))
        self.log_ratio = nn.Parameter(zeros + 1.2)
        self.weight = nn.Parameter(zeros + torch.tensor([-4.0, -2.0, 0.0]))
        self.first_mean = nn.Parameter(zeros + 0.6 * leans)
        self.second_mean = nn.Parameter(zeros + 0.4 * leans)

    def shares(
        self, choices: Int[torch.Tensor, "*shape"], symbols: Float[torch.Tensor, "*_"]
    ) -> Float[torch.Tensor, "*shape"]:
        """Probabilities of symbols under the tables `choices`, numbers up to `NUM_CHOICES` - 1; shapes are broadcast."""
        names = ("log_scale", "log_ratio", "weight", "first_mean", "second_mean")
        log_scale, log_ratio, weight, first, second = (getattr(self, n).reshape(-1)[choices] for n in names)
        scale, share = log_scale.exp(), weight.sigmoid()
        wide = (log_scale + log_ratio).exp()
        narrow_shares = _logistic(symbols, first * scale, scale)
        mixed: torch.Tensor = (1 - share) * narrow_shares + share * _logistic(symbols, second * scale, wide)
        return mixed

    def bits(
        self, choices: Int[torch.Tensor, "*shape"], symbols: Float[torch.Tensor, "*_"]
    ) -> Float[torch.Tensor, "*shape"]:
        """The same in bits, and never without end."""
        shares = self.shares(choices, symbols)
        return -torch.log2(shares.clamp(min=1e-7) * (1 - 1e-5) + 1e-7 / (1 + symbols.abs()))

    @torch.no_grad()
    def priors(self) -> Float[NDArray[np.float64], "choices 257"]:
        """Shares of the values -128 (and below) to 128 (and above) in every table."""
        values = torch.arange(-127, 128).float()
        choices = torch.arange(NUM_CHOICES)[:, None].expand(-1, len(values))
        inner = self.shares(choices, values).double().clamp(min=0)
        beyond = (1 - inner.sum(1, keepdim=True)).clamp(min=1e-9) / 2
        shares: NDArray[np.float64] = torch.cat([beyond, inner, beyond], 1).numpy()
        return shares


def _logistic(symbols: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    distance = (symbols - mean).abs()
    return torch.sigmoid((0.5 - distance) / scale) - torch.sigmoid((-0.5 - distance) / scale)


class ContextNetworkLearner(nn.Module):
    """A network of two hidden layers of `width` units, in floats, or rounded from `calibrate` on."""

    def __init__(self, width: int, num_kinds: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(NUM_INPUTS, width), nn.Linear(width, width)
        self.third = nn.Linear(width, 3)
        self.first_kind = nn.Parameter(torch.zeros(num_kinds, width))
        self.first_step = nn.Parameter(torch.zeros(width))
        self.third_kind = nn.Parameter(torch.zeros(num_kinds, 3))
        self.third_step = nn.Parameter(torch.zeros(3))
        self.weight_units: tuple[float, ...] = ()  # powers of two: integers are so many times the floats
        self.unit_units: tuple[float, ...] = ()
        self.zero_inputs = torch.zeros(NUM_INPUTS)
        self.zero_inputs[list(SIGN_INPUTS)] = _SIGN_OF_ZERO
        with torch.no_grad():
            self.third.weight.mul_(2.4)
            self.third.bias.copy_(torch.tensor([20.0, 0.0, 1.0]))

    def forward(
        self,
        inputs: Float[torch.Tensor, "n 40"],
        kinds: Int[torch.Tensor, " n"],
        step_codes: Float[torch.Tensor, " n"],
    ) -> Float[torch.Tensor, "n 3"]:
        """Inputs (n, 40), kinds (n,), step codes (n,) -> scale, lean and shape (n, 3)."""
        steps = ((step_codes - _MIDDLE_CODE) / _INPUT_UNIT)[:, None]
        x = (inputs - self.zero_inputs) / _INPUT_UNIT
        h = x @ self._weight(0).T + self.first.bias + self.first_kind[kinds] + steps * self.first_step
        h = self._hidden(h, 0) @ self._weight(1).T + self.second.bias
        return (
            self._hidden(h, 1) @ self._weight(2).T + self.third.bias + self.third_kind[kinds] + steps * self.third_step
        )

    @torch.no_grad()
    def calibrate(
        self,
        inputs: Float[torch.Tensor, "n 40"],
        kinds: Int[torch.Tensor, " n"],
        step_codes: Float[torch.Tensor, " n"],
    ) -> None:
        """Choose the units of weights and activations by what these samples make; from here on both are rounded."""
        steps = ((step_codes - _MIDDLE_CODE) / _INPUT_UNIT)[:, None]
        x = (inputs - self.zero_inputs) / _INPUT_UNIT
        h = torch.relu(self.first(x) + self.first_kind[kinds] + steps * self.first_step)
        layers = (self.first, self.second, self.third)
        weights = [min(_unit(layer.weight, 127), 2.0**_LARGEST_SCALE_LOG2) for layer in layers]
        first = min(_unit(h, 255), _INPUT_UNIT * weights[0])
        second = min(_unit(torch.relu(self.second(h)), 255), first * weights[1])
        self.weight_units, self.unit_units = tuple(weights), (first, second)

    @torch.no_grad()
    def integers(self) -> ContextNetwork:
        """The network that an encoder and a decoder compute; `calibrate` comes first."""
        layers = zip((self.first, self.second, self.third), self.weight_units, strict=True)
        weights = [np.rint(_numbers(layer.weight) * unit).clip(-127, 127).astype(np.int8) for layer, unit in layers]
        first_unit = _INPUT_UNIT * self.weight_units[0]
        second_unit, third_unit = (u * w for u, w in zip(self.unit_units, self.weight_units[1:], strict=True))
        shift = weights[0].astype(np.int64) @ _numbers(self.zero_inputs).astype(np.int64)
        shifts = np.log2([first_unit / self.unit_units[0], second_unit / self.unit_units[1], third_unit])
        return ContextNetwork(
            first=weights[0],
            second=weights[1],
            third=weights[2],
            first_bias=_rounded((_numbers(self.first.bias) + _numbers(self.first_kind)) * first_unit - shift),
            second_bias=_rounded(_numbers(self.second.bias) * second_unit),
            third_bias=_rounded((_numbers(self.third.bias) + _numbers(self.third_kind)) * third_unit),
            first_step=_rounded(_numbers(self.first_step) * first_unit / _INPUT_UNIT),
            third_step=_rounded(_numbers(self.third_step) * third_unit / _INPUT_UNIT),
            shifts=shifts.astype(np.uint8),
        )

    def _weight(self, layer: int) -> torch.Tensor:
        weight = (self.first, self.second, self.third)[layer].weight
        if not self.weight_units:
            return weight
        unit = self.weight_units[layer]
        return _straight_through(weight, (weight * unit).round().clamp(-127, 127) / unit)

    def _hidden(self, sums: torch.Tensor, layer: int) -> torch.Tensor:
        if not self.unit_units:
            return torch.relu(sums)
        unit = self.unit_units[layer]
        clipped = sums.clamp(0, 255 / unit)
        return _straight_through(clipped, (clipped * unit + 1e-4).floor() / unit)


def expected_bits(
    outputs: Float[torch.Tensor, "n 3"], symbols: Float[torch.Tensor, " n"], densities: TableDensities
) -> Float[torch.Tensor, " n"]:
    """Bits (n,) of symbols, means over the tables around the outputs (n, 3)."""
    scale, lean, shape, symbols = _held(outputs, symbols)
    corners = [
        x.detach().floor().clamp(max=n - 2)
        for x, n in zip((scale, lean, shape), (NUM_SCALES, NUM_LEANS, NUM_SHAPES), strict=True)
    ]
    parts = [x - corner for x, corner in zip((scale, lean, shape), corners, strict=True)]
    choices, weights = [], []
    for bits in range(8):
        ups = [bits >> k & 1 for k in range(3)]
        choices.append(_choice(*(c + up for c, up in zip(corners, ups, strict=True))))
        near = [part if up else 1 - part for part, up in zip(parts, ups, strict=True)]
        weights.append(near[0] * near[1] * near[2])
    return (densities.bits(torch.stack(choices), symbols[None]) * torch.stack(weights)).sum(0)


@torch.no_grad()
def chosen_tables(
    network: ContextNetworkLearner, samples: ContextSamples
) -> Iterator[tuple[Int[NDArray[np.int64], " n"], Int[NDArray[np.int32], " n"]]]:
    """Part by part, the numbers of the tables that the network chooses, up to `NUM_CHOICES` - 1, and the symbols as they
    are coded. Of a lean half-way between two numbers below 0 the smaller one is taken, where integers round up: that is one
    symbol in some thousands."""
    count = len(samples.symbols)
    for lo, hi in pairwise([*range(0, count, _AT_ONCE), count]):
        arrays = (samples.inputs, samples.kinds, samples.step_codes, samples.symbols)
        inputs, kinds, codes, symbols = (torch.from_numpy(a[lo:hi]) for a in arrays)
        scale, lean, shape, symbols = _held(network(inputs.float(), kinds.long(), codes.float()), symbols)
        yield _choice(*((x + 0.5).floor() for x in (scale, lean, shape))).numpy(), symbols.numpy()


def train_context_network(
    samples: ContextSamples,
    width: int,
    num_steps: int,
    *,
    batch: int = 4096,
    seed: int = 0,
    on_step: Callable[[int, float], None] = lambda step, bits: None,
) -> tuple[ContextNetworkLearner, TableDensities]:
    """A network of `width` units for these samples, and densities of its tables. `on_step` is told the step and the bits a
    symbol of its batch."""
    torch.manual_seed(seed)
    network, densities = ContextNetworkLearner(width, samples.num_kinds), TableDensities()
    groups = [{"params": m.parameters(), "lr": rate} for m, rate in zip((network, densities), _RATES, strict=True)]
    optimizer = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: min(1, i / _WARM_UP) * (0.5 * (1 + math.cos(math.pi * i / num_steps)) + 1e-3)
    )
    arrays = [torch.from_numpy(a) for a in (samples.inputs, samples.kinds, samples.step_codes, samples.symbols)]

    def drawn(count: int) -> list[torch.Tensor]:
        places = torch.randint(0, len(samples.symbols), (count,))
        inputs, kinds, codes, symbols = (a[places] for a in arrays)
        return [inputs.float(), kinds.long(), codes.float(), symbols.float()]

    for step in range(num_steps):
        if step == int(_ROUNDED_FROM * num_steps):
            network.calibrate(*drawn(_CALIBRATED)[:3])
        *known, symbols = drawn(batch)
        bits = expected_bits(network(*known), symbols, densities).mean()
        optimizer.zero_grad()
        torch.autograd.backward(bits)
        optimizer.step()
        schedule.step()
        on_step(step, bits.item())
    return network, densities


def _held(
    outputs: torch.Tensor, symbols: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    lean = outputs[:, 1].clamp(1 - NUM_LEANS, NUM_LEANS - 1)
    symbols = torch.where(lean < 0, -symbols, symbols)
    return outputs[:, 0].clamp(0, NUM_SCALES - 1), lean.abs(), outputs[:, 2].clamp(0, NUM_SHAPES - 1), symbols


def _choice(scale: torch.Tensor, lean: torch.Tensor, shape: torch.Tensor) -> torch.Tensor:
    return ((scale * NUM_LEANS + lean) * NUM_SHAPES + shape).long()


def _straight_through(value: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
    return value + (rounded - value).detach()


def _unit(values: torch.Tensor, most: int) -> float:
    """The largest power of two that keeps nearly all magnitudes below `most`."""
    flat = values.abs().flatten()
    largest = float(flat.kthvalue(max(1, int(_OUTER_SHARE * flat.numel()))).values)
    return float(2.0 ** math.floor(math.log2(most / max(largest, 1e-9))))


def _numbers(tensor: torch.Tensor) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = tensor.detach().double().numpy()
    return numbers


def _rounded(numbers: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(numbers).astype(np.int32)
