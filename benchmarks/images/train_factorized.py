"""Train a small learned peer for pictures: the factorised prior of CompressAI at five rates, on one core.

    python benchmarks/images/train_factorized.py --data ../shared/data --work build/training/factorized \
      -o benchmarks/models/factorized [--minutes 40]

The network is `FactorizedPrior(64, 192)` of CompressAI (Ballé, Minnen, Singh, Hwang, Johnston, "Variational image
compression with a scale hyperprior", 2018, section 3). Minutes do not lead far from random weights, so it starts as a
linear codec (`start_linear`), and only what lies behind its first two layers is trained, at a quarter of the resolution.
The highest rate is trained first; each lower one starts from the one before, with a coarser step. Loss: 255^2 * lambda *
mean squared error + bits per pixel. Pictures are reduced 2x, which hides the blocks of their JPEG files, and cut to
random squares of 128 pixels, eight a step. `--work` holds a checkpoint, written every minute: the same command goes on
from it. One file of weights for each lambda, in float16, with the recipe in its metadata. At the end a Markdown table of
bits per pixel, PSNR and seconds on pictures for validation, of files as `laconic.codecs.external.compressai` makes them.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PillowImage
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from laconic.codecs.codec import Codec
from laconic.codecs.external.compressai import zoo
from laconic.codecs.media import Image
from laconic.tasks.mpq.operating_points import operating_points

FOLDERS = ("bsds500/train", "clothing10/train", "imagenet_sample/train")  # never those that are measured on
VALIDATION = "bsds500/val"
PEERS = ("jpeg", "lcn")  # of the table
TABLES = ("_quantized_cdf", "_cdf_length", "_offset")  # made anew when weights are loaded
CHECKPOINT_SECONDS = 60
NUM_FIRST = 24  # batches that the linear start is computed from
OUTER = 4  # modules of the encoder that stay linear: two layers and their normalisations
REDUCED = 4  # pixels a side of a place behind them, which has as many numbers


@dataclass(frozen=True)
class Recipe:
    """`shares` of the whole time go to the `lambdas`, in this order."""

    width: int = 64
    latent_channels: int = 192
    lambdas: tuple[float, ...] = (0.0483, 0.018, 0.0067, 0.0025, 0.0009)
    shares: tuple[float, ...] = (0.36, 0.16, 0.16, 0.16, 0.16)
    learning_rates: tuple[float, ...] = (4e-3, 2e-3, 2e-3, 2e-3, 2e-3)  # of weights of size 1; others in proportion
    density_speed: float = 2.0  # of their learning rate to that of weights of size 1
    normalization_speed: float = 0.1  # that of the parameters of the normalisation, and of biases
    crop: int = 128
    batch: int = 8
    reduction: int = 2
    float32_share: float = 0.1  # the last part of each rate is trained without bfloat16
    seed: int = 0


def reduced_pictures(data: Path, recipe: Recipe) -> list[Tensor]:
    """(3, h, w) each, from 0 to 1, those that hold a whole crop."""
    pictures = []
    for path in sorted(path for folder in FOLDERS for path in (data / folder).rglob("*.jpg")):
        with PillowImage.open(path) as opened:
            picture = opened.convert("RGB").reduce(recipe.reduction)
        if min(picture.size) >= recipe.crop:
            pictures.append(torch.from_numpy(np.asarray(picture).astype(np.float32) / 255).permute(2, 0, 1))
    if not pictures:
        raise SystemExit(f"{data} has no JPEG files in {', '.join(FOLDERS)}; name the folder of the data")
    return pictures


def batches(signals: list[Tensor], crop: int, recipe: Recipe, seed: list[int]) -> Iterator[Tensor]:
    """(b, c, crop, crop) of signals (c, h, w), channels last in memory, where convolutions are faster."""
    rng = np.random.default_rng(seed)
    while True:
        squares = []
        for index in rng.integers(len(signals), size=recipe.batch):
            height, width = signals[index].shape[1:]
            top, left = rng.integers(height - crop + 1), rng.integers(width - crop + 1)
            squares.append(signals[index][:, top : top + crop, left : left + crop])
        yield torch.stack(squares).to(memory_format=torch.channels_last)


@torch.no_grad()
def outer_signals(network: Any, pictures: list[Tensor]) -> list[Tensor]:
    """What the linear layers make of whole pictures (3, h, w): (48, h / 4, w / 4), with the same squared errors."""
    signals = []
    for picture in pictures:
        height, width = (side // REDUCED * REDUCED for side in picture.shape[1:])
        signals.append(network.g_a[:OUTER](picture[None, :, :height, :width])[0, : 3 * REDUCED**2].clone())
    return signals


def loss_of(network: Any, signals: Tensor, weight: float, *, bfloat16: bool) -> tuple[Tensor, float, float]:
    """(loss, bits per pixel, mean squared error of 0 to 255) of `outer_signals` (b, 48, h, w)."""
    num_channels = signals.shape[1]
    padded = functional.pad(signals, (0, 0, 0, 0, 0, network.N - num_channels))
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        latent = network.g_a[OUTER:](padded)
    noisy, likelihoods = network.entropy_bottleneck(latent.float())
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        decoded = network.g_s[:-OUTER](noisy)[:, :num_channels]
    bits = -torch.log2(likelihoods).sum() / (signals.numel() / 3)
    error = 255**2 * torch.mean((decoded.float() - signals) ** 2)
    return weight * error + bits, bits.item(), error.item()


def optimizer_of(network: Any, recipe: Recipe) -> torch.optim.Adam:
    """A step of Adam moves every number of a tensor by about its rate, so rates follow the size of the weights, which are
    1 / step times smaller behind the latent than before it."""
    groups = []
    inner = {*network.g_a[OUTER:].parameters(), *network.g_s[:-OUTER].parameters()}
    inner |= {*network.entropy_bottleneck.parameters()} - {network.entropy_bottleneck.quantiles}
    for name, parameter in network.named_parameters():
        if parameter not in inner:
            continue
        if name.startswith("entropy_bottleneck"):
            speed = recipe.density_speed
        elif name.endswith("weight"):
            speed = parameter.detach()[parameter != 0].square().mean().sqrt().item()
        else:
            speed = recipe.normalization_speed
        groups.append({"params": [parameter], "speed": speed})
    return torch.optim.Adam(groups)


def learning_rate(recipe: Recipe, stage: int, progress: float) -> float:
    """Warm-up over 5 % of the stage, then half a cosine to 1 % of the peak."""
    return recipe.learning_rates[stage] * min(progress / 0.05 + 0.01, 0.505 + 0.495 * math.cos(math.pi * progress))


@torch.no_grad()
def start_linear(network: Any, pixels: Tensor, weight: float) -> None:
    """Make the network about the best linear codec of blocks of 16 x 16, for pictures (b, 3, h, w) and this lambda.

    Each layer takes the principal axes of 2 x 2 places of the layer before, and the decoder goes back by the same: the
    first two are rotations. The divisive normalisation is the identity there, and starts nearly so behind. The step in
    the latent is that at which 2 ln 2 * lambda * step^2 / 12 / 3 = 1: one bit more for a number would gain just what it
    costs.
    """
    step = math.sqrt(12 * 3 / (2 * math.log(2) * weight)) / 255
    mean = pixels.mean((0, 2, 3))
    places, num_used = pixels - mean[:, None, None], 3
    for index in (0, 2, 4, 6):
        encoder, decoder = network.g_a[index], network.g_s[6 - index]
        blocks = functional.unfold(places[:, :num_used], 2, stride=2).movedim(1, -1).flatten(0, -2).double()
        axes = torch.linalg.eigh(blocks.T @ blocks)[1].flip(1)[:, : encoder.out_channels].T.float()
        axes = axes.reshape(len(axes), num_used, 2, 2)
        gain = 1 / step if index == 6 else 1.0
        encoder.weight[:], decoder.weight[:] = 0, 0
        encoder.weight[: len(axes), :num_used, 2:4, 2:4] = gain * axes
        decoder.weight[: len(axes), :num_used, 2:4, 2:4] = axes / gain
        encoder.bias[:], decoder.bias[:] = 0, 0
        num_used = len(axes)
        places = encoder(places)
        if index < 6:
            for normalization in (network.g_a[index + 1], network.g_s[5 - index]):
                start = 0.01 * (index >= OUTER) * torch.eye(len(normalization.gamma))
                normalization.gamma[:] = normalization.gamma_reparam.init(start)
            places = network.g_a[index + 1](places)
    network.g_a[0].bias[:] = -network.g_a[0].weight.sum((2, 3)) @ mean
    network.g_s[6].bias[:] = mean
    fit_scales(network.entropy_bottleneck, places)


@torch.no_grad()
def scale_step(network: Any, factor: float) -> None:
    """Make the step so many times coarser, the same picture coming back but for rounding."""
    network.g_a[6].weight /= factor
    network.g_a[6].bias /= factor
    network.g_s[0].weight *= factor
    scale_densities(network.entropy_bottleneck, torch.tensor(factor))


def scale_densities(bottleneck: Any, factor: Tensor) -> None:
    """Make its densities narrower by this factor, or by one for each channel."""
    slopes = functional.softplus(bottleneck.matrices[0]) * factor.reshape(-1, 1, 1)
    bottleneck.matrices[0][:] = torch.log(torch.expm1(slopes))


def fit_scales(bottleneck: Any, latent: Tensor) -> None:
    """Its densities start as wide as latents (b, m, h, w) are; three deviations stand for the width it starts with."""
    deviations = latent.movedim(1, 0).flatten(1).std(1).clamp_min(0.1)
    scale_densities(bottleneck, bottleneck.init_scale / 3 / deviations)


@dataclass
class Run:
    """What a checkpoint holds: the network, its optimiser, and how far the stages are."""

    recipe: Recipe
    network: Any
    optimizer: torch.optim.Adam
    stage: int = 0
    step: int = 0
    seconds: float = 0.0

    @classmethod
    def start(cls, recipe: Recipe) -> Run:
        torch.manual_seed(recipe.seed)
        zoo()  # the import of CompressAI without torchvision
        from compressai.models import FactorizedPrior

        network = FactorizedPrior(recipe.width, recipe.latent_channels).to(memory_format=torch.channels_last).train()
        return cls(recipe, network, optimizer_of(network, recipe))

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        if state["recipe"] != json.dumps(asdict(self.recipe)):
            raise SystemExit(f"{path} was made by another recipe; remove it to start anew")
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.stage, self.step, self.seconds = state["stage"], state["step"], state["seconds"]

    def save(self, path: Path) -> None:
        state = {name: getattr(self, name) for name in ("stage", "step", "seconds")}
        state |= {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        partial = path.with_suffix(".part")
        torch.save(state | {"recipe": json.dumps(asdict(self.recipe))}, partial)
        partial.replace(path)

    def begin(self, stage: int) -> None:
        """The next rate; squared errors go as the square of the step."""
        scale_step(self.network, math.sqrt(self.recipe.lambdas[stage - 1] / self.recipe.lambdas[stage]))
        self.optimizer = optimizer_of(self.network, self.recipe)
        self.stage, self.step, self.seconds = stage, 0, 0.0

    def train_stage(self, data: Iterator[Tensor], total_seconds: float, checkpoint: Path) -> None:
        """Until the share of this stage is spent."""
        budget, saved = self.recipe.shares[self.stage] * total_seconds, 0.0
        sums = np.zeros(3)
        while self.seconds < budget:
            start = time.perf_counter()
            progress = self.seconds / budget
            for group in self.optimizer.param_groups:
                group["lr"] = group["speed"] * learning_rate(self.recipe, self.stage, progress)
            sums += self._step(next(data), bfloat16=progress < 1 - self.recipe.float32_share)
            self.step += 1
            self.seconds += time.perf_counter() - start
            if self.step % 100 == 0:
                loss, bits, error = sums / 100
                psnr = 10 * math.log10(255**2 / error)
                line = f"step {self.step} loss {loss:.3f} bits per pixel {bits:.3f} PSNR {psnr:.2f}"
                print(f"lambda {self.recipe.lambdas[self.stage]} {self.seconds:.0f} s {line}", flush=True)
                sums[:] = 0
            if self.seconds - saved > CHECKPOINT_SECONDS:
                self.save(checkpoint)
                saved = self.seconds

    def _step(self, pixels: Tensor, *, bfloat16: bool) -> tuple[float, float, float]:
        self.optimizer.zero_grad(set_to_none=True)
        loss, bits, error = loss_of(self.network, pixels, self.recipe.lambdas[self.stage], bfloat16=bfloat16)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        return loss.item(), bits, error

    def write_weights(self, folder: Path) -> None:
        """The weights of this stage, without the integer tables."""
        with torch.no_grad():
            self.network.update(force=True, update_quantiles=True)
        weights = {
            name: value.half().contiguous()
            for name, value in self.network.state_dict().items()
            if not name.endswith(TABLES)
        }
        weight = self.recipe.lambdas[self.stage]
        about = {"architecture": "bmshj2018-factorized", "N": self.recipe.width, "M": self.recipe.latent_channels}
        about |= {"lambda": weight, "steps": self.step, "seconds": round(self.seconds)}
        about["recipe"] = json.dumps(asdict(self.recipe))
        folder.mkdir(parents=True, exist_ok=True)
        metadata = {name: str(value) for name, value in about.items()}
        save_file(weights, folder / f"lambda_{weight}.safetensors", metadata)


def table(data: Path, weights: Path) -> Iterator[str]:
    """Lines of Markdown: means over the pictures for validation, one core."""
    pictures = [Image.from_pillow(PillowImage.open(path)) for path in sorted((data / VALIDATION).glob("*.jpg"))]
    yield "| codec | bits per pixel | PSNR, dB | encode, s | decode, s |"
    yield "| --- | --- | --- | --- | --- |"
    for point in operating_points([f"compressai:checkpoint={weights}/*.safetensors", *PEERS]):
        if "image" not in point.kinds:
            continue
        point.codec.decode(point.codec.encode(pictures[0]))  # the first call loads the network
        rows = np.array([measured(point.codec, picture) for picture in pictures])
        bits, psnr, encode, decode = rows.mean(0)
        yield f"| {point.spec} | {bits:.3f} | {psnr:.2f} | {encode:.3f} | {decode:.3f} |"


def measured(codec: Codec[Image], picture: Image) -> tuple[float, float, float, float]:
    """(bits per pixel, PSNR in dB, seconds to encode, to decode)."""
    start = time.perf_counter()
    data = codec.encode(picture)
    middle = time.perf_counter()
    decoded = codec.decode(data)
    end = time.perf_counter()
    error = np.mean((decoded.samples.astype(float) - picture.samples) ** 2)
    bits = 8 * len(data) / (picture.height * picture.width)
    return bits, 10 * math.log10(255**2 / error), middle - start, end - middle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds " + ", ".join(FOLDERS))
    parser.add_argument("--work", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the weights")
    parser.add_argument("--minutes", type=float, default=40, help="of training, for all rates together")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe()
    run = Run.start(recipe)
    arguments.work.mkdir(parents=True, exist_ok=True)
    checkpoint = arguments.work / "checkpoint.pt"
    pictures = reduced_pictures(arguments.data, recipe)
    print(f"{len(pictures)} pictures", flush=True)
    if checkpoint.exists():
        run.load(checkpoint)
    else:
        first = batches(pictures, recipe.crop, recipe, [recipe.seed])
        start_linear(run.network, torch.cat([next(first) for _ in range(NUM_FIRST)]), recipe.lambdas[0])
        run.optimizer = optimizer_of(run.network, recipe)
    signals = outer_signals(run.network, pictures)
    for stage in range(run.stage, len(recipe.lambdas)):
        if stage > run.stage:
            run.begin(stage)
        data = batches(signals, recipe.crop // REDUCED, recipe, [recipe.seed, stage, run.step])
        run.train_stage(data, 60 * arguments.minutes, checkpoint)
        run.write_weights(arguments.output)
        run.save(checkpoint)
    print("\n".join(table(arguments.data, arguments.output)))


if __name__ == "__main__":
    main()
