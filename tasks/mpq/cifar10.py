"""Does a classifier of tiny pictures still see? ResNet-20 on CIFAR-10, of 32 x 32 pixels."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from laconic.codecs.errors import MissingDependencyError, WeightsError
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Image
from laconic.tasks.mpq.protocol import Judgement, TaskSample
from laconic.tasks.mpq.torch_models import run_network

if TYPE_CHECKING:
    from jaxtyping import Float, Num
    from torch import Tensor

_MODEL = "cifar10_resnet/resnet20-12fca82f.th"
_DATA = "cifar10_jpeg_subset.zip"
_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # with which these weights were trained
_NUM_STAGES, _NUM_BLOCKS = 3, 3
_LEAST_PROBABILITY = 1e-9  # in logarithms


@dataclass(frozen=True)
class Cifar10:
    """The 1000 test pictures in `data`/cifar10_jpeg_subset.zip.

    They are JPEG files of quality 75 and 4:2:0 already, so the network, of 91.7 % on the true test set, finds 81.4 %.
    """

    data: Path
    models: Path

    name: ClassVar[str] = "cifar10"
    kind: ClassVar[MediaKind] = "image"
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    title: ClassVar[str] = "CIFAR-10 pictures (32 x 32, JPEG files of quality 75), ResNet-20 (float)"

    def keys(self) -> Sequence[str]:
        with zipfile.ZipFile(self.data / _DATA) as file:
            return sorted(name for name in file.namelist() if name.startswith("test/") and name.endswith(".jpg"))

    def sample(self, key: str) -> TaskSample[Image]:
        with zipfile.ZipFile(self.data / _DATA) as file, PillowImage.open(BytesIO(file.read(key))) as picture:
            return TaskSample(key, Image(np.asarray(picture.convert("RGB"))), _CLASSES.index(key.split("/")[1]))

    def judge(self, sample: TaskSample[Image], decoded: Image) -> Judgement:
        normal = (decoded.samples / 255 - np.array(_MEAN)) / np.array(_STD)
        network = _resnet20(self.models / _MODEL)
        scores = run_network(network, np.asarray(normal.transpose(2, 0, 1), np.float32)).astype(np.float64)
        powers = np.exp(scores - scores.max())
        probabilities = powers / powers.sum()
        found = int(probabilities.argmax())
        loss = -math.log(max(probabilities[sample.label], _LEAST_PROBABILITY))
        return Judgement((float(found == sample.label), 1.0), _CLASSES[found], loss, probabilities)

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return np.asarray(totals[..., 0] / totals[..., 1])


@lru_cache(maxsize=1)
def _resnet20(path: Path) -> Any:
    """(b, 3, 32, 32) -> (b, 10). Source: He et al., "Deep residual learning", 2016, section 4.2, shortcuts of option A."""
    try:
        import torch
    except ImportError as err:
        raise MissingDependencyError(
            f"torch, which runs {path.name}, cannot be imported ({err}); install it: pip install torch"
        ) from err
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        weights = {name.removeprefix("module."): tensor for name, tensor in content["state_dict"].items()}
    except OSError:
        raise
    except Exception as err:  # torch's reader of damaged files fails in many ways
        raise WeightsError(f"{path} holds no weights of ResNet-20: {err}; fetch it again") from err
    return lambda inputs: _scores(weights, inputs)


def _scores(weights: dict[str, Tensor], inputs: Float[Tensor, "b 3 32 32"]) -> Float[Tensor, "b 10"]:
    from torch.nn import functional

    def layer(name: str, norm: str, x: Tensor, stride: int = 1) -> Tensor:
        x = functional.conv2d(x, weights[f"{name}.weight"], stride=stride, padding=1)
        statistics = (weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"])
        return functional.batch_norm(x, *statistics, weights[f"{norm}.weight"], weights[f"{norm}.bias"])

    x = layer("conv1", "bn1", inputs).relu()
    for stage in range(_NUM_STAGES):
        for block in range(_NUM_BLOCKS):
            name, stride = f"layer{stage + 1}.{block}", 2 if stage > 0 and block == 0 else 1
            inner = layer(f"{name}.conv1", f"{name}.bn1", x, stride).relu()
            inner = layer(f"{name}.conv2", f"{name}.bn2", inner)
            added = (inner.shape[1] - x.shape[1]) // 2  # channels of zeros on both sides
            x = (inner + functional.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, added, added))).relu()
    return functional.linear(x.mean((2, 3)), weights["linear.weight"], weights["linear.bias"])
