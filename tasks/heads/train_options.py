"""What decides the result of a run, beside the data, the task and the machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, get_args

from laconic.codecs.arguments import (
    choice_argument,
    positive_number_argument,
    real_number_argument,
    settle_arguments,
    typed_argument,
    whole_number_argument,
)
from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.datasets.framing import Framing
from laconic.tasks.datasets.latent_scaling import Scaling

if TYPE_CHECKING:
    from laconic.tasks.heads.learning_task import TaskRecipe

Arm = Literal["latents", "small", "patches", "pixels", "mel", "mfcc"]
Precision = Literal["float32", "bfloat16"]
ARMS: Final[tuple[Arm, ...]] = get_args(Arm)
_PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
_MOST: Final = 1 << 30
_OWN: Final = ("epochs", "batch_size", "channels", "learning_rate", "weight_decay", "augmentation")


@dataclass(frozen=True)
class TrainOptions:
    """`arm`: "latents" of a packed folder; of a plain folder "small" signals in as many tokens of as few numbers, full ones
    in big "patches", or full "pixels" for a usual network; of sounds also what torchaudio makes of them, "mel" spectrograms
    or cepstra of these ("mfcc"). `channels`, `scaling`: of the latents, see `LatentDataset`.
    `size`, `sample_rate_hz`, `seconds`, `splits`: as in packing, for plain folders. `val_fraction` of the training split is
    held out by the seed where there is no "val" split. With `folds` of 2 and more, splits do not count: all samples are
    divided into so many parts, of which number `fold` is the test split. `network`: of one's own, see `network_catalog`,
    or "" for the task's. `start`: a run whose best weights it begins with, where names and shapes are the same.
    `precision`: "bfloat16" computes in that where torch deems it safe. None, and "" for `augmentation`, ask the task
    (`LearningTask.recipe`). What belongs to one task is said in that. Raises `CodecError` for values outside.
    """

    arm: Arm = "latents"
    channels: int | None = None
    scaling: Scaling = "common"
    epochs: int | None = None
    seed: int = 0
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    warmup_fraction: float = 0.1
    augmentation: Augmentation | Literal[""] | None = ""
    network: str = ""
    start: str = ""
    val_fraction: float = 0.1
    folds: int = 0
    fold: int = 0
    size: int | None = None
    sample_rate_hz: int | None = None
    seconds: float | None = None
    splits: str | None = None
    precision: Precision = "float32"
    num_threads: int = 1
    model: str | None = None

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            arm=choice_argument("arm", self.arm, ARMS),
            network=typed_argument("network", self.network, str, "a text"),
            start=typed_argument("start", self.start, str, "the folder of a run"),
        )
        for name in ("channels", "epochs", "batch_size"):
            if getattr(self, name) is not None:
                settle_arguments(self, **{name: whole_number_argument(name, getattr(self, name), 1, _MOST)})
        if self.learning_rate is not None:
            settle_arguments(self, learning_rate=positive_number_argument("learning_rate", self.learning_rate))
        if self.weight_decay is not None:
            settle_arguments(self, weight_decay=real_number_argument("weight_decay", self.weight_decay, lowest=0))
        for name in ("warmup_fraction", "val_fraction"):
            if real_number_argument(name, getattr(self, name), lowest=0, highest=1) == 1:
                raise CodecError(f"{name} is 1; allowed is 0 to below 1")
        if self.augmentation != "":
            typed_argument("augmentation", self.augmentation, (Augmentation, type(None)), "an Augmentation or None")
        settle_arguments(
            self,
            seed=whole_number_argument("seed", self.seed, 0),
            folds=whole_number_argument("folds", self.folds, 0, _MOST),
            precision=choice_argument("precision", self.precision, _PRECISIONS),
            num_threads=whole_number_argument("num_threads", self.num_threads, 1, 1024),
        )
        settle_arguments(self, fold=whole_number_argument("fold", self.fold, 0, max(self.folds - 1, 0)))
        if self.folds == 1:
            raise CodecError("folds is 1; allowed are 0, for the splits of the data, and 2 and more")
        _ = self.framing

    @property
    def framing(self) -> Framing:
        return Framing(self.size, self.sample_rate_hz, self.seconds)

    def with_recipe(self, recipe: TaskRecipe) -> TrainOptions:
        """With what the task says where nothing was said."""
        unsaid = (name for name in _OWN if getattr(self, name) == ("" if name == "augmentation" else None))
        return replace(self, **{name: getattr(recipe, name) for name in unsaid})
