"""`laconic export`: the transform of a picture model as an ONNX file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.codecs.errors import CodecError, MissingDependencyError, missing_torch_error, sentence_of_error
from laconic.tasks.cli import batch, options

if TYPE_CHECKING:
    from laconic.codecs.models.zoo import ZooEntry

_SUFFIX = ".onnx"


class Part(StrEnum):
    """Which way the graph goes."""

    analysis = "analysis"
    synthesis = "synthesis"


def export(
    model: Annotated[str, typer.Argument(help="A shipped picture model's name, or the path of a model file.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The graph, *.onnx, or a folder (made if needed) for MODEL.PART.onnx."),
    ],
    part: Annotated[
        Part, typer.Option("--part", help="analysis: planes to coefficients. synthesis: coefficients to planes.")
    ],
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the learned transform of a picture model as an ONNX graph, for runtimes other than this package."""
    try:
        missing_torch_error("export to ONNX", extra="export")
        from laconic.codecs.models.zoo import model_path, read_zoo_entry

        entry = read_zoo_entry(model_path(model))
        target = _target(output, f"{entry.path.stem}.{part.value}{_SUFFIX}")
        if target.exists() and not force:
            raise typer.BadParameter(f"--output {target} exists; pass --force to overwrite it")
        made = _write(entry, part, target, force)
    except (CodecError, MissingDependencyError) as err:
        raise batch.batch_failure(sentence_of_error(err)) from err
    except OSError as err:
        raise batch.batch_failure(f"{output} cannot be written: {sentence_of_error(err)}") from err
    if not quiet:
        typer.echo(f"{target}: {made} of model {entry.name} ({entry.fingerprint.hex()})")


def _write(entry: ZooEntry, part: Part, target: Path, force: bool) -> str:
    """What was written, in words."""
    from laconic.codecs.models.zoo import synthesis_path
    from laconic.codecs.onnx_export import export_analysis, export_synthesis

    target.parent.mkdir(parents=True, exist_ok=True)
    if part is Part.analysis:
        export_analysis(entry.path, target, force=force)
        return "analysis"
    network = synthesis_path(entry.fingerprint)
    export_synthesis(entry.path, network, target, force=force)
    return "linear synthesis, as there is no neural one," if network is None else "neural synthesis"


def _target(output: Path, name: str) -> Path:
    """The file to write. Raises `typer.BadParameter` for a file that is named otherwise than *.onnx."""
    if output.is_dir():
        return output / name
    if output.suffix == _SUFFIX:
        return output
    if output.suffix or output.exists():
        raise typer.BadParameter(f"--output {output} is no name of a graph; allowed are *{_SUFFIX} and a folder")
    return output / name
