"""Packs as datasets of Hugging Face's `datasets`: a feature type for .lcn files, and a transform that decodes batches.

    dataset = dataset_of_pack("PACK", "train")                                   # columns lcn, label, key, source, targets
    dataset.with_transform(LatentTransform(LatentDecoder.of_pack("PACK")))       # batches decoded by one native call
    dataset.cast_column("lcn", LcnFeature.of_decoder(decoder))                   # items decoded one by one

Such a dataset is saved to disk and to Parquet with its feature; `register_lcn_feature` lets another process read it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import choice_argument, is_path_argument, read_bytes_argument
from laconic.codecs.errors import CodecError, MissingDependencyError
from laconic.codecs.files import encode
from laconic.tasks.datasets.framing import framed_tensor
from laconic.tasks.datasets.integrations.latent_decoder import LatentDecoder
from laconic.tasks.datasets.stored_samples import StoredSamples
from laconic.tasks.datasets.targets import check_target_suffix

if TYPE_CHECKING:
    from datasets import Dataset
    from jaxtyping import Float

_TYPE_NAME = "LcnFeature"
LCN_COLUMN, LABEL_COLUMN = "lcn", "label"


@dataclass
class LcnFeature:
    """A column of .lcn files. It takes bytes, paths, and what `laconic.codecs.encode` takes, which is encoded; it gives
    latents as float32 arrays (channels, h, w), or bytes where `decode` is false. `scale`, `shift`, `channels`, `model` as
    of `LatentDecoder`."""

    channels: int = 12
    scale: list[float] | None = None
    shift: list[float] | None = None
    model: str | None = None
    decode: bool = True
    id: str | None = field(default=None, repr=False)
    dtype: ClassVar[str] = "float32"
    _type: str = field(default=_TYPE_NAME, init=False, repr=False)

    @classmethod
    def of_decoder(cls, decoder: LatentDecoder) -> LcnFeature:
        """A feature that decodes as a decoder does."""
        scale, shift = (None if values is None else list(values) for values in (decoder.scale, decoder.shift))
        return cls(decoder.channels, scale, shift, decoder.model)

    @property
    def pa_type(self) -> Any:
        """As Arrow stores it."""
        import pyarrow

        return pyarrow.binary()

    def __call__(self) -> Any:
        return self.pa_type

    def encode_example(self, value: Any) -> bytes:
        """The .lcn file of a value. Raises `CodecError` for what is none, `OSError`."""
        if isinstance(value, bytes | bytearray | memoryview) or is_path_argument(value):
            return read_bytes_argument("value", value)
        return encode(value, model=self.model)

    def decode_example(
        self, value: bytes, token_per_repo_id: object = None
    ) -> Float[NDArray[np.float32], "channels h w"]:
        """The latent of a file. Raises what `Lcn.unpack` does."""
        scale, shift = (None if values is None else tuple(values) for values in (self.scale, self.shift))
        return LatentDecoder(self.channels, scale, shift, self.model).array(value)

    def cast_storage(self, storage: Any) -> Any:
        """A column of binaries as Arrow holds this feature."""
        return storage.cast(self.pa_type)


@dataclass(frozen=True)
class LatentTransform:
    """For `with_transform`: the column of .lcn files becomes a float32 tensor (n, channels, h, w), by one native call;
    others stay as they are. Raises `CodecError` for latents of different size, `BitstreamError` for damaged ones."""

    decoder: LatentDecoder
    column: str = LCN_COLUMN

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        if self.column not in batch:
            return dict(batch)
        return {**batch, self.column: framed_tensor(self.decoder.arrays(batch[self.column]))}


def register_lcn_feature() -> None:
    """Let `datasets` read what was saved with an `LcnFeature`. Raises `MissingDependencyError`."""
    try:
        from datasets.features import features
    except ImportError as err:
        raise MissingDependencyError("datasets is not installed: pip install datasets") from err
    if features._FEATURE_TYPES.get(_TYPE_NAME) is not LcnFeature:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that this call of theirs may change
            features.register_feature(LcnFeature, _TYPE_NAME)


def dataset_of_pack(folder: Path | str, split: str | None = None, *, cache_dir: Path | str | None = None) -> Dataset:
    """A packed folder, or one split of it, as a dataset on disk: "lcn" (bytes, `LcnFeature(decode=False)`), "label" (a
    ClassLabel, None for samples without), "key", "source" and a column for each target.

    `cache_dir` as of `datasets`, which copies the samples there. Raises `CodecError` for a folder that is no pack or a
    split that it has not, `MissingDependencyError`.
    """
    register_lcn_feature()
    from datasets import Dataset

    stored = StoredSamples(folder)
    if split is not None:
        choice_argument("split", split, stored.index.splits)
    return Dataset.from_generator(
        _rows,
        features=_features(stored),
        cache_dir=None if cache_dir is None else str(cache_dir),
        gen_kwargs={"folder": str(stored.folder.resolve()), "split": split, "plan": stored.index.plan},
    )


def _rows(folder: str, split: str | None, plan: str) -> Iterator[dict[str, Any]]:
    """The rows of a dataset; `plan` names the pack, so that another in its place is another dataset."""
    stored = StoredSamples(folder)
    if stored.index.plan != plan:
        raise CodecError(f"{folder} was packed again meanwhile; open it again")
    for row in range(len(stored)):
        if split not in (None, stored.split(row)):
            continue
        targets = stored.target_bytes(row)
        values = {suffix: _target(suffix, targets.get(suffix)) for suffix in stored.index.targets}
        label = int(stored.index.label[row])
        about = {LABEL_COLUMN: None if label < 0 else label, "key": stored.index.key[row]}
        yield {LCN_COLUMN: stored.lcn(row), **about, "source": stored.index.source[row], **values}


def _features(stored: StoredSamples) -> Any:
    from datasets import ClassLabel, Features, Value
    from datasets import Image as PictureFeature

    kinds = {"txt": Value("string"), "json": Value("string"), "png": PictureFeature()}
    targets = {check_target_suffix(s): kinds.get(s.rpartition(".")[2], Value("binary")) for s in stored.index.targets}
    label = ClassLabel(names=list(stored.index.classes)) if stored.index.classes else Value("int64")
    about = {LABEL_COLUMN: label, "key": Value("string"), "source": Value("string")}
    return Features({LCN_COLUMN: LcnFeature(decode=False), **about, **targets})


def _target(suffix: str, data: bytes | None) -> Any:
    """As `datasets` takes it: texts as such, pictures and everything else as bytes."""
    return data.decode() if data is not None and suffix.rpartition(".")[2] in ("txt", "json") else data
