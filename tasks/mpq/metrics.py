"""Names of metrics -> metrics: what of a signal is measured beside the scores of the tasks.

Packages add their own by an entry point of the group "laconic.metrics": name = "module:make", where make(models) gives a
metric (`protocol.Metric`); models is the folder of the frozen models. Names of built-in metrics cannot be taken over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, cast, get_args

from laconic.codecs.arguments import items_of_argument, name_argument, path_argument
from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Audio
from laconic.tasks.measures.feature_network import LITE0, LITE1, LITE2
from laconic.tasks.measures.gradient_similarity import gmsd
from laconic.tasks.measures.picture_distortion import ms_ssim, psnr, ssim
from laconic.tasks.measures.sound_distortion import log_mel_distance, si_sdr_db, snr_db
from laconic.tasks.measures.spectral_distance import stft_distance
from laconic.tasks.measures.speech_scores import PESQ_RATE_HZ, pesq_mos, stoi
from laconic.tasks.measures.ssimulacra import ssimulacra2
from laconic.tasks.mpq import lpips
from laconic.tasks.mpq.metric_kinds import FeatureMetric, SingleMetric, check_runnable, is_runnable
from laconic.tasks.mpq.protocol import Metric
from laconic.tasks.mpq.sounds import mono_at

GROUP: Final = "laconic.metrics"
DEFAULT_METRICS: Final = ("psnr", "ms-ssim", "snr", "log-mel")
_MEMBERS = "name", "kind", "heads", "higher_is_better", "measure"


def _si_sdr(original: Audio, decoded: Audio) -> float:
    return si_sdr_db(original, decoded) if original.samples.any() else math.nan


def _log_mel(original: Audio, decoded: Audio) -> float:
    return log_mel_distance(original, decoded, original.sample_rate)


def _pesq(original: Audio, decoded: Audio) -> float:
    return pesq_mos(mono_at(original, PESQ_RATE_HZ), mono_at(decoded, PESQ_RATE_HZ))


def _stoi(original: Audio, decoded: Audio) -> float:
    rate = original.sample_rate
    return stoi(mono_at(original, rate), mono_at(decoded, rate), rate)


_BUILT_IN: Final[tuple[SingleMetric | FeatureMetric, ...]] = (
    SingleMetric("psnr", "image", "psnr_db", "PSNR dB", True, psnr),
    SingleMetric("ms-ssim", "image", "ms_ssim", "MS-SSIM", True, ms_ssim),
    SingleMetric("ssim", "image", "ssim", "SSIM", True, ssim),
    SingleMetric("gmsd", "image", "gmsd", "GMSD", False, gmsd),
    SingleMetric("ssimulacra2", "image", "ssimulacra2", "SSIMULACRA2", True, ssimulacra2, ("ssimulacra2", "scipy")),
    FeatureMetric("features", LITE1),
    FeatureMetric("features-lite0", LITE0),
    FeatureMetric("features-lite2", LITE2),
    SingleMetric("snr", "sound", "snr_db", "SNR dB", True, snr_db),
    SingleMetric("si-sdr", "sound", "si_sdr_db", "SI-SDR dB", True, _si_sdr),
    SingleMetric("log-mel", "sound", "log_mel_db", "log-mel dB", False, _log_mel),
    SingleMetric("stft", "sound", "stft", "STFT distance", False, stft_distance),
    SingleMetric("pesq", "sound", "pesq_mos", "PESQ MOS", True, _pesq, ("pesq", "scipy")),
    SingleMetric("stoi", "sound", "stoi", "STOI", True, _stoi, ("pystoi", "scipy")),
)


def _built_in(models: Path) -> tuple[SingleMetric | FeatureMetric, ...]:
    path = models / lpips.FILE
    return *_BUILT_IN, SingleMetric("lpips", "image", "lpips", "LPIPS", False, lpips.Lpips(path), ("torch",), path)


def available_metrics() -> tuple[str, ...]:
    """The names that `make_metrics` knows."""
    return tuple(dict.fromkeys((*(metric.name for metric in _built_in(Path())), *sorted(_plugins()))))


def make_metrics(names: Sequence[str], models: Path) -> list[Metric[Any]]:
    """The metrics of these names, each once; "all" stands for all built-in ones whose packages and files are here.

    Raises `CodecError` for an unknown name and for an entry point that makes no metric, `MissingDependencyError` and
    `WeightsError` for a named metric whose package or file is not here.
    """
    models = path_argument("models", models)
    texts = [name_argument("a metric", name) for name in items_of_argument("metrics", names)]
    runnable = [metric.name for metric in _built_in(models) if is_runnable(metric)]
    singles = [single for name in texts for single in (runnable if name == "all" else [name])]
    metrics = [_make_metric(name, models) for name in dict.fromkeys(singles)]
    owners: dict[str, str] = {}
    for metric in metrics:
        for value in metric.heads:
            if owners.setdefault(value, metric.name) != metric.name:
                raise CodecError(
                    f"metrics {owners[value]!r} and {metric.name!r} both give {value!r}; name one of them, or rename it"
                )
    return metrics


def _make_metric(name: str, models: Path) -> Metric[Any]:
    for metric in _built_in(models):
        if metric.name == name:
            check_runnable(metric)
            return metric
    plugins = _plugins()
    if name not in plugins:
        raise CodecError(f"metric {name!r} is unknown; known are {', '.join(available_metrics())} and all")
    entry = plugins[name]
    try:
        metric = entry.load()(models)
    except Exception as err:
        raise CodecError(
            f"metric {name!r} ({entry.value}) cannot be made: {sentence_of_error(err, is_ours=False)}"
        ) from err
    lacking = [member for member in _MEMBERS if not hasattr(metric, member)]
    if lacking:
        raise CodecError(f"metric {name!r} ({entry.value}) has no {lacking[0]}; a metric has {', '.join(_MEMBERS)}")
    if metric.kind not in get_args(MediaKind):
        raise CodecError(f"metric {name!r} ({entry.value}) is of kind {metric.kind!r}; allowed are image and sound")
    if not isinstance(metric.heads, Mapping) or not metric.heads:
        raise CodecError(
            f"metric {name!r} ({entry.value}) has the heads {metric.heads!r}; allowed are names of values -> heads"
        )
    if metric.name != name:
        raise CodecError(f"metric {name!r} ({entry.value}) calls itself {metric.name!r}; its name is its entry point's")
    return cast("Metric[Any]", metric)


def _plugins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
