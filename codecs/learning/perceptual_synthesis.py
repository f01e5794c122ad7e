"""Training of the neural synthesis for machines and eyes: pixels of tuned files, judged by squared error, MS-SSIM and the
features of a network.

Each of these losses is over that of the linear synthesis, so that every step, every tuning and every loss counts alike.
What judges is given by the caller; nothing of it is needed to decode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from laconic.codecs.learning.learner import LearnerCutting, training_precision
from laconic.codecs.learning.synthesis_learner import finished_synthesis, random_prefixes, synthesis_parameter_groups
from laconic.codecs.learning.tensor_encoder import TensorEncoderModel, tensor_steps_of_codes
from laconic.codecs.learning.tensor_ms_ssim import ms_ssim_losses
from laconic.codecs.models.neural_synthesis import NeuralSynthesis, NeuralSynthesisConfig, save_neural_synthesis

if TYPE_CHECKING:
    from jaxtyping import Float

    # Pictures (b, 3, h, w) in [-0.5, 0.5] to features (b, c, h', w') at some depths, each divided by what it varies.
    Features = Callable[[Tensor], Sequence[Tensor]]

_EDGE: Final = 2  # places of a crop's sides whose pixels depend on what lies beyond
_MARGIN: Final = 2  # places at the sides of a picture that know its border
_MAX_VALIDATED: Final = 6  # pictures
_VALIDATED_CODES: Final = (140, 164, 186)
_CODES_PER_BIN: Final = 8
_NEWEST_SHARE: Final = 0.05  # of the running mean of a loss
_LEAST_LOSS: Final = 1e-7
_LARGEST_RATIO: Final = 2.0


@dataclass(frozen=True, eq=False)
class TunedEncode:
    """`encode`: planes (c, h, w) and a step code to coefficients (d, h', w') as a file of a tuning has them, and exponents
    (h', w') of its local steps. `step_shares` (d,) of the file's step, of each channel."""

    encode: Callable[[Tensor, int], tuple[Tensor, Tensor]]
    step_shares: Float[Tensor, " d"]


@dataclass(frozen=True)
class PerceptualOptions:
    """`crop`: places of a side of a crop, of whose pixels two places fewer at each side count. Step codes are evenly from
    `codes`, or with `often_share` from `often`. `reductions` that features are taken at, one for each batch.
    `mean_square`, `similarity` and `features`: shares of the losses. The others as in `SynthesisOptions`."""

    batch_size: int = 8
    crop: int = 26
    codes: tuple[int, int] = (110, 197)
    often: tuple[int, int] = (138, 192)
    often_share: float = 0.65
    reductions: tuple[float, ...] = (1.0, 1.0, 1.25, 1.5, 0.8)
    mean_square: float = 0.1
    similarity: float = 0.45
    features: float = 0.45
    prefix_share: float = 0.06
    prefixes: tuple[int, ...] = (3, 6, 12, 24, 36, 48, 72, 96, 144)
    learning_rate: float = 1e-3
    kernel_learning_rate: float = 8e-3
    unrepaired: tuple[int, ...] = ()


@dataclass(frozen=True)
class PerceptualTarget:
    """Pixels (b, c, h', w'), and the features `wanted` of these at a `reduction`."""

    pixels: Float[Tensor, "b c _ _"]
    wanted: Sequence[Float[Tensor, "b _ _ _"]]
    reduction: float = 1.0


@dataclass(frozen=True)
class PerceptualSample:
    """Crops of coefficients (b, d, h, w) as decoded, the step of each channel (b, d), exponents (b, h, w); the target of
    the inner places; losses (b, t) of the linear synthesis, and what losses are measured by (b, t)."""

    decoded: Float[Tensor, "b d h w"]
    steps: Float[Tensor, "b d"]
    exponents: Float[Tensor, "b h w"]
    target: PerceptualTarget
    linear: Float[Tensor, "b t"]
    typical: Float[Tensor, "b t"]


class PerceptualSynthesisLearner:
    """What the training loop needs (`codec_training.Learner`), from the network `start` on.

    A picture has one tuning of `tunings` and one step at a time, drawn from what it looks like; the last is the one to
    validate by.
    """

    def __init__(
        self,
        encoder: TensorEncoderModel,
        options: PerceptualOptions,
        *,
        start: NeuralSynthesis,
        tunings: Sequence[TunedEncode],
        features: Features,
    ) -> None:
        self.encoder, self.options, self.module = encoder, options, start
        self._tunings, self._features = tunings, features
        self.batch_size = options.batch_size
        side = encoder.tree.factor
        self.cutting = LearnerCutting(self._prepared, options.crop, (options.crop + 2 * _MARGIN + 1) * side)
        num_reductions = len(options.reductions)
        # Logarithms of losses of the linear synthesis, once they were seen.
        self._seen = torch.full((num_reductions, 256 // _CODES_PER_BIN, 16), torch.nan)
        self.module.register_buffer("seen_losses", self._seen, persistent=False)

    def _prepared(self, planes: Float[Tensor, "3 _ _"]) -> Float[Tensor, "c _ _"]:
        """Of a picture its decoded coefficients, its pixels by places, exponents, and the number of the tuning and the step
        code as channels, in half precision."""
        side = self.encoder.tree.factor
        planes = _whole_places(planes, side)
        generator = torch.Generator().manual_seed(int(planes.double().sum().abs() * 1e4))
        number = int(torch.randint(len(self._tunings), (), generator=generator))
        code = self._step_code(generator)
        coefficients, exponents = self._tunings[number].encode(planes, code)
        facts = torch.tensor([number, code], dtype=torch.float32)[:, None, None].expand(-1, *exponents.shape)
        places = functional.pixel_unshuffle(planes, side)
        whole = torch.cat((coefficients, places, exponents[None].float(), facts))
        return whole[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN].half()

    def _step_code(self, generator: torch.Generator) -> int:
        options = self.options
        is_often = float(torch.rand((), generator=generator)) < options.often_share
        return int(torch.randint(*(options.often if is_often else options.codes), (), generator=generator))

    @torch.no_grad()
    def sample(self, crops: Float[Tensor, "b c h w"], generator: torch.Generator) -> PerceptualSample:
        """Crops (b, c, crop, crop) as `_prepared` made them."""
        options, d = self.options, len(self.encoder.channels)
        decoded, places, (exponents, number, code) = crops[:, :d], crops[:, d:-3], crops[:, -3:].unbind(1)
        codes = code[:, 0, 0].long()
        shares = torch.stack([tuning.step_shares for tuning in self._tunings])[number[:, 0, 0].long()]
        kept = random_prefixes(len(crops), options.prefixes, options.prefix_share, d, generator)
        there = torch.arange(d) < kept[:, None]
        index = int(torch.randint(len(options.reductions), (), generator=generator))
        target = self._target(
            self._inner(functional.pixel_shuffle(places, self.encoder.tree.factor)), options.reductions[index]
        )
        decoded = torch.where(there[:, :, None, None], decoded, 0.0)
        steps = torch.where(there, tensor_steps_of_codes(codes)[:, None] * shares, torch.inf)
        linear = self._losses(self._inner(self.encoder.planes(decoded)), target)
        typical = 0.5 * linear + 0.5 * self._typical(linear, codes, kept == d, index)
        return PerceptualSample(decoded, steps, exponents.contiguous(), target, linear, typical)

    def _inner(self, planes: Tensor) -> Tensor:
        edge = _EDGE * self.encoder.tree.factor
        return planes[..., edge:-edge, edge:-edge]

    def _target(self, pixels: Tensor, reduction: float) -> PerceptualTarget:
        return PerceptualTarget(pixels, self._features_of(pixels, reduction), reduction)

    def _features_of(self, planes: Tensor, reduction: float) -> Sequence[Tensor]:
        if reduction != 1:
            planes = functional.interpolate(
                planes, scale_factor=1 / reduction, mode="bilinear", antialias=True, recompute_scale_factor=True
            )
        return self._features(planes)

    def _losses(self, planes: Tensor, target: PerceptualTarget) -> Float[Tensor, "b t"]:
        """Of each picture, clipped: squared error, 1 - MS-SSIM, squared errors of features."""
        planes = planes.clamp(-0.5, 0.5)
        found = self._features_of(planes, target.reduction)
        deep = [(f - w).square().mean((1, 2, 3)) for f, w in zip(found, target.wanted, strict=True)]
        error = (planes - target.pixels).square().mean((1, 2, 3))
        unlike = ms_ssim_losses(target.pixels + 0.5, planes + 0.5)
        return torch.stack((error, unlike, *deep), 1) + _LEAST_LOSS

    def _typical(self, linear: Tensor, codes: Tensor, is_whole: Tensor, index: int) -> Float[Tensor, "b t"]:
        """Mean loss of the linear synthesis at each step, so that flat crops do not outweigh the others; of crops with few
        channels their own."""
        typical = linear.clone()
        for i in is_whole.nonzero()[:, 0].tolist():
            seen = self._seen[index, int(codes[i]) // _CODES_PER_BIN, : linear.shape[1]]
            newest = linear[i].log()
            seen.copy_(torch.where(seen.isnan(), newest, torch.lerp(seen, newest, _NEWEST_SHARE)))
            typical[i] = seen.exp()
        return typical

    def loss(self, sample: PerceptualSample, done: float) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Losses over those of the linear synthesis, by their shares; and the means of each to log."""
        with training_precision(sample.decoded.device):
            repaired = self.module(sample.decoded, sample.steps, sample.exponents)
        rows = list(self.options.unrepaired)
        repaired[:, rows] = sample.decoded[:, rows]
        losses = self._losses(self._inner(self.encoder.planes(repaired)), sample.target)
        ratios = _tamed(losses / sample.typical).mean(0)
        gains = (losses.detach() / sample.linear).log().mean(0).exp()
        return (ratios * self._shares(len(ratios))).sum(), dict(_named(gains))

    def _shares(self, num_losses: int) -> Tensor:
        options, num_deep = self.options, num_losses - 2
        return torch.tensor([options.mean_square, options.similarity, *[options.features / num_deep] * num_deep])

    @torch.no_grad()
    def validate(self, pictures: Sequence[Float[Tensor, "c h w"]]) -> dict[str, float]:
        """Losses over those of the linear synthesis, geometric mean over pictures, at some steps of the last tuning."""
        found: dict[str, list[float]] = {}
        network, tuning = self._finished(), self._tunings[-1]
        for picture in pictures[:: -(-len(pictures) // _MAX_VALIDATED)]:
            planes = _whole_places(picture, self.encoder.tree.factor)
            for code in _VALIDATED_CODES:
                decoded, exponents = (t[None].float() for t in tuning.encode(planes, code))
                steps = tensor_steps_of_codes(torch.tensor([code]))[:, None] * tuning.step_shares
                with training_precision(decoded.device):
                    repaired = network(decoded, steps, exponents)
                both = self.encoder.planes(torch.cat((repaired, decoded)))
                losses = self._losses(both, self._target(planes[None].expand(2, -1, -1, -1), 1.0))
                for name, ratio in _named(losses[0] / losses[1]):
                    found.setdefault(f"{name}_{code}", []).append(ratio)
        return {name: float(torch.tensor(ratios).log().mean().exp()) for name, ratios in found.items()}

    def _finished(self) -> NeuralSynthesis:
        return finished_synthesis(self.module, self.options.unrepaired)

    def parameter_groups(self) -> list[dict[str, Any]]:
        options = self.options
        return synthesis_parameter_groups(self.module, options.learning_rate, options.kernel_learning_rate)

    def save(self, path: Path, card: dict[str, str]) -> None:
        facts = {"model_fingerprint": self.encoder.fingerprint, "files": "tuned"}  # as `zoo` reads them
        save_neural_synthesis(self._finished(), path, {**card, **facts})


def grown_synthesis(network: NeuralSynthesis, config: NeuralSynthesisConfig) -> NeuralSynthesis:
    """A network of more blocks and outputs that does what `network` does, as far as its own finest step."""
    grown = NeuralSynthesis(config, network.scales)  # what is new changes nothing
    state = grown.state_dict()
    for name, tensor in network.state_dict().items():
        state[name][tuple(slice(n) for n in tensor.shape)] = tensor
    grown.load_state_dict(state)
    return grown


def _whole_places(planes: Float[Tensor, "c _ _"], side: int) -> Float[Tensor, "c h w"]:
    height, width = (n // side * side for n in planes.shape[1:])
    return planes[:, :height, :width].contiguous()


def _tamed(ratios: Float[Tensor, "b t"]) -> Float[Tensor, "b t"]:
    """As they are up to 2, and from there on with their logarithm, so that no crop outweighs all others."""
    return torch.where(ratios < _LARGEST_RATIO, ratios, _LARGEST_RATIO * (1 + (ratios / _LARGEST_RATIO).log()))


def _named(ratios: Float[Tensor, " t"]) -> Iterator[tuple[str, float]]:
    yield "mean_square", float(ratios[0])
    yield "ms_ssim", float(ratios[1])
    yield "features", float(ratios[2:].log().mean().exp())
