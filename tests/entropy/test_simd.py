"""Instruction sets: chosen by name, all with the same bytes and symbols."""

import os
import subprocess
import sys

import numpy as np
import pytest

from laconic.entropy import packets, rans, simd
from laconic.entropy.tables import TableSet, table_of_probabilities

VALUES = np.arange(-300, 301)
# Tables of 4 to 256 entries, so that kernels of every depth run.
BANK = TableSet(tuple(table_of_probabilities(VALUES, np.exp(-np.abs(VALUES) / s)) for s in (0.05, 0.5, 1, 2, 4, 8, 30)))


def draw(shape: tuple[int, ...], indices: np.ndarray, seed: int) -> np.ndarray:
    scales = np.array([0.05, 0.5, 1, 2, 4, 8, 30])[indices]
    rng = np.random.default_rng(seed)
    values = np.rint(rng.laplace(0, 1, shape) * scales.reshape(indices.shape + (1,) * (len(shape) - indices.ndim)))
    values[rng.random(shape) < 0.001] = 70_000  # a wide escape in some rounds
    return values.astype(np.int32)


def on(level: str, call: object, *arguments: object, **options: object) -> object:
    before = simd.current()
    simd.use(level)
    try:
        return call(*arguments, **options)  # type: ignore[operator]
    finally:
        simd.use(before)


@pytest.mark.parametrize("count", [1, 63, 700, 5_000, 70_000, 300_000])
@pytest.mark.parametrize("table", range(7))
def test_one_table_gives_the_bytes_of_the_portable_level(level: str, table: int, count: int) -> None:
    values = draw((count,), np.full(count, table), seed=count)
    packet = packets.encode_array(values, BANK, table)
    assert packet == on("portable", packets.encode_array, values, BANK, table)
    assert np.array_equal(packets.decode_array(packet, BANK, table), values)


@pytest.mark.parametrize("count", [1, 700, 5_000, 300_000])
def test_a_table_for_each_value_gives_the_bytes_of_the_portable_level(level: str, count: int) -> None:
    indices = np.random.default_rng(count).integers(0, 7, count).astype(np.uint8)
    values = draw((count,), indices, seed=count)
    packet = packets.encode_array(values, BANK, indices)
    assert packet == on("portable", packets.encode_array, values, BANK, indices)
    assert np.array_equal(packets.decode_array(packet, BANK, indices), values)


@pytest.mark.parametrize("length", [100, 20_011])
def test_rows_in_lock_step_give_the_bytes_of_the_portable_level(level: str, length: int) -> None:
    rows = np.arange(21, dtype=np.uint8) % 7
    values = draw((21, length), rows, seed=length)
    packet = packets.encode_array(values, BANK, rows, chunk_symbols=length)
    assert packet == on("portable", packets.encode_array, values, BANK, rows, chunk_symbols=length)
    assert np.array_equal(packets.decode_array(packet, BANK, rows).reshape(values.shape), values)


@pytest.mark.parametrize("lanes", rans.LANES)
def test_streams_of_files_are_those_of_the_portable_level(level: str, lanes: int) -> None:
    indices = np.random.default_rng(lanes).integers(0, 7, 4_321).astype(np.uint8)
    values = draw(indices.shape, indices, seed=lanes)
    data = rans.encode(values, BANK, indices, lanes=lanes)
    assert data == on("portable", rans.encode, values, BANK, indices, lanes=lanes)
    assert np.array_equal(rans.decode(data, values.size, BANK, indices, lanes=lanes), values)


def test_unknown_level_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'neon'; this machine has portable"):
        simd.use("neon")


def in_new_process(wanted: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from laconic.entropy import simd; print(simd.current())"]
    environment = os.environ | {"LACONIC_SIMD": wanted}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_environment_variable_chooses_the_level() -> None:
    assert in_new_process("portable").stdout.strip() == "portable"


def test_environment_variable_with_an_unknown_level_is_refused() -> None:
    done = in_new_process("sse9")
    assert done.returncode != 0
    assert "LACONIC_SIMD is sse9; this machine has portable" in done.stderr
