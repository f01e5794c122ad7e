"""Data sets of signals, packs of latents made of them, and batches of packs.

    from laconic.tasks.datasets import Augmentation, LatentDataset, LatentLoader, PackIndexOptions, pack

Making packs, in reading order: `framing` (signals at one size), `splits` (which folders are splits), `targets` (what stands
beside a signal), `sources/` (what can be packed), `class_folders` (labelled folders), `sample_encoder` (one sample),
`archive` (`pack`: a source -> shards of .lcn files and an index), `shard_writer`, `pack_index` (the index).

Reading packs: `latents` (`LatentDataset`: shards -> tensors, never pixels), `latent_scaling`; `latent_loader`
(`LatentLoader`: batches by native code), `loader_options`, `batch_memory`; `augmentation` (what may happen to latents),
`latent_draws` (random numbers of items), `latent_augmenter`, `color_matrices`, `map_views` (masks that follow);
`integrations/` (other libraries).

Of packs: `stored_samples` (bytes by row), `stored_members` (what a shard says of itself), `verification`, `unpacking`
(files again), `pack_statistics`, `contact_sheet`; `selection` (which training samples represent all), `selected_pack` (a
pack of them).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from laconic.tasks.datasets.archive import pack
    from laconic.tasks.datasets.augmentation import Augmentation
    from laconic.tasks.datasets.latent_loader import LatentLoader
    from laconic.tasks.datasets.latents import LatentDataset
    from laconic.tasks.datasets.loader_options import LoaderOptions
    from laconic.tasks.datasets.pack_index import PackIndexOptions

_LAZY = {
    "Augmentation": "augmentation",
    "LatentDataset": "latents",
    "LatentLoader": "latent_loader",
    "LoaderOptions": "loader_options",
    "PackIndexOptions": "pack_index",
    "pack": "archive",
}

__all__ = ["Augmentation", "LatentDataset", "LatentLoader", "LoaderOptions", "PackIndexOptions", "pack"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"laconic.tasks.datasets.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'laconic.tasks.datasets' has no attribute {name!r}")
