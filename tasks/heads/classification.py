"""Which class is it? Cross-entropy with smoothed labels and mixed samples; scored by the share of right answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from laconic.codecs.arguments import choice_argument, real_number_argument, settle_arguments, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.codecs.packing.latent_bands import latent_bands_of
from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.heads.band_networks import BandConfig, new_band_network
from laconic.tasks.heads.confusion_plot import confusion_plot
from laconic.tasks.heads.kept_places import KeepBy, KeptPlaces
from laconic.tasks.heads.learning_task import Answer, Batch, InputForm, TaskRecipe
from laconic.tasks.heads.nested_channels import check_nested, nested_argument, prefixes_stacked
from laconic.tasks.heads.networks import NetworkConfig, latent_levels, new_network

if TYPE_CHECKING:
    from jaxtyping import Float

_NUM_SHOWN = 3
_LARGE = 64  # pixels along a side, from which networks on pixels begin as ResNets do
_FEW_PLACES = 12  # along a side: too few to be halved twice by convolutions


@dataclass(frozen=True)
class Classification:
    """`body`: "bands", for few pictures (`BandNetwork`), or "residual" convolutions (`ClassifierNetwork`), which sounds
    have. `mixup`: the parameter of the Beta distribution, 0 for none (Zhang et al. 2018). `width` of the residual network's
    stem; 44 makes 1.1 M parameters. `nested`: numbers of leading channels that the network learns to answer from as well as
    from all, as (3, 12) of 48; each step costs so many times more (`nested_channels`). `keep`: the share of places of
    latents that it gets, `keep_by` which: those of most "bits", or as many by "lot" (`kept_places`). Raises `CodecError`
    for values outside.
    """

    body: Literal["bands", "residual"] = "bands"
    label_smoothing: float = 0.1
    mixup: float = 0.0
    width: int = 44
    nested: tuple[int, ...] = ()
    keep: float = 1.0
    keep_by: KeepBy = "bits"

    name: ClassVar[str] = "classify"
    kinds: ClassVar[tuple[MediaKind, ...]] = ("image", "sound")
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
            body=choice_argument("body", self.body, ("bands", "residual")),
            mixup=real_number_argument("mixup", self.mixup, lowest=0),
            label_smoothing=real_number_argument("label_smoothing", self.label_smoothing, lowest=0, highest=1),
            width=whole_number_argument("width", self.width, 1, 4096),
            nested=nested_argument(self.nested),
            keep=real_number_argument("keep", self.keep, lowest=0, highest=1),
            keep_by=choice_argument("keep_by", self.keep_by, ("bits", "lot")),
        )
        if self.label_smoothing == 1:
            raise CodecError("label_smoothing is 1; allowed is 0 to below 1")

    def recipe(self, form: InputForm) -> TaskRecipe:
        if form.kind == "sound":
            return TaskRecipe(augmentation=Augmentation(shift=2))
        colors = Augmentation(brightness=0.1, contrast=0.2, saturation=0.3, hue=0.02)
        return TaskRecipe(epochs=40, augmentation=replace(colors, shift=_shift(form), flip=0.5))

    def num_outputs(self, form: InputForm) -> int:
        return max(len(form.classes), 1)

    def network(self, form: InputForm, seed: int) -> nn.Module:
        check_nested(self.nested, form)
        network = self._network_of_all(form, seed)
        return network if self.keep == 1 else KeptPlaces(network, form, self.keep, self.keep_by)

    def _network_of_all(self, form: InputForm, seed: int) -> nn.Module:
        if self.body == "bands" and form.kind == "image" and form.arm != "pixels" and _has_bands(form):
            return new_band_network(form, BandConfig(self.num_outputs(form)), seed)
        config = NetworkConfig(form.channels, self.num_outputs(form), form.patch, self.width)
        if form.arm == "latents" and form.kind == "image" and _has_bands(form):
            config = replace(config, levels=latent_levels(form.group_ends, form.channels), refine=_refinement(form))
        if form.arm == "pixels" and form.kind == "image" and min(form.grid or (_LARGE,)) >= _LARGE:
            config = replace(config, reduction=4)
        return new_network(config, seed)

    def loss(self, network: nn.Module, batch: Batch, random: np.random.Generator) -> Float[Tensor, ""]:
        x, (labels,) = batch.x, batch.targets
        if len(x) == 1:  # statistics over one place of one sample are none, and torch refuses them
            x, labels = x.repeat(2, 1, 1, 1), labels.repeat(2)
        weight, half = float(random.beta(self.mixup, self.mixup)) if self.mixup else 1.0, len(x) // 2
        # The same pairs, whether the batch is whole or shared by processes.
        mixed, others = x if weight == 1 else weight * x + (1 - weight) * x.roll(half, 0), labels.roll(half)
        if self.nested:
            prefixes = (*self.nested, x.shape[1])
            mixed, labels, others = (
                prefixes_stacked(mixed, prefixes),
                *(t.repeat(len(prefixes)) for t in (labels, others)),
            )
        scores = network(mixed)
        return weight * self._entropy(scores, labels) + (1 - weight) * self._entropy(scores, others)

    def _entropy(self, scores: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(scores.float(), labels, label_smoothing=self.label_smoothing)

    def judge(self, network: nn.Module, batch: Batch) -> Float[Tensor, "b k"]:
        """Of each sample the cross-entropy, its class, the class that it was taken for, and how many there are; then, of
        each nested number of channels, the cross-entropy and the class."""
        scores, (labels,) = network(batch.x).double(), batch.targets
        losses = nn.functional.cross_entropy(scores, labels, reduction="none")
        columns = [losses, labels, scores.argmax(1), torch.full_like(losses, scores.shape[1])]
        for count in self.nested:
            scores = network(prefixes_stacked(batch.x, (count,))).double()
            columns += [nn.functional.cross_entropy(scores, labels, reduction="none"), scores.argmax(1)]
        return torch.stack(columns, 1)

    def scores(self, rows: Float[NDArray[np.float64], "n k"]) -> dict[str, float]:
        """From all channels, and as "accuracy_3" and "loss_3" from the first 3."""
        is_right = rows[:, 1] == rows[:, 2]
        found = {"loss": float(rows[:, 0].mean()), "correct": int(is_right.sum()), "accuracy": float(is_right.mean())}
        for count, losses, taken in zip(self.nested, rows.T[4::2], rows.T[5::2], strict=True):
            found |= {f"loss_{count}": float(losses.mean()), f"accuracy_{count}": float((taken == rows[:, 1]).mean())}
        return found

    def plot(self, rows: Float[NDArray[np.float64], "n k"], form: InputForm) -> str:
        table = np.zeros((int(rows[0, 3]),) * 2, np.int64)
        np.add.at(table, (rows[:, 1].astype(int), rows[:, 2].astype(int)), 1)
        return confusion_plot(table, form.classes)

    def answers(self, network: nn.Module, batch: Batch, form: InputForm) -> Sequence[Answer]:
        """The most likely classes; the value "scores" has the probability of each, the highest first."""
        return [_answer(shares, form.classes) for shares in torch.softmax(network(batch.x).float(), 1).tolist()]


def _shift(form: InputForm) -> int:
    """About a sixteenth of the places of a side: windows smaller than the picture lose where things are, which counts."""
    if form.grid is None:
        return 2
    step = (1, 1) if form.arm == "latents" else form.place if form.arm == "pixels" else form.patch
    return min((-(-side // p) + 8) // 16 for side, p in zip(form.grid, step, strict=True))


def _refinement(form: InputForm) -> int:
    """How many times finer than latents convolutions see small pictures: until there are enough places."""
    side, times = min(form.grid or (_FEW_PLACES,)), 1
    while side * times < _FEW_PLACES and times < max(form.place):
        times *= 2
    return times


def _has_bands(form: InputForm) -> bool:
    """Whether channels are bands that can be told apart, and all of those of a level are there."""
    if form.arm != "latents":
        return True
    try:
        latent_bands_of(form.load_model(), form.channels)
    except CodecError:
        return False
    return form.channels in form.group_ends[1:]


def _answer(shares: Sequence[float], classes: Sequence[str]) -> Answer:
    ranked = dict(sorted(zip(classes, shares, strict=True), key=lambda entry: -entry[1]))
    line = ", ".join(f"{name} {share:.1%}" for name, share in list(ranked.items())[:_NUM_SHOWN])
    return Answer(line, {"class": next(iter(ranked)), "scores": ranked})
