"""Which class is it? Cross-entropy with smoothed labels, mixed samples and shifts; scored by the share of right answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from laconic.codecs.errors import CodecError
from laconic.tasks.heads.augmentation import shifted
from laconic.tasks.heads.comparison import wilson_interval
from laconic.tasks.heads.networks import ClassifierNetwork, new_network

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from laconic.tasks.heads.inputs import Data

_CELL, _MARGIN, _LETTER = 24, 12, 7  # pixels; a letter of the class names is about so wide
_MAX_NAMED = 40  # classes


@dataclass(frozen=True)
class Classification:
    """`mixup`: the parameter of the Beta distribution, 0 for none (Zhang et al. 2018); `max_shift`: random shift in tokens.
    The same for all arms (flips are left out: a flipped picture has other latents than flipped latents). Raises
    `CodecError` for values outside.
    """

    label_smoothing: float = 0.1
    mixup: float = 0.2
    max_shift: int = 2

    name: ClassVar[str] = "classification"
    targets: ClassVar[tuple[str, ...]] = ("cls",)
    score_name: ClassVar[str] = "accuracy"
    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("mixup", "max_shift"):
            if not 0 <= getattr(self, name) < math.inf:
                raise CodecError(f"{name} is {getattr(self, name)}; allowed is 0 and more")
        if not 0 <= self.label_smoothing < 1:
            raise CodecError(f"label_smoothing is {self.label_smoothing}; allowed is 0 to below 1")

    def target(self, values: Mapping[str, Any]) -> int:
        return int(values["cls"])

    def network(self, data: Data, seed: int) -> ClassifierNetwork:
        return new_network(data.head, seed)

    def card(self, data: Data) -> dict[str, Any]:
        return {"head": asdict(data.head), "classes": data.classes}

    def loss(
        self, network: nn.Module, x: Float[Tensor, "b c h w"], targets: Int[Tensor, " b"], random: np.random.Generator
    ) -> Float[Tensor, ""]:
        assert isinstance(network, ClassifierNetwork)
        if len(x) == 1:  # statistics over one place of one sample are none, and torch refuses them
            x, targets = x.repeat(2, 1, 1, 1), targets.repeat(2)
        x = shifted(x, network.config.patch, self.max_shift, random)
        weight = float(random.beta(self.mixup, self.mixup)) if self.mixup else 1.0
        partner = torch.from_numpy(random.permutation(len(x)))
        scores = network(weight * x + (1 - weight) * x[partner])
        return weight * self._entropy(scores, targets) + (1 - weight) * self._entropy(scores, targets[partner])

    def _entropy(self, scores: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(scores, targets, label_smoothing=self.label_smoothing)

    def counts(self, outputs: Float[Tensor, "b classes"], targets: Int[Tensor, " b"]) -> Float[Tensor, " k"]:
        """The sum of the cross-entropies, then how often each class (rows) was taken for each (columns)."""
        num_classes = outputs.shape[1]
        pairs = torch.bincount(targets * num_classes + outputs.argmax(dim=1), minlength=num_classes**2)
        loss = nn.functional.cross_entropy(outputs, targets, reduction="sum")
        return torch.cat([loss[None].double(), pairs.double()])

    def scores(self, totals: Float[Tensor, " k"]) -> dict[str, float]:
        table = _table(totals)
        correct, count = int(table.trace()), int(table.sum())
        return {"loss": float(totals[0]) / count, "correct": correct, "accuracy": correct / count}

    def interval(self, totals: Float[Tensor, " k"]) -> tuple[float, float]:
        table = _table(totals)
        return wilson_interval(float(table.trace()), float(table.sum()))

    def plot(self, totals: Float[Tensor, " k"], data: Data) -> str:
        """Each class in a row, what it was taken for in columns, the darker the larger the share of the row."""
        table = _table(totals).numpy()
        names = data.classes if len(data.classes) <= _MAX_NAMED else ("",) * len(data.classes)
        left = _MARGIN + _LETTER * max(map(len, names), default=0)
        side = left + _CELL * len(names) + _MARGIN
        drawing = [_cells(row, left, _MARGIN + _CELL * number) for number, row in enumerate(table)]
        labels = [
            f'<text x="{left - 4}" y="{_MARGIN + _CELL * number + 16}" text-anchor="end">{escape(name)}</text>'
            for number, name in enumerate(names)
        ]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{2 * _MARGIN + _CELL * len(names)}" '
            'font-family="sans-serif" font-size="12">' + "".join([*drawing, *labels]) + "</svg>\n"
        )


def _table(totals: Tensor) -> Tensor:
    """(classes, classes) of counts: true, taken for."""
    return totals[1:].reshape(math.isqrt(len(totals) - 1), -1)


def _cells(row: np.ndarray[Any, Any], left: int, top: int) -> str:
    shares = row / max(row.sum(), 1)
    return "".join(
        f'<rect x="{left + _CELL * i}" y="{top}" width="{_CELL}" height="{_CELL}" fill="rgb({shade},{shade},255)" '
        f'stroke="#ccc"/><text x="{left + _CELL * i + _CELL // 2}" y="{top + 16}" text-anchor="middle">{int(count)}</text>'
        for i, (count, shade) in enumerate(zip(row, (255 - 160 * shares).round().astype(int), strict=True))
    )
