"""Which instruction set the native coder uses. All of them give the same bytes and the same symbols.

The fastest that the machine has is used; the environment variable LACONIC_SIMD, read when the coder is first loaded, or
`use` asks for another, so that tests can run each.

>>> available()[0]
'portable'
"""

from __future__ import annotations

from laconic.entropy import _native
from laconic.entropy.plain_values import shown


def available() -> tuple[str, ...]:
    """The levels this machine can run, slowest first: "portable", then "avx2" and "avx512" where it has them."""
    return tuple(_native.simd_levels())


def current() -> str:
    """The level in use."""
    return _native.simd_level()


def use(level: str) -> None:
    """Use `level` from now on, in all threads. Raises ValueError where this machine does not have it."""
    if not isinstance(level, str) or not _native.use_simd(level):
        raise ValueError(f"the SIMD level is {shown(level)}; this machine has {', '.join(available())}")
