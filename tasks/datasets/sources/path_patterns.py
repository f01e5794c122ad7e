"""Many files by one pattern: braces as shells and WebDataset expand them, and the marks * ? [ ] of file names."""

from __future__ import annotations

import glob
import itertools
import re
from pathlib import Path

from laconic.codecs.errors import CodecError

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MOST_PATHS = 1 << 20


def is_path_pattern(text: str) -> bool:
    """Whether a path that is not there may mean many."""
    return bool(re.search(r"[*?\[{]", text)) and not Path(text).exists()


def paths_of_pattern(text: str) -> list[Path]:
    """The files that a pattern names, sorted. Raises `CodecError` for none, and where one of braces is not there."""
    found: list[Path] = []
    for name in expand_braces(text):
        paths = sorted(map(Path, glob.glob(name))) if re.search(r"[*?\[]", name) else [Path(name)]
        if absent := [path for path in paths if not path.is_file()]:
            raise CodecError(f"{absent[0]} is no file, but {text} names it; fetch it, or name those that are there")
        found += paths
    if not found:
        raise CodecError(
            f"no file is named by {text}; allowed are patterns such as 'train-{{0000..0015}}.tar' and '*.tar'"
        )
    return sorted(set(found))


def expand_braces(text: str) -> list[str]:
    """All names of a pattern with {first..last} and {one,other}; no braces in braces. Raises `CodecError`.

    >>> expand_braces("{train,val}-{08..10}.tar")[:4]
    ['train-08.tar', 'train-09.tar', 'train-10.tar', 'val-08.tar']
    """
    pieces = _BRACES.split(text)
    choices = [_choices(piece) if i % 2 else [piece] for i, piece in enumerate(pieces)]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > _MOST_PATHS:
        raise CodecError(f"{text} names {count} files; allowed are up to {_MOST_PATHS}")
    return ["".join(parts) for parts in itertools.product(*choices)]


def _choices(inside: str) -> list[str]:
    match = _RANGE.fullmatch(inside)
    if match is None:
        return inside.split(",") if "," in inside else [f"{{{inside}}}"]
    first, last = int(match[1]), int(match[2])
    if abs(last - first) >= _MOST_PATHS:
        raise CodecError(f"{{{inside}}} names {abs(last - first) + 1} files; allowed are up to {_MOST_PATHS}")
    width = max(map(len, match.groups())) if any(one.startswith("0") and len(one) > 1 for one in match.groups()) else 0
    numbers = range(first, last + 1) if first <= last else range(first, last - 1, -1)
    return [f"{number:0{width}d}" for number in numbers]
