"""`laconic fit`: a model of one's own pictures."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.codecs.errors import sentence_of_error
from laconic.codecs.threads import default_threads
from laconic.tasks.cli import batch, jobs, options
from laconic.tasks.cli.progress_lines import progress_of_work

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from laconic.codecs.fitting.closed_form import FitOptions
    from laconic.codecs.media import Signal
    from laconic.codecs.models.packet_tree import Tree

_SUFFIX = ".safetensors"


class _FitKind(StrEnum):
    """What a model is fitted to."""

    picture = "picture"
    sound = "sound"
    cube = "cube"


class _TreeKind(StrEnum):
    """How far the bands are split: only the low one again, or all."""

    dyadic = "dyadic"
    full = "full"


class _FitBlocks(StrEnum):
    """What the projection mixes: the colours of each place, each leaf of the tree on its own, each resolution, or
    everything."""

    color = "color"
    leaf = "leaf"
    resolution = "resolution"
    dense = "dense"


_DEFAULT_TREES = {_FitKind.picture: _TreeKind.dyadic, _FitKind.sound: _TreeKind.full, _FitKind.cube: _TreeKind.dyadic}
_DEFAULT_DEPTHS = {_FitKind.picture: 3, _FitKind.sound: 8, _FitKind.cube: 2}


def fit(
    folders: Annotated[list[str], typer.Argument(help="Folders (searched in depth) or files of pictures of one kind.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file, *.safetensors.")],
    rgb: Annotated[bool, typer.Option("--rgb/--grey", help="The colours to fit to; pictures are converted.")] = True,
    kind: Annotated[
        _FitKind, typer.Option("--kind", help="What to fit to: pictures, sounds, or cubes (.npy).")
    ] = _FitKind.picture,
    sound_channels: Annotated[
        int, typer.Option("--sound-channels", min=1, help="1: every channel is a sound; else files with so many only.")
    ] = 1,
    name: Annotated[str | None, typer.Option("--name", help="Of the model; that of the file if not given.")] = None,
    tree: Annotated[_TreeKind | None, typer.Option("--tree", help="The packet tree; of pictures dyadic.")] = None,
    depth: Annotated[int | None, typer.Option("--depth", min=1, max=10, help="Levels of the tree.")] = None,
    blocks: Annotated[_FitBlocks, typer.Option("--blocks", help="What the projection mixes.")] = _FitBlocks.leaf,
    projection: Annotated[
        Path | None,
        typer.Option("--projection", help="Trained analysis matrices: of `laconic train codec`, or of a model file."),
    ] = None,
    axes: Annotated[
        str | None, typer.Option("--axes", help="The model in whose axes latents are given, as rgb_best; else its own.")
    ] = None,
    passes: Annotated[str | None, typer.Option("--passes", help="Ends of the coding passes, as 3,12,48,192.")] = None,
    groups: Annotated[str | None, typer.Option("--groups", help="Ends of the channel groups, likewise.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Take so many pictures at most.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the order of the pictures and of their shifts.")] = 0,
    threads: Annotated[
        int | None,
        typer.Option("--threads", "-j", min=1, help="Cores to use; if not given, all up to 8. The model is the same."),
    ] = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Fit a model to your own signals, without a graphics card; use it with --model, and keep it: its files need it."""
    if output.suffix != _SUFFIX:
        raise typer.BadParameter(f"--output {output} is no name of a model file; allowed is *{_SUFFIX}")
    if output.exists() and not force:
        raise typer.BadParameter(f"--output {output} exists; pass --force to overwrite it")
    import numpy as np

    from laconic.codecs.fitting.closed_form import fit as fit_model
    from laconic.codecs.whole_files import atomic_write

    paths = [s.path for s in jobs.find_job_sources(folders, lambda: _extensions(kind)).sources if s.path is not None]
    order = np.random.default_rng(seed).permutation(len(paths))
    signals = _Signals(
        [paths[i] for i in order[:limit]], kind, sound_channels if kind is _FitKind.sound else 3 if rgb else 1, seed
    )
    fit_options = _FitChoice(tree, depth, blocks, passes, groups, projection, axes).options(kind)
    try:
        with progress_of_work("fit", quiet=quiet) as shown:
            model = fit_model(
                signals,
                name or output.stem,
                fit_options,
                threads=threads or default_threads(),
                on_progress=shown,
            )
    except ValueError as err:
        raise batch.batch_failure(f"{' '.join(folders)}: {sentence_of_error(err)}") from err
    command = shlex.join(["laconic", *sys.argv[1:]])
    card = {"data": " ".join(folders), "signals": str(signals.num_read), "projection": blocks.value, "command": command}
    with tempfile.TemporaryDirectory() as folder:
        replace(model, card=card).save(Path(folder, "model"))
        data = Path(folder, "model").read_bytes()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(output, data, force=force)
    except OSError as err:
        raise batch.batch_failure(f"{output} cannot be written: {sentence_of_error(err)}") from err
    if not quiet:
        typer.echo(f"{output}: model {model.name} ({model.fingerprint.hex()}) of {signals.num_read} files")
    if signals.num_failed:
        raise typer.Exit(1)


@dataclass
class _Signals:
    """Readable signals of these files, one at a time; the others are reported and left out."""

    paths: Sequence[Path]
    kind: _FitKind
    num_planes: int
    seed: int
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

        if self.kind is _FitKind.sound:
            return training_sounds([path], num_channels=self.num_planes)
        if self.kind is _FitKind.cube:
            return training_cubes([path])
        return training_images([path], num_planes=self.num_planes, seed=self.seed + number)


@dataclass(frozen=True)
class _FitChoice:
    """Structure of the model as the command line gives it; None leaves the choice to the kind of signal."""

    tree: _TreeKind | None
    depth: int | None
    blocks: _FitBlocks
    passes: str | None
    groups: str | None
    projection: Path | None
    axes: str | None

    def options(self, kind: _FitKind) -> FitOptions:
        """Raises `typer.BadParameter` for numbers that cannot be meant."""
        from laconic.codecs.fitting.closed_form import FitOptions
        from laconic.codecs.models.zoo import load_model

        return FitOptions(
            tree=self._tree(kind),
            blocks=self.blocks.value,
            pass_ends=_ends("--passes", self.passes),
            group_ends=_ends("--groups", self.groups),
            projection=None if self.projection is None else _matrices(self.projection),
            axes=None if self.axes is None else load_model(self.axes),
        )

    def _tree(self, kind: _FitKind) -> Tree | None:
        from laconic.codecs.models import packet_tree

        if self.tree is None and self.depth is None:
            return None
        is_sound = kind is _FitKind.sound
        make = (
            packet_tree.full_tree if (self.tree or _DEFAULT_TREES[kind]) is _TreeKind.full else packet_tree.dyadic_tree
        )
        return make(1 if is_sound else 2, self.depth or _DEFAULT_DEPTHS[kind])


def _matrices(path: Path) -> tuple[NDArray[np.float32], ...]:
    """Analysis matrices of a safetensors file, in order. Raises `typer.BadParameter`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
    except (SafetensorError, OSError) as err:
        raise typer.BadParameter(f"--projection {path} cannot be read: {err}") from err
    count = sum(1 for name in arrays if name.startswith("analysis."))
    names = [f"analysis.{i}" for i in range(count)]
    if not count or any(name not in arrays or arrays[name].ndim != 2 for name in names):
        raise typer.BadParameter(f"--projection {path} holds no analysis matrices; allowed is a trained or model file")
    return tuple(arrays[name].astype("float32") for name in names)


def _extensions(kind: _FitKind) -> frozenset[str]:
    from laconic.codecs.files import picture_extensions
    from laconic.codecs.formats.sound_files import SOUND_EXTENSIONS

    return {
        _FitKind.picture: picture_extensions(),
        _FitKind.sound: SOUND_EXTENSIONS,
        _FitKind.cube: frozenset([".npy"]),
    }[kind]


def _ends(option: str, text: str | None) -> tuple[int, ...] | None:
    """The numbers of "3,12,192". Raises `typer.BadParameter` unless they ascend; the model checks the last."""
    if text is None:
        return None
    try:
        ends = tuple(int(part) for part in text.split(","))
    except ValueError:
        ends = ()
    if not ends or ends[0] < 1 or list(ends) != sorted(set(ends)):
        raise typer.BadParameter(f"{option} is {text!r}; allowed are rising numbers, as 3,12,192")
    return ends
