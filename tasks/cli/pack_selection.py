"""`laconic pack --select`: a pack of a representative part of the training samples of a pack, or of what is packed now."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from laconic.codecs.errors import CodecError
from laconic.tasks.cli import batch

if TYPE_CHECKING:
    from laconic.tasks.datasets.pack_engines import PackEngine
    from laconic.tasks.datasets.pack_index import PackIndex, PackIndexOptions
    from laconic.tasks.datasets.selection import SelectionSize
    from laconic.tasks.datasets.sources.stored_pack import StoredPack

WHOLE_NAME = ".whole"  # in the output, until the selection of it is done


def selected_of_pack(
    folder: Path, options: PackIndexOptions, size: SelectionSize, *, model: str | None = None
) -> StoredPack:
    """What a selection keeps of a pack. Raises `CodecError`, also for options that would need its samples encoded again."""
    from laconic.tasks.datasets.pack_index import PackIndexOptions, read_index
    from laconic.tasks.datasets.selected_pack import selected_source

    given, usual, had = asdict(options), asdict(PackIndexOptions()), asdict(read_index(folder).options)
    for name in given:
        if name != "model" and given[name] not in (usual[name], had[name]):
            raise CodecError(
                f"{name} is {given[name]}, {folder} was packed with {had[name]}; of a pack, files are copied as they are: "
                "leave it out, or pack the original files"
            )
    return selected_source(folder, size, model=model)


def copy_selected(source: StoredPack, output: Path, engine: PackEngine) -> PackIndex:
    """Make the pack of a selection, and remove what was packed for it."""
    from laconic.tasks.datasets.selected_pack import copy_pack

    with batch.batch_progress(len(source.samples)) as advance:
        index = copy_pack(source, output, engine=engine, on_sample=advance)
    if source.stored.folder == output / WHOLE_NAME:
        shutil.rmtree(output / WHOLE_NAME)
    return index
