"""What networks that listen begin with: energies of bands of frequency over time, on a logarithmic scale.

The channels of a sound's latent are bands of rising frequency, so their squares are a spectrogram already, without any
transform of samples; neighbours are pooled as hearing has it (mel). Arms of samples get the same from a projection of
each patch that begins as a cosine transform and is learned, or, where a usual network is wanted, from a Fourier transform;
or they are what torchaudio finds (`mel_frontend`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from laconic.tasks.heads.learning_task import InputForm
from laconic.tasks.heads.mel_frontend import MEL_ARMS, MelPlaces, cepstrum_basis, hop_of
from laconic.tasks.heads.normalization import BatchNorm

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_USUAL_RATE_HZ = 16_000  # where sounds of several rates are in one pack
_FLOOR = 1e-4  # of the mean energy of a band: -40 dB
_SILENCE = 1e-12


class SoundBands(nn.Module):
    """(b, channels, h, w) of any arm -> (b, bands, h, t), normalised logarithms of the energies of at most `num_bands`
    bands; each item's are relative to its mean, so that its gain does not matter. A frame is `pool` places, and overlaps
    both neighbours: what single places hold goes up and down with the phase of a tone. Of arm "mfcc" the logarithms become
    cepstra, which are normalised in their place."""

    matrix: Tensor
    window: Tensor
    basis: Tensor | None

    def __init__(self, form: InputForm, num_bands: int, *, pool: int = 1) -> None:
        super().__init__()
        self.pool = pool
        self.places = _places_of(form, num_bands)
        self.register_buffer("matrix", _matrix_of(form, self.places.num_frequencies, num_bands), persistent=False)
        self.register_buffer("basis", cepstrum_basis(num_bands) if form.arm == "mfcc" else None, persistent=False)
        window = 1 - torch.arange(-pool, pool + 1).abs() / (pool + 1)
        self.register_buffer("window", (window / window.sum())[None, None], persistent=False)
        self.norm = BatchNorm(len(self.matrix) if self.basis is None else self.basis.shape[1])

    @property
    def num_bands(self) -> int:
        """Of levels: bands, or cepstra."""
        return self.norm.num_features

    def counts(self, sizes: Int[Tensor, "b 2"] | None) -> Int[Tensor, " b"] | None:
        """Frames of items of these sizes, at least one each."""
        if sizes is None:
            return None
        places = self.places.num_places(sizes[:, 1])
        return torch.div(places + self.pool - 1, self.pool, rounding_mode="floor").clamp(min=1)

    def energies(
        self, x: Float[Tensor, "b c h w"], sizes: Int[Tensor, "b 2"] | None = None
    ) -> Float[Tensor, "b k h t"]:
        """Of the bands, relative to the mean of the item, without what is padded."""
        with torch.autocast(x.device.type, enabled=False):  # squares need the range of float32
            squares = self.places(x.float())
            pooled = torch.einsum("kc,bcht->bkht", self.matrix, squares)
            lines = pooled.reshape(-1, 1, pooled.shape[3])
            frames = nn.functional.conv1d(lines, self.window, stride=self.pool, padding=self.pool)
            pooled = frames.reshape(*pooled.shape[:3], -1)
            known = frame_mask(self.counts(sizes), pooled.shape[3])
            inside = 1.0 if known is None else known
            mean = (pooled * inside).mean(dim=(1, 2, 3), keepdim=True)
            if known is not None:
                mean = mean / known.mean(dim=3, keepdim=True)
            return pooled / (mean + _SILENCE)

    def levels(
        self, energies: Float[Tensor, "b k h t"], known: Float[Tensor, "b 1 1 t"] | None = None
    ) -> Float[Tensor, "b bands h t"]:
        """Normalised logarithms of energies; 0 where nothing is `known`."""
        with torch.autocast(energies.device.type, enabled=False):
            logarithms = torch.log(energies + _FLOOR)
            if known is not None:
                mean = (logarithms * known).sum(dim=3, keepdim=True) / known.sum(dim=3, keepdim=True)
                logarithms = torch.where(known > 0, logarithms, mean)
            if self.basis is not None:
                logarithms = torch.einsum("kc,bkht->bcht", self.basis, logarithms)
            levels: Tensor = self.norm(logarithms)
            return levels if known is None else levels * known


def frame_mask(counts: Int[Tensor, " b"] | None, frames: int) -> Float[Tensor, "b 1 1 t"] | None:
    """(b, 1, 1, frames): 1 where items are that have so many frames; None where all have all."""
    if counts is None:
        return None
    return (torch.arange(frames, device=counts.device) < counts[:, None]).float()[:, None, None]


def mel_matrix(num_frequencies: int, num_bands: int, top_hz: float) -> Float[NDArray[np.float32], "bands frequencies"]:
    """(bands, frequencies) float32: means of frequencies that are equally spaced up to `top_hz`, by triangles that are
    so in mel = 2595 log10(1 + f / 700) (O'Shaughnessy, as in HTK), each at least two frequencies wide; at most as many
    bands as frequencies."""
    num_bands = min(num_bands, num_frequencies)
    top = 2595 * math.log10(1 + top_hz / 700)
    corners = 700 * (10 ** (np.linspace(0, top, num_bands + 2) / 2595) - 1) / top_hz * num_frequencies
    middle = corners[1:-1, None]
    low, high = np.minimum(corners[:-2, None], middle - 1), np.maximum(corners[2:, None], middle + 1)
    at = np.arange(num_frequencies) + 0.5
    weights = np.maximum(np.minimum((at - low) / (middle - low), (high - at) / (high - middle)), 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def cosine_basis(length: int) -> Float[Tensor, "frequencies length"]:
    """(length, length): rows of the orthonormal cosine transform (DCT-II)."""
    at = torch.arange(length)
    basis = torch.cos(math.pi / length * (at[None] + 0.5) * at[:, None]) * math.sqrt(2 / length)
    basis[0] *= math.sqrt(0.5)
    return basis


def samples_of_place(form: InputForm) -> int:
    """From one frame to the next, before they are pooled."""
    if form.arm in MEL_ARMS:
        return hop_of(form)
    return form.patch[1] if form.arm in ("small", "patches") else form.place[1]


def _matrix_of(form: InputForm, num_frequencies: int, num_bands: int) -> Float[Tensor, "bands frequencies"]:
    if form.arm in MEL_ARMS:
        return torch.eye(num_bands)
    rate_hz = form.sample_rate_hz or _USUAL_RATE_HZ
    share = min(form.channels / form.place[1], 1.0) if form.arm == "latents" else 1.0
    return torch.from_numpy(mel_matrix(num_frequencies, num_bands, rate_hz / 2 * share))


def _places_of(form: InputForm, num_bands: int) -> _LatentPlaces | _PatchPlaces | _FourierPlaces | MelPlaces:
    if form.arm in MEL_ARMS:
        return MelPlaces(form, num_bands)
    if form.arm == "latents":
        return _LatentPlaces(form.channels)
    return _FourierPlaces(form.place[1]) if form.patch == (1, 1) else _PatchPlaces(form.channels, form.patch)


class _LatentPlaces(nn.Module):
    """Channels of a latent are frequencies."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.num_frequencies = channels

    def num_places(self, widths: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        return widths

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f h w"]:
        return x.square()


class _PatchPlaces(nn.Module):
    """Of each patch of samples as many learned frequencies as it has samples; they begin as a cosine transform."""

    def __init__(self, channels: int, patch: tuple[int, int]) -> None:
        super().__init__()
        self.num_frequencies = length = patch[1]
        self.projection = nn.Conv2d(channels, length, patch, stride=patch, bias=False)
        with torch.no_grad():
            basis = cosine_basis(length)[:, None, None] / channels
            self.projection.weight.copy_(basis.expand_as(self.projection.weight))

    def num_places(self, widths: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        return torch.div(widths + self.num_frequencies - 1, self.num_frequencies, rounding_mode="floor")

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f h t"]:
        squares: Tensor = self.projection(nn.functional.pad(x, (0, -x.shape[3] % self.num_frequencies))).square()
        return squares


class _FourierPlaces(nn.Module):
    """Of the mean of the channels, by windows (Hann) of two places."""

    window: Tensor

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place
        self.num_frequencies = place + 1
        self.register_buffer("window", torch.hann_window(2 * place), persistent=False)

    def num_places(self, widths: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        return torch.div(widths + self.place - 1, self.place, rounding_mode="floor") + 1

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f h t"]:
        b, _, h, w = x.shape
        lines = nn.functional.pad(x.mean(dim=1).reshape(b * h, w), (self.place, self.place + -w % self.place))
        spectra = torch.stft(lines, 2 * self.place, self.place, window=self.window, center=False, return_complex=True)
        squares = spectra.real.square() + spectra.imag.square()
        return squares.reshape(b, h, *squares.shape[1:]).transpose(1, 2)
