"""The signals that `laconic fit` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from laconic.codecs.errors import sentence_of_error
from laconic.tasks.cli import batch, jobs

if TYPE_CHECKING:
    from laconic.codecs.media import Signal


class FitKind(StrEnum):
    """What a model is fitted to."""

    picture = "picture"
    sound = "sound"
    cube = "cube"


@dataclass
class FitSignals:
    """Readable signals of these files, one at a time; the others are reported and left out. `named`: what the command line
    called them; `array`: which one, of files of cubes that hold several."""

    named: str
    paths: Sequence[Path]
    kind: FitKind
    num_planes: int
    seed: int
    array: str | None = None
    num_read: int = field(default=0, init=False)
    num_failed: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Signal]:
        with batch.batch_progress(len(self.paths)) as advance:
            for i, path in enumerate(self.paths):
                try:
                    signals = list(self._signals_of(path, i))
                except Exception as err:  # hostile bytes make Pillow's parsers raise nearly anything
                    typer.echo(f"laconic: {path}: left out: {sentence_of_error(err)}", err=True)
                    self.num_failed += 1
                    continue
                self.num_read += 1
                advance(i + 1)
                yield from signals

    def _signals_of(self, path: Path, number: int) -> Iterable[Signal]:
        from laconic.codecs.fitting.training_signals import training_cubes, training_images, training_sounds

        if self.kind is FitKind.sound:
            return training_sounds([path], num_channels=self.num_planes)
        if self.kind is FitKind.cube:
            return training_cubes([path], array=self.array)
        return training_images([path], num_planes=self.num_planes, seed=self.seed + number)


def find_fit_signals(
    folders: Sequence[str],
    kind: FitKind,
    num_planes: int,
    *,
    limit: int | None,
    seed: int,
    array: str | None = None,
) -> FitSignals:
    """Of files and folders, `limit` of them at most, in an order by `seed`. Raises `typer.BadParameter` for none."""
    import numpy as np

    paths = [s.path for s in jobs.find_job_sources(folders, lambda: _extensions(kind)).sources if s.path is not None]
    order = np.random.default_rng(seed).permutation(len(paths))
    return FitSignals(" ".join(folders), [paths[i] for i in order[:limit]], kind, num_planes, seed, array)


def _extensions(kind: FitKind) -> frozenset[str]:
    from laconic.codecs.files import picture_extensions
    from laconic.codecs.formats.cube_files import CUBE_EXTENSIONS
    from laconic.codecs.formats.sound_files import SOUND_EXTENSIONS

    return {
        FitKind.picture: picture_extensions(),
        FitKind.sound: SOUND_EXTENSIONS,
        FitKind.cube: CUBE_EXTENSIONS,
    }[kind]
