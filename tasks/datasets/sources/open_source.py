"""`open_pack_source`: whatever samples are kept in, by what is there.

    FOLDER/<class>/files, FOLDER/<split>/<class>/files      class folders, also in a .zip
    FOLDER/images/files and masks/files                     pictures with masks, also in splits and in a .zip
    .csv .tsv .jsonl .json, or a folder with one            a manifest; metadata.csv as Hugging Face's imagefolder has it
    .tar, a folder of them, 'train-{0000..0015}.tar'        tar shards, as WebDataset has them
    a folder of Dataset.save_to_disk                        Hugging Face datasets
    .parquet, a folder of them                              Parquet with pictures or sounds in a column
    cifar-10-batches-py, cifar-100-python, MNIST/raw        as torchvision keeps them; of CIFAR also the .tar.gz

A folder that could be two of them is refused: a wrong guess would give wrong samples and no error.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from laconic.codecs.arguments import path_argument, typed_argument
from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.class_folders import list_class_folder
from laconic.tasks.datasets.sources.cifar_source import cifar_batches_among, read_cifar_source
from laconic.tasks.datasets.sources.folder_contents import class_folder_names, files_below, manifests_in_folder
from laconic.tasks.datasets.sources.manifest_rows import MANIFEST_EXTENSIONS
from laconic.tasks.datasets.sources.manifest_source import read_manifest_source
from laconic.tasks.datasets.sources.mnist_source import mnist_files_among, read_mnist_source
from laconic.tasks.datasets.sources.pack_source import PackSource
from laconic.tasks.datasets.sources.path_patterns import is_path_pattern, paths_of_pattern
from laconic.tasks.datasets.sources.split_choice import SplitChoice
from laconic.tasks.datasets.sources.table_files import PARQUET_EXTENSIONS
from laconic.tasks.datasets.sources.table_places import (
    is_saved_dataset,
    parquet_paths_below,
    read_parquet_source,
    read_saved_source,
)
from laconic.tasks.datasets.sources.tar_source import read_tar_source
from laconic.tasks.datasets.sources.zip_source import read_zip_source

_COMPRESSED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_METADATA_STEM = "metadata"  # of the manifest of an imagefolder of Hugging Face
_TORCHVISION_FOLDERS = ("cifar-10-batches-py", "cifar-100-python", "MNIST/raw", "raw")
_INDEX_NAME = "index.json"
_ALLOWED = (
    "allowed are class folders (FOLDER/<class>/files, FOLDER/<split>/<class>/files, also in a .zip), pictures with masks "
    "(FOLDER/images/files, FOLDER/masks/files), a manifest (.csv, .tsv, .jsonl, .json), tar shards (.tar, a folder, a "
    "pattern), Parquet files, a saved Hugging Face data set, CIFAR and MNIST as torchvision keeps them"
)
_Reader = Callable[[], PackSource]


def open_pack_source(path: Path | str, splits: Mapping[str, str] | None = None) -> PackSource:
    """Find what a path holds, and list its samples.

    `splits` maps names to "train", "val" or "test": folders of class folders, splits of saved data sets, words in the
    names of shards, values of a manifest's column; others are left out. {} takes everything as one split, None goes by
    usual names. Raises `CodecError` for a path that holds nothing known, two things at once, or no sample,
    `MissingDependencyError` where a library is needed to read it, `OSError`.
    """
    path = path_argument("source", path)
    if splits is not None:
        typed_argument("splits", splits, Mapping, "a mapping of names to splits")
    choice = SplitChoice(splits)
    if is_path_pattern(str(path)):
        return _source_of_pattern(str(path), choice)
    if path.is_dir():
        return _source_of_folder(path, choice)
    if not path.is_file():
        raise CodecError(f"{path} is {'a pipe or device' if path.exists() else 'not there'}; {_ALLOWED}")
    return _source_of_files(str(path), [path], choice)


def _source_of_pattern(text: str, choice: SplitChoice) -> PackSource:
    return _source_of_files(text, paths_of_pattern(text), choice)


def _source_of_files(name: str, paths: list[Path], choice: SplitChoice) -> PackSource:
    """A source of files of one kind, by their extensions."""
    extensions = {_extension_of(path) for path in paths}
    extension = next(iter(extensions)) if len(extensions) == 1 else ""
    root = paths[0].parent if len(paths) == 1 else _common_folder(paths)
    names = [path.relative_to(root).as_posix() for path in paths]
    if extension == ".tar" and not _is_cifar_archive(paths[0]):
        return read_tar_source(name, root, names, choice)
    if extension in PARQUET_EXTENSIONS:
        return read_parquet_source(name, root, names, choice)
    if extension in MANIFEST_EXTENSIONS:
        return read_manifest_source(name, root, paths, choice)
    if len(paths) == 1 and extension == ".zip":
        return read_zip_source(name, paths[0], choice)
    if len(paths) == 1 and _is_cifar_archive(paths[0]):
        return read_cifar_source(name, paths[0], choice)
    if extension in _COMPRESSED_TARS:
        raise CodecError(
            f"{name} is a compressed tar, of which no sample can be read by its place; unpack it to .tar, or to a folder"
        )
    raise CodecError(f"{name} is nothing that can be packed; {_ALLOWED}")


def _common_folder(paths: list[Path]) -> Path:
    folder = paths[0].parent
    while not all(path.is_relative_to(folder) for path in paths):
        folder = folder.parent
    return folder


def _extension_of(path: Path) -> str:
    lower = path.name.lower()
    return next((one for one in _COMPRESSED_TARS if lower.endswith(one)), path.suffix.lower())


def _is_cifar_archive(path: Path) -> bool:
    """Whether a tar holds CIFAR, as far as its first member tells."""
    if not (path.name.lower().startswith("cifar") and path.is_file() and tarfile.is_tarfile(path)):
        return False
    try:
        with tarfile.open(path, "r:*") as tar:
            first = tar.next()
    except (tarfile.TarError, EOFError, OSError):
        return False
    return first is not None and first.name.split("/")[0] in _TORCHVISION_FOLDERS


def _source_of_folder(path: Path, choice: SplitChoice) -> PackSource:
    """What a folder holds. Raises `CodecError` where it is not one thing."""
    if (path / _INDEX_NAME).is_file() and any(path.glob("*.tar")):
        raise CodecError(f"{path} is a pack already (it has an {_INDEX_NAME}); name what it was packed from")
    readers = dict(_readers_of_folder(path, choice))
    classes = sorted(set(class_folder_names(path)))
    if len(readers) > 1 or (readers and len(classes) > 1):
        what = " and ".join([*readers, *(["class folders"] if len(classes) > 1 else [])])
        raise CodecError(
            f"{path} holds {what}, so it is not clear what to pack; name the files, or the folder, of one of them"
        )
    if readers:
        return next(iter(readers.values()))()
    manifests = manifests_in_folder(path)
    if not manifests:
        return list_class_folder(path, choice.said)
    is_metadata = all(manifest.stem.casefold() == _METADATA_STEM for manifest in manifests)
    if is_metadata or len(classes) < 2:
        return read_manifest_source(str(path), path, manifests, choice)
    folder = list_class_folder(path, choice.said)
    left = [f"{manifest.relative_to(path)}: left out; name it to pack what it lists" for manifest in manifests]
    return replace(folder, notes=(*folder.notes, *left))


def _readers_of_folder(path: Path, choice: SplitChoice) -> Iterator[tuple[str, _Reader]]:
    """What a folder may be beside class folders and manifests, in words, each with what reads it."""
    name = str(path)
    if is_saved_dataset(path):
        yield "a saved data set", partial(read_saved_source, name, path, choice)
    elif tables := parquet_paths_below(path):
        yield "Parquet files", partial(read_parquet_source, name, path, tables, choice)
    if shards := files_below(path, (".tar",), 1):
        yield "tar shards", partial(read_tar_source, name, path, shards, choice)
    for folder in (path, *(path / below for below in _TORCHVISION_FOLDERS)):
        names = sorted(file.name for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []
        if cifar_batches_among(names):
            yield f"CIFAR in {folder.name}", partial(read_cifar_source, name, folder, choice)
        if mnist_files_among(names):
            yield f"MNIST in {folder.name}", partial(read_mnist_source, name, folder, choice)
