"""Columns of a table as targets of a sample: which suffix a column gets, and a cell as the bytes of a target file.

    caption, text, transcript, sentence   text               -> .txt, where one column of these is there
    json, txt, boxes.json, note.txt       as they are named  -> .json .txt .boxes.json .note.txt
    mask, mask_path, depth_file           name a file        -> .mask.png .depth.npy: the column, the file's extension
    target, target_path                   name a file        -> .png .npy: the file's extension
    any other                             text               -> .<column>.txt
                                          other values       -> .<column>.json

Names become lower case, with - for what a suffix cannot hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.sources.stored_source import extension_of_member
from laconic.tasks.datasets.targets import LABEL_SUFFIX

_TEXT_COLUMNS = ("txt", "text", "caption", "transcript", "transcription", "sentence")
_FILE_COLUMNS = ("mask", "target")
_FILE_ENDINGS = ("_path", "_file")
_INLINE = ("txt", "json")
_FILE_SUFFIXES = ("png", "npy")  # as targets are decoded by, so a column with such a name means it
_UNFIT = re.compile(r"[^a-z0-9_.-]+")
_OWN = ("lcn", LABEL_SUFFIX)


def names_target_files(column: str) -> bool:
    """Whether the cells of a column are paths of target files.

    >>> [names_target_files(name) for name in ("mask", "depth_path", "depth.png", "caption")]
    [True, True, True, False]
    """
    name = suffix_of_column(column)
    return name in _FILE_COLUMNS or name.endswith(_FILE_ENDINGS) or name.split(".")[-1] in _FILE_SUFFIXES


def suffix_of_target_file(column: str, file: str) -> str:
    """The suffix of a target file that a cell names.

    >>> suffix_of_target_file("mask_path", "masks/0.PNG"), suffix_of_target_file("target", "0.npy")
    ('mask.png', 'npy')
    """
    name = suffix_of_column(column)
    for ending in _FILE_ENDINGS:
        name = name.removesuffix(ending)
    extension = suffix_of_column(extension_of_member(file))
    stem = name.removesuffix(extension).rstrip(".")
    return ".".join(part for part in ("" if stem == "target" else stem, extension or "bin") if part)


def text_column_among(columns: Sequence[str]) -> str | None:
    """The column that becomes .txt: the only one with a name of text.

    >>> text_column_among(["speaker", "Caption"]), text_column_among(["text", "caption"])
    ('Caption', None)
    """
    found = [column for column in columns if suffix_of_column(column) in _TEXT_COLUMNS]
    return found[0] if len(found) == 1 else None


def check_column_names(source: str, columns: Sequence[str]) -> None:
    """Raises `CodecError` where two columns would become one suffix."""
    names = [suffix_of_column(column) for column in columns]
    if twice := [column for column, name in zip(columns, names, strict=True) if names.count(name) > 1]:
        raise CodecError(f"{source} has columns that are one suffix ({', '.join(twice)}); rename or remove one of them")


def suffix_of_value(column: str, value: Any, text_column: str | None) -> str:
    """The suffix of a cell that is a target itself; `text_column` becomes .txt.

    >>> [suffix_of_value(*cell, "Caption") for cell in (("Caption", "a hat"), ("speaker", "ann"), ("boxes", [1, 2]))]
    ['txt', 'speaker.txt', 'boxes.json']
    """
    name = suffix_of_column(column)
    if name.split(".")[-1] in _INLINE:
        return name
    if not isinstance(value, str):
        return f"{name}.json"
    return "txt" if column == text_column else f"{name}.txt"


def bytes_of_value(suffix: str, value: Any) -> bytes:
    """A cell as the file of this suffix: text as it is, other values as JSON."""
    is_text = isinstance(value, str) and suffix.split(".")[-1] in _INLINE
    text = value if is_text else json.dumps(value, ensure_ascii=False, default=str)
    return text.encode("utf-8", "replace")


@lru_cache(maxsize=1 << 10)  # asked of every cell
def suffix_of_column(column: str) -> str:
    """The name of a column as (part of) a suffix may be written.

    >>> suffix_of_column("Speaker ID"), suffix_of_column("cls")
    ('speaker-id', 'cls-')
    """
    parts = [_UNFIT.sub("-", part) for part in column.strip().lower().split(".")]
    name = ".".join(part for part in parts if part) or "column"
    return f"{name}-" if name.split(".")[-1] in _OWN else name
