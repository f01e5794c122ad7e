"""A network that parts mixed sounds: what share of each coefficient is of which stem.

    x --analysis--> coefficients --levels, signs--> network over time --> shares (sum 1) --synthesis of products--> stems

Shares may be below 0 and above 1, as coefficients of two sounds may cancel.

Coefficients are those of a latent, which is linear and nearly orthonormal, so that sums of sounds are sums of latents and
errors are as large as in samples. Arms of samples get them by a projection of each patch that begins as a cosine transform
and is learned together with its inverse, or, where a usual network is wanted, by a Fourier transform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from laconic.tasks.heads.latent_sounds import sounds_of_latents
from laconic.tasks.heads.learning_task import InputForm
from laconic.tasks.heads.normalization import BatchNorm
from laconic.tasks.heads.sound_bands import cosine_basis
from laconic.tasks.heads.sound_networks import TimeBlock

if TYPE_CHECKING:
    from jaxtyping import Complex, Float

_TAPS: Final = 3
_DILATIONS: Final = (1, 2, 4, 8, 16)
_FLOOR: Final = 1e-3  # of the mean energy of a coefficient: -30 dB
_SILENCE: Final = 1e-12
_SAMPLE_SCALE: Final = 8.0  # of samples as arrays, see `datasets.framing.framed_array`


class SeparationNetwork(nn.Module):
    """(b, channels, 1, w) -> stems (b, stems, channels, 1, w) in signal units, whose sum is x in these where its transform
    is invertible. One row, as a sound of one channel has."""

    shift: Tensor
    scale: Tensor

    def __init__(self, form: InputForm, stems: Sequence[str], width: int, blocks: int) -> None:
        super().__init__()
        self.form, self.num_stems = form, len(stems)
        self.classes = tuple(form.classes.index(name) for name in stems)
        self.transform = _transform_of(form)
        self.register_buffer("scale", torch.tensor(form.scale or (_SAMPLE_SCALE,))[:, None, None], persistent=False)
        self.register_buffer("shift", torch.tensor(form.shift or (0.0,))[:, None, None], persistent=False)
        count = self.transform.num_coefficients
        self.norm = BatchNorm(self.transform.num_parts * count + count)
        self.stem = nn.Conv2d(self.norm.num_features, width, 1)
        self.body = nn.ModuleList(TimeBlock(width, _DILATIONS[i % len(_DILATIONS)], _TAPS) for i in range(blocks))
        self.score = nn.Conv2d(width, len(stems) * count, 1)
        self.excess = nn.Conv2d(width, len(stems) * count, 1)
        for values in self.excess.parameters():
            nn.init.zeros_(values)

    @property
    def step(self) -> int:
        """Values of x along a place."""
        return 1 if self.form.arm == "latents" else self.form.place[1]

    def forward(self, x: Float[Tensor, "b c 1 w"]) -> Float[Tensor, "b stems c 1 w"]:
        return self.separated(self.in_signal_units(x))

    def in_signal_units(self, x: Float[Tensor, "b c 1 w"]) -> Float[Tensor, "b c 1 w"]:
        """What is linear in the signal, as sums of sounds are sums of it."""
        return (x.float() - self.shift) / self.scale

    def separated(self, signal: Float[Tensor, "b c 1 w"]) -> Float[Tensor, "b stems c 1 w"]:
        """Of a mixture in signal units."""
        with torch.autocast(signal.device.type, enabled=False):  # squares need the range of float32
            coefficients = self.transform.analyze(signal)
            levels = self.norm(_features_of(coefficients)[:, :, None])
        features = self.stem(levels.contiguous(memory_format=torch.channels_last))
        for block in self.body:
            features = block(features)
        features = torch.relu(features)
        scores, excess = (
            layer(features).float().reshape(len(signal), self.num_stems, -1, features.shape[3])
            for layer in (self.score, self.excess)
        )
        shares = scores.softmax(dim=1) + excess - excess.mean(dim=1, keepdim=True)
        with torch.autocast(signal.device.type, enabled=False):
            stems = (shares * coefficients[:, None]).flatten(0, 1)
            parts: Tensor = self.transform.synthesize(stems, signal.shape[3])
        return parts.reshape(len(signal), self.num_stems, *signal.shape[1:])

    def sounds(
        self, stems: Float[Tensor, "b stems c 1 w"], num_samples: int | None
    ) -> Float[NDArray[np.float32], "b stems t"]:
        """Samples of separated stems: all, or the first so many. Raises `CodecError` where latents are of more than one
        channel of sound."""
        b, count = stems.shape[:2]
        values = stems.detach().cpu().float().numpy()[:, :, :, 0].reshape(b * count, stems.shape[2], -1)
        if self.form.arm == "latents":
            samples = sounds_of_latents(values, self.form.load_model(), num_samples)
        else:
            samples = values[:, 0, :num_samples]
        return samples.reshape(b, count, -1)


def _features_of(coefficients: Float[Tensor, "b c t"] | Complex[Tensor, "b c t"]) -> Float[Tensor, "b k t"]:
    """Logarithms of energies, then the coefficients (or both parts of complex ones) with fourth roots of their sizes: what
    a coefficient of a tone is goes up and down with its phase, of which signs tell. Relative to the whole, so that gain
    does not matter."""
    sizes = coefficients.abs()
    energies = sizes.square()
    mean = energies.mean(dim=(1, 2), keepdim=True) + _SILENCE
    rooted = coefficients / (sizes + _SILENCE) * (energies / mean + _SILENCE).pow(1 / 8)
    parts = (rooted.real, rooted.imag) if rooted.is_complex() else (rooted,)
    return torch.cat([torch.log(energies / mean + _FLOOR), *parts], 1)


def _transform_of(form: InputForm) -> _LatentTransform | _PatchTransform | _FourierTransform:
    if form.arm == "latents":
        return _LatentTransform(form.channels)
    return _FourierTransform(form.place[1]) if form.patch == (1, 1) else _PatchTransform(form.patch[1])


class _LatentTransform(nn.Module):
    """None: a latent has the coefficients."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.num_coefficients, self.num_parts = channels, 1

    def analyze(self, x: Float[Tensor, "b c 1 t"]) -> Float[Tensor, "b c t"]:
        return x[:, :, 0]

    def synthesize(self, coefficients: Float[Tensor, "b c t"], width: int) -> Float[Tensor, "b c 1 t"]:
        return coefficients[:, :, None]


class _PatchTransform(nn.Module):
    """Of each patch of samples as many learned coefficients, and back."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.num_coefficients, self.num_parts = length, 1
        self.analysis = nn.Conv1d(1, length, length, length, bias=False)
        self.synthesis = nn.ConvTranspose1d(length, 1, length, length, bias=False)
        with torch.no_grad():
            for layer in (self.analysis, self.synthesis):
                layer.weight.copy_(cosine_basis(length)[:, None])

    def analyze(self, x: Float[Tensor, "b 1 1 w"]) -> Float[Tensor, "b c t"]:
        coefficients: Tensor = self.analysis(nn.functional.pad(x[:, 0], (0, -x.shape[3] % self.num_coefficients)))
        return coefficients

    def synthesize(self, coefficients: Float[Tensor, "b c t"], width: int) -> Float[Tensor, "b 1 1 w"]:
        samples: Tensor = self.synthesis(coefficients)
        return samples[:, :, None, :width]


class _FourierTransform(nn.Module):
    """By windows (Hann) of two places, which overlap by one."""

    window: Tensor

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place, self.num_coefficients, self.num_parts = place, place + 1, 2
        self.register_buffer("window", torch.hann_window(2 * place), persistent=False)

    def analyze(self, x: Float[Tensor, "b 1 1 w"]) -> Complex[Tensor, "b f t"]:
        lines = nn.functional.pad(x[:, 0, 0], (0, -x.shape[3] % self.place))
        return torch.stft(
            lines, 2 * self.place, self.place, window=self.window, pad_mode="constant", return_complex=True
        )

    def synthesize(self, coefficients: Complex[Tensor, "b f t"], width: int) -> Float[Tensor, "b 1 1 w"]:
        whole = math.ceil(width / self.place) * self.place
        samples = torch.istft(coefficients, 2 * self.place, self.place, window=self.window, length=whole)
        return samples[:, None, None, :width]
