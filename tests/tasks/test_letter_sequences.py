"""Letters of texts: the loss by hand, what is read, errors, and texts that cannot be learned."""

from __future__ import annotations

import math
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import Tensor

from laconic.codecs.errors import CodecError
from laconic.tasks.heads.letter_sequences import (
    LETTERS,
    check_letters,
    letter_losses,
    letter_plot,
    letter_rows,
    letter_scores,
    plain_text,
    read_letters,
)
from laconic.tasks.measures.text_errors import ctc_text


def outputs_that_say(*texts: str, letters: str, places: int) -> Tensor:
    """Sure of one letter at every second place, and of blank between and after."""
    outputs = torch.zeros(len(texts), places, len(letters) + 1)
    outputs[:, :, 0] = 20.0
    for row, text in zip(outputs, texts, strict=True):
        for index, letter in enumerate(text):
            row[2 * index, 0], row[2 * index, letters.index(letter) + 1] = 0.0, 20.0
    return outputs


def test_the_alphabet_is_one() -> None:
    assert check_letters(LETTERS) == LETTERS
    for bad in ("", "ABA", "Ab"):
        with pytest.raises(CodecError, match="letters"):
            check_letters(bad)


def test_the_loss_is_that_of_all_ways_to_say_a_text() -> None:
    outputs = torch.randn((1, 4, 3), generator=torch.Generator().manual_seed(1))
    probabilities = outputs[0].softmax(dim=1).double().numpy()
    ways = [way for way in product(range(3), repeat=4) if ctc_text(np.array(way), ["", "A", "B"]) == "AB"]
    whole = sum(math.prod(probabilities[place, one] for place, one in enumerate(way)) for way in ways)
    found = letter_losses(outputs, torch.tensor([4]), ["ab"], "AB")
    assert found.item() == pytest.approx(-math.log(whole) / 2, rel=1e-5)


def test_places_after_the_length_say_nothing() -> None:
    outputs = outputs_that_say("ABA", "ABA", letters="AB ", places=8)
    assert read_letters(outputs, torch.tensor([8, 3]), "AB ") == ["ABA", "AB"]
    losses = letter_losses(outputs, torch.tensor([8, 3]), ["aba", "ab"], "AB ")
    assert losses.max() < 1e-3


def test_a_text_that_no_place_is_left_for_teaches_nothing() -> None:
    outputs = torch.zeros((2, 2, 3), requires_grad=True)
    losses = letter_losses(outputs, torch.tensor([2, 2]), ["AABB", ""], "AB")
    losses.sum().backward()
    assert outputs.grad is not None
    assert losses[0] == 0
    assert losses[1].item() == pytest.approx(2 * math.log(3))
    assert outputs.grad.isfinite().all() and not outputs.grad[0].any()


def test_rows_count_letters_and_words() -> None:
    outputs = outputs_that_say("A BA", "B", "", letters="AB ", places=9)
    rows = letter_rows(outputs, torch.tensor([9, 9, 9]), ["a b\u00e9a", "a b", ""], "AB ").numpy()
    assert rows[:, 1:].tolist() == [[0, 4, 0, 2], [2, 3, 1, 2], [0, 0, 0, 0]]
    scores = letter_scores(rows)
    assert (scores["cer"], scores["wer"], scores["exact"]) == (pytest.approx(2 / 7), 1 / 4, pytest.approx(2 / 3))
    assert plain_text("a \u00e9 b", "AB ") == "A B"


def test_the_plot_has_a_bar_for_each_text() -> None:
    rows = np.array([[0.5, 1, 4, 1, 2], [0.1, 0, 3, 0, 1], [9.0, 7, 3, 1, 1]])
    drawing = ElementTree.fromstring(letter_plot(rows))
    heights = [float(one.attrib["height"]) for one in drawing if one.tag.endswith("rect")]
    assert heights == [0, 40, 160]
