"""Texts as sequences of letters, for networks that say at each place which letter stands there (CTC).

Output 0 of a network is blank, output k the k-th letter of an alphabet. Source: Graves, Fernandez, Gomez, Schmidhuber,
"Connectionist temporal classification", ICML 2006.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from laconic.codecs.errors import CodecError
from laconic.tasks.measures.text_errors import ctc_text, edit_distance

if TYPE_CHECKING:
    from jaxtyping import Float, Int

# Of speech and of receipts. Texts are compared in capitals: receipts have few others, and speech has none.
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 '.,:;-/()&%#*@+$!?\"=<>[]_"
_MAX_LETTERS = 10_000
_BAR, _HEIGHT, _LEFT, _MARGIN, _LEAST_WIDTH = 4, 160, 48, 16, 320  # pixels


def check_letters(letters: str) -> str:
    """An alphabet. Raises `CodecError` for one that is empty, too long, or has a letter twice or a small one."""
    if not isinstance(letters, str) or not 1 <= len(letters) <= _MAX_LETTERS:
        raise CodecError(f"letters are {letters!r:.60}; allowed is a text of 1 to {_MAX_LETTERS} letters")
    if twice := [letter for letter in letters if letters.count(letter) > 1]:
        raise CodecError(f"letters have {twice[0]!r} twice; allowed is each letter once")
    if small := [letter for letter in letters if letter != letter.upper()]:
        raise CodecError(f"letters have {small[0]!r}; allowed are capitals, as texts are learned and compared in these")
    return letters


def plain_text(text: str, letters: str) -> str:
    """A text as it is learned and compared: in capitals, without letters that are not in the alphabet, one space for
    several.

    >>> plain_text("  Rp 9.00 \u2013 to\tpay", "AOPRTY09. "), plain_text("To tal", "ALOT")
    ('RP 9.00 TO PAY', 'TOTAL')
    """
    known = set(letters)
    words = ["".join(letter for letter in word if letter in known) for word in text.upper().split()]
    return (" " if " " in known else "").join(word for word in words if word)


def letter_numbers(text: str, letters: str) -> list[int]:
    """The outputs of the letters of a plain text, 1 and more."""
    number = {letter: index for index, letter in enumerate(letters, 1)}
    return [number[letter] for letter in text]


def letter_losses(
    outputs: Float[Tensor, "b t outputs"], lengths: Int[Tensor, " b"], texts: Sequence[str], letters: str
) -> Float[Tensor, " b"]:
    """(b,): minus the log-probability of each text by the first `lengths` places of the outputs, per letter, where it has
    any; 0 where a text has too many letters for its places, which no output could say, so that nothing is learned of it.
    """
    numbers = [letter_numbers(plain_text(text, letters), letters) for text in texts]
    counts = torch.tensor([len(one) for one in numbers])
    joined = torch.tensor([number for one in numbers for number in one], dtype=torch.int64)
    log_probabilities = outputs.float().log_softmax(dim=2).transpose(0, 1)
    # The CPU's implementation takes lengths from the CPU, and others take them from there as well.
    losses = nn.functional.ctc_loss(
        log_probabilities, joined.to(outputs.device), lengths.cpu(), counts, reduction="none", zero_infinity=True
    )
    return losses / counts.clamp(min=1).to(losses.device)


def read_letters(outputs: Float[Tensor, "b t outputs"], lengths: Int[Tensor, " b"], letters: str) -> list[str]:
    """The text of the best output at each place, without a language model."""
    best = outputs.argmax(dim=2).cpu().numpy()
    known = ["", *letters]
    found = [ctc_text(one[:length], known) for one, length in zip(best, lengths.tolist(), strict=True)]
    return [" ".join(text.split()) for text in found]


def letter_rows(
    outputs: Float[Tensor, "b t outputs"], lengths: Int[Tensor, " b"], texts: Sequence[str], letters: str
) -> Float[Tensor, "b 5"]:
    """(b, 5) float64 of each sample, for `letter_scores`: loss per letter, wrong letters, letters, wrong words, words."""
    losses = letter_losses(outputs, lengths, texts, letters).tolist()
    found = read_letters(outputs, lengths, letters)
    rows = [
        (loss, *_errors(plain_text(text, letters), read)) for loss, text, read in zip(losses, texts, found, strict=True)
    ]
    return torch.tensor(rows, dtype=torch.float64).reshape(-1, 5)


def letter_scores(rows: Float[NDArray[np.float64], "n 5"]) -> dict[str, float]:
    """ "loss", "cer" and "wer", the wrong letters and words by all that are there (1 and more where nothing is right), and
    "exact", the share of texts without an error."""
    loss, letter_errors, letters, word_errors, words = rows.T
    return {
        "loss": float(loss.mean()),
        "cer": float(letter_errors.sum() / max(letters.sum(), 1)),
        "wer": float(word_errors.sum() / max(words.sum(), 1)),
        "exact": float((letter_errors == 0).mean()),
    }


def letter_plot(rows: Float[NDArray[np.float64], "n 5"]) -> str:
    """A bar for each text, the best first: its share of wrong letters, cut at 100 %."""
    shares = np.sort(np.minimum(rows[:, 1] / np.maximum(rows[:, 2], 1), 1))
    bottom, right = _MARGIN + _HEIGHT, _LEFT + max(_BAR * len(shares), _LEAST_WIDTH)
    bars = [
        f'<rect x="{_LEFT + _BAR * i}" y="{bottom - _HEIGHT * share:.1f}" width="{_BAR - 1}" '
        f'height="{_HEIGHT * share:.1f}" fill="#46a"/>'
        for i, share in enumerate(shares.tolist())
    ]
    lines = [
        f'<line x1="{_LEFT}" x2="{right}" y1="{bottom - level * _HEIGHT / 100}" y2="{bottom - level * _HEIGHT / 100}" '
        f'stroke="#ccc"/><text x="{_LEFT - 4}" y="{bottom - level * _HEIGHT / 100 + 4}" text-anchor="end">{level} %</text>'
        for level in (0, 50, 100)
    ]
    title = f"wrong letters of each of {len(shares)} texts, {100 * letter_scores(rows)['cer']:.1f} % of all"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right + _MARGIN}" height="{bottom + 3 * _MARGIN}" '
        'font-family="sans-serif" font-size="12">'
        + "".join([*lines, *bars])
        + f'<text x="{_LEFT}" y="{bottom + 2 * _MARGIN}">{title}</text></svg>\n'
    )


def _errors(text: str, read: str) -> tuple[Any, ...]:
    words = text.split()
    return edit_distance(text, read), len(text), edit_distance(words, read.split()), len(words)
