"""Types of the native core (native/bindings.cpp)."""

from collections.abc import Sequence
from typing import Any

from numpy import float32, int8, int32, uint8, uint16
from numpy.typing import NDArray

class StreamError(ValueError): ...
class StreamTruncated(StreamError): ...  # noqa: N818 - says what happened to the stream
class StreamChecksum(StreamError): ...  # noqa: N818

class TableSet:
    def __init__(self, firsts: NDArray[int32], sizes: NDArray[int32], frequencies: NDArray[uint16]) -> None: ...

class CostTables:
    def __init__(self, tables: TableSet) -> None: ...

class Decoder:
    def __init__(self, data: bytes, lanes: int) -> None: ...
    def decode_into(self, values: NDArray[Any], tables: TableSet, index: int | NDArray[uint8]) -> None: ...
    def decode_contexts(
        self,
        rules: ContextRules,
        tables: TableSet,
        base: NDArray[uint16],
        planes: NDArray[int32],
        first: int,
        last: int,
    ) -> None: ...
    def read_mark(self) -> int: ...
    def finish(self) -> int: ...

def crc32c(data: bytes, seed: int = 0) -> int: ...
def crc32c_array(data: NDArray[uint8]) -> int: ...
def encode(
    tables: TableSet,
    values: list[NDArray[Any]],
    indices: list[int | NDArray[uint8]],
    marks: list[int],
    fronts: list[NDArray[uint8]],
    lanes: int,
    tail: int,
) -> bytes: ...
def encode_packets(
    tables: TableSet,
    values: NDArray[Any],
    index: int | NDArray[uint8],
    is_batch: bool,
    step: float,
    chunk: int,
    num_threads: int,
) -> list[bytes]: ...
def decode_packets(
    tables: TableSet,
    packets: list[bytes],
    values: NDArray[Any],
    index: int | NDArray[uint8],
    is_batch: bool,
    step: float,
    num_threads: int,
) -> None: ...
def packet_count(packet: bytes) -> int: ...
def simd_levels() -> list[str]: ...
def simd_level() -> str: ...
def use_simd(name: str) -> bool: ...
def ideal_cost(tables: TableSet, costs: CostTables, values: NDArray[Any], index: int | NDArray[uint8]) -> int: ...
def prediction_residuals(plane: NDArray[int32], residuals: NDArray[int32]) -> None: ...
def undo_prediction(plane: NDArray[int32]) -> None: ...

class ContextRules:
    def __init__(
        self,
        pass_ends: Sequence[int],
        num_features: int,
        neighbour_weights: NDArray[uint8],
        lean_weights: NDArray[int8],
        feature_weights: NDArray[uint16],
        own_weights: NDArray[uint8],
        ring_weights: NDArray[uint8],
        table_map: NDArray[uint8],
    ) -> None: ...

def coded_symbols(
    rules: ContextRules, tables: TableSet, base: NDArray[uint16], planes: NDArray[int32], first: int, last: int
) -> tuple[NDArray[int32], NDArray[uint8], NDArray[uint8]]: ...
def optimize_contexts(
    rules: ContextRules,
    tables: TableSet,
    costs: CostTables,
    base: NDArray[uint16],
    ratios: NDArray[float32],
    shrink: NDArray[float32],
    planes: NDArray[int32],
    num_fixed: int,
    price: float,
    num_sweeps: int,
) -> None: ...
def optimize_static(
    tables: TableSet,
    costs: CostTables,
    index: NDArray[uint8],
    ratios: NDArray[float32],
    shrink: NDArray[float32],
    planes: NDArray[int32],
    num_fixed: int,
    price: float,
) -> None: ...
