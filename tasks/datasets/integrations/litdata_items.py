"""Latents in the streamed datasets of `litdata`: .lcn files are written as they are and decoded when they are read.

    litdata.optimize(fn, inputs, "OUT", chunk_bytes="64MB", ...)    # fn returns {"lcn": LcnItem(data), "cls": 3}
    litdata.StreamingDataset("OUT", serializers={"lcn": LcnSerializer(decoder)})

`optimize` takes serializers by its own list only, which `register_lcn_serializer` puts ours on. To decode a whole batch by
one native call, leave the decoder out and give the loader `LatentCollate(decoder)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from laconic.codecs.arguments import bytes_argument, choice_argument, settle_arguments
from laconic.codecs.errors import MissingDependencyError
from laconic.tasks.datasets.framing import framed_tensor
from laconic.tasks.datasets.integrations.latent_decoder import LatentDecoder
from laconic.tasks.datasets.stored_samples import StoredSamples
from laconic.tasks.datasets.targets import decode_target

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

LCN_FORMAT = "lcn"


@dataclass(frozen=True)
class LcnItem:
    """An .lcn file as a part of an item: what tells it from other bytes."""

    data: bytes

    def __post_init__(self) -> None:
        settle_arguments(self, data=bytes_argument("data", self.data))


@dataclass(frozen=True)
class LcnSerializer:
    """A serializer of `litdata`, by its methods: `LcnItem` to bytes; back to a latent, float32 (channels, h, w), or to the
    `LcnItem` where there is no `decoder`."""

    decoder: LatentDecoder | None = None

    def setup(self, metadata: Any) -> None:
        """Nothing is needed."""

    def can_serialize(self, data: Any) -> bool:
        return isinstance(data, LcnItem)

    def serialize(self, data: LcnItem) -> tuple[bytes, str | None]:
        return data.data, None

    def deserialize(self, data: bytes) -> LcnItem | Float[Tensor, "channels h w"]:
        item = LcnItem(bytes(data))
        return item if self.decoder is None else framed_tensor(self.decoder.array(item.data))


@dataclass(frozen=True)
class LatentCollate:
    """A `collate_fn` for items that are dicts with `LcnItem`s: the .lcn files of a batch decoded together, the rest as
    torch collates it. Raises `CodecError` for latents of different size, `BitstreamError` for damaged ones."""

    decoder: LatentDecoder

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        from torch.utils.data import default_collate

        latents = {name: value for name, value in items[0].items() if isinstance(value, LcnItem)}
        rest = [{name: value for name, value in item.items() if name not in latents} for item in items]
        decoded = {name: framed_tensor(self.decoder.arrays([item[name].data for item in items])) for name in latents}
        return {**default_collate(rest), **decoded} if rest[0] else decoded


def register_lcn_serializer() -> None:
    """Let `litdata` write `LcnItem`s, in this process and in those that it forks. Raises `MissingDependencyError`."""
    try:
        from litdata.streaming.serializers import _SERIALIZERS
    except ImportError as err:
        raise MissingDependencyError("litdata is not installed: pip install litdata") from err
    if LCN_FORMAT not in _SERIALIZERS:
        _SERIALIZERS[LCN_FORMAT] = LcnSerializer()
        _SERIALIZERS.move_to_end(LCN_FORMAT, last=False)  # before pickle, which takes everything


def litdata_items(folder: Path | str, split: str | None = None) -> Iterator[dict[str, Any]]:
    """The samples of a packed folder, or of one split, as items: {"lcn": LcnItem, "cls": the label, -1 for none, "key":
    the key, other targets of every sample: their values}. Raises `CodecError`, also for a split that is not there."""
    stored = StoredSamples(folder)
    if split is not None:
        choice_argument("split", split, stored.index.splits)
    for row in range(len(stored)):
        if split in (None, stored.split(row)):
            targets = stored.target_bytes(row).items()
            yield {
                LCN_FORMAT: LcnItem(stored.lcn(row)),
                "cls": int(stored.index.label[row]),
                "key": stored.index.key[row],
                **{suffix: decode_target(suffix, data) for suffix, data in targets},
            }
