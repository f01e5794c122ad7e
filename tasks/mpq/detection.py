"""Are the lines of print still found? Scanned receipts (SROIE) by a detector of text: F1 of boxes, against those annotated.

Annotated and found are lines, split alike for the most part (1844 and 1826 on the 40 originals), so a pair is one box of
each. The detector may have trained on these very receipts: the report on PP-OCRv3 (arXiv:2206.03001) names SROIE among
its data. So its score says what coding takes from a model that knows such paper, not how well it does on new paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import MissingDependencyError
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Image
from laconic.tasks.mpq.onnx_models import run_onnx
from laconic.tasks.mpq.packaged_models import packaged_file
from laconic.tasks.mpq.pictures import resized
from laconic.tasks.mpq.protocol import Judgement, TaskSample
from laconic.tasks.mpq.reading import RAPIDOCR_INSTALL, read_receipt, receipt_keys

if TYPE_CHECKING:
    from jaxtyping import Float, Num

_RAPIDOCR = "rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx"
# As configured in rapidocr-onnxruntime 1.4.4, but for the expansion, which is the usual one of PaddleOCR.
_SHORTER_SIDE, _LONGER_SIDE, _MULTIPLE = 736, 2000, 32  # at least, at most, of
_THRESHOLD, _MEAN_THRESHOLD, _LEAST_SIDE, _EXPANSION = 0.3, 0.5, 3, 1.5
_IOU = 0.5


@dataclass(frozen=True)
class Detection:
    """Receipts of `data`/sroie. Counts are twice the matched boxes, and the found with the annotated, so sums give F1."""

    data: Path

    name: ClassVar[str] = "detect"
    kind: ClassVar[MediaKind] = "image"
    score_name: ClassVar[str] = "F1 of text lines at IoU 0.5"
    higher_is_better: ClassVar[bool] = True
    title: ClassVar[str] = "SROIE receipts (JPEG files), text detector of PP-OCRv4 (RapidOCR), perhaps trained on them"

    def keys(self) -> Sequence[str]:
        return receipt_keys(self.data)

    def sample(self, key: str) -> TaskSample[Image]:
        picture, lines = read_receipt(self.data, key)
        return TaskSample(key, picture, np.array([line.box for line in lines], np.float64).reshape(-1, 4))

    def judge(self, sample: TaskSample[Image], decoded: Image) -> Judgement:
        found = find_text(decoded)
        num_true, num_matched = len(sample.label), num_matches(found, sample.label)
        counts = 2.0 * num_matched, float(len(found) + num_true)
        answer = f"{num_matched} of {num_true} lines, {len(found) - num_matched} false"
        return Judgement(counts, answer, 1 - counts[0] / max(counts[1], 1))

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return np.asarray(totals[..., 0] / totals[..., 1])


def find_text(image: Image) -> Float[NDArray[np.float64], "n 4"]:
    """(left, top, right, bottom) in pixels of each line of text.

    Prepared as in the package (TextDetector): blue first, sides of multiples of 32. Raises `MissingDependencyError`.
    """
    path = packaged_file(*_RAPIDOCR, install=RAPIDOCR_INSTALL)
    pixels = resized(image, input_size(image.width, image.height))
    inputs = pixels[..., ::-1].transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
    probabilities = run_onnx(path, inputs)[0]
    scale = image.width / probabilities.shape[1], image.height / probabilities.shape[0]
    boxes = boxes_of_map(probabilities) * np.tile(scale, 2)
    return np.asarray(boxes.clip(0, (image.width, image.height) * 2))


def input_size(width: int, height: int) -> tuple[int, int]:
    """Width and height for the detector: the longer side's limit goes before the shorter's.

    >>> input_size(461, 933), input_size(100, 3000)
    ((736, 1504), (64, 1984))
    """
    scale = min(max(1, _SHORTER_SIDE / min(width, height)), _LONGER_SIDE / max(width, height))
    across, down = (max(_MULTIPLE, round(int(side * scale) / _MULTIPLE) * _MULTIPLE) for side in (width, height))
    return across, down


def boxes_of_map(probabilities: Float[NDArray[Any], "h w"]) -> Float[NDArray[np.float64], "n 4"]:
    """Upright boxes (left, top, right, bottom) of the connected places where text is probable, in places of the map.

    The model marks shrunk lines, so each box grows on all sides by its area x 1.5 / its perimeter (Liao et al., Real-time
    Scene Text Detection with Differentiable Binarization, AAAI 2020, section 3.5, with a polygon in place of the box).
    """
    try:
        from scipy import ndimage
    except ImportError as err:
        raise MissingDependencyError(f"scipy cannot be imported ({err}); install it: pip install scipy") from err
    parts, _ = ndimage.label(probabilities > _THRESHOLD, np.ones((3, 3)))
    boxes = []
    for rows, columns in ndimage.find_objects(parts):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if min(height, width) >= _LEAST_SIDE and probabilities[rows, columns].mean() >= _MEAN_THRESHOLD:
            grown = height * width * _EXPANSION / (2 * (height + width))
            boxes.append((columns.start - grown, rows.start - grown, columns.stop + grown, rows.stop + grown))
    return np.array(boxes, np.float64).reshape(-1, 4)


def num_matches(found: Float[NDArray[Any], "n 4"], true: Float[NDArray[Any], "m 4"]) -> int:
    """Pairs of a found and a true box whose intersection over union is at least 0.5, each box in one: best ones first."""
    corners = np.maximum(found[:, None, :2], true[:, :2]), np.minimum(found[:, None, 2:], true[:, 2:])
    shared = (corners[1] - corners[0]).clip(0).prod(axis=-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=-1) for boxes in (found, true)]
    overlaps = shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-9)  # annotated boxes may be empty
    matched = 0
    while overlaps.size and overlaps.max() >= _IOU:
        row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
        overlaps[row], overlaps[:, column] = 0, 0
        matched += 1
    return matched
