"""Does a tagger still know what sounds? YAMNet on ESC-10, without training, by the names of its classes."""

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
from laconic.codecs.media import Audio
from laconic.tasks.mpq.litert import run_model
from laconic.tasks.mpq.protocol import Judgement, TaskSample
from laconic.tasks.mpq.sounds import mono_at, read_bare

if TYPE_CHECKING:
    from jaxtyping import Float, Num

_MODEL = "yamnet/yamnet.tflite"
_CLASSES = "yamnet/yamnet_class_map.csv"
_FOLDER = "esc10"
_SAMPLE_RATE_HZ = 16_000
_WINDOW = 15_600  # what the model takes, 0.975 s
_LEAST_SCORE = 1e-4  # so that one sound that is surely not there does not outweigh all others
# AudioSet's names for the ten classes; the best of several counts.
_NAMES = {
    "baby_cry": ("Baby cry, infant cry",),
    "chainsaw": ("Chainsaw",),
    "clock_tick": ("Tick", "Tick-tock", "Clock"),
    "dog_bark": ("Dog", "Bark"),
    "fire_crackling": ("Fire", "Crackle"),
    "helicopter": ("Helicopter",),
    "person_sneeze": ("Sneeze",),
    "rain": ("Rain", "Raindrop", "Rain on surface"),
    "rooster": ("Chicken, rooster", "Crowing, cock-a-doodle-doo"),
    "sea_waves": ("Ocean", "Waves, surf"),
}


@dataclass(frozen=True)
class Tagging:
    """Clips of `data`/esc10/`split`, coded at their own rate; the answer is the best of the ten classes."""

    data: Path
    models: Path
    split: str = "test"

    name: ClassVar[str] = "tagging"
    kind: ClassVar[MediaKind] = "sound"
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    title: ClassVar[str] = "ESC-10 sounds (Ogg Vorbis files, 44.1 kHz), YAMNet, best of the ten classes"

    def keys(self) -> Sequence[str]:
        folder = self.data / _FOLDER / self.split
        return sorted(f"{path.parent.name}/{path.name}" for path in folder.glob("*/*.ogg"))

    def sample(self, key: str) -> TaskSample[Audio]:
        return TaskSample(key, read_bare(self.data / _FOLDER / self.split / key), key.split("/")[0])

    def judge(self, sample: TaskSample[Audio], decoded: Audio) -> Judgement:
        scores = self._scores(mono_at(decoded, _SAMPLE_RATE_HZ))
        positions = self._positions()
        of_classes = np.array([max(scores[index] for index in positions[name]) for name in positions]) + _LEAST_SCORE
        probabilities = of_classes / of_classes.sum()
        names = list(positions)
        best, loss = names[int(probabilities.argmax())], -math.log(probabilities[names.index(sample.label)])
        return Judgement((float(best == sample.label), 1.0), best, loss, probabilities)

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return np.asarray(totals[..., 0] / totals[..., 1])

    def _scores(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Means over windows that follow one another; a rest is left out, a short clip filled with silence."""
        num_windows = max(1, len(samples) // _WINDOW)
        windows = np.resize(np.pad(samples, (0, max(0, _WINDOW - len(samples)))), (num_windows, _WINDOW))
        scores = [run_model(self.models / _MODEL, window) for window in windows]
        return np.asarray(np.mean(scores, axis=0))

    def _positions(self) -> dict[str, list[int]]:
        with (self.models / _CLASSES).open(newline="") as file:
            names = [row["display_name"] for row in csv.DictReader(file)]
        return {label: [names.index(name) for name in synonyms] for label, synonyms in _NAMES.items()}
