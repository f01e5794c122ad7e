"""Recipes of the shipped learned parts, by name: what is trained, on which data, for how many steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from laconic.codecs.errors import CodecError

if TYPE_CHECKING:
    from jaxtyping import Float, UInt
    from torch import Tensor

    from laconic.codecs.learning.learner import Learner
    from laconic.codecs.learning.tensor_encoder import TensorEncoderModel
    from laconic.codecs.models.neural_synthesis import NeuralSynthesis


@dataclass(frozen=True)
class Recipe:
    """`data` and `validation`: folders below the data folder; those twice in `data` count twice. `kept_out`: beginnings of
    names of pictures in `data` of which some are validated by, and none is trained on. `make` builds the learner, of a
    model file if `needs_model`. `steps` end in at most 90 minutes on two cores with AVX-512, those of the large network in
    6 hours."""

    make: Callable[[Path | None, Sequence[Tensor]], Learner]
    data: tuple[str, ...]
    validation: tuple[str, ...]
    steps: int
    needs_model: bool
    reductions: tuple[float, ...] = (1.0, 1.5)
    kept_out: tuple[str, ...] = ()


def _synthesis(model: Path | None, pictures: Sequence[Tensor]) -> Learner:
    return _synthesis_of_widths(model, {1: 64, 3: 128})


def _large_synthesis(model: Path | None, pictures: Sequence[Tensor]) -> Learner:
    """43,000 multiply-adds a pixel of colour pictures, where the other has 20,000."""
    return _synthesis_of_widths(model, {1: 96, 3: 192})


def _synthesis_of_widths(model: Path | None, widths: Mapping[int, int]) -> Learner:
    """`widths` of the network by the number of planes."""
    from laconic.codecs.learning.synthesis_learner import SynthesisLearner, SynthesisOptions, finest_colors
    from laconic.codecs.models.neural_synthesis import NeuralSynthesisConfig

    encoder = _encoder(model, tuple(widths))
    config = NeuralSynthesisConfig(len(encoder.channels), widths[encoder.num_planes])
    options = SynthesisOptions(config, unrepaired=finest_colors(encoder))
    if encoder.num_planes == 1:
        options = replace(options, prefixes=(1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48))
    return SynthesisLearner(encoder, options, encode=_encode_of(encoder, model))


def _encode_of(encoder: TensorEncoderModel, model: Path | None) -> Callable[[Tensor, int], Tensor] | None:
    """The encoder itself for a model whose integers `encoder` does not model well enough."""
    if not encoder.low_levels or model is None:
        return None
    from laconic.codecs.learning.encoded_coefficients import EncodedCoefficients

    return EncodedCoefficients(model)


def _turned_synthesis(model: Path | None, pictures: Sequence[Tensor]) -> Learner:
    from laconic.codecs.learning.synthesis_learner import SynthesisLearner, SynthesisOptions, finest_colors
    from laconic.codecs.learning.synthesis_turning import turned_synthesis
    from laconic.codecs.learning.tensor_encoder import load_tensor_encoder
    from laconic.codecs.models.zoo import model_path

    encoder, source = _encoder(model), load_tensor_encoder(model_path("rgb"))
    start = turned_synthesis(_shipped_synthesis(source, "model rgb"), source, encoder)
    # Lower rates: the blocks are to change little.
    options = SynthesisOptions(
        start.config, learning_rate=1e-3, kernel_learning_rate=6e-3, unrepaired=finest_colors(encoder)
    )
    return SynthesisLearner(encoder, options, start=start.train(), encode=_encode_of(encoder, model))


def _machine_synthesis(model: Path | None, pictures: Sequence[Tensor]) -> Learner:
    from laconic.codecs.learning.encoded_coefficients import EncodedCoefficients
    from laconic.codecs.learning.perceptual_synthesis import (
        PerceptualOptions,
        PerceptualSynthesisLearner,
        TunedEncode,
        grown_synthesis,
    )
    from laconic.codecs.learning.synthesis_learner import finest_colors
    from laconic.tasks.training.crops import planes_of_crops
    from laconic.tasks.training.feature_loss import FeatureLoss

    encoder = _encoder(model)
    assert model is not None
    shipped = _shipped_synthesis(encoder, f"model file {model}")
    # There is nothing to gain at finer steps, and a network that learned little of them takes tens of decibels.
    start = grown_synthesis(shipped, replace(shipped.config, num_blocks=5, num_outputs=2, finest_code=108))
    encodes = [EncodedCoefficients(model, tune) for tune in ("psnr", "balanced", "eye", "machine")]
    return PerceptualSynthesisLearner(
        encoder,
        PerceptualOptions(unrepaired=finest_colors(encoder)),
        start=start.train(),
        tunings=[TunedEncode(encode.with_exponents, encode.step_shares) for encode in encodes],
        features=FeatureLoss([planes_of_crops(p) for p in pictures[:: len(pictures) // _FEATURE_PICTURES + 1]]),
    )


def _shipped_synthesis(encoder: TensorEncoderModel, name: str) -> NeuralSynthesis:
    from laconic.codecs.models.neural_synthesis import load_neural_synthesis_for
    from laconic.codecs.models.zoo import synthesis_path

    path = synthesis_path(bytes.fromhex(encoder.fingerprint))
    if path is None:
        raise CodecError(f"{name} has no neural synthesis to start from; train one first, by another recipe")
    return load_neural_synthesis_for(path, encoder.fingerprint)


def _task(model: Path | None, pictures: Sequence[Tensor]) -> Learner:
    import torch

    from laconic.codecs.learning.task_learner import TaskLearner, TaskOptions
    from laconic.codecs.models.model import Model
    from laconic.tasks.training.crops import planes_of_crops
    from laconic.tasks.training.feature_loss import FeatureLoss

    encoder = _encoder(model)
    assert model is not None
    features = FeatureLoss([planes_of_crops(p) for p in pictures[:: len(pictures) // _FEATURE_PICTURES + 1]])

    def teacher(planes: Tensor) -> Tensor:
        return torch.cat(features(planes)[_TEACHER_STAGES], 1)

    return TaskLearner(Model.load(model), encoder, teacher, TaskOptions())


def _transform(model: Path | None, pictures: Sequence[Tensor]) -> Learner:
    from laconic.codecs.learning.transform_learner import TransformLearner, TransformOptions

    return TransformLearner(_encoder(model), TransformOptions())


def _encoder(model: Path | None, allowed: tuple[int, ...] = (3,)) -> TensorEncoderModel:
    from laconic.codecs.learning.tensor_encoder import load_tensor_encoder

    assert model is not None
    encoder = load_tensor_encoder(model)
    if encoder.num_planes not in allowed:
        raise CodecError(
            f"model file {model} has {encoder.num_planes} planes; this recipe takes one of {' or '.join(map(str, allowed))}"
        )
    return encoder


def _walloc(model: Path | None, pictures: Sequence[Tensor]) -> Learner:
    import torch

    from laconic.codecs.walloc.walloc_network import WallocConfig, WallocNetworkLearner
    from laconic.tasks.training.crops import planes_of_crops

    sides = slice(0, _START_SIDE)
    large = [p for p in pictures[:: len(pictures) // _START_PICTURES + 1] if min(p.shape[1:]) >= _START_SIDE]
    if not large:
        raise CodecError(
            f"none of {len(pictures)} training pictures has sides of {_START_SIDE} pixels; name larger ones"
        )
    return WallocNetworkLearner(WallocConfig(), start=torch.stack([planes_of_crops(p[:, sides, sides]) for p in large]))


TASK: Final = "task"
TEACHERS: Final = ("efficientnet-lite0",)
CONTEXTS: Final = "contexts"  # a recipe of its own kind: `context_training`
_PICTURES: Final = ("bsds500/train", "clothing10/train", "imagenet_sample/train")
_VALIDATION: Final = ("bsds500/val",)
_VARIED_PICTURES: Final = (
    *["bsds500/train"] * 2,
    *["imagenet_sample/train"] * 3,
    "camvid/train/images",
    *[f"clothing10/train/{name}" for name in ("dress", "hat", "longsleeve", "outwear")],
)
# A sequence of CamVid, and every sixth picture of ImageNet's.
_KEPT_OUT: Final = ("0006R0", "n01491361", "n02108422", "n02980441", "n03944341", "n07873807")
_MAX_VALIDATION: Final = 12  # pictures
_FEATURE_PICTURES: Final = 50  # that features vary over
_KEPT_STRIDE: Final = 5  # of the pictures that are kept out of training, one is validated by
_TEACHER_STAGES: Final = slice(2, 4)  # at 1/16 of the size
_START_PICTURES, _START_SIDE = 200, 128  # that WaLLoC's linear start is of
# Where the model has low levels, syntheses encode every picture at their start, and one at every step.
RECIPES: Final[Mapping[str, Recipe]] = {
    "transform": Recipe(_transform, _PICTURES, _VALIDATION, 1_500, needs_model=True, reductions=(1.5,)),
    "synthesis": Recipe(_synthesis, _PICTURES, _VALIDATION, 13_500, needs_model=True),
    "turned_synthesis": Recipe(_turned_synthesis, _PICTURES, _VALIDATION, 10_000, needs_model=True),
    "machine_synthesis": Recipe(
        _machine_synthesis,
        _VARIED_PICTURES,
        _VALIDATION,
        3_500,
        needs_model=True,
        reductions=(1.0, 1.4),
        kept_out=_KEPT_OUT,
    ),
    "large_synthesis": Recipe(_large_synthesis, _PICTURES, _VALIDATION, 60_000, needs_model=True),
    TASK: Recipe(_task, _PICTURES, _VALIDATION, 2_000, needs_model=True, reductions=(1.0,)),
    "walloc": Recipe(_walloc, _PICTURES, _VALIDATION, 100, needs_model=False),
}


@dataclass(frozen=True)
class Job:
    """A recipe with its data: pictures (3, h, w) uint8 to train on, (3, h, w) in [-0.5, 0.5] to validate on. `model`:
    fingerprint of the one that it starts from, or nothing."""

    learner: Learner
    pictures: Sequence[UInt[Tensor, "3 h w"]]
    validation: Sequence[Float[Tensor, "3 h w"]]
    folders: tuple[str, ...]
    steps: int
    model: str


def prepare_recipe(name: str, data: Path, model: Path | None, *, seed: int, all_pictures: bool = False) -> Job:
    """The learner of a recipe, and its pictures from the recipe's folders below `data`, or, with `all_pictures`, all of
    those in `data`, every eighth to validate on. Raises `CodecError`, `WeightsError`."""
    import torch

    from laconic.codecs.models.zoo import read_zoo_entry
    from laconic.tasks.training.crops import find_pictures_for_crops, planes_of_crops, read_pictures_for_crops

    recipe = _recipe_of(name)
    if recipe.needs_model != (model is not None):
        wanted = "needs a model file to start from: pass --model" if recipe.needs_model else "starts from nothing"
        raise CodecError(f"recipe {name} {wanted}")
    torch.manual_seed(seed)
    if all_pictures:
        paths = find_pictures_for_crops([data])
        chosen, kept = [p for i, p in enumerate(paths) if i % 8], paths[::8]
    else:
        found = find_pictures_for_crops([data / folder for folder in recipe.data])
        chosen = [path for path in found if not path.name.startswith(recipe.kept_out)]
        kept = [path for path in dict.fromkeys(found) if path.name.startswith(recipe.kept_out)][::_KEPT_STRIDE]
        kept += find_pictures_for_crops([data / folder for folder in recipe.validation])
    pictures = read_pictures_for_crops(chosen, reductions=recipe.reductions)
    learner = recipe.make(model, pictures)
    least = learner.cutting.least_side
    large = (
        p for path in kept for p in read_pictures_for_crops([path], reductions=(1.0,)) if min(p.shape[1:]) >= least
    )
    validation = [planes_of_crops(p) for p in islice(large, _MAX_VALIDATION)]
    if not validation:
        raise CodecError(f"none of {len(kept)} pictures to validate on has sides of {least} pixels; name larger ones")
    fingerprint = "" if model is None else read_zoo_entry(model).fingerprint.hex()
    folders = (str(data),) if all_pictures else recipe.data
    return Job(learner, pictures, validation, folders, recipe.steps, fingerprint)


def check_teacher(recipe: str, teacher: str | None) -> None:
    """Raises `CodecError` for a teacher that is none, and of a recipe that has none; None is the usual one."""
    if teacher is None:
        return
    if recipe != TASK:
        raise CodecError(f"recipe {recipe} has no teacher, as recipe {TASK} has; leave {teacher} out")
    if teacher not in TEACHERS:
        raise CodecError(f"teacher {teacher!r} is not known; allowed is {', '.join(TEACHERS)}")


def _recipe_of(name: str) -> Recipe:
    """Raises `CodecError` for a name that is none."""
    if name not in RECIPES:
        raise CodecError(f"recipe {name!r} is not known; allowed are {', '.join((*RECIPES, CONTEXTS))}")
    return RECIPES[name]
