"""What is said? Letters by CTC on energies of bands; scored by the share of wrong letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from laconic.codecs.arguments import real_number_argument, settle_arguments, whole_number_argument
from laconic.codecs.form import MediaKind
from laconic.tasks.heads.band_augmentation import masked, stretched
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
from laconic.tasks.heads.seeded_weights import seeded_network
from laconic.tasks.heads.sound_bands import frame_mask
from laconic.tasks.heads.sound_networks import TranscriptionNetwork

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_LONGEST_GAP = 12  # places, .2 s at 16 kHz: less than a word


@dataclass(frozen=True)
class Transcription:
    """`letters`: the alphabet, capitals; others are left out of texts. `tempo`, `pitch`: speech gets slower or faster and
    higher or lower by factors of up to exp(tempo) and exp(pitch). `gaps` in time and in bands (SpecAugment). `width`,
    `blocks` of the network; 160 and 6 make 1 M parameters. Raises `CodecError` for values outside.

    A network of one's own gives (b, outputs, h, t) for (b, channels, h, w): at any number of places, all outputs.
    """

    letters: str = LETTERS
    tempo: float = 0.15
    pitch: float = 0.1
    gaps: int = 2
    width: int = 160
    blocks: int = 6

    name: ClassVar[str] = "transcribe"
    kinds: ClassVar[tuple[MediaKind, ...]] = ("sound",)
    targets: ClassVar[tuple[str, ...]] = ("txt",)
    judged_targets: ClassVar[tuple[str, ...]] = ("txt",)
    maps: ClassVar[tuple[str, ...]] = ()
    has_sizes: ClassVar[bool] = True
    score_name: ClassVar[str] = "cer"
    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool] = False
    best_by: ClassVar[Literal["score", "loss"]] = "score"

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            letters=check_letters(self.letters),
            tempo=real_number_argument("tempo", self.tempo, lowest=0, highest=1),
            pitch=real_number_argument("pitch", self.pitch, lowest=0, highest=1),
            gaps=whole_number_argument("gaps", self.gaps, 0, 10),
            width=whole_number_argument("width", self.width, 1, 4096),
            blocks=whole_number_argument("blocks", self.blocks, 1, 64),
        )

    def recipe(self, form: InputForm) -> TaskRecipe:
        return TaskRecipe(epochs=36, batch_size=16, learning_rate=2e-3, channels=256)

    def num_outputs(self, form: InputForm) -> int:
        return len(self.letters) + 1

    def network(self, form: InputForm, seed: int) -> nn.Module:
        outputs = self.num_outputs(form)
        return seeded_network(lambda: TranscriptionNetwork(form, outputs, self.width, self.blocks), seed)

    def loss(self, network: nn.Module, batch: Batch, random: np.random.Generator) -> Float[Tensor, ""]:
        (texts,) = batch.targets
        if not isinstance(network, TranscriptionNetwork):
            return letter_losses(*_heard(network, batch), texts, self.letters).mean()
        energies = network.bands.energies(batch.x, batch.sizes)
        changed = stretched(energies, random, time=self.tempo, pitch=self.pitch)
        counts = _rescaled(network.bands.counts(batch.sizes), energies.shape[3], changed.shape[3])
        known = frame_mask(counts, changed.shape[3])
        levels = network.bands.levels(changed, known)
        gaps = (self.gaps, _LONGEST_GAP), (self.gaps, levels.shape[1] // 6)
        outputs = network.outputs(masked(levels, random, times=gaps[0], bands=gaps[1]), known)
        return letter_losses(*_places(outputs, _halved(counts)), texts, self.letters).mean()

    def judge(self, network: nn.Module, batch: Batch) -> Float[Tensor, "b 5"]:
        """As `letter_rows`."""
        (texts,) = batch.targets
        return letter_rows(*_heard(network, batch), texts, self.letters)

    def scores(self, rows: Float[NDArray[np.float64], "n 5"]) -> dict[str, float]:
        return letter_scores(rows)

    def plot(self, rows: Float[NDArray[np.float64], "n 5"], form: InputForm) -> str:
        return letter_plot(rows)

    def answers(self, network: nn.Module, batch: Batch, form: InputForm) -> Sequence[Answer]:
        """The text, as the value "text" as well."""
        read = read_letters(*_heard(network, batch), self.letters)
        return [Answer(text, {"text": text}) for text in read]


def _heard(network: nn.Module, batch: Batch) -> tuple[Float[Tensor, "b t outputs"], Int[Tensor, " b"]]:
    """Outputs at each place, and how many places each item has; of a network of one's own, in proportion."""
    if isinstance(network, TranscriptionNetwork):
        return _places(network(batch.x, batch.sizes), _halved(network.bands.counts(batch.sizes)))
    outputs = network(batch.x)
    widths = None if batch.sizes is None else batch.sizes[:, 1]
    return _places(outputs, _rescaled(widths, batch.x.shape[3], outputs.shape[3]))


def _places(
    outputs: Float[Tensor, "b outputs h t"], counts: Int[Tensor, " b"] | None
) -> tuple[Float[Tensor, "b t outputs"], Int[Tensor, " b"]]:
    found = outputs.float().mean(dim=2).transpose(1, 2)
    return found, torch.full((len(found),), found.shape[1]) if counts is None else counts


def _rescaled(counts: Int[Tensor, " b"] | None, width: int, other: int) -> Int[Tensor, " b"] | None:
    """Of places that are so many of a width, how many they are of another; at least 1."""
    if counts is None or width == other:
        return counts
    return torch.div(counts * other + width - 1, width, rounding_mode="floor").clamp(1, other)


def _halved(counts: Int[Tensor, " b"] | None) -> Int[Tensor, " b"] | None:
    return None if counts is None else torch.div(counts + 1, 2, rounding_mode="floor")
