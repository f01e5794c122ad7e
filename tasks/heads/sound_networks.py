"""Networks that listen: to which class a sound belongs (`ListeningNetwork`), what is said at each place
(`TranscriptionNetwork`). Both begin with `SoundBands`, so that arms differ in their input alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from laconic.tasks.heads.dense_layers import DROPPED, dense_layers
from laconic.tasks.heads.learning_task import InputForm
from laconic.tasks.heads.normalization import BatchNorm, Dropout
from laconic.tasks.heads.residual_block import ResidualBlock
from laconic.tasks.heads.sound_bands import SoundBands, frame_mask, samples_of_place
from laconic.tasks.heads.word_frames import framed_words

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_NUM_BANDS: Final = 64
_FRAME_SECONDS: Final = 0.02  # of sounds to be named: a usual hop
_DILATIONS: Final = (1, 2, 4, 8)
_TAPS: Final = 5
_HIDDEN: Final = 384  # units of words


class ListeningNetwork(nn.Module):
    """(b, channels, h, w) -> (b, outputs): a residual network on bands and frames of some 20 ms, as on a picture. What it
    found is averaged over bands, and averaged and at its most over time: a bark is as short as rain is long. `word_frames`:
    each sound is a word, in so many frames, and dense layers know of each what it is of the word; 0 for any sounds."""

    def __init__(self, form: InputForm, num_outputs: int, width: int, word_frames: int = 0) -> None:
        super().__init__()
        self.word_frames = word_frames
        pool = max(round(_FRAME_SECONDS * (form.sample_rate_hz or 0) / samples_of_place(form)), 1)
        self.bands = SoundBands(form, _NUM_BANDS, pool=pool)
        if word_frames:
            # Words differ in what is where; with few of each, dense layers learn that sooner than others.
            dense = dense_layers(self.bands.num_bands * word_frames, _HIDDEN, num_outputs)
            self.words = nn.Sequential(nn.Flatten(), Dropout(DROPPED), *dense)
            return
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, (2, 1), 1, bias=False), BatchNorm(width), nn.ReLU())
        self.body = nn.Sequential(
            _listening_block(width, 2 * width, 2),
            _listening_block(2 * width, 4 * width, 2),
            _listening_block(4 * width, 4 * width, 2),
        )
        self.score = nn.Linear(8 * width, num_outputs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b outputs"]:
        return self.scores(self.bands.levels(self.energies(x)))

    def energies(
        self, x: Float[Tensor, "b c h w"], moved: Float[Tensor, "b 2"] | None = None
    ) -> Float[Tensor, "b k h t"]:
        """Of the bands; words with ends that are `moved`, see `framed_words`."""
        energies = self.bands.energies(x)
        return framed_words(energies, self.word_frames, moved) if self.word_frames else energies

    def scores(self, levels: Float[Tensor, "b k h t"]) -> Float[Tensor, "b outputs"]:
        """Of normalised levels, which `SoundBands` makes. Rows of a sound of several channels are averaged."""
        lines = levels.mean(dim=2)
        if self.word_frames:
            words: Tensor = self.words(lines)
            return words
        features = self.body(self.stem(lines[:, None].contiguous(memory_format=torch.channels_last))).mean(dim=2)
        scores: Tensor = self.score(torch.cat([features.mean(dim=2), features.amax(dim=2)], 1))
        return scores


class TranscriptionNetwork(nn.Module):
    """(b, channels, h, w) -> (b, outputs, 1, t) with t of half as many places: a residual network of convolutions over
    time. With 6 blocks its reach is 36 of these both ways, 1.2 s at 16 kHz."""

    def __init__(self, form: InputForm, num_outputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.bands = SoundBands(form, _NUM_BANDS)
        self.stem = nn.Sequential(
            nn.Conv2d(self.bands.num_bands, width, (1, _TAPS), (1, 2), (0, _TAPS // 2), bias=False),
            BatchNorm(width),
            nn.ReLU(),
        )
        self.body = nn.ModuleList(TimeBlock(width, _DILATIONS[i % len(_DILATIONS)]) for i in range(blocks))
        self.score = nn.Conv2d(width, num_outputs, 1)

    def forward(
        self, x: Float[Tensor, "b c h w"], sizes: Int[Tensor, "b 2"] | None = None
    ) -> Float[Tensor, "b outputs 1 t"]:
        energies = self.bands.energies(x, sizes)
        known = frame_mask(self.bands.counts(sizes), energies.shape[3])
        return self.outputs(self.bands.levels(energies, known), known)

    def outputs(
        self, levels: Float[Tensor, "b k h t"], known: Float[Tensor, "b 1 1 t"] | None = None
    ) -> Float[Tensor, "b outputs 1 _"]:
        """Of normalised levels, which `SoundBands` makes, 0 where nothing is `known`, so that an item is heard alike in any
        batch. Rows of a sound of several channels are averaged."""
        features = self.stem(levels.mean(dim=2, keepdim=True).contiguous(memory_format=torch.channels_last))
        inside = 1.0 if known is None else known[..., ::2].to(features.dtype)
        features = features * inside
        for block in self.body:
            features = block(features) * inside
        outputs: Tensor = self.score(features)
        return outputs


class TimeBlock(nn.Module):
    """(b, c, 1, t) -> the same: a convolution over time and one of each place, beside a shortcut."""

    def __init__(self, width: int, dilation: int, taps: int = _TAPS) -> None:
        super().__init__()
        reach = dilation * (taps // 2)
        self.convolutions = nn.Sequential(
            nn.Conv2d(width, width, (1, taps), padding=(0, reach), dilation=(1, dilation), bias=False),
            BatchNorm(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1, bias=False),
            BatchNorm(width),
        )

    def forward(self, x: Float[Tensor, "b c 1 t"]) -> Float[Tensor, "b c 1 t"]:
        out: Tensor = x + self.convolutions(x)
        return out


def _listening_block(c_in: int, c_out: int, stride: int) -> ResidualBlock:
    """With means of what is strided over in its shortcut."""
    shortcut = nn.Sequential(nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(c_in, c_out, 1, bias=False))
    return ResidualBlock(c_in, c_out, stride=stride, shortcut=shortcut)
