"""Does a keyword spotter still wake up? The reference network of MLPerf Tiny on the one-word utterances of AN4.

The network knows ten words of Speech Commands, of which AN4's speakers say four alone: go, no, stop, yes. Other words said
alone are "unknown". It never saw AN4, so both splits serve.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import MissingDependencyError
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Audio
from laconic.tasks.mpq.litert import run_model
from laconic.tasks.mpq.mel import htk_filters
from laconic.tasks.mpq.protocol import Judgement, TaskSample
from laconic.tasks.mpq.sounds import mono_at, read_bare, read_transcripts

if TYPE_CHECKING:
    from jaxtyping import Float, Num

_MODEL = "kws/mlperftiny_kws_ref_model_float32.tflite"
_WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown")
_FOLDER = "an4"
_SAMPLE_RATE_HZ = 16_000  # the network takes one second
_WINDOW, _STEP, _FFT = 480, 320, 512
_EDGES_HZ = (20.0, 4000.0)
_NUM_FILTERS, _NUM_COEFFICIENTS = 40, 10
_LEAST_PROBABILITY = 1e-6  # in logarithms: its softmax gives exact zeros


@dataclass(frozen=True)
class Keywords:
    """One-word utterances of `data`/an4, train and test; the first second of each is heard, a short one ends in silence."""

    data: Path
    models: Path

    name: ClassVar[str] = "keywords"
    kind: ClassVar[MediaKind] = "sound"
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    title: ClassVar[str] = "AN4 utterances of one word (16 kHz, train and test), keyword network of MLPerf Tiny (float)"

    def keys(self) -> Sequence[str]:
        return [key for key, text in self._texts().items() if len(text.split()) == 1]

    def sample(self, key: str) -> TaskSample[Audio]:
        word = self._texts()[key].strip().lower()
        return TaskSample(key, read_bare(self.data / _FOLDER / key), word if word in _WORDS else "unknown")

    def judge(self, sample: TaskSample[Audio], decoded: Audio) -> Judgement:
        features = keyword_features(mono_at(decoded, _SAMPLE_RATE_HZ))
        probabilities = run_model(self.models / _MODEL, features[..., None])
        found = _WORDS[int(probabilities.argmax())]
        loss = -math.log(max(probabilities[_WORDS.index(sample.label)], _LEAST_PROBABILITY))
        return Judgement((float(found == sample.label), 1.0), found, loss, probabilities)

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return np.asarray(totals[..., 0] / totals[..., 1])

    def _texts(self) -> dict[str, str]:
        """In the order of the files, by name within the data."""
        return {
            f"{split}/{file}": text
            for split in ("test", "train")
            for file, text in read_transcripts(self.data / _FOLDER / split).items()
        }


def keyword_features(samples: Float[NDArray[np.float32], " t"]) -> Float[NDArray[np.float32], "49 10"]:
    """Mel-frequency cepstra of the first second, divided by its largest sample.

    Source: MLPerf Tiny, benchmark/training/keyword_spotting/get_dataset.py, which takes them from tf.signal: windows of
    30 ms (Hann) every 20 ms, 40 filters from 20 Hz to 4 kHz, log of magnitudes + 1e-6, the first 10 of an orthogonal DCT.
    """
    try:
        from scipy.fft import dct
    except ImportError as err:
        raise MissingDependencyError(f"scipy cannot be imported ({err}); install it: pip install scipy") from err
    second = samples[:_SAMPLE_RATE_HZ].astype(np.float64)
    second = np.pad(second, (0, _SAMPLE_RATE_HZ - len(second)))
    second /= max(second.max(), 1e-9)
    frames = np.lib.stride_tricks.sliding_window_view(second, _WINDOW)[::_STEP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    filters = htk_filters(_FFT // 2 + 1, _NUM_FILTERS, _SAMPLE_RATE_HZ, _EDGES_HZ)
    bands = np.log(np.abs(np.fft.rfft(frames * hann, _FFT)) @ filters + 1e-6)
    cepstra = dct(bands, axis=-1) / math.sqrt(2 * _NUM_FILTERS)
    return np.asarray(cepstra[:, :_NUM_COEFFICIENTS], np.float32)
