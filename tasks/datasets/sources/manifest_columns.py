"""What the columns of a manifest are, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.sources.manifest_rows import ManifestRow
from laconic.tasks.datasets.sources.row_targets import check_column_names, text_column_among

PATH_COLUMNS = (
    *("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "img_path"),
    *("audio", "audio_path", "audio_file", "wav", "sound", "image_file", "image_name"),
)
LABEL_COLUMNS = (
    *("label", "labels", "cls", "class", "category", "class_name", "classname", "label_name", "category_name"),
    *("class_id", "class_index", "class_idx", "label_id", "label_index", "category_id", "y", "imagenet_index", "wnid"),
    "fine_label",
)
SPLIT_COLUMNS = ("split", "subset", "partition", "set")


@dataclass(frozen=True)
class ManifestColumns:
    """What the columns of a manifest are."""

    path: str
    label: str | None
    split: str | None
    others: tuple[str, ...]
    text: str | None  # of the others, what becomes .txt

    def __str__(self) -> str:
        parts = (("files", self.path), ("classes", self.label), ("splits", self.split))
        named = [f"{what} from {column!r}" for what, column in parts if column is not None]
        return ", ".join([*named, *([f"targets from {', '.join(map(repr, self.others))}"] if self.others else [])])


def manifest_columns_of(manifest: Path, rows: Sequence[ManifestRow]) -> ManifestColumns:
    names = list(dict.fromkeys(name for _, row in rows if isinstance(row, dict) for name in row))
    if not names:
        why = next((f"; line {line}: {row}" for line, row in rows if isinstance(row, str)), "")
        raise CodecError(f"{manifest} has no rows{why}; allowed is a row for each sample")
    path = column_among(names, PATH_COLUMNS)
    if path is None:
        raise CodecError(
            f"{manifest} has the columns {', '.join(names)}, none of which names the files; name one of them path "
            f"(or {', '.join(PATH_COLUMNS[1:4])}, image, audio)"
        )
    rest = [name for name in names if name != path]
    label = column_among(rest, LABEL_COLUMNS)
    split = column_among(rest, SPLIT_COLUMNS)
    others = tuple(name for name in rest if name not in (label, split))
    check_column_names(str(manifest), others)
    return ManifestColumns(path, label, split, others, text_column_among(others))


def column_among(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The column of the first wanted name that is there."""
    known = {name.strip().casefold(): name for name in reversed(names)}
    return next((known[name] for name in wanted if name in known), None)
