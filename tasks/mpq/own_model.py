"""Does a model of your own still answer? TensorFlow Lite, ONNX, TorchScript or a function, on a folder of classes.

A file is fed as the card beside it says (`model_card`). A function, "module:function", gets the decoded signal, `Image` or
`Audio`, and gives a score for each class: in the order of the sorted class folders, or by their names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, MissingDependencyError, sentence_of_error
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Audio, Image
from laconic.codecs.named_functions import is_function_name, named_function
from laconic.tasks.datasets.class_folders import list_class_folder
from laconic.tasks.datasets.framing import Framing, read_signal
from laconic.tasks.datasets.splits import WHOLE
from laconic.tasks.mpq.litert import run_float_model
from laconic.tasks.mpq.model_card import ModelCard, read_model_card
from laconic.tasks.mpq.onnx_models import run_onnx
from laconic.tasks.mpq.protocol import Judgement, TaskSample
from laconic.tasks.mpq.torch_models import load_torchscript, run_network

if TYPE_CHECKING:
    from jaxtyping import Float, Num

_TFLITE, _ONNX, _TORCHSCRIPT = (".tflite",), (".onnx",), (".pt", ".ts")
_FILES = (*_TFLITE, *_ONNX, *_TORCHSCRIPT)
_ARGUMENTS = "a signal"
_LEAST_PROBABILITY = 1e-4  # in logarithms: models of 8 bits give exact zeros, one of which should not outweigh all else


@dataclass(frozen=True)
class OwnModel:
    """`model`: a file, or "module:function" and no card. Of a folder with splits the test split is used, else all of it."""

    model: str
    card: ModelCard | None
    folder: Path
    kind: MediaKind
    classes: tuple[str, ...]

    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return f"model-{Path(self.model).stem if self.card is not None else self.model.replace(':', '.')}"

    @property
    def title(self) -> str:
        return f"{self.folder.resolve().name}, {len(self.classes)} classes, the model {self.model}"

    def keys(self) -> Sequence[str]:
        return list(_labels(self.folder))

    def sample(self, key: str) -> TaskSample[Any]:
        return TaskSample(key, read_signal(self.folder / key, self.kind, Framing()), _labels(self.folder)[key])

    def judge(self, sample: TaskSample[Any], decoded: Image | Audio) -> Judgement:
        scores = self._scores(decoded)
        if scores.shape != (len(self.classes),):
            raise CodecError(
                f"{self.model} gives scores of shape {scores.shape}; allowed is one for each of the "
                f"{len(self.classes)} classes {', '.join(self.classes[:5])}, ..."
            )
        if not np.isfinite(scores).all():
            raise CodecError(f"{self.model} gives the scores {scores[:5].tolist()}; allowed are finite numbers")
        probabilities = class_probabilities(scores)
        best = self.classes[int(probabilities.argmax())]
        loss = -math.log(max(probabilities[self.classes.index(sample.label)], _LEAST_PROBABILITY))
        return Judgement((float(best == sample.label), 1.0), best, loss, probabilities)

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return np.asarray(totals[..., 0] / totals[..., 1])

    def _scores(self, signal: Image | Audio) -> NDArray[np.float64]:
        if self.card is None:
            return _scores_of_function(self.model, signal, self.classes)
        path = Path(self.model)
        suffix = path.suffix.lower()
        inputs = self.card.inputs(signal, layout="hwc" if suffix in _TFLITE else "chw")
        if suffix in _TFLITE:
            scores = run_float_model(path, inputs)
        elif suffix in _ONNX:
            scores = run_onnx(path, inputs)
        else:
            scores = _run_torchscript(path, inputs)
        return np.asarray(scores, np.float64).reshape(-1)


def find_own_model(model: str, data: Path) -> OwnModel:
    """The model on the class folder `data`, or the one below it that its card names.

    Raises `CodecError` where model, card or classes do not fit.
    """
    is_file = Path(model).suffix.lower() in _FILES
    if not is_file and not is_function_name(model):
        raise CodecError(f"model {model!r} is no model; allowed are files {', '.join(_FILES)}, and module:function")
    if is_file and not Path(model).is_file():
        raise CodecError(f"model {model!r} is no file; name one that is there")
    card = read_model_card(Path(model).with_suffix(".json")) if is_file else None
    listed = list_class_folder(data / card.folder if card is not None else data)
    classes = card.classes if card is not None and card.classes is not None else listed.classes
    strange = [name for name in listed.classes if name not in classes]
    if strange:
        raise CodecError(f"{listed.root} has class {strange[0]!r}, which the card of {model} does not name")
    if card is None:
        named_function(model, _ARGUMENTS)
    return OwnModel(model, card, listed.root, listed.kind, classes)


def class_probabilities(scores: Float[NDArray[np.float64], " k"]) -> Float[NDArray[np.float64], " k"]:
    """Scores that are probabilities already, divided by their sum; others by softmax.

    Those are none below 0 whose sum is 0.75 to 1.05: a thousand of 8 bits, most of them rounded to 0, sum to 0.8 to 1.

    >>> class_probabilities(np.array([0.25, 0.75])).tolist()
    [0.25, 0.75]
    >>> class_probabilities(np.array([-1.0, -1.0])).tolist()
    [0.5, 0.5]
    """
    if scores.min() >= 0 and 0.75 <= scores.sum() <= 1.05:
        return np.asarray(scores / scores.sum())
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum())


@lru_cache(maxsize=4)
def _labels(folder: Path) -> dict[str, str]:
    """Files that are judged -> their classes."""
    listed = list_class_folder(folder)
    return {one.source: listed.classes[one.label] for one in listed.samples if one.split in ("test", WHOLE)}


def _run_torchscript(path: Path, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    try:
        return run_network(load_torchscript(path), inputs)
    except RuntimeError as err:
        reason = str(err).strip().splitlines()[-1]
        raise CodecError(f"{path} does not take float32 of shape {(1, *inputs.shape)}: {reason}") from err


def _scores_of_function(model: str, signal: Image | Audio, classes: Sequence[str]) -> NDArray[np.float64]:
    try:
        scores = named_function(model, _ARGUMENTS)(signal)
        if isinstance(scores, Mapping):
            scores = [scores[name] for name in classes]
        return np.asarray(scores, np.float64)
    except (CodecError, MissingDependencyError):
        raise
    except Exception as err:  # code of others
        raise CodecError(
            f"{model} fails on a signal of shape {signal.samples.shape}: {sentence_of_error(err, is_ours=False)}"
        ) from err
