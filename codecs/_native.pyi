"""Types of the native kernels (native/bindings.cpp)."""

from typing import Any

from numpy import bool_, float32, int8, int16, int32, int64, uint8, uint16, uint32
from numpy.typing import NDArray

def split2(planes: NDArray[float32], bands: NDArray[float32]) -> None: ...
def merge2(bands: NDArray[float32], planes: NDArray[float32]) -> None: ...
def split1(lines: NDArray[float32], bands: NDArray[float32]) -> None: ...
def merge1(bands: NDArray[float32], lines: NDArray[float32]) -> None: ...
def mdct(lines: NDArray[float32], coefficients: NDArray[float32]) -> None: ...
def inverse_mdct(coefficients: NDArray[float32], lines: NDArray[float32]) -> None: ...
def project(matrix: NDArray[float32], values: NDArray[float32], out: NDArray[float32]) -> None: ...
def quantize(
    values: NDArray[float32], out: NDArray[int32], inverse_step: float, thresholds: NDArray[float32]
) -> None: ...
def dequantize(
    values: NDArray[int32], out: NDArray[float32], steps: NDArray[float32], shrink: NDArray[float32]
) -> None: ...
def step_exponents(
    values: NDArray[Any],
    first: int,
    weights: NDArray[uint32],
    step_code: int,
    strength: int,
    out: NDArray[int8],
    classes: NDArray[uint8] | None = None,
) -> None: ...
def fill_points(
    values: NDArray[int32],
    classes: NDArray[uint8],
    largest: NDArray[float32],
    seed: int,
    top: int,
    left: int,
    points: NDArray[float32],
) -> None: ...
def scale_coefficients(
    values: NDArray[float32],
    gains: NDArray[float32] | None,
    exponents: NDArray[int8] | None,
    factors: NDArray[float32],
    first_mapped: int,
) -> None: ...
def planes_of_samples(samples: NDArray[Any], planes: NDArray[float32], peak: float) -> None: ...
def samples_of_planes(planes: NDArray[float32], samples: NDArray[Any], peak: float) -> None: ...
def analyze_low(planes: NDArray[float32], gains: NDArray[float32]) -> None: ...
def synthesize_low(
    values: NDArray[Any],
    out: NDArray[int16],
    step: float,
    shrink: NDArray[float32],
    inverse: NDArray[float32],
    skipped: int,
) -> None: ...

MAX_EXPONENT: int
LOW_MARGIN: int
MAX_LOW_LEVELS: int
MARGIN: int

class FixedMap:
    def __init__(self, planes: int, depth: int) -> None: ...
    def add_node(self, depth: int, children: tuple[int, ...]) -> None: ...
    def add_leaf(
        self,
        depth: int,
        analysis: NDArray[int16],
        analysis_bits: int,
        synthesis: NDArray[int16],
        synthesis_bits: int,
        channels: list[int],
    ) -> None: ...

class LatentNorm:
    def __init__(self, scale: NDArray[float32], shift: NDArray[float32]) -> None: ...
    def set_bands(
        self,
        mirrored: NDArray[uint16],
        halved: NDArray[uint16],
        half_gains: NDArray[float32],
        colors: NDArray[uint16],
        num_low: int,
    ) -> None: ...
    def view(
        self,
        latent: NDArray[float32],
        out: NDArray[Any],
        row: int,
        windows: NDArray[int32] | None = None,
        colors: NDArray[float32] | None = None,
        factors: NDArray[float32] | None = None,
    ) -> None: ...

class LatentRule:
    def __init__(
        self,
        step: float,
        steps: NDArray[float32],
        shrink: NDArray[float32],
        low_inverse: NDArray[float32],
        low_shrink: NDArray[float32],
        blocks: list[tuple[NDArray[float32], NDArray[uint16], NDArray[uint16]]],
        num_channels: int,
    ) -> None: ...
    def map_steps(self, step_code: int, strength: int, weights: NDArray[uint32], factors: NDArray[float32]) -> None: ...
    def read(
        self,
        source: object,
        norm: LatentNorm,
        numbers: NDArray[int64],
        rows: NDArray[int64],
        out: NDArray[Any],
        done: NDArray[bool_],
        windows: NDArray[int32] | None = None,
        colors: NDArray[float32] | None = None,
        factors: NDArray[float32] | None = None,
        num_threads: int = 1,
    ) -> None: ...

def mix_latents(out: NDArray[Any], weight: float, box: tuple[int, int, int, int]) -> None: ...
def fixed_coefficients(
    map: FixedMap | None,
    samples: NDArray[Any],
    first_row: int,
    height: int,
    first: int,
    last: int,
    side: int,
    tiles: list[NDArray[float32]],
    low: NDArray[float32] | None = None,
    low_first: int = 0,
) -> None: ...
def fixed_integers(
    map: FixedMap | None,
    samples: NDArray[Any],
    first_row: int,
    height: int,
    first: int,
    last: int,
    side: int,
    tiles: list[NDArray[Any]],
    inverse_step: float,
    thresholds: NDArray[float32],
    low: NDArray[float32] | None = None,
    low_first: int = 0,
) -> None: ...
def fixed_samples(
    map: FixedMap | None,
    values: NDArray[Any],
    row: int,
    num_rows: int,
    row_bits: int,
    scales: NDArray[float32],
    shrink: NDArray[float32],
    level: int,
    out: NDArray[Any],
    y: int,
    x: int,
    low: NDArray[int16] | None = None,
    low_scale: float = 0.0,
    exponents: NDArray[int8] | None = None,
    first_mapped: int = 0,
    classes: NDArray[uint8] | None = None,
    largest: NDArray[int16] | None = None,
    seed: int = 0,
    top: int = 0,
    left: int = 0,
) -> None: ...
def resample(
    source: NDArray[uint8], target: NDArray[uint8], left: float, top: float, right: float, bottom: float
) -> None: ...
def sound_residuals(
    samples: NDArray[int32],
    residuals: NDArray[int32],
    forget: int,
    steps: NDArray[uint8],
    bits: NDArray[uint8],
    shifts: NDArray[int8],
) -> None: ...
def restore_sound(
    values: NDArray[int32], forget: int, steps: NDArray[uint8], bits: NDArray[uint8], shifts: NDArray[int8]
) -> bool: ...
def autocorrelate(samples: NDArray[int32], sums: NDArray[int64]) -> None: ...
def use_simd(name: str) -> bool: ...
