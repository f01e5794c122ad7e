"""Packets of tensors against the native ones."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from laconic.codecs.learning import tensor_wavelet  # noqa: E402
from laconic.codecs.models.packet_tree import Tree, dyadic_tree, full_tree  # noqa: E402
from laconic.codecs.transform import wavelet  # noqa: E402

TREES = [dyadic_tree(2, 3), full_tree(2, 3), full_tree(2, 1)]


@pytest.mark.parametrize("tree", TREES)
def test_packets_equal_the_native_ones(tree: Tree) -> None:
    planes = np.random.default_rng(1).standard_normal((3, 48, 64)).astype(np.float32)
    packets = tensor_wavelet.analyze(torch.from_numpy(planes)[None], tree)
    np.testing.assert_allclose(packets[0].numpy(), wavelet.analyze_wavelet(planes, tree), atol=1e-6)


@pytest.mark.parametrize("tree", TREES)
def test_synthesis_inverts_analysis(tree: Tree) -> None:
    planes = torch.randn((2, 3, 32, 40), generator=torch.Generator().manual_seed(2))
    restored = tensor_wavelet.synthesize(tensor_wavelet.analyze(planes, tree), tree, 3)
    torch.testing.assert_close(restored, planes, atol=1e-5, rtol=0)


def test_gradients_pass() -> None:
    tree = dyadic_tree(2, 2)
    planes = torch.randn((1, 1, 8, 8), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: tensor_wavelet.analyze(x, tree), (planes,))
