"""Does a classifier still see what a picture shows? MobileNet V2 on ImageNet photographs, top-1."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.form import MediaKind
from laconic.codecs.media import Image
from laconic.tasks.mpq.litert import run_model
from laconic.tasks.mpq.pictures import read_rgb_pictures, resized
from laconic.tasks.mpq.protocol import Judgement, TaskSample

if TYPE_CHECKING:
    from jaxtyping import Float, Num

_MODEL = "imagenet_tflite/mobilenet_v2_1.0_224_quant.tflite"
_LABELS = "imagenet_tflite/imagenet_labels.txt"
_FOLDER = "imagenet_sample/test"
_SIDE = 224
_CENTRE = 0.875  # of the shorter side, as in the evaluation of these models


@dataclass(frozen=True)
class ImageNet:
    """Photographs of `data`/imagenet_sample/test, coded at full size; the 87.5 % centre square is classified."""

    data: Path
    models: Path

    name: ClassVar[str] = "imagenet"
    kind: ClassVar[MediaKind] = "image"
    score_name: ClassVar[str] = "top-1 accuracy"
    higher_is_better: ClassVar[bool] = True
    title: ClassVar[str] = "ImageNet photographs (JPEG files), MobileNet V2 1.0 224 (8-bit)"

    def keys(self) -> Sequence[str]:
        return list(self._truth())

    def sample(self, key: str) -> TaskSample[Image]:
        return TaskSample(key, read_rgb_pictures(self.data / _FOLDER / key), self._truth()[key])

    def judge(self, sample: TaskSample[Image], decoded: Image) -> Judgement:
        side = round(_CENTRE * min(decoded.width, decoded.height))
        left, top = (decoded.width - side) // 2, (decoded.height - side) // 2
        square = Image(decoded.samples[top : top + side, left : left + side])
        scores = run_model(self.models / _MODEL, resized(square, (_SIDE, _SIDE)))
        found = int(scores.argmax())  # 0 is background
        names = (self.models / _LABELS).read_text().splitlines()
        probabilities = (scores + 0.5) / (scores + 0.5).sum()  # of 8 bits: none is surely 0
        loss = -math.log(probabilities[sample.label + 1])
        return Judgement((float(found - 1 == sample.label), 1.0), names[found], loss, probabilities)

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return np.asarray(totals[..., 0] / totals[..., 1])

    def _truth(self) -> dict[str, int]:
        with (self.data / _FOLDER / "labels.csv").open(newline="") as file:
            return {row["file"]: int(row["imagenet_index"]) for row in csv.DictReader(file)}
