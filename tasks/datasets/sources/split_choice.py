"""Splits of files and rows by a word: the name of a shard, a folder, the value of a column."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from laconic.tasks.datasets.splits import WHOLE, SplitsError, split_of_name

_NUM_NAMED = 5


@dataclass(frozen=True)
class SplitChoice:
    """How names become splits: `said` maps names to splits, {} takes everything as one, None goes by usual names."""

    said: Mapping[str, str] | None = None

    def of_word(self, word: str) -> str | None:
        """The split of a whole word; None where it is none, which leaves its samples out.

        >>> SplitChoice().of_word("Validation"), SplitChoice({"A": "test"}).of_word("A"), SplitChoice({}).of_word("b")
        ('val', 'test', 'all')
        """
        if self.said is None:
            return split_of_name(word)
        return self.said.get(word) if self.said else WHOLE

    def of_files(self, root: str, names: Sequence[str]) -> dict[str, str | None]:
        """The split of each file below a root, by a word of its name or else its folders; all in one split where no
        name has such a word. None where splits were said and leave it out. Raises `SplitsError` for names in doubt.

        >>> SplitChoice().of_files("", ["train-0000.tar", "val/0000.tar", "cifar_test_0.tar"])
        {'train-0000.tar': 'train', 'val/0000.tar': 'val', 'cifar_test_0.tar': 'test'}
        """
        found = {name: self._of_path(root, name) for name in names}
        if self.said:
            unused = [word for word in self.said if not any(word in _parts(name) for name in names)]
            if unused:
                raise SplitsError(
                    f"splits name {unused[0]!r}, which no file of {root} is named by; it has {_some(names)}"
                )
            return found
        without = [name for name, split in found.items() if split is None]
        if without and len(without) < len(names):
            raise SplitsError(
                f"{root} has files named by splits beside others ({_some(without)}); pass --splits SPLIT=NAME,... with the "
                "words or folders that name a split, or --splits none for one split"
            )
        return {name: split or WHOLE for name, split in found.items()}

    def _of_path(self, root: str, name: str) -> str | None:
        if self.said is not None:
            splits = {self.said[part] for part in _parts(name) if part in self.said}
            splits = splits or ({WHOLE} if not self.said else set())
        else:
            file, folders = posixpath.basename(name), posixpath.dirname(name).split("/")
            splits = set(_words_of_splits(file)) or {split for part in folders for split in _words_of_splits(part)}
        if len(splits) > 1:
            raise SplitsError(
                f"{name} in {root} is named by several splits ({', '.join(sorted(splits))}); pass --splits SPLIT=NAME,... "
                "or --splits none"
            )
        return next(iter(splits), None)


def _words_of_splits(name: str) -> list[str]:
    return [split for word in re.split(r"[^a-z]+", name.casefold()) if (split := split_of_name(word))]


def _parts(name: str) -> set[str]:
    """What of a path may be said: its folders, the file with and without extensions, the words of its name."""
    *folders, file = name.split("/")
    stem = file.partition(".")[0]
    return {*folders, file, stem, *re.split(r"[^A-Za-z0-9]+", stem), re.sub(r"[-_.]?\d+$", "", stem)}


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else ""
    return ", ".join(names[:_NUM_NAMED]) + rest
