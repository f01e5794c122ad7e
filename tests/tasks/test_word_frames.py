"""Words in as many frames each, wherever they begin and however fast they are said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from laconic.codecs.errors import CodecError
from laconic.tasks.heads.learning_task import Batch, InputForm
from laconic.tasks.heads.listening import Listening
from laconic.tasks.heads.word_frames import framed_words

FORM = InputForm("latents", "sound", 32, (1, 60), place=(1, 256), classes=("no", "yes"), sample_rate_hz=16_000)


def word_of(length: int, before: int, gain: float = 1.0, frames: int = 60) -> Tensor:
    """(1, 3, 1, frames) energies: a band after the other between silence."""
    at = (torch.arange(length) + 0.5) / length
    bands = torch.stack([torch.exp(-8 * (at - middle) ** 2) for middle in (0.2, 0.5, 0.8)])
    return torch.nn.functional.pad(gain * bands, (before, frames - before - length))[None, :, None]


def test_words_are_the_same_wherever_and_however_fast() -> None:
    wanted = framed_words(word_of(24, 5), 24)
    assert wanted.shape == (1, 3, 1, 24) and float(wanted.mean()) == pytest.approx(1)
    torch.testing.assert_close(framed_words(word_of(24, 31, gain=0.01), 24), wanted)
    torch.testing.assert_close(framed_words(word_of(48, 2), 24), wanted, atol=0.05, rtol=0)
    both = framed_words(torch.cat([word_of(24, 5), word_of(30, 9)]), 24)
    torch.testing.assert_close(both[:1], wanted)


def test_ends_of_words_are_moved_by_shares_of_their_length() -> None:
    moved = framed_words(word_of(20, 10), 20, torch.tensor([[0.5, 0.0]]))
    rest = framed_words(word_of(20, 10), 40)[..., 20:]
    torch.testing.assert_close(moved, rest / rest.mean())
    outside = framed_words(word_of(20, 10), 20, torch.tensor([[-0.5, 0.5]]))
    assert float(outside[..., :4].abs().max()) == 0


@pytest.mark.parametrize("energies", [torch.zeros(2, 3, 1, 9), torch.rand(2, 3, 1, 1), torch.rand(1, 1, 2, 5)])
def test_silence_and_single_frames_are_words_too(energies: Tensor) -> None:
    assert torch.isfinite(framed_words(energies, 7)).all()


def test_a_word_is_heard_alike_after_a_while() -> None:
    task = Listening(width=4, word_frames=16)
    network = task.network(FORM, 0).eval()
    x = torch.zeros(1, 32, 1, 60)
    x[..., 4:30] = torch.randn(1, 32, 1, 26, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network(x), network(x.roll(21, 3)), atol=1e-4, rtol=0)
        plain = Listening(width=4).network(FORM, 0).eval()
        assert not torch.allclose(plain(x), plain(x.roll(21, 3)), atol=1e-4)


def test_training_on_words_moves_their_ends() -> None:
    task = Listening(width=4, word_frames=16, mixup=0, pitch=0, gaps=0)
    network, x = task.network(FORM, 0), torch.randn(4, 32, 1, 60)
    batch = Batch(x, (torch.tensor([0, 1, 0, 1]),))
    losses = []
    for seed in (0, 0, 1):
        torch.manual_seed(0)  # of dropout
        losses.append(float(task.loss(network, batch, np.random.default_rng(seed)).detach()))
    assert losses[0] == losses[1] != losses[2]
    with pytest.raises(CodecError, match="word_frames is -1"):
        Listening(word_frames=-1)
