"""The bytes of the samples of a packed folder: .lcn files and target files, by their rows in the index."""

from __future__ import annotations

from pathlib import Path

from laconic.codecs.arguments import path_argument
from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.pack_index import PackIndex, read_index


class StoredSamples:
    """Reads files of samples. Nothing is open between calls, so one may be used from threads. Raises `CodecError` for a
    folder that is no finished pack."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = path_argument("folder", folder)
        self.index: PackIndex = read_index(folder)

    def __len__(self) -> int:
        return len(self.index)

    def split(self, row: int) -> str:
        """The split that a sample belongs to."""
        split: str = self.index.shards[self.index.shard[row]].split
        return split

    def class_name(self, row: int) -> str | None:
        """The class of a sample, None for one without."""
        label = int(self.index.label[row])
        return None if label < 0 else self.index.classes[label]

    def lcn(self, row: int) -> bytes:
        """The .lcn file of a sample. Raises `CodecError` where its shard ends before, `OSError`."""
        return self._read(row, int(self.index.offset[row]), int(self.index.length[row]))

    def target_bytes(self, row: int) -> dict[str, bytes]:
        """The target files of a sample beside its label, by suffix. Raises `CodecError`, `OSError`."""
        columns = self.index.targets.items()
        return {
            suffix: self._read(row, int(column.offset[row]), int(column.length[row]))
            for suffix, column in columns
            if column.offset[row] >= 0
        }

    def _read(self, row: int, offset: int, num_bytes: int) -> bytes:
        path = self.folder / self.index.shards[self.index.shard[row]].name
        with path.open("rb") as file:
            file.seek(offset)
            data: bytes = file.read(num_bytes)
        if len(data) < num_bytes:
            raise CodecError(
                f"{path.name} ends within it; bring the shard back from a copy, or remove it and run "
                "the same `laconic pack` again"
            )
        return data
