"""How a `LatentLoader` makes batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from laconic.codecs.arguments import (
    choice_argument,
    flag_argument,
    items_of_argument,
    name_argument,
    settle_arguments,
    typed_argument,
    whole_number_argument,
)
from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.augmentation import Augmentation

BatchDtype = Literal["float32", "float16", "bfloat16"]
Sizes = Literal["same", "pad", "bucket"]
_DTYPES: Final[tuple[BatchDtype, ...]] = ("float32", "float16", "bfloat16")
_SIZES: Final[tuple[Sizes, ...]] = ("same", "pad", "bucket")
_MOST_THREADS: Final = 256
MAP_FILL: Final = 255  # of maps, where nothing of the picture is


@dataclass(frozen=True)
class LoaderOptions:
    """How a loader makes batches. `shuffle` by `seed` and epoch; `drop_last` batch where it is smaller. `augmentation`:
    what happens to latents on the way. `dtype` of the tensors. `sizes` of latents: all the "same", or, where they
    differ, "pad" to the largest of a batch with 0 below and to the right, with batches of those of like size where they are
    shuffled, or "bucket", batches of those of one size.
    `num_threads` decode one batch, while `prefetch` others wait. Of batches of `world` times the size, process
    `rank` gets its share, all as much: some items of an epoch are read twice where they do not come out even. None asks
    torch.distributed, where that is in use. `pin_memory`: as `DataLoader` does; None where there is a
    CUDA device. `maps`: suffixes of targets that have a value for each pixel, (h, w) or (h, w, c): what the augmentation
    does to the places of a picture is done to them as well and what comes in is 255. Raises `CodecError` for
    values outside."""

    shuffle: bool = True
    seed: int = 0
    drop_last: bool = False
    augmentation: Augmentation | None = None
    dtype: BatchDtype = "float32"
    sizes: Sizes = "same"
    num_threads: int = 1
    prefetch: int = 1
    rank: int | None = None
    world: int | None = None
    pin_memory: bool | None = None
    maps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            shuffle=flag_argument("shuffle", self.shuffle),
            seed=whole_number_argument("seed", self.seed, 0),
            drop_last=flag_argument("drop_last", self.drop_last),
            augmentation=typed_argument(
                "augmentation", self.augmentation, (Augmentation, type(None)), "an Augmentation or None"
            ),
            dtype=choice_argument("dtype", self.dtype, _DTYPES),
            sizes=choice_argument("sizes", self.sizes, _SIZES),
            num_threads=whole_number_argument("num_threads", self.num_threads, 1, _MOST_THREADS),
            prefetch=whole_number_argument("prefetch", self.prefetch, 0, _MOST_THREADS),
            maps=tuple(name_argument("a map", suffix) for suffix in items_of_argument("maps", self.maps)),
            pin_memory=None if self.pin_memory is None else flag_argument("pin_memory", self.pin_memory),
        )
        if (self.rank is None) != (self.world is None):
            raise CodecError(f"rank is {self.rank} and world {self.world}; allowed is both, or neither")
        if self.world is not None:
            settle_arguments(self, world=whole_number_argument("world", self.world, 1))
            settle_arguments(self, rank=whole_number_argument("rank", self.rank, 0, self.world - 1))


def loader_options_of(options: Mapping[str, Any]) -> LoaderOptions:
    """Options given by name. Raises `CodecError`."""
    allowed = LoaderOptions.__dataclass_fields__
    if unknown := sorted(set(options) - set(allowed)):
        raise CodecError(f"the option {unknown[0]!r} is none of a loader; allowed are {', '.join(allowed)}")
    return LoaderOptions(**options)
