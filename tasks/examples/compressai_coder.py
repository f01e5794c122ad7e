"""Drop-in: the latents of a CompressAI model, coded by us. The same pictures come back, and coding is many times faster.

python tasks/examples/compressai_coder.py [PICTURE]

Nothing is downloaded: weights are random. As the latents of random weights are nearly all zero, the times and sizes are
those of drawn latents, whose spread is like that of a trained model.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from laconic.codecs import open as open_picture
from laconic.codecs.external.compressai import zoo
from laconic.entropy.compressai import CompressAIBottleneckCoder, CompressAIGaussianCoder

SPREAD_OF_SCALES = (-0.4, 1.2)  # mean and standard deviation of the logarithm


def _use_our_coders(model: Any) -> None:
    """From here on the model compresses and decompresses with them."""
    for entropy_model, coder in (
        (model.entropy_bottleneck, CompressAIBottleneckCoder(model.entropy_bottleneck)),
        (model.gaussian_conditional, CompressAIGaussianCoder(model.gaussian_conditional)),
    ):
        entropy_model.compress, entropy_model.decompress = coder.compress, coder.decompress


def _round_trip(model: Any, pixels: torch.Tensor) -> tuple[torch.Tensor, int]:
    """The decoded picture, and the bytes of its strings."""
    coded = model.compress(pixels)
    decoded = model.decompress(coded["strings"], coded["shape"])["x_hat"]
    return decoded, sum(len(string) for strings in coded["strings"] for string in strings)


def _timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """The result, and the milliseconds of the fastest of three calls."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        result = function()
        times.append(1000 * (time.perf_counter() - start))
    return result, min(times)


def compare(name: str, theirs: Any, ours: Any, arguments: tuple[Any, ...], beside: tuple[Any, ...]) -> None:
    """Code the same tensor with both and print what it took; `beside` is what `decompress` needs."""
    lines = []
    decoded = []
    for coder in (theirs, ours):
        strings, encode_ms = _timed(partial(coder.compress, *arguments))
        values, decode_ms = _timed(partial(coder.decompress, strings, *beside))
        decoded.append(values)
        lines.append(f"{sum(map(len, strings))} bytes, {encode_ms:.2f} + {decode_ms:.2f} ms")
    print(f"{name} {tuple(arguments[0].shape)}: CompressAI {lines[0]}; ours {lines[1]}; equal: {torch.equal(*decoded)}")


def main() -> None:
    default = Path(__file__).parents[2] / "tests" / "data" / "kodim23_crop.png"
    samples = open_picture(sys.argv[1] if len(sys.argv) > 1 else default).samples[..., :3]
    rows, columns = (size // 64 * 64 for size in samples.shape[:2])  # the model's largest stride
    pixels = torch.from_numpy(np.moveaxis(samples[:rows, :columns], -1, 0)[None].astype(np.float32) / 255)

    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = zoo()["bmshj2018-hyperprior"](quality=1, pretrained=False).eval()
    model.update(force=True)
    bottleneck, conditional = model.entropy_bottleneck, model.gaussian_conditional
    with torch.no_grad():
        hyper_latent = 2 * torch.randn(1, 128, 8, 12)
        compare("hyper-latent", bottleneck, CompressAIBottleneckCoder(bottleneck), (hyper_latent,), ((8, 12),))
        mean, deviation = SPREAD_OF_SCALES
        scales = torch.exp(mean + deviation * torch.randn(1, 192, 32, 48))
        indexes = conditional.build_indexes(scales)
        latent = scales * torch.randn(scales.shape)
        compare("latent", conditional, CompressAIGaussianCoder(conditional), (latent, indexes), (indexes,))

        expected, their_bytes = _round_trip(model, pixels)
        _use_our_coders(model)
        decoded, our_bytes = _round_trip(model, pixels)
    equal = torch.equal(decoded, expected)
    print(f"the whole model on {rows} x {columns} pixels: {their_bytes} bytes, ours {our_bytes}; equal: {equal}")


if __name__ == "__main__":
    main()
