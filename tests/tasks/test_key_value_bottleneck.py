"""Keys that stay and values that are learned: what was learned is not lost when other classes come."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from laconic.codecs.errors import CodecError  # noqa: E402
from laconic.tasks.heads.key_value_bottleneck import (  # noqa: E402
    KeyValueHead,
    ValueLearning,
    fit_keys,
    learn_values,
    pooled_pieces,
)

NUM_CLASSES = 4


def samples(seed: int = 0, count: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents of four classes that differ in their mean, (n, 3, 8, 8), and the classes."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(NUM_CLASSES).repeat_interleave(count)
    centres = torch.tensor([[2.0, 0, 0], [0, 2.0, 0], [0, 0, 2.0], [-2.0, -2.0, 0]])
    return centres[labels][:, :, None, None] + torch.randn(len(labels), 3, 8, 8, generator=random), labels


def test_pieces_are_means_and_energies_of_cells() -> None:
    x = torch.zeros(1, 2, 4, 4)
    x[0, 1, :2, 2:] = 3.0
    pieces = pooled_pieces(x, 2)
    assert pieces.shape == (1, 4, 4)
    assert pieces[0, :, 1].tolist() == [0, 3, 0, 0]
    assert pieces[0, 1, 3] == pytest.approx(torch.log(torch.tensor(9.0001)))


def test_keys_are_the_means_of_what_is_nearest_to_them() -> None:
    pieces = pooled_pieces(samples()[0], 2)
    keys = fit_keys(pieces, 4, seed=1)
    alike = (pieces.transpose(0, 1) - keys.mean) / keys.deviation
    for piece, codes in enumerate(keys.codes(pieces).T):
        for key in codes.unique():
            assert torch.allclose(alike[piece][codes == key].mean(0), keys.keys[piece, key], atol=1e-3)
    assert torch.equal(fit_keys(pieces, 4, seed=1).keys, keys.keys)


def test_classes_that_come_later_leave_the_others_alone() -> None:
    x, labels = samples()
    pieces = pooled_pieces(x, 2)
    head = KeyValueHead(fit_keys(pieces, 8), NUM_CLASSES)
    for group in ((0, 1), (2, 3)):
        own = torch.isin(labels, torch.tensor(group))
        learn_values(head, head.codes(pieces[own]), labels[own])
    others, wanted = samples(seed=9)
    right = head.scores(head.codes(pooled_pieces(others, 2))).argmax(1) == wanted
    assert right[: len(wanted) // 2].float().mean() > 0.9  # those of the first group
    assert right.float().mean() > 0.9


def test_values_of_keys_that_are_not_found_do_not_change() -> None:
    x, labels = samples()
    pieces = pooled_pieces(x, 2)
    head = KeyValueHead(fit_keys(pieces, 8), NUM_CLASSES)
    own = labels < 2
    learn_values(head, head.codes(pieces[own]), labels[own])
    found = torch.zeros(head.values.shape[:2], dtype=torch.bool)
    found[torch.arange(pieces.shape[1]), head.codes(pieces[own])] = True
    assert (~found).any() and not head.values[~found].any()
    assert head.values[found].any(1).all()


def test_wrong_arguments_are_a_sentence() -> None:
    pieces = pooled_pieces(samples()[0], 2)
    with pytest.raises(CodecError, match="num_keys"):
        fit_keys(pieces, 1000)
    with pytest.raises(CodecError, match="num_cells"):
        pooled_pieces(samples()[0], 9)
    with pytest.raises(CodecError, match=r"needed is \(n, 4, 6\)"):
        fit_keys(pieces, 4).codes(pieces[:, :, :2])
    with pytest.raises(CodecError, match="learning_rate"):
        ValueLearning(learning_rate=0)
    with pytest.raises(CodecError, match="num_outputs"):
        KeyValueHead(fit_keys(pieces, 4), 0)
