"""Names of metrics -> metrics: what of a signal is measured beside the scores of the tasks.

Packages add their own by an entry point of the group "laconic.metrics": name = "module:make", where make(models) gives a
metric (`protocol.Metric`); models is the folder of the frozen models. Names of built-in metrics cannot be taken over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, cast

from laconic.codecs.arguments import items_of_argument, name_argument, path_argument
from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Audio, Image
from laconic.tasks.measures.picture_distortion import ms_ssim, psnr
from laconic.tasks.measures.sound_distortion import log_mel_distance, snr_db
from laconic.tasks.mpq.protocol import Metric

GROUP: Final = "laconic.metrics"
DEFAULT_METRICS: Final = ("psnr", "ms-ssim", "snr", "log-mel")
_MEMBERS = "name", "kind", "heads", "higher_is_better", "measure"


@dataclass(frozen=True)
class SingleMetric:
    """A metric of one value, by a function of two signals."""

    name: str
    kind: MediaKind
    value_name: str
    head: str
    higher_is_better: bool
    function: Callable[[Any, Any], float]

    @property
    def heads(self) -> Mapping[str, str]:
        return {self.value_name: self.head}

    def measure(self, original: Image | Audio, decoded: Image | Audio) -> Mapping[str, float]:
        return {self.value_name: self.function(original, decoded)}


def _log_mel(original: Audio, decoded: Audio) -> float:
    return log_mel_distance(original, decoded, original.sample_rate)


_BUILT_IN: tuple[Metric[Any], ...] = (
    SingleMetric("psnr", "image", "psnr_db", "PSNR dB", True, psnr),
    SingleMetric("ms-ssim", "image", "ms_ssim", "MS-SSIM", True, ms_ssim),
    SingleMetric("snr", "sound", "snr_db", "SNR dB", True, snr_db),
    SingleMetric("log-mel", "sound", "log_mel_db", "log-mel dB", False, _log_mel),
)


def available_metrics() -> tuple[str, ...]:
    """The names that `make_metrics` knows."""
    return tuple(dict.fromkeys((*(metric.name for metric in _BUILT_IN), *sorted(_plugins()))))


def make_metrics(names: Sequence[str], models: Path) -> list[Metric[Any]]:
    """The metrics of these names, each once; "all" stands for all of the package.

    Raises `CodecError` for an unknown name and for an entry point that makes no metric.
    """
    models = path_argument("models", models)
    texts = [name_argument("a metric", name) for name in items_of_argument("metrics", names)]
    singles = [single for name in texts for single in ([m.name for m in _BUILT_IN] if name == "all" else [name])]
    return [_make_metric(name, models) for name in dict.fromkeys(singles)]


def _make_metric(name: str, models: Path) -> Metric[Any]:
    for metric in _BUILT_IN:
        if metric.name == name:
            return metric
    plugins = _plugins()
    if name not in plugins:
        raise CodecError(f"metric {name!r} is unknown; known are {', '.join(available_metrics())} and all")
    entry = plugins[name]
    try:
        metric = entry.load()(models)
    except Exception as err:
        raise CodecError(f"metric {name!r} ({entry.value}) cannot be made: {sentence_of_error(err)}") from err
    lacking = [member for member in _MEMBERS if not hasattr(metric, member)]
    if lacking:
        raise CodecError(f"metric {name!r} ({entry.value}) has no {lacking[0]}; a metric has {', '.join(_MEMBERS)}")
    if metric.name != name:
        raise CodecError(f"metric {name!r} ({entry.value}) calls itself {metric.name!r}; its name is its entry point's")
    return cast("Metric[Any]", metric)


def _plugins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
