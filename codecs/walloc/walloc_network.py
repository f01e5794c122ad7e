"""WaLLoC, the published baseline for pictures: packets, one small projection, a wide decoder, an 8-bit latent.

A picture of 3 planes becomes 192 channels on a grid 8 times coarser (full packets of bior4.4, periodic), a 1x1
convolution keeps 12 or 48 of them, a compander of the normal distribution makes them integers from -127 to 127, and a
residual network at that resolution finds the packets again. The loss is the squared error alone, without a rate.

Written from the description of the method (Jacobellis, Yadwadkar, "Learned compression for compressed learning", 2024,
arXiv:2412.09405). It leaves open how the layers start; what is chosen here is said at `Walloc.start_from`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic.codecs.errors import WeightsError
from laconic.codecs.learning.learner import LearnerCutting
from laconic.codecs.learning.tensor_wavelet import analyze, synthesize
from laconic.codecs.models.packet_tree import full_tree
from laconic.entropy.bottleneck import NoiseBottleneck, NormalCompander

if TYPE_CHECKING:
    from jaxtyping import Float

_DEPTH = 3
_TREE = full_tree(2, _DEPTH)
FACTOR = _TREE.factor  # pixels a side that one latent place stands for
CONTEXTS_PREFIX = "contexts."  # of arrays in the weights file that `walloc_codec` reads
_NUM_PLANES = 3
_NUM_PACKETS = _NUM_PLANES * FACTOR**2
_MAX_SCORES = 1 << 24  # of attention, at once: 64 MiB of float32
# What leaves the decoder is divided by it, and what the linear start carries through is multiplied by it: a step of Adam
# moves all weights alike, and with 7,000 of them behind every number the first steps would undo the start.
_CALM = 8.0
_CROP = 256  # pixels a side, as published
_MAX_VALIDATED = 4  # pictures; each takes seconds
_FORMAT = "laconic.walloc.1"


@dataclass(frozen=True)
class WallocConfig:
    """What the network is built from; the published models have 12 or 48 latent channels and the other defaults.

    `gain` scales the latent when training starts: 0.67 / gain is the quantisation step in packets. There is no rate
    term, so it decides the rate. Raises ValueError for a width that the groups do not divide, or numbers below 1.
    """

    latent_channels: int = 12
    width: int = 768
    groups: int = 32
    layers_before: int = 2
    layers_after: int = 3
    gain: float = 8.0

    def __post_init__(self) -> None:
        if not 1 <= self.latent_channels <= min(_NUM_PACKETS, self.width):
            raise ValueError(
                f"{self.latent_channels} latent channels; allowed are 1 to {min(_NUM_PACKETS, self.width)}"
            )
        if self.groups < 1 or self.width % self.groups or self.width == self.groups:
            raise ValueError(f"a width of {self.width} in {self.groups} groups; allowed are two or more in each")
        if min(self.layers_before, self.layers_after) < 0 or not 0 < self.gain < math.inf:
            raise ValueError(
                f"{self.layers_before} and {self.layers_after} layers, gain {self.gain}; all must be positive"
            )


class WallocNetwork(nn.Module):
    """Pictures (b, 3, h, w) from -0.5 to 0.5, h and w multiples of 8, to pictures of the same shape and range.

    In training noise stands for rounding, as in `NoiseBottleneck`. The packets, the projection and the compander run in
    float32 whatever the autocast, since bfloat16 has no half steps at 127.
    """

    def __init__(self, config: WallocConfig) -> None:
        super().__init__()
        self.config = config
        self.projection = nn.Conv2d(_NUM_PACKETS, config.latent_channels, 1)
        nn.init.orthogonal_(self.projection.weight, config.gain)
        _bias_of(self.projection).data.zero_()
        self.compander = NormalCompander()
        self.bottleneck = NoiseBottleneck()
        self.decoder = Decoder(config)

    def forward(
        self, pictures: Float[Tensor, "b 3 h w"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "b 3 h w"]:
        """The pictures as they come back, in training with noise of `generator`."""
        return self.synthesize(self.bottleneck(self.analyze(pictures), generator))

    def analyze(self, pictures: Float[Tensor, "b 3 _ _"]) -> Float[Tensor, "b d _ _"]:
        """The latent (b, d, h / 8, w / 8), from -127.499 to 127.499, not rounded."""
        with torch.autocast(pictures.device.type, enabled=False):
            return self.compander.compand(self.projection(packets_of(pictures.float())))

    def synthesize(self, latent: Float[Tensor, "b d _ _"]) -> Float[Tensor, "b 3 _ _"]:
        """The pictures (b, 3, h, w) of a latent, noisy or rounded."""
        with torch.autocast(latent.device.type, enabled=False):
            expanded = self.compander.expand(latent.float())
        packets = self.decoder(expanded)
        with torch.autocast(latent.device.type, enabled=False):
            return pictures_of_walloc(packets.float()).clamp(-0.5, 0.5)

    @torch.no_grad()
    def start_from(self, pictures: Float[Tensor, "n 3 h w"]) -> None:
        """Start as the best linear codec of these pictures (b, 3, h, w): project on the principal axes of their packets.

        The decoder starts as the transposed projection: its first channels carry the whitened latent past the residual
        layers, which start at 0. Of the start nothing is published; from a random one, steps of 3e-5 take longer to grow
        a latent that survives rounding than a short training lasts.
        """
        packets = packets_of(pictures).movedim(1, -1).reshape(-1, _NUM_PACKETS).double()
        mean = packets.mean(0)
        variances, axes = torch.linalg.eigh(torch.cov(packets.T, correction=0))
        axes = axes.flip(1)[:, : self.config.latent_channels]
        deviations = variances.flip(0)[: self.config.latent_channels].clamp_min(1e-12).sqrt()
        self.projection.weight.copy_(self.config.gain * axes.T[:, :, None, None])
        _bias_of(self.projection).copy_(-self.config.gain * (axes.T @ mean))
        self.decoder.start_linear(1 / (self.config.gain * deviations), axes * deviations, mean)


class Decoder(nn.Module):
    """Expanded latents (b, d, h, w) to packets (b, 192, h, w): residual layers, attention over all places, more layers."""

    def __init__(self, config: WallocConfig) -> None:
        super().__init__()
        width, groups = config.width, config.groups
        self.enter = nn.Conv2d(config.latent_channels, width, 3, padding=1)
        self.before = nn.Sequential(*(_ResidualLayer(width, groups) for _ in range(config.layers_before)))
        self.attention = WallocAttention(width, groups)
        self.after = nn.Sequential(*(_ResidualLayer(width, groups) for _ in range(config.layers_after)))
        self.leave = nn.Conv2d(width, _NUM_PACKETS, 3, padding=1)

    def forward(self, latent: Float[Tensor, "b d h w"]) -> Float[Tensor, "b 192 h w"]:
        with torch.autocast(latent.device.type, enabled=False):  # and so the sum of all layers stays in float32
            features = self.enter(latent)
        packets: Tensor = self.leave(self.after(self.attention(self.before(features))))
        return packets / _CALM

    @torch.no_grad()
    def start_linear(
        self, whitening: Float[Tensor, " d"], synthesis: Float[Tensor, "192 d"], mean: Float[Tensor, " 192"]
    ) -> None:
        """Give out `synthesis` (192, d) times the latent whitened by `whitening` (d,), plus `mean` (192,)."""
        d = len(whitening)
        self.enter.weight.mul_(whitening[:, None, None])
        self.enter.weight[:d] = 0
        self.enter.weight[range(d), range(d), 1, 1] = _CALM * whitening.to(self.enter.weight)
        _bias_of(self.enter).zero_()
        self.leave.weight.zero_()
        self.leave.weight[:, :d, 1, 1] = synthesis.to(self.leave.weight)
        _bias_of(self.leave).copy_(_CALM * mean)


class _ResidualLayer(nn.Module):
    """(b, c, h, w) plus two 3x3 convolutions of it, each behind GroupNorm and SiLU; the second starts at 0."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.first_norm, self.second_norm = nn.GroupNorm(groups, width), nn.GroupNorm(groups, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = _starting_at_zero(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        inner = self.first(functional.silu(self.first_norm(x)))
        added: Tensor = self.second(functional.silu(self.second_norm(inner)))
        return x + added


class WallocAttention(nn.Module):
    """(b, c, h, w) plus attention of one head over all h * w places; its last map starts at 0.

    Places ask in turns, so that memory grows with h * w, not with its square.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, width)
        self.queries_keys_values = nn.Conv2d(width, 3 * width, 1)
        self.leave = _starting_at_zero(nn.Conv2d(width, width, 1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        rows = self.queries_keys_values(self.norm(x)).flatten(2).transpose(1, 2).unsqueeze(1)
        queries, keys, values = rows.chunk(3, -1)  # (b, 1, h * w, c) each
        turns = queries.split(max(1, _MAX_SCORES // (len(x) * keys.shape[2])), 2)
        found = [functional.scaled_dot_product_attention(turn, keys, values) for turn in turns]
        added: Tensor = self.leave(torch.cat(found, 2).squeeze(1).transpose(1, 2).reshape(x.shape))
        return x + added


def _starting_at_zero(convolution: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(convolution.weight)
    _bias_of(convolution).data.zero_()
    return convolution


def _bias_of(convolution: nn.Conv2d) -> Tensor:
    assert convolution.bias is not None
    return convolution.bias


def packets_of(pictures: Float[Tensor, "b 3 _ _"]) -> Float[Tensor, "b 192 _ _"]:
    """(b, 3, h, w) -> (b, 192, h / 8, w / 8). Channel ((plane * 4 + band) * 4 + band) * 4 + band, first level first.

    Bands as PyWavelets has them: 0 low, 1 vertical high, 2 horizontal high, 3 both.
    """
    by_leaf = torch.unflatten(analyze(pictures, _TREE, "periodic"), 1, (-1, _NUM_PLANES))
    return by_leaf.transpose(1, 2).flatten(1, 2)


def pictures_of_walloc(packets: Float[Tensor, "b 192 _ _"]) -> Float[Tensor, "b 3 _ _"]:
    """The inverse of `packets_of`."""
    by_plane = torch.unflatten(packets, 1, (_NUM_PLANES, -1))
    return synthesize(by_plane.transpose(1, 2).flatten(1, 2), _TREE, _NUM_PLANES, "periodic")


class WallocNetworkLearner:
    """Trains a `WallocNetwork` by squared error (`learning.Learner`).

    Published: AdamW, weight decay 0, rate from 1e-7 to 3e-5 over 50,000 steps, then reduced on plateaus; 64 crops of
    256 x 256 a step, about 200,000 steps. Here the rate follows the schedule of all recipes, a short rise and half a
    cosine, as a short training has no plateaus to wait for. `start` (n, 3, h, w) are pictures for `Walloc.start_from`;
    None leaves the random start.
    """

    batch_size = 8

    def __init__(
        self, config: WallocConfig, *, start: Float[Tensor, "n 3 h w"] | None = None, peak_rate: float = 1e-4
    ) -> None:
        self.module = WallocNetwork(config)
        self._peak_rate = peak_rate
        if start is not None:
            self.module.start_from(start)

    @property
    def cutting(self) -> LearnerCutting:
        return LearnerCutting(Tensor.half, _CROP, _CROP)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.module.parameters()), "lr": self._peak_rate}]

    def sample(
        self, crops: Float[Tensor, "b 3 h w"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "b 3 h w"], torch.Generator]:
        """Pictures (b, 3, h, w) from -0.5 to 0.5, and where their noise comes from."""
        return crops, generator

    def loss(
        self, sample: tuple[Float[Tensor, "b 3 h w"], torch.Generator], done: float
    ) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Mean squared error of the pictures, with noise."""
        crops, generator = sample
        with torch.autocast(crops.device.type, torch.bfloat16):
            decoded = self.module(crops, generator)
        loss = functional.mse_loss(decoded, crops)
        return loss, {"psnr_db": -10 * math.log10(max(loss.item(), 1e-12))}

    @torch.no_grad()
    def validate(self, pictures: Sequence[Float[Tensor, "3 h w"]]) -> dict[str, float]:
        """Means over the first pictures (3, h, w) from -0.5 to 0.5: PSNR with rounded latents and samples, ideal rate.

        `bits_per_pixel` is of the latent under the frequencies of each channel in each picture, tables not counted.
        """
        pairs = [_quality_and_rate(self.module, picture) for picture in pictures[:_MAX_VALIDATED]]
        psnr_db, bits_per_pixel = (math.fsum(column) / len(pairs) for column in zip(*pairs, strict=True))
        return {"psnr_db": psnr_db, "bits_per_pixel": bits_per_pixel}

    def save(self, path: Path | str, card: Mapping[str, str]) -> None:
        """Write the weights as `save_walloc` does, with the entries of `card` beside them."""
        save_walloc(self.module, path, card)


def _quality_and_rate(module: WallocNetwork, picture: Tensor) -> tuple[float, float]:
    """PSNR in dB and ideal bits per pixel of one picture (3, h, w)."""
    height, width = picture.shape[1:]
    latent = module.analyze(extended_for_walloc(picture[None])).round()
    decoded = module.synthesize(latent)[0, :, :height, :width]
    error = functional.mse_loss(_in_8_bits(decoded), _in_8_bits(picture)).item()
    counts = [plane.unique(return_counts=True)[1].double() for plane in latent[0]]
    bits = sum(float((n * (n.sum() / n).log2()).sum()) for n in counts)
    return -10 * math.log10(max(error, 1e-12)), bits / (height * width)


def _in_8_bits(picture: Tensor) -> Tensor:
    return ((picture + 0.5) * 255).round() / 255


def extended_for_walloc(pictures: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c _ _"]:
    """Pictures (b, 3, h, w) with the last column and row repeated up to multiples of 8."""
    height, width = pictures.shape[2:]
    return functional.pad(pictures, (0, -width % FACTOR, 0, -height % FACTOR), mode="replicate")


def save_walloc(module: WallocNetwork, path: Path | str, card: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file: the weights in float32, the configuration as JSON, and `card`, facts about them."""
    from safetensors.torch import save_file

    weights = {name: tensor.detach().float().cpu().contiguous() for name, tensor in module.state_dict().items()}
    metadata = {**(card or {}), "format": _FORMAT, "config": json.dumps(asdict(module.config))}
    save_file(weights, str(path), metadata)


def load_walloc(path: Path | str) -> WallocNetwork:
    """The network of a file of `save_walloc`, ready to code. Raises `WeightsError` for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            config = _config_of(file.metadata() or {}, path)
            names = [name for name in file.keys() if not name.startswith(CONTEXTS_PREFIX)]  # noqa: SIM118 (not a mapping)
            weights = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as err:
        raise WeightsError(f"{path} cannot be read as safetensors: {err}; name a file that save_walloc wrote") from err
    module = WallocNetwork(config)
    try:
        module.load_state_dict(weights)
    except RuntimeError as err:
        reason = " ".join(str(err).split())[:200]
        raise WeightsError(f"{path} holds no weights of {config}: {reason}; name a whole file of save_walloc") from err
    return module.eval()


def _config_of(metadata: Mapping[str, str], path: Path | str) -> WallocConfig:
    if metadata.get("format") != _FORMAT:
        raise WeightsError(f"{path} has the format {metadata.get('format')!r}, not {_FORMAT!r}; name a WaLLoC file")
    try:
        return WallocConfig(**json.loads(metadata["config"]))
    except (KeyError, TypeError, ValueError) as err:
        raise WeightsError(f"{path} has no valid configuration: {err}; write it with save_walloc") from err
