"""What the tests of the codecs share."""

from collections.abc import Iterator

import pytest

from laconic.codecs import _native
from laconic.entropy import simd


def use_simd(level: str) -> None:
    """Of the coder and of the transform, which have kernels of their own."""
    simd.use(level)
    assert _native.use_simd(level)


@pytest.fixture(params=("portable", "avx2", "avx512"))
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set in turn; those that the machine lacks are reported as skipped."""
    if request.param not in simd.available():
        pytest.skip(f"this machine has no {request.param}")
    before = simd.current()
    use_simd(request.param)
    yield request.param
    use_simd(before)


@pytest.fixture
def levels() -> Iterator[Iterator[str]]:
    """Goes through the instruction sets of this machine inside one test; each is in use until the next."""
    before = simd.current()

    def each() -> Iterator[str]:
        for name in simd.available():
            use_simd(name)
            yield name

    yield each()
    use_simd(before)
