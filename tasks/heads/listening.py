"""Which sound is it? Cross-entropy on energies of bands, with sounds mixed as they would be in the air."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from laconic.codecs.arguments import flag_argument, real_number_argument, settle_arguments, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.tasks.heads.band_augmentation import item_draws, masked, mixing_weight, rolled, stretched
from laconic.tasks.heads.confusion_plot import confusion_plot
from laconic.tasks.heads.learning_task import Answer, Batch, InputForm, TaskRecipe
from laconic.tasks.heads.seeded_weights import seeded_network
from laconic.tasks.heads.sound_networks import ListeningNetwork

if TYPE_CHECKING:
    from jaxtyping import Float

_NUM_SHOWN = 3
_MOVED = 0.1  # at most, of the length of a word: where it begins and ends


@dataclass(frozen=True)
class Listening:
    """`mixup`: the parameter of the Beta distribution, 0 for none (Zhang et al. 2018), of sounds whose energies add up.
    `tempo`, `pitch`: sounds get slower or faster and higher or lower by factors of up to exp(tempo) and exp(pitch). `gaps`
    in time and in bands (SpecAugment). `is_cyclic`: sounds may begin anywhere and go on with their beginning, as textures
    and repeated calls may. `word_frames`: each sound is one spoken word, which is cut to where it is loud and stretched to
    so many frames, and never cyclic; 0 for other sounds. `width` of the network's stem; 16 makes .16 M parameters. Raises
    `CodecError` for values outside.
    """

    label_smoothing: float = 0.1
    mixup: float = 0.4
    tempo: float = 0.0
    pitch: float = 0.1
    gaps: int = 1
    is_cyclic: bool = True
    word_frames: int = 0
    width: int = 16

    name: ClassVar[str] = "listen"
    kinds: ClassVar[tuple[MediaKind, ...]] = ("sound",)
    targets: ClassVar[tuple[str, ...]] = ("cls",)
    judged_targets: ClassVar[tuple[str, ...]] = ("cls",)
    maps: ClassVar[tuple[str, ...]] = ()
    has_sizes: ClassVar[bool] = False
    score_name: ClassVar[str] = "accuracy"
    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool] = True
    best_by: ClassVar[Literal["score", "loss"]] = "loss"

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            label_smoothing=real_number_argument("label_smoothing", self.label_smoothing, lowest=0, highest=1),
            mixup=real_number_argument("mixup", self.mixup, lowest=0, highest=100),
            tempo=real_number_argument("tempo", self.tempo, lowest=0, highest=1),
            pitch=real_number_argument("pitch", self.pitch, lowest=0, highest=1),
            gaps=whole_number_argument("gaps", self.gaps, 0, 10),
            is_cyclic=flag_argument("is_cyclic", self.is_cyclic),
            word_frames=whole_number_argument("word_frames", self.word_frames, 0, 1 << 16),
            width=whole_number_argument("width", self.width, 1, 4096),
        )
        if self.label_smoothing == 1:
            raise CodecError("label_smoothing is 1; allowed is 0 to below 1")

    def recipe(self, form: InputForm) -> TaskRecipe:
        return TaskRecipe(epochs=40, batch_size=16, learning_rate=3e-3, channels=256)

    def num_outputs(self, form: InputForm) -> int:
        return max(len(form.classes), 1)

    def network(self, form: InputForm, seed: int) -> nn.Module:
        outputs = self.num_outputs(form)
        return seeded_network(lambda: ListeningNetwork(form, outputs, self.width, self.word_frames), seed)

    def loss(self, network: nn.Module, batch: Batch, random: np.random.Generator) -> Float[Tensor, ""]:
        (labels,), half = batch.targets, len(batch) // 2
        weight = mixing_weight(random, self.mixup) if half else 1.0
        if isinstance(network, ListeningNetwork):
            scores = self._scores_of_changed(network, batch.x, weight, random)
        else:
            scores = network(weight * batch.x + (1 - weight) * batch.x.roll(half, 0))
        # The same pairs, whether the batch is whole or shared by processes.
        return weight * self._entropy(scores, labels) + (1 - weight) * self._entropy(scores, labels.roll(half))

    def _scores_of_changed(
        self, network: ListeningNetwork, x: Tensor, weight: float, random: np.random.Generator
    ) -> Tensor:
        if self.word_frames:
            moved = torch.from_numpy(item_draws(random, len(x), 2) * 2 - 1) * _MOVED
            energies = network.energies(x, moved)
        else:
            energies = network.energies(x)
            energies = rolled(energies, random) if self.is_cyclic else energies
        energies = stretched(energies, random, time=self.tempo, pitch=self.pitch)
        energies = weight * energies + (1 - weight) * energies.roll(len(x) // 2, 0)
        levels = network.bands.levels(energies)
        longest = levels.shape[3] // 4, levels.shape[1] // 6
        return network.scores(masked(levels, random, times=(self.gaps, longest[0]), bands=(self.gaps, longest[1])))

    def _entropy(self, scores: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(scores.float(), labels, label_smoothing=self.label_smoothing)

    def judge(self, network: nn.Module, batch: Batch) -> Float[Tensor, "b 4"]:
        """Of each sample the cross-entropy, its class, the class that it was taken for, and how many there are."""
        scores, (labels,) = network(batch.x).double(), batch.targets
        losses = nn.functional.cross_entropy(scores, labels, reduction="none")
        return torch.stack([losses, labels, scores.argmax(1), torch.full_like(losses, scores.shape[1])], 1)

    def scores(self, rows: Float[NDArray[np.float64], "n 4"]) -> dict[str, float]:
        is_right = rows[:, 1] == rows[:, 2]
        return {"loss": float(rows[:, 0].mean()), "correct": int(is_right.sum()), "accuracy": float(is_right.mean())}

    def plot(self, rows: Float[NDArray[np.float64], "n 4"], form: InputForm) -> str:
        table = np.zeros((int(rows[0, 3]),) * 2, np.int64)
        np.add.at(table, (rows[:, 1].astype(int), rows[:, 2].astype(int)), 1)
        return confusion_plot(table, form.classes)

    def answers(self, network: nn.Module, batch: Batch, form: InputForm) -> Sequence[Answer]:
        """The most likely classes; the value "scores" has the probability of each, the highest first."""
        return [_answer(shares, form.classes) for shares in torch.softmax(network(batch.x).float(), 1).tolist()]


def _answer(shares: Sequence[float], classes: Sequence[str]) -> Answer:
    ranked = dict(sorted(zip(classes, shares, strict=True), key=lambda entry: -entry[1]))
    line = ", ".join(f"{name} {share:.1%}" for name, share in list(ranked.items())[:_NUM_SHOWN])
    return Answer(line, {"class": next(iter(ranked)), "scores": ranked})
