"""One sample through one codec: the only place that encodes, counts bytes, decodes and asks a task."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

from laconic.codecs.codec import Codec
from laconic.codecs.errors import CodecError, MissingDependencyError, sentence_of_error
from laconic.codecs.media import Audio, Image
from laconic.tasks.measures.picture_distortion import ms_ssim, psnr
from laconic.tasks.measures.rate import bits_per_pixel, kilobits_per_second
from laconic.tasks.measures.sound_distortion import log_mel_distance, snr_db
from laconic.tasks.mpq.operating_points import OperatingPoint
from laconic.tasks.mpq.protocol import Task, TaskSample
from laconic.tasks.mpq.rows import UNCOMPRESSED, Row

RATE_UNITS = {"image": "bits per pixel", "sound": "kbit/s"}
DISTORTIONS = {"image": ("psnr_db", "ms_ssim"), "sound": ("snr_db", "log_mel_db")}
_PCM_BYTES = 2  # of a sample of the uncompressed sound: the files that recordings come in have 16 bits


def measure(task: Task[Any], key: str, points: Sequence[OperatingPoint], *, with_anchor: bool) -> list[Row]:
    """Rows of one sample, which is loaded once: the uncompressed anchor if asked, then each point.

    Where it cannot be loaded, rows of that error; only what all samples need ends the evaluation, as a library that lacks.
    """
    try:
        sample = task.sample(key)
    except MissingDependencyError:
        raise
    except Exception as err:  # decoders of many formats, each of which fails in its own way
        names = [UNCOMPRESSED] * with_anchor + [point.key for point in points]
        return rows_lost_in_measurement(task, key, names, sentence_of_error(err))
    rows = [_anchor(task, sample)] if with_anchor else []
    return rows + [_coded(task, sample, point) for point in points]


def rows_lost_in_measurement(task: Task[Any], key: str, codecs: Sequence[str], error: str) -> list[Row]:
    """Rows of a sample that could not be measured."""
    return [Row(task.name, codec, key, error=error) for codec in codecs]


def _anchor(task: Task[Any], sample: TaskSample[Any]) -> Row:
    signal = sample.signal
    num_bytes = signal.samples.size * (signal.samples.itemsize if isinstance(signal, Image) else _PCM_BYTES)
    judgement = task.judge(sample, signal)
    rate = _rate(signal, num_bytes)
    return Row(task.name, UNCOMPRESSED, sample.key, num_bytes, rate, judgement.counts, judgement.answer)


def _coded(task: Task[Any], sample: TaskSample[Any], point: OperatingPoint) -> Row:
    decoder = copy.deepcopy(point.codec)  # made before encoding, so that nothing passes but the bytes
    try:
        data, decoded = _round_trip(point.codec, decoder, sample.signal)
    except MissingDependencyError:
        raise
    except Exception as err:  # whatever a codec raises on one sample
        return Row(task.name, point.key, sample.key, error=sentence_of_error(err))
    judgement = task.judge(sample, decoded)
    return Row(
        task.name,
        point.key,
        sample.key,
        len(data),
        _rate(sample.signal, data),
        judgement.counts,
        judgement.answer,
        _distortion(sample.signal, decoded),
    )


def _round_trip(codec: Codec[Any], decoder: Codec[Any], signal: Image | Audio) -> tuple[bytes, Image | Audio]:
    data = bytes(codec.encode(copy.deepcopy(signal)))  # plain bytes: a subclass could claim another length
    decoded = decoder.decode(data)
    form = [(type(value), value.samples.shape, value.samples.dtype, _sample_rate(value)) for value in (signal, decoded)]
    if form[0] != form[1]:
        raise CodecError(f"it was decoded to {form[1]}; allowed is what was encoded, {form[0]}")
    return data, decoded


def _sample_rate(signal: Image | Audio) -> int | None:
    return signal.sample_rate if isinstance(signal, Audio) else None


def _rate(signal: Image | Audio, data: bytes | int) -> float:
    if isinstance(signal, Audio):
        return kilobits_per_second(data, signal.duration_seconds)
    return bits_per_pixel(data, signal.samples.shape)


def _distortion(signal: Image | Audio, decoded: Image | Audio) -> dict[str, float | None]:
    measures: dict[str, Callable[[], float]]
    if isinstance(signal, Audio):
        assert isinstance(decoded, Audio)
        measures = {
            "snr_db": lambda: snr_db(signal, decoded),
            "log_mel_db": lambda: log_mel_distance(signal, decoded, signal.sample_rate),
        }
    else:
        assert isinstance(decoded, Image)
        measures = {"psnr_db": lambda: psnr(signal, decoded), "ms_ssim": lambda: ms_ssim(signal, decoded)}
    values: dict[str, float | None] = {}
    for name, compute in measures.items():
        try:
            value = compute()
        except CodecError:  # a picture too small for MS-SSIM
            continue
        if value != -math.inf:  # the SNR of a silent original
            values[name] = round(value, 6) if math.isfinite(value) else None
    return values
