"""Coders of other Python packages, for the entropy benchmark.

What a package asks for in its own types (int32 symbols, lists, float tensors) is made ready outside the timing, and so
are its models. A package that is not installed raises ImportError.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from coders import Coder
from data import SCALE_TABLE, DataSet
from native_peers import compressai_tables

CONSTRICTION = "constriction AnsCoder"
LISTS = "CompressAI, ready-made lists"
TENSORS = "CompressAI, tensor to tensor"
MEMCPY = "memcpy (numpy)"
_WIDEST = 512  # of constriction's alphabet; each value costs it probability, and no scale of (b) is above 62


def memcpy(data: DataSet) -> Coder:
    """No coding: one copy there and one back."""
    there, back = data.values.copy(), data.values.copy()
    return Coder(
        MEMCPY,
        data.values.size,
        0.0,
        encode=lambda: np.copyto(there, data.values),
        decode=lambda _: np.copyto(back, there),
        num_bytes=lambda _: there.nbytes,
        is_input=lambda _: np.array_equal(back, data.values),
    )


def torch_conversion(data: DataSet) -> Coder:
    """No coding: what a model does before and after an int8 coder."""
    import torch

    latent = torch.from_numpy(data.values.astype(np.float32))
    return Coder(
        "torch float32 -> int8 -> float32, no coding",
        data.values.size,
        0.0,
        encode=lambda: latent.round().clamp(-128, 127).to(torch.int8),
        decode=lambda integers: integers.float(),
        num_bytes=lambda integers: integers.numel(),
        is_input=lambda floats: bool((floats == latent).all()),
    )


def zstandard(data: DataSet, level: int) -> Coder:
    """One frame per plane, one thread."""
    package = importlib.import_module("zstandard")
    compressor, decompressor = package.ZstdCompressor(level=level), package.ZstdDecompressor()
    rows = [row.tobytes() for row in data.values]
    return Coder(
        f"zstandard {level}",
        data.values.size,
        data.ideal_bits(),
        encode=lambda: [compressor.compress(row) for row in rows],
        decode=lambda frames: [decompressor.decompress(frame) for frame in frames],
        num_bytes=lambda frames: sum(map(len, frames)),
        is_input=lambda decoded: decoded == rows,
        note="LZ and Huffman, one call per plane",
    )


def zstandard_blobs(blobs: Sequence[DataSet]) -> Coder:
    """Level 3, one call per blob."""
    package = importlib.import_module("zstandard")
    compressor, decompressor = package.ZstdCompressor(level=3), package.ZstdDecompressor()
    messages = [blob.values.tobytes() for blob in blobs]
    return Coder(
        "zstandard 3",
        sum(map(len, messages)),
        sum(blob.ideal_bits() for blob in blobs),
        encode=lambda: [compressor.compress(message) for message in messages],
        decode=lambda frames: [decompressor.decompress(frame) for frame in frames],
        num_bytes=lambda frames: sum(map(len, frames)),
        is_input=lambda decoded: decoded == messages,
        num_messages=len(messages),
        note="one call per blob",
    )


def constriction_planes(data: DataSet) -> Coder:
    """One Categorical model and one call per plane, all planes in one AnsCoder."""
    return constriction_blobs([data])


def constriction_blobs(blobs: Sequence[DataSet]) -> Coder:
    """An AnsCoder for each blob, one Categorical model and one call per plane."""
    stream = importlib.import_module("constriction").stream
    models = [stream.model.Categorical(row, perfect=False) for row in blobs[0].models]
    first, length = blobs[0].first, blobs[0].values.shape[1]
    symbols = [[row - np.int32(first) for row in blob.values.astype(np.int32)] for blob in blobs]

    def encode_one(rows: list[Any]) -> Any:
        coder = stream.stack.AnsCoder()
        for row, model in zip(reversed(rows), reversed(models), strict=True):
            coder.encode_reverse(row, model)
        return coder.get_compressed()

    def decode_one(words: Any) -> list[Any]:
        coder = stream.stack.AnsCoder(words)
        return [coder.decode(model, length) for model in models]

    return Coder(
        CONSTRICTION,
        sum(blob.values.size for blob in blobs),
        sum(blob.ideal_bits() for blob in blobs),
        encode=lambda: [encode_one(rows) for rows in symbols],
        decode=lambda packets: [decode_one(words) for words in packets],
        num_bytes=lambda packets: sum(words.nbytes for words in packets),
        is_input=lambda decoded: np.array_equal(decoded, symbols),
        num_messages=len(blobs),
        note="Categorical, one call per plane",
    )


def constriction_gaussian(data: DataSet) -> Coder:
    """QuantizedGaussian with an array of means and one of standard deviations."""
    stream = importlib.import_module("constriction").stream
    family = stream.model.QuantizedGaussian(-_WIDEST, _WIDEST)
    symbols = data.values.astype(np.int32)
    deviations = SCALE_TABLE[data.indices]
    means = np.zeros_like(deviations)

    def encode() -> Any:
        coder = stream.stack.AnsCoder()
        coder.encode_reverse(symbols, family, means, deviations)
        return coder.get_compressed()

    return Coder(
        CONSTRICTION,
        symbols.size,
        data.ideal_bits(),
        encode=encode,
        decode=lambda words: stream.stack.AnsCoder(words).decode(family, means, deviations),
        num_bytes=lambda words: words.nbytes,
        is_input=lambda decoded: np.array_equal(decoded, symbols),
        note="QuantizedGaussian, one call",
    )


def compressai_lists(messages: Sequence[DataSet]) -> Coder:
    """RansEncoder and RansDecoder from and to lists, one call per message; the lists are made outside the timing."""
    ans = _compressai_ans()
    tables = compressai_tables(messages[0])
    model = (tables.cdfs.tolist(), tables.sizes.tolist(), tables.offsets.tolist())
    symbols = [message.values.ravel().tolist() for message in messages]
    indexes = [message.symbol_indices().ravel().tolist() for message in messages]
    encoder, decoder = ans.RansEncoder(), ans.RansDecoder()

    def encode() -> list[bytes]:
        return [encoder.encode_with_indexes(s, i, *model) for s, i in zip(symbols, indexes, strict=True)]

    def decode(strings: list[bytes]) -> list[list[int]]:
        return [decoder.decode_with_indexes(s, i, *model) for s, i in zip(strings, indexes, strict=True)]

    return Coder(
        LISTS,
        sum(map(len, symbols)),
        sum(message.ideal_bits() for message in messages),
        encode,
        decode,
        num_bytes=lambda strings: sum(map(len, strings)),
        is_input=lambda decoded: decoded == symbols,
        num_messages=len(messages),
        note="one call per message",
    )


def compressai_tensors(data: DataSet) -> Coder:
    """The package's own `EntropyModel.compress` and `decompress`, float32 tensor to bytes to float32 tensor."""
    import torch

    model = _compressai_entropy_model()
    tables = compressai_tables(data)
    for name, numbers in (("quantized_cdf", tables.cdfs), ("cdf_length", tables.sizes), ("offset", tables.offsets)):
        setattr(model, f"_{name}", torch.from_numpy(numbers))
    latent = torch.from_numpy(data.values.astype(np.float32))[None]
    indexes = torch.from_numpy(data.symbol_indices().astype(np.int32))[None]
    return Coder(
        TENSORS,
        data.values.size,
        data.ideal_bits(),
        encode=lambda: model.compress(latent, indexes),
        decode=lambda strings: model.decompress(strings, indexes),
        num_bytes=lambda strings: sum(map(len, strings)),
        is_input=lambda decoded: torch.equal(decoded, latent),
        note="EntropyModel.compress and decompress",
    )


def _compressai_ans() -> ModuleType:
    # The extension alone: importing the package needs torchvision.
    package = importlib.util.find_spec("compressai")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("compressai is not installed", name="compressai")
    path = next(Path(package.origin).parent.glob("ans.*.so"))
    spec = importlib.util.spec_from_file_location("compressai.ans", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not an extension module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _compressai_entropy_model() -> Any:
    from laconic.codecs.external import compressai as adapter

    adapter.zoo()  # imports CompressAI where torchvision is missing, too
    return importlib.import_module("compressai.entropy_models").EntropyModel()
