"""Targets of files in folders: what stands beside a sample under its name, such as 0.jpg 0.txt 0.mask.png.

A file is a target of the sample whose name up to the extension it begins with. A picture or sound is one only where that
cannot be meant as a sample: an array (.npy) under the same name, or a .png with a word between (0.mask.png). So 0.jpg and
0.png are two samples, as pictures saved twice are more often than labels of the same name.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.targets import check_target_suffix

_WORDED = re.compile(r"[a-z][a-z0-9_-]*\.(png|npy|json|txt)")


@dataclass(frozen=True)
class SidecarTargets:
    """`targets` of each sample, as (suffix, file); `skipped` files that cannot be one, with the reason."""

    targets: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> Set[str]:
        """All that are targets."""
        return {file for targets in self.targets.values() for _, file in targets}


def sidecar_targets_among(files: Iterable[str], extensions: Set[str]) -> SidecarTargets:
    """Which of these files are targets of others that have one of the extensions of samples.

    >>> found = sidecar_targets_among(["a/0.jpg", "a/0.mask.png", "a/0.txt", "a/1.txt"], {".jpg", ".png"})
    >>> found.targets
    {'a/0.jpg': (('mask.png', 'a/0.mask.png'), ('txt', 'a/0.txt'))}
    """
    names = sorted(files)
    samples: dict[str, list[str]] = {}
    for name in names:
        stem, extension = posixpath.splitext(name)
        if extension.lower() in extensions:
            samples.setdefault(stem, []).append(name)
    targets: dict[str, list[tuple[str, str]]] = {}
    skipped: dict[str, str] = {}
    for name in names:
        for stem, suffix in _readings_of(name):
            beside = [sample for sample in samples.get(stem, ()) if _is_target(name, sample, suffix, extensions)]
            if beside:
                try:
                    targets.setdefault(_only(beside), []).append((check_target_suffix(suffix), name))
                except CodecError as err:
                    skipped[name] = str(err)
                break
    return SidecarTargets({sample: tuple(found) for sample, found in targets.items()}, skipped)


def _readings_of(name: str) -> Iterable[tuple[str, str]]:
    """Each way to part the name of a file at a dot, the longest first."""
    folder, _, file = name.rpartition("/")
    parts = file.split(".")
    for i in range(len(parts) - 1, 0, -1):
        yield (f"{folder}/" if folder else "") + ".".join(parts[:i]), ".".join(parts[i:]).lower()


def _is_target(name: str, sample: str, suffix: str, extensions: Set[str]) -> bool:
    if name == sample:
        return False
    is_signal = f".{suffix.rpartition('.')[2]}" in extensions
    return not is_signal or suffix == "npy" or bool(_WORDED.fullmatch(suffix))


def _only(samples: list[str]) -> str:
    if len(samples) > 1:
        raise CodecError(f"it stands beside {' and '.join(samples[:2])}; allowed is one sample of a name with targets")
    return samples[0]
