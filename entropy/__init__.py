"""Integers <-> bytes: everything that does not know what a pixel is.

In reading order: `SPEC.md` (the normative format), `errors`, `tables` (frozen integer frequency tables, ours or
imported), `rans` (the coder), `simd` (the instruction set it uses). For arrays on their own: `packets` (arrays <->
bytes that describe and check themselves), `compressai` (CompressAI's entropy models, coded by us), `bottleneck` (in
torch: densities that are learned and then frozen into tables, noise in training). For .lcn files: `contexts` (which
table codes which symbol), `tile_symbols` (what is coded of a tile), `planes` (integer planes <-> segments),
`lossless` (one plane without loss), `residuals` (sounds without loss), `container` (the file); `fitting/` makes
tables and contexts of integers. The core is in `native/`, C++20 without Python, its inner loops by instruction set.
Names are loaded on first use, so that reading a file's header does not import numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from laconic.entropy.errors import (
    BitstreamError,
    ChecksumError,
    CorruptStreamError,
    LimitError,
    TruncatedError,
    UnsupportedVersionError,
)

if TYPE_CHECKING:
    from laconic.entropy.bottleneck import FactorizedDensity as FactorizedDensity
    from laconic.entropy.bottleneck import NoiseBottleneck as NoiseBottleneck
    from laconic.entropy.bottleneck import NormalCompander as NormalCompander
    from laconic.entropy.bottleneck import round_straight_through as round_straight_through
    from laconic.entropy.container import Limits
    from laconic.entropy.contexts import ContextModel
    from laconic.entropy.packets import decode_array, decode_batch, encode_array, encode_batch
    from laconic.entropy.rans import Decoder, RansMessage, decode, encode, encode_rans_messages, ideal_bits
    from laconic.entropy.tables import (
        Table,
        TableSet,
        frequencies_of_counts,
        table_of_counts,
        table_of_probabilities,
        tables_of_cdfs,
    )

_LAZY = {
    "FactorizedDensity": "bottleneck",
    "NoiseBottleneck": "bottleneck",
    "NormalCompander": "bottleneck",
    "round_straight_through": "bottleneck",
    "Limits": "container",
    "ContextModel": "contexts",
    "decode_array": "packets",
    "decode_batch": "packets",
    "encode_array": "packets",
    "encode_batch": "packets",
    "Decoder": "rans",
    "RansMessage": "rans",
    "decode": "rans",
    "encode": "rans",
    "encode_rans_messages": "rans",
    "ideal_bits": "rans",
    "Table": "tables",
    "TableSet": "tables",
    "frequencies_of_counts": "tables",
    "table_of_counts": "tables",
    "table_of_probabilities": "tables",
    "tables_of_cdfs": "tables",
}

# Without the names of bottleneck.py: `from laconic.entropy import *` must not need torch.
__all__ = [
    "BitstreamError",
    "ChecksumError",
    "ContextModel",
    "CorruptStreamError",
    "Decoder",
    "LimitError",
    "Limits",
    "RansMessage",
    "Table",
    "TableSet",
    "TruncatedError",
    "UnsupportedVersionError",
    "decode",
    "decode_array",
    "decode_batch",
    "encode",
    "encode_array",
    "encode_batch",
    "encode_rans_messages",
    "frequencies_of_counts",
    "ideal_bits",
    "table_of_counts",
    "table_of_probabilities",
    "tables_of_cdfs",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"laconic.entropy.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'laconic.entropy' has no attribute {name!r}")
