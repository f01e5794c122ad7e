"""One sample through one codec: the only place that encodes, counts bytes, decodes and asks a task and metrics."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from laconic.codecs.codec import Codec
from laconic.codecs.errors import CodecError, MissingDependencyError, sentence_of_error
from laconic.codecs.media import Audio, Image
from laconic.tasks.measures.rate import bits_per_pixel, kilobits_per_second
from laconic.tasks.mpq.cache import DecodedCache
from laconic.tasks.mpq.operating_points import OperatingPoint
from laconic.tasks.mpq.protocol import Judgement, Metric, Task, TaskSample
from laconic.tasks.mpq.rows import UNCOMPRESSED, Row

RATE_UNITS = {"image": "bits per pixel", "sound": "kbit/s"}
_PCM_BYTES = 2  # of a sample of the uncompressed sound: the files that recordings come in have 16 bits
_LEAST_PROBABILITY = 1e-9  # in logarithms; models that give coarser ones floor them themselves


@dataclass(frozen=True)
class Measurer:
    """Measures samples of one task: with these metrics, and with what of `cache` was coded before, if there is one."""

    task: Task[Any]
    metrics: tuple[Metric[Any], ...] = ()
    cache: DecodedCache | None = None

    def rows(self, key: str, points: Sequence[OperatingPoint], *, with_anchor: bool) -> list[Row]:
        """Rows of one sample, which is loaded once: the uncompressed anchor if asked, then each point.

        Where it cannot be loaded, rows of that error; only what all samples need ends the evaluation, as a library that
        lacks.
        """
        try:
            sample = self.task.sample(key)
        except MissingDependencyError:
            raise
        except Exception as err:  # decoders of many formats, each of which fails in its own way
            names = [UNCOMPRESSED] * with_anchor + [point.key for point in points]
            return self.rows_lost(key, names, sentence_of_error(err))
        anchor = self.task.judge(sample, sample.signal)
        rows = [self._anchor_row(sample, anchor)] if with_anchor else []
        return rows + [self._coded_row(sample, anchor, point) for point in points]

    def rows_lost(self, key: str, codecs: Sequence[str], error: str) -> list[Row]:
        """Rows of a sample that could not be measured."""
        return [Row(self.task.name, codec, key, metrics=self._metric_names, error=error) for codec in codecs]

    @property
    def _metric_names(self) -> tuple[str, ...]:
        return tuple(metric.name for metric in self.metrics)

    def _anchor_row(self, sample: TaskSample[Any], judgement: Judgement) -> Row:
        signal = sample.signal
        num_bytes = signal.samples.size * (signal.samples.itemsize if isinstance(signal, Image) else _PCM_BYTES)
        row = Row(self.task.name, UNCOMPRESSED, sample.key, num_bytes, _rate(signal, num_bytes))
        return replace(_judged(row, judgement, judgement), metrics=self._metric_names)

    def _coded_row(self, sample: TaskSample[Any], anchor: Judgement, point: OperatingPoint) -> Row:
        row = Row(self.task.name, point.key, sample.key, metrics=self._metric_names)
        try:
            num_bytes, decoded = self._round_trip(point.codec, sample.signal)
        except MissingDependencyError:
            raise
        except Exception as err:  # whatever a codec raises on one sample
            return replace(row, error=sentence_of_error(err))
        row = replace(row, num_bytes=num_bytes, rate=_rate(sample.signal, num_bytes))
        row = _judged(row, self.task.judge(sample, decoded), anchor)
        return replace(row, distortion=self._distortion(point.codec, sample.signal, decoded))

    def _round_trip(self, codec: Codec[Any], signal: Image | Audio) -> tuple[int, Image | Audio]:
        found = self.cache.decoded(codec, signal) if self.cache is not None else None
        if found is not None:
            return found
        decoder = copy.deepcopy(codec)  # made before encoding, so that nothing passes but the bytes
        data = bytes(codec.encode(copy.deepcopy(signal)))  # plain bytes: a subclass could claim another length
        decoded = decoder.decode(data)
        form = [(type(one), one.samples.shape, one.samples.dtype, _sample_rate(one)) for one in (signal, decoded)]
        if form[0] != form[1]:
            raise CodecError(f"it was decoded to {form[1]}; allowed is what was encoded, {form[0]}")
        if self.cache is not None:
            self.cache.keep(codec, signal, len(data), decoded)
        return len(data), decoded

    def _distortion(self, codec: Codec[Any], signal: Image | Audio, decoded: Image | Audio) -> dict[str, float | None]:
        values: dict[str, float | None] = {}
        for metric in self.metrics:
            found = self.cache.metric_values(codec, signal, metric) if self.cache is not None else None
            if found is None:
                found = _values(metric, signal, decoded)
                if self.cache is not None:
                    self.cache.keep_metric_values(codec, signal, metric, found)
            values |= found
        return values


def _judged(row: Row, judgement: Judgement, anchor: Judgement) -> Row:
    """The row with what the model said. "divergence" is that of its probabilities from the anchor's, Kullback and
    Leibler's, in nats, the mean over places."""
    scores = {} if judgement.loss is None else {"loss": round(float(judgement.loss), 6)}
    before, after = anchor.probabilities, judgement.probabilities
    if before is not None and after is not None:
        p, q = np.maximum(before, _LEAST_PROBABILITY), np.maximum(after, _LEAST_PROBABILITY)
        scores["divergence"] = round(float(np.mean(np.sum(p * np.log(p / q), axis=-1))), 6)
    return replace(row, counts=judgement.counts, answer=judgement.answer, scores=scores)


def _values(metric: Metric[Any], signal: Image | Audio, decoded: Image | Audio) -> dict[str, float | None]:
    """None stands for infinite values; those that are not defined are left out."""
    try:
        found = metric.measure(signal, decoded)
    except MissingDependencyError:
        raise
    except CodecError:  # a picture too small for MS-SSIM
        return {}
    # -inf is the SNR of a silent original
    defined = {name: float(value) for name, value in found.items() if value != -math.inf and not math.isnan(value)}
    return {name: round(value, 6) if math.isfinite(value) else None for name, value in defined.items()}


def _sample_rate(signal: Image | Audio) -> int | None:
    return signal.sample_rate if isinstance(signal, Audio) else None


def _rate(signal: Image | Audio, num_bytes: int) -> float:
    if isinstance(signal, Audio):
        return kilobits_per_second(num_bytes, signal.duration_seconds)
    return bits_per_pixel(num_bytes, signal.samples.shape)
