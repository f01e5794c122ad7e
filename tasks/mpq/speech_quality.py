"""How good would listeners call this speech? DNSMOS, which predicts their ratings without the original, on AN4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.form import MediaKind
from laconic.codecs.media import Audio
from laconic.tasks.mpq.onnx_models import run_onnx
from laconic.tasks.mpq.packaged_models import packaged_file
from laconic.tasks.mpq.protocol import Judgement, TaskSample
from laconic.tasks.mpq.sounds import mono_at, read_bare, read_transcripts

if TYPE_CHECKING:
    from jaxtyping import Float, Num

_FOLDER = "an4/test"
_SAMPLE_RATE_HZ = 16_000
_WINDOW = 144_160  # 9.01 s, what the model takes
_OVERALL = 2  # of its outputs speech, background, overall
_POLYNOMIAL = (-0.06766283, 1.11546468, 0.04602535)  # of the authors: output -> mean rating


@dataclass(frozen=True)
class SpeechQuality:
    """Utterances of `data`/an4/test. Ratings of 1 to 5 count as shares, (rating - 1) / 4; the loss is what lacks to 1.

    There is no true rating: the uncompressed score says how the recordings themselves are rated.
    """

    data: Path

    name: ClassVar[str] = "speech-quality"
    kind: ClassVar[MediaKind] = "sound"
    score_name: ClassVar[str] = "(mean opinion score - 1) / 4"
    higher_is_better: ClassVar[bool] = True
    title: ClassVar[str] = (
        "AN4 utterances (16 kHz), overall quality by DNSMOS P.835, a prediction of ratings from 1 to 5"
    )

    def keys(self) -> Sequence[str]:
        return list(read_transcripts(self.data / _FOLDER))

    def sample(self, key: str) -> TaskSample[Audio]:
        return TaskSample(key, read_bare(self.data / _FOLDER / key), None)

    def judge(self, sample: TaskSample[Audio], decoded: Audio) -> Judgement:
        rating = overall_quality(mono_at(decoded, _SAMPLE_RATE_HZ))
        share = min(max((rating - 1) / 4, 0.0), 1.0)
        return Judgement((share, 1.0), f"MOS {rating:.1f}", 1 - share)

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return np.asarray(totals[..., 0] / totals[..., 1])


def overall_quality(samples: Float[NDArray[np.float32], " t"]) -> float:
    """The predicted rating, 1 to 5, of speech at 16 kHz: the mean over windows of 9.01 s that follow one another.

    Shorter speech is repeated until it fills one; a rest is left out. The model and the polynomial are those of
    `speechmos.dnsmos` 0.0.1.1, which doubles short speech and takes windows every second instead, up to nine of them.
    Source: Reddy et al., "DNSMOS P.835", 2022. Raises `MissingDependencyError`.
    """
    path = packaged_file("speechmos", "dnsmos_models/sig_bak_ovr.onnx", install="pip install --no-deps speechmos")
    samples = np.clip(samples, -1, 1).astype(np.float32)
    windows = np.resize(samples, (max(1, len(samples) // _WINDOW), _WINDOW))
    outputs = [run_onnx(path, window)[_OVERALL] for window in windows]
    return float(np.mean(np.polyval(_POLYNOMIAL, np.array(outputs, np.float64))))
