"""Samples to look at: the model answers otherwise after one codec than after another, at about the same rate.

For each curve of another codec than the reference's (or of each other curve, where there is no other codec), the pair of
operating points, one of it and one of the reference, that differ the most in their answers among those of about equal rate.
Of a pair, samples that the reference keeps better and samples that it keeps worse alternate, those of the largest
difference first. They are examples; what is measured stands in the tables.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from laconic.codecs.media import Image
from laconic.tasks.mpq.bd import reference_curve
from laconic.tasks.mpq.cache import DecodedCache
from laconic.tasks.mpq.evaluation import Rows, points_of_evaluation
from laconic.tasks.mpq.intervals import LEAST_SAMPLES, compare
from laconic.tasks.mpq.judging import scores_of_task
from laconic.tasks.mpq.measurement import RATE_UNITS
from laconic.tasks.mpq.operating_points import OperatingPoint
from laconic.tasks.mpq.protocol import Task
from laconic.tasks.mpq.rows import UNCOMPRESSED, Row
from laconic.tasks.mpq.sample_values import SCORE, CurveValues, TaskValues, task_values

if TYPE_CHECKING:
    from jaxtyping import Float

Array = NDArray[np.float64]

MOST_SAMPLES: Final = 12
_MOST_RATE_RATIO = 1.15  # of two points that are said to be of about the same rate
_SIDE = 256  # of a picture in the report: 36 of them are half a megabyte
_JPEG_QUALITY = 85
_MOST_LETTERS = 160


@dataclass(frozen=True)
class Shown:
    """One version of a sample: `picture` is a small JPEG file, None of sounds and where it could not be made again."""

    spec: str
    num_bytes: int
    answer: str
    score: float
    picture: bytes | None


@dataclass(frozen=True)
class FlippedSample:
    """The uncompressed sample, and after the reference's and the other codec's point."""

    sample: str
    original: Shown
    ours: Shown
    peer: Shown


@dataclass(frozen=True)
class PairOfPoints:
    """What the answers of two points differ in over all n samples; `difference`: the score of ours less the peer's."""

    ours: str
    peer: str
    rates: tuple[float, float]
    num_samples: int
    num_ours_better: int
    num_peer_better: int
    difference: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Gallery:
    task: str
    rate_unit: str
    score_name: str
    pairs: tuple[PairOfPoints, ...]
    samples: tuple[FlippedSample, ...]


@dataclass(frozen=True)
class _Pair:
    """Points `first` of the reference and `second` of another curve, and each sample's (n,) scores, more is better."""

    reference: CurveValues
    first: int
    peer: CurveValues
    second: int
    scores: Float[Array, "2 n"]
    losses: Float[Array, "2 n"]

    @property
    def gaps(self) -> Float[Array, " n"]:
        """(n,) of the score, ours less the peer's."""
        return np.asarray(self.scores[0] - self.scores[1])

    def ordered(self, *, peer_first: bool) -> list[int]:
        """Samples whose scores differ, those that ours keeps better and the others in turn, the largest gap first; among
        equal gaps that of the losses decides."""
        by_loss = np.abs(self.losses[0] - self.losses[1])
        order = np.lexsort((-by_loss, -np.abs(self.gaps))).tolist()
        sides = [[at for at in order if sign * self.gaps[at] > 0] for sign in ((-1, 1) if peer_first else (1, -1))]
        turns = [one for pair in zip(*sides, strict=False) for one in pair]
        return turns + max(sides, key=len)[len(turns) // 2 :]


def flipped_samples(
    task: Task[Any],
    points: Sequence[OperatingPoint],
    rows: Rows,
    *,
    cache: Path | None = None,
    num_samples: int = MOST_SAMPLES,
) -> Gallery:
    """At most `num_samples` samples of a task, each once, from the rows that `evaluate` returned and the decoded signals of
    its `cache`; what is not there is coded again."""
    values = task_values(task, points, rows)
    pairs = _pairs(values)
    chosen: dict[int, _Pair] = {}
    queues = [(pair, pair.ordered(peer_first=number % 2 == 1)) for number, pair in enumerate(pairs)]
    for rank in range(max((len(queue) for _, queue in queues), default=0)):
        for pair, queue in queues:
            for at in queue[rank : rank + 1]:
                if len(chosen) < num_samples:
                    chosen.setdefault(at, pair)
    shower = _Shower(task, points_of_evaluation(task, points), rows, DecodedCache(cache) if cache else None)
    samples = [shower.sample(values.samples[at], *_specs(pair)) for at, pair in chosen.items()]
    summaries = [_summary(values, pair) for pair in pairs]
    return Gallery(task.name, RATE_UNITS[task.kind], task.score_name, tuple(summaries), tuple(samples))


def gallery_sentences(gallery: Gallery) -> list[str]:
    """What the two points of each pair differ in."""
    sentences = []
    for pair in gallery.pairs:
        rates = f"{pair.rates[0]:.3g} and {pair.rates[1]:.3g} {gallery.rate_unit}"
        head = f"{pair.ours} and {pair.peer} at {rates}: of n = {pair.num_samples} samples"
        counts = f"{head} {pair.num_ours_better} are better after the first and {pair.num_peer_better} after the second"
        if pair.num_samples < LEAST_SAMPLES:
            sentences.append(f"{counts}; n = {pair.num_samples} is too few to say more")
        else:
            interval = f"[{100 * pair.interval[0]:+.1f}, {100 * pair.interval[1]:+.1f}]"
            sentences.append(f"{counts}; {gallery.score_name} {100 * pair.difference:+.1f} points {interval}")
    return sentences


def _pairs(values: TaskValues) -> list[_Pair]:
    """Of the reference with each peer that has a point of about the same rate."""
    chosen = reference_curve([curve.curve for curve in values.curves])
    reference = next((curve for curve in values.curves if curve.curve == chosen), None)
    if reference is None:
        return []
    others = [curve for curve in values.curves if curve is not reference]
    codec = reference.curve.split(":")[0]
    pairs = []
    for peer in [curve for curve in others if curve.curve.split(":")[0] != codec] or others:
        ratios = np.log(peer.rates.mean(axis=1)) - np.log(reference.rates.mean(axis=1))[:, None]
        near = np.argwhere(np.abs(ratios) <= np.log(_MOST_RATE_RATIO)).tolist()
        found = [_pair(values, reference, first, peer, second) for first, second in near]
        if found:
            pairs.append(max(found, key=lambda pair: float(np.abs(pair.gaps).sum())))
    return pairs


def _pair(values: TaskValues, reference: CurveValues, first: int, peer: CurveValues, second: int) -> _Pair:
    measures = {measure.name: measure for measure in values.of_model}
    score = measures[SCORE]
    scores, losses = (
        np.stack([values.of_samples(reference, one)[first], values.of_samples(peer, one)[second]])
        for one in (score, measures.get("loss", score))
    )
    return _Pair(reference, first, peer, second, score.sign * scores, losses)


def _specs(pair: _Pair) -> tuple[str, str]:
    return pair.reference.specs[pair.first], pair.peer.specs[pair.second]


def _summary(values: TaskValues, pair: _Pair) -> PairOfPoints:
    ours, peer = pair.reference.counts[pair.first], pair.peer.counts[pair.second]
    found = compare(ours, peer, partial(scores_of_task, values.task), seed=0)
    rates = float(pair.reference.rates[pair.first].mean()), float(pair.peer.rates[pair.second].mean())
    better = int((pair.gaps > 0).sum()), int((pair.gaps < 0).sum())
    return PairOfPoints(*_specs(pair), rates, len(ours), *better, found.difference, found.difference_interval)


@dataclass(frozen=True)
class _Shower:
    """Makes samples of a task visible."""

    task: Task[Any]
    points: Sequence[OperatingPoint]
    rows: Rows
    cache: DecodedCache | None

    def sample(self, key: str, ours: str, peer: str) -> FlippedSample:
        signal = self._picture(key)
        original = self._shown(self.rows[self.task.name, UNCOMPRESSED, key], UNCOMPRESSED, signal)
        return FlippedSample(key, original, *(self._coded(key, spec, signal) for spec in (ours, peer)))

    def _picture(self, key: str) -> Image | None:
        """None of sounds, and where it was read before and cannot be now: a report must not fail for the want of it."""
        try:
            signal = self.task.sample(key).signal if self.task.kind == "image" else None
        except Exception:  # decoders of many formats, each of which fails in its own way
            return None
        return signal if isinstance(signal, Image) else None

    def _coded(self, key: str, spec: str, signal: Image | None) -> Shown:
        point = next(point for point in self.points if point.spec == spec)
        decoded = self._decoded(point, signal) if signal is not None else None
        return self._shown(self.rows[self.task.name, point.key, key], spec, decoded)

    def _shown(self, row: Row, spec: str, picture: Image | None) -> Shown:
        score = float(scores_of_task(self.task, np.array(row.counts, np.float64)))
        answer = row.answer if len(row.answer) <= _MOST_LETTERS else f"{row.answer[:_MOST_LETTERS]} …"
        return Shown(spec, row.num_bytes, answer, score, small_jpeg(picture) if picture is not None else None)

    def _decoded(self, point: OperatingPoint, signal: Image) -> Image | None:
        """None where the codec took this picture before and does not any more."""
        found = self.cache.decoded(point.codec, signal) if self.cache is not None else None
        try:
            decoded = point.codec.decode(point.codec.encode(copy.deepcopy(signal))) if found is None else found[1]
        except Exception:  # whatever a codec raises
            return None
        return decoded if isinstance(decoded, Image) else None


def small_jpeg(image: Image) -> bytes:
    """The picture as a JPEG file of at most 256 pixels a side."""
    picture = image.to_pillow().convert("RGB")
    picture.thumbnail((_SIDE, _SIDE), PillowImage.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()
