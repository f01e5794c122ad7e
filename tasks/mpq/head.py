"""Does a network of your own still answer? A run of `laconic train classify` on a folder of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Audio, Image
from laconic.tasks.datasets.class_folders import list_class_folder
from laconic.tasks.datasets.framing import Framing, read_signal
from laconic.tasks.datasets.splits import folders_of_splits, split_of_name
from laconic.tasks.mpq.protocol import Judgement, TaskSample

if TYPE_CHECKING:
    from jaxtyping import Float, Num

    from laconic.tasks.heads.predictor import Predictor


_LEAST_PROBABILITY = 1e-9  # in logarithms


@dataclass(frozen=True)
class Head:
    """The best network of `run` on the class folders of `folder`, of which it must not have seen the files.

    Signals are coded at their own size and handed over whole, so the run prepares its input itself: a run on latents
    encodes what was decoded.
    """

    run: Path
    folder: Path
    kind: MediaKind

    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return f"head-{self.run.name}"

    @property
    def title(self) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}, the trained head {self.run.name}"

    def keys(self) -> Sequence[str]:
        return [sample.source for sample in list_class_folder(self.folder, splits={}).samples]

    def sample(self, key: str) -> TaskSample[Any]:
        return TaskSample(key, read_signal(self.folder / key, self.kind, Framing()), key.split("/")[0])

    def judge(self, sample: TaskSample[Any], decoded: Image | Audio) -> Judgement:
        scores = _predictor(self.run).scores(decoded)
        best, classes = next(iter(scores)), sorted(scores)
        probabilities = np.array([scores[name] for name in classes])
        loss = -math.log(max(scores[sample.label], _LEAST_PROBABILITY))
        return Judgement((float(best == sample.label), 1.0), best, loss, probabilities)

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return np.asarray(totals[..., 0] / totals[..., 1])


def find_head(run: Path, data: Path) -> Head:
    """The run on that test folder `data`/*/* which has its classes. Raises `CodecError` where none or several have."""
    predictor = _predictor(run)
    tests = sorted(path for path in data.glob("*/*") if split_of_name(path.name) == "test" and path.is_dir())
    found = [path for path in tests if folders_of_splits(path) == sorted(predictor.classes)]
    if len(found) != 1:
        raise CodecError(
            f"{len(found)} folders {data}/*/test have the {len(predictor.classes)} classes of {run}; allowed is one"
        )
    return Head(run, found[0], predictor.form.kind)


@lru_cache(maxsize=2)
def _predictor(run: Path) -> Predictor:
    from laconic.tasks.heads.predictor import Predictor

    return Predictor.load(run)
