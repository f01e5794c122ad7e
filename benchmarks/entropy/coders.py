"""What the entropy benchmark times, and how: every coder in turn inside each round, in one process."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import common


def _nothing() -> None:
    return


@dataclass(frozen=True)
class Coder:
    """One coder on one data set, its input and output buffers made ready.

    `encode` gives whatever `decode` takes, and `num_bytes` counts it, headers and checksums included; `is_input` tells
    whether what `decode` gave is the input. `prepare` runs before each turn, on one core unless it says otherwise, and
    is not timed. `num_messages` are coded in one `encode`. `ideal_bits` is 0 for what does not compress.
    """

    name: str
    num_symbols: int
    ideal_bits: float
    encode: Callable[[], Any]
    decode: Callable[[Any], Any]
    num_bytes: Callable[[Any], int]
    is_input: Callable[[Any], bool]
    prepare: Callable[[], None] = _nothing
    num_messages: int = 1
    note: str = ""


@dataclass(frozen=True)
class Spread:
    """Seconds of one operation over the rounds."""

    median: float
    worst: float
    best: float


@dataclass(frozen=True)
class Measurement:
    """Sizes and times of one coder."""

    coder: Coder
    num_bytes: int
    encode: Spread
    decode: Spread

    @property
    def overhead_percent(self) -> float | None:
        """How much larger than the ideal code length the timed bytes are."""
        ideal = self.coder.ideal_bits
        return (self.num_bytes * 8 / ideal - 1) * 100 if ideal else None


def measure(coders: Sequence[Coder], *, num_rounds: int) -> list[Measurement]:
    """Check each coder's round trip, then time all of them `num_rounds` times, alternated, each turn after one untimed.

    Raises RuntimeError where a coder does not give back its input, or not always the same number of bytes.
    """
    sizes = [_checked_size(coder) for coder in coders]
    seconds: list[list[tuple[float, float]]] = [[] for _ in coders]
    gc.disable()  # lists of millions of numbers are made and dropped
    try:
        for _ in range(num_rounds):
            for number, coder in enumerate(coders):
                _make_ready(coder)
                _one_turn(coder)
                encode_seconds, decode_seconds, size = _one_turn(coder)
                seconds[number].append((encode_seconds, decode_seconds))
                if size != sizes[number]:
                    raise RuntimeError(f"{coder.name} wrote {size} bytes after {sizes[number]} of the same input")
            gc.collect()
    finally:
        gc.enable()
    return [
        Measurement(coder, size, _spread([e for e, _ in times]), _spread([d for _, d in times]))
        for coder, size, times in zip(coders, sizes, seconds, strict=True)
    ]


def _make_ready(coder: Coder) -> None:
    common.pin_to_one_core()
    coder.prepare()


def _checked_size(coder: Coder) -> int:
    _make_ready(coder)
    payload = coder.encode()
    if not coder.is_input(coder.decode(payload)):
        raise RuntimeError(f"{coder.name} does not give back its input; nothing can be timed")
    return coder.num_bytes(payload)


def _one_turn(coder: Coder) -> tuple[float, float, int]:
    start = time.perf_counter()
    payload = coder.encode()
    middle = time.perf_counter()
    coder.decode(payload)
    end = time.perf_counter()
    return middle - start, end - middle, coder.num_bytes(payload)


def _spread(seconds: list[float]) -> Spread:
    return Spread(statistics.median(seconds), max(seconds), min(seconds))
