"""`laconic fit`: a model of one's own pictures."""

from __future__ import annotations

import shlex
import sys
import tempfile
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.codecs.errors import sentence_of_error
from laconic.codecs.threads import default_threads
from laconic.tasks.cli import batch, options
from laconic.tasks.cli.fit_score import ScoreRequest, check_options_of_score, fit_score
from laconic.tasks.cli.fit_signals import FitKind, FitSignals, find_fit_signals
from laconic.tasks.cli.progress_lines import progress_of_work

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from laconic.codecs.fitting.closed_form import FitOptions
    from laconic.codecs.models.model import Model
    from laconic.codecs.models.packet_tree import Tree

_SUFFIX = ".safetensors"


class _TreeKind(StrEnum):
    """How far the bands are split: only the low one again, or all; or, of sounds, an MDCT in place of packets."""

    dyadic = "dyadic"
    full = "full"
    mdct = "mdct"


class _SoundTune(StrEnum):
    """Whom files of sounds are for, as of `laconic encode`."""

    machine = "machine"
    snr = "snr"


class _FitBlocks(StrEnum):
    """What the projection mixes: the colours of each place, each leaf of the tree on its own, each resolution, or
    everything."""

    color = "color"
    leaf = "leaf"
    resolution = "resolution"
    dense = "dense"


class _FitLevels(StrEnum):
    """Values of --levels."""

    own = "own"
    joint = "joint"


_DEFAULT_TREES = {FitKind.picture: _TreeKind.dyadic, FitKind.sound: _TreeKind.full, FitKind.cube: _TreeKind.dyadic}
_DEFAULT_DEPTHS = {FitKind.picture: 3, FitKind.sound: 8, FitKind.cube: 2}


def fit(
    ctx: typer.Context,
    folders: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL] FOLDERS...",
            help="Folders (searched in depth) or files of pictures of one kind; with --score a model before them.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file, *.safetensors.")],
    rgb: Annotated[bool, typer.Option("--rgb/--grey", help="The colours to fit to; pictures are converted.")] = True,
    kind: Annotated[
        FitKind,
        typer.Option(
            "--kind", help="What to fit to: pictures, sounds, or cubes (.npy, .npz, .mat, TIFF stacks, WFDB)."
        ),
    ] = FitKind.picture,
    sound_channels: Annotated[
        int, typer.Option("--sound-channels", min=1, help="1: every channel is a sound; else files with so many only.")
    ] = 1,
    array: options.Array = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Of the model, that of the file if not given; with --score of the tune."),
    ] = None,
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
    tune: Annotated[
        _SoundTune | None,
        typer.Option("--tune", help="Of sounds: whom files will be for; machine, if not given, or snr."),
    ] = None,
    levels: Annotated[
        _FitLevels,
        typer.Option(
            "--levels", help="Of cubes. own: planes far below the loudest count for themselves; joint: for --tune snr."
        ),
    ] = _FitLevels.own,
    passes: Annotated[str | None, typer.Option("--passes", help="Ends of the coding passes, as 3,12,48,192.")] = None,
    groups: Annotated[str | None, typer.Option("--groups", help="Ends of the channel groups, likewise.")] = None,
    score: Annotated[
        str | None,
        typer.Option(
            "--score",
            help="Learn a tune of MODEL from a distance of pictures: ms-ssim, a TorchScript (*.pt), or MODULE:FUNCTION of "
            "two tensors (1, 3, h, w) from 0 to 1.",
        ),
    ] = None,
    share: Annotated[
        float, typer.Option("--share", min=0, max=1, help="With --score: of the offsets that its gradients ask for.")
    ] = 0.5,
    max_psnr_cost: Annotated[
        float,
        typer.Option(
            "--max-psnr-cost", min=0, max=100, help="With --score: percent more bytes at equal PSNR, at most."
        ),
    ] = 8.0,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Take so many pictures at most; with --score 48 if not given.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the order of the pictures and of their shifts.")] = 0,
    threads: Annotated[
        int | None,
        typer.Option("--threads", "-j", min=1, help="Cores to use; if not given, all up to 8. The model is the same."),
    ] = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Fit a model to your own signals, without a graphics card; use it with --model, and keep it: its files need it.

    With --score, learn for whom a model's files are: MODEL with one more --tune, called --name."""
    if output.suffix != _SUFFIX:
        raise typer.BadParameter(f"--output {output} is no name of a model file; allowed is *{_SUFFIX}")
    if output.exists() and not force:
        raise typer.BadParameter(f"--output {output} exists; pass --force to overwrite it")
    for option, is_given in (("array", array is not None), ("levels", levels is not _FitLevels.own)):
        if is_given and kind is not FitKind.cube:
            raise typer.BadParameter(f"--{option} is for cubes, --kind is {kind.value}; leave it out")
    check_options_of_score(ctx, has_score=score is not None)
    command = shlex.join(["laconic", *sys.argv[1:]])
    if score is not None:
        request = ScoreRequest(folders[0], tuple(folders[1:]), score, name, share, max_psnr_cost)
        model, signals = fit_score(request, command, limit=limit, seed=seed, quiet=quiet)
    else:
        num_planes = sound_channels if kind is FitKind.sound else 3 if rgb else 1
        signals = find_fit_signals(folders, kind, num_planes, limit=limit, seed=seed, array=array)
        choice = _FitChoice(tree, depth, blocks, passes, groups, projection, axes, tune, levels)
        model = _fitted(signals, name or output.stem, choice.options(kind), threads=threads, quiet=quiet)
        shown = {"data": " ".join(folders), "signals": str(signals.num_read), "projection": blocks.value}
        model = replace(model, card={**shown, "command": command})
    _write(model, output, force=force)
    if not quiet:
        typer.echo(f"{output}: model {model.name} ({model.fingerprint.hex()}) of {signals.num_read} files")
    if signals.num_failed:
        raise typer.Exit(1)


def _fitted(signals: FitSignals, name: str, fit_options: FitOptions, *, threads: int | None, quiet: bool) -> Model:
    from laconic.codecs.fitting.closed_form import fit as fit_model

    try:
        with progress_of_work("fit", quiet=quiet) as shown:
            return fit_model(signals, name, fit_options, threads=threads or default_threads(), on_progress=shown)
    except ValueError as err:
        raise batch.batch_failure(f"{signals.named}: {sentence_of_error(err)}") from err


def _write(model: Model, output: Path, *, force: bool) -> None:
    from laconic.codecs.whole_files import atomic_write

    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder, "model"))
        data = Path(folder, "model").read_bytes()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(output, data, force=force)
    except OSError as err:
        raise batch.batch_failure(f"{output} cannot be written: {sentence_of_error(err)}") from err


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
    tune: _SoundTune | None
    levels: _FitLevels

    def options(self, kind: FitKind) -> FitOptions:
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
            tune=self._tune(kind),
            levels=self.levels.value,
        )

    def _tune(self, kind: FitKind) -> str | None:
        if self.tune is not None and kind is not FitKind.sound:
            raise typer.BadParameter(f"--tune is for --kind sound, not {kind.value}; leave it out")
        return None if self.tune is None else self.tune.value

    def _tree(self, kind: FitKind) -> Tree | None:
        from laconic.codecs.models import packet_tree

        if self.tree is None and self.depth is None:
            return None
        is_sound, depth = kind is FitKind.sound, self.depth or _DEFAULT_DEPTHS[kind]
        chosen = self.tree or _DEFAULT_TREES[kind]
        if chosen is _TreeKind.mdct:
            if not is_sound:
                raise typer.BadParameter(
                    f"--tree is mdct, of signals of kind {kind.value}; allowed for these is dyadic or full"
                )
            return packet_tree.mdct_tree(depth)
        make = packet_tree.full_tree if chosen is _TreeKind.full else packet_tree.dyadic_tree
        return make(1 if is_sound else 2, depth)


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
