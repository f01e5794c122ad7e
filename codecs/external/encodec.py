"""EnCodec, a learned codec of sounds (Défossez, Copet, Synnaeve, Adi, "High fidelity neural audio compression", TMLR 2023),
by the package transformers: `pip install 'laconic[encodec]'`.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import (
    Bytes,
    PathLike,
    positive_number_argument,
    read_bytes_argument,
    settle_arguments,
    text_argument,
)
from laconic.codecs.errors import CodecError, MissingDependencyError, WeightsError
from laconic.codecs.external._resampling import resampled_frames
from laconic.codecs.external._soundfile import check_sound
from laconic.codecs.media import Audio
from laconic.entropy.errors import ChecksumError, CorruptStreamError, TruncatedError

if TYPE_CHECKING:
    from jaxtyping import Int

# Magic, channels, codebooks, bits of a code, sample rate, number of samples, of frames; at the end a CRC-32.
_HEADER = struct.Struct("<4sBBBIII")
_MAGIC = b"ENC1"
_CHECKSUM = struct.Struct("<I")
_MAX_CHANNELS = 8
_MAX_RATE_HZ = 192_000
_RANDOM_CODES = 0.1  # their standard deviation, near what random weights make


@dataclass(frozen=True)
class EnCodec:
    """EnCodec of one channel at 24 kHz, at `bandwidth` kbit/s: 1.5, 3, 6, 12 or 24 of the published network.

    `checkpoint` is a folder as transformers' `save_pretrained` writes it and as `facebook/encodec_24khz` has it:
    config.json and model.safetensors. None takes random weights, always the same: the path runs, the sounds are bad.
    Channels are coded each on its own; **other rates are resampled here**, as `Opus` does. Codes take 10 bits each,
    without the arithmetic coder of the paper. Networks that cut sounds into chunks (48 kHz) are refused. Codes are computed
    in floats, so files are the same on the same kind of machine only, and decode with the weights that made them only.
    """

    bandwidth: float = 6.0
    checkpoint: str | None = None

    name: ClassVar[str] = "encodec"

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            bandwidth=positive_number_argument("EnCodec bandwidth", self.bandwidth),
            checkpoint=None if self.checkpoint is None else text_argument("EnCodec checkpoint", self.checkpoint),
        )

    def encode(self, signal: Audio) -> bytes:
        """Return the file. Raises as `Codec`, `CodecError` for a bandwidth that the network does not have, `WeightsError`
        and `MissingDependencyError`."""
        check_sound(signal, "EnCodec", max_channels=_MAX_CHANNELS)
        network = _network(self.checkpoint)
        import torch

        if self.bandwidth not in network.config.target_bandwidths:
            allowed = ", ".join(f"{kbps:g}" for kbps in network.config.target_bandwidths)
            raise CodecError(f"EnCodec bandwidth is {self.bandwidth:g}; allowed of these weights are {allowed} kbit/s")
        frames = resampled_frames(signal.samples.T, signal.sample_rate, network.config.sampling_rate, codec="EnCodec")
        with torch.no_grad():
            samples = torch.from_numpy(np.ascontiguousarray(frames.T))[:, None]
            codes = network.encode(samples, bandwidth=self.bandwidth).audio_codes[0].numpy()
        channels, codebooks, num_frames = codes.shape
        bits = network.bits_per_codebook
        fields = (channels, codebooks, bits, signal.sample_rate, signal.samples.shape[1], num_frames)
        content = _HEADER.pack(_MAGIC, *fields) + _packed(codes, bits)
        return content + _CHECKSUM.pack(zlib.crc32(content))

    def decode(self, data: Bytes | PathLike) -> Audio:
        """Return the signal. Raises as `Codec` and `encode`."""
        data = read_bytes_argument("data", data)
        shape, bits, rate, num_samples, content = _parsed(data)
        network = _network(self.checkpoint)
        import torch

        own_rate, hop = network.config.sampling_rate, network.config.hop_length
        most = shape[2] * hop * rate // own_rate
        if shape[1] > network.config.num_quantizers or bits != network.bits_per_codebook or num_samples > most:
            raise CorruptStreamError(
                f"the file claims {num_samples} samples at {rate} Hz in {shape[2]} frames of {shape[1]} codes of {bits} "
                f"bits; these weights allow {network.config.num_quantizers} codes of {network.bits_per_codebook} bits, "
                f"and make {most} samples of that"
            )
        with torch.no_grad():
            codes = torch.from_numpy(_unpacked(content, shape, bits))
            samples = network.decode(codes[None], [None]).audio_values[:, 0].numpy()
        frames = resampled_frames(np.ascontiguousarray(samples.T), own_rate, rate, codec="EnCodec")
        return Audio(np.ascontiguousarray(frames[:num_samples].T), rate)


def _packed(codes: Int[NDArray[np.int64], "c q t"], bits: int) -> bytes:
    """The bits of each code, the highest first, then of the next."""
    places = np.arange(bits - 1, -1, -1)
    return np.packbits((codes[..., None] >> places & 1).astype(np.uint8)).tobytes()


def _unpacked(content: bytes, shape: tuple[int, int, int], bits: int) -> Int[NDArray[np.int64], "c q t"]:
    found = np.unpackbits(np.frombuffer(content, np.uint8), count=int(np.prod(shape)) * bits)
    values: NDArray[np.int64] = found.reshape(*shape, bits).astype(np.int64) @ (1 << np.arange(bits - 1, -1, -1))
    return values


def _parsed(data: bytes) -> tuple[tuple[int, int, int], int, int, int, bytes]:
    """(channels, codebooks, frames), bits of a code, sample rate, number of samples, codes; after the checksum."""
    if len(data) < _HEADER.size + _CHECKSUM.size:
        raise TruncatedError(f"the file has {len(data)} bytes; an EnCodec file has {_HEADER.size} and more")
    magic, channels, codebooks, bits, rate, num_samples, num_frames = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise CorruptStreamError(f"the file starts with {magic!r}; an EnCodec file of ours with {_MAGIC!r}")
    content, (checksum,) = data[: -_CHECKSUM.size], _CHECKSUM.unpack(data[-_CHECKSUM.size :])
    if zlib.crc32(content) != checksum:
        raise ChecksumError(f"the EnCodec file of {len(data)} bytes is cut or damaged: its CRC-32 differs")
    content = content[_HEADER.size :]
    num_bits = channels * codebooks * num_frames * bits
    if not num_bits or not num_samples or not 1 <= rate <= _MAX_RATE_HZ or len(content) != -(-num_bits // 8):
        raise CorruptStreamError(
            f"the file claims {channels} channels of {num_frames} frames of {codebooks} codes of {bits} bits, for "
            f"{num_samples} samples at {rate} Hz, and holds {len(content)} bytes of codes"
        )
    return (channels, codebooks, num_frames), bits, rate, num_samples, content


@lru_cache(maxsize=2)
def _network(checkpoint: str | None) -> Any:
    """Ready to code, with the weights of a folder or random ones."""
    try:
        import torch
        from transformers import EncodecConfig, EncodecModel
    except ImportError as err:
        raise MissingDependencyError(
            f"EnCodec needs transformers and torch, which cannot be imported ({err}); install them: "
            "pip install 'laconic[encodec]'"
        ) from err
    if checkpoint is not None:
        return _loaded(EncodecModel, checkpoint).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network: Any = EncodecModel(EncodecConfig())
        network.eval()
        for layer in network.quantizer.layers:
            layer.codebook.embed.normal_(0, _RANDOM_CODES)  # which the package leaves at 0
    return network


def _loaded(kind: Any, checkpoint: str) -> Any:
    if not (Path(checkpoint) / "config.json").is_file():
        raise WeightsError(
            f"{checkpoint} is no folder with config.json and model.safetensors; allowed is one of transformers' "
            "save_pretrained, as facebook/encodec_24khz"
        )
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging  # whose functions have no types
    showed_progress = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        network, found = kind.from_pretrained(
            checkpoint, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except Exception as err:  # transformers raises nearly anything for a wrong file
        raise WeightsError(f"{checkpoint} holds no weights of EnCodec: {' '.join(str(err).split())[:200]}") from err
    finally:
        if showed_progress:
            logging.enable_progress_bar()
    lacking = sorted(found["missing_keys"])
    if lacking:
        raise WeightsError(f"{checkpoint} lacks {len(lacking)} of EnCodec's weights, the first {lacking[0]}")
    config = network.config
    if config.audio_channels != 1 or config.chunk_length is not None or config.normalize:
        raise WeightsError(
            f"{checkpoint} holds weights for {config.audio_channels} channels at {config.sampling_rate} Hz in chunks; "
            "allowed are those of one channel, as facebook/encodec_24khz"
        )
    return network
