"""One sample through one codec: the only place that encodes, counts bytes, decodes and asks a task and metrics."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from laconic.codecs.codec import Codec
from laconic.codecs.errors import CodecError, MissingDependencyError, WeightsError, sentence_of_error
from laconic.codecs.media import Audio, Image
from laconic.tasks.measures.rate import bits_per_pixel, kilobits_per_second
from laconic.tasks.mpq.cache import DecodedCache
from laconic.tasks.mpq.judging import MetricError, judge, metric_values, sentences_of_failures
from laconic.tasks.mpq.operating_points import OperatingPoint
from laconic.tasks.mpq.protocol import Judgement, Metric, Task, TaskSample
from laconic.tasks.mpq.row_merging import check_same_values
from laconic.tasks.mpq.rows import UNCOMPRESSED, Row, StaleRowsError

RATE_UNITS = {"image": "bits per pixel", "sound": "kbit/s"}
_PCM_BYTES = 2  # of a sample of the uncompressed sound: the files that recordings come in have 16 bits
_LEAST_PROBABILITY = 1e-9  # in logarithms; models that give coarser ones floor them themselves


@dataclass(frozen=True)
class Measurer:
    """Measures samples of one task: with these metrics, and with what of `cache` was coded before, if there is one.

    `checks_cache`: all is measured anew, and compared with what the cache holds: `StaleRowsError`.
    """

    task: Task[Any]
    metrics: tuple[Metric[Any], ...] = ()
    cache: DecodedCache | None = None
    checks_cache: bool = False

    def rows(self, key: str, points: Sequence[OperatingPoint], *, with_anchor: bool) -> list[Row]:
        """Rows of one sample, which is loaded once: the uncompressed anchor if asked, then each point.

        Where it cannot be loaded or judged, rows of that error; only what all samples need ends the evaluation, as a
        library or a model file that lacks.
        """
        names = [UNCOMPRESSED] * with_anchor + [point.key for point in points]
        try:
            sample = self.task.sample(key)
        except MissingDependencyError:
            raise
        except Exception as err:  # decoders of many formats, each of which fails in its own way
            return self.rows_lost(key, names, sentence_of_error(err))
        try:
            anchor = judge(self.task, sample, sample.signal)
            with sentences_of_failures():
                first = self._anchor_row(sample, anchor)
        except WeightsError:
            raise
        except CodecError as err:
            return self.rows_lost(key, names, sentence_of_error(err))
        rows = [first] if with_anchor else []
        return rows + [self._coded_row(sample, anchor, point) for point in points]

    def rows_lost(self, key: str, codecs: Sequence[str], error: str) -> list[Row]:
        """Rows of a sample that could not be measured."""
        return [Row(self.task.name, codec, key, metrics=self._metric_names, error=error) for codec in codecs]

    @property
    def _metric_names(self) -> tuple[str, ...]:
        return tuple(metric.name for metric in self.metrics)

    def _anchor_row(self, sample: TaskSample[Any], judgement: Judgement) -> Row:
        signal = sample.signal
        num_bytes = uncompressed_bytes(signal)
        row = Row(self.task.name, UNCOMPRESSED, sample.key, num_bytes, _rate(signal, num_bytes))
        return replace(_judged(row, judgement, judgement), metrics=self._metric_names)

    def _coded_row(self, sample: TaskSample[Any], anchor: Judgement, point: OperatingPoint) -> Row:
        row = Row(self.task.name, point.key, sample.key, metrics=self._metric_names)
        try:
            num_bytes, decoded = self._round_trip(point.codec, sample.signal)
            row = replace(row, num_bytes=num_bytes, rate=_rate(sample.signal, num_bytes))
            row = _judged(row, judge(self.task, sample, decoded), anchor)
        except (StaleRowsError, WeightsError):
            raise
        except CodecError as err:
            return Row(self.task.name, point.key, sample.key, metrics=self._metric_names, error=sentence_of_error(err))
        return self._with_distortion(row, point.codec, sample.signal, decoded)

    def _round_trip(self, codec: Codec[Any], signal: Image | Audio) -> tuple[int, Image | Audio]:
        found = self.cache.decoded(codec, signal) if self.cache is not None else None
        if found is not None and not self.checks_cache:
            return found
        made = coded_signal(codec, signal)
        if self.cache is not None and found is not None and not _are_close(found, made):
            raise StaleRowsError(
                f"{self.cache.folder} holds another file of {codec!r} for the first sample of task {self.task.name} "
                f"({found[0]} bytes then, {made[0]} now): codec or library have changed; name another folder or delete it"
            )
        if self.cache is not None and found is None:
            self.cache.keep(codec, signal, *made)
        return made

    def _with_distortion(self, row: Row, codec: Codec[Any], signal: Image | Audio, decoded: Image | Audio) -> Row:
        values: dict[str, float | None] = {}
        failures: dict[str, str] = {}
        for metric in self.metrics:
            try:
                values |= self._values(metric, codec, signal, decoded)
            except MetricError as err:
                failures[metric.name] = sentence_of_error(err)
        measured = tuple(name for name in self._metric_names if name not in failures)
        return replace(row, metrics=measured, distortion=values, metric_errors=failures)

    def _values(
        self, metric: Metric[Any], codec: Codec[Any], signal: Image | Audio, decoded: Image | Audio
    ) -> dict[str, float | None]:
        found = self.cache.metric_values(codec, signal, metric) if self.cache is not None else None
        if found is not None and not self.checks_cache:
            return found
        values = metric_values(metric, signal, decoded)
        if self.cache is not None and found is not None:
            what = f"{self.cache.folder} holds other values of metric {metric.name} for {codec!r}"
            check_same_values(found, values, what)
        if self.cache is not None and found is None:
            self.cache.keep_metric_values(codec, signal, metric, values)
        return values


def coded_signal(codec: Codec[Any], signal: Image | Audio) -> tuple[int, Image | Audio]:
    """The bytes of the file, and what was decoded from it and nothing else: a signal of the same form.

    Raises `CodecError` whatever the codec raises or gives else, but `MissingDependencyError`.
    """
    try:
        with sentences_of_failures():
            return _coded(codec, signal)
    except (OSError, WeightsError) as err:  # of a codec these are of one sample
        raise CodecError(sentence_of_error(err)) from err


def uncompressed_bytes(signal: Image | Audio) -> int:
    """8 or 16 bits for each colour sample, 16 for each sample of a sound."""
    return signal.samples.size * (signal.samples.itemsize if isinstance(signal, Image) else _PCM_BYTES)


def _coded(codec: Codec[Any], signal: Image | Audio) -> tuple[int, Image | Audio]:
    decoder = copy.deepcopy(codec)  # made before encoding, so that nothing passes but the bytes
    encoded = codec.encode(copy.deepcopy(signal))
    if not isinstance(encoded, (bytes, bytearray, memoryview)):
        raise CodecError(f"it was encoded to {type(encoded).__name__}; allowed are bytes")
    data = bytes(encoded)  # plain bytes: a subclass could claim another length
    if not data:
        raise CodecError("it was encoded to no bytes; allowed is a file that holds what is decoded")
    decoded: Any = decoder.decode(data)
    if not isinstance(decoded, (Image, Audio)):
        raise CodecError(f"it was decoded to {type(decoded).__name__}; allowed are Image and Audio")
    form = [(type(one), one.samples.shape, one.samples.dtype, _sample_rate(one)) for one in (signal, decoded)]
    if form[0] != form[1]:
        raise CodecError(f"it was decoded to {form[1]}; allowed is what was encoded, {form[0]}")
    return len(data), decoded


def _are_close(found: tuple[int, Image | Audio], made: tuple[int, Image | Audio]) -> bool:
    """But for the last bits of sums of floats, which depend on the number of threads."""
    samples = [one[1].samples.astype(np.float64) for one in (found, made)]
    if found[0] != made[0] or samples[0].shape != samples[1].shape:
        return False
    return not samples[0].size or bool(
        np.abs(samples[0] - samples[1]).mean() <= 1e-3 * np.abs(samples[1]).mean() + 1e-6
    )


def _judged(row: Row, judgement: Judgement, anchor: Judgement) -> Row:
    """The row with what the model said. "divergence" is that of its probabilities from the anchor's, Kullback and
    Leibler's, in nats, the mean over places. Raises `CodecError` where the two are of different form."""
    scores = {} if judgement.loss is None else {"loss": round(judgement.loss, 6)}
    if len(judgement.counts) != len(anchor.counts):
        raise CodecError(f"it has {len(judgement.counts)} counts; allowed are the {len(anchor.counts)} of the original")
    before, after = anchor.probabilities, judgement.probabilities
    if before is not None and after is not None:
        if before.shape != after.shape:
            raise CodecError(f"its probabilities have shape {after.shape}; allowed is the original's, {before.shape}")
        p, q = np.maximum(before, _LEAST_PROBABILITY), np.maximum(after, _LEAST_PROBABILITY)
        scores["divergence"] = round(float(np.mean(np.sum(p * np.log(p / q), axis=-1))), 6)
    return replace(row, counts=judgement.counts, answer=judgement.answer, scores=scores)


def _sample_rate(signal: Image | Audio) -> int | None:
    return signal.sample_rate if isinstance(signal, Audio) else None


def _rate(signal: Image | Audio, num_bytes: int) -> float:
    if isinstance(signal, Audio):
        return kilobits_per_second(num_bytes, signal.duration_seconds)
    return bits_per_pixel(num_bytes, signal.samples.shape)
