"""One sample of a source -> what a shard holds of it; a function of source, options and sample alone, on any machine."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import sentence_of_error
from laconic.codecs.media import Audio, Image
from laconic.codecs.models.zoo import load_model_of
from laconic.codecs.notes import collect_notes
from laconic.codecs.packing.layout import Layout
from laconic.codecs.packing.packer import leading_latent
from laconic.codecs.series_depth import SeriesDepth
from laconic.tasks.datasets.framing import read_signal
from laconic.tasks.datasets.pack_index import CONTENT_BYTES, PackIndexOptions
from laconic.tasks.datasets.shard_writer import ShardSample
from laconic.tasks.datasets.sources.pack_source import PackSource, SourceSample, open_source_signal
from laconic.tasks.datasets.targets import NO_LABEL, decode_target

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped


@dataclass(frozen=True, eq=False)
class SampleEncoder:
    """Encodes samples, each for itself, in any order and process: pickled and called elsewhere, it gives the same bytes.
    `measured`: numbers of the samples that count in the statistics of the pack."""

    source: PackSource
    options: PackIndexOptions
    measured: tuple[range, ...] = ()

    @cached_property
    def series(self) -> SeriesDepth:
        """Who knows the bit depth of 16-bit pictures that do not say it."""
        return SeriesDepth(partial(open_source_signal, self.source, sample) for sample in self.source.samples)

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self.source, "options": self.options, "measured": self.measured}

    def __call__(self, entry: tuple[int, SourceSample]) -> ShardSample:
        """A numbered sample as the shard holds it. Whatever is raised for one file is the reason why it is skipped, never
        the end of the pack: decoders of many formats stand behind this call, and each fails in its own way."""
        number, sample = entry
        try:
            return self._encoded(number, sample)
        except Exception as err:
            return ShardSample(number, sample, error=sentence_of_error(err))

    def _encoded(self, number: int, sample: SourceSample) -> ShardSample:
        kind, options = self.source.kind, self.options
        with open_source_signal(self.source, sample) as file:
            data = file.read()
        with collect_notes() as notes:
            signal = read_signal(
                io.BytesIO(data), kind, options.framing, model=options.model, series=lambda: self.series()
            )
        targets = {suffix: self.source.read_target(sample, suffix) for suffix, _ in sample.targets}
        values = {suffix: decode_target(suffix, target) for suffix, target in targets.items()}  # damage is found now
        notes += _sizes_of_masks(values.get("png"), signal)
        codec = options.codec(kind)
        latent = codec.analyze(signal)
        model = load_model_of(latent.fingerprint, options.model)
        if options.channels is not None:
            latent = leading_latent(latent, options.channels, model, Layout(profile=options.profile).file_profile)
        packed = codec.pack_with_heads(latent)
        return ShardSample(
            number=number,
            sample=sample,
            data=packed.data,
            targets=targets,
            heads=tuple(packed.head_bytes(end) for end in options.group_ends(model)),
            grid=(latent.values.shape[1], latent.values.shape[2]),
            fingerprint=latent.fingerprint.hex(),
            sums=sums_of_channels(latent.dequantize()) if any(number in some for some in self.measured) else None,
            notes=tuple(notes),
            content=_content_of(sample, self.source, data, targets),
            depth=self.series.found or 0,
        )


def _sizes_of_masks(mask: Shaped[NDArray[Any], "h w ..."] | None, signal: Image | Audio) -> Iterator[str]:
    """What is to be said of a target that has no value for each pixel, though it may be meant to."""
    if mask is None or isinstance(signal, Audio) or mask.shape[:2] == signal.samples.shape[:2]:
        return
    height, width = mask.shape[:2]
    rows, columns = signal.samples.shape[:2]
    yield (
        f"its target png has {width} x {height} pixels, the packed picture {columns} x {rows}; a mask to learn from has "
        "the same: pack without size and crop, or make masks of the size of the pictures"
    )


def sums_of_channels(values: Float[NDArray[np.float32], "d h w"]) -> Float[NDArray[np.float64], "2 d"]:
    """(2, d): of the values of each channel, and of their squares; these about the mean first, since there float32 has
    digits enough."""
    rows = values.reshape(len(values), -1)
    count = max(rows.shape[1], 1)
    mean = rows.sum(axis=1) / np.float32(count)
    apart = rows - mean[:, None]
    first = count * mean.astype(np.float64) + apart.sum(axis=1)
    squares = np.einsum("ij,ij->i", apart, apart) + mean * (2 * first - count * mean.astype(np.float64))
    return np.stack([first, squares])


def read_content(source: PackSource, sample: SourceSample) -> bytes:
    """The `content` of a sample without encoding it. Raises as the source does."""
    with open_source_signal(source, sample) as file:
        data = file.read()
    return _content_of(sample, source, data, {s: source.read_target(sample, s) for s, _ in sample.targets})


def _content_of(sample: SourceSample, source: PackSource, data: bytes, targets: Mapping[str, bytes]) -> bytes:
    """A hash of the name, class and bytes of a sample, as they were read."""
    label = None if sample.label == NO_LABEL else source.classes[sample.label]
    hashes = [hashlib.sha256(data).hexdigest()]
    hashes += [f"{suffix} {hashlib.sha256(targets[suffix]).hexdigest()}" for suffix in sorted(targets)]
    text = json.dumps([sample.source, sample.split, label, hashes])
    return hashlib.sha256(text.encode()).digest()[:CONTENT_BYTES]
