"""Steps and qualities are frozen: files depend on each of these numbers (SPEC.md, section 8)."""

import numpy as np
import pytest

from laconic.codecs import _native
from laconic.codecs.errors import CodecError
from laconic.codecs.steps import NUM_STEP_CODES, step_code_of_quality, step_of_code

MANTISSAS = """
    1.000000 1.0b5586 1.172b84 1.2387a6 1.306fe0 1.3dea64 1.4bfdae 1.5ab07e
    1.6a09e6 1.7a1148 1.8ace54 1.9c4918 1.ae89fa 1.c199be 1.d5818e 1.ea4afa
""".split()
# Quality 1 to 100, written down once.
STEP_CODES = [
    188, 187, 186, 186, 185, 184, 184, 183, 182, 182, 181, 180, 179, 179, 178, 177, 177, 176, 175, 175,
    174, 173, 172, 172, 171, 170, 170, 169, 168, 168, 167, 166, 165, 165, 164, 163, 163, 162, 161, 161,
    160, 159, 158, 158, 157, 156, 156, 155, 154, 154, 153, 152, 150, 149, 147, 146, 145, 143, 142, 140,
    139, 138, 136, 135, 133, 132, 131, 129, 128, 126, 125, 124, 122, 121, 119, 118, 117, 115, 114, 112,
    111, 110, 108, 107, 105, 104, 103, 101, 100, 98, 97, 96, 94, 93, 91, 90, 89, 87, 86, 84,
]  # fmt: skip


@pytest.mark.parametrize("octave", range(16))
def test_steps_are_the_frozen_ones(octave: int) -> None:
    for phase, digits in enumerate(MANTISSAS):
        step = step_of_code(16 * octave + phase)
        assert step.dtype == np.float32
        assert float(step) == float.fromhex(f"0x{digits}p{octave - 12}")


def test_mantissas_are_the_nearest_floats() -> None:
    for phase, digits in enumerate(MANTISSAS):
        assert np.float32(float.fromhex(f"0x{digits}")) == np.float32(2.0 ** (phase / 16))


def test_qualities_are_the_frozen_step_codes() -> None:
    assert [step_code_of_quality(quality) for quality in range(1, 101)] == STEP_CODES


def test_better_quality_never_has_a_larger_step() -> None:
    codes = [step_code_of_quality(quality) for quality in range(1, 101)]
    assert codes == sorted(codes, reverse=True)
    assert 0 <= codes[-1] < codes[0] < NUM_STEP_CODES


@pytest.mark.parametrize("quality", [0, 101, -5, 50.0, "50", None, True], ids=repr)
def test_other_qualities_are_refused(quality: object) -> None:
    with pytest.raises(CodecError, match="quality is"):
        step_code_of_quality(quality)  # type: ignore[arg-type]


def test_integers_are_rounded_with_a_dead_zone() -> None:
    values = np.array([[0, 0.59, 0.6, 1.59, 1.6, -0.59, -0.61, -1.7, 1e20, -1e20]], np.float32)
    out = np.empty(values.shape, np.int32)
    _native.quantize(values, out, 1.0, np.array([[0.6, 0.4]], np.float32))
    assert out.tolist() == [[0, 0, 1, 1, 2, 0, -1, -2, 2**30, -(2**30)]]


def test_reconstruction_takes_the_shrinkage_off() -> None:
    values = np.array([[0, 1, 2, 3, 4, -1, -2, -9]], np.int32)
    out = np.empty(values.shape, np.float32)
    _native.dequantize(values, out, np.array([0.5], np.float32), np.array([[0.25, 0.125, 0.0625]], np.float32))
    assert out.tolist() == [[0, 0.375, 0.9375, 1.46875, 1.96875, -0.375, -0.9375, -4.46875]]
