"""What codecs made of signals, in a folder: tasks that share pictures code them once, and so does a later run."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from laconic.codecs.codec import Codec
from laconic.codecs.media import Audio, Image
from laconic.codecs.whole_files import atomic_write
from laconic.tasks.mpq.protocol import Metric
from laconic.tasks.mpq.provenance import package_versions


@dataclass(frozen=True)
class DecodedCache:
    """Decoded signals and their metrics by codec, original and the versions of the packages that decide them.

    What cannot be read counts as absent; one sample of each task is measured again and compared (`evaluation`), so that a
    codec or metric which changed under the same version is found.
    """

    folder: Path

    def decoded(self, codec: Codec[Any], signal: Image | Audio) -> tuple[int, Image | Audio] | None:
        """The bytes of the file, and what was decoded from it."""
        path = self._path(codec, signal)
        try:
            num_bytes = int(json.loads(path.with_suffix(".json").read_bytes())["num_bytes"])
            samples = np.load(path.with_suffix(".npy"))
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            return None
        return num_bytes, Audio(samples, signal.sample_rate) if isinstance(signal, Audio) else Image(samples)

    def keep(self, codec: Codec[Any], signal: Image | Audio, num_bytes: int, decoded: Image | Audio) -> None:
        """Raises `OSError`."""
        path = self._path(codec, signal)
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = io.BytesIO()
        np.save(samples, decoded.samples)
        atomic_write(path.with_suffix(".npy"), samples.getvalue(), force=True)
        atomic_write(path.with_suffix(".json"), json.dumps({"num_bytes": num_bytes}).encode(), force=True)

    def metric_values(
        self, codec: Codec[Any], signal: Image | Audio, metric: Metric[Any]
    ) -> dict[str, float | None] | None:
        try:
            values: dict[str, float | None] = json.loads(self._metric_path(codec, signal, metric).read_bytes())
        except (OSError, ValueError):
            return None
        return values

    def keep_metric_values(
        self, codec: Codec[Any], signal: Image | Audio, metric: Metric[Any], values: dict[str, float | None]
    ) -> None:
        """Raises `OSError`."""
        path = self._metric_path(codec, signal, metric)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, json.dumps(values).encode(), force=True)

    def _metric_path(self, codec: Codec[Any], signal: Image | Audio, metric: Metric[Any]) -> Path:
        path = self._path(codec, signal)
        return path.with_name(f"{path.name}.{metric.name}.json")

    def _path(self, codec: Codec[Any], signal: Image | Audio) -> Path:
        """Without a suffix."""
        form = signal.samples.shape, str(signal.samples.dtype), getattr(signal, "sample_rate", None)
        digest = hashlib.sha256(repr((repr(codec), form, package_versions())).encode())
        digest.update(np.ascontiguousarray(signal.samples).data)
        name = digest.hexdigest()[:40]
        return self.folder / name[:2] / name
