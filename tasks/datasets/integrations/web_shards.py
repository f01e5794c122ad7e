"""Packs read by `webdataset`: handlers of .lcn members for its `decode`, and stages for its pipelines.

    decoder = LatentDecoder.of_pack("PACK", channels=12)
    shards = wds.WebDataset("PACK/train-{00000..00007}.tar").compose(ungrouped)
    shards.decode(LatentHandler(decoder)).to_tuple("lcn", "cls")          # one by one
    shards.shuffle(1000).compose(BatchedLatents(32, decoder))             # in batches

Shards of small samples hold many samples in one member, which `ungrouped` splits; other samples pass through it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import choice_argument, typed_argument, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.lcn import Lcn
from laconic.codecs.pictures.picture_decoder import SCALES
from laconic.tasks.datasets.framing import framed_tensor
from laconic.tasks.datasets.integrations.latent_decoder import LatentDecoder
from laconic.tasks.datasets.stored_members import lengths_in_group
from laconic.tasks.datasets.targets import LABEL_SUFFIX, MANY, NO_LABEL, decode_target

if TYPE_CHECKING:
    from jaxtyping import Float, UInt
    from torch import Tensor

_TABLE = f"{MANY}.json"
_MAX_BATCH = 1 << 20
WebSample = dict[str, Any]  # "__key__", "__url__", and the bytes of members by suffix


@dataclass(frozen=True)
class LatentHandler:
    """A handler for `decode`: .lcn members become float32 tensors (channels, h, w), others are left to other handlers."""

    decoder: LatentDecoder

    def __call__(self, key: str, data: bytes) -> Float[Tensor, "channels h w"] | None:
        return framed_tensor(self.decoder.array(data)) if _is_lcn(key) else None


@dataclass(frozen=True)
class PictureHandler:
    """A handler for `decode`: .lcn members become pictures, (h, w, c) of uint8 or uint16, at 1/`scale` of their size.
    Raises `CodecError` for a scale that is none; decoding raises what `Lcn.decode_area` does."""

    scale: int = 1
    model: str | None = None

    def __post_init__(self) -> None:
        choice_argument("scale", self.scale, SCALES)

    def __call__(self, key: str, data: bytes) -> UInt[NDArray[Any], "h w c"] | None:
        return Lcn(model=self.model).decode_area(data, scale=self.scale)[0].samples if _is_lcn(key) else None


def ungrouped(samples: Iterable[WebSample]) -> Iterator[WebSample]:
    """A stage that splits members of many samples into samples; to stand before `decode` and `shuffle`. Raises
    `CodecError` for groups that contradict themselves."""
    for sample in samples:
        if _TABLE not in sample:
            yield sample
            continue
        try:
            yield from _samples_of(sample)
        except (ValueError, KeyError, TypeError) as err:
            raise CodecError(
                f"{sample.get('__key__')} is no group of samples: {err}; remove the shard and pack again"
            ) from err


@dataclass(frozen=True)
class BatchedLatents:
    """A stage that decodes samples in batches by one native call: {"__key__": list, "lcn": float32 tensor (n, channels, h,
    w), "cls": int64 tensor (n,), -1 for none, other suffixes: lists of their values, None where a sample has none}.

    The last batch may be smaller, unless `drop_last`. A sample that is damaged goes to `handler`, as those of webdataset
    are: it returns true to go on without the sample, or raises; None raises. Raises `CodecError` for values outside, and
    for latents of different size.
    """

    batch_size: int
    decoder: LatentDecoder
    drop_last: bool = False
    handler: Callable[[Exception], bool] | None = None

    def __post_init__(self) -> None:
        whole_number_argument("batch_size", self.batch_size, 1, _MAX_BATCH)
        typed_argument("decoder", self.decoder, LatentDecoder, "a LatentDecoder")

    def __call__(self, samples: Iterable[WebSample]) -> Iterator[WebSample]:
        entries = iter(samples)
        while batch := list(islice(entries, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            decoded = self._decoded(batch)
            if decoded is not None:
                yield decoded

    def _decoded(self, batch: list[WebSample]) -> WebSample | None:
        """A batch as one sample of columns; None where nothing of it is good."""
        try:
            return self._columns(batch)
        except Exception:
            if self.handler is None:
                raise
        good = [sample for sample in batch if self._is_good(sample)]
        return self._columns(good) if good else None

    def _is_good(self, sample: WebSample) -> bool:
        try:
            self._columns([sample])
        except Exception as err:
            assert self.handler is not None
            if not self.handler(err):
                raise
            return False
        return True

    def _columns(self, batch: Sequence[WebSample]) -> WebSample:
        from torch import from_numpy

        latents = framed_tensor(self.decoder.arrays([_lcn_of(sample) for sample in batch]))
        suffixes = dict.fromkeys(name for sample in batch for name in sample if not name.startswith("__"))
        columns: WebSample = {
            name: [_value(sample, name) for sample in batch] for name in suffixes if not _is_lcn(f".{name}")
        }
        if LABEL_SUFFIX in columns:
            labels = [NO_LABEL if label is None else label for label in columns[LABEL_SUFFIX]]
            columns[LABEL_SUFFIX] = from_numpy(np.array(labels, np.int64))
        return {"__key__": [sample.get("__key__") for sample in batch], "lcn": latents, **columns}


def _samples_of(group: WebSample) -> Iterator[WebSample]:
    about = {name: value for name, value in group.items() if name.startswith("__")}
    places: dict[str, int] = {}
    for key, label, lengths in lengths_in_group(json.loads(group[_TABLE])):
        sample = {**about, "__key__": key}
        for suffix, length in lengths.items():
            first = places.get(suffix, 0)
            places[suffix] = first + length
            sample[suffix] = group[f"{suffix}.{MANY}"][first : first + length]
            if len(sample[suffix]) < length:
                raise ValueError(f"{suffix}.{MANY} ends within {key}")
        if label != NO_LABEL:
            sample[LABEL_SUFFIX] = str(label).encode()
        yield sample


def _is_lcn(key: str) -> bool:
    return key.rpartition(".")[2] == "lcn"


def _lcn_of(sample: WebSample) -> bytes:
    data = sample.get("lcn")
    if not isinstance(data, bytes):
        raise CodecError(
            f"{sample.get('__key__')} has no .lcn file in bytes, but {', '.join(map(str, sample))}; put `ungrouped` before "
            "BatchedLatents, and no decode"
        )
    return data


def _value(sample: WebSample, suffix: str) -> Any:
    value = sample.get(suffix)
    return decode_target(suffix, value) if isinstance(value, bytes) else value
