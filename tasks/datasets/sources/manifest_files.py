"""Members of a manifest: the files that it names, and the texts of its cells."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from laconic.tasks.datasets.sources.pack_source import identity_of_file, read_source_file


@dataclass(frozen=True)
class ManifestFiles:
    """A store: members are files below a folder, or texts of cells."""

    root: Path
    texts: Mapping[str, bytes] = field(default_factory=dict)

    def open_member(self, name: str) -> Path:
        return self.root / name

    def read_member(self, name: str) -> bytes:
        text = self.texts.get(name)
        return read_source_file(self.root / name) if text is None else text

    def identity_of_member(self, name: str) -> str:
        text = self.texts.get(name)
        return identity_of_file(self.root / name) if text is None else f"{len(text)}#{zlib.crc32(text):08x}"
