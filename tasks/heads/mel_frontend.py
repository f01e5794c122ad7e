"""The usual front ends of networks that listen, as torchaudio computes them: mel spectrograms, and cepstra of these (MFCC).

They are there for comparison: what others learn from, beside latents, through the same networks.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from laconic.codecs.errors import CodecError, MissingDependencyError
from laconic.tasks.heads.learning_task import InputForm

if TYPE_CHECKING:
    from jaxtyping import Float, Int

MEL_ARMS: Final = ("mel", "mfcc")
NUM_CEPSTRA: Final = 40  # of 64 bands
_WINDOW_SECONDS, _HOP_SECONDS = 0.025, 0.010  # as Kaldi, Whisper and others


def hop_of(form: InputForm) -> int:
    """Samples from one frame to the next. Raises `CodecError` where sounds have no common rate."""
    if form.sample_rate_hz is None:
        raise CodecError(f"arm is {form.arm!r}, whose bands need one sample rate; give --sample-rate")
    return max(round(_HOP_SECONDS * form.sample_rate_hz), 1)


class MelPlaces(nn.Module):
    """(b, channels, h, w) samples -> (b, bands, h, t): energies of mel bands of the mean of the channels, in Hann windows
    of 25 ms every 10 ms, centred, the ends filled with zeros. Raises `MissingDependencyError` without torchaudio."""

    def __init__(self, form: InputForm, num_bands: int) -> None:
        super().__init__()
        self.hop, self.num_frequencies = hop_of(form), num_bands
        assert form.sample_rate_hz is not None
        window = round(_WINDOW_SECONDS * form.sample_rate_hz)
        length = 1 << (2 * window - 1).bit_length()  # so that the lowest bands hold a frequency each
        self.spectrogram = torchaudio_module("transforms").MelSpectrogram(
            form.sample_rate_hz,
            n_fft=length,
            win_length=window,
            hop_length=self.hop,
            n_mels=num_bands,
            pad_mode="constant",
            norm="slaney",
        )

    def num_places(self, widths: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        return torch.div(widths, self.hop, rounding_mode="floor") + 1

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b f h t"]:
        energies: Tensor = self.spectrogram(x.mean(dim=1)).transpose(1, 2)
        return energies


def cepstrum_basis(num_bands: int) -> Float[Tensor, "bands cepstra"]:
    """(bands, cepstra): logarithms of energies times this are cepstra."""
    basis: Tensor = torchaudio_module("functional").create_dct(min(NUM_CEPSTRA, num_bands), num_bands, norm="ortho")
    return basis


def torchaudio_module(name: str) -> Any:
    """`torchaudio.name`.

    Its native library need not load (a wheel made for CUDA beside torch for CPUs): nothing that is used here is in it, so
    an empty module stands in for what loads it. Raises `MissingDependencyError` where the package is absent or broken.
    """
    try:
        try:
            importlib.import_module("torchaudio")
        except OSError:
            sys.modules["torchaudio._extension"] = _without_native_library()
            importlib.import_module("torchaudio")
        return importlib.import_module(f"torchaudio.{name}")
    except (ImportError, OSError, RuntimeError) as err:
        raise MissingDependencyError(
            f"torchaudio cannot be imported ({err}); install one made for torch {torch.__version__}: "
            "pip install 'laconic[audio]'"
        ) from err


def _without_native_library() -> types.ModuleType:
    module = types.ModuleType("torchaudio._extension")
    vars(module).update(_IS_TORCHAUDIO_EXT_AVAILABLE=False, fail_if_no_align=lambda function: function)
    return module
