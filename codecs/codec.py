"""The interfaces: a `Codec` turns signals into bytes and back, a `LatentCodec` shows the latent in between.

A codec is a value: its operating point is part of it (`Jpeg(quality=25)`), `eval(repr(codec)) == codec`, it pickles, it
holds no open files. `laconic.codecs.checks` tests these laws on any codec. A codec cannot report a rate: whoever wants
one counts the bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from laconic.codecs.latent import Latent

S = TypeVar("S")


class Codec(Protocol[S]):
    """Turns a signal (`Image`) into bytes and back, keeping shape and sample type."""

    @property
    def name(self) -> str:
        """Short lower-case name, the key in the registry ("jpeg")."""

    def encode(self, signal: S) -> bytes:
        """Return the signal as a complete file. Raises `UnsupportedSignalError` for a signal it cannot hold."""

    def decode(self, data: bytes) -> S:
        """Return the signal. Raises `BitstreamError` for bytes that are no valid file of this codec."""


class LatentCodec(Codec[S], Protocol[S]):
    """A codec whose latent integers can be had without synthesis."""

    def analyze(self, signal: S) -> Latent:
        """Signal to quantised latent."""

    def pack(self, latent: Latent) -> bytes:
        """Latent to bytes, losslessly."""

    def unpack(self, data: bytes, *, channels: int | None = None) -> Latent:
        """Bytes to latent, exactly; with `channels`, the first of them only, from the head of the file only."""

    def synthesize(self, latent: Latent) -> S:
        """Latent to signal."""
