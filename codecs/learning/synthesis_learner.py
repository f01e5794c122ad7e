"""Training of the neural synthesis: crops of coefficients, quantised at random steps, some with their first channels
only.

The loss is the squared error of the coefficients, which is that of the pixels as far as the packets are orthonormal,
over the error of the linear synthesis: so every step and every number of channels counts alike, as decibels do.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from laconic.codecs.learning.learner import cutting_for_learner, training_precision
from laconic.codecs.learning.tensor_encoder import TensorEncoderModel, tensor_steps_of_codes
from laconic.codecs.models.neural_synthesis import NeuralSynthesis, NeuralSynthesisConfig, save_neural_synthesis

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_VALIDATED_CODES: Final = (98, 126, 140, 154, 168, 180)
_MAX_VALIDATED: Final = 6  # pictures
_GREY_WEIGHTS: Final = (0.299, 0.587, 0.114)  # of red, green and blue, as Pillow has them (ITU-R BT.601)


@dataclass(frozen=True)
class SynthesisOptions:
    """`crop`: places of a side of a crop. `first_code` to `last_code`: range of step codes, `often_share` of them below
    the second and not below the first of `often`. `prefix_share` of the crops have one of `prefixes` as their number of
    channels. `kernel_learning_rate`: of the blocks' convolutions, by Muon. `unrepaired`: channels that the finished network
    leaves as they are (`finest_colors`)."""

    config: NeuralSynthesisConfig = NeuralSynthesisConfig()
    batch_size: int = 9
    crop: int = 26
    first_code: int = 84
    last_code: int = 190
    often: tuple[int, int] = (106, 182)
    often_share: float = 0.7
    prefix_share: float = 0.12
    prefixes: tuple[int, ...] = (1, 2, 3, 6, 9, 12, 18, 24, 36, 48, 72, 96, 144)
    learning_rate: float = 2e-3
    kernel_learning_rate: float = 0.02
    unrepaired: tuple[int, ...] = ()


@dataclass(frozen=True)
class SynthesisSample:
    """Crops of coefficients (b, d, h, w), the same as decoded, the step of each channel (b, d), the error of the linear
    synthesis of each crop (b,), and what the loss is measured by (b,)."""

    coefficients: Float[Tensor, "b d h w"]
    decoded: Float[Tensor, "b d h w"]
    steps: Float[Tensor, "b d"]
    linear: Float[Tensor, " b"]
    typical: Float[Tensor, " b"]


def finest_colors(encoder: TensorEncoderModel) -> tuple[int, ...]:
    """The finest channels of a model whose leaves mix colours only, but those of its first colour; none of other models.

    Photographs that were JPEG files have colours of half the resolution and teach that there is nothing in these: pictures
    that were none lost 0.3 to 0.7 dB there at fine steps. At coarse ones there is nothing to gain.
    """
    block, n = encoder.analysis[-1], encoder.num_planes
    same_place = torch.kron(torch.eye(len(block) // n), torch.ones(n, n)) > 0
    if block[~same_place].abs().max() > 0:
        return ()
    first = len(encoder.channels) // 4
    planes = torch.empty_like(encoder.channels)
    planes[encoder.channels] = torch.arange(len(planes)) % n
    return tuple(c for c in range(first, len(planes)) if planes[c])


class SynthesisLearner:
    """What the training loop needs of the neural synthesis (`codec_training.Learner`).

    `start`: a network of the options' config to go on from. `encode`: planes (c, h, w) and a step code to coefficients
    (d, h', w') as a file has them, by the encoder itself; without, `encoder` models its choice. With it a picture has one
    step at a time, drawn from what it looks like.
    """

    def __init__(
        self,
        encoder: TensorEncoderModel,
        options: SynthesisOptions,
        *,
        start: NeuralSynthesis | None = None,
        encode: Callable[[Tensor, int], Tensor] | None = None,
    ) -> None:
        self.encoder, self.options, self._encode = encoder, options, encode
        self.batch_size = options.batch_size
        self.cutting = cutting_for_learner(self._coefficients, crop=options.crop, factor=encoder.tree.factor)
        self.module = NeuralSynthesis(options.config, encoder.scales) if start is None else start
        self._typical = torch.full((256,), torch.nan)  # of each step code, once crops were seen
        self.module.register_buffer("typical_error", self._typical, persistent=False)

    def _coefficients(self, planes: Float[Tensor, "1 3 _ _"]) -> Float[Tensor, "1 c _ _"]:
        """Of a picture (1, 3, h, w), by a model of one plane as grey; with `encode` also as a file has them, and after both
        the step code."""
        planes = self._planes_of(planes)
        coefficients = self.encoder.coefficients(planes)
        if self._encode is None:
            return coefficients
        generator = torch.Generator().manual_seed(int(planes.double().sum().abs() * 1e4))
        code = self._step_codes(1, generator)
        encoded = self._encode(planes[0], int(code))[None]
        return torch.cat((coefficients, encoded, code.float().expand_as(coefficients[:, :1])), 1)

    def _planes_of(self, planes: Float[Tensor, "1 3 _ _"]) -> Float[Tensor, "1 _ _ _"]:
        if self.encoder.num_planes == 3:
            return planes
        return (planes * planes.new_tensor(_GREY_WEIGHTS)[:, None, None]).sum(1, keepdim=True)

    def _step_codes(self, count: int, generator: torch.Generator) -> Int[Tensor, " b"]:
        options = self.options
        codes = torch.randint(options.first_code, options.last_code + 1, (count,), generator=generator)
        often = torch.randint(*options.often, (count,), generator=generator)
        return torch.where(torch.rand(count, generator=generator) < options.often_share, often, codes)

    @torch.no_grad()
    def sample(self, crops: Float[Tensor, "b d h w"], generator: torch.Generator) -> SynthesisSample:
        """Crops (b, d, crop, crop) as files would give them back."""
        options, count = self.options, len(crops)
        codes = self._step_codes(count, generator)
        d = options.config.num_channels
        kept = random_prefixes(count, options.prefixes, options.prefix_share, d, generator)
        if self._encode is None:
            decoded, steps = self.decoded(crops, codes, kept)
        else:
            crops, decoded, codes = crops[:, :d], crops[:, d : 2 * d], crops[:, -1, 0, 0].long()
            decoded, steps = _first_channels(decoded, tensor_steps_of_codes(codes), kept)
        linear = (decoded - crops).square().mean((1, 2, 3))
        typical = 0.5 * linear + 0.5 * self._typical_error(crops, linear, codes, kept < d)
        return SynthesisSample(crops, decoded, steps, linear, typical)

    def loss(self, sample: SynthesisSample, done: float) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Squared error over that of the linear synthesis, and the gain over it to log."""
        with training_precision(sample.decoded.device):
            repaired = self.module(sample.decoded, sample.steps)
        neural = (repaired - sample.coefficients).square().mean((1, 2, 3))
        gain_db = -10 * torch.log10(neural.detach().mean() / sample.linear.mean())
        return (neural / sample.typical).mean(), {"gain_db": float(gain_db)}

    def decoded(
        self, coefficients: Float[Tensor, "b d h w"], codes: Int[Tensor, " b"], kept: Int[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b d h w"], Float[Tensor, "b d"]]:
        """Coefficients as a file gives them back at step codes (b,) with the first `kept` (b,) channels, and the steps
        of each channel (b, d)."""
        steps = tensor_steps_of_codes(codes).to(coefficients.device)
        with torch.no_grad():
            in_steps = coefficients / steps[:, None, None, None]
            points = self.encoder.points(self.encoder.integers(in_steps, codes), codes)
        return _first_channels(points * steps[:, None, None, None], steps, kept)

    def _typical_error(self, coefficients: Tensor, linear: Tensor, codes: Tensor, is_cut: Tensor) -> Tensor:
        """Mean error of the linear synthesis at each step, so that flat crops do not outweigh the others; of crops with
        few channels their own."""
        if self._typical.isnan().any():
            every = torch.arange(256)
            nodes = torch.arange(self.options.first_code, self.options.last_code + 8, 8)
            everything = torch.full((len(coefficients),), self.options.config.num_channels)
            errors = []
            for code in nodes:
                decoded, _ = self.decoded(coefficients, torch.full((len(coefficients),), int(code)), everything)
                errors.append((decoded - coefficients).square().mean().log())
            place = ((every - nodes[0]) / 8).clamp(0, len(nodes) - 1.001)
            low, values = place.floor().long(), torch.stack(errors)
            self._typical.copy_(torch.lerp(values[low], values[low + 1], place - low).exp())
        return torch.where(is_cut, linear, self._typical[codes])

    @torch.no_grad()
    def validate(self, pictures: Sequence[Float[Tensor, "c h w"]]) -> dict[str, float]:
        """Mean gain in PSNR over the linear synthesis, of coefficients, at some steps; and with 12 channels."""
        found: dict[str, list[float]] = {}
        network = self._finished()
        d = self.options.config.num_channels
        for picture in pictures[:_MAX_VALIDATED]:
            side = self.encoder.tree.factor
            planes = self._planes_of(
                picture[None, :, : picture.shape[1] // side * side, : picture.shape[2] // side * side]
            )
            coefficients = self.encoder.coefficients(planes.contiguous())
            for name, code, kept in (
                *((f"gain_db_{c}", c, d) for c in _VALIDATED_CODES),
                ("gain_db_12_channels", 126, 12),
            ):
                codes, count = torch.tensor([code]), torch.tensor([kept])
                if self._encode is None:
                    decoded, steps = self.decoded(coefficients, codes, count)
                else:
                    encoded = self._encode(planes[0], code)[None]
                    decoded, steps = _first_channels(encoded, tensor_steps_of_codes(codes), count)
                with training_precision(coefficients.device):
                    repaired = network(decoded, steps)
                ratio = (repaired - coefficients).square().mean() / (decoded - coefficients).square().mean()
                found.setdefault(name, []).append(float(-10 * torch.log10(ratio)))
        return {name: sum(gains) / len(gains) for name, gains in found.items()}

    def _finished(self) -> NeuralSynthesis:
        return finished_synthesis(self.module, self.options.unrepaired)

    def parameter_groups(self) -> list[dict[str, Any]]:
        options = self.options
        return synthesis_parameter_groups(self.module, options.learning_rate, options.kernel_learning_rate)

    def save(self, path: Path, card: dict[str, str]) -> None:
        save_neural_synthesis(self._finished(), path, {**card, "model_fingerprint": self.encoder.fingerprint})


def random_prefixes(
    count: int, prefixes: Sequence[int], share: float, num_channels: int, generator: torch.Generator
) -> Int[Tensor, " b"]:
    """Numbers of channels of `count` crops: all of them, but with probability `share` one of `prefixes`."""
    is_cut = torch.rand(count, generator=generator) < share
    picks = torch.tensor(prefixes)[torch.randint(len(prefixes), (count,), generator=generator)]
    return torch.where(is_cut, picks, num_channels)


def finished_synthesis(network: NeuralSynthesis, unrepaired: Sequence[int]) -> NeuralSynthesis:
    """The network as it is used: it leaves the channels `unrepaired` as they are."""
    finished, d = copy.deepcopy(network), network.config.num_channels
    rows = [first + c for first in range(0, network.config.num_outputs * d, d) for c in unrepaired]
    with torch.no_grad():
        for parameter in finished.leave.parameters():
            parameter[rows] = 0
    return finished


def synthesis_parameter_groups(network: NeuralSynthesis, rate: float, kernel_rate: float) -> list[dict[str, Any]]:
    """For the optimiser: the blocks' convolutions are for Muon."""
    kernels = [p for p in network.blocks.parameters() if p.ndim == 4]
    chosen = {id(p) for p in kernels}
    others = [p for p in network.parameters() if id(p) not in chosen]
    return [{"params": others, "lr": rate}, {"params": kernels, "lr": kernel_rate, "muon": True}]


def _first_channels(
    decoded: Float[Tensor, "b d h w"], steps: Float[Tensor, " b"], kept: Int[Tensor, " b"]
) -> tuple[Float[Tensor, "b d h w"], Float[Tensor, "b d"]]:
    """Coefficients of the first `kept` channels alone, and the steps of each channel, infinite for the others."""
    there = torch.arange(decoded.shape[1])[None] < kept[:, None]
    return torch.where(there[:, :, None, None], decoded, 0.0), torch.where(there, steps[:, None], torch.inf)
