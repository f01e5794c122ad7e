"""`laconic fit`: a model of one's own pictures."""

from __future__ import annotations

import random
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.tasks.cli import batch, jobs, options

if TYPE_CHECKING:
    from laconic.codecs.fitting import FitOptions
    from laconic.codecs.media import Image
    from laconic.codecs.wavelet import Tree

_DEPTH = 3  # places of 8 x 8 pixels
_SUFFIX = ".safetensors"


class TreeKind(StrEnum):
    """How far the bands are split: only the low one again, or all."""

    dyadic = "dyadic"
    full = "full"


class Blocks(StrEnum):
    """Which channels the projection mixes: those of a resolution, the planes of a band, or all."""

    resolution = "resolution"
    band = "band"
    dense = "dense"


def fit(
    folders: Annotated[list[str], typer.Argument(help="Folders (searched in depth) or files of pictures of one kind.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file, *.safetensors.")],
    rgb: Annotated[bool, typer.Option("--rgb/--grey", help="The colours to fit to; pictures are converted.")] = True,
    name: Annotated[str | None, typer.Option("--name", help="Of the model; that of the file if not given.")] = None,
    tree: Annotated[TreeKind, typer.Option("--tree", help="The packet tree.")] = TreeKind.dyadic,
    blocks: Annotated[Blocks, typer.Option("--blocks", help="What the projection mixes.")] = Blocks.resolution,
    passes: Annotated[str | None, typer.Option("--passes", help="Ends of the coding passes, as 3,12,48,192.")] = None,
    groups: Annotated[str | None, typer.Option("--groups", help="Ends of the channel groups, likewise.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Take so many pictures at most.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the order of the pictures and of their shifts.")] = 0,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Fit a model to your own pictures, in closed form; use it with --model, and keep it: its files need it."""
    if output.suffix != _SUFFIX:
        raise typer.BadParameter(f"--output {output} is no name of a model file; allowed is *{_SUFFIX}")
    if output.exists() and not force:
        raise typer.BadParameter(f"--output {output} exists; pass --force to overwrite it")
    from laconic.codecs.files import atomic_write, picture_extensions
    from laconic.codecs.fitting import fit as fit_model

    planes = 3 if rgb else 1
    fit_options = _fit_options(planes, tree, blocks, passes, groups)
    paths = [s.path for s in jobs.find_sources(folders, picture_extensions).sources if s.path is not None]
    random.Random(seed).shuffle(paths)
    pictures = _Pictures(paths[:limit], planes, seed)
    try:
        model = fit_model(pictures, name or output.stem, fit_options)
    except ValueError as err:
        raise _failure(f"{' '.join(folders)}: {batch.sentence_of(err)}") from err
    command = shlex.join(["laconic", *sys.argv[1:]])
    card = {"data": " ".join(folders), "images": str(pictures.num_read), "command": command}
    with tempfile.TemporaryDirectory() as folder:
        replace(model, card=card).save(Path(folder, "model"))
        data = Path(folder, "model").read_bytes()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(output, data, force=force)
    except OSError as err:
        raise _failure(f"{output} cannot be written: {batch.sentence_of(err)}") from err
    if not quiet:
        typer.echo(f"{output}: model {model.name} ({model.fingerprint.hex()}) of {pictures.num_read} pictures")
    if pictures.num_failed:
        raise typer.Exit(1)


@dataclass
class _Pictures:
    """Readable pictures of these files, one at a time; the others are reported and left out."""

    paths: Sequence[Path]
    num_planes: int
    seed: int
    num_read: int = field(default=0, init=False)
    num_failed: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Image]:
        from laconic.codecs.training import training_images

        with batch.progress(len(self.paths)) as advance:
            for i, path in enumerate(self.paths):
                try:
                    image = next(training_images([path], num_planes=self.num_planes, seed=self.seed + i))
                except Exception as err:  # hostile bytes make Pillow's parsers raise nearly anything
                    typer.echo(f"laconic: {path}: left out: {batch.sentence_of(err)}", err=True)
                    self.num_failed += 1
                    continue
                self.num_read += 1
                advance(i + 1)
                yield image


def _fit_options(planes: int, tree: TreeKind, blocks: Blocks, passes: str | None, groups: str | None) -> FitOptions:
    from laconic.codecs import wavelet
    from laconic.codecs.fitting import FitOptions

    packets: Tree = wavelet.dyadic_tree(2, _DEPTH) if tree is TreeKind.dyadic else wavelet.full_tree(2, _DEPTH)
    num_channels = planes << 2 * _DEPTH
    return FitOptions(
        tree=packets,
        blocks=blocks.value,
        pass_ends=_ends("--passes", passes, num_channels),
        group_ends=_ends("--groups", groups, num_channels),
    )


def _ends(option: str, text: str | None, num_channels: int) -> tuple[int, ...] | None:
    """The numbers of "3,12,192". Raises `typer.BadParameter` unless they ascend to the number of channels."""
    if text is None:
        return None
    try:
        ends = tuple(int(part) for part in text.split(","))
    except ValueError:
        ends = ()
    if not ends or ends[0] < 1 or list(ends) != sorted(set(ends)) or ends[-1] != num_channels:
        raise typer.BadParameter(f"{option} is {text!r}; allowed are rising numbers that end with {num_channels}")
    return ends


def _failure(sentence: str) -> typer.Exit:
    typer.echo(f"laconic: {sentence}", err=True)
    return typer.Exit(1)
