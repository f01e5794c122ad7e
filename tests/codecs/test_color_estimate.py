"""What colours cost in other axes, against details written out and colours whose axes are known."""

import numpy as np

from laconic.codecs.pictures.color_estimate import color_bits, color_rotation, local_covariances


def test_covariances_are_those_of_haar_details() -> None:
    """Of one patch, written out: the coarsest level is one block of each band."""
    samples = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    means = samples.astype(float)
    for level in range(3):
        a, b, c, d = means[::2, ::2], means[::2, 1::2], means[1::2, ::2], means[1::2, 1::2]
        bands = [(a + b - c - d) / 2, (a - b - c + d) / 2, (a - b + c - d) / 2]
        means = (a + b + c + d) / 2
        side = 4 >> level
        first = 3 * sum((4 >> finer) ** 2 for finer in range(level))
        found = local_covariances(samples)[first : first + 3 * side**2].reshape(3, side, side, 3, 3)
        for band, covariances in zip(bands, found, strict=True):
            block = band[:8, -8:].reshape(-1, 3)
            np.testing.assert_allclose(covariances[0, -1], block.T @ block / 64)
    assert len(local_covariances(samples)) == 3 * (16 + 4 + 1)


def test_large_pictures_are_looked_at_in_part() -> None:
    samples = np.zeros((64 * 40, 64 * 30, 3), np.uint8)
    assert 63 * 20 < len(local_covariances(samples)) <= 63 * 64


def test_rotation_is_found() -> None:
    """Of values that are independent in other axes."""
    random = np.random.default_rng(1)
    hidden, _ = np.linalg.qr(random.normal(size=(3, 3)))
    variances = np.exp(random.normal(0, 2, (500, 3))) * (400, 20, 5)
    covariances = np.einsum("kp,nk,kq->npq", hidden, variances, hidden)
    least = color_bits(covariances, hidden, 1.0)
    found = color_rotation(covariances, np.eye(3), 1.0)
    assert least < color_bits(covariances, np.eye(3), 1.0) * 0.9
    assert color_bits(covariances, found, 1.0) < least * 1.002
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)
