"""A pack -> a smaller one of a representative part of its training samples: `laconic pack PACK -o OUT --select 30%`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from laconic.codecs.arguments import path_argument, typed_argument
from laconic.codecs.errors import CodecError
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.pack_engines import PackEngine
from laconic.tasks.datasets.pack_index import PackIndex
from laconic.tasks.datasets.selection import SelectionSize, selected_rows, selection_channels, training_rows
from laconic.tasks.datasets.sources.stored_pack import StoredPack
from laconic.tasks.datasets.stored_samples import StoredSamples


def selected_source(folder: Path | str, size: SelectionSize, *, model: str | None = None) -> StoredPack:
    """The samples of a packed folder that a selection keeps; validation and test samples all stay. Raises `CodecError` for
    what is no pack, `BitstreamError` for damaged training samples: `laconic verify` names them."""
    stored = StoredSamples(folder)
    dataset = LatentDataset(folder, channels=selection_channels(len(stored.index.mean)), model=model, scaling="none")
    rows = selected_rows(dataset, size)
    num_train = len(training_rows(stored.index))
    num_kept = num_train - (len(stored) - len(rows))
    return StoredPack(stored, rows, model, (f"{num_kept} of {num_train} training samples are selected",))


def copy_pack(
    source: StoredPack,
    output: Path | str,
    *,
    engine: PackEngine | None = None,
    on_sample: Callable[[int], None] | None = None,
) -> PackIndex:
    """A new pack of samples of another, made as `archive.pack` makes one, on `engine`, with statistics of its own; what an
    earlier, killed call did is kept. Raises as that does, and `CodecError` for an output inside the pack."""
    typed_argument("source", source, StoredPack, "a StoredPack")
    output = path_argument("output", output)
    if output.resolve().is_relative_to(source.stored.folder.resolve()):
        raise CodecError(f"{output} lies in the pack that is copied; allowed is a folder outside of {source.name}")
    options = replace(source.stored.index.options, model=source.model)
    return archive.pack(source, output, options, engine=engine, on_sample=on_sample)
