"""What is there where a network cannot see? Learned from pictures without labels, as masked autoencoders are (He et al.
2022); the weights are where `laconic train classify --start RUN` begins.

The network of classes of pictures (`BandNetwork`) gets the strengths of bands in a grid of cells. Here half of them are
hidden from it, and its last layer answers with what they hold, in units of their deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from laconic.codecs.arguments import real_number_argument, settle_arguments
from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.heads.band_augmentation import item_draws
from laconic.tasks.heads.band_networks import BandConfig, BandNetwork, new_band_network
from laconic.tasks.heads.learning_task import Answer, Batch, InputForm, TaskRecipe

if TYPE_CHECKING:
    from jaxtyping import Float

_BAR, _HEIGHT = 6, 100  # pixels of the drawing


@dataclass(frozen=True)
class Pretraining:
    """`hidden`: the share of cells that are. Raises `CodecError` for values outside."""

    hidden: float = 0.5

    name: ClassVar[str] = "pretrain"
    kinds: ClassVar[tuple[MediaKind, ...]] = ("image",)
    targets: ClassVar[tuple[str, ...]] = ()
    judged_targets: ClassVar[tuple[str, ...]] = ()
    maps: ClassVar[tuple[str, ...]] = ()
    has_sizes: ClassVar[bool] = False
    score_name: ClassVar[str] = "explained"
    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool] = True
    best_by: ClassVar[Literal["score", "loss"]] = "loss"

    def __post_init__(self) -> None:
        settle_arguments(self, hidden=real_number_argument("hidden", self.hidden, lowest=0, highest=1))
        if not 0 < self.hidden < 1:
            raise CodecError(f"hidden is {self.hidden}; allowed is above 0 to below 1")

    def recipe(self, form: InputForm) -> TaskRecipe:
        colors = Augmentation(shift=2, flip=0.5, brightness=0.1, contrast=0.2, saturation=0.3, hue=0.02)
        return TaskRecipe(epochs=60, augmentation=colors)

    def num_outputs(self, form: InputForm) -> int:
        """A number for each band of each cell."""
        return new_band_network(form, BandConfig(1), 0).num_cell_features

    def network(self, form: InputForm, seed: int) -> BandNetwork:
        return new_band_network(form, BandConfig(self.num_outputs(form)), seed)

    def loss(self, network: nn.Module, batch: Batch, random: np.random.Generator) -> Float[Tensor, ""]:
        own = _own(network)
        draws = torch.from_numpy(item_draws(random, len(batch), own.config.cells**2)).to(batch.x)
        error, _ = self._errors(own, batch.x, draws < self.hidden)
        return error.mean()

    def judge(self, network: nn.Module, batch: Batch) -> Float[Tensor, "b 2"]:
        """The mean square error of the hidden cells, and their mean square; the same cells of every item are hidden."""
        own = _own(network)
        draws = torch.from_numpy(np.random.default_rng(0).random(own.config.cells**2)).to(batch.x)
        errors = self._errors(own, batch.x, (draws < self.hidden).expand(len(batch), -1))
        return torch.stack(errors, 1).double()

    def _errors(self, network: BandNetwork, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Of each item (b,), over what is hidden, (b, cells)."""
        cells, whole = network.features(x)
        is_hidden = hidden.reshape(len(x), 1, network.config.cells, network.config.cells).to(cells.dtype)
        found = network.answer(cells * (1 - is_hidden), whole).float().reshape_as(cells)
        count = (is_hidden.sum(dim=(1, 2, 3)) * cells.shape[1]).clamp(min=1)
        missed = (is_hidden * (found - cells)).square().sum(dim=(1, 2, 3)) / count
        return missed, (is_hidden * cells).square().sum(dim=(1, 2, 3)) / count

    def scores(self, rows: Float[NDArray[np.float64], "n 2"]) -> dict[str, float]:
        """The share of what the hidden cells hold that was foreseen."""
        error, there = rows.mean(axis=0).tolist()
        return {"loss": error, "explained": 1 - error / max(there, 1e-12)}

    def plot(self, rows: Float[NDArray[np.float64], "n 2"], form: InputForm) -> str:
        """A bar for each picture: the share that was foreseen, from least to most."""
        shares = np.sort(1 - rows[:, 0] / np.maximum(rows[:, 1], 1e-12)).clip(-1, 1)
        bars = [
            f'<rect x="{_BAR * i}" y="{_HEIGHT * (1 - max(share, 0)):.1f}" width="{_BAR - 1}" '
            f'height="{_HEIGHT * abs(share):.1f}" fill="#46a"/>'
            for i, share in enumerate(shares.tolist())
        ]
        size = f'width="{_BAR * len(bars)}" height="{2 * _HEIGHT}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(bars)}</svg>\n'

    def answers(self, network: nn.Module, batch: Batch, form: InputForm) -> Sequence[Answer]:
        """How much of the hidden half of each picture was foreseen."""
        shares = [self.scores(row[None])["explained"] for row in self.judge(network, batch).cpu().numpy()]
        return [Answer(f"{share:.0%} of what was hidden foreseen", {"explained": share}) for share in shares]


def _own(network: nn.Module) -> BandNetwork:
    if not isinstance(network, BandNetwork):
        raise CodecError(f"the network is a {type(network).__name__}; allowed for pretraining is the task's own")
    return network
