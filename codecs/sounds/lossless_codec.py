"""Our codec of sounds without loss, as one value: `LcnLossless`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from laconic.codecs.arguments import (
    Bytes,
    PathLike,
    read_bytes_argument,
    settle_arguments,
    typed_argument,
    whole_number_argument,
)
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.media import Audio, Signal
from laconic.codecs.sounds.lossless_encoder import encode_lossless_sound
from laconic.codecs.sounds.sound_part import lossless_audio

_MAX_EFFORT = 2
_MAX_THREADS = 256


@dataclass(frozen=True)
class LcnLossless:
    """Sounds of integers of up to 24 bits as .lcn files that give back each sample exactly; they have no latent.

    `effort`: 2 tries two ways of learning a sound, in twice the time, for some files that are .1 % smaller; below,
    the one that suits its sample rate is taken. `threads` work on one sound; its bytes do not depend on them. 1 to 4096
    channels.

    >>> import numpy as np
    >>> tone = Audio.from_array((1000 * np.sin(np.arange(5000) / 9)).astype(np.int16), 16000)
    >>> LcnLossless().decode(LcnLossless().encode(tone)) == tone
    True
    """

    effort: int = 1
    threads: int = 1

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            effort=whole_number_argument("effort", self.effort, 0, _MAX_EFFORT),
            threads=whole_number_argument("threads", self.threads, 1, _MAX_THREADS),
        )

    @property
    def name(self) -> str:
        return "lcn-lossless"

    def encode(self, signal: Audio) -> bytes:
        """The sound as an .lcn file. Raises `UnsupportedSignalError` for samples that are no such integers."""
        typed_argument("the signal", signal, Audio, "an Audio: lossless files hold sounds")
        return encode_lossless_sound(signal, effort=self.effort, threads=self.threads)

    def decode(self, data: Bytes | PathLike) -> Audio:
        """The sound, to the bit; of bytes, or the path of a file. Raises `BitstreamError`, `UnknownModelError` or
        `OSError`."""
        return lossless_audio(read_bytes_argument("data", data))


def encode_without_loss(signal: Signal, given: Sequence[str], codec: LcnLossless) -> bytes:
    """A sound, where none of what others are encoded by is `given`. Raises `CodecError`."""
    if given:
        raise CodecError(f"lossless and {given[0]} exclude each other; give one of them")
    if not isinstance(signal, Audio):
        raise UnsupportedSignalError(
            f"lossless is for sounds, this is {type(signal).__name__}; write a .png or .npy file"
        )
    return codec.encode(signal)
