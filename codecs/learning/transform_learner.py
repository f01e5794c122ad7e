"""Training of the projection: rotations of the closed form's axes, under rate and distortion.

The loss is bits + distortion / price over the whole range of steps (`context_rate`), where the distortion is of integers,
with straight-through gradients, and the rate that of noisy values in learned contexts. Synthesis stays the exact
inverse, so the finest step loses nothing. A second term holds the order of the channels: the error of random prefixes
(nested dropout: Rippel, Gelbart and Adams 2014).

Steps of their own for the channels were trained beside the rotations in trials, and files of bsds500/val became no
smaller: all channels have the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from laconic.codecs.learning.context_rate import ContextRate
from laconic.codecs.learning.learner import cutting_for_learner
from laconic.codecs.learning.tensor_encoder import TensorEncoderModel, tensor_steps_of_codes

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_LEAST_BITS: Final = 500.0  # of a crop; flat ones count no more than this
_VALIDATED_CODES: Final = (112, 140, 154, 168)
_RATE_ALONE: Final = 0.2  # of the run: the rate must know the contexts before it may turn axes


@dataclass(frozen=True)
class TransformOptions:
    """`price`: squared steps a bit. `prefix_weight`: of the error of random prefixes."""

    batch_size: int = 16
    crop: int = 18
    first_code: int = 96
    last_code: int = 184
    price: float = 0.125
    prefix_weight: float = 0.1
    prefixes: tuple[int, ...] = (3, 6, 12, 24, 48, 96)
    learning_rate: float = 1e-3
    rate_learning_rate: float = 1e-2


@dataclass(frozen=True)
class TransformSample:
    """Crops of packets (b, d, h, w), their step codes (b,), noise of a step like the packets, a number of channels."""

    packets: Float[Tensor, "b d h w"]
    codes: Int[Tensor, " b"]
    noise: Float[Tensor, "b d h w"]
    prefix: int


class LearnedLeafRotations(nn.Module):
    """Analysis matrices: the axes of each leaf but the lowest, turned.

    `gains`: (d,) norms of the synthesis functions of the packets; axes over gains are orthonormal.
    """

    def __init__(self, encoder: TensorEncoderModel) -> None:
        super().__init__()
        self._axes = [a.double() for a in encoder.analysis]
        sizes = [len(a) for a in self._axes]
        # Axes times gains: the columns of the closed form have these norms.
        self.gains = torch.cat([a.square().sum(0).sqrt() for a in self._axes])
        self._parts = torch.split(self.gains, sizes)
        self.turns = nn.ParameterList(nn.Parameter(torch.zeros((n, n), dtype=torch.float64)) for n in sizes[1:])

    def matrices(self) -> tuple[tuple[Float[Tensor, "n n"], ...], tuple[Float[Tensor, "n n"], ...]]:
        """Analysis and its inverse, of each leaf, float32."""
        analysis, synthesis = [self._axes[0]], [torch.linalg.inv(self._axes[0])]
        for axes, gains, turn in zip(self._axes[1:], self._parts[1:], self.turns, strict=True):
            upper = torch.triu(turn, 1)
            rotated = torch.matrix_exp(upper - upper.T) @ (axes / gains)
            analysis.append(rotated * gains)
            synthesis.append((rotated / gains).T)
        return tuple(a.float() for a in analysis), tuple(s.float() for s in synthesis)


class _Trained(nn.Module):
    def __init__(self, encoder: TensorEncoderModel) -> None:
        super().__init__()
        self.rotations = LearnedLeafRotations(encoder)
        self.rate = ContextRate(encoder)


class TransformLearner:
    """What the training loop needs of the projection (`learning.Learner`)."""

    def __init__(self, encoder: TensorEncoderModel, options: TransformOptions) -> None:
        self.encoder, self.options = encoder, options
        self.batch_size = options.batch_size
        self.cutting = cutting_for_learner(encoder.packets_of, crop=options.crop, factor=encoder.tree.factor)
        self.module = _Trained(encoder)

    def sample(self, crops: Float[Tensor, "b d h w"], generator: torch.Generator) -> TransformSample:
        """Crops of packets (b, d, crop, crop), each at a random step."""
        options = self.options
        codes = torch.randint(options.first_code, options.last_code + 1, (len(crops),), generator=generator)
        noise = torch.rand(crops.shape, generator=generator) - 0.5
        prefix = options.prefixes[int(torch.randint(len(options.prefixes), (1,), generator=generator))]
        return TransformSample(crops, codes, noise, prefix)

    def loss(self, sample: TransformSample, done: float) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Rate and distortion over the rate."""
        options, packets = self.options, sample.packets
        with torch.set_grad_enabled(done >= _RATE_ALONE):
            matrices = self.module.rotations.matrices()
        bits, distortion = self._bits_and_distortion(packets, sample.codes, matrices, sample.noise)
        cost = bits + distortion / options.price
        loss = (cost / bits.detach().clamp(min=_LEAST_BITS)).mean()
        missing = self._prefix_error(packets, sample.prefix, matrices)
        loss = loss + options.prefix_weight * missing / missing.detach()
        places = packets.shape[2] * packets.shape[3] * self.encoder.tree.factor**2
        return loss, {"bits_per_pixel": float(bits.detach().mean()) / places}

    def _bits_and_distortion(
        self, packets: Tensor, codes: Tensor, matrices: tuple[tuple[Tensor, ...], tuple[Tensor, ...]], noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Of each crop: bits but those of predicted channels, and squared error in squared steps."""
        steps = tensor_steps_of_codes(codes)
        in_steps = self.encoder.project(packets, matrices[0]) / steps[:, None, None, None]
        bits = self.module.rate(in_steps + noise, steps)[:, self.encoder.num_predicted :].sum((1, 2, 3))
        chosen = self._points(in_steps.detach())
        straight = in_steps + (chosen - in_steps).detach()
        errors = self.encoder.unproject(straight, matrices[1]) - packets / steps[:, None, None, None]
        return bits, self._energy(errors)

    def _points(self, in_steps: Tensor) -> Tensor:
        """Of plain rounding with a dead zone; where an encoder chooses by its contexts is left to the contexts."""
        magnitudes = torch.floor(in_steps.abs() + self.encoder.rounding)
        return torch.copysign(magnitudes, in_steps)

    def _prefix_error(
        self, packets: Tensor, prefix: int, matrices: tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
    ) -> Tensor:
        coefficients = self.encoder.project(packets, matrices[0])
        kept = (torch.arange(coefficients.shape[1]) < prefix)[None, :, None, None]
        return self._energy(self.encoder.unproject(coefficients * kept, matrices[1]) - packets).sum()

    def _energy(self, packets: Tensor) -> Tensor:
        """Of the signal that packets make, crop by crop, as far as packets are orthogonal."""
        return (packets * self.module.rotations.gains.float()[:, None, None]).square().sum((1, 2, 3))

    @torch.no_grad()
    def validate(self, pictures: Sequence[Float[Tensor, "c h w"]]) -> dict[str, float]:
        """Cost in bits per pixel at some steps: rate + distortion / price."""
        found: dict[str, float] = {}
        matrices = self.module.rotations.matrices()
        for code in _VALIDATED_CODES:
            total = pixels = 0.0
            for picture in pictures:
                packets = self.cutting.prepare(picture)[None].float()
                noise = torch.rand(packets.shape, generator=torch.Generator().manual_seed(code)) - 0.5
                bits, distortion = self._bits_and_distortion(packets, torch.tensor([code]), matrices, noise)
                total += float(bits + distortion / self.options.price)
                pixels += packets.shape[2] * packets.shape[3] * self.encoder.tree.factor**2
            found[f"cost_{code}"] = total / pixels
        return found

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [
            {"params": list(self.module.rotations.parameters()), "lr": self.options.learning_rate},
            {"params": list(self.module.rate.parameters()), "lr": self.options.rate_learning_rate},
        ]

    def save(self, path: Path, card: dict[str, str]) -> None:
        """Analysis matrices of the leaves, for `laconic fit --projection`."""
        from safetensors.torch import save_file

        analysis, _ = self.module.rotations.matrices()
        save_file({f"analysis.{i}": a.detach().contiguous() for i, a in enumerate(analysis)}, path, metadata=card)
