"""Which sounds are mixed here? Stems are mixed as latents while training; real mixtures are judged by SI-SDR.

Training items are single stems, in classes named as these; validation and test items are mixtures, of any other class,
with a target file .npy: the stems (stems, t) as samples of the same rate, in the order of `stems`.
"""

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

from laconic.codecs.arguments import items_of_argument, real_number_argument, settle_arguments, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Audio
from laconic.tasks.heads.learning_task import Answer, Batch, InputForm, TaskRecipe
from laconic.tasks.heads.mel_frontend import MEL_ARMS
from laconic.tasks.heads.seeded_weights import seeded_network
from laconic.tasks.heads.separation_networks import SeparationNetwork
from laconic.tasks.heads.sound_mixtures import is_there, mixed_stems, tensor_si_sdr_db
from laconic.tasks.measures.sound_distortion import si_sdr_db

if TYPE_CHECKING:
    from jaxtyping import Float

_USUAL_STEMS = ("speech", "music", "effects")
_MOST_DB = 100.0  # of scores, which may be infinite
_COLORS = ("#46a", "#a64", "#4a6", "#a4a", "#888")
_SIDE, _MARGIN, _DECIBEL = 320, 40, 8  # of the plot, pixels; a decibel is so wide and high


@dataclass(frozen=True)
class Separation:
    """`stems`: the classes that are mixed; the first is what is wanted most: it is as loud as all others together, counts
    as much in the loss, and the score is what it gains. While training, levels change by up to `level_db` up and down, and
    those of frequencies by up to `equalize_db`. `width`, `blocks` of the network; 192 and 6 make 1.2 M parameters. Raises
    `CodecError` for values outside.

    It trains its own network alone: what is judged are sounds, which not every network can make.
    """

    stems: tuple[str, ...] = _USUAL_STEMS
    level_db: float = 4.0
    equalize_db: float = 7.0
    width: int = 192
    blocks: int = 6

    name: ClassVar[str] = "separate"
    kinds: ClassVar[tuple[MediaKind, ...]] = ("sound",)
    targets: ClassVar[tuple[str, ...]] = ("cls",)
    judged_targets: ClassVar[tuple[str, ...]] = ("npy",)
    maps: ClassVar[tuple[str, ...]] = ()
    has_sizes: ClassVar[bool] = False
    score_name: ClassVar[str] = "si_sdr_gain"
    unit: ClassVar[str] = "dB"
    higher_is_better: ClassVar[bool] = True
    best_by: ClassVar[Literal["score", "loss"]] = "score"

    def __post_init__(self) -> None:
        stems = tuple(items_of_argument("stems", self.stems))
        if len(stems) < 2 or len(set(stems)) < len(stems) or not all(isinstance(name, str) for name in stems):
            raise CodecError(f"stems are {self.stems!r:.80}; allowed are two names of classes and more, each once")
        settle_arguments(
            self,
            stems=stems,
            level_db=real_number_argument("level_db", self.level_db, lowest=0, highest=60),
            equalize_db=real_number_argument("equalize_db", self.equalize_db, lowest=0, highest=60),
            width=whole_number_argument("width", self.width, 1, 4096),
            blocks=whole_number_argument("blocks", self.blocks, 1, 64),
        )

    def recipe(self, form: InputForm) -> TaskRecipe:
        """Raises `CodecError` for inputs that the task is not for."""
        if form.arm == "small":
            raise CodecError(
                "arm is 'small'; allowed for separation are arms at the rate of the stems, not a reduced one"
            )
        if form.arm in MEL_ARMS:
            raise CodecError(f"arm is {form.arm!r}; allowed for separation are arms of which stems can be made again")
        if form.sample_rate_hz is None or form.grid is None or form.grid[0] != 1:
            raise CodecError("sounds are separated at one rate, length and channel; give --sample-rate and --seconds")
        if missing := sorted(set(self.stems) - set(form.classes)):
            raise CodecError(
                f"there is no class {missing[0]!r}, but {', '.join(form.classes) or 'none'}; name the classes of the stems "
                "(option stems)"
            )
        return TaskRecipe(epochs=50, batch_size=48, learning_rate=2e-3, weight_decay=0.01, channels=256)

    def num_outputs(self, form: InputForm) -> int:
        return len(self.stems) * form.channels

    def network(self, form: InputForm, seed: int) -> nn.Module:
        return seeded_network(lambda: SeparationNetwork(form, self.stems, self.width, self.blocks), seed)

    def loss(self, network: nn.Module, batch: Batch, random: np.random.Generator) -> Float[Tensor, ""]:
        """Minus the mean SI-SDR in the domain of the input, half of it that of the first stem."""
        own, (labels,) = _own(network), batch.targets
        changes = {"level_db": self.level_db, "equalize_db": self.equalize_db}
        stems = mixed_stems(own.in_signal_units(batch.x), labels, own.classes, random, step=own.step, **changes)
        weight = is_there(stems).float()
        weight[:, 0] *= len(self.stems) - 1
        found = tensor_si_sdr_db(stems, own.separated(stems.sum(dim=1)))
        return -(found * weight).sum() / weight.sum().clamp(min=1)

    def judge(self, network: nn.Module, batch: Batch) -> Float[Tensor, "b k"]:
        """SI-SDR in dB of each stem in the mixture, then of what was made of it; nan for stems that are silent, which have
        none. Raises `CodecError` where the target is no such array."""
        own, (targets,) = _own(network), batch.targets
        references = [_checked(target, len(self.stems)) for target in targets]
        sounds = own.sounds(own(batch.x), max(one.shape[1] for one in references))
        return torch.tensor([_judged(*pair) for pair in zip(references, sounds, strict=True)], dtype=torch.float64)

    def scores(self, rows: Float[NDArray[np.float64], "n k"]) -> dict[str, float]:
        """Gains in dB over the mixture: of the first stem, of each by its name ("si_sdr_gain_music"), and their mean."""
        before, after = np.split(rows, 2, axis=1)
        known = np.isfinite(before)
        gains = np.where(known, after - before, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        each = {f"{self.score_name}_{name}": float(gain) for name, gain in zip(self.stems, gains, strict=True)}
        reached = np.where(known, after, 0).sum() / max(known.sum(), 1)
        overall = {self.score_name: float(gains[0]), f"{self.score_name}_mean": float(gains.mean())}
        return {"loss": -float(reached), **overall, **each}

    def plot(self, rows: Float[NDArray[np.float64], "n k"], form: InputForm) -> str:
        """SI-SDR after over SI-SDR before, a dot for each stem of each mixture; nothing is gained on the line."""
        before, after = np.split(np.clip(np.nan_to_num(rows), -_SIDE / _DECIBEL / 2, _SIDE / _DECIBEL / 2), 2, axis=1)
        middle = _MARGIN + _SIDE // 2
        dots = [
            f'<circle cx="{middle + _DECIBEL * x:.1f}" cy="{middle - _DECIBEL * y:.1f}" r="2" fill="{color}"/>'
            for i, color in zip(range(len(self.stems)), _COLORS * len(self.stems), strict=False)
            for x, y in zip(before[:, i].tolist(), after[:, i].tolist(), strict=True)
        ]
        names = [
            f'<text x="{_MARGIN + 4}" y="{_MARGIN + 16 * (i + 1)}" fill="{_COLORS[i % len(_COLORS)]}">'
            f"{escape(name)} {self.scores(rows)[f'{self.score_name}_{name}']:+.1f} dB</text>"
            for i, name in enumerate(self.stems)
        ]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_SIDE + 2 * _MARGIN}" height="{_SIDE + 2 * _MARGIN}" '
            'font-family="sans-serif" font-size="12">'
            f'<path d="M{_MARGIN} {_MARGIN + _SIDE}L{_MARGIN + _SIDE} {_MARGIN}M{_MARGIN} {middle}h{_SIDE}'
            f'M{middle} {_MARGIN}v{_SIDE}" stroke="#ccc"/>{"".join([*dots, *names])}'
            f'<text x="{_MARGIN}" y="{_SIDE + 2 * _MARGIN - 8}">SI-SDR of the mixture, dB</text>'
            f'<text x="4" y="{_MARGIN - 8}">SI-SDR of the stem found, dB</text></svg>\n'
        )

    def answers(self, network: nn.Module, batch: Batch, form: InputForm) -> Sequence[Answer]:
        """The stems as sounds; the value "levels_db" says how loud each is beside the loudest."""
        own = _own(network)
        return [self._answer(sounds, form) for sounds in own.sounds(own(batch.x), None)]

    def _answer(self, sounds: Float[NDArray[np.float32], "stems t"], form: InputForm) -> Answer:
        energies = np.square(sounds, dtype=np.float64).sum(axis=1)
        levels = 10 * np.log10(np.maximum(energies, 1e-12) / max(float(energies.max()), 1e-12))
        named = {name: round(level, 1) for name, level in zip(self.stems, levels.tolist(), strict=True)}
        signals = {
            name: Audio(sound[None], form.sample_rate_hz or 0) for name, sound in zip(self.stems, sounds, strict=True)
        }
        return Answer(
            ", ".join(f"{name} {level:+.1f} dB" for name, level in named.items()), {"levels_db": named}, signals
        )


def _own(network: nn.Module) -> SeparationNetwork:
    if not isinstance(network, SeparationNetwork):
        raise CodecError(f"the network is a {type(network).__name__}; allowed for separation is the task's own")
    return network


def _checked(target: Any, num_stems: int) -> Float[NDArray[np.float64], "stems t"]:
    is_array = isinstance(target, np.ndarray) and target.ndim == 2 and target.dtype.kind in "if"
    if not is_array or len(target) != num_stems or not target.shape[1]:
        what = f"{target.dtype} {target.shape}" if isinstance(target, np.ndarray) else type(target).__name__
        raise CodecError(f"the target npy of a mixture is {what}; allowed are samples ({num_stems}, t) of its stems")
    return np.asarray(target, np.float64)


def _judged(
    references: Float[NDArray[np.float64], "stems t"], sounds: Float[NDArray[np.float32], "stems t"]
) -> list[float]:
    mixture = references.sum(axis=0)
    pairs = [(one, mixture) for one in references]
    pairs += [(one, sound[: len(one)]) for one, sound in zip(references, sounds, strict=True)]
    return [_finite_si_sdr_db(*pair) for pair in pairs]


def _finite_si_sdr_db(reference: NDArray[Any], other: NDArray[Any]) -> float:
    if not reference.any():
        return math.nan
    padded = np.pad(other, (0, len(reference) - len(other)))
    return min(max(si_sdr_db(reference, padded), -_MOST_DB), _MOST_DB)
