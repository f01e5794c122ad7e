"""What is shown where? A class for each pixel, scored by the mean intersection over union of all classes (mIoU)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from laconic.codecs.arguments import real_number_argument, settle_arguments, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Image
from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.heads.learning_task import Answer, Batch, InputForm, TaskRecipe
from laconic.tasks.heads.map_networks import TOKEN, MapNetwork, MapNetworkConfig, new_map_network, stride_of_tokens

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt

_OUTSIDE = 255  # of masks where no picture is, and of no class in most data sets
_FINER = 2  # answers on a side of a token, between which pixels are interpolated
_CELL = TOKEN // _FINER  # pixels on a side of what the network gives one answer for
_MOST_CLASSES = 255
_BAR, _ROW, _LEFT = 300, 20, 120  # pixels of the drawing


@dataclass(frozen=True)
class Segmentation:
    """Masks are targets "png" with numbers below `num_classes`, `void` and 255 where the class is not known, which counts
    nowhere. `balance`: 0, every pixel of a picture weighs the same in the loss, to 1, every class of it does. `width` of
    the network. Raises `CodecError` for values outside.
    """

    num_classes: int = 11
    void: int = 11
    balance: float = 0.5
    width: int = 48

    name: ClassVar[str] = "segment"
    kinds: ClassVar[tuple[MediaKind, ...]] = ("image",)
    targets: ClassVar[tuple[str, ...]] = ("png",)
    judged_targets: ClassVar[tuple[str, ...]] = ("png",)
    maps: ClassVar[tuple[str, ...]] = ("png",)
    has_sizes: ClassVar[bool] = True
    score_name: ClassVar[str] = "mean_iou"
    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool] = True
    best_by: ClassVar[Literal["score", "loss"]] = "score"

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            num_classes=whole_number_argument("num_classes", self.num_classes, 2, _MOST_CLASSES),
            void=whole_number_argument("void", self.void, 0, _OUTSIDE),
            balance=real_number_argument("balance", self.balance, lowest=0, highest=1),
            width=whole_number_argument("width", self.width, 8, 4096),
        )

    def recipe(self, form: InputForm) -> TaskRecipe:
        return TaskRecipe(
            epochs=60,
            batch_size=8,
            learning_rate=4e-3,
            channels=48,
            augmentation=Augmentation(shift=4, flip=0.5, brightness=0.1, contrast=0.2, saturation=0.3),
        )

    def num_outputs(self, form: InputForm) -> int:
        return self.num_classes

    def network(self, form: InputForm, seed: int) -> MapNetwork:
        return new_map_network(form, MapNetworkConfig(self.num_classes, _FINER, self.width), seed)

    def loss(self, network: nn.Module, batch: Batch, random: np.random.Generator) -> Float[Tensor, ""]:
        """Of one pixel in each cell of the answer, the same for all: the mean over many steps is that over all pixels."""
        logits = network(batch.x).float()
        masks = self._masks(batch.targets[0], [side * _CELL for side in logits.shape[2:]]).to(logits.device)
        top, left = random.integers(0, _CELL, 2).tolist()
        return self._losses(logits, masks[:, top::_CELL, left::_CELL], self.balance).mean()

    def judge(self, network: nn.Module, batch: Batch) -> Float[Tensor, "b k"]:
        """The loss, without weights of classes; then how often each class (rows) was taken for each (columns)."""
        return torch.stack([self._judged(network, batch, i) for i in range(len(batch))])

    def _judged(self, network: nn.Module, batch: Batch, item: int) -> Float[Tensor, " k"]:
        logits = self._of_pixels(network, batch, item)
        mask = self._masks(batch.targets[0][item : item + 1], logits.shape[2:]).to(logits.device)
        taken, known = logits.argmax(dim=1), mask < self.num_classes
        pairs = mask[known] * self.num_classes + taken[known]
        counts = torch.bincount(pairs, minlength=self.num_classes**2)
        return torch.cat([self._losses(logits, mask, 0.0).double(), counts.double()])

    def _of_pixels(self, network: nn.Module, batch: Batch, item: int) -> Float[Tensor, "1 classes h w"]:
        """Scores of the pixels under an item, whatever it was padded to."""
        x = batch.x[item : item + 1]
        if batch.sizes is not None:
            rows, columns = batch.sizes[item].tolist()
            x = x[:, :, :rows, :columns]
        return functional.interpolate(network(x).float(), scale_factor=_CELL, mode="bilinear", align_corners=False)

    def _masks(self, masks: Sequence[NDArray[Any]], shape: Sequence[int]) -> Int[Tensor, "b h w"]:
        """In one tensor of this shape, `num_classes` for no class. Raises `CodecError` for other values."""
        out = np.full((len(masks), *shape), _OUTSIDE, np.uint8)
        for i, mask in enumerate(masks):
            rows, columns = (min(sizes) for sizes in zip(mask.shape[:2], shape, strict=True))
            out[i, :rows, :columns] = self._checked(mask)[:rows, :columns]
        classes = torch.from_numpy(out).long()
        return torch.where((classes == self.void) | (classes == _OUTSIDE), self.num_classes, classes)

    def _checked(self, mask: NDArray[Any]) -> UInt[NDArray[np.uint8], "h w"]:
        known = (mask == self.void) | (mask == _OUTSIDE) | ((mask >= 0) & (mask < self.num_classes))
        if mask.ndim != 2 or mask.dtype.kind not in "ui" or not known.all():
            other = f"the value {mask[~known][0]}" if mask.ndim == 2 and not known.all() else f"the shape {mask.shape}"
            raise CodecError(
                f"a mask has {other}; allowed are (h, w) of 0 to {self.num_classes - 1}, and {self.void} or {_OUTSIDE} for "
                "no class: set num_classes and void"
            )
        return mask.astype(np.uint8)

    def _losses(
        self, logits: Float[Tensor, "b classes h w"], masks: Int[Tensor, "b h w"], balance: float
    ) -> Float[Tensor, " b"]:
        """The mean cross-entropy of the known pixels of each item, weighted by a power of how seldom it has their class."""
        known = masks < self.num_classes
        entropy = functional.cross_entropy(logits, masks, ignore_index=self.num_classes, reduction="none")
        counts = functional.one_hot(masks, self.num_classes + 1).flatten(1, 2).sum(dim=1).clamp(min=1)
        weights = counts.double().pow(-balance).float().gather(1, masks.flatten(1)).view_as(entropy) * known
        return (weights * entropy).sum(dim=(1, 2)) / weights.sum(dim=(1, 2)).clamp(min=1e-9)

    def scores(self, rows: Float[NDArray[np.float64], "n k"]) -> dict[str, float]:
        table = self._table(rows)
        known = rows[:, 1:].sum(axis=1) > 0
        loss = float(rows[known, 0].mean()) if known.any() else math.nan
        shares = _intersections_over_unions(table)
        right = float(table.trace() / max(table.sum(), 1))
        return {"loss": loss, "mean_iou": float(np.nanmean(shares)) if known.any() else 0.0, "pixel_accuracy": right}

    def _table(self, rows: Float[NDArray[np.float64], "n k"]) -> Float[NDArray[np.float64], "classes classes"]:
        """Pixels of all items: true, taken for."""
        table: NDArray[np.float64] = rows[:, 1:].sum(axis=0).reshape(self.num_classes, self.num_classes)
        return table

    def plot(self, rows: Float[NDArray[np.float64], "n k"], form: InputForm) -> str:
        """A bar for each class, as long as its intersection over union."""
        shares = _intersections_over_unions(self._table(rows))
        names = form.classes if len(form.classes) == self.num_classes else [str(i) for i in range(self.num_classes)]
        bars = [_bar(name, float(share), i) for i, (name, share) in enumerate(zip(names, shares, strict=True))]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _BAR + 80}" height="{_ROW * (len(bars) + 1)}" '
            'font-family="sans-serif" font-size="12">' + "".join(bars) + "</svg>\n"
        )

    def answers(self, network: nn.Module, batch: Batch, form: InputForm) -> list[Answer]:
        """The mask as a grey picture of class numbers, of latents whole places, and the share of each class in it."""
        return [self._answer(network, batch, i, form) for i in range(len(batch))]

    def _answer(self, network: nn.Module, batch: Batch, item: int, form: InputForm) -> Answer:
        rows, columns = batch.x.shape[2:] if batch.sizes is None else batch.sizes[item].tolist()
        high, wide = stride_of_tokens(form)
        found = self._of_pixels(network, batch, item).argmax(dim=1)[
            0, : rows * TOKEN // high, : columns * TOKEN // wide
        ]
        mask = found.cpu().numpy().astype(np.uint8)
        names = form.classes if len(form.classes) == self.num_classes else [str(i) for i in range(self.num_classes)]
        counts = np.bincount(mask.ravel(), minlength=self.num_classes)
        shares = {names[i]: float(counts[i] / mask.size) for i in np.argsort(-counts, kind="stable") if counts[i]}
        line = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items() if share >= 0.005)
        return Answer(line, {"shares": shares}, {"mask": Image(mask[:, :, None])})


def _intersections_over_unions(table: Float[NDArray[np.float64], "c c"]) -> Float[NDArray[np.float64], " c"]:
    """Of each class; NaN for those that are nowhere in the truth."""
    hits, truth = table.diagonal(), table.sum(axis=1)
    unions = truth + table.sum(axis=0) - hits
    shares: NDArray[np.float64] = np.divide(hits, unions, out=np.full(len(hits), np.nan), where=truth > 0)
    return shares


def _bar(name: str, share: float, row: int) -> str:
    known = not math.isnan(share)
    top = _ROW * row + 8
    return (
        f'<text x="{_LEFT - 6}" y="{top + 12}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{_LEFT}" y="{top}" width="{_BAR * share if known else 0:.1f}" height="{_ROW - 4}" fill="#5a7fc0"/>'
        f'<text x="{_LEFT + (_BAR * share if known else 0) + 6:.1f}" y="{top + 12}">'
        + (f"{100 * share:.1f} %" if known else "in no mask")
        + "</text>"
    )
