"""Which shipped model suits a signal."""

from __future__ import annotations

from typing import Final

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.form import num_colors
from laconic.codecs.media import Cube, Image, Signal
from laconic.codecs.models.tunings import NOISE_TUNE, PLAIN_TUNE

_SPEECH_MAX_RATE_HZ: Final = 24_000
_PICTURE_MODELS: Final = {1: "grey", 3: "rgb"}


def picture_model_name(colors: int, profile: str) -> str:
    """Of pictures of 1 or 3 colours in a profile."""
    return _PICTURE_MODELS[colors] + ("_best" if profile == "best" else "")


def sound_model_name(num_channels: int, sample_rate: int, tune: str | None = None) -> str:
    """Of sounds with so many channels at a rate in Hz, for files of a tune."""
    suffix = "mdct" if tune == PLAIN_TUNE else NOISE_TUNE
    if num_channels == 2:
        return f"stereo_{suffix}"
    return f"speech_{suffix}" if sample_rate <= _SPEECH_MAX_RATE_HZ else f"mono_{suffix}"


def default_lcn_model(signal: Signal, profile: str = "small", tune: str | None = None) -> str:
    """Name of the shipped model for a signal. Raises `UnsupportedSignalError` for cubes, which need one of their own."""
    if isinstance(signal, Image):
        return picture_model_name(num_colors(signal), profile)
    if isinstance(signal, Cube):
        raise UnsupportedSignalError("no shipped model is for cubes; fit one to such signals and name it (model=)")
    return sound_model_name(signal.num_channels, signal.sample_rate, tune)
