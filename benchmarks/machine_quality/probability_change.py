"""How far the probabilities of a classifier move: L1 distance of MobileNet V2's, of a decoded picture and its original."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.media import Image
from laconic.tasks.mpq.litert import run_model
from laconic.tasks.mpq.pictures import centre_square, resized

if TYPE_CHECKING:
    from jaxtyping import Float

_MODEL = "imagenet_tflite/mobilenet_v2_1.0_224_quant.tflite"
_CENTRE, _SIDE = 0.875, 224  # the centre of the picture that the network sees, and its own size


@dataclass(frozen=True)
class ProbabilityChange:
    """A metric of 0, equal answers, to 2: no class in common. `models`: the folder of frozen models.

    Of the probabilities as the network gives them, in steps of 1/256; the task of the same network adds half a step to
    each, for logarithms.
    """

    models: Path

    name: ClassVar[str] = "mobilenet-l1"
    kind: ClassVar[str] = "image"
    heads: ClassVar[Mapping[str, str]] = {"mobilenet_l1": "MobileNet V2 L1"}
    higher_is_better: ClassVar[bool] = False

    def measure(self, original: Image, decoded: Image) -> Mapping[str, float]:
        path = self.models / _MODEL
        before = _of_original(path, original.samples.shape, original.samples.tobytes())
        return {"mobilenet_l1": float(np.abs(_probabilities(path, decoded) - before).sum())}


@lru_cache(maxsize=2)
def _of_original(path: Path, shape: tuple[int, ...], samples: bytes) -> Float[NDArray[np.float64], " k"]:
    """Kept, as many decoded pictures follow one original."""
    return _probabilities(path, Image(np.frombuffer(samples, np.uint8).reshape(shape)))


def _probabilities(path: Path, picture: Image) -> Float[NDArray[np.float64], " k"]:
    scores: NDArray[Any] = run_model(path, resized(centre_square(picture, _CENTRE), (_SIDE, _SIDE)))
    return np.asarray(scores / scores.sum())
