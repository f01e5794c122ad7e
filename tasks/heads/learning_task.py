"""What a network learns: to training what `mpq/protocol.py` is to evaluation. A new task is one file beside this one, or in
a package of one's own (`task_catalog`).

The loop (`head_training`) and the inputs know only this: which target files of a sample a task reads, what network it
wants, and how outputs are judged, sample by sample. It knows nothing of files, folders and processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from laconic.codecs.form import MediaKind
from laconic.codecs.models.model import Model
from laconic.codecs.models.zoo import load_model_of
from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.heads.train_options import Arm

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from laconic.codecs.media import Audio, Image


@dataclass(frozen=True)
class InputForm:
    """What a network gets, as far as its form depends on it; all of it fits in JSON.

    `channels`, `grid`: of x (b, channels, *grid); None where grids differ. `patch`: (rows, columns) of x in one token;
    `place`: of the signal in one token, 8 x 8 pixels or 1 x 256 samples of the shipped models. `scale`, `shift`: a latent
    in signal units times the one plus the other is x; empty for the arms of signals. `fingerprint` of the codec's model,
    "" for these, `group_ends` after which channels its groups end, `model` its path where it is not shipped.
    """

    arm: Arm
    kind: MediaKind
    channels: int
    grid: tuple[int, int] | None
    patch: tuple[int, int] = (1, 1)
    place: tuple[int, int] = (8, 8)
    classes: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()
    sample_rate_hz: int | None = None
    fingerprint: str = ""
    group_ends: tuple[int, ...] = ()
    model: str | None = None

    def __post_init__(self) -> None:
        for name in ("grid", "patch", "place", "classes", "scale", "shift", "group_ends"):  # JSON has lists
            value = getattr(self, name)
            object.__setattr__(self, name, value if value is None else tuple(value))

    def load_model(self) -> Model:
        """That of the latents. Raises `UnknownModelError`."""
        return load_model_of(bytes.fromhex(self.fingerprint), self.model)


@dataclass(frozen=True, eq=False)
class Batch:
    """x (b, channels, h, w); `targets`, one for each suffix that the task reads: int64 (b,) of "cls", a list of decoded
    target files of others; `sizes`, int64 (b, 2): rows and columns of each item, where x is padded with 0 to the largest,
    else None."""

    x: Float[Tensor, "b c h w"]
    targets: tuple[Any, ...]
    sizes: Int[Tensor, "b 2"] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def on(self, device: Any) -> Batch:
        """Tensors on a device; lists stay."""
        targets = tuple(t.to(device) if isinstance(t, Tensor) else t for t in self.targets)
        return replace(self, x=self.x.to(device, non_blocking=True), targets=targets)


@dataclass(frozen=True)
class TaskRecipe:
    """What a run is trained with where the user says nothing."""

    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    channels: int = 12
    augmentation: Augmentation | None = None


@dataclass(frozen=True)
class Answer:
    """What a network makes of one sample: `line` for people, `values` as JSON, and `signals` by name (a mask, a picture,
    sounds), which `laconic predict -o` writes."""

    line: str
    values: Mapping[str, Any]
    signals: Mapping[str, Image | Audio] = field(default_factory=dict)


class LearningTask(Protocol):
    """A frozen dataclass of what decides a result of the task, beside `TrainOptions`; small and picklable."""

    @property
    def name(self) -> str:
        """As results and the command line call it ("classify")."""

    @property
    def kinds(self) -> tuple[MediaKind, ...]:
        """Of the signals that it is for."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Suffixes of the target files of a sample that training reads ("cls",), see `datasets.targets`."""

    @property
    def judged_targets(self) -> tuple[str, ...]:
        """Those that validation and test read; mostly the same."""

    @property
    def maps(self) -> tuple[str, ...]:
        """Which of these have a value for each pixel, so that crops and mirroring of pictures change them as well."""

    @property
    def has_sizes(self) -> bool:
        """Whether samples may differ in size: batches are padded, and have `sizes`."""

    @property
    def score_name(self) -> str:
        """The key in `scores` by which epochs and runs are compared ("accuracy")."""

    @property
    def unit(self) -> str:
        """Of that score; "%" for shares, where 1 is 100 %, and "" for plain numbers."""

    @property
    def higher_is_better(self) -> bool: ...

    @property
    def best_by(self) -> Literal["score", "loss"]:
        """By which the best epoch is chosen; few right and wrong answers say less than their loss."""

    def recipe(self, form: InputForm) -> TaskRecipe:
        """What inputs of that form are best trained with. `form.channels` and `form.grid` are not settled yet."""

    def num_outputs(self, form: InputForm) -> int:
        """How many numbers a network of one's own is to give, for a sample or for each of its tokens."""

    def network(self, form: InputForm, seed: int) -> nn.Module:
        """Untrained, with weights that depend on the form and the seed alone."""

    def loss(self, network: nn.Module, batch: Batch, random: np.random.Generator) -> Float[Tensor, ""]:
        """The mean loss of a training batch. `random` is the same in all processes that share a batch."""

    def judge(self, network: nn.Module, batch: Batch) -> Float[Tensor, "b k"]:
        """float64 numbers of each sample, of which `scores` makes scores: right or wrong, loss, counts of errors."""

    def scores(self, rows: Float[NDArray[np.float64], "n k"]) -> dict[str, float]:
        """Of what `judge` says of any samples: "loss", `score_name` and what else belongs into a curve."""

    def plot(self, rows: Float[NDArray[np.float64], "n k"], form: InputForm) -> str:
        """The answers on the test split as one drawing, an SVG file."""

    def answers(self, network: nn.Module, batch: Batch, form: InputForm) -> Sequence[Answer]:
        """Of samples without targets."""


def description_of_learning_task(task: LearningTask) -> dict[str, Any]:
    """The task as JSON, for the options of a run."""
    return {"name": task.name, **asdict(cast("Any", task))}


def best_epoch_of_task(rows: list[dict[str, float]], task: LearningTask) -> int | None:
    """That of the best validation score, or of the least loss, then of the least loss, then the first; None where no loss
    is finite."""
    finite = [epoch for epoch, row in enumerate(rows) if np.isfinite(row["val_loss"])]
    sign = 1 if task.higher_is_better else -1
    if task.best_by == "loss":
        return min(finite, key=lambda i: rows[i]["val_loss"], default=None)
    return max(finite, key=lambda i: (sign * rows[i][f"val_{task.score_name}"], -rows[i]["val_loss"]), default=None)
