"""Bottlenecks for training in torch: a learned density for each channel, noise in place of rounding, a compander.

Train with `FactorizedDensity` in the loss, `freeze` it once into integer tables, and code with these. There is no other
step between: tables are made from the parameters as they are when `freeze` is called. Both sides need the same tables,
so keep their bytes (`TableSet.to_bytes`) beside the network; floats of another machine might round to others.

>>> import numpy as np
>>> from laconic.entropy.packets import decode_batch, encode_batch
>>> density = FactorizedDensity(channels=3)
>>> latents = torch.linspace(-9, 9, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
>>> noisy, likelihoods = density(latents)  # noisy is what a decoder in training gets
>>> rate_bits = -likelihoods.log2().sum()  # in the loss, beside a distortion
>>> tables = density.freeze()
>>> channel_tables = np.arange(3, dtype=np.uint8)
>>> rounded = latents.round()
>>> packets = encode_batch(rounded, tables, channel_tables)
>>> decoded = decode_batch(packets, tables, channel_tables, out=torch.empty(2, 3, 4, 4))
>>> torch.equal(decoded, rounded)
True
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:  # the coder is compiled, but networks are also trained where it is not
    from jaxtyping import Float, Num

    from laconic.entropy.tables import Table, TableSet

_WIDTHS = (1, 3, 3, 3, 3, 1)  # of the network of one channel (Ballé et al. 2018, appendix 6.1: K = 5)
_LARGEST_VALUE = 2.0**30  # quantiles are looked for below it; where tables may start
_BISECTIONS = 60  # from 2^31 down to 2^-29
# A value in the run takes at least one of 65536 slots from all others, 2.2e-5 bits a symbol; an escaped one costs 16 bits
# more. An entry of its own pays from 2.2e-5 / 16 = 1.4e-6 on.
_LEAST_PROBABILITY = 1.4e-6
_TAIL_LOGIT = -14.5  # sigmoid: 5e-7 on either side; no value beyond can pay for an entry
_WINDOW = 1 << 15  # values looked at on either side of the median

# Matrix (d, out, in), bias (d, out, 1) and gate (d, out, 1) of one layer, as they are applied; the last has no gate.
_Layer = tuple[Tensor, Tensor, Tensor | None]


class FactorizedDensity(nn.Module):
    """A learned density for each channel of (b, channels, *sides) latents, independent of place and neighbours.

    The cumulative distribution of a channel is a monotone network of one number, whose matrices are positive by softplus
    and whose gates lie between -1 and 1 by tanh. What is coded is y plus uniform noise, or rounded: the likelihood of a
    value is the probability of the interval of width 1 around it. At first all channels are about logistic around 0 with
    the given `scale`. Raises ValueError for less than one channel or a scale that is not above 0.

    Source: Ballé, Minnen, Singh, Hwang, Johnston, "Variational image compression with a scale hyperprior", 2018
    (arXiv:1802.01436), appendix 6.1.
    """

    def __init__(self, channels: int, *, scale: float = 10.0) -> None:
        super().__init__()
        if channels < 1 or not 0 < scale < math.inf:
            raise ValueError(f"channels, scale are {channels}, {scale}; allowed are 1 or more, and a number above 0")
        self.channels = channels
        self.bottleneck = NoiseBottleneck()
        self.matrices, self.biases, self.gates = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        pairs = list(pairwise(_WIDTHS))
        gain = scale ** (-1 / len(pairs))  # all layers together: 1 / scale
        for width_in, width_out in pairs:
            start = math.log(math.expm1(gain / width_in))  # softplus of it is gain / width_in
            self.matrices.append(nn.Parameter(torch.full((channels, width_out, width_in), start)))
            self.biases.append(nn.Parameter(torch.rand(channels, width_out, 1) - 0.5))
            if width_out > 1:
                self.gates.append(nn.Parameter(torch.zeros(channels, width_out, 1)))

    def forward(
        self, y: Float[Tensor, "b d *sides"], offsets: Float[Tensor, " d"] | None = None
    ) -> tuple[Float[Tensor, "b d *sides"], Float[Tensor, "b d *sides"]]:
        """y, noisy in training and rounded in evaluation, and the likelihoods of that, both of the shape of y.

        Rounds to integers, or, with `offsets` (channels,), to integers plus the offset of the channel. With `medians()` as
        offsets a channel that hardly varies becomes one value, wherever it lies. What is coded then are the integers
        (y - offsets).round(), with the tables of `freeze(offsets)`, and the decoder adds the offsets. Raises ValueError for
        another shape.
        """
        self._check(y, offsets)
        if offsets is None:
            quantized: Tensor = self.bottleneck(y)
        else:
            beside = offsets.reshape(-1, *[1] * (y.dim() - 2))
            quantized = self.bottleneck(y - beside) + beside
        return quantized, self.likelihoods(quantized)

    def likelihoods(self, y: Num[Tensor, "b d *sides"]) -> Float[Tensor, "b d *sides"]:
        """Probabilities of the intervals y - 1/2 to y + 1/2, of the shape of y; integers sum to 1 over a channel.

        Never 0: at least the smallest normal float, 126 bits in float32. Where latents may lie farther out, `bits` has a
        gradient still. Raises ValueError for another shape.
        """
        likelihoods = self._log_likelihoods(y).exp()
        return likelihoods.clamp_min(torch.finfo(likelihoods.dtype).tiny)

    def bits(self, y: Num[Tensor, "b d *sides"]) -> Float[Tensor, "b d *sides"]:
        """Code length of each value, -log2 of its likelihood, of the shape of y; finite with a gradient at any distance.

        y is rounded or noisy (b, channels, *sides). Raises ValueError for another shape.
        """
        return self._log_likelihoods(y) / -math.log(2)

    @torch.no_grad()
    def medians(self) -> Float[Tensor, " d"]:
        """The median of each channel, (channels,), by bisection; there is nothing to learn or to keep up to date."""
        return _quantiles(self._exact_layers(), 0.0).to(self.biases[0])

    @torch.no_grad()
    def freeze(self, offsets: Float[Tensor, " d"] | None = None, *, channels: slice = slice(None)) -> TableSet:
        """Integer tables, one for each channel in order, with an escape for whatever has no entry.

        Table c codes the integers round(y - offsets) of channel c; without `offsets` (channels,), round(y). A table keeps
        the most probable run of up to 255 values. Computed in float64. A set has at most 256 tables: freeze more channels
        in parts, `channels=slice(0, 256)` and so on. Raises ValueError for more, or parameters that are not finite.
        """
        from laconic.entropy.tables import MAX_TABLES, TableSet

        self._check_offsets(offsets)
        chosen = range(self.channels)[channels]
        if not 1 <= len(chosen) <= MAX_TABLES:
            raise ValueError(
                f"{len(chosen)} channels cannot make a table set; allowed are 1 to {MAX_TABLES}: freeze others in parts"
            )
        layers = self._exact_layers()
        shifts = torch.zeros(self.channels) if offsets is None else offsets.detach().cpu()
        windows = _windows(layers, shifts.double())
        tables = [_table(_channel(layers, c), windows[c], float(shifts[c])) for c in chosen]
        return TableSet(tuple(tables))

    def _layers(self) -> list[_Layer]:
        matrices = [functional.softplus(matrix) for matrix in self.matrices]
        return list(zip(matrices, self.biases, [*(torch.tanh(gate) for gate in self.gates), None], strict=True))

    def _exact_layers(self) -> list[_Layer]:
        """In float64 on the CPU, so that tables depend on the machine as little as they can."""
        if not all(bool(parameter.isfinite().all()) for parameter in self.parameters()):
            raise ValueError("the density has parameters that are not finite; load or train others")
        return copy.deepcopy(self).cpu().double()._layers()

    def _log_likelihoods(self, y: Tensor) -> Tensor:
        """Natural logarithms of the likelihoods."""
        self._check(y)
        layers = self._layers()
        by_channel = y.to(self.biases[0].dtype).transpose(0, 1)
        logarithms = _log_of_intervals(layers, by_channel.reshape(self.channels, 1, -1))
        return logarithms.reshape(by_channel.shape).transpose(0, 1)

    def _check(self, y: Tensor, offsets: Tensor | None = None) -> None:
        if y.dim() < 2 or y.shape[1] != self.channels:
            raise ValueError(f"a latent has the shape {tuple(y.shape)}; allowed is (b, {self.channels}, ...)")
        self._check_offsets(offsets)

    def _check_offsets(self, offsets: Tensor | None) -> None:
        if offsets is not None and offsets.shape != (self.channels,):
            raise ValueError(f"offsets have the shape {tuple(offsets.shape)}; allowed is ({self.channels},)")


class NoiseBottleneck(nn.Module):
    """Adds uniform noise from -1/2 to 1/2 in training, rounds to integers (halves to even) in evaluation; any shape.

    Noise has a gradient, and the density of noisy values is, at the integers, the probability of rounded ones. Source:
    Ballé, Laparra, Simoncelli, "End-to-end optimized image compression", 2017 (arXiv:1611.01704), section 3.1.
    """

    def forward(self, y: Float[Tensor, "*shape"], generator: torch.Generator | None = None) -> Float[Tensor, "*shape"]:
        """y of the same shape; noise comes from `generator`, or where it is None from torch's own."""
        if not self.training:
            return y.round()
        device = y.device if generator is None else generator.device
        noise = torch.rand(y.shape, generator=generator, dtype=y.dtype, device=device).to(y.device)
        return y + (noise - 0.5)


def round_straight_through(y: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """y rounded to integers (halves to even), with the gradient of y itself; any shape.

    For training with the values that the decoder will get. Source: Theis, Shi, Cunningham, Huszár, "Lossy image
    compression with compressive autoencoders", 2017 (arXiv:1703.00395), section 2.1.
    """
    return y.detach().round() + (y - y.detach())  # exactly the integers: the difference is 0


@dataclass(frozen=True)
class NormalCompander:
    """Maps normal numbers to nearly uniform ones between -`limit` and `limit`, and back.

    y = 2 `limit` (Phi(z / `scale`) - 1/2), with Phi the cumulative distribution of the normal. Rounded, y is an integer
    from -127 to 127 with the constants of WaLLoC (Jacobellis, Yadwadkar, "Learned compression for compressed learning",
    2024, arXiv:2412.09405), which are the defaults. Raises ValueError unless both are above 0.
    """

    scale: float = 127 / 1.85
    limit: float = 127.499

    def __post_init__(self) -> None:
        if not (0 < self.scale < math.inf and 0 < self.limit < math.inf):
            raise ValueError(f"scale, limit are {self.scale}, {self.limit}; allowed are finite numbers above 0")

    def compand(self, z: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """y of the shape of z, from -`limit` to `limit`; not rounded."""
        centred: Tensor = torch.special.ndtr(z / self.scale) - 0.5
        return 2 * self.limit * centred

    def expand(self, y: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """z of the shape of y, at most 3.72 `scale` from 0: as in WaLLoC, probabilities are kept in 0.0001 to 0.9999."""
        standard: Tensor = torch.special.ndtri((y / (2 * self.limit) + 0.5).clamp(1e-4, 0.9999))
        return self.scale * standard


def _logits(layers: Sequence[_Layer], x: Tensor) -> Tensor:
    """Logits of the cumulative distributions at x, (d, 1, n) -> (d, 1, n), ascending in n where x is."""
    for matrix, bias, gate in layers:
        x = matrix @ x + bias
        if gate is not None:
            x = x + gate * torch.tanh(x)
    return x


def _log_of_intervals(layers: Sequence[_Layer], x: Tensor) -> Tensor:
    """Natural logarithm of the probability from x - 1/2 to x + 1/2, (d, 1, n) -> (d, 1, n).

    With logits l < u it is s(u) - s(l) for the sigmoid s, and since s(-t) = exp(-t) s(t),

        s(u) - s(l) = s(u) (1 - s(l)) - (1 - s(u)) s(l) = s(u) s(-l) (1 - exp(l - u)),

    a product of positive numbers: its logarithm is exact in both tails, where the difference would cancel.
    """
    with torch.autocast(x.device.type, enabled=False):  # half floats do not tell apart logits that are so close
        lower, upper = _logits(layers, x - 0.5), _logits(layers, x + 0.5)
    gap = (upper - lower).clamp_min(torch.finfo(x.dtype).tiny)  # far out x - 1/2 and x + 1/2 may be the same float
    return functional.logsigmoid(upper) + functional.logsigmoid(-lower) + torch.log(-torch.expm1(-gap))


def _quantiles(layers: Sequence[_Layer], logit: float) -> Tensor:
    """Where the cumulative distributions have this logit, (d,)."""
    high = torch.full((len(layers[0][0]), 1, 1), _LARGEST_VALUE, dtype=torch.float64)
    low = -high
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        is_above = _logits(layers, middle) > logit
        low, high = torch.where(is_above, low, middle), torch.where(is_above, middle, high)
    return ((low + high) / 2).reshape(-1)


def _windows(layers: Sequence[_Layer], offsets: Tensor) -> Tensor:
    """First and last integer that may get an entry, (d, 2), on the grid shifted by offsets."""
    low, middle, high = (_quantiles(layers, logit) - offsets for logit in (_TAIL_LOGIT, 0.0, -_TAIL_LOGIT))
    bounds = torch.stack([low.clamp(middle - _WINDOW, middle), high.clamp(middle, middle + _WINDOW)], dim=1)
    return bounds.round().long().clamp(-int(_LARGEST_VALUE), int(_LARGEST_VALUE))


def _channel(layers: Sequence[_Layer], c: int) -> list[_Layer]:
    """The network of one channel, with d = 1."""
    return [(m[c, None], b[c, None], None if g is None else g[c, None]) for m, b, g in layers]


def _table(layers: Sequence[_Layer], window: Tensor, offset: float) -> Table:
    """The table of one channel, chosen among the integers of its window (first, last)."""
    from laconic.entropy.tables import Table, cheapest_table_frequencies

    first, last = (int(bound) for bound in window)
    values = torch.arange(first, last + 1, dtype=torch.float64) + offset
    probabilities: NDArray[np.float64] = _log_of_intervals(layers, values[None, None]).exp().reshape(-1).numpy()
    begin, end = _run(probabilities)
    kept = probabilities[begin:end]
    frequencies = cheapest_table_frequencies([*kept, max(1 - kept.sum(), 0)])
    return Table(first + begin, tuple(frequencies.tolist()))


def _run(probabilities: NDArray[np.float64]) -> tuple[int, int]:
    """Begin and end of the entries: all that pay, or of too many the most probable run."""
    from laconic.entropy.tables import MAX_ENTRIES

    paying = np.flatnonzero(probabilities >= _LEAST_PROBABILITY)
    begin, end = (int(paying[0]), int(paying[-1]) + 1) if paying.size else (0, probabilities.size)
    length = min(end - begin, MAX_ENTRIES - 1)
    sums = np.cumsum([0.0, *probabilities[begin:end]])
    begin += int(np.argmax(sums[length:] - sums[:-length]))
    return begin, begin + length
