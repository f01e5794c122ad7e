"""Rates by hand."""

import pytest

from laconic.tasks.measures.rate import bits_per_pixel, compression_ratio, kilobits_per_second


@pytest.mark.parametrize("data", [bytes(6), 6])
def test_bits_per_pixel_counts_whole_file_per_position(data: bytes | int) -> None:
    assert bits_per_pixel(data, (4, 6, 3)) == 2.0
    assert bits_per_pixel(data, (4, 6)) == 2.0


def test_kilobits_per_second_of_cd_sound() -> None:
    assert kilobits_per_second(2 * 2 * 44_100, 1.0) == pytest.approx(1411.2)


def test_compression_ratio_is_bytes_to_bytes() -> None:
    assert compression_ratio(bytes(10), 1000) == 100.0


@pytest.mark.parametrize("shape", [(3,), (0, 4, 3), (1, 2, 3, 4)])
def test_bits_per_pixel_refuses_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not that of an image"):
        bits_per_pixel(b"", shape)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 bytes"):
        bits_per_pixel(-1, (1, 1))
    with pytest.raises(ValueError, match=r"duration is 0\.0 s"):
        kilobits_per_second(b"", 0.0)
    with pytest.raises(ValueError, match="0 bytes"):
        compression_ratio(b"", 5)
