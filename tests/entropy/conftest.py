"""What the tests of the coder share."""

from collections.abc import Iterator

import pytest

from laconic.entropy import simd


@pytest.fixture(params=("portable", "avx2", "avx512"))
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set in turn; those that the machine lacks are reported as skipped."""
    if request.param not in simd.available():
        pytest.skip(f"this machine has no {request.param}")
    before = simd.current()
    simd.use(request.param)
    yield request.param
    simd.use(before)
