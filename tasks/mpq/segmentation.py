"""Does a segmenter still find the same regions? DeepLab v3: against true masks, and against its own of the original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from laconic.codecs.files import read_image
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Image
from laconic.tasks.mpq.litert import run_model
from laconic.tasks.mpq.pictures import read_rgb_pictures, resized
from laconic.tasks.mpq.protocol import Judgement, TaskSample

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Integer, Num

_STREETS = "segmentation_tflite/deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite"
_OBJECTS = "segmentation_tflite/deeplabv3_mnv2_pascal_quant.tflite"
_CAMVID = "camvid/test"
_PHOTOGRAPHS = ("kodak", "imagenet_sample/test")
_EXTENSIONS = (".png", ".jpg", ".jpeg")
_SIDE = 513
_NUM_OBJECT_CLASSES = 21
# The 19 classes of Cityscapes in the model's order -> the 11 of CamVid: sky 0, building 1, pole 2, road 3, pavement 4,
# tree 5, sign 6, fence 7, car 8, pedestrian 9, bicyclist 10.
_CAMVID_OF_CITYSCAPES = (3, 4, 1, 7, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 10, 10)
_NUM_CAMVID_CLASSES = 11  # 11 itself is void


@dataclass(frozen=True)
class Streets:
    """CamVid scenes of `data`/camvid/test by the model for Cityscapes; its classes are joined to those of the masks.

    Counts are, after the numbers of right and of all pixels, intersections and unions of each class.
    """

    data: Path
    models: Path

    name: ClassVar[str] = "segmentation"
    kind: ClassVar[MediaKind] = "image"
    score_name: ClassVar[str] = "mean IoU"
    higher_is_better: ClassVar[bool] = True
    title: ClassVar[str] = "CamVid street scenes (PNG files), DeepLab v3 EdgeTPU-slim (8-bit, Cityscapes), true masks"

    def keys(self) -> Sequence[str]:
        return sorted(path.stem for path in (self.data / _CAMVID / "images").glob("*.png"))

    def sample(self, key: str) -> TaskSample[Image]:
        mask = np.asarray(read_image(self.data / _CAMVID / "masks" / f"{key}.png"))
        return TaskSample(key, read_rgb_pictures(self.data / _CAMVID / "images" / f"{key}.png"), mask)

    def judge(self, sample: TaskSample[Image], decoded: Image) -> Judgement:
        classes = np.array(_CAMVID_OF_CITYSCAPES, np.uint8)[segment(self.models / _STREETS, decoded)]
        size = (decoded.width, decoded.height)
        found = np.asarray(PillowImage.fromarray(classes).resize(size, PillowImage.Resampling.NEAREST))
        counts = overlap_counts(sample.label, found, _NUM_CAMVID_CLASSES)
        return Judgement(counts, f"{counts[0] / counts[1]:.4f} of the pixels", 1 - counts[0] / counts[1])

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return mean_iou(totals)


@dataclass(frozen=True)
class MaskAgreement:
    """Photographs without masks, `data`/kodak and imagenet_sample/test: mean IoU with the mask of the original.

    So the uncompressed score is 1 by definition, and this measures change, not error.
    """

    data: Path
    models: Path

    name: ClassVar[str] = "mask-agreement"
    kind: ClassVar[MediaKind] = "image"
    score_name: ClassVar[str] = "mean IoU with the original's mask"
    higher_is_better: ClassVar[bool] = True
    title: ClassVar[str] = "Kodak and ImageNet photographs, DeepLab v3 MobileNet V2 (8-bit, Pascal VOC), no true masks"

    def keys(self) -> Sequence[str]:
        return [
            f"{folder}/{path.name}"
            for folder in _PHOTOGRAPHS
            for path in sorted((self.data / folder).iterdir())
            if path.suffix.lower() in _EXTENSIONS
        ]

    def sample(self, key: str) -> TaskSample[Image]:
        image = read_rgb_pictures(self.data / key)
        return TaskSample(key, image, segment(self.models / _OBJECTS, image))

    def judge(self, sample: TaskSample[Image], decoded: Image) -> Judgement:
        found = segment(self.models / _OBJECTS, decoded)
        counts = overlap_counts(sample.label, found, _NUM_OBJECT_CLASSES)
        return Judgement(counts, f"{counts[0] / counts[1]:.4f} of the pixels", 1 - counts[0] / counts[1])

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return mean_iou(totals)


def segment(model: Path, image: Image) -> Int[NDArray[np.int64], "h w"]:
    """(513, 513) classes of the whole picture, squeezed to a square as these models are evaluated."""
    classes: NDArray[np.int64] = run_model(model, resized(image, (_SIDE, _SIDE)))
    return classes


def overlap_counts(
    truth: Integer[NDArray[Any], "*shape"], found: Integer[NDArray[Any], "*shape"], num_classes: int
) -> tuple[float, ...]:
    """(right pixels, all pixels, intersections, unions), over the pixels whose true class is below `num_classes`."""
    known = truth < num_classes
    truth, found = truth[known].astype(np.int64), found[known].astype(np.int64)
    confusion = np.bincount(truth * num_classes + found, minlength=num_classes**2).reshape(num_classes, num_classes)
    hits = confusion.diagonal()
    unions = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    return (float(hits.sum()), float(truth.size), *map(float, hits), *map(float, unions))


def mean_iou(totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
    """Mean over the classes that occur in truth or answer of intersection over union."""
    hits, unions = np.split(np.asarray(totals, np.float64)[..., 2:], 2, axis=-1)
    occurs = unions > 0
    shares = np.divide(hits, unions, out=np.zeros_like(hits), where=occurs)
    return np.asarray(shares.sum(axis=-1) / np.maximum(occurs.sum(axis=-1), 1))
