"""WaLLoC as a codec of pictures: the latent of `walloc_network`, in lossless WebP as published, or by our own contexts.

A file is a header, the latent in one of two stores, and a CRC-32 over all before it. The latent is exact on every
machine; the picture is synthesised in floats, so that its last bit may differ between machines.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import (
    Bytes,
    PathLike,
    choice_argument,
    read_bytes_argument,
    settle_arguments,
    text_argument,
)
from laconic.codecs.errors import UnsupportedSignalError, WeightsError
from laconic.codecs.external import WebP
from laconic.codecs.external._pillow import check_kind
from laconic.codecs.media import Image
from laconic.entropy.container import ContainerSegment, Limits, Profile
from laconic.entropy.contexts import ContextModel
from laconic.entropy.errors import BitstreamError, ChecksumError, CorruptStreamError, LimitError, TruncatedError
from laconic.entropy.fitting.context_fitting import fit_context_weights
from laconic.entropy.fitting.table_fitting import FittedPart, fit_context_model
from laconic.entropy.planes import PlanesDecoder, PlanesEncoder, PlaneSpan
from laconic.entropy.rans import LANES

if TYPE_CHECKING:
    from jaxtyping import Int

    from laconic.codecs.walloc.walloc_network import WallocNetwork

_STORES = ("webp", "laconic")  # numbers are stored in files
# Magic, store, fingerprint of the weights, height, width.
_HEADER = struct.Struct("<4sB4sII")
_MAGIC = b"WLC1"
_CHECKSUM = struct.Struct("<I")
_SEGMENT = struct.Struct("<BBH")  # lanes, whether it has a checksum of its own, coded channels
_FACTOR = 8  # pixels a side of a latent place
_MIDDLE = 128  # what stands for 0 in WebP
_ANY_STEP = 128  # the contexts have one step only
_PASS_CHANNELS = 6

Latent = NDArray[np.int8]  # (d, h / 8, w / 8), from -127 to 127


@dataclass(frozen=True)
class WallocCodec:
    """WaLLoC with the weights of a file of `save_walloc`. 8-bit RGB of any size, extended to multiples of 8.

    `store` "webp" tiles the latent, three channels a tile, into an RGB picture in lossless WebP, made as Pillow makes it
    unless told otherwise (its largest effort takes fifty times as long for 1 % at most); "laconic"
    codes it by the contexts that `add_contexts_to_walloc_codec` has put into the weights file.
    """

    weights: str
    store: Literal["webp", "laconic"] = "webp"

    name: ClassVar[str] = "walloc"

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            weights=text_argument("WaLLoC weights", self.weights),
            store=choice_argument("WaLLoC store", self.store, _STORES),
        )

    def encode(self, signal: Image) -> bytes:
        loaded = _loaded(self.weights)
        latent = latent_of(loaded.module, signal)
        payload = _to_webp(latent) if self.store == "webp" else _to_segment(latent, loaded.needed_contexts())
        fields = (_STORES.index(self.store), loaded.fingerprint, signal.height, signal.width)
        content = _HEADER.pack(_MAGIC, *fields) + payload
        return content + _CHECKSUM.pack(zlib.crc32(content))

    def decode(self, data: Bytes | PathLike) -> Image:
        data = read_bytes_argument("data", data)
        store, fingerprint, height, width = _parsed_header(data)
        loaded = _loaded(self.weights)
        if fingerprint != loaded.fingerprint:
            raise BitstreamError(
                f"the file was made with weights {fingerprint.hex()}, {self.weights} is {loaded.fingerprint.hex()}; "
                "decode it with the weights it was made with"
            )
        payload = data[_HEADER.size : -_CHECKSUM.size]
        shape = (loaded.module.config.latent_channels, -(-height // _FACTOR), -(-width // _FACTOR))
        latent = _of_webp(payload, shape) if store == "webp" else _of_segment(payload, shape, loaded.needed_contexts())
        return Image(_pixels_of(loaded.module, latent)[:height, :width].copy())


def add_contexts_to_walloc_codec(weights: str, pictures: Sequence[Image]) -> None:
    """Fit the contexts of store "laconic" to the latents of 8-bit RGB pictures, and put them into the weights file.

    Files that were made with the weights before do not decode any more. Raises `WeightsError` for another file.
    """
    from safetensors.numpy import save_file

    from laconic.codecs.walloc.walloc_network import CONTEXTS_PREFIX

    module = _loaded(weights).module
    latents = [latent_of(module, picture).astype(np.int32) for picture in pictures]
    arrays, metadata = _arrays_and_metadata(weights)
    contexts = _fitted_contexts(latents)
    added = {CONTEXTS_PREFIX + name: array for name, array in contexts.to_arrays().items()}
    structure = {"pass_ends": contexts.pass_ends, "num_predicted": contexts.num_predicted}
    save_file({**arrays, **added}, weights, {**metadata, "contexts": json.dumps(structure)})
    _loaded.cache_clear()


def _fitted_contexts(latents: Sequence[Int[NDArray[np.int32], "d h w"]]) -> ContextModel:
    """A context model for latents (d, h, w) of one kind, which have one step: every step band sees the same integers."""
    d = len(latents[0])
    num_passes = -(-d // _PASS_CHANNELS)
    pass_ends = tuple(round(d * (i + 1) / num_passes) for i in range(num_passes))
    weights = fit_context_weights(lambda _: latents, pass_ends=pass_ends, num_predicted=min(d, 1), rounding=0.5)
    return fit_context_model(FittedPart(lambda _: latents, weights), 0.5)


def latent_of(module: WallocNetwork, picture: Image) -> Int[Latent, "d h w"]:
    """The rounded latent of an 8-bit RGB picture of any size. Raises `UnsupportedSignalError` for another."""
    check_kind(picture, "WaLLoC", ("8-bit RGB",))
    import torch

    from laconic.codecs.walloc.walloc_network import extended_for_walloc

    planes = torch.from_numpy(np.moveaxis(picture.samples, -1, 0).astype(np.float32) / 255 - 0.5)
    with torch.inference_mode():
        rounded = module.analyze(extended_for_walloc(planes[None]))[0].round()
    return rounded.to(torch.int8).numpy()


def _pixels_of(module: WallocNetwork, latent: Latent) -> NDArray[np.uint8]:
    """(h, w, 3), h and w multiples of 8."""
    import torch

    with torch.inference_mode():
        picture = module.synthesize(torch.from_numpy(latent)[None].float())[0]
    return np.moveaxis(((picture + 0.5) * 255).round().to(torch.uint8).numpy(), 0, -1)


def _parsed_header(data: bytes) -> tuple[str, bytes, int, int]:
    """(store, fingerprint, height, width), after the checksum."""
    if len(data) < _HEADER.size + _CHECKSUM.size:
        raise TruncatedError(
            f"the file has {len(data)} bytes; a WaLLoC file has {_HEADER.size + _CHECKSUM.size} and more"
        )
    magic, store, fingerprint, height, width = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise CorruptStreamError(f"the file starts with {magic!r}; a WaLLoC file of ours starts with {_MAGIC!r}")
    if zlib.crc32(data[: -_CHECKSUM.size]) != _CHECKSUM.unpack(data[-_CHECKSUM.size :])[0]:
        raise ChecksumError(f"the WaLLoC file of {len(data)} bytes is cut or damaged: its CRC-32 differs")
    if store >= len(_STORES) or not height or not width:
        raise CorruptStreamError(f"the file claims store {store} and {width} x {height} pixels; neither can be")
    if height * width > Limits().max_pixels:
        raise LimitError(f"the file claims {width} x {height} pixels; allowed are {Limits().max_pixels} in all")
    return _STORES[store], fingerprint, height, width


def _tile_rows_and_columns(num_channels: int) -> tuple[int, int]:
    """Of the most square grid of tiles with three channels each."""
    tiles = num_channels // 3
    rows = next(n for n in range(max(isqrt(tiles), 1), 0, -1) if tiles % n == 0)
    return rows, tiles // rows


def _to_webp(latent: Latent) -> bytes:
    d, h, w = latent.shape
    if d % 3:
        raise UnsupportedSignalError(f"a latent of {d} channels cannot be stored in WebP, by threes; use 'laconic'")
    rows, columns = _tile_rows_and_columns(d)
    tiles = latent.reshape(rows, columns, 3, h, w).transpose(0, 3, 1, 4, 2)
    tiled = (tiles.astype(np.int16) + _MIDDLE).astype(np.uint8).reshape(rows * h, columns * w, 3)
    return WebP(quality=80, method=4, lossless=True).encode(Image(tiled))


def _of_webp(payload: bytes, shape: tuple[int, int, int]) -> Latent:
    d, h, w = shape
    rows, columns = _tile_rows_and_columns(d)
    tiled = WebP(lossless=True).decode(payload).samples
    if d % 3 or tiled.shape != (rows * h, columns * w, 3):
        raise CorruptStreamError(f"the WebP picture is {tiled.shape}; a latent of {shape} does not fit it")
    if not tiled.min():
        raise CorruptStreamError("the WebP picture holds samples of 0; allowed are 1 to 255")
    tiles = (tiled.astype(np.int16) - _MIDDLE).astype(np.int8).reshape(rows, h, columns, w, 3)
    return np.ascontiguousarray(tiles.transpose(0, 2, 4, 1, 3).reshape(shape))


def _to_segment(latent: Latent, contexts: ContextModel) -> bytes:
    encoder = PlanesEncoder(latent.astype(np.int16), contexts.at_step(_ANY_STEP), Profile.SMALL)
    segment = encoder.segment(PlaneSpan((0, len(latent))))
    return _SEGMENT.pack(segment.lanes, segment.has_crc, segment.num_channels) + segment.payload


def _of_segment(payload: bytes, shape: tuple[int, int, int], contexts: ContextModel) -> Latent:
    if len(payload) < _SEGMENT.size:
        raise TruncatedError(f"the latent has {len(payload)} bytes; it needs {_SEGMENT.size} and more")
    lanes, has_crc, num_channels = _SEGMENT.unpack_from(payload)
    if lanes not in LANES or has_crc > 1:
        raise CorruptStreamError(f"the latent claims {lanes} lanes and a checksum mark of {has_crc}; neither can be")
    decoder = PlanesDecoder(shape[0], shape, contexts.at_step(_ANY_STEP), Profile.SMALL, dtype=np.int16)
    segment = ContainerSegment(payload[_SEGMENT.size :], lanes, bool(has_crc), num_channels)
    decoder.read(segment, PlaneSpan((0, shape[0])))
    values = decoder.values()
    if np.abs(values.astype(np.int32)).max() >= _MIDDLE:
        raise CorruptStreamError(f"the latent holds values beyond {_MIDDLE - 1}; no encoder writes them")
    return values.astype(np.int8)


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A weights file, ready to code; `fingerprint` changes with anything that decoding depends on."""

    path: str
    module: WallocNetwork
    contexts: ContextModel | None
    fingerprint: bytes

    def needed_contexts(self) -> ContextModel:
        if self.contexts is None:
            raise WeightsError(
                f"{self.path} has no contexts for store 'laconic'; add them with add_contexts_to_walloc_codec"
            )
        return self.contexts


@lru_cache(maxsize=2)
def _loaded(path: str) -> _Loaded:
    from laconic.codecs.walloc.walloc_network import CONTEXTS_PREFIX, load_walloc

    module = load_walloc(path)
    arrays, metadata = _arrays_and_metadata(path)
    sha = hashlib.sha256(metadata["config"].encode())
    for name in sorted(arrays):
        sha.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    own = {
        name.removeprefix(CONTEXTS_PREFIX): array for name, array in arrays.items() if name.startswith(CONTEXTS_PREFIX)
    }
    try:
        contexts = ContextModel.from_arrays(own, **json.loads(metadata["contexts"])) if own else None
    except (LookupError, ValueError, TypeError) as err:
        raise WeightsError(f"{path} has contexts that do not fit together: {err}; add them again") from err
    if contexts is not None and contexts.num_channels != module.config.latent_channels:
        raise WeightsError(f"{path} has contexts of {contexts.num_channels} channels; add those of its own latents")
    return _Loaded(path, module, contexts, sha.digest()[:4])


def _arrays_and_metadata(path: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Of a file that `load_walloc` takes."""
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        return arrays, dict(file.metadata())
