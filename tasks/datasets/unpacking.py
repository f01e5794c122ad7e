"""A packed folder -> files again: OUT/<split>/<class>/<source stem>.png, with the targets of each sample beside it.

The names come from the index, which may be anybody's: they are made safe for every file system, never lead out of the
folder, and no two samples get the same. Packs without splits become OUT/<class>/..., as `pack` read them.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from laconic.codecs.arguments import flag_argument, path_argument, text_argument, typed_argument, whole_number_argument
from laconic.codecs.errors import sentence_of_error
from laconic.codecs.files import signal_bytes
from laconic.codecs.lcn import Lcn
from laconic.codecs.threads import default_threads, threaded_map
from laconic.codecs.whole_files import atomic_write
from laconic.tasks.datasets.pack_index import PackIndex
from laconic.tasks.datasets.splits import WHOLE
from laconic.tasks.datasets.stored_samples import StoredSamples
from laconic.tasks.datasets.targets import check_target_suffix

_MAX_THREADS = 256
_MOST_NAME_BYTES = 180  # file systems take 255 with the suffix
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|\ud800-\udfff]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_EXTENSION_OF_KIND = {"image": ".png", "sound": ".wav"}
LCN_EXTENSION = ".lcn"


@dataclass(frozen=True)
class UnpackPlace:
    """Where a sample goes: `path` below the output without its extension, with forward slashes; `is_renamed` where another
    sample, or another class, has the name that it would have."""

    row: int
    path: str
    is_renamed: bool = False


@dataclass(frozen=True)
class UnpackOptions:
    """`extension` of the files: ".lcn" gives back what the pack holds; "" is .png for pictures and .wav for sounds.
    `synthesis` as of `Lcn`; `force` overwrites files that exist. Raises `CodecError` for values outside."""

    extension: str = ""
    model: str | None = None
    synthesis: str = "linear"
    force: bool = False

    def __post_init__(self) -> None:
        typed_argument("extension", self.extension, str, 'a string such as ".png"')
        Lcn(model=self.model, synthesis=self.synthesis)
        flag_argument("force", self.force)


def unpack_places(index: PackIndex, extension: str) -> list[UnpackPlace]:
    """Where each sample of a pack goes, in the order of its rows, as files of an extension. What would have a file of the
    same name as one before, in any case of letters, gets its key added."""
    folders = _Folders(index)
    suffixes = [unpack_target_suffix(check_target_suffix(suffix), extension) for suffix in index.targets]
    has_target = [column.offset >= 0 for column in index.targets.values()]
    taken: set[str] = set()
    places = []
    for row in range(len(index)):
        found = [extension, *(f".{suffix}" for suffix, has in zip(suffixes, has_target, strict=True) if has[row])]
        for number, path in enumerate(_paths(folders.of(row), index, row)):
            names = {f"{path}{suffix}".casefold() for suffix in found}
            if not names & taken:
                taken |= names
                places.append(UnpackPlace(row, path, is_renamed=number > 0))
                break
    return places


def unpack_samples(
    samples: StoredSamples,
    output: Path | str,
    options: UnpackOptions | None = None,
    *,
    num_threads: int | None = None,
    on_sample: Callable[[int], None] | None = None,
) -> Iterator[tuple[UnpackPlace, str]]:
    """Write every sample of a pack and its targets; gives each with "" or why it was not written. `on_sample` gets the
    number of samples done. Raises `CodecError` for a target that no pack has."""
    typed_argument("samples", samples, StoredSamples, "the StoredSamples of a packed folder")
    options = (
        UnpackOptions()
        if options is None
        else typed_argument("options", options, UnpackOptions, "an UnpackOptions or None")
    )
    output = path_argument("output", output)
    num_threads = (
        default_threads() if num_threads is None else whole_number_argument("num_threads", num_threads, 1, _MAX_THREADS)
    )
    places = unpack_places(samples.index, unpack_extension(samples.index, options))
    with threaded_map(num_threads) as run:
        for done, reason in enumerate(run(partial(_outcome, samples, output, options), places), 1):
            yield places[done - 1], reason
            if on_sample is not None:
                on_sample(done)


def unpack_extension(index: PackIndex, options: UnpackOptions) -> str:
    """Of the files that samples become, with its dot."""
    return "." + options.extension.lower().lstrip(".") if options.extension else _EXTENSION_OF_KIND[index.kind]


def unpack_target_suffix(suffix: str, extension: str) -> str:
    """The suffix of a target file beside a sample: its own, unless that is the sample's.

    >>> unpack_target_suffix("txt", ".png"), unpack_target_suffix("png", ".png")
    ('txt', 'target.png')
    """
    return f"target.{suffix}" if f".{suffix}" == extension else suffix


def safe_name(name: str, otherwise: str) -> str:
    """A name from outside as the name of one file or folder that every file system takes; `otherwise` where nothing of it
    is left.

    >>> [safe_name(name, "x") for name in ("hat", "..", "a/../b", "C:\\\\nul", "nul.txt", "\\0")]
    ['hat', 'x', 'a_.._b', 'C__nul', '_nul.txt', '_']
    """
    name = _UNSAFE.sub("_", text_argument("name", name)).strip().rstrip(". ")
    name = name.encode()[:_MOST_NAME_BYTES].decode(errors="ignore").rstrip(". ")
    if name.startswith("."):  # no hidden file, no way up
        name = "_" * bool(name.strip(".")) + name.lstrip(".")
    return f"_{name}" if _DEVICES.fullmatch(name) else name or otherwise


def _outcome(samples: StoredSamples, output: Path, options: UnpackOptions, place: UnpackPlace) -> str:
    """Write a sample; "" or why it could not be: one sample never ends the others."""
    try:
        _write(samples, output, options, place)
    except FileExistsError as err:
        return f"{err.filename2 or err.filename or place.path} exists; pass --force to overwrite it"
    except Exception as err:
        return sentence_of_error(err)
    return ""


def _write(samples: StoredSamples, output: Path, options: UnpackOptions, place: UnpackPlace) -> None:
    extension = unpack_extension(samples.index, options)
    path = output / place.path
    targets = samples.target_bytes(place.row)
    names = {suffix: f"{path.name}.{unpack_target_suffix(suffix, extension)}" for suffix in targets}
    for name in (f"{path.name}{extension}", *names.values()):
        if not options.force and os.path.lexists(path.with_name(name)):
            raise FileExistsError(errno.EEXIST, "exists", str(path.with_name(name)))
    data = samples.lcn(place.row)
    codec = Lcn(model=options.model, synthesis=options.synthesis)
    if extension == LCN_EXTENSION:
        codec.unpack(data)  # damage is found, not handed on
    else:
        data = signal_bytes(codec.decode(data), extension)
    path.parent.mkdir(parents=True, exist_ok=True)
    for suffix, target in targets.items():
        atomic_write(path.with_name(names[suffix]), target, force=options.force)
    # Last, so that a sample is there only with its targets.
    atomic_write(path.with_name(f"{path.name}{extension}"), data, force=options.force)


def _paths(folder: str, index: PackIndex, row: int) -> Iterator[str]:
    """Paths for a sample, without extension: that of its source first."""
    path = f"{folder}{_stem(index.source[row], row)}"
    yield path
    path = f"{path}-{safe_name(index.key[row], str(row))}"
    yield path
    yield from (f"{path}-{number}" for number in count(2))


class _Folders:
    """The folder of each sample, with a slash at its end."""

    def __init__(self, index: PackIndex) -> None:
        self._index = index
        self._splits = ["" if index.splits == (WHOLE,) else f"{name}/" for name in _distinct(index.splits)]
        self._classes = [f"{name}/" for name in _distinct(index.classes)]

    def of(self, row: int) -> str:
        split = self._splits[self._index.splits.index(self._index.shards[self._index.shard[row]].split)]
        label = int(self._index.label[row])
        return split + (self._classes[label] if label >= 0 else "")


def _distinct(names: Sequence[str]) -> list[str]:
    """Safe names, no two of which differ in the case of letters only."""
    found: dict[str, str] = {}  # by its small letters
    for i, name in enumerate(names):
        base = safe_name(name, f"class{i}")
        chosen = next(
            c for c in (base, *(f"{base}_{n}" for n in range(2, len(names) + 2))) if c.casefold() not in found
        )
        found[chosen.casefold()] = chosen
    return list(found.values())


def _stem(source: str, row: int) -> str:
    """The name of a source without folders and extension."""
    name = source.replace("\\", "/").rstrip("/").rpartition("/")[2]
    stem, dot, _ = name.rpartition(".")
    return safe_name(stem if dot and stem else name, f"sample{row}")
