"""Types of the native core (native/bindings.cpp)."""

from collections.abc import Sequence
from typing import Any, overload

from numpy import float32, int8, int16, int32, int64, uint8, uint16, uint32
from numpy.typing import NDArray

class StreamError(ValueError): ...
class StreamTruncated(StreamError): ...  # noqa: N818 - says what happened to the stream
class StreamChecksum(StreamError): ...  # noqa: N818
class StreamMisfit(StreamError): ...  # noqa: N818

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
    def decode_subbands(
        self,
        tile: SubbandTile,
        rules: StepSubbandRules,
        tables: TableSet,
        planes: NDArray[int32],
        first: int,
        last: int,
    ) -> None: ...
    def read_mark(self) -> int: ...
    def finish(self) -> int: ...

def crc32c(data: bytes, seed: int = 0) -> int: ...
def crc32c_planes(planes: NDArray[Any], seed: int = 0) -> int: ...
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
def symbol_costs(tables: TableSet, costs: CostTables, values: NDArray[int32], out: NDArray[uint32]) -> None: ...
def ideal_cost(tables: TableSet, costs: CostTables, values: NDArray[Any], index: int | NDArray[uint8]) -> int: ...
def prediction_residuals(planes: NDArray[Any], residuals: NDArray[int32]) -> None: ...
def widen_planes(planes: NDArray[Any], wide: NDArray[int32]) -> list[bool]: ...
def put_predicted(residuals: NDArray[int32], planes: NDArray[Any]) -> bool: ...
def undo_prediction(planes: NDArray[int32]) -> None: ...
def decode_channels(
    decoders: list[Decoder], planes: list[NDArray[Any]], tables: TableSet, indices: NDArray[uint8]
) -> None: ...
def channel_symbols(
    tables: TableSet,
    costs: CostTables,
    runs: list[list[NDArray[Any]]],
    indices: NDArray[uint8],
) -> list[ChannelSymbols]: ...

class ChannelSymbols:
    def costs(self) -> list[int]: ...
    def last_used(self, first: int, last: int) -> int: ...
    def encode(self, bounds: list[tuple[int, int]], marks: list[int], lanes: int, tail: int) -> bytes: ...

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

class PictureFiles:
    @overload
    def __init__(self, files: list[bytes]) -> None: ...
    @overload
    def __init__(
        self, paths: list[bytes], file: NDArray[int64], offset: NDArray[int64], length: NDArray[int64]
    ) -> None: ...
    def heads(self) -> NDArray[int32]: ...

class PictureRules:
    def __init__(
        self,
        fingerprint: bytes,
        profile: int,
        step_code: int,
        tuning: int,
        depth: int,
        group_ends: list[int],
        low_levels: int,
        places: NDArray[uint8],
        num_planes: int,
    ) -> None: ...
    def use_static(self, tables: TableSet, indices: NDArray[uint8]) -> None: ...
    def use_contexts(
        self,
        tables: TableSet,
        contexts: ContextRules,
        base: NDArray[uint16],
        low: ContextRules,
        low_base: NDArray[uint16],
    ) -> None: ...
    def source(self, files: PictureFiles, num_wanted: int, height: int, width: int) -> object: ...

class NetworkWeights:
    def __init__(self, width: int, num_kinds: int, *arrays: NDArray[Any]) -> None: ...

class SubbandRules:
    def __init__(
        self,
        num_colors: int,
        depth: int,
        low_levels: int,
        networks: list[NetworkWeights],
        table_map: NDArray[uint8],
        quiet_tables: NDArray[uint8],
    ) -> None: ...

class StepSubbandRules:
    def __init__(self, rules: SubbandRules, step_code: int) -> None: ...

class SubbandTile:
    def __init__(self, rules: SubbandRules, height: int, width: int) -> None: ...
    def load(self, planes: NDArray[int32], first: int, last: int) -> None: ...
    def coded(
        self, rules: StepSubbandRules, tables: TableSet, first: int, last: int
    ) -> tuple[NDArray[int32], NDArray[uint8], NDArray[uint8]]: ...
    def tables(self, rules: StepSubbandRules, tables: TableSet) -> NDArray[uint8]: ...
    def inputs(self, level: int, kind: int) -> NDArray[uint8]: ...
    def symbols(self, level: int, kind: int) -> NDArray[int32]: ...

class ChosenSubbands:
    def coded(
        self, rules: StepSubbandRules, tables: TableSet, first: int, last: int
    ) -> tuple[NDArray[int32], NDArray[uint8], NDArray[uint8]]: ...

def subband_followings(rules: SubbandRules, sizes: NDArray[int32]) -> NDArray[uint8]: ...
def optimize_subbands(
    rules: StepSubbandRules,
    tables: TableSet,
    costs: CostTables,
    coefficients: NDArray[float32],
    inverse_step: float,
    shrink: NDArray[float32],
    low_shrink: NDArray[float32],
    price: float,
    later_costs: NDArray[int32],
    planes: NDArray[int32],
    likely: NDArray[int32] | None,
    begun: ChosenSubbands | None,
    first: int,
    last: int,
) -> ChosenSubbands: ...
def coded_symbols(
    rules: ContextRules, tables: TableSet, base: NDArray[uint16], planes: NDArray[int32], first: int, last: int
) -> tuple[NDArray[int32], NDArray[uint8], NDArray[uint8]]: ...
def optimize_contexts(
    rules: ContextRules,
    tables: TableSet,
    costs: CostTables,
    base: NDArray[uint16],
    coefficients: NDArray[float32],
    inverse_step: float,
    shrink: NDArray[float32],
    planes: NDArray[int16] | NDArray[int32],
    num_fixed: int,
    price: float,
    num_sweeps: int,
) -> None: ...
def residual_symbols(
    residuals: NDArray[int32], starts: NDArray[uint8]
) -> tuple[NDArray[int32], NDArray[uint8], NDArray[uint8], bytes]: ...
def decode_residuals(
    tables: TableSet, stream: bytes, low_bits: bytes, residuals: NDArray[int32], starts: NDArray[uint8], lanes: int
) -> int: ...
