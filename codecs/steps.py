"""Quality -> step code -> quantiser step (SPEC.md, section 8). Frozen: files depend on it.

A step code is 0..255, sixteen to the octave. Steps are exact float32 products of a mantissa and a power of two, so they
are the same on every machine.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from laconic.codecs.arguments import whole_number_argument

NUM_STEP_CODES: Final = 256
CODES_PER_OCTAVE: Final = 16
MIN_QUALITY: Final = 1
MAX_QUALITY: Final = 100
# 2**(i / 16) rounded to float32.
MANTISSAS: Final = tuple(
    float.fromhex(h)
    for h in (
        "0x1.000000p+0 0x1.0b5586p+0 0x1.172b84p+0 0x1.2387a6p+0 0x1.306fe0p+0 0x1.3dea64p+0 0x1.4bfdaep+0 0x1.5ab07ep+0 "
        "0x1.6a09e6p+0 0x1.7a1148p+0 0x1.8ace54p+0 0x1.9c4918p+0 0x1.ae89fap+0 0x1.c199bep+0 0x1.d5818ep+0 0x1.ea4afap+0"
    ).split()
)
_LOG2_OF_FIRST_STEP: Final = -12
CODE_OF_UNIT_STEP: Final = -CODES_PER_OCTAVE * _LOG2_OF_FIRST_STEP
# Scales of channels have codes too: their difference from a step's, over this, is the row of a model's reconstruction rule.
CODES_PER_SCALE: Final = 2
CODE_OF_UNIT_SCALE: Final = CODE_OF_UNIT_STEP + 4 * CODES_PER_OCTAVE
_MIDDLE_QUALITY: Final = 50
_MIDDLE_CODE: Final = 154
_MIDDLE_SOUND_CODE: Final = 184


def step_of_code(step_code: int) -> np.float32:
    """Quantiser step in signal units (full scale = 1)."""
    octave, phase = divmod(step_code, CODES_PER_OCTAVE)
    return np.float32(MANTISSAS[phase] * 2.0 ** (octave + _LOG2_OF_FIRST_STEP))


def check_quality(quality: int) -> int:
    """The quality as an int. Raises `CodecError` outside 1 to 100."""
    return whole_number_argument("quality", quality, MIN_QUALITY, MAX_QUALITY)


def check_step_code(step_code: int) -> int:
    """The step code as an int. Raises `CodecError` outside 0 to 255."""
    return whole_number_argument("step_code", step_code, 0, NUM_STEP_CODES - 1)


def step_code_of_quality(quality: int) -> int:
    """Step code of a picture's or cube's quality, 1 (smallest files) to 100; 50 is near 0.5 bits a pixel, 100 at least
    48 dB.

    Raises `CodecError` outside that range.
    """
    return _ladder(quality, _MIDDLE_CODE, up=14, down=7)


def step_code_of_sound_quality(quality: int) -> int:
    """Step code of a sound's quality, which counts from its level (`levels`). Raises `CodecError` as above."""
    return _ladder(quality, _MIDDLE_SOUND_CODE, up=18, down=11)


def _ladder(quality: int, middle: int, *, up: int, down: int) -> int:
    """Tenths of a code for each quality above and below the middle."""
    quality = check_quality(quality)
    if quality >= _MIDDLE_QUALITY:
        return middle - up * (quality - _MIDDLE_QUALITY) // 10
    return middle + down * (_MIDDLE_QUALITY - quality) // 10
