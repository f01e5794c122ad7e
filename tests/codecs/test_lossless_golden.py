"""Golden files of lossless sounds, against the codec with every instruction set and against the reference decoder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from module_files import load_module

from laconic.codecs import _native
from laconic.codecs.sounds import lossless_segment
from laconic.codecs.sounds.lossless_codec import LcnLossless
from laconic.entropy import simd
from laconic.entropy.container import Source, read_container_segment, read_header

golden = load_module("golden/make_golden.py")
plain = load_module("entropy/reference_decoder.py")
reference = load_module("codecs/reference_lossless.py")
RECORDS: dict[str, dict[str, Any]] = golden.read_index(golden.LOSSLESS_FOLDER)
TABLES = Path(lossless_segment.__file__).parents[1] / "models" / "residuals.tables"
each_case = pytest.mark.parametrize("case", golden.LOSSLESS_CASES, ids=lambda case: case.name)


def bytes_of(case: Any) -> bytes:
    data: bytes = (golden.LOSSLESS_FOLDER / f"{case.name}.lcn").read_bytes()
    return data


@pytest.fixture(params=simd.available())
def instruction_set(request: pytest.FixtureRequest) -> Iterator[None]:
    """Of prediction and of entropy coding."""
    before = simd.current()
    simd.use(request.param)
    _native.use_simd(request.param)
    yield
    simd.use(before)
    _native.use_simd(before)


def test_every_case_has_a_file_and_a_record() -> None:
    assert {case.name for case in golden.LOSSLESS_CASES} == set(RECORDS), "run tests/golden/make_golden.py"
    assert set(RECORDS) == {path.stem for path in golden.LOSSLESS_FOLDER.glob("*.lcn")}


@each_case
@pytest.mark.usefixtures("instruction_set")
def test_encoding_gives_the_same_bytes(case: Any) -> None:
    assert hashlib.sha256(bytes_of(case)).hexdigest() == RECORDS[case.name]["sha256"]
    assert case.encode() == bytes_of(case)


@each_case
@pytest.mark.usefixtures("instruction_set")
def test_decoding_gives_the_samples(case: Any) -> None:
    assert golden.record_lossless(case, bytes_of(case)) == RECORDS[case.name]
    assert np.array_equal(LcnLossless().decode(bytes_of(case)).samples, case.signal().samples)


@each_case
def test_reference_decoder_gives_the_samples(case: Any) -> None:
    source = Source(bytes_of(case))
    header = read_header(source)
    samples: list[list[int]] = [[] for _ in range(header.shape[0])]
    number = 0
    while source.remaining():
        segment = read_container_segment(source, number, with_channels=False)
        shape = (header.shape[0], min(header.shape[1] - len(samples[0]), 2**header.tile_log2))
        found = reference.decode_segment(plain, (segment.payload, segment.lanes), shape, header.sound_bits, TABLES)
        samples, number = [a + b for a, b in zip(samples, found, strict=True)], number + 1
    decoded = np.array(samples, np.float32).reshape(header.shape) * np.float32(2.0 ** (1 - header.sound_bits))
    assert np.array_equal(decoded, case.signal().samples)
