"""Which colours has a grey picture? The colours of every place from its brightness, scored by what pixels gain in dB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from laconic.codecs.arguments import settle_arguments, whole_number_argument
from laconic.codecs.form import MediaKind
from laconic.codecs.media import Image
from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.heads.color_parts import ColorParts, new_color_parts
from laconic.tasks.heads.learning_task import Answer, Batch, InputForm, TaskRecipe
from laconic.tasks.heads.map_networks import MapNetworkConfig, new_map_network

if TYPE_CHECKING:
    from jaxtyping import Float

_LEAST_ERROR = 1 / 255**2 / 12  # that of rounding to 8 bits: 59 dB
_WIDTH, _HEIGHT = 480, 200  # of the drawing, in pixels


class ColorizationNetwork(nn.Module):
    """x (b, c, h, w), of which it sees the brightness -> colours (b, chroma, rows, columns), see `ColorParts`."""

    def __init__(self, form: InputForm, width: int, seed: int) -> None:
        super().__init__()
        self.add_module("parts_of_colors", new_color_parts(form))
        luma = replace(form, channels=self.parts.num_luma)
        self.finder = new_map_network(luma, MapNetworkConfig(self.parts.num_chroma, 1, width), seed)

    @property
    def parts(self) -> ColorParts:
        return cast("ColorParts", self.get_submodule("parts_of_colors"))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b chroma rows columns"]:
        found: Tensor = self.finder(self.parts.luma(x))
        return found


@dataclass(frozen=True)
class Colorization:
    """Pictures are their own targets: a network sees the brightness and finds the colours, the mean of those that there may
    be, so that the square error is least. `width` of the network. Raises `CodecError` for values outside."""

    width: int = 48

    name: ClassVar[str] = "colourise"
    kinds: ClassVar[tuple[MediaKind, ...]] = ("image",)
    targets: ClassVar[tuple[str, ...]] = ()
    judged_targets: ClassVar[tuple[str, ...]] = ()
    maps: ClassVar[tuple[str, ...]] = ()
    has_sizes: ClassVar[bool] = True
    score_name: ClassVar[str] = "psnr_gain_db"
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = True
    best_by: ClassVar[Literal["score", "loss"]] = "score"

    def __post_init__(self) -> None:
        settle_arguments(self, width=whole_number_argument("width", self.width, 8, 4096))

    def recipe(self, form: InputForm) -> TaskRecipe:
        return TaskRecipe(
            epochs=36,
            batch_size=16,
            learning_rate=4e-3,
            channels=48,
            augmentation=Augmentation(flip=0.5, shift=4, brightness=0.1, contrast=0.2),
        )

    def num_outputs(self, form: InputForm) -> int:
        """Colours of each token."""
        found: int = cast("ColorParts", new_color_parts(form)).num_chroma
        return found

    def network(self, form: InputForm, seed: int) -> ColorizationNetwork:
        network = ColorizationNetwork(form, self.width, seed)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def loss(self, network: nn.Module, batch: Batch, random: np.random.Generator) -> Float[Tensor, ""]:
        assert isinstance(network, ColorizationNetwork)
        error = network(batch.x).float() - network.parts.chroma(batch.x)
        return _loss_of_errors(network.parts.squared(error)).mean()

    def judge(self, network: nn.Module, batch: Batch) -> Float[Tensor, "b k"]:
        """The loss, and the mean square error of the pixels as they are found and of those of the grey picture."""
        return torch.stack([self._judged(network, x) for x in _pictures_of(batch)])

    def _judged(self, network: nn.Module, x: Float[Tensor, "1 c h w"]) -> Float[Tensor, " k"]:
        assert isinstance(network, ColorizationNetwork)
        parts, found = network.parts, network(x).float()
        with torch.autocast(x.device.type, enabled=False):  # pixels in bfloat16 are another score
            true = parts.chroma(x)
            picture = parts.pixels(x, true)
            errors = [(parts.pixels(x, some) - picture).square().mean() for some in (found, parts.grey(x))]
            return torch.stack([_loss_of_errors(parts.squared(found - true))[0], *errors]).double()

    def scores(self, rows: Float[NDArray[np.float64], "n k"]) -> dict[str, float]:
        found, grey = _psnr_db(rows[:, 1]), _psnr_db(rows[:, 2])
        return {
            "loss": float(rows[:, 0].mean()),
            "psnr_gain_db": float((found - grey).mean()),
            "psnr_db": float(found.mean()),
            "grey_psnr_db": float(grey.mean()),
        }

    def plot(self, rows: Float[NDArray[np.float64], "n k"], form: InputForm) -> str:
        """A bar for each picture, from the one that gains least to the one that gains most."""
        gains = np.sort(_psnr_db(rows[:, 1]) - _psnr_db(rows[:, 2]))
        most, wide = max(float(np.abs(gains).max()), 1e-6), _WIDTH / max(len(gains), 1)
        tall = gains / most * (_HEIGHT / 2)
        bars = [
            f'<rect x="{wide * i:.2f}" y="{_HEIGHT / 2 - max(one, 0):.2f}" width="{wide:.2f}" height="{abs(one):.2f}" '
            f'fill="{"#5a7fc0" if one >= 0 else "#c0705a"}"/>'
            for i, one in enumerate(tall.tolist())
        ]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" '
            'font-size="12">' + "".join(bars) + f'<text x="4" y="14">{gains[-1]:+.1f} dB</text>'
            f'<text x="4" y="{_HEIGHT - 6}">{gains[0]:+.1f} dB, {len(gains)} pictures</text></svg>\n'
        )

    def answers(self, network: nn.Module, batch: Batch, form: InputForm) -> Sequence[Answer]:
        """The picture in the colours that were found."""
        return [_colored(network, x) for x in _pictures_of(batch)]


def _pictures_of(batch: Batch) -> list[Float[Tensor, "1 c h w"]]:
    """Each without what it was padded by."""
    sizes = [batch.x.shape[2:]] * len(batch) if batch.sizes is None else batch.sizes.tolist()
    return [batch.x[i : i + 1, :, :rows, :columns] for i, (rows, columns) in enumerate(sizes)]


def _loss_of_errors(squared: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Of mean square errors of pixels: decibels but for a factor, so that every picture counts alike."""
    return (squared + _LEAST_ERROR).log()


def _psnr_db(errors: Float[NDArray[np.float64], " n"]) -> Float[NDArray[np.float64], " n"]:
    return -10 * np.log10(np.maximum(errors, _LEAST_ERROR))


def _colored(network: nn.Module, x: Float[Tensor, "1 c h w"]) -> Answer:
    assert isinstance(network, ColorizationNetwork)
    pixels = network.parts.pixels(x, network(x).float())[0]
    samples = (pixels * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    mean = samples.reshape(-1, 3).mean(axis=0).round().astype(int).tolist()
    line = "mean colour #{:02x}{:02x}{:02x}".format(*mean)
    return Answer(line, {"mean_color": mean}, {"picture": Image(np.ascontiguousarray(samples))})
