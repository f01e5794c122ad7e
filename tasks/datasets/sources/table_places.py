"""Which files of a folder are tables of a data set, and the split of each."""

from __future__ import annotations

import json
from pathlib import Path

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.sources.folder_contents import files_below
from laconic.tasks.datasets.sources.split_choice import SplitChoice
from laconic.tasks.datasets.sources.stored_source import StoredSource
from laconic.tasks.datasets.sources.table_files import PARQUET_EXTENSIONS
from laconic.tasks.datasets.sources.table_source import read_table_source
from laconic.tasks.datasets.splits import WHOLE, SplitsError

_DICT_NAME, _STATE_NAME = "dataset_dict.json", "state.json"


def is_saved_dataset(folder: Path) -> bool:
    """Whether a folder is what `save_to_disk` makes, or holds Arrow files."""
    names = (_DICT_NAME, _STATE_NAME)
    return any((folder / name).is_file() for name in names) or any(folder.glob("*.arrow"))


def parquet_paths_below(folder: Path) -> list[str]:
    """Names of the Parquet files in a folder and its folders up to two levels below, sorted."""
    return files_below(folder, PARQUET_EXTENSIONS, 2)


def read_parquet_source(name: str, root: Path, files: list[str], splits: SplitChoice) -> StoredSource:
    """The rows of Parquet files below `root`. Raises as `read_table_source`."""
    chosen = splits.of_files(name, files)
    notes = [f"{file}: left out, as no split was said for it" for file, split in chosen.items() if split is None]
    return read_table_source(name, root, {file: split for file, split in chosen.items() if split is not None}, notes)


def read_saved_source(name: str, root: Path, splits: SplitChoice) -> StoredSource:
    """The rows of a folder that `Dataset.save_to_disk` or `DatasetDict.save_to_disk` made. Raises as
    `read_table_source`."""
    if not (root / _DICT_NAME).is_file():
        split = splits.of_word(str(_fields_of(root / _STATE_NAME).get("_split") or ""))
        return read_table_source(name, root, dict.fromkeys(_arrow_files(root, ""), split or WHOLE))
    folders = _fields_of(root / _DICT_NAME).get("splits")
    if not isinstance(folders, list) or not all(map(_is_plain_name, folders)):
        raise CodecError(f"{root / _DICT_NAME} names the splits {folders!r}; allowed are folders beside it")
    chosen = {folder: splits.of_word(folder) for folder in folders}
    if absent := sorted(set(splits.said or ()) - set(folders)):
        raise SplitsError(f"splits name {absent[0]!r}; {root} has {', '.join(folders)}")
    if not any(chosen.values()):
        raise SplitsError(
            f"{root} has the splits {', '.join(folders)}, none of which is named train, val or test; pass --splits "
            f"train={folders[0] if folders else 'NAME'},... or --splits none"
        )
    notes = [f"{folder}: left out; pass --splits to have it" for folder, split in chosen.items() if split is None]
    places = {file: split for folder, split in chosen.items() if split for file in _arrow_files(root, f"{folder}/")}
    return read_table_source(name, root, places, notes)


def _arrow_files(root: Path, folder: str) -> list[str]:
    """The files of one data set in their order, below the root."""
    listed = _fields_of(root / folder / _STATE_NAME).get("_data_files")
    names = [entry.get("filename") for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    if not all(map(_is_plain_name, names)):
        raise CodecError(f"{root / folder / _STATE_NAME} names the files {names!r}; allowed are files beside it")
    return [f"{folder}{one}" for one in names or sorted(path.name for path in (root / folder).glob("*.arrow"))]


def _fields_of(path: Path) -> dict[str, object]:
    """A file of settings; nothing where there is none. Raises `CodecError` for a damaged one."""
    if not path.is_file():
        return {}
    try:
        fields = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as err:
        raise CodecError(f"{path} is no JSON: {err}; copy it again") from err
    return fields if isinstance(fields, dict) else {}


def _is_plain_name(name: object) -> bool:
    return isinstance(name, str) and bool(name) and "/" not in name and "\\" not in name and name not in (".", "..")
