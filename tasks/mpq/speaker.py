"""Is it still the same voice? Speakers of AN4 by the embeddings of Resemblyzer (GE2E): the nearest of ten.

Of the package resemblyzer only the weights are used: itself it imports librosa (with numba) and webrtcvad.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import MissingDependencyError
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Audio
from laconic.tasks.mpq.mel import slaney_filters
from laconic.tasks.mpq.packaged_models import packaged_file
from laconic.tasks.mpq.protocol import Judgement, TaskSample
from laconic.tasks.mpq.sounds import mono_at, read_bare, read_transcripts
from laconic.tasks.mpq.torch_models import run_network

if TYPE_CHECKING:
    from jaxtyping import Float, Num

_FOLDER = "an4/test"
_SAMPLE_RATE_HZ = 16_000
_WINDOW, _HOP, _NUM_FILTERS = 400, 160, 40
_PARTIAL_FRAMES, _PARTIAL_STEP = 160, 77  # 1.6 s, of which 1.3 begin in a second
_LEAST_COVERAGE = 0.75  # of the last part by sound
_LEAST_RMS = 10 ** (-30 / 20)  # quieter sounds are amplified to it


@dataclass(frozen=True)
class Voice:
    """Who speaks, and the embedding (256,) of the original."""

    speaker: str
    embedding: Float[NDArray[np.float32], " 256"]


@dataclass(frozen=True)
class Speaker:
    """Utterances of `data`/an4/test. The answer is the speaker whose other utterances, as originals, are nearest.

    The loss is 1 - the cosine of the embeddings of the decoded and the original utterance.
    """

    data: Path

    name: ClassVar[str] = "speaker"
    kind: ClassVar[MediaKind] = "sound"
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    title: ClassVar[str] = "AN4 utterances (16 kHz), the nearest of its 10 speakers by Resemblyzer (GE2E, float)"

    def keys(self) -> Sequence[str]:
        return list(read_transcripts(self.data / _FOLDER))

    def sample(self, key: str) -> TaskSample[Audio]:
        signal = read_bare(self.data / _FOLDER / key)
        return TaskSample(key, signal, Voice(_speaker(key), _enrolled(self.data)[key]))

    def judge(self, sample: TaskSample[Audio], decoded: Audio) -> Judgement:
        found = voice_embedding(mono_at(decoded, _SAMPLE_RATE_HZ))
        centroids = _centroids(_enrolled(self.data), without=sample.key)
        best = max(centroids, key=lambda speaker: float(centroids[speaker] @ found))
        loss = max(0.0, 1 - float(found @ sample.label.embedding))
        return Judgement((float(best == sample.label.speaker), 1.0), best, loss)

    def aggregate(self, totals: Num[NDArray[Any], "*n k"]) -> Float[NDArray[Any], "*n"]:
        return np.asarray(totals[..., 0] / totals[..., 1])


def _speaker(key: str) -> str:
    """Files are named by sentence, speaker and session: "an406-fcaw-b.flac"."""
    return key.split("-")[1]


def _centroids(embeddings: dict[str, NDArray[np.float32]], *, without: str) -> dict[str, NDArray[np.float32]]:
    """Of unit length, by speaker; an utterance does not speak for itself."""
    voices: dict[str, list[NDArray[np.float32]]] = {}
    for key, embedding in embeddings.items():
        if key != without:
            voices.setdefault(_speaker(key), []).append(embedding)
    return {speaker: _unit(np.mean(one, axis=0)) for speaker, one in voices.items()}


@lru_cache(maxsize=2)
def _enrolled(data: Path) -> dict[str, NDArray[np.float32]]:
    folder = data / _FOLDER
    return {key: voice_embedding(mono_at(read_bare(folder / key), _SAMPLE_RATE_HZ)) for key in read_transcripts(folder)}


def voice_embedding(samples: Float[NDArray[np.float32], " t"]) -> Float[NDArray[np.float32], " 256"]:
    """The embedding, of unit length, of an utterance at 16 kHz: the mean over parts of 1.6 s.

    As `VoiceEncoder.embed_utterance` of resemblyzer 0.1.4 with its amplification, but silence is not cut out.
    Source: Wan et al., "Generalized end-to-end loss for speaker verification", 2018. Raises `MissingDependencyError`.
    """
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    if 0 < rms < _LEAST_RMS:
        samples = samples * np.float32(_LEAST_RMS / rms)
    starts = _part_starts(len(samples))
    end = (starts[-1] + _PARTIAL_FRAMES) * _HOP
    mels = mel_powers(np.pad(samples, (0, max(0, end - len(samples)))))
    parts = [run_network(_encoder(), mels[start : start + _PARTIAL_FRAMES]) for start in starts]
    return _unit(np.mean([_unit(part) for part in parts], axis=0))


def _part_starts(num_samples: int) -> list[int]:
    """In frames; the last part is left out where too little of it is sound, but for the only one."""
    num_frames = -(-(num_samples + 1) // _HOP)
    starts = list(range(0, max(1, num_frames - _PARTIAL_FRAMES + _PARTIAL_STEP + 1), _PARTIAL_STEP))
    covered = (num_samples - starts[-1] * _HOP) / (_PARTIAL_FRAMES * _HOP)
    return starts[:-1] if covered < _LEAST_COVERAGE and len(starts) > 1 else starts


def mel_powers(samples: Float[NDArray[np.float32], " t"]) -> Float[NDArray[np.float32], "frames 40"]:
    """Powers of 40 mel bands, every 10 ms, of windows of 25 ms (Hann) around it, as librosa's."""
    padded = np.pad(samples, _WINDOW // 2).astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    powers = np.abs(np.fft.rfft(frames * hann)) ** 2
    return np.asarray(powers @ slaney_filters(_WINDOW // 2 + 1, _NUM_FILTERS, _SAMPLE_RATE_HZ), np.float32)


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)


@lru_cache(maxsize=1)
def _encoder() -> Any:
    """(1, frames, 40) powers -> (1, 256), not of unit length."""
    path = packaged_file("resemblyzer", "pretrained.pt", install="pip install --no-deps resemblyzer")
    try:
        import torch
    except ImportError as err:
        raise MissingDependencyError(
            f"torch, which runs {path.name}, cannot be imported ({err}); install it: pip install torch"
        ) from err
    weights = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    lstm, linear = torch.nn.LSTM(_NUM_FILTERS, 256, 3, batch_first=True), torch.nn.Linear(256, 256)
    for module, prefix in ((lstm, "lstm."), (linear, "linear.")):
        module.load_state_dict({name.removeprefix(prefix): one for name, one in weights.items() if prefix in name})
    return lambda mels: torch.relu(linear(lstm(mels)[1][0][-1]))
