"""A packed folder, or some of its samples, as a source of a new pack: .lcn files are copied, nothing is encoded again."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.codecs.form import MediaKind
from laconic.codecs.lcn import Lcn
from laconic.tasks.datasets.pack_index import PackIndexOptions
from laconic.tasks.datasets.sample_encoder import read_content, sums_of_channels
from laconic.tasks.datasets.shard_writer import ShardSample
from laconic.tasks.datasets.sources.pack_source import SourceSample
from laconic.tasks.datasets.stored_samples import StoredSamples
from laconic.tasks.datasets.targets import NO_LABEL, decode_target

if TYPE_CHECKING:
    from jaxtyping import Int


# What decides how samples lie in shards, and the model, which may be named otherwise: its fingerprint is compared.
_FREE_OPTIONS = ("shard_samples", "seed", "members", "model")


@dataclass(frozen=True, eq=False)
class StoredPack:
    """The samples of a pack in these `rows` of its index. `model`: the path of the model where it is not shipped."""

    stored: StoredSamples
    rows: Int[NDArray[np.int64], " n"]
    model: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.stored.folder)

    @property
    def kind(self) -> MediaKind:
        return self.stored.index.kind

    @property
    def classes(self) -> tuple[str, ...]:
        return self.stored.index.classes

    @cached_property
    def samples(self) -> tuple[SourceSample, ...]:
        return tuple(self._sample(row) for row in self._ordered_rows)

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        return self.stored.index.skipped

    @cached_property
    def _ordered_rows(self) -> tuple[int, ...]:
        """The rows in the order of `samples`."""
        index = self.stored.index
        return tuple(sorted(self.rows.tolist(), key=lambda row: (self.stored.split(row), index.source[row], row)))

    def counts(self) -> dict[str, dict[str, int]]:
        """Samples of each class in each split, by their names."""
        labelled = [sample for sample in self.samples if sample.label != NO_LABEL]
        found = Counter((sample.split, self.classes[sample.label]) for sample in labelled)
        splits = [split for split in self.stored.index.splits if any(split == s for s, _ in found)]
        return {
            split: {name: found[split, name] for name in self.classes if (split, name) in found} for split in splits
        }

    def open_signal(self, sample: SourceSample) -> BinaryIO:
        """The .lcn file. Raises `OSError` or `CodecError`."""
        return io.BytesIO(self.stored.lcn(self.row_of(sample)))

    def read_target(self, sample: SourceSample, suffix: str) -> bytes:
        """A target file. Raises `OSError` or `CodecError`."""
        return self.stored.target_bytes(self.row_of(sample))[suffix]

    def identity(self, sample: SourceSample) -> str:
        """The pack, and where the sample is in it."""
        row = self.row_of(sample)
        return f"{self.stored.index.plan} {row} {self.stored.index.length[row]}"

    def row_of(self, sample: SourceSample) -> int:
        """Where one of `samples` is in the index. Raises `CodecError` for a pack that names samples twice."""
        return self._rows_of_samples[sample]

    def _sample(self, row: int) -> SourceSample:
        index = self.stored.index
        targets = tuple((suffix, str(row)) for suffix, column in index.targets.items() if column.offset[row] >= 0)
        return SourceSample(index.source[row], self.stored.split(row), int(index.label[row]), targets)

    @cached_property
    def _rows_of_samples(self) -> dict[SourceSample, int]:
        found = dict(zip(self.samples, self._ordered_rows, strict=True))
        if len(found) < len(self._ordered_rows):
            raise CodecError(f"{self.name} names {len(self._ordered_rows) - len(found)} samples twice; allowed is once")
        return found


@dataclass(frozen=True, eq=False)
class StoredSampleCopier:
    """What a shard of the new pack holds of each sample; in place of the encoder of samples. Raises `CodecError` for
    options that need samples encoded again."""

    source: StoredPack
    options: PackIndexOptions
    measured: tuple[range, ...] = ()  # as of `SampleEncoder`

    def __post_init__(self) -> None:
        given, had = asdict(self.options), asdict(self.source.stored.index.options)
        changed = [name for name in given if given[name] != had[name] and name not in _FREE_OPTIONS]
        if changed:
            raise CodecError(
                f"{', '.join(changed)} differ from those of {self.source.name}, whose files are copied as they are; "
                "allowed are the same, or pack the original files"
            )

    @cached_property
    def _notes(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for source, what in self.source.stored.index.notes:
            found.setdefault(source, []).append(what)
        return found

    def __call__(self, entry: tuple[int, SourceSample]) -> ShardSample:
        """A numbered sample; whatever is raised for a damaged one is the reason why it is skipped."""
        number, sample = entry
        try:
            return self._copied(number, sample, self.source.row_of(sample))
        except Exception as err:
            return ShardSample(number, sample, error=sentence_of_error(err))

    def _copied(self, number: int, sample: SourceSample, row: int) -> ShardSample:
        stored, index = self.source.stored, self.source.stored.index
        data, targets = stored.lcn(row), stored.target_bytes(row)
        for suffix, target in targets.items():
            decode_target(suffix, target)
        latent = Lcn(model=self.source.model).unpack(data, channels=index.group_ends[-1])
        is_measured = any(number in some for some in self.measured)
        return ShardSample(
            number=number,
            sample=sample,
            data=data,
            targets=targets,
            heads=tuple(index.heads[row].tolist()),
            grid=(latent.values.shape[1], latent.values.shape[2]),
            fingerprint=latent.fingerprint.hex(),
            sums=sums_of_channels(latent.dequantize()) if is_measured else None,
            notes=tuple(self._notes.get(sample.source, ())),
            content=read_content(self.source, sample),
        )
