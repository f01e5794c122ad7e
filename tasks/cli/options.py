"""Options that several verbs take, as types of their parameters."""

from __future__ import annotations

from typing import Annotated

import typer

from laconic.entropy.container import Limits

Inputs = Annotated[list[str], typer.Argument(help="Files or folders (searched in depth); - is standard input.")]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", help="A file, a folder (made if needed) or -; otherwise beside each input."),
]
ModelName = Annotated[str | None, typer.Option("--model", help="A shipped model's name, or the path of a model file.")]
Threads = Annotated[
    int | None, typer.Option("--threads", "-j", min=1, help="Files at a time; if not given, as many as cores, up to 8.")
]
AllThreads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        "-j",
        min=1,
        max=256,
        help="Files at a time, and parts of each where there are fewer files; if not given, as many as cores, up to 8.",
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite files that exist.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for each file.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Splits = Annotated[
    str | None,
    typer.Option(
        "--splits",
        metavar="SPLIT=FOLDER,...",
        help="Which folders at the top are splits, such as train=Train,test=Test (others are left out), or none if all are "
        "classes. If not given, by their names in any case: train(ing), val(id(ation)), dev, test(ing), eval.",
    ),
]
Frame = Annotated[
    int | None,
    typer.Option("--frame", min=0, help="Of files with several frames or pages: which, counted from 0."),
]
Array = Annotated[
    str | None,
    typer.Option("--array", metavar="NAME", help="Of cubes in files of several arrays (.npz, .mat): which one."),
]
BitDepth = Annotated[
    int | None,
    typer.Option(
        "--bit-depth",
        min=9,
        max=16,
        help="Of pictures with 16-bit samples: how many bits are used. If not given, what the file says, else what the "
        "largest colour in the folder needs, which is said.",
    ),
]
Tune = Annotated[
    str | None,
    typer.Option(
        "--tune",
        metavar="psnr|balanced|machine|eye|snr",
        help="Pictures: whom a file of some size is for. psnr: the mean square; machine: networks; eye: people; balanced: "
        "all of them. Or a tune of the model's own (`laconic fit --score`). Sounds: machine, if not given, recognisers, "
        "with noise in place of zeros; snr: the mean square.",
    ),
]
DEFAULT_MAX_PIXELS = Limits.max_pixels
MaxPixels = Annotated[int, typer.Option("--max-pixels", min=1, help="Refuse pictures that claim more.")]
