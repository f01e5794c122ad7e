"""CompressAI's entropy models, coded by us: the same tensors come back, in a small part of the time.

`CompressAIBottleneckCoder` and `CompressAIGaussianCoder` take an `EntropyBottleneck` or a `GaussianConditional` after
`update()`. Their `compress` and `decompress` take and give what the model's own do, so that they can stand in for these:

    coder = CompressAIGaussianCoder(model.gaussian_conditional)
    model.gaussian_conditional.compress = coder.compress
    model.gaussian_conditional.decompress = coder.decompress

Strings are packets (SPEC.md, section 10): they notice damage, and only we can read them. Tables and medians are those of
the model when the coder is made; after another `update()` make another coder. Tables of more than 256 entries, those of
scales from about 21 on, cost more than CompressAI's (`tables_of_cdfs` says how much). torch is imported when tensors come
in, CompressAI not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laconic.entropy.container import Source, varint
from laconic.entropy.packets import CHUNK_SYMBOLS, decode_array, decode_batch, encode_array, encode_batch
from laconic.entropy.tables import MAX_TABLES, TableSet, tables_of_cdfs


class CompressAIBottleneckCoder:
    """Codes what an `EntropyBottleneck` codes: (b, c, ...) latents, one table a channel, one string an item.

    Channels beyond 256 go into packets of their own; a string is the lengths of all packets but the last, as varints,
    and the packets. Raises ValueError for a model that was not updated.
    """

    def __init__(self, bottleneck: Any, *, threads: int = 1) -> None:
        cdfs, sizes, offsets = _distributions(bottleneck)
        parts = [slice(begin, begin + MAX_TABLES) for begin in range(0, len(cdfs), MAX_TABLES)]
        self._parts = [(part, tables_of_cdfs(cdfs[part], sizes[part], offsets[part])) for part in parts]
        self._medians = bottleneck.quantiles[:, 0, 1].detach().clone()
        self._threads = threads

    def compress(self, x: Any) -> list[bytes]:
        """One string for each item of x. Raises ValueError for another number of channels, or what is no int32."""
        if x.dim() < 2 or x.size(1) != len(self._medians):
            raise ValueError(f"a latent has the shape {tuple(x.shape)}; allowed is (b, {len(self._medians)}, ...)")
        symbols = _symbols(x, self._medians_beside(x.dim(), x.device))
        by_part = [self._encode(symbols[:, part].contiguous(), tables) for part, tables in self._parts]
        return [_join(packets) for packets in zip(*by_part, strict=True)]

    def decompress(self, strings: Sequence[bytes], size: Sequence[int]) -> Any:
        """The tensor (b, c, *size) of these strings. Raises `BitstreamError` for others than `compress` made."""
        import torch

        by_item = [_split(string, len(self._parts)) for string in strings]
        parts = []
        for number, (_, tables) in enumerate(self._parts):
            values = np.empty((len(strings), len(tables), *size), _array_type(self._medians.dtype))
            packets = [packets[number] for packets in by_item]
            parts.append(decode_batch(packets, tables, _channels(tables), out=values, threads=self._threads))
        values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        decoded = torch.from_numpy(values).to(self._medians)
        decoded += self._medians_beside(decoded.dim(), decoded.device)
        return decoded

    def _encode(self, symbols: Any, tables: TableSet) -> list[bytes]:
        if symbols[:1].numel() <= CHUNK_SYMBOLS:
            return encode_batch(symbols, tables, _channels(tables), threads=self._threads)
        return [encode_array(item, tables, _channels(tables), threads=self._threads) for item in symbols]

    def _medians_beside(self, num_dimensions: int, device: Any) -> Any:
        return self._medians.to(device).reshape(-1, *[1] * (num_dimensions - 2))


class CompressAIGaussianCoder:
    """Codes what a `GaussianConditional` codes: (b, ...) latents with a table number for each element.

    Raises ValueError for a model that was not updated, or has more than 256 scales.
    """

    def __init__(self, conditional: Any, *, threads: int = 1) -> None:
        self._tables = tables_of_cdfs(*_distributions(conditional))
        self._threads = threads

    def compress(self, inputs: Any, indexes: Any, means: Any = None) -> list[bytes]:
        """One string for each item. Raises ValueError for a number that is no table, or a value that is no int32."""
        if inputs.dim() < 2 or inputs.shape != indexes.shape:
            raise ValueError(f"inputs of {tuple(inputs.shape)} have indexes of {tuple(indexes.shape)}; they must agree")
        symbols = _symbols(inputs, means).contiguous()
        pairs = zip(symbols, self._numbers(indexes), strict=True)
        return [encode_array(item, self._tables, numbers, threads=self._threads) for item, numbers in pairs]

    def decompress(self, strings: Sequence[bytes], indexes: Any, dtype: Any = None, means: Any = None) -> Any:
        """The tensor of these strings, of the type of `means`, or else `dtype` (None: float32)."""
        import torch

        if len(strings) != len(indexes):
            raise ValueError(f"{len(strings)} strings have indexes for {len(indexes)} items; they must agree")
        dtype = means.dtype if means is not None else dtype or torch.float32
        values = np.empty(tuple(indexes.shape), _array_type(dtype))
        for string, item, numbers in zip(strings, values, self._numbers(indexes), strict=True):
            decode_array(string, self._tables, numbers, out=item, threads=self._threads)
        decoded = torch.from_numpy(values).to(indexes.device, dtype)
        if means is not None:
            decoded += means
        return decoded

    def _numbers(self, indexes: Any) -> NDArray[np.uint8]:
        import torch

        if indexes.numel():
            low, high = (int(bound) for bound in torch.aminmax(indexes))
            if low < 0 or high >= len(self._tables):
                raise ValueError(f"indexes are {low} to {high}; allowed is 0 to {len(self._tables) - 1}")
        numbers: NDArray[np.uint8] = indexes.to("cpu", torch.uint8).contiguous().numpy()
        return numbers


def _distributions(model: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The cdfs, their sizes and their offsets."""
    if model.quantized_cdf.numel() == 0:
        raise ValueError("the entropy model has no integer tables yet; call its update() first")
    cdfs, sizes, offsets = (t.detach().cpu().numpy() for t in (model.quantized_cdf, model.cdf_length, model.offset))
    return cdfs, sizes.reshape(-1), offsets.reshape(-1)


def _symbols(inputs: Any, means: Any) -> Any:
    """What is to be rounded, on the CPU; of a type that the coder rounds, else rounded."""
    import torch

    inputs = inputs.detach()
    symbols = inputs if means is None else (inputs - means.detach()).to(inputs.dtype)
    if symbols.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        symbols = symbols.round().to(torch.int32)
    return symbols.cpu()


def _array_type(dtype: Any) -> type[Any]:
    """float32 saves a conversion; every other type comes from the integers, as in CompressAI."""
    import torch

    return np.float32 if dtype == torch.float32 else np.int32


def _channels(tables: TableSet) -> NDArray[np.uint8]:
    return np.arange(len(tables), dtype=np.uint8)


def _join(packets: Sequence[bytes]) -> bytes:
    return b"".join([*(varint(len(packet)) for packet in packets[:-1]), *packets])


def _split(string: bytes, num_packets: int) -> list[bytes]:
    reader = Source(string)
    lengths = [reader.varint("the length of a packet") for _ in range(num_packets - 1)]
    packets = [reader.read(length, "a packet") for length in lengths]
    return [*packets, string[reader.position :]]
