"""What does it say? Lines of print, such as those of receipts, letter by letter: connectionist temporal classification of
cells of 4 pixels along the line; scored by the share of wrong letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from laconic.codecs.form import MediaKind
from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.heads.learning_task import Answer, Batch, InputForm, TaskRecipe
from laconic.tasks.heads.letter_sequences import (
    LETTERS,
    check_letters,
    letter_losses,
    letter_plot,
    letter_rows,
    letter_scores,
    read_letters,
)
from laconic.tasks.heads.line_networks import LineNetwork, LineNetworkConfig, new_line_network

if TYPE_CHECKING:
    from jaxtyping import Float, Int

# Strokes are in fine channels. Of the 192 of the model for colours, the first 96 hold all that a grey line has.
_CHANNELS = 96


@dataclass(frozen=True)
class LineReading:
    """Pictures of one line each, some 32 pixels high and of any length, with their text in `.txt`. `letters`: those that
    are learned and compared, in capitals; others are left out of texts. Raises `CodecError` for a bad alphabet.
    """

    letters: str = LETTERS

    name: ClassVar[str] = "read"
    kinds: ClassVar[tuple[MediaKind, ...]] = ("image",)
    targets: ClassVar[tuple[str, ...]] = ("txt",)
    judged_targets: ClassVar[tuple[str, ...]] = ("txt",)
    maps: ClassVar[tuple[str, ...]] = ()
    has_sizes: ClassVar[bool] = True
    score_name: ClassVar[str] = "cer"
    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool] = False
    best_by: ClassVar[Literal["score", "loss"]] = "score"

    def __post_init__(self) -> None:
        check_letters(self.letters)

    def recipe(self, form: InputForm) -> TaskRecipe:
        return TaskRecipe(
            epochs=10,
            batch_size=32,
            learning_rate=2e-3,
            weight_decay=0.05,
            channels=_CHANNELS,
            augmentation=Augmentation(contrast=0.3, erase=0.1),
        )

    def num_outputs(self, form: InputForm) -> int:
        return 1 + len(self.letters)

    def network(self, form: InputForm, seed: int) -> LineNetwork:
        place = (1, 1) if form.arm == "pixels" else form.place  # a network of pixels sees these one by one
        return new_line_network(LineNetworkConfig(form.channels, self.num_outputs(form), form.patch, place), seed)

    def loss(self, network: nn.Module, batch: Batch, random: np.random.Generator) -> Float[Tensor, ""]:
        outputs, lengths = _outputs(network, batch)
        return letter_losses(outputs, lengths, batch.targets[0], self.letters).mean()

    def judge(self, network: nn.Module, batch: Batch) -> Float[Tensor, "b 5"]:
        outputs, lengths = _outputs(network, batch)
        return letter_rows(outputs, lengths, batch.targets[0], self.letters)

    def scores(self, rows: Float[NDArray[np.float64], "n 5"]) -> dict[str, float]:
        return letter_scores(rows)

    def plot(self, rows: Float[NDArray[np.float64], "n 5"], form: InputForm) -> str:
        return letter_plot(rows)

    def answers(self, network: nn.Module, batch: Batch, form: InputForm) -> Sequence[Answer]:
        outputs, lengths = _outputs(network, batch)
        return [Answer(text, {"text": text}) for text in read_letters(outputs, lengths, self.letters)]


def _outputs(network: nn.Module, batch: Batch) -> tuple[Float[Tensor, "b t outputs"], Int[Tensor, " b"]]:
    """With the number of places of each line, which in networks of one's own are spread evenly over the columns of x."""
    width = batch.x.shape[3]
    columns = torch.full((len(batch),), width) if batch.sizes is None else batch.sizes[:, 1]
    if isinstance(network, LineNetwork):
        return network(batch.x, columns), network.lengths(columns)
    outputs: Tensor = network(batch.x)
    return outputs, torch.div(columns * outputs.shape[1] + width - 1, width, rounding_mode="floor")
