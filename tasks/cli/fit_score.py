"""`laconic fit --score`: a tune of a model, learned from a score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from laconic.codecs.errors import CodecError, MissingDependencyError, missing_torch_error, sentence_of_error
from laconic.tasks.cli import batch
from laconic.tasks.cli.fit_signals import FitKind, FitSignals, find_fit_signals

if TYPE_CHECKING:
    from laconic.codecs.fitting.tuning_trials import Trial
    from laconic.codecs.learning.band_weights import Bands, BandWeights
    from laconic.codecs.models.model import Model
    from laconic.codecs.models.tunings import Tuning

_MS_SSIM, _TORCHSCRIPT = "ms-ssim", (".pt", ".ts")
_SHIPPED_LIMIT: Final = 48  # pictures, of which a trial takes half a minute
_WITH_SCORE_ONLY: Final = ("share", "max_psnr_cost")
_WITH_BOTH: Final = ("folders", "output", "name", "score", "limit", "seed", "force", "quiet")


@dataclass(frozen=True)
class ScoreRequest:
    """What the command line asks for."""

    model: str
    folders: tuple[str, ...]
    score: str
    name: str | None
    share: float
    max_psnr_cost: float


def check_options_of_score(ctx: typer.Context, *, has_score: bool) -> None:
    """Raises `typer.BadParameter` for options that are given and would be ignored."""
    given = [name for name in ctx.params if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"]
    for name in given:
        if name not in _WITH_BOTH and (name in _WITH_SCORE_ONLY) is not has_score:
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter(f"{option} is {'not for' if has_score else 'for'} --score; leave one of them out")


def fit_score(
    request: ScoreRequest, command: str, *, limit: int | None, seed: int, quiet: bool
) -> tuple[Model, FitSignals]:
    """The model with the tune beside its others, and what it was learned from. `command` stands in its card. Raises
    `typer.BadParameter` for what cannot be meant; what goes wrong later is said, and ends the command."""
    if not request.folders:
        raise typer.BadParameter(f"{request.model} stands alone; with --score, name a model and then pictures")
    if not request.name:
        raise typer.BadParameter("--score needs --name, what the tune is to be called")
    model, name = _model_to_tune(request), request.name
    signals = find_fit_signals(
        request.folders, FitKind.picture, model.num_planes, limit=limit or _SHIPPED_LIMIT, seed=seed
    )
    try:
        missing_torch_error("--score")
        tuning = _tuning(model, signals, request, quiet=quiet)
    except (CodecError, MissingDependencyError) as err:
        raise batch.batch_failure(sentence_of_error(err)) from err
    line = f"{request.score}; {signals.num_read} pictures of {signals.named}; {command}"
    return replace(model, tunings=(*model.tunings, tuning), card={**model.card, f"tune {name}": line}), signals


def _model_to_tune(request: ScoreRequest) -> Model:
    from laconic.codecs.models.tunings import check_new_tuning
    from laconic.codecs.models.zoo import load_model

    try:
        model = load_model(request.model)
        check_new_tuning(model, request.name or "")
    except CodecError as err:
        raise typer.BadParameter(sentence_of_error(err)) from err
    return model


def _tuning(model: Model, signals: FitSignals, request: ScoreRequest, *, quiet: bool) -> Tuning:
    from laconic.codecs.fitting.score_tuning import ScoreTuningOptions, fit_tuning
    from laconic.codecs.learning.picture_score import PictureScore
    from laconic.codecs.media import Image

    score = PictureScore(request.score, _function_of_score(request.score))
    table = _Table(quiet)
    tuning = fit_tuning(
        model,
        [signal for signal in signals if isinstance(signal, Image)],
        score,
        request.name or "",
        ScoreTuningOptions(request.share, request.max_psnr_cost),
        on_weights=table.show_weights,
        on_trial=table.show_trial,
    )
    table.show_choice(tuning)
    return tuning


def _function_of_score(score: str) -> Callable[..., Any]:
    """Raises `typer.BadParameter` for what is none, `CodecError` for one that cannot be had."""
    from laconic.codecs.named_functions import is_function_name, named_function
    from laconic.tasks.mpq.torch_models import load_torchscript

    if score == _MS_SSIM:
        from laconic.codecs.learning.tensor_ms_ssim import ms_ssim_losses

        return ms_ssim_losses
    if Path(score).suffix.lower() in _TORCHSCRIPT:
        if not Path(score).is_file():
            raise typer.BadParameter(f"--score {score} is no file; name one that is there")
        function: Callable[..., Any] = load_torchscript(Path(score))
        return function
    if is_function_name(score):
        return named_function(score, "two tensors (1, 3, h, w)")
    raise typer.BadParameter(
        f"--score {score} is no score; allowed are {_MS_SSIM}, a TorchScript ({', '.join(_TORCHSCRIPT)}), MODULE:FUNCTION"
    )


class _Table:
    """Lines on what is found on the way."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bands: Bands | None = None

    def show_weights(self, weights: BandWeights) -> None:
        self._bands = weights.bands
        octaves = zip(weights.bands.names, weights.octaves.tolist(), strict=True)
        self._say("weights of bands in octaves: " + ", ".join(f"{name} {value:+.2f}" for name, value in octaves))
        self._say("strength  score %  PSNR %  offsets in sixteenths of an octave")

    def show_trial(self, trial: Trial) -> None:
        numbers = f"{trial.tuning.strength:8}  {trial.score_percent:+7.2f}  {trial.psnr_percent:+6.2f}"
        self._say(f"{numbers}  {self._offsets(trial.tuning)}")

    def show_choice(self, tuning: Tuning) -> None:
        self._say(f"tune {tuning.name}: strength {tuning.strength}, offsets {self._offsets(tuning)}")

    def _offsets(self, tuning: Tuning) -> str:
        assert self._bands is not None
        return " ".join(f"{name} {offset:+d}" for name, offset in self._bands.offsets_of(tuning).items())

    def _say(self, line: str) -> None:
        if not self._quiet:
            typer.echo(line)
